"""What an encoder is to the measures: windows in, a checked embedding matrix out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_nnrel import audio
from pytest_nnrel.errors import EncoderError
from pytest_nnrel.identity import Behaviour, behaviour_of

if TYPE_CHECKING:
    import numpy.typing as npt

    from pytest_nnrel.audio import Samples

    Embeddings = npt.NDArray[np.float32]

DEFAULT_BATCH_SIZE = 32
#: Attributes that are no part of what an encoder's object does; keys hold those that matter.
_TOLD_APART = frozenset(
    {"name", "subject", "sample_rate", "window_seconds", "batch_size", "device", "_fingerprint"}
)


@dataclass(frozen=True)
class Identified:
    """What an encoder is known by: a fingerprint that lasts, if there is one, and what it does."""

    fingerprint: str | None
    behaviour: Behaviour


class Encoder(ABC):
    """An encoder as the measures see it. Make one with `as_encoder`.

    Attributes
    ----------
    name : str
        How reports and baselines call it.
    sample_rate : int or None
        Rate that it wants, in Hz; None takes any.
    window_seconds : float or None
        Window that it wants; None takes the corpus's.
    batch_size : int
        Windows that it gets at a time.
    device : str or None
        Torch device, where it runs on one.
    subject : object
        The user's object.
    """

    def __init__(
        self,
        name: str,
        *,
        subject: object,
        sample_rate: int | None = None,
        window_seconds: float | None = None,
        batch_size: int = DEFAULT_BATCH_SIZE,
        device: str | None = None,
        fingerprint: str | None = None,
    ) -> None:
        if sample_rate is not None and (problem := audio.rate_problem(sample_rate)):
            raise EncoderError(f"encoder {name!r}: {problem}")
        number = isinstance(window_seconds, Real) and 0 < window_seconds < float("inf")
        if window_seconds is not None and not number:
            raise EncoderError(
                f"encoder {name!r}: window_seconds must be positive, not {window_seconds!r}"
            )
        if batch_size < 1:
            raise EncoderError(f"encoder {name!r}: batch_size must be 1 or more, not {batch_size}")
        # Named after a file whose name is no text, it still reaches terminals and reports.
        self.name = name.encode("utf-8", "backslashreplace").decode()
        self.subject = subject
        self.sample_rate = None if sample_rate is None else int(sample_rate)
        self.window_seconds = None if window_seconds is None else float(window_seconds)
        self.batch_size = int(batch_size)
        self.device = device
        self._fingerprint = fingerprint

    @property
    def fingerprint(self) -> str | None:
        """Digest of all that decides its embeddings; None where that cannot be known."""
        return self.identify().fingerprint if self.tells_its_state else self._fingerprint

    @property
    def tells_its_state(self) -> bool:
        """Whether `fingerprint` is taken from the object, not given by its owner."""
        return False

    def identify(self) -> Identified:
        """Return what it is known by; looked up anew each time, as code and state may change.

        A fingerprint that its owner gave vouches for the state: then only code is looked at.
        """
        own = {name: value for name, value in vars(self).items() if name not in _TOLD_APART}
        given = None if self.tells_its_state else self.fingerprint
        behaviour = behaviour_of(
            type(self), own, state=given is None, passing_over=self._passes_over
        )
        taken = behaviour.digest if self.tells_its_state and behaviour.known else None
        return Identified(given or taken, behaviour)

    def _passes_over(self, owner: object, attribute: str) -> bool:
        """Tell whether an attribute of something that it runs is no part of what that does."""
        return False

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"

    @abstractmethod
    def _forward(self, batch: Samples, sample_rate: int) -> Any:  # noqa: ANN401
        """Return the encoder's own output for ``float32[n, samples]``, which it may not change."""

    def encode(self, windows: Samples, sample_rate: int) -> Embeddings:
        """Return one embedding per window.

        Parameters
        ----------
        windows : float32[n, samples]
            Mono, full scale at ±1.
        sample_rate : int
            Of the windows, in Hz. They are resampled to the encoder's own.

        Returns
        -------
        float32[n, d]

        Raises
        ------
        EncoderError
            If the encoder raises, changes its input, or returns anything but n finite vectors of
            floats, all of one length. `EncoderError.rows` tells which windows are at fault.
        """
        windows = np.asarray(windows, dtype=np.float32)
        if windows.ndim != 2 or 0 in windows.shape:
            raise EncoderError(
                f"encoder {self.name!r} takes windows of shape (n, samples), not empty, not"
                f" {list(windows.shape)}"
            )
        rate = sample_rate if self.sample_rate is None else self.sample_rate
        batches = []
        for first in range(0, len(windows), self.batch_size):
            batch = windows[first : first + self.batch_size]
            if rate != sample_rate:
                batch = np.stack([audio.resample(row, sample_rate, rate) for row in batch])
            batches.append(self._encode_batch(batch, rate, first))
        widths = {batch.shape[1] for batch in batches}
        if len(widths) > 1:
            raise EncoderError(
                f"encoder {self.name!r} returned embeddings of different lengths from one batch to"
                f" the next: {sorted(widths)}"
            )
        return np.concatenate(batches)

    def _encode_batch(self, batch: Samples, sample_rate: int, first: int) -> Embeddings:
        given = batch.copy()
        try:
            out = self._forward(given, sample_rate)
        except EncoderError as error:  # of an adapter, which counts rows within the batch
            rows = tuple(row + first for row in error.rows)
            raise EncoderError(str(error), rows) from error.__cause__
        except Exception as error:
            raise EncoderError(
                f"encoder {self.name!r} raised {type(error).__name__} on a batch of"
                f" {batch.shape[0]} windows of {batch.shape[1]} samples at {sample_rate} Hz:"
                f" {error}"
            ) from error
        if not np.array_equal(given, batch):
            raise EncoderError(
                f"encoder {self.name!r} changes its input in place; work on a copy"
                " (x = x * gain, not x *= gain), or every later reader sees other audio"
            )
        return self._checked(out, len(batch), first)

    def _checked(self, out: Any, expected: int, first: int) -> Embeddings:  # noqa: ANN401
        wanted = f"encoder {self.name!r} must return a float array of shape ({expected}, d)"
        if out is None or isinstance(out, tuple | list | Mapping):
            raise EncoderError(f"{wanted}, not {_describe_container(out)}")
        array = to_numpy(out, wanted)
        if array.dtype.kind != "f":
            raise EncoderError(
                f"{wanted}, not {array.dtype}; embeddings are floats, so if these are classes or"
                " codes, return the layer before them"
            )
        if array.ndim != 2 or array.shape[0] != expected or array.shape[1] == 0:
            raise EncoderError(
                f"{wanted}, one row per window, not {list(array.shape)}"
                + _describe_axes(array.shape, expected)
            )
        with np.errstate(over="ignore"):  # becomes infinite, which is told below
            array = array.astype(np.float32)
        finite = np.isfinite(array).all(axis=1)
        if not finite.all():
            rows = tuple(int(row) + first for row in np.flatnonzero(~finite))
            raise EncoderError(
                f"encoder {self.name!r} returned NaN or infinite values for {len(rows)} of"
                f" {expected} windows",
                rows,
            )
        return array


def _describe_axes(shape: tuple[int, ...], expected: int) -> str:
    """Say what to do about axes that are not those of an embedding matrix."""
    if len(shape) == 3 and shape[0] == expected:
        return (
            '; pool over time first: as_encoder(model, pool="mean"), where frames are the second'
            " axis"
        )
    return "; pool over time first" if len(shape) > 2 else ""


def _describe_container(out: Any) -> str:  # noqa: ANN401
    """Say what came instead of an array, and how to choose one of it."""
    if out is None:
        return "None; does it lack a return statement?"
    if isinstance(out, Mapping):
        keys = ", ".join(map(repr, out))
        return (
            f"a {type(out).__name__} of {len(out)}; name the embedding's of its keys {keys}:"
            " as_encoder(model, output=KEY)"
        )
    if isinstance(out, list):
        return (
            f"a list of {len(out)}; where it holds one vector per window, stack it:"
            " as_encoder(lambda batch: np.stack(model(batch))); where one is the embeddings,"
            " choose it: as_encoder(model, output=0)"
        )
    return f"a tuple of {len(out)}; choose the embedding: as_encoder(model, output=0)"


def to_numpy(out: Any, wanted: str) -> npt.NDArray[Any]:  # noqa: ANN401
    """Return an array or tensor, on any device, as an array of the CPU's.

    Parameters
    ----------
    out : array-like or torch.Tensor
    wanted : str
        Beginning of the error's text: what should have come.

    Raises
    ------
    EncoderError
        If it cannot be read.
    """
    if hasattr(out, "detach"):  # a torch tensor, in any precision
        try:
            tensor = out.detach().to("cpu")
            return np.asarray((tensor.float() if tensor.is_floating_point() else tensor).numpy())
        except Exception as error:
            raise EncoderError(
                f"{wanted}; the tensor it returned, on device {out.device}, cannot be read: {error}"
            ) from error
    try:
        return np.asarray(out)
    except Exception as error:
        raise EncoderError(f"{wanted}, not {type(out).__name__} ({error})") from error

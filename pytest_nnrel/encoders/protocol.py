"""What an encoder is to the measures: windows in, a checked embedding matrix out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from os import PathLike
from types import ModuleType
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeAlias

import numpy as np

from pytest_nnrel.corpus import audio
from pytest_nnrel.encoders.lines import Written
from pytest_nnrel.encoders.output import OneVectorError, embedding_matrix
from pytest_nnrel.errors import EncoderError, GradientError
from pytest_nnrel.identity import Behaviour, behaviour_of
from pytest_nnrel.runtime.allocation import keep_freed_memory
from pytest_nnrel.runtime.devices import kind_of
from pytest_nnrel.runtime.scalars import is_real, is_whole
from pytest_nnrel.runtime.tensors import to_numpy

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    import numpy.typing as npt

    from pytest_nnrel.corpus.audio import Samples
    from pytest_nnrel.identity.walk import PassedOver

    Embeddings = npt.NDArray[np.float32]
    Floats = npt.NDArray[np.floating[Any]]

DEFAULT_BATCH_SIZE = 32
#: Share by which the median distance between two embeddings may change in float32. As much as a
#: change of batch may move them: below, one clip in a thousand is as near to two originals.
ROUNDING_LIMIT = 1e-3
#: Embeddings that this is looked for in.
_ROUNDED_ROWS = 32
#: Distances below this share of an embedding's length are rounding of float64 itself.
_FLOAT64_ROUNDING = 1e-14

#: Attributes of every encoder that are no part of what its object does: keys hold those that
#: matter, and what it was seen to do follows from the others.
_TOLD_APART = frozenset(
    {
        "name",
        "sample_rate",
        "window_seconds",
        "batch_size",
        "device",
        "ragged",
        "_fingerprint",
        "_rows_are_windows",
    }
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
    ragged : callable or None
        How it takes waveforms of several lengths, see `encode_ragged`.
    layers : tuple of Encoder
        An encoder for each of its outputs, where several were named; else empty.
    """

    layers: tuple[Encoder, ...] = ()

    #: Attributes that `identify` leaves out, beside those that every encoder has.
    told_apart: ClassVar[frozenset[str]] = frozenset()

    #: Whether torch records no gradients where it runs.
    without_gradients: ClassVar[bool] = False

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
        ragged: Callable[[list[Samples], int], Any] | None = None,
    ) -> None:
        if sample_rate is not None and (problem := audio.rate_problem(sample_rate)):
            raise EncoderError(f"encoder {name!r}: {problem}")
        number = is_real(window_seconds) and 0 < window_seconds < float("inf")
        if window_seconds is not None and not number:
            raise EncoderError(
                f"encoder {name!r}: window_seconds must be positive, not {window_seconds!r}"
            )
        if not is_whole(batch_size) or batch_size < 1:
            raise EncoderError(
                f"encoder {name!r}: batch_size must be 1 or more, a whole number, not"
                f" {batch_size!r}"
            )
        for what, text in (("name", name), ("fingerprint", fingerprint)):
            if text is not None and (not isinstance(text, str) or not text):
                raise EncoderError(
                    f"encoder {name!r}: {what} must be text that is not empty, not {text!r}"
                )
        # Named after a file whose name is no text, it still reaches terminals and reports.
        self.name = name.encode("utf-8", "backslashreplace").decode()
        self.subject = subject
        self.sample_rate = None if sample_rate is None else int(sample_rate)
        self.window_seconds = None if window_seconds is None else float(window_seconds)
        self.batch_size = int(batch_size)
        self.device = None if device is None else str(device)  # torch has objects for them, too
        self.ragged = ragged
        self._fingerprint = fingerprint
        self._rows_are_windows = False

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
        told_apart = _TOLD_APART | self.told_apart
        passed_over = self._passed_over()
        own = {name: value for name, value in vars(self).items() if name not in told_apart}
        given = None if self.tells_its_state else self.fingerprint
        behaviour = behaviour_of(
            type(self),
            own,
            state=given is None,
            passing_over=lambda owner, attribute: (
                (owner is self and attribute in told_apart) or passed_over(owner, attribute)
            ),
        )
        taken = behaviour.digest if self.tells_its_state and behaviour.known else None
        return Identified(given or taken, behaviour)

    def _passed_over(self) -> PassedOver:
        """Return what tells which attributes of what it runs are no part of what that does."""
        return lambda owner, attribute: False

    @property
    def runs_on(self) -> frozenset[str]:
        """The kinds of torch's devices that it runs on; none where it chooses them itself."""
        return frozenset() if self.device is None else frozenset({kind_of(self.device)})

    def assumptions(self, sample_rate: int) -> list[str]:
        """Return what is taken for granted of it, since it does not say so itself.

        Parameters
        ----------
        sample_rate : int
            The corpus's, in Hz.

        Returns
        -------
        list of str
            One assumption each, for messages and reports.
        """
        if self.sample_rate is not None:
            return []
        return [f"{sample_rate:,} Hz, not stated by the encoder"]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"

    @abstractmethod
    def forward(self, batch: Samples, sample_rate: int) -> Any:  # noqa: ANN401
        """Return the encoder's own output for ``float32[n, samples]``, which it may not change."""

    @property
    def written(self) -> Written:
        """How lines of code in messages write a call of what embeds."""
        return Written()

    def embedding_in(self, out: Any) -> Any:  # noqa: ANN401
        """Return what of the object's own output is the embedding, where its user names none."""
        return out

    def forward_traced(self, audio: Any, sample_rate: int) -> Any:  # noqa: ANN401
        """Return the encoder's own output for a tensor, with gradients, as `forward` does without.

        Raises
        ------
        GradientError
            If it is no encoder of torch.
        """
        raise GradientError(
            f"no gradients flow through encoder {self.name!r} ({type(self).__name__}); give a"
            " torch.nn.Module of waveforms. What another encoder withstands least often transfers:"
            " Adversarial(snr_db, encoder=ANOTHER), of torch and of the same audio"
        )

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
        keep_freed_memory()
        rate = sample_rate if self.sample_rate is None else self.sample_rate
        batches: list[Embeddings] = []
        precise: list[Floats] = []
        for first in range(0, len(windows), self.batch_size):
            batch = windows[first : first + self.batch_size]
            if rate != sample_rate:
                batch = np.stack([audio.resample(row, sample_rate, rate) for row in batch])
            encoded = self._encode_batch(batch, rate, first)
            self._check_rows(batch, rate, encoded)
            if encoded.itemsize > np.dtype(np.float32).itemsize and first < _ROUNDED_ROWS:
                precise.append(encoded)
            batches.append(encoded.astype(np.float32))
        widths = {batch.shape[1] for batch in batches}
        if len(widths) > 1:
            raise EncoderError(
                f"encoder {self.name!r} returned embeddings of different lengths from one batch to"
                f" the next: {sorted(widths)}"
            )
        if precise:
            self._check_rounding(np.concatenate(precise)[:_ROUNDED_ROWS])
        return np.concatenate(batches)

    def encode_ragged(self, waveforms: Sequence[Samples], sample_rate: int) -> Embeddings:
        """Return one embedding per waveform of a batch in which they have several lengths.

        Parameters
        ----------
        waveforms : sequence of float32[samples]
            Mono, full scale at ±1.
        sample_rate : int
            Of the waveforms, in Hz. They are resampled to the encoder's own.

        Returns
        -------
        float32[n, d]

        Raises
        ------
        EncoderError
            If it was not told how, raises, changes its input, or returns anything but n finite
            vectors of floats.
        """
        if self.ragged is None:
            raise EncoderError(
                f"encoder {self.name!r} was not told how it takes waveforms of several lengths:"
                " as_encoder(..., ragged=lambda waveforms: ...), a function of a list of float32"
                " arrays that pads them as the model's users do"
            )
        rate = sample_rate if self.sample_rate is None else self.sample_rate
        batch = [audio.resample(waveform, sample_rate, rate) for waveform in waveforms]
        given = [waveform.copy() for waveform in batch]
        try:
            with self._running():
                out = self.ragged(given, rate)
        except EncoderError:
            raise
        except Exception as error:
            lengths = sorted({len(waveform) for waveform in batch})
            raise EncoderError(
                f"encoder {self.name!r}: ragged= raised {type(error).__name__} on a list of"
                f" {len(batch)} waveforms of {lengths[0]} to {lengths[-1]} samples at {rate} Hz:"
                f" {error}"
            ) from error
        if not all(map(np.array_equal, given, batch)):
            raise EncoderError(
                f"encoder {self.name!r}: ragged= changes its waveforms in place; work on copies"
            )
        return self._checked(out, len(batch), 0).astype(np.float32)

    def _running(self) -> AbstractContextManager[Any]:
        """Return the state in which its object is run, such as without dropout."""
        return nullcontext()

    def _check_rows(self, batch: Samples, sample_rate: int, encoded: Floats) -> None:
        """Refuse embeddings [d, n] where there are as many windows as numbers; asked once."""
        its_own_transpose = encoded.shape == (len(batch), len(batch))
        if not its_own_transpose or self._rows_are_windows or len(batch) == 1:
            return
        try:
            out = self.embedding_in(self.forward(batch[1:].copy(), sample_rate))
            fewer = to_numpy(out, "", EncoderError).shape
        except Exception:  # a model may take one size of batch only
            return
        if fewer == (len(batch), len(batch) - 1):
            raise EncoderError(
                f"encoder {self.name!r} returned one column per window instead of one row;"
                f" transpose: as_encoder(lambda batch: {self.written.output}.T)"
            )
        self._rows_are_windows = True

    def _check_rounding(self, embeddings: Floats) -> None:
        """Refuse embeddings, float[n, d], that differ in what float32 leaves out."""
        from scipy.spatial.distance import pdist

        distances = pdist(embeddings)
        told = distances > _FLOAT64_ROUNDING * np.abs(embeddings).max(initial=0.0)
        if not told.any():  # they do not differ at all
            return
        rounded = pdist(embeddings.astype(np.float32))
        change = float(np.median(np.abs(rounded - distances)[told] / distances[told]))
        if change > ROUNDING_LIMIT:
            raise EncoderError(
                f"encoder {self.name!r} returned {embeddings.dtype} embeddings whose differences"
                " are lost in float32, in which they are kept: distances change by"
                f" {change:.2g} of their size. They differ by {float(np.median(distances)):.2g}"
                f" around values of {float(np.abs(embeddings).max()):.2g}; subtract what they have"
                f" in common: as_encoder(lambda batch: {self.written.output} - offset)"
            )

    def _encode_batch(self, batch: Samples, sample_rate: int, first: int) -> Floats:
        given = batch.copy()
        try:
            out = self.forward(given, sample_rate)
        except EncoderError as error:  # of an adapter, which counts rows within the batch
            rows = tuple(row + first for row in error.rows)
            raise EncoderError(str(error), rows) from error.__cause__
        except Exception as error:
            raise EncoderError(
                f"encoder {self.name!r} raised {type(error).__name__} on a batch of"
                f" {batch.shape[0]} windows of {batch.shape[1]} samples at {sample_rate} Hz:"
                f" {error}{self._advice(error, batch, sample_rate)}"
            ) from error
        if not np.array_equal(given, batch):
            raise EncoderError(
                f"encoder {self.name!r} changes its input in place; work on a copy"
                " (x = x * gain, not x *= gain), or every later reader sees other audio"
            )
        try:
            return self._checked(out, len(batch), first)
        except OneVectorError as error:
            advice = self._advice(error, batch, sample_rate) or (
                "; where it takes one window at a time: as_encoder(model, batch_size=1), or, of one"
                f" axis, as_encoder({self.written.by_window})"
            )
            raise EncoderError(f"{error}{advice}") from error

    def _advice(
        self,
        error: Exception,
        batch: Samples,
        sample_rate: int,
        **options: Any,  # noqa: ANN401
    ) -> str:
        """Say what to do about an error that the object raised on a batch, read with options."""
        return ""

    def _checked(self, out: Any, expected: int, first: int) -> Floats:  # noqa: ANN401
        """Return an output as floats of its own precision that float32 can hold, [expected, d]."""
        return embedding_matrix(
            self.embedding_in(out), self.name, self.written, expected=expected, first=first
        )


class HasEncode(Protocol):
    """An object that embeds by a method of this name."""

    @property
    def encode(self) -> Callable[..., Any]:
        """Map ``float32[n, samples]`` to float ``[n, d]``."""


EncoderLike: TypeAlias = (
    Encoder
    | HasEncode
    | Callable[..., Any]
    | tuple[Callable[..., Any], Callable[..., Any]]
    | ModuleType
    | str
    | PathLike[str]
)
"""What every function takes that takes an encoder: whatever `as_encoder` takes without options.

A function or a torch module (they are called), a torch module and its front end, an object with
``encode``, a HEAR module or its dotted name, a path of a table of embeddings, or an `Encoder`.
"""

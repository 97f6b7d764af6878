"""Models that declare the shape and the type of the audio that they take."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from pytest_nnrel.encoders.adapter import Adapter
from pytest_nnrel.encoders.lengths import check_samples, window_of
from pytest_nnrel.encoders.lines import RATE
from pytest_nnrel.encoders.rates import RATE_NAMES
from pytest_nnrel.errors import EncoderError
from pytest_nnrel.runtime.tensors import to_numpy

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import numpy.typing as npt

    from pytest_nnrel.corpus.audio import Samples


@dataclass(frozen=True)
class Declared:
    """An input of a model.

    Attributes
    ----------
    name : str
    shape : tuple of int or None
        None where any length will do.
    kind : str
        Name of its type, as NumPy has it where NumPy has it.
    """

    name: str
    shape: tuple[int | None, ...]
    kind: str

    def __str__(self) -> str:
        axes = ", ".join("any" if length is None else str(length) for length in self.shape)
        return f"{self.name} {self.kind}[{axes}]"

    @property
    def is_rate(self) -> bool:
        """Whether it takes one number, by the name of a sample rate."""
        one = all(length in (1, None) for length in self.shape) and len(self.shape) <= 1
        number = self.kind.startswith(("int", "uint", "float"))
        return one and number and self.name.lower() in RATE_NAMES

    @property
    def time_axis(self) -> int | None:
        """The axis of the samples, if it takes audio of one channel; None if it does not."""
        if len(self.shape) in (1, 2):
            return len(self.shape) - 1
        if len(self.shape) != 3:
            return None
        # One channel, that is, and not frames of features, whose number may be any.
        told = [3 - axis for axis in (1, 2) if self.shape[axis] == 1]
        return told[0] if len(told) == 1 else None

    @property
    def samples(self) -> int | None:
        """How many samples a window has to have; None where any number will do."""
        return None if self.time_axis is None else self.shape[self.time_axis]

    @property
    def batch(self) -> int | None:
        """How many windows it takes at a time; None where any number will do."""
        return self.shape[0] if len(self.shape) > 1 else 1

    def laid_out(self, batch: Samples) -> npt.NDArray[np.float32]:
        """Return windows, float32[n, samples], with the axes that it has."""
        if len(self.shape) == 1:
            return np.ravel(batch)
        if len(self.shape) == 3:
            return np.expand_dims(batch, 1 if self.time_axis == 2 else 2)
        return batch


class DeclaringEncoder(Adapter):
    """An encoder whose object declares its inputs: it is given what they say.

    Where the model takes one number of samples, and its rate is known, its window follows. Where it
    takes one number of windows at a time, it gets as many, the last one again for those that lack.

    Parameters
    ----------
    obj : object
        The user's object, or its path.
    inputs : sequence of Declared
        All of them.
    **options
        Of `Encoder`.

    Raises
    ------
    EncoderError
        If the inputs are not one of audio and, at most, sample rates.
    """

    #: How its user runs such a model: an expression with ``{inputs}`` for the items of a dict by
    #: name, or ``{values}`` for those of a list.
    run_by_hand: ClassVar[str]
    #: Types of NumPy's that audio may be of.
    kinds: ClassVar[tuple[str, ...]] = ("float16", "float32", "float64")

    def __init__(self, obj: Any, *, inputs: Sequence[Declared], **options: Any) -> None:  # noqa: ANN401
        self._rates = [declared for declared in inputs if declared.is_rate]
        self._audio = self._audio_of(inputs, options["name"])
        super().__init__(obj, **window_of(self._audio.samples, options))

    def _audio_of(self, inputs: Sequence[Declared], name: str) -> Declared:
        others = [declared for declared in inputs if declared not in self._rates]
        fits = [d for d in others if d.kind in self.kinds and d.time_axis is not None]
        if len(fits) == 1 == len(others):
            return fits[0]
        listed = ", ".join(map(str, inputs)) or "nothing"
        call = self._run_by_hand(inputs, fits[0] if fits else None)
        parameters = f"audio, {RATE}" if RATE in call else "audio"
        raise EncoderError(
            f"encoder {name!r} takes {listed}; expected one input of audio, [n, samples] or"
            f" [n, 1, samples], of {' or '.join(self.kinds)}, beside which there may be a sample"
            " rate. Give it what it takes in a function of float32[n, samples], such as zeros for a"
            f" state: as_encoder(lambda {parameters}: {call}, name=NAME)"
        )

    def _run_by_hand(self, inputs: Sequence[Declared], audio: Declared | None) -> str:
        """Return how its user runs the model: audio for the input that takes it, zeros for states.

        Where none is declared as audio is, it is for the first input of a fitting type.
        """
        floats = [declared for declared in inputs if declared.kind in self.kinds]
        audio = audio or next(iter(floats), None)
        values = []
        for declared in inputs:
            if declared is audio:
                values.append("audio[:, None]" if len(declared.shape) == 3 else "audio")
            elif declared in self._rates:
                values.append(f"np.full({_written(declared, '1')}, {RATE}, {declared.kind!r})")
            elif declared in floats:
                values.append(f"np.zeros({_written(declared, 'len(audio)')}, {declared.kind!r})")
            else:
                values.append("...")
        items = [f"{declared.name!r}: {value}" for declared, value in zip(inputs, values)]
        return self.run_by_hand.format(inputs=", ".join(items), values=", ".join(values))

    def forward(self, batch: Samples, sample_rate: int) -> Any:  # noqa: ANN401
        check_samples(self, self._audio.samples, batch, sample_rate)
        told = {rate.name: self._rate_as(rate, sample_rate) for rate in self._rates}
        size = self._audio.batch or len(batch)
        parts = []
        for first in range(0, len(batch), size):
            windows = batch[first : first + size]
            lacking = size - len(windows)
            whole = np.concatenate([windows, np.repeat(windows[-1:], lacking, axis=0)])
            out = self.run({self._audio.name: self._audio.laid_out(whole)} | told, sample_rate)
            parts.append(self._of_windows(out, len(windows)))
        return _joined(parts)

    @abstractmethod
    def run(self, inputs: dict[str, Any], sample_rate: int) -> Any:  # noqa: ANN401
        """Return the output of the model, or a container of several.

        Parameters
        ----------
        inputs : dict of str to array
            float32 audio in the shape that it declares, and sample rates in their own type.
        sample_rate : int
            In Hz.
        """

    def _of_windows(self, out: Any, number: int) -> Any:  # noqa: ANN401
        """Return an output, or each of several, with one row for each window that was asked for."""
        if isinstance(out, Mapping):
            return {name: self._of_windows(part, number) for name, part in out.items()}
        if isinstance(out, tuple | list):
            return [self._of_windows(part, number) for part in out]
        array = to_numpy(out, f"encoder {self.name!r} must return a float array", EncoderError)
        if len(self._audio.shape) == 1 or array.ndim == 0:  # of one window, without its axis
            return array[None]
        return array[:number] if len(array) == self._audio.batch else array

    @staticmethod
    def _rate_as(declared: Declared, sample_rate: int) -> npt.NDArray[Any]:
        return np.full((1,) * len(declared.shape), sample_rate, dtype=declared.kind)


def _written(declared: Declared, anything: str) -> str:
    """Return a declared shape as Python writes it, with something for an axis of any length."""
    lengths = [anything if length is None else str(length) for length in declared.shape]
    return f"({', '.join(lengths)}{',' if len(lengths) == 1 else ''})"


def shape_of(lengths: Iterable[Any]) -> tuple[int | None, ...]:
    """Return a declared shape: anything but a positive number stands for any length."""
    return tuple(_lengths(lengths))


def _lengths(lengths: Iterable[Any]) -> Iterator[int | None]:
    for length in lengths:
        known = isinstance(length, int | np.integer) and length > 0
        yield int(length) if known else None


def _joined(parts: list[Any]) -> Any:  # noqa: ANN401
    """Return the outputs for all windows, of those for some after the others."""
    first = parts[0]
    if isinstance(first, dict):
        return {name: _joined([part[name] for part in parts]) for name in first}
    if isinstance(first, list):
        return [_joined(list(of_each)) for of_each in zip(*parts)]
    return np.concatenate(parts)


def only_or_all(outputs: dict[str, Any]) -> Any:  # noqa: ANN401
    """Return the output of a model that has one, all by name of one that has several."""
    return outputs if len(outputs) > 1 else next(iter(outputs.values()))

"""Embeddings of models that return several things, or one vector per frame."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np

from pytest_nnrel.encoders.derived import DerivedEncoder
from pytest_nnrel.encoders.frames import time_axis
from pytest_nnrel.errors import EncoderError
from pytest_nnrel.runtime.scalars import is_one_of
from pytest_nnrel.runtime.tensors import to_numpy

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from pytest_nnrel.corpus.audio import Samples
    from pytest_nnrel.encoders.protocol import Encoder

#: What an output is called by: a key, an attribute or a place, or the way to one within another.
Output: TypeAlias = str | int | tuple[str | int, ...]
#: Outputs that models of transformers give where their configuration asks for them.
_ON_REQUEST: Final = ("hidden_states", "attentions")
POOLS: Final[Mapping[str, Callable[..., Any]]] = {"mean": np.mean, "max": np.max}


class ReadoutEncoder(DerivedEncoder):
    """An encoder whose embedding is one of the outputs of another's object, pooled over time.

    Parameters
    ----------
    inner : Encoder
        What runs the object.
    output : str, int, tuple of these, or None
        Key, attribute or place of the output that is the embedding, a tuple for one within
        another; the only one where None.
    pool : {"mean", "max"} or None
        How ``[n, frames, d]`` or ``[n, d, frames]`` becomes ``[n, d]``.
    pool_axis : int, optional
        The axis of the frames; the one that follows time where omitted, see `time_axis`.

    Raises
    ------
    EncoderError
        If `output` names nothing, or there is no such `pool` or `pool_axis`.
    """

    def __init__(
        self,
        inner: Encoder,
        *,
        output: Output | None,
        pool: str | None,
        pool_axis: int | None = None,
    ) -> None:
        if output is not None and not _is_output(output):
            raise EncoderError(
                f"encoder {inner.name!r}: output must be a key, an attribute, a number, or a tuple"
                f" of these, not {output!r}"
            )
        if pool is not None and not is_one_of(pool, POOLS):
            raise EncoderError(
                f"encoder {inner.name!r}: pool must be one of {', '.join(POOLS)}, not {pool!r}"
            )
        if pool_axis is not None and (pool is None or pool_axis not in (1, 2)):
            raise EncoderError(
                f"encoder {inner.name!r}: pool_axis is the axis of the frames that pool averages, 1"
                f" of [n, frames, d] or 2 of [n, d, frames], not {pool_axis!r}"
                + (" without pool" if pool is None else "")
            )
        super().__init__(inner)
        self._output = output
        self._pool = pool
        self._pool_axis = pool_axis
        self._axis = pool_axis

    @property
    def _taken(self) -> tuple[object, ...]:
        return ("readout", self._output, self._pool, self._pool_axis)

    def forward(self, batch: Samples, sample_rate: int) -> Any:  # noqa: ANN401
        return self.read(self._inner.forward(batch, sample_rate), batch, sample_rate)

    def forward_traced(self, audio: Any, sample_rate: int) -> Any:  # noqa: ANN401
        return self.read_traced(self._inner.forward_traced(audio, sample_rate), audio, sample_rate)

    def read_traced(self, out: Any, audio: Any, sample_rate: int) -> Any:  # noqa: ANN401
        """Return what `read` does, of a tensor, with gradients."""
        named = self._named(out)
        if self._pool is None or not hasattr(named, "requires_grad"):
            return named
        if self._axis is None:  # which this finds, once
            pooled = self.read(out, audio.detach().cpu().numpy(), sample_rate)
            if self._axis is None:
                return pooled
        frames = named.float() if named.itemsize < np.dtype(np.float32).itemsize else named
        return frames.mean(self._axis) if self._pool == "mean" else frames.amax(self._axis)

    def read(self, out: Any, batch: Samples, sample_rate: int) -> Any:  # noqa: ANN401
        """Return what is read out of the object's output for a batch."""
        out = self._named(out)
        if self._pool is None or out is None or isinstance(out, tuple | list | Mapping):
            return out  # refused by whoever asked, who says what to do
        frames = self._frames(out)
        if frames.dtype.kind != "f":
            return frames
        if frames.ndim != 3 or 0 in frames.shape:
            raise EncoderError(
                f"encoder {self.name!r}: pool={self._pool!r} takes outputs of shape (n, frames, d),"
                f" not {list(frames.shape)}" + ("; leave pool out" if frames.ndim == 2 else "")
            )
        if len(frames) != len(batch):
            return POOLS[self._pool](frames, axis=1)  # of whatever rows: too many, or too few
        if self._axis is None:
            self._axis = self._axis_of_time(frames, batch, sample_rate)
        return POOLS[self._pool](frames, axis=self._axis)

    def _axis_of_time(self, frames: npt.NDArray[Any], batch: Samples, sample_rate: int) -> int:
        def heard(given: Samples) -> npt.NDArray[Any]:
            return self._frames(self._named(self._inner.forward(given, sample_rate)))

        axis = time_axis(heard, batch)
        if axis is None:
            raise EncoderError(
                f"encoder {self.name!r}: neither half a window nor one with another end tells which"
                f" axis of its output {list(frames.shape)} is time; name it: pool_axis=1 pools"
                f" {frames.shape[1]} frames, pool_axis=2 pools {frames.shape[2]}"
            )
        return axis

    def _advice(
        self,
        error: Exception,
        batch: Samples,
        sample_rate: int,
        **options: Any,  # noqa: ANN401
    ) -> str:
        read = {"output": self._output, "pool": self._pool, "pool_axis": self._pool_axis}
        return super()._advice(error, batch, sample_rate, **options, **read)

    def _named(self, out: Any) -> Any:  # noqa: ANN401
        """Return the output that is asked for."""
        if self._output is None:
            return out
        for step in self._output if isinstance(self._output, tuple) else (self._output,):
            out = self._chosen(out, step)
        return out

    def _frames(self, out: Any) -> npt.NDArray[Any]:  # noqa: ANN401
        """Return an output as an array, floats at least of single precision."""
        frames = to_numpy(
            out, f"encoder {self.name!r} must return a float array to pool", EncoderError
        )
        small = frames.dtype.kind == "f" and frames.itemsize < np.dtype(np.float32).itemsize
        return frames.astype(np.float32) if small else frames

    def _chosen(self, out: Any, output: str | int) -> Any:  # noqa: ANN401
        if isinstance(out, Mapping):
            names = list(out)
        elif isinstance(out, tuple | list):
            names = [*range(len(out)), *getattr(out, "_fields", ())]
        else:
            names = [] if hasattr(out, "shape") else _attributes(out)
        if output not in names:
            raise EncoderError(
                f"encoder {self.name!r} has no output {output!r}: it returns a"
                f" {type(out).__name__}"
                + (f" of {', '.join(map(repr, names))}" if names else "")
                + ("; leave output out" if hasattr(out, "shape") else "")
                + (
                    f"; of a model of transformers set model.config.output_{output} = True"
                    if output in _ON_REQUEST
                    else ""
                )
            )
        if isinstance(out, Mapping) or isinstance(output, int):
            return out[output]
        return getattr(out, output)


def _is_output(output: object) -> bool:
    """Tell whether something names an output."""
    if isinstance(output, tuple):
        return (
            bool(output)
            and not any(isinstance(step, tuple) for step in output)
            and all(map(_is_output, output))
        )
    return isinstance(output, str | int) and not isinstance(output, bool)


def _attributes(out: object) -> list[str]:
    """Return the names of an object's public attributes, slots and properties; no methods."""
    of_kind = {
        name
        for base in type(out).__mro__
        for name, member in vars(base).items()
        if inspect.isdatadescriptor(member) or isinstance(member, cached_property)
    }
    names = dict.fromkeys([*getattr(out, "__dict__", ()), *sorted(of_kind)])
    return [name for name in names if not name.startswith("_")]

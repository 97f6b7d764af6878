"""Embeddings of models that return several things, or one vector per frame."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from pytest_nnrel.encoders.protocol import _TOLD_APART, Encoder, to_numpy
from pytest_nnrel.errors import EncoderError
from pytest_nnrel.store import digest

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_nnrel.audio import Samples

POOLS: Final[Mapping[str, Callable[..., Any]]] = {"mean": np.mean, "max": np.max}


class ReadoutEncoder(Encoder):
    """An encoder whose embedding is one of the outputs of another's object, pooled over time.

    Parameters
    ----------
    inner : Encoder
        What runs the object.
    output : str or int, optional
        Key, attribute or place of the output that is the embedding; the only one where omitted.
    pool : {"mean", "max"}, optional
        How ``[n, frames, d]`` becomes ``[n, d]``.

    Raises
    ------
    EncoderError
        If `output` names nothing, or there is no such `pool`.
    """

    def __init__(self, inner: Encoder, *, output: str | int | None, pool: str | None) -> None:
        if output is not None and (isinstance(output, bool) or not isinstance(output, str | int)):
            raise EncoderError(
                f"encoder {inner.name!r}: output must be a key, an attribute or a number, not"
                f" {output!r}"
            )
        if pool is not None and pool not in POOLS:
            raise EncoderError(
                f"encoder {inner.name!r}: pool must be one of {', '.join(POOLS)}, not {pool!r}"
            )
        super().__init__(
            inner.name,
            subject=self,  # not the object, of which other outputs may be other encoders
            sample_rate=inner.sample_rate,
            window_seconds=inner.window_seconds,
            batch_size=inner.batch_size,
            device=inner.device,
        )
        self._inner = inner
        self._output = output
        self._pool = pool

    @property
    def fingerprint(self) -> str | None:
        """Digest of the object's fingerprint and of what is read out."""
        if self.tells_its_state:
            return super().fingerprint
        inner = self._inner.fingerprint
        return None if inner is None else digest("readout", inner, self._output, self._pool)

    @property
    def tells_its_state(self) -> bool:
        """Whether the object's fingerprint is taken from the object."""
        return self._inner.tells_its_state

    def _passes_over(self, owner: object, attribute: str) -> bool:
        # The options of what runs the object are this encoder's own.
        told_apart = owner is self._inner and attribute in _TOLD_APART
        return told_apart or self._inner._passes_over(owner, attribute)

    def _forward(self, batch: Samples, sample_rate: int) -> Any:  # noqa: ANN401
        out = self._inner._forward(batch, sample_rate)
        if self._output is not None:
            out = self._chosen(out, self._output)
        return out if self._pool is None else self._pooled(out, POOLS[self._pool])

    def _chosen(self, out: Any, output: str | int) -> Any:  # noqa: ANN401
        if isinstance(out, Mapping):
            names = list(out)
        elif isinstance(out, tuple | list):
            names = [*range(len(out)), *getattr(out, "_fields", ())]
        else:
            names = [] if hasattr(out, "shape") else list(getattr(out, "__dict__", ()))
        if output not in names:
            raise EncoderError(
                f"encoder {self.name!r} has no output {output!r}: it returns a"
                f" {type(out).__name__}"
                + (f" of {', '.join(map(repr, names))}" if names else "; leave output out")
            )
        if isinstance(out, Mapping) or isinstance(output, int):
            return out[output]
        return getattr(out, output)

    def _pooled(self, out: Any, pool: Callable[..., Any]) -> Any:  # noqa: ANN401
        if out is None or isinstance(out, tuple | list | Mapping):
            return out  # refused by whoever asked, who says what to do
        frames = to_numpy(out, f"encoder {self.name!r} must return a float array to pool")
        if frames.dtype.kind != "f":
            return frames
        if frames.ndim != 3 or 0 in frames.shape:
            raise EncoderError(
                f"encoder {self.name!r}: pool={self._pool!r} takes outputs of shape (n, frames, d),"
                f" not {list(frames.shape)}" + ("; leave pool out" if frames.ndim == 2 else "")
            )
        return pool(frames, axis=1)

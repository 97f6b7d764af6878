"""Encoders that run another's object and take their embedding of what it gives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_nnrel.encoders.protocol import _TOLD_APART, Encoder
from pytest_nnrel.runtime.store import digest

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from pytest_nnrel.corpus.audio import Samples
    from pytest_nnrel.encoders.lines import Written


class DerivedEncoder(Encoder):
    """An encoder that asks for what another asks for, and runs its object.

    Parameters
    ----------
    inner : Encoder
        What runs the object.
    name : str, optional
        That of `inner` where omitted.
    """

    def __init__(self, inner: Encoder, name: str | None = None) -> None:
        super().__init__(
            inner.name if name is None else name,
            subject=self,  # not the object, of which other outputs may be other encoders
            sample_rate=inner.sample_rate,
            window_seconds=inner.window_seconds,
            batch_size=inner.batch_size,
            device=inner.device,
            ragged=inner.ragged,
        )
        self._inner = inner

    @property
    def fingerprint(self) -> str | None:
        """Digest of the object's fingerprint and of what is taken of its output."""
        if self.tells_its_state:
            return super().fingerprint
        return self.fingerprint_of(self._inner.fingerprint)

    def fingerprint_of(self, inner: str | None) -> str | None:
        """Return the digest of another's fingerprint and of what is taken; None of none."""
        kind, *parts = self._taken
        return None if inner is None else digest(kind, inner, *parts)

    @property
    def _taken(self) -> tuple[object, ...]:
        """What is taken of the object's output, a word for it first; all of it."""
        return ("whole",)

    @property
    def tells_its_state(self) -> bool:
        """Whether the object's fingerprint is taken from the object."""
        return self._inner.tells_its_state

    @property
    def written(self) -> Written:
        return self._inner.written

    def assumptions(self, sample_rate: int) -> list[str]:
        return self._inner.assumptions(sample_rate)

    def _running(self) -> AbstractContextManager[Any]:
        return self._inner._running()

    def _passes_over(self, owner: object, attribute: str) -> bool:
        # The options of what runs the object are this encoder's own.
        told_apart = owner is self._inner and attribute in _TOLD_APART
        return told_apart or self._inner._passes_over(owner, attribute)

    def _advice(
        self,
        error: Exception,
        batch: Samples,
        sample_rate: int,
        **options: Any,  # noqa: ANN401
    ) -> str:
        return self._inner._advice(error, batch, sample_rate, **options)

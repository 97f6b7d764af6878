"""Encoders that run another's object and take their embedding of what it gives."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pytest_nnrel.encoders.protocol import Encoder, Identified
from pytest_nnrel.identity import behaviour_of
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
        return self.fingerprint_of(self._inner.fingerprint)

    def identify(self) -> Identified:
        """Return what the object is known by, together with what is taken of its output."""
        inner = self._inner.identify()
        taken = behaviour_of(type(self), self._taken)
        behaviour = replace(inner.behaviour, digest=digest(taken.digest, inner.behaviour.digest))
        return Identified(self.fingerprint_of(inner.fingerprint), behaviour)

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
    def runs_on(self) -> frozenset[str]:
        return self._inner.runs_on

    @property
    def written(self) -> Written:
        return self._inner.written

    def assumptions(self, sample_rate: int) -> list[str]:
        return self._inner.assumptions(sample_rate)

    def _running(self) -> AbstractContextManager[Any]:
        return self._inner._running()

    def _advice(
        self,
        error: Exception,
        batch: Samples,
        sample_rate: int,
        **options: Any,  # noqa: ANN401
    ) -> str:
        return self._inner._advice(error, batch, sample_rate, **options)

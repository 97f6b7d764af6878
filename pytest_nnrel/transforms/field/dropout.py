"""Gaps, as lost packets leave."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from pytest_nnrel.transforms.ladders import even_steps
from pytest_nnrel.transforms.protocol import Transform

if TYPE_CHECKING:
    import numpy as np

    from pytest_nnrel.corpus.audio import Samples


@dataclass(frozen=True)
class Dropout(Transform):
    """Silence a stretch of each second, at a random place.

    Parameters
    ----------
    ms : float
        Length of the gap in each second, from 0 to 500; of a last part of a second, as much of it.

    Raises
    ------
    MagnitudeError
        For other values.
    """

    ms: float

    unit: ClassVar[str] = "ms"
    identity: ClassVar[float] = 0.0
    ladder: ClassVar[tuple[float, ...]] = even_steps(10, 500, 10)
    points: ClassVar[tuple[float, ...]] = (10, 100, 400)

    def render(self, samples: Samples, sample_rate: int, rng: np.random.Generator) -> Samples:
        for first in range(0, len(samples), sample_rate):
            second = samples[first : first + sample_rate]
            gap = round(len(second) * self.ms / 1000.0)
            start = int(rng.integers(len(second) - gap + 1))
            second[start : start + gap] = 0.0
        return samples

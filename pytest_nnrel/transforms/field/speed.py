"""Faster or slower playback, pitch and tempo together."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from pytest_nnrel.transforms.ladders import even_steps
from pytest_nnrel.transforms.protocol import Transform

if TYPE_CHECKING:
    import numpy as np

    from pytest_nnrel.corpus.audio import Samples


@dataclass(frozen=True)
class Speed(Transform):
    """Play faster or slower, as a tape does: pitch and tempo go together.

    Parameters
    ----------
    rate : float
        From 0.5 to 2; 2 is an octave higher and half as long.

    Raises
    ------
    MagnitudeError
        For other values.
    """

    rate: float

    unit: ClassVar[str] = "rate"
    identity: ClassVar[float] = 1.0
    ladder: ClassVar[tuple[float, ...]] = even_steps(1.01, 2.0, 0.01)
    negative_ladder: ClassVar[tuple[float, ...]] = even_steps(0.99, 0.5, -0.01)
    points: ClassVar[tuple[float, ...]] = (1.01, 1.1, 1.5)

    def length(self, samples: int) -> int:
        return math.floor(samples / self.rate + 0.5)  # as the resampler rounds

    def render(self, samples: Samples, sample_rate: int, rng: np.random.Generator) -> Samples:
        from pytest_nnrel.corpus.audio import resample

        return resample(samples, self.rate, 1.0)

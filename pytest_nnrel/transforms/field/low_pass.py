"""High frequencies cut off."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from pytest_nnrel.transforms.filters import cut_off, octaves
from pytest_nnrel.transforms.protocol import Identity, Transform

if TYPE_CHECKING:
    import numpy as np

    from pytest_nnrel.corpus.audio import Samples


@dataclass(frozen=True)
class LowPass(Transform):
    """Cut off what is above a limit, by 24 dB an octave; without delay.

    Parameters
    ----------
    hz : float
        The limit, where 3 dB are lost: from 156.2 to 20,000.

    Raises
    ------
    MagnitudeError
        For other values.
    """

    hz: float

    unit: ClassVar[str] = "Hz"
    identity: ClassVar[float] = math.inf
    ladder: ClassVar[tuple[float, ...]] = octaves(20_000.0, -7)
    points: ClassVar[tuple[float, ...]] = (8000, 3000, 800)

    def condition(self, sample_rate: int) -> Transform:
        """Return the identity where there are no frequencies above the limit."""
        return Identity() if self.hz >= sample_rate / 2 else self

    def render(self, samples: Samples, sample_rate: int, rng: np.random.Generator) -> Samples:
        if self.hz >= sample_rate / 2:
            return samples
        return cut_off(samples, self.hz, sample_rate, "lowpass")

"""Low frequencies cut off."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from pytest_nnrel.errors import TransformError
from pytest_nnrel.transforms.filters import cut_off, octaves
from pytest_nnrel.transforms.protocol import Transform

if TYPE_CHECKING:
    import numpy as np

    from pytest_nnrel.corpus.audio import Samples


@dataclass(frozen=True)
class HighPass(Transform):
    """Cut off what is below a limit, by 24 dB an octave; without delay.

    Parameters
    ----------
    hz : float
        The limit, where 3 dB are lost: from 20 to 5,120.

    Raises
    ------
    MagnitudeError
        For other values.
    TransformError
        When applied, if the sample rate has nothing above the limit.
    """

    hz: float

    unit: ClassVar[str] = "Hz"
    identity: ClassVar[float] = 0.0
    ladder: ClassVar[tuple[float, ...]] = octaves(20.0, 8)
    points: ClassVar[tuple[float, ...]] = (50, 300, 2000)

    def applies_at(self, sample_rate: int) -> bool:
        """Tell whether anything is above the limit."""
        return self.hz < sample_rate / 2

    def render(self, samples: Samples, sample_rate: int, rng: np.random.Generator) -> Samples:
        if not self.applies_at(sample_rate):
            raise TransformError(
                f"at {sample_rate:,} Hz there is nothing above {self.hz:g} Hz; use a lower limit"
            )
        return cut_off(samples, self.hz, sample_rate, "highpass")

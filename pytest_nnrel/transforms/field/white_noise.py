"""White noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from pytest_nnrel.transforms.noise import AdditiveNoise

if TYPE_CHECKING:
    import numpy as np

    from pytest_nnrel.corpus.audio import Samples


@dataclass(frozen=True)
class WhiteNoise(AdditiveNoise):
    """Add Gaussian white noise.

    Parameters
    ----------
    snr_db : float
        Ratio of the RMS of clip and noise, from -30 to 59.5 dB.

    Raises
    ------
    MagnitudeError
        For other values.
    """

    snr_db: float

    points: ClassVar[tuple[float, ...]] = (40, 20, 5)

    def _noise(self, length: int, sample_rate: int, rng: np.random.Generator) -> Samples:
        import numpy as np

        return rng.standard_normal(length, dtype=np.float32)

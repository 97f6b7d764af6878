"""Overdriven: peaks cut off."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from pytest_nnrel.transforms.ladders import even_steps
from pytest_nnrel.transforms.protocol import Transform

if TYPE_CHECKING:
    import numpy as np

    from pytest_nnrel.corpus.audio import Samples


@dataclass(frozen=True)
class Clipping(Transform):
    """Clip hard, as an input that is so much too loud does.

    Parameters
    ----------
    db : float
        How far below the clip's peak it is cut, from 0 to 40.

    Raises
    ------
    MagnitudeError
        For other values.
    """

    db: float

    unit: ClassVar[str] = "dB"
    identity: ClassVar[float] = 0.0
    ladder: ClassVar[tuple[float, ...]] = even_steps(1, 40, 1)
    points: ClassVar[tuple[float, ...]] = (3, 12, 30)

    def render(self, samples: Samples, sample_rate: int, rng: np.random.Generator) -> Samples:
        import numpy as np

        ceiling = np.abs(samples).max() * np.float32(10.0 ** (-self.db / 20.0))
        return np.clip(samples, -ceiling, ceiling)

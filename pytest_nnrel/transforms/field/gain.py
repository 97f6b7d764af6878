"""Level."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from pytest_nnrel.transforms.ladders import even_steps
from pytest_nnrel.transforms.protocol import Transform

if TYPE_CHECKING:
    import numpy as np

    from pytest_nnrel.corpus.audio import Samples


@dataclass(frozen=True)
class Gain(Transform):
    """Make louder or softer; loudness is not restored, and nothing is clipped.

    Parameters
    ----------
    db : float
        From -60 to 40.

    Raises
    ------
    MagnitudeError
        For other values.
    """

    db: float

    unit: ClassVar[str] = "dB"
    identity: ClassVar[float] = 0.0
    ladder: ClassVar[tuple[float, ...]] = even_steps(1, 40, 1)
    negative_ladder: ClassVar[tuple[float, ...]] = even_steps(-1, -60, -1)
    points: ClassVar[tuple[float, ...]] = (-1, -10, -30)
    restores_loudness: ClassVar[bool] = False

    def render(self, samples: Samples, sample_rate: int, rng: np.random.Generator) -> Samples:
        import numpy as np

        return samples * np.float32(10.0 ** (self.db / 20.0))

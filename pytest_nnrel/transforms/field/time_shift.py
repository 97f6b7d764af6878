"""Later or earlier."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from pytest_nnrel.transforms.ladders import even_steps
from pytest_nnrel.transforms.protocol import Identity, Transform

if TYPE_CHECKING:
    import numpy as np

    from pytest_nnrel.corpus.audio import Samples


@dataclass(frozen=True)
class TimeShift(Transform):
    """Start later or earlier; silence comes in, and what passes the end is gone.

    Parameters
    ----------
    ms : float
        From -500, earlier, to 500, later; rounded to whole samples.

    Raises
    ------
    MagnitudeError
        For other values.
    """

    ms: float

    unit: ClassVar[str] = "ms"
    identity: ClassVar[float] = 0.0
    ladder: ClassVar[tuple[float, ...]] = even_steps(5, 500, 5)
    negative_ladder: ClassVar[tuple[float, ...]] = even_steps(-5, -500, -5)
    points: ClassVar[tuple[float, ...]] = (5, 50, 250)

    def condition(self, sample_rate: int) -> Transform:
        """Return none where it is less than half a sample."""
        return self if self._samples(sample_rate) else Identity()

    def _samples(self, sample_rate: int) -> int:
        return round(self.ms * sample_rate / 1000.0)

    def render(self, samples: Samples, sample_rate: int, rng: np.random.Generator) -> Samples:
        import numpy as np

        later = self._samples(sample_rate)
        kept = max(len(samples) - abs(later), 0)
        out = np.zeros_like(samples)
        if later >= 0:
            out[len(samples) - kept :] = samples[:kept]
        else:
            out[:kept] = samples[len(samples) - kept :]
        return out

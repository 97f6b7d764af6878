"""Duller or brighter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from pytest_nnrel.transforms.filters import equalise
from pytest_nnrel.transforms.ladders import even_steps
from pytest_nnrel.transforms.protocol import Transform

if TYPE_CHECKING:
    import numpy as np

    from pytest_nnrel.corpus.audio import Samples
    from pytest_nnrel.transforms.filters import Floats

#: Where the level stays, in Hz, and the lowest that is heard, below which it goes on no further.
_PIVOT = 1_000.0
_LOWEST = 20.0


@dataclass(frozen=True)
class Tilt(Transform):
    """Tilt the spectrum about 1 kHz, as a tone control does; without delay.

    Parameters
    ----------
    db_per_octave : float
        From -6, duller, to 6, brighter.

    Raises
    ------
    MagnitudeError
        For other values.
    """

    db_per_octave: float

    unit: ClassVar[str] = "dB an octave"
    identity: ClassVar[float] = 0.0
    ladder: ClassVar[tuple[float, ...]] = even_steps(0.25, 6, 0.25)
    negative_ladder: ClassVar[tuple[float, ...]] = even_steps(-0.25, -6, -0.25)
    points: ClassVar[tuple[float, ...]] = (0.25, -1, -4)

    def render(self, samples: Samples, sample_rate: int, rng: np.random.Generator) -> Samples:
        return equalise(samples, sample_rate, self.gain_db)

    def gain_db(self, hz: Floats) -> Floats:
        """Return by how much the level of each frequency changes, in dB."""
        import numpy as np

        return self.db_per_octave * np.log2(np.maximum(hz, _LOWEST) / _PIVOT)

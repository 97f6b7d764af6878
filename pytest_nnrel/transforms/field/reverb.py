"""A room."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from pytest_nnrel.transforms.ladders import even_steps
from pytest_nnrel.transforms.protocol import Transform

if TYPE_CHECKING:
    import numpy as np

    from pytest_nnrel.corpus.audio import Samples

#: Volume of the room in m3, a large living room, and how far away the source is in m.
_VOLUME = 200.0
_DISTANCE = 2.0
#: Sabine: direct and reverberant sound are equally strong at 0.057 sqrt(V / RT60).
_SABINE = 0.057


@dataclass(frozen=True)
class Reverb(Transform):
    """Play in a room with a reverberation time, the same at all frequencies.

    The direct sound is followed by noise that decays exponentially, of each clip its own. As much
    of it as Sabine's formula gives 2 m from the source in a room of 200 m3: the longer it lasts,
    the more. What rings on beyond the clip's end is gone.

    Parameters
    ----------
    rt60_s : float
        Time in which the reverberation falls by 60 dB, from 0 to 8 s.

    Raises
    ------
    MagnitudeError
        For other values.
    """

    rt60_s: float

    unit: ClassVar[str] = "s RT60"
    identity: ClassVar[float] = 0.0
    ladder: ClassVar[tuple[float, ...]] = (*even_steps(0.05, 2, 0.05), *even_steps(2.25, 8, 0.25))
    points: ClassVar[tuple[float, ...]] = (0.1, 0.6, 3)

    def render(self, samples: Samples, sample_rate: int, rng: np.random.Generator) -> Samples:
        import numpy as np
        from scipy.signal import oaconvolve

        response = self.response(sample_rate, rng)
        return np.asarray(oaconvolve(samples, response)[: len(samples)], dtype=np.float32)

    def response(self, sample_rate: int, rng: np.random.Generator) -> Samples:
        """Return a response of the room, float32[n]: the direct sound of 1, then the decay."""
        import numpy as np

        time = np.arange(1, max(round(self.rt60_s * sample_rate), 1)) / sample_rate
        decay = rng.standard_normal(len(time)) * 10.0 ** (-3.0 * time / (self.rt60_s or 1.0))
        # Energy of the decay in expectation, where each sample is of unit variance.
        energy = self.rt60_s * sample_rate / (6.0 * math.log(10.0))
        reverberant = (_DISTANCE / _SABINE) ** 2 * self.rt60_s / _VOLUME
        decay *= math.sqrt(reverberant / energy) if energy else 0.0
        return np.concatenate([[1.0], decay]).astype(np.float32)

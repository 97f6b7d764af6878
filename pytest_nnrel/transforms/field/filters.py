"""Low and high frequencies cut off, by zero-phase Butterworth filters."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from pytest_nnrel.errors import TransformError
from pytest_nnrel.transforms.protocol import Identity, Transform

if TYPE_CHECKING:
    import numpy as np

    from pytest_nnrel.audio import Samples

#: Order of the filter that runs forth and back, so that it falls by 24 dB an octave in all.
_ORDER = 2
#: Rungs of the ladders in an octave.
_RUNGS_PER_OCTAVE = 3


def _octaves(first: float, octaves: int) -> tuple[float, ...]:
    """Return frequencies from `first` so many octaves upward, or downward where negative."""
    step = math.copysign(1.0 / _RUNGS_PER_OCTAVE, octaves)
    steps = abs(octaves) * _RUNGS_PER_OCTAVE + 1
    return tuple(round(first * 2.0 ** (i * step), 1) for i in range(steps))


@dataclass(frozen=True)
class LowPass(Transform):
    """Cut high frequencies off: 3 dB less at the limit, 24 dB less with each octave above.

    Parameters
    ----------
    hz : float
        The limit, from 156.2 to 20,000.

    Raises
    ------
    MagnitudeError
        For other values.
    """

    hz: float

    unit: ClassVar[str] = "Hz"
    identity: ClassVar[float] = math.inf
    ladder: ClassVar[tuple[float, ...]] = _octaves(20_000.0, -7)
    points: ClassVar[tuple[float, ...]] = (8000, 3000, 800)

    def condition(self, sample_rate: int) -> Transform:
        """Return the identity where there are no frequencies above the limit."""
        return Identity() if self.hz >= sample_rate / 2 else self

    def render(self, samples: Samples, sample_rate: int, rng: np.random.Generator) -> Samples:
        if self.hz >= sample_rate / 2:
            return samples
        return _filtered(samples, self.hz, sample_rate, "lowpass")


@dataclass(frozen=True)
class HighPass(Transform):
    """Cut low frequencies off: 3 dB less at the limit, 24 dB less with each octave below.

    Parameters
    ----------
    hz : float
        The limit, from 20 to 5,120.

    Raises
    ------
    MagnitudeError
        For other values.
    """

    hz: float

    unit: ClassVar[str] = "Hz"
    identity: ClassVar[float] = 0.0
    ladder: ClassVar[tuple[float, ...]] = _octaves(20.0, 8)
    points: ClassVar[tuple[float, ...]] = (50, 300, 2000)

    def render(self, samples: Samples, sample_rate: int, rng: np.random.Generator) -> Samples:
        if self.hz >= sample_rate / 2:
            raise TransformError(
                f"at {sample_rate:,} Hz there is nothing above {self.hz:g} Hz; use a lower limit"
            )
        return _filtered(samples, self.hz, sample_rate, "highpass")


def _filtered(samples: Samples, hz: float, sample_rate: int, kind: str) -> Samples:
    import numpy as np
    from scipy.signal import butter, sosfiltfilt

    # Forth and back are 3 dB together where each is 1.5 dB down, which is off the cutoff: by
    # (sqrt(2) - 1)^(1/2N) on the axis that the bilinear transform bends.
    away = (math.sqrt(2.0) - 1.0) ** (1.0 / (2 * _ORDER))
    bent = math.tan(math.pi * hz / sample_rate) * (1.0 / away if kind == "lowpass" else away)
    cutoff = math.atan(bent) * 2.0 / math.pi
    sections = butter(_ORDER, cutoff, kind, output="sos")
    out = sosfiltfilt(sections, samples.astype(np.float64), padlen=min(len(samples) - 1, 1024))
    return np.asarray(out, dtype=np.float32)

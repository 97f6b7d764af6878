"""What filters share: a Butterworth filter that runs forth and back, and ladders in octaves.

Forth and back, nothing is delayed: the output is 3 dB less at the limit, and 24 dB less with each
octave beyond.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from pytest_nnrel.audio import Samples

#: Order of the filter in one direction: 12 dB an octave.
_ORDER = 2
#: Rungs of the ladders in an octave.
_RUNGS_PER_OCTAVE = 3
#: Most samples by which both ends are continued, so that the filter has settled at them.
_PADDING = 1024


def octaves(first: float, count: int) -> tuple[float, ...]:
    """Return third octaves from `first` on, upward, or downward where `count` is negative."""
    step = math.copysign(1.0 / _RUNGS_PER_OCTAVE, count)
    steps = abs(count) * _RUNGS_PER_OCTAVE + 1
    return tuple(round(first * 2.0 ** (i * step), 1) for i in range(steps))


def cut_off(
    samples: Samples, hz: float, sample_rate: int, kind: Literal["lowpass", "highpass"]
) -> Samples:
    """Cut off what lies beyond a limit.

    Parameters
    ----------
    samples : float32[n]
    hz : float
        The limit, below half of the sample rate.
    sample_rate : int
        In Hz.
    kind : {"lowpass", "highpass"}
        What passes.

    Returns
    -------
    float32[n]
    """
    import numpy as np
    from scipy.signal import butter, sosfiltfilt

    # Forth and back are 3 dB together where each is 1.5 dB down, which is off the cutoff: by
    # (sqrt(2) - 1)^(1/2N) on the axis that the bilinear transform bends.
    away = (math.sqrt(2.0) - 1.0) ** (1.0 / (2 * _ORDER))
    bent = math.tan(math.pi * hz / sample_rate) * (1.0 / away if kind == "lowpass" else away)
    cutoff = math.atan(bent) * 2.0 / math.pi
    sections = butter(_ORDER, cutoff, kind, output="sos")
    padding = min(len(samples) - 1, _PADDING)
    out = sosfiltfilt(sections, samples.astype(np.float64), padlen=padding)
    return np.asarray(out, dtype=np.float32)

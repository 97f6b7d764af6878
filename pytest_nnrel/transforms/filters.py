"""What filters share: none delays. Cutoffs, equalisers, and ladders in octaves."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    import numpy.typing as npt

    from pytest_nnrel.corpus.audio import Samples

    Floats = npt.NDArray[np.float64]

#: Order of the filter in one direction: 12 dB an octave.
_ORDER = 2
#: Rungs of the ladders in an octave.
_RUNGS_PER_OCTAVE = 3
#: Most samples by which both ends are continued, so that the filter has settled at them.
PADDING = 1024

Passing = Literal["lowpass", "highpass"]


def octaves(first: float, count: int) -> tuple[float, ...]:
    """Return third octaves from `first` on, upward, or downward where `count` is negative."""
    step = math.copysign(1.0 / _RUNGS_PER_OCTAVE, count)
    steps = abs(count) * _RUNGS_PER_OCTAVE + 1
    return tuple(round(first * 2.0 ** (i * step), 1) for i in range(steps))


def cut_off(samples: Samples, hz: float, sample_rate: int, kind: Passing) -> Samples:
    """Cut off what lies beyond a limit: 3 dB less there, 24 dB less with each octave beyond.

    By a Butterworth filter that runs forth and back.

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
    from scipy.signal import sosfiltfilt

    padding = min(len(samples) - 1, PADDING)
    sections = one_way(hz, sample_rate, kind)
    out = sosfiltfilt(sections, samples.astype(np.float64), padlen=padding)
    return np.asarray(out, dtype=np.float32)


def one_way(hz: float, sample_rate: int, kind: Passing) -> Floats:
    """Return the filter that, run forth and back, cuts off at a limit, as second-order sections.

    Parameters
    ----------
    hz, sample_rate, kind
        As in `cut_off`.
    """
    import numpy as np
    from scipy.signal import butter

    # Forth and back are 3 dB together where each is 1.5 dB down, which is off the cutoff: by
    # (sqrt(2) - 1)^(1/2N) on the axis that the bilinear transform bends.
    away = (math.sqrt(2.0) - 1.0) ** (1.0 / (2 * _ORDER))
    bent = math.tan(math.pi * hz / sample_rate) * (1.0 / away if kind == "lowpass" else away)
    cutoff = math.atan(bent) * 2.0 / math.pi
    return np.asarray(butter(_ORDER, cutoff, kind, output="sos"), dtype=np.float64)


def equalise(samples: Samples, sample_rate: int, gain_db: Callable[[Floats], Floats]) -> Samples:
    """Change the level of each frequency and leave its phase.

    Parameters
    ----------
    samples : float32[n]
    sample_rate : int
        In Hz.
    gain_db : callable
        ``gain_db(hz: float64[m]) -> float64[m]``.

    Returns
    -------
    float32[n]
    """
    import numpy as np
    from scipy.fft import irfft, next_fast_len, rfft

    # As many zeros as samples: what a filter spreads over the end does not come in at the start.
    size = next_fast_len(2 * len(samples), real=True)
    hertz = np.arange(size // 2 + 1) * (sample_rate / size)
    gains = 10.0 ** (gain_db(hertz) / 20.0)
    out = irfft(rfft(samples.astype(np.float64), size) * gains, size)[: len(samples)]
    return np.asarray(out, dtype=np.float32)

"""Audio as arrays: resampling, cropping, level and loudness.

Signals are mono ``float32[n]`` with full scale at ±1; samples beyond it are kept, never clipped.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import soxr

from pytest_nnrel.runtime.scalars import is_real

if TYPE_CHECKING:
    import numpy.typing as npt

    Samples = npt.NDArray[np.float32]

#: Gating block of BS.1770 in seconds; shorter signals are measured as one block of their length.
LOUDNESS_BLOCK_SECONDS = 0.4
#: Least sample rate, in Hz: below, a rate was given in kHz.
LEAST_SAMPLE_RATE = 1000
_LOUDNESS_OVERLAP = 0.75
_LOUDNESS_OFFSET = -0.691
_ABSOLUTE_GATE = -70.0
#: Rate from which on BS.1770's filters can be had, in Hz. They are defined at 48 kHz; made anew for
#: 8 kHz they are off by 0.5 dB, for 4 kHz by 1.4 dB, and below 3.4 kHz, which cannot hold the shelf
#: that begins at 1.7 kHz, they are unstable.
WEIGHTED_FROM = 8000


def resample(samples: Samples, from_rate: float, to_rate: float) -> Samples:
    """Resample with soxr at its high-quality setting; the same array where the rates agree.

    Parameters
    ----------
    samples : float32[n]
    from_rate, to_rate : float
        In Hz.

    Returns
    -------
    float32[round(n * to_rate / from_rate)]
    """
    if from_rate == to_rate:
        return samples
    return np.asarray(soxr.resample(samples, from_rate, to_rate, quality="HQ"), dtype=np.float32)


def centre(samples: Samples, length: int) -> Samples:
    """Return the middle `length` samples, with zeros on both sides where there are fewer.

    Parameters
    ----------
    samples : float32[n]
    length : int

    Returns
    -------
    float32[length]
        A copy that the caller owns.
    """
    surplus = len(samples) - length
    if surplus >= 0:
        first = surplus // 2
        return samples[first : first + length].copy()
    before = -surplus // 2
    return np.pad(samples, (before, -surplus - before))


def rms(samples: Samples) -> float:
    """Return the root mean square of ``float32[n]``, computed in float64."""
    return math.sqrt(float(np.mean(np.square(samples, dtype=np.float64))))


@lru_cache(maxsize=32)
def k_weighting(sample_rate: int) -> npt.NDArray[np.float64]:
    """Return the two filters of BS.1770 as second-order sections; below their range, none."""
    import pyloudnorm

    if sample_rate < WEIGHTED_FROM:
        return np.array([[1.0, 0.0, 0.0, 1.0, 0.0, 0.0]])

    # DeMan's filters reproduce those of BS.1770 at any rate; the default's are off at 22,050 Hz.
    meter = pyloudnorm.Meter(sample_rate, filter_class="DeMan")
    sections = [(f.passband_gain * f.b, f.a) for f in meter._filters.values()]
    return np.array([np.concatenate(section) for section in sections], dtype=np.float64)


def rate_problem(value: Any) -> str:  # noqa: ANN401
    """Say what is wrong with a sample rate; nothing where it is whole Hz, not too few."""
    if is_real(value) and LEAST_SAMPLE_RATE <= value < math.inf and value == int(value):
        return ""
    return f"sample_rate takes whole Hz from {LEAST_SAMPLE_RATE} on, such as 22050, not {value!r}"


def block_powers(samples: Samples, sample_rate: int) -> npt.NDArray[np.float64]:
    """Measure the power of each gating block of ITU-R BS.1770-4, K-weighted.

    Parameters
    ----------
    samples : float32[n]
    sample_rate : int
        In Hz.

    Returns
    -------
    float64[blocks]
        Of blocks of 0.4 s that overlap by 75 %; of a shorter signal as a whole. Unweighted below
        8 kHz, see `loudness`. They grow with the
        square of a gain, so that the loudness after a gain needs no other pass of the filters.
    """
    from scipy.signal import sosfilt

    weighted = sosfilt(k_weighting(sample_rate), samples.astype(np.float64))
    bounds, size = gating_blocks(len(samples), sample_rate)
    squares = np.append(np.square(weighted), 0.0)  # a last one, for bounds at the end
    sums = np.add.reduceat(squares, bounds.ravel())[::2]
    return np.asarray(sums / size, dtype=np.float64)


def gating_blocks(length: int, sample_rate: int) -> tuple[npt.NDArray[np.int64], float]:
    """Return where the gating blocks of a signal begin and end, and what their sums are over.

    Parameters
    ----------
    length : int
        Of the signal, in samples.
    sample_rate : int
        In Hz.

    Returns
    -------
    bounds : int64[blocks, 2]
        First sample of each block, and the one after its last.
    size : float
        Samples of a block, which need not be whole.
    """
    seconds = min(LOUDNESS_BLOCK_SECONDS, length / sample_rate)
    hop = 1.0 - _LOUDNESS_OVERLAP
    count = round((length / sample_rate - seconds) / (seconds * hop)) + 1
    # As pyloudnorm takes them, so that both measure the same.
    bounds = np.array(
        [[int(seconds * (j * hop + end) * sample_rate) for end in (0.0, 1.0)] for j in range(count)]
    )
    return np.minimum(bounds, length), seconds * sample_rate


def integrated_loudness(powers: npt.NDArray[np.float64]) -> float:
    """Return the integrated loudness of ITU-R BS.1770-4 from `block_powers`, gated twice.

    Returns
    -------
    float
        In LUFS; ``-inf`` where no block reaches the absolute gate of -70 LUFS: silence.
    """
    with np.errstate(divide="ignore"):
        levels = _LOUDNESS_OFFSET + 10.0 * np.log10(powers)
    audible = levels >= _ABSOLUTE_GATE
    if not audible.any():
        return -math.inf
    relative_gate = _LOUDNESS_OFFSET + 10.0 * math.log10(powers[audible].mean()) - 10.0
    loud = (levels > relative_gate) & (levels > _ABSOLUTE_GATE)
    if not loud.any():
        return -math.inf
    return _LOUDNESS_OFFSET + 10.0 * math.log10(powers[loud].mean())


def loudness(samples: Samples, sample_rate: int) -> float:
    """Measure the integrated loudness of ITU-R BS.1770-4 (EBU R 128).

    Parameters
    ----------
    samples : float32[n]
    sample_rate : int
        In Hz.

    Returns
    -------
    float
        In LUFS. ``-inf`` where no block reaches the absolute gate of -70 LUFS: silence. A signal
        shorter than the 0.4-s gating block is measured as a single block of its own length. Below
        8 kHz (`WEIGHTED_FROM`) levels are gated in the same way, but not weighted: what is recorded
        there, such as whales and infrasound, is outside of what the weighting is for.
    """
    if len(samples) == 0:
        return -math.inf
    return integrated_loudness(block_powers(samples, sample_rate))

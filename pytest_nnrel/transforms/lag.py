"""By how much an output lags behind its input."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_nnrel.audio import Samples

#: Lags that are searched: one MPEG-1 frame on each side.
_RANGE = 1152
#: Length of the transforms that search them.
_FFT = 8192
#: A peak of the correlation this much above that at lag 0 is a misalignment; below, it is the
#: periodicity of a steady tone.
_MARGIN = 1.02


def lag_between(before: Samples, after: Samples) -> int:
    """Return by how many samples `after` lags, 0 where no other lag fits clearly better.

    Correlates stretches of `before` with as much of `after` as lies within reach of each, and sums
    their spectra: the correlation at the lags of interest only, for short transforms.

    Parameters
    ----------
    before, after : float32[n]

    Returns
    -------
    int
        In samples, from -1,152 to 1,152.
    """
    import numpy as np
    from scipy.fft import irfft, rfft

    reach = min(_RANGE, len(before) - 1)
    stretch = _FFT - 2 * reach
    count = -(-len(before) // stretch)
    here = np.zeros((count, _FFT), np.float32)
    here[:, :stretch].flat[: len(before)] = before
    around = np.zeros(count * stretch + 2 * reach, np.float32)
    around[reach : reach + len(after)] = after
    there = np.lib.stride_tricks.sliding_window_view(around, _FFT)[::stretch]
    spectrum = np.sum(np.conj(rfft(here)) * rfft(there), axis=0)
    near = irfft(spectrum, _FFT)[: 2 * reach + 1]
    best = int(np.argmax(near)) - reach
    return best if near[best + reach] > _MARGIN * abs(near[reach]) else 0

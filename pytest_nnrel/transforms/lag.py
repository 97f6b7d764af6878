"""By how much an output lags behind its input."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_nnrel.corpus.audio import Samples

#: Lags that are searched where nothing else is said: one MPEG-1 frame on each side.
_REACH = 1152
#: Length of the transforms that search them, at least.
_FFT = 8192
#: What another lag leaves unexplained is less than this part of what lag 0 leaves; above, the peak
#: is chance, as where a codec left nothing of a clip's band.
_UNEXPLAINED = 0.75
#: A peak of the correlation this much above that at lag 0 is a misalignment; below, it is the
#: periodicity of a steady tone.
_MARGIN = 1.02


def lag_between(before: Samples, after: Samples, *, reach: int = _REACH) -> int:
    """Return by how many samples `after` lags, 0 where no other lag fits clearly better.

    Correlates stretches of `before` with as much of `after` as lies within reach of each, and sums
    their spectra: the correlation at the lags of interest only, for short transforms.

    Parameters
    ----------
    before, after : float32[n]
    reach : int
        The largest lag that is searched, in samples.

    Returns
    -------
    int
        In samples.
    """
    import numpy as np
    from scipy.fft import irfft, next_fast_len, rfft

    reach = min(reach, len(before) - 1)
    size = next_fast_len(max(_FFT, 4 * reach), real=True)
    stretch = size - 2 * reach
    count = -(-len(before) // stretch)
    here = np.zeros((count, size), np.float32)
    here[:, :stretch].flat[: len(before)] = before
    around = np.zeros(count * stretch + 2 * reach, np.float32)
    around[reach : reach + len(after)] = after
    there = np.lib.stride_tricks.sliding_window_view(around, size)[::stretch]
    spectrum = np.sum(np.conj(rfft(here)) * rfft(there), axis=0)
    near = irfft(spectrum, size)[: 2 * reach + 1]
    best = int(np.argmax(near)) - reach
    peak, unmoved = float(near[best + reach]), float(near[reach])
    whole = float(np.vdot(before, before)) * float(np.vdot(after, after))
    explains_more = whole - peak**2 < _UNEXPLAINED * (whole - unmoved**2)
    return best if explains_more and peak > _MARGIN * abs(unmoved) else 0

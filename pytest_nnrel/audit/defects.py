"""What a clip is not meant to have: silence, clipping, an offset, the end of a codec's spectrum."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from pytest_nnrel.corpus.audio import Samples
    from pytest_nnrel.statistics.consistency import Flags

#: A block of 50 ms is silent below this level, in dB of full scale (EBU R 128's absolute gate).
_SILENT_DB, _SILENT_BLOCK = -70.0, 0.05
_FULL_SCALE = 0.999
#: Codecs and resamplers end the spectrum within this band, music does not: by so many dB.
_EDGE_HZ, _EDGE_DB, LOWEST_EDGE_HZ = 400.0, 30.0, 1000.0


def silence(window: Samples, sample_rate: int) -> float:
    """Return the share of blocks of 50 ms that are below -70 dB of full scale."""
    size = max(1, round(_SILENT_BLOCK * sample_rate))
    blocks = window[: len(window) // size * size].reshape(-1, size)
    levels: Flags = np.sqrt(np.mean(np.square(blocks, dtype=np.float64), axis=1)) < 10 ** (
        _SILENT_DB / 20
    )
    return float(np.mean(levels))


def clipping(window: Samples) -> float:
    """Return the share of samples at full scale."""
    return float(np.mean(np.abs(window) >= _FULL_SCALE))


def offset(window: Samples) -> float:
    """Return the mean over the root mean square."""
    level = float(np.sqrt(np.mean(np.square(window, dtype=np.float64))))
    return abs(float(window.mean())) / max(level, 1e-12)


def cut_off(window: Samples, sample_rate: int) -> float:
    """Return the frequency in Hz at which the spectrum of audio ends at an edge; 0 for none.

    Parameters
    ----------
    window : float32[n]
    sample_rate : int
        In Hz.
    """
    from numpy.lib.stride_tricks import sliding_window_view
    from scipy.signal import welch

    size = min(len(window), 2048)
    frequencies, power = welch(window, sample_rate, nperseg=size)
    levels = 10.0 * np.log10(power + 1e-20)
    width = max(1, round(_EDGE_HZ / (frequencies[1] - frequencies[0])))
    places = frequencies[width : len(levels) - width]
    if not len(places):  # too short for a band on each side
        return 0.0
    below = np.median(sliding_window_view(levels, width)[: len(places)], axis=1)
    above = np.maximum.accumulate(levels[::-1])[::-1][2 * width :]
    # Above an edge nothing comes back.
    edges = (below - above >= _EDGE_DB) & (places >= LOWEST_EDGE_HZ)
    return float(places[np.argmax(edges)]) if edges.any() else 0.0

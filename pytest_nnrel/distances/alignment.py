"""Kernels of the audio distances: exact dynamic time warping, and SiMPle.

Differences are taken directly, in float64: the expanded form of the squared distance cancels, and
would not give exactly zero for a sequence and itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numba import njit

if TYPE_CHECKING:
    import numpy.typing as npt

    Float64 = npt.NDArray[np.float64]


@njit(cache=True, nogil=True, fastmath=False)
def _squared_differences(a: Float64, b: Float64, out: Float64) -> None:
    """Fill ``out[i, j]`` with the squared Euclidean distance of frames ``a[:, i]``, ``b[:, j]``.

    Sequences are dimension-major, so that the inner loop runs along contiguous frames of `b`.
    """
    out[:] = 0.0
    for k in range(a.shape[0]):
        for i in range(a.shape[1]):
            x = a[k, i]
            for j in range(b.shape[1]):
                difference = x - b[k, j]
                out[i, j] += difference * difference


@njit(cache=True, nogil=True)
def _warping_cost(squared: Float64, row: Float64) -> float:
    """Return the cost of the cheapest warping path, from squared frame distances."""
    n, m = squared.shape
    row[0] = np.sqrt(squared[0, 0])
    for j in range(1, m):
        row[j] = row[j - 1] + np.sqrt(squared[0, j])
    for i in range(1, n):
        diagonal = row[0]
        row[0] += np.sqrt(squared[i, 0])
        left = row[0]
        for j in range(1, m):
            above = row[j]
            left = min(min(diagonal, above), left) + np.sqrt(squared[i, j])
            diagonal = above
            row[j] = left
    return float(row[m - 1])


@njit(cache=True, nogil=True)
def _join_profile(squared: Float64, window: int, profile: Float64) -> None:
    """Fill ``profile[i]`` with the distance of window i of A to its nearest window of B."""
    n = squared.shape[0] - window + 1
    m = squared.shape[1] - window + 1
    profile[:n] = np.inf
    for offset in range(1 - n, m):
        i, j = max(0, -offset), max(0, offset)
        while i < n and j < m:
            # Summed anew for each window: a running sum would leave rounding where zero is due.
            total = 0.0
            for step in range(window):
                total += squared[i + step, j + step]
            profile[i] = min(profile[i], total)
            i += 1
            j += 1


@njit(cache=True, nogil=True)
def dtw_row(a: Float64, b: Float64, first: npt.NDArray[np.int64], out: Float64) -> None:
    """Fill ``out[c]`` with the DTW cost of `a` and the sequence ``b[:, first[c]:first[c + 1]]``."""
    longest = np.max(first[1:] - first[:-1])
    row = np.empty(longest)
    for c in range(len(first) - 1):
        candidate = np.ascontiguousarray(b[:, first[c] : first[c + 1]])
        squared = np.empty((a.shape[1], candidate.shape[1]))
        _squared_differences(a, candidate, squared)
        out[c] = _warping_cost(squared, row)


@njit(cache=True, nogil=True)
def simple_row(
    a: Float64, b: Float64, first: npt.NDArray[np.int64], window: int, out: Float64
) -> None:
    """Fill ``out[c]`` with the SiMPle distance of `a` to ``b[:, first[c]:first[c + 1]]``."""
    profile = np.empty(a.shape[1] - window + 1)
    for c in range(len(first) - 1):
        candidate = np.ascontiguousarray(b[:, first[c] : first[c + 1]])
        squared = np.empty((a.shape[1], candidate.shape[1]))
        _squared_differences(a, candidate, squared)
        _join_profile(squared, window, profile)
        out[c] = np.median(profile)

"""DTW and SiMPle of one pair in float64: what decides where float32 is too close to call.

Differences are taken directly: the expanded form of the squared distance cancels, and would not
give exactly zero for a sequence and itself. Memory grows with the length, not with its square.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pytest_nnrel.kernels.compilation import compiled

if TYPE_CHECKING:
    import numpy.typing as npt

    Float64 = npt.NDArray[np.float64]


@compiled
def warping_cost(a: Float64, b: Float64) -> float:
    """Return the cost of the cheapest warping path of ``a[i, k]`` and ``b[k, j]``.

    `b` is dimension-major, so that the inner loops run along its frames.
    """
    m = b.shape[1]
    row = np.empty(m)
    local = np.empty(m)
    for i in range(len(a)):
        local[:] = 0.0
        for k in range(a.shape[1]):
            x = a[i, k]
            for j in range(m):
                local[j] += (x - b[k, j]) * (x - b[k, j])
        for j in range(m):
            local[j] = np.sqrt(local[j])
        if i == 0:
            row[:] = np.cumsum(local)
            continue
        diagonal = row[0]
        left = row[0] + local[0]
        row[0] = left
        for j in range(1, m):
            above = row[j]
            left = min(min(diagonal, above), left) + local[j]
            diagonal = above
            row[j] = left
    return float(row[m - 1])


@compiled
def join_distance(a: Float64, b: Float64, window: int) -> float:
    """Return the median over windows of ``a[i, k]`` of the distance to the nearest of ``b[j, k]``.

    The distance of two windows is the sum of the squared differences of their frames.
    """
    n, m = len(a) - window + 1, len(b) - window + 1
    profile = np.full(n, np.inf)
    squared = np.empty(min(len(a), len(b)))
    for shift in range(1 - n, m):
        first, second = max(0, -shift), max(0, shift)
        count = min(n - first, m - second)
        for i in range(count + window - 1):
            total = 0.0
            for k in range(a.shape[1]):
                difference = a[first + i, k] - b[second + i, k]
                total += difference * difference
            squared[i] = total
        for i in range(count):
            # Summed anew for each window: a running sum would leave rounding where zero is due.
            total = 0.0
            for step in range(window):
                total += squared[i + step]
            profile[first + i] = min(profile[first + i], total)
    return float(np.median(profile))

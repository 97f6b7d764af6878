"""95 % intervals: of proportions, of means and of bootstrap replicates, where clips share groups.

Clips of a group fare alike, so that intervals are over groups: bootstraps draw whole ones, and a
proportion takes the interval of as many clips as those of its groups are worth.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from pytest_nnrel.errors import UndefinedMeasureError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from pytest_nnrel.consistency import Flags, Matrix

#: Coverage of every interval.
CONFIDENCE = 0.95
#: Replicates of every bootstrap, as in the paper (section 5).
REPLICATES = 1000


def drawn(
    groups: Sequence[str], rng: np.random.Generator, replicates: int
) -> npt.NDArray[np.int32]:
    """Return how often each clip is drawn, int32[replicates, n]: its groups with replacement."""
    _, member = np.unique(np.asarray(groups), return_inverse=True)
    count = int(member.max()) + 1
    picks = rng.integers(count, size=(replicates, count))
    times = np.stack([np.bincount(row, minlength=count) for row in picks])
    return times[:, member].astype(np.int32)


def proportion_replicates(outcomes: Flags | Matrix, weights: npt.NDArray[np.int32]) -> Matrix:
    """Return bootstrap replicates of a proportion.

    Parameters
    ----------
    outcomes : bool[n], or chances of them, float64[n]
    weights : int32[replicates, n]
        How often each clip is drawn, see `drawn`.

    Returns
    -------
    float64[replicates]
    """
    return np.asarray(weights @ outcomes.astype(np.float64) / weights.sum(axis=1))


def percentile_interval(replicates: Matrix) -> tuple[float, float]:
    """Return the 95 % percentile interval of bootstrap replicates, NaN among them left out.

    Raises
    ------
    UndefinedMeasureError
        If no replicate has a value.
    """
    defined = replicates[np.isfinite(replicates)]
    if len(defined) == 0:
        raise UndefinedMeasureError(
            "no bootstrap replicate has a value: there are too few clips; measure more of them"
        )
    tail = (1.0 - CONFIDENCE) / 2.0
    low, high = np.quantile(defined, [tail, 1.0 - tail])
    return float(low), float(high)


def interval_of_mean(
    chances: Matrix, groups: Sequence[str], rng: np.random.Generator
) -> tuple[float, float]:
    """Return the 95 % bootstrap interval of a mean of chances, float64[k], over groups of clips.

    Where all chances are equal the bootstrap is blind, and Wilson's interval of as many groups
    stands in for it: never of zero width.
    """
    replicates = proportion_replicates(chances, drawn(groups, rng, REPLICATES))
    low, high = percentile_interval(replicates)
    if np.ptp(chances) > 0.0:
        return low, high
    count = len(set(groups))
    return wilson_interval(float(chances[0]), count)


def wilson_interval(share: float, n: float) -> tuple[float, float]:
    """Return the 95 % score interval of a proportion (Wilson 1927).

    Parameters
    ----------
    share : float
        Successes over trials.
    n : float
        Trials, or as many as they are worth.

    Returns
    -------
    low, high : float
        Never of zero width, unlike a bootstrap of clips that all pass.
    """
    from scipy.special import ndtri

    z = float(ndtri(0.5 + CONFIDENCE / 2.0))
    centre = share + z * z / (2 * n)
    half = z * math.sqrt(share * (1.0 - share) / n + z * z / (4 * n * n))
    low, high = (centre - half) / (1 + z * z / n), (centre + half) / (1 + z * z / n)
    return (0.0 if share == 0.0 else low), (1.0 if share == 1.0 else high)


def effective_clips(outcomes: Flags | Matrix, groups: Sequence[str]) -> float:
    """Return how many clips without groups the clips of groups are worth, for a proportion.

    Clips of a group fare alike, so that they tell less than as many of their own. Their number is
    divided by the design effect, the variance of the mean over groups (by linearisation) over that
    of independent clips, and again for the few groups that the former is of (Korn and Graubard
    1998). It is never above the number of clips, and that of groups where all outcomes are equal,
    which says nothing of how alike groups are.

    Parameters
    ----------
    outcomes : bool[n], or chances of them, float64[n]
    groups : sequence of str
        One per clip.

    Returns
    -------
    float
        At least 1.
    """
    from scipy.special import stdtrit

    values = np.asarray(outcomes, dtype=np.float64)
    n = len(values)
    _, member = np.unique(np.asarray(groups), return_inverse=True)
    count = int(member.max()) + 1
    if count == n:
        return float(n)
    share = float(values.mean())
    independent = share * (1.0 - share) / n
    if count == 1 or independent == 0.0:
        return float(count)
    residuals = np.bincount(member, values - share, minlength=count)
    between = count / (count - 1) * float(np.sum(residuals**2)) / n**2
    tail = 0.5 + CONFIDENCE / 2.0
    few = float(stdtrit(n - 1, tail) / stdtrit(count - 1, tail)) ** 2
    alike = independent / between if between > independent else 1.0
    return max(1.0, n * few * alike)


def proportion_interval(outcomes: Flags | Matrix, groups: Sequence[str]) -> tuple[float, float]:
    """Return the 95 % interval of a proportion: Wilson's of what the clips are worth.

    Parameters
    ----------
    outcomes : bool[n], or chances of them, float64[n]
    groups : sequence of str
        One per clip, see `effective_clips`.
    """
    return wilson_interval(float(np.mean(outcomes)), effective_clips(outcomes, groups))


def clips_to_decide(
    share: float, minimum: float, *, per_clip: float = 1.0, limit: int = 1_000_000
) -> int | None:
    """Return how many clips would put `minimum` outside the Wilson interval at this share.

    Parameters
    ----------
    share, minimum : float
    per_clip : float
        What a clip is worth, see `effective_clips`.
    limit : int
        Give up here.

    Returns
    -------
    int or None
        None where no number below `limit` would do, as when both are equal.
    """

    def decides(n: int) -> bool:
        low, high = wilson_interval(round(share * n) / n, n * per_clip)
        return low >= minimum or high < minimum

    if share == minimum or not decides(limit):
        return None
    low, high = 1, limit
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if decides(middle) else (middle, high)
    return high


def clips_to_narrow(
    value: float, ci: tuple[float, float], minimum: float, n: int, *, limit: int = 1_000_000
) -> int | None:
    """Return how many clips would put `minimum` outside a bootstrap interval of this value.

    An interval narrows as the root of the number of clips.

    Parameters
    ----------
    value, minimum : float
    ci : (float, float)
        Of `n` clips.
    n, limit : int

    Returns
    -------
    int or None
        None where no number below `limit` would do, as when value and minimum are equal.
    """
    distance = abs(value - minimum)
    side = value - ci[0] if value > minimum else ci[1] - value
    if distance == 0.0:
        return None
    needed = math.ceil(n * (side / distance) ** 2)
    return needed if needed <= limit else None

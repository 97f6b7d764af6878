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

    from pytest_nnrel.statistics.consistency import Flags, Matrix

#: Coverage of every interval.
CONFIDENCE = 0.95
#: Replicates of every bootstrap, as in the paper (section 5).
REPLICATES = 1000
_NEAR_ONE = 0.9999
#: Of four pairs without relation one in twelve orders is the same, or the reverse.
_FEWEST_PAIRS = 5
#: Below, the correction is lost in rounding.
_NO_SKEWNESS = 1e-6


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


def resampled_proportion(
    outcomes: Flags, groups: Sequence[str], rng: np.random.Generator, replicates: int
) -> Matrix:
    """Return bootstrap replicates of a proportion, of groups that are drawn with replacement.

    Groups with as many clips, and as many of them right, are alike. How often each kind of them is
    drawn is multinomial, so that a replicate costs no more for more clips.

    Parameters
    ----------
    outcomes : bool[n]
    groups : sequence of str
        Group of each clip.
    rng : Generator
    replicates : int

    Returns
    -------
    float64[replicates]
    """
    _, member = np.unique(np.asarray(groups), return_inverse=True)
    right_of_all = np.column_stack([np.bincount(member, outcomes), np.bincount(member)])
    kinds, number = np.unique(right_of_all, axis=0, return_counts=True)
    drawn_of_kind = rng.multinomial(number.sum(), number / number.sum(), size=replicates)
    right, clips = (drawn_of_kind @ kinds).T
    return np.asarray(right / clips)


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


def correlation_interval(
    value: float, replicates: Matrix, groups: int, pairs: int
) -> tuple[float, float]:
    """Return the 95 % interval of a correlation: Student's, of Fisher's z and its bootstrap error.

    Percentiles of the bootstrap are too narrow where few groups are drawn, and its error is too
    small of few pairs: it is no less than that of as many independent ones (Fisher 1921).

    Parameters
    ----------
    value : float
    replicates : float64[replicates]
        NaN where a sample has none; they are left out.
    groups : int
        That were drawn from.
    pairs : int
        That the correlation is of.

    Returns
    -------
    low, high : float

    Raises
    ------
    UndefinedMeasureError
        As `percentile_interval`.
    """
    from scipy.special import stdtrit

    percentile_interval(replicates)
    if groups < 2 or pairs < _FEWEST_PAIRS:
        return -1.0, 1.0
    # Where a sample is of one group over and over, its correlation can be 1, and z infinite.
    z = np.arctanh(np.clip([value, *replicates[np.isfinite(replicates)]], -_NEAR_ONE, _NEAR_ONE))
    error = max(float(np.std(z[1:])), 1.0 / math.sqrt(pairs - 3))
    half = float(stdtrit(groups - 1, 0.5 + CONFIDENCE / 2.0)) * error
    low, high = np.tanh([z[0] - half, z[0] + half])
    return min(float(low), value), max(float(high), value)


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
    divided by the design effect: the variance of the share, by leaving out one group at a time
    (jackknife), over that of independent clips. It is divided again for what that variance itself
    is not sure of (Korn and Graubard 1998): few groups, or few of them in which any clip failed,
    have few degrees of freedom (Satterthwaite 1946, by the kurtosis of what the groups add).

    Parameters
    ----------
    outcomes : bool[n], or chances of them, float64[n]
    groups : sequence of str
        One per clip.

    Returns
    -------
    float
        From 1 to the number of clips: chances, too, can differ as much as outcomes do, though those
        that were seen are spread less. The number of groups where all are equal, which says nothing
        of how alike groups are.
    """
    from scipy.special import ndtri, stdtrit

    values = np.asarray(outcomes, dtype=np.float64)
    n = len(values)
    _, member, clips = np.unique(np.asarray(groups), return_inverse=True, return_counts=True)
    count = len(clips)
    plain = bool(np.isin(values, (0.0, 1.0)).all())
    if plain and count == n:
        return float(n)
    share = float(values.mean())
    independent = share * (1.0 - share) / n
    if count == 1 or np.ptp(values) == 0.0:
        return float(count)
    moved = np.bincount(member, values - share) / (n - clips)
    total = float(np.sum(moved**2))
    between = total * (count - 1) / count
    degrees = count - 1.0
    if total > 0.0:
        kurtosis = count * float(np.sum(moved**4)) / total**2
        degrees = min(max(2.0 * count / max(kurtosis - 1.0, 1e-9), 1.0), degrees)
    tail = 0.5 + CONFIDENCE / 2.0
    # The variance of outcomes follows from their share; that of chances is but seen, in few clips.
    certain = stdtrit(n - 1, tail) if plain else ndtri(tail)
    sure = float(certain / stdtrit(degrees, tail)) ** 2
    if between > independent or not (plain or total == 0.0):
        sure *= independent / between
    return max(1.0, n * min(sure, 1.0))


def proportion_interval(outcomes: Flags | Matrix, groups: Sequence[str]) -> tuple[float, float]:
    """Return the 95 % interval of a proportion: Wilson's of what the clips are worth.

    `benchmarks/interval_coverage.py` compares it with others.

    Parameters
    ----------
    outcomes : bool[n], or chances of them, float64[n]
    groups : sequence of str
        One per clip, see `effective_clips`.

    Returns
    -------
    low, high : float
        Never of zero width.
    """
    return wilson_interval(float(np.mean(outcomes)), effective_clips(outcomes, groups))


def mean_interval(
    values: Matrix, groups: Sequence[str], *, least: float | None = None
) -> tuple[float, float]:
    """Return the 95 % interval of the mean of what each clip has, 1 at most.

    Percentiles of a bootstrap are too narrow where few groups are drawn. Where all clips have the
    same, nothing is seen of how they differ: without `least` it has no width then.

    Parameters
    ----------
    values : float64[n]
    groups : sequence of str
        One per clip.
    least : float, optional
        What no clip can be below. The interval is that of a proportion then, see
        `proportion_interval`, of the way from there to 1. Without, it is Student's, of what is
        found when one group at a time is left out (jackknife), with Hall's (1992) correction for
        skewness: few clips lie far below 1, and most near it.

    Returns
    -------
    low, high : float

    Raises
    ------
    UndefinedMeasureError
        If there is one group only, and nothing that no clip can be below; if a value is not finite.
    """
    from scipy.special import stdtrit

    if not np.isfinite(values).all():
        raise UndefinedMeasureError(
            "a clip has no finite value, so that their mean has no interval; leave the clip out"
        )
    if least is not None:
        low, high = proportion_interval((values - least) / (1.0 - least), groups)
        return least + (1.0 - least) * low, least + (1.0 - least) * high
    _, member, clips = np.unique(np.asarray(groups), return_inverse=True, return_counts=True)
    count = len(clips)
    if count < 2:
        raise UndefinedMeasureError(
            "the clips are of one group, which does not tell how groups differ; measure more of"
            " them"
        )
    mean = float(values.mean())
    moved = (count - 1) * np.bincount(member, values - mean) / (len(values) - clips)
    spread = float(np.std(moved))
    if spread == 0.0:
        return mean, mean
    skewness = float(np.mean((moved - moved.mean()) ** 3)) / spread**3
    half = float(stdtrit(count - 1, 0.5 + CONFIDENCE / 2.0))
    error = spread / math.sqrt(count - 1)
    low, high = (mean - error * _unskewed(t, skewness, count) for t in (half, -half))
    return low, min(high, 1.0)


def _unskewed(t: float, skewness: float, count: int) -> float:
    """Return where a quantile of Student's t lies for a skewed variable (Hall 1992, eq. of g3)."""
    if abs(skewness) < _NO_SKEWNESS:
        return t
    root = math.sqrt(count)
    cubed = 1.0 + skewness * (t / root - skewness / (6.0 * count))
    return root * 3.0 / skewness * (math.cbrt(cubed) - 1.0)


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
    value : float
    ci : (float, float)
        Of `n` clips.
    minimum : float
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

"""Whether outcomes on the same clips got worse: paired tests, pure maths.

Conventions
-----------
Outcomes are bool[conditions, n] of the same clips before and after. A *negative flip* is a clip
that kept its original nearest and does not any more, a *positive flip* the reverse. All tests are
one-sided: only getting worse counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pytest_nnrel.errors import DistanceError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from pytest_nnrel.statistics.consistency import Flags, Matrix

#: Level of tests of single conditions, adjusted for their number.
SIGNIFICANCE = 0.05
#: Level of verdicts. The sign-flip test is exact: at 5 %, every other thousand of retrainings
#: without a change would have more than 50 false alarms, at 4 % one in twenty does.
VERDICT_LEVEL = 0.04
#: Sign patterns that are drawn where there are too many to try all.
RESAMPLES = 9999


def flips(before: Flags, after: Flags) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Return the numbers of negative and positive flips in each condition.

    Parameters
    ----------
    before, after : bool[conditions, n]

    Returns
    -------
    negative, positive : int[conditions]

    Raises
    ------
    DistanceError
        If the shapes differ.
    """
    if before.shape != after.shape or before.ndim != 2:
        raise DistanceError(
            f"outcomes are of different clips or conditions: {before.shape}, {after.shape}"
        )
    return np.sum(before & ~after, axis=1), np.sum(~before & after, axis=1)


def mcnemar(negative: int, positive: int) -> float:
    """Return the p-value of the exact one-sided test of flips (McNemar 1947).

    Parameters
    ----------
    negative, positive : int

    Returns
    -------
    float
        Probability of as many negative flips or more, were both kinds equally likely; 1 without
        flips.
    """
    from scipy.stats import binomtest

    if negative + positive == 0:
        return 1.0
    return float(binomtest(negative, negative + positive, 0.5, alternative="greater").pvalue)


def holm(p_values: Sequence[float]) -> Matrix:
    """Return p-values adjusted for their number (Holm 1979), float64[k].

    Those below `SIGNIFICANCE` are so with a chance of at most `SIGNIFICANCE` that any is wrongly.
    """
    given = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(given, kind="stable")
    steps = given[order] * np.arange(len(given), 0, -1)
    adjusted = np.empty_like(given)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted


def sign_flip_test(losses: Matrix, groups: Sequence[str], *, rng: np.random.Generator) -> float:
    """Return the p-value of losses that are positive, over all conditions at once.

    If nothing got worse, before and after could be exchanged for any group of clips, in all
    conditions at a time: the sign of its loss is then as likely one as the other. Whole groups
    are exchanged, as conditions of a clip, and clips of a track, go together.

    Two statistics look for losses, the sum over all conditions, and the largest of single
    conditions in units of its spread. The less likely of both counts, against the distribution
    of just that over the exchanges (min-p, Westfall and Young 1993), so that a change may be
    spread over conditions or sit in one, and the level holds.

    Parameters
    ----------
    losses : float64[conditions, n]
        What each clip lost, such as 1 for a negative flip, -1 for a positive one.
    groups : sequence of str
        One per clip.
    rng : Generator
        Draws exchanges where there are more than `RESAMPLES` of them; else all are tried.

    Returns
    -------
    float
        1 where nothing changed.
    """
    from scipy.stats import rankdata

    _, member = np.unique(np.asarray(groups), return_inverse=True)
    of_groups = np.zeros((int(member.max()) + 1, len(losses)))
    np.add.at(of_groups, member, losses.T)
    of_groups = of_groups[(of_groups != 0.0).any(axis=1)]
    of_groups = of_groups[:, (of_groups != 0.0).any(axis=0)]
    if of_groups.size == 0:
        return 1.0
    sums = _signs(len(of_groups), rng) @ of_groups  # the first are those that were seen
    spread = np.sqrt(np.sum(of_groups**2, axis=0))
    statistics = np.stack([sums.sum(axis=1), (sums / spread).max(axis=1)])
    # Equal sums are ties, whatever the rounding.
    ranks = rankdata(-np.round(statistics, 9), method="max", axis=1)
    smallest = ranks.min(axis=0)
    return float(np.mean(smallest <= smallest[0]))


def mean_flip_tests(gains: Matrix, groups: Sequence[str], *, rng: np.random.Generator) -> Matrix:
    """Return the p-values of means that differ from 0, either way, each alone.

    As in `sign_flip_test` whole groups of clips are exchanged; all tests share the exchanges.

    Parameters
    ----------
    gains : float64[tests, n]
        What each clip gained.
    groups : sequence of str
        One per clip.
    rng : Generator
        Draws exchanges where there are more than `RESAMPLES` of them; else all are tried.

    Returns
    -------
    float64[tests]
        1 where nothing changed.
    """
    _, member = np.unique(np.asarray(groups), return_inverse=True)
    of_groups = np.zeros((int(member.max()) + 1, len(gains)))
    np.add.at(of_groups, member, gains.T)
    # Equal sums are ties, whatever the rounding.
    sums = np.round(np.abs(_signs(len(of_groups), rng) @ of_groups), 9)
    return np.asarray(np.mean(sums >= sums[0], axis=0))


def _signs(groups: int, rng: np.random.Generator) -> Matrix:
    """Return exchanges, float64[k, groups] of 1 and -1, of which the first changes nothing."""
    if 2**groups <= RESAMPLES:
        patterns = np.arange(2**groups)[:, None] >> np.arange(groups) & 1
    else:
        patterns = rng.integers(2, size=(RESAMPLES + 1, groups))
        patterns[0] = 0
    return np.asarray(1.0 - 2.0 * patterns)


def smallest_loss() -> int:
    """Return the fewest groups of clips whose loss, nothing being won, makes a verdict.

    However many conditions there are: with fewer, all exchanges together are too few.
    """
    lost = 1
    while 0.5**lost > VERDICT_LEVEL:
        lost += 1
    return lost


def smallest_named_loss(conditions: int) -> int:
    """Return the fewest clips whose loss in one condition is significant after Holm's correction.

    Parameters
    ----------
    conditions : int
        That are tested together.
    """
    lost = 1
    while mcnemar(lost, 0) * conditions > SIGNIFICANCE:
        lost += 1
    return lost


def describe_drop(clips: int, groups: int) -> str:
    """Return the smallest drop of C_W that a corpus can show, such as ``3.7% (5 clips)``.

    Parameters
    ----------
    clips, groups : int
        Groups are exchanged whole, so that they count where clips share them.
    """
    lost = smallest_loss()
    unit = "clips" if groups == clips else "groups of clips"
    return f"{lost / groups:.1%} ({lost} {unit})" if lost <= groups else f"none (it takes {lost})"

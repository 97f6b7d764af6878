"""Scores over families: errors against a reference's, their mean, and where a curve falls.

Errors of several transformations are not worth the same: nobody keeps clips nearest at a grave
reverb, everybody at a mild one. ImageNet-C (Hendrycks and Dietterich 2019, section 4) divides them
by those of a reference, so that hard families do not drown the others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    from pytest_nnrel.statistics.consistency import Matrix

#: Clips that are added to both counts of errors: none over none is 1, and none divides by zero.
PRIOR = 0.5


def relative_error(errors: Matrix, reference: Matrix) -> Matrix:
    """Return errors over a reference's, half an error added to both.

    Where neither makes any, they are equal, 1; where the reference makes none, each error counts
    for two more. With many errors the half does not show.

    Parameters
    ----------
    errors, reference : float64[...]
        Expected numbers of clips, summed over the severities of a family.

    Returns
    -------
    float64[...]
    """
    return np.asarray((errors + PRIOR) / (reference + PRIOR), dtype=np.float64)


def score(relative: Matrix) -> Matrix:
    """Return the geometric mean of relative errors over families, the last axis.

    Ratios have no arithmetic mean that means the same whichever side is the reference (Fleming and
    Wallace 1986): one that is twice as good in half of the families, and half as good in the
    others, scores 1.
    """
    return np.asarray(np.exp(np.log(relative).mean(axis=-1)), dtype=np.float64)


def family_errors(
    losses: Matrix, families: Mapping[str, Sequence[int]], weights: npt.NDArray[np.int32] | None
) -> Matrix:
    """Return the errors of each family, summed over its conditions.

    Parameters
    ----------
    losses : float64[conditions, n]
        Of each clip: 1 where its original is not the nearest, or the chance of that.
    families : dict of str to sequence of int
        Positions of each one's conditions.
    weights : int32[replicates, n], optional
        How often each clip is drawn (`intervals.drawn`).

    Returns
    -------
    float64[families], or float64[replicates, families]
    """
    drawn = losses.sum(axis=1) if weights is None else weights @ losses.T
    return np.stack([drawn[..., list(rows)].sum(axis=-1) for rows in families.values()], axis=-1)


def falls_at(damages: Sequence[float], values: Sequence[float], level: float) -> float:
    """Return the damage at which a curve falls below a level for the first time.

    Parameters
    ----------
    damages, values : sequences of float
        Points of the curve, in any order; at no damage it is 1.
    level : float
        Below 1.

    Returns
    -------
    float
        Between two points on the line that joins them; infinity where it does not fall.
    """
    before = (0.0, 1.0)
    # Of two points at one damage, the worse decides.
    for damage, value in sorted(zip(damages, values), key=lambda point: (point[0], -point[1])):
        if value < level:
            share = (before[1] - level) / (before[1] - value)
            return before[0] + share * (damage - before[0])
        before = (damage, value)
    return float("inf")

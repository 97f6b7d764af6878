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

#: Share of clips that is added to both sides' errors: none over none is 1, and a reference without
#: errors does not make a mountain of the first. Between halves of the bundled clips, scores of
#: encoders of the paper keep apart three times better so than with half a clip.
ALLOWANCE = 0.05


def relative_error(error: Matrix, reference: Matrix) -> Matrix:
    """Return errors over a reference's, an allowance of 5 % of the clips added to both.

    Where neither makes any, they are equal, 1; where the reference makes none, losing every clip
    is 21.

    Parameters
    ----------
    error, reference : float64[...]
        Shares of clips.

    Returns
    -------
    float64[...]
    """
    return np.asarray((error + ALLOWANCE) / (reference + ALLOWANCE), dtype=np.float64)


def score(relative: Matrix) -> Matrix:
    """Return the mean of relative errors over families, the last axis, as ImageNet-C's mCE.

    Parameters
    ----------
    relative : float64[..., families]

    Returns
    -------
    float64[...]
    """
    return np.asarray(relative.mean(axis=-1), dtype=np.float64)


def family_errors(
    losses: Matrix, families: Mapping[str, Sequence[int]], weights: npt.NDArray[np.int32]
) -> Matrix:
    """Return the error of each family: the share of clips lost, mean over its conditions.

    Parameters
    ----------
    losses : float64[conditions, n]
        Of each clip: 1 where its original is not the nearest, or the chance of that.
    families : dict of str to sequence of int
        Positions of each one's conditions.
    weights : int32[replicates, n]
        How often each clip counts: once, or as often as it is drawn (`intervals.drawn`).

    Returns
    -------
    float64[replicates, families]
    """
    return means_of(weights @ losses.T / weights.sum(axis=1, keepdims=True), families)


def means_of(errors: Matrix, families: Mapping[str, Sequence[int]]) -> Matrix:
    """Return the mean error of each family, float64[replicates, families].

    Parameters
    ----------
    errors : float64[replicates, conditions]
    families : dict of str to sequence of int
        Positions of each one's conditions.
    """
    return np.stack([errors[:, list(rows)].mean(axis=1) for rows in families.values()], axis=1)


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

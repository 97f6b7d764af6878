"""How the points of a map lie among their neighbours (Figs. 9 and 14 of the paper).

A map by t-SNE keeps neighbours and little else: distances are compared within a map only, and near
ones at that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial.distance import cdist
from scipy.stats import rankdata

from reference_models.errors import ReproductionError
from reference_models.paper.results import ORIGINAL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from reference_models.paper.results import MapPoint

#: Neighbours of a point that are looked at.
NEIGHBOURS = 10
PERMUTATIONS = 1000


def displacement(points: Sequence[MapPoint], transformation: str) -> float:
    """Return how far a transformation moves points, in distances between neighbours.

    Parameters
    ----------
    points : sequence of MapPoint
        Of one map.
    transformation : str
        One of `results.TRANSFORMATIONS`.

    Returns
    -------
    float
        Median, over the transformed points, of the distance to the own original divided by the
        distance from that to the nearest other original. Below 1, relatives are nearer than
        neighbours.

    Raises
    ------
    ReproductionError
        If there are no such points, an original is missing, or there are less than two.
    """
    originals = _of(points, ORIGINAL)
    moved = _of(points, transformation)
    place = {point.clip: row for row, point in enumerate(originals)}
    lost = sorted({point.clip for point in moved} - place.keys())
    if lost or len(place) < 2:
        raise ReproductionError(
            f"the map has no original of clip {lost[0]!r}"
            if lost
            else "the map needs two originals or more"
        )
    at = positions(originals)
    between = cdist(at, at)
    np.fill_diagonal(between, np.inf)
    own = [place[point.clip] for point in moved]
    away = np.linalg.norm(positions(moved) - at[own], axis=1)
    # Two originals may coincide on a map: relatives are then no nearer than neighbours.
    nearest = np.maximum(between.min(axis=1)[own], np.finfo(np.float64).tiny)
    return float(np.median(away / nearest))


def separation(points: Sequence[MapPoint], transformation: str) -> float:
    """Return how far transformed points lie apart from originals, as distributions.

    Parameters
    ----------
    points : sequence of MapPoint
        Of one map.
    transformation : str
        One of `results.TRANSFORMATIONS`.

    Returns
    -------
    float
        Of the `NEIGHBOURS` nearest points of other clips, the share that is transformed, less its
        expectation if both kinds lay alike, divided by the greatest it could be: 0 where the
        distributions coincide, 1 where no original is among the neighbours. Points of the own clip
        are left out, so that it tells nothing of pairs.

    Raises
    ------
    ReproductionError
        If the map has too few points.
    """
    moved = _of(points, transformation)
    both = [*moved, *_of(points, ORIGINAL)]
    clips = np.array([point.clip for point in both])
    others = clips[: len(moved), np.newaxis] != clips
    if others.sum(axis=1).min() < NEIGHBOURS:
        raise ReproductionError(
            f"the map has too few points under {transformation} to look at {NEIGHBOURS} neighbours"
        )
    distances = np.where(others, cdist(positions(moved), positions(both)), np.inf)
    transformed = np.arange(len(both)) < len(moved)
    near = np.argpartition(distances, NEIGHBOURS - 1, axis=1)[:, :NEIGHBOURS]
    share = transformed[near].mean(axis=1)
    expected = (others & transformed).sum(axis=1) / others.sum(axis=1)
    return float(np.mean((share - expected) / (1.0 - expected)))


def order(points: Sequence[MapPoint], levels: NDArray[np.float64]) -> tuple[float, float]:
    """Return how far neighbours on a map are alike in something.

    Parameters
    ----------
    points : sequence of MapPoint
        Of one map.
    levels : float64[points]
        Compared by rank.

    Returns
    -------
    rho : float
        Spearman's, between the levels and the mean rank of the `NEIGHBOURS` nearest points.
    p : float
        One-sided, of `PERMUTATIONS` random orders of the levels.

    Raises
    ------
    ReproductionError
        If there are too few points.
    """
    if len(points) <= NEIGHBOURS:
        raise ReproductionError(
            f"a map of {len(points)} points is too small to look at {NEIGHBOURS} neighbours"
        )
    distances = cdist(positions(points), positions(points))
    np.fill_diagonal(distances, np.inf)
    near = np.argpartition(distances, NEIGHBOURS - 1, axis=1)[:, :NEIGHBOURS]
    ranks = rankdata(levels)
    found = rank_correlation(ranks, ranks[near].mean(axis=1))
    rng = np.random.default_rng(0)
    chance = rng.permuted(np.tile(ranks, (PERMUTATIONS, 1)), axis=1)
    reached = _rank_correlations(chance, chance[:, near].mean(axis=2))
    return found, (1 + int(np.count_nonzero(reached >= found))) / (1 + PERMUTATIONS)


def rank_correlation(first: ArrayLike, second: ArrayLike) -> float:
    """Return Spearman's rho of two sequences; 0 where one does not vary."""
    return float(_rank_correlations(np.asarray(first), np.asarray(second)))


def _rank_correlations(
    first: NDArray[np.float64], second: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Spearman's rho along the last axis."""
    ranks = rankdata(np.stack([first, second]), axis=-1)
    ranks -= ranks.mean(axis=-1, keepdims=True)
    scale = np.sqrt(np.prod((ranks**2).sum(axis=-1), axis=0))
    rho: NDArray[np.float64] = (ranks[0] * ranks[1]).sum(axis=-1) / np.where(scale, scale, np.inf)
    return rho


def positions(points: Sequence[MapPoint]) -> NDArray[np.float64]:
    """Return where points lie, float64[points, 2]."""
    return np.array([(point.x, point.y) for point in points], dtype=np.float64)


def _of(points: Sequence[MapPoint], transformation: str) -> list[MapPoint]:
    found = [point for point in points if point.transformation == transformation]
    if not found:
        raise ReproductionError(f"the map has no points of {transformation}")
    return found

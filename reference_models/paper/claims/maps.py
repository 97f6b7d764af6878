"""Claims of maps by t-SNE: 8 and 9."""

from __future__ import annotations

from statistics import fmean
from typing import TYPE_CHECKING, Any

import numpy as np

from reference_models.paper.claims.claim import Part
from reference_models.paper.claims.rows import TREND, flat, maps_of
from reference_models.paper.neighbourhoods import displacement, order, separation
from reference_models.paper.results import TRANSFORMATIONS

if TYPE_CHECKING:
    from reference_models.paper.results import Results

#: "Virtually identical" distributions, claim 8: the index of separation is near its 0.
MIXED = 0.1
#: "Clusters of their own", claim 8: nearer to complete separation, 1, than to none, 0.
SEPARATE = 0.5
#: Of a permutation test.
LEVEL = 0.05


def maps_of_transformations(results: Results) -> tuple[dict[str, Any], list[Part]]:
    """Judge claim 8.

    By `neighbourhoods.displacement` and `neighbourhoods.separation` on each map of an encoder.
    MFCC's points coincide if its displacement is below 1 and its separation at most `MIXED` under
    every transformation; AE's and VS's form clusters if their separations, averaged over the
    transformations, are `SEPARATE` or more.
    """
    displaced, separated = {}, {}
    for name in ("mfcc", "ae", "vs"):
        maps = maps_of(results.maps, name)
        for family in TRANSFORMATIONS:
            displaced[name, family] = fmean(displacement(points, family) for points in maps)
            separated[name, family] = fmean(separation(points, family) for points in maps)
    mean = {
        name: fmean(value for (n, _), value in separated.items() if n == name)
        for name in ("mfcc", "ae", "vs")
    }
    furthest = max(value for (name, _), value in displaced.items() if name == "mfcc")
    most = max(value for (name, _), value in separated.items() if name == "mfcc")
    statistic = {
        "displacement": flat(displaced),
        "separation": flat(separated),
        "mean separation": mean,
    }
    return statistic, [
        Part(
            furthest < 1.0 and most <= MIXED,
            f"MFCC's transformed points lie at most {furthest:.2f} times as far from their"
            f" originals as neighbours do (claimed: below 1), with a separation of at most"
            f" {most:.2f} (coinciding: {MIXED} or less)",
        ),
        *(
            Part(
                mean[name] >= SEPARATE,
                f"the separation of {name.upper()} is {mean[name]:.2f} on average (clusters:"
                f" {SEPARATE} or more)",
            )
            for name in ("ae", "vs")
        ),
    ]


def map_of_voices(results: Results) -> tuple[dict[str, Any], list[Part]]:
    """Judge claim 9.

    Spearman's rho between the level of the voice in a clip and its mean rank among the nearest
    points of the map (`neighbourhoods.order`) is `TREND` or more, and a permutation test
    of it has a one-sided p of `LEVEL` or less. Neighbours, because a map by t-SNE may order points
    along a curve; ranks, because the level of a silent voice has no meaning but that it is the
    lowest. With several maps: their mean, and the largest p.
    """
    maps = maps_of(results.vocal_maps, "vs")
    found = []
    for points in maps:
        heard = [point for point in points if point.vocal_db is not None]
        levels = np.array([point.vocal_db for point in heard], dtype=np.float64)
        found.append(order(heard, levels))
    rho, p = fmean(r for r, _ in found), max(p for _, p in found)
    statistic = {"Spearman's rho of a point and its neighbours": rho, "p": p, "maps": len(maps)}
    return statistic, [
        Part(
            rho >= TREND and p <= LEVEL,
            "the level of the voice and that of a point's neighbours: rank correlation"
            f" {rho:.2f} (ordered: {TREND} or more), p = {p:.3f}",
        )
    ]

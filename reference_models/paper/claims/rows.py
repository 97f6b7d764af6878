"""What claims make of rows: curves, trends, thirds, and words for readers."""

from __future__ import annotations

from collections import defaultdict
from statistics import fmean
from typing import TYPE_CHECKING

import numpy as np

from pytest_nnrel.runtime.progress import progress
from reference_models.errors import ReproductionError
from reference_models.paper.analysis import consistency_model, consistency_rows
from reference_models.paper.neighbourhoods import rank_correlation
from reference_models.paper.results import ENCODERS
from reference_models.paper.targets import NAMES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from reference_models.paper.gam import GAM
    from reference_models.paper.results import (
        Consistency,
        MapPoint,
        OriginalsRank,
        Performance,
        Results,
    )
    from reference_models.paper.targets import Variant

#: A rank correlation that is a trend: large by Cohen's convention (1988).
TREND = 0.5


def models_of(results: Results, variants: Sequence[Variant]) -> Iterable[tuple[Variant, GAM]]:
    """Yield the paper's model of each variant."""
    for variant in progress(variants, len(variants), "models", "model"):
        yield variant, consistency_model(results, variant)


def smallest(rows: Sequence[Consistency]) -> list[Consistency]:
    """Return the rows at the paper's smallest magnitudes.

    Raises
    ------
    ReproductionError
        If there are none.
    """
    small = [row for row in rows if row.smallest]
    if not small:
        raise ReproductionError("none of the smallest magnitudes was measured")
    return small


def values_of(rows: Iterable[Consistency | OriginalsRank], what: str) -> list[float]:
    """Return the values of rows.

    Raises
    ------
    ReproductionError
        If there are none; `what` says of what.
    """
    return present([row.value for row in rows], what)


def curve_of(rows: Iterable[Consistency | Performance]) -> dict[int, float]:
    """Return the mean value at each severity, mildest first.

    The mean is over an encoder's trials and then over encoders, which weigh the same whatever the
    number of their trials.
    """
    values: defaultdict[int, defaultdict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        values[row.severity][row.encoder].append(row.value)
    return {
        severity: fmean(fmean(trials) for trials in values[severity].values())
        for severity in sorted(values, key=abs)
    }


def curves_of(rows: Sequence[Consistency]) -> dict[tuple[str, str, str], dict[int, float]]:
    """Return curves by encoder, family, and family with direction, as in ``"PS-"``."""
    parted: defaultdict[tuple[str, str, str], list[Consistency]] = defaultdict(list)
    for row in rows:
        direction = row.transformation + ("-" if row.severity < 0 else "")
        parted[row.encoder, row.transformation, direction].append(row)
    return {key: curve_of(own) for key, own in parted.items()}


def trend(curve: Mapping[int, float], what: str) -> float:
    """Return Spearman's rho of a curve with severity."""
    _check_magnitudes(curve, what)
    return rank_correlation([abs(severity) for severity in curve], list(curve.values()))


def thirds(curve: Mapping[int, float], what: str) -> list[list[float]]:
    """Return a curve's values in three parts, the gravest last."""
    _check_magnitudes(curve, what)
    return [list(part) for part in np.array_split(list(curve.values()), 3)]


def _check_magnitudes(curve: Mapping[int, float], what: str) -> None:
    if len(curve) < 3:
        raise ReproductionError(
            f"{what} was measured at {len(curve)} of the 3 magnitudes that a trend needs; run"
            " reproduce with the paper's grid"
        )


def mean_ranges(results: Results, variants: Sequence[Variant]) -> dict[str, float]:
    """Return how far each encoder's curves range over magnitudes, on average over the curves."""
    ranges: defaultdict[str, list[float]] = defaultdict(list)
    for variant in variants:
        for (encoder, _, _), curve in curves_of(consistency_rows(results, variant)).items():
            ranges[encoder].append(max(curve.values()) - min(curve.values()))
    return {name: fmean(present(ranges.get(name), f"encoder {name}")) for name in ENCODERS}


def present(values: list[float] | None, what: str) -> list[float]:
    """Return values.

    Raises
    ------
    ReproductionError
        If there are none; `what` says of what.
    """
    if not values:
        raise ReproductionError(f"nothing was measured of {what}")
    return values


def maps_of(points: Sequence[MapPoint], encoder: str) -> list[list[MapPoint]]:
    """Return the points of an encoder's maps, one for each trial."""
    maps: defaultdict[int, list[MapPoint]] = defaultdict(list)
    for point in points:
        if point.encoder == encoder:
            maps[point.trial].append(point)
    if not maps:
        raise ReproductionError(f"there is no map of {encoder}; run reproduce with maps")
    return list(maps.values())


def greatest(values: Mapping[str, float]) -> str:
    """Return the key of the greatest value."""
    return max(values, key=values.__getitem__)


def least(values: Mapping[str, float]) -> str:
    """Return the key of the least value."""
    return min(values, key=values.__getitem__)


def flat(values: Mapping[tuple[str, str], float]) -> dict[str, float]:
    """Return values with keys of one text each."""
    return {" ".join(key): value for key, value in values.items()}


def each(values: Mapping[str, float]) -> str:
    """Return all values in words."""
    return ", ".join(f"{value:.3f} ({named(key)})" for key, value in values.items())


def named(key: str) -> str:
    """Return the words of a key as they are written for readers."""
    return " ".join(NAMES.get(word, word) for word in key.split())

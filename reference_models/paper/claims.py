"""The paper's nine claims, each with a statistic that says whether results bear it out.

Statistics and thresholds follow from the wording of the paper, and were fixed before any results
were seen; where the wording gives no number, the reason for the one that was taken stands with its
claim. All values are means over an encoder's trials unless something else is said.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from dataclasses import dataclass
from statistics import fmean, median
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_nnrel.runtime.progress import progress
from reference_models.errors import ReproductionError
from reference_models.paper.analysis import (
    NETWORKS,
    VARIANTS,
    consistency_model,
    consistency_rows,
    performance_model,
    standardised_performance,
)
from reference_models.paper.neighbourhoods import (
    displacement,
    order,
    rank_correlation,
    separation,
)
from reference_models.paper.results import (
    AUDIO_DISTANCES,
    ENCODERS,
    LATENT_DISTANCES,
    ORIGINAL,
    PAPER_TASKS,
    TRANSFORMATIONS,
)
from reference_models.paper.targets import NAMES, SYMBOLS, Variant

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from reference_models.paper.gam import GAM
    from reference_models.paper.results import (
        Consistency,
        MapPoint,
        OriginalsRank,
        Performance,
        Results,
    )

#: "About 1" of a C_W, claim 1: what rounds to 1 on the axes of the paper's Fig. 6.
ABOUT_ONE = 0.95
#: "Close to 1" of a median C_W, claim 5, of encoders that the paper calls *relatively* robust.
CLOSE_TO_ONE = 0.9
#: "Much lower", claim 5: as far below the others as these may be below 1.
MUCH_LOWER = 0.1
#: A rank correlation that is a trend: large by Cohen's convention (1988).
TREND = 0.5
#: "Substantially low" of a C_W, claim 4: most clips are in error.
FAILING = 0.5
#: "Flat", claim 4: C_rho moves less than half as much as C_W does over the same magnitudes.
FLAT = 0.5
#: "Very similar" rankings of five encoders, claim 6: at most one pair of neighbours swapped.
SAME_RANKING = 0.9
#: "Virtually identical" distributions, claim 8: the index of separation is near its 0.
MIXED = 0.1
#: "Clusters of their own", claim 8: nearer to complete separation, 1, than to none, 0.
SEPARATE = 0.5
#: Of a permutation test.
LEVEL = 0.05

#: Neighbours in the order of C_W and C_acc.
_FALLING = list(itertools.pairwise(PAPER_TASKS))


@dataclass(frozen=True)
class Outcome:
    """What became of a claim.

    Attributes
    ----------
    number : int
    text : str
        The claim.
    holds : bool
    statistic : dict
        Plain values that it was judged by.
    explanation : str
        What was found, a sentence for each part of the claim.
    """

    number: int
    text: str
    holds: bool
    statistic: dict[str, Any]
    explanation: str


@dataclass(frozen=True)
class Claim:
    """A claim of the paper; called with results, it returns their `Outcome`.

    Attributes
    ----------
    number : int
    text : str
    place : str
        Where the paper makes it.
    judge : callable
        Returns the statistic and, for each part of the claim, whether it holds and a sentence.
    """

    number: int
    text: str
    place: str
    judge: Callable[[Results], tuple[dict[str, Any], list[Part]]]

    def __call__(self, results: Results) -> Outcome:
        """Judge the claim.

        Raises
        ------
        ReproductionError
            If the results lack what it is about.
        """
        try:
            statistic, parts = self.judge(results)
        except ReproductionError as error:
            raise ReproductionError(f"claim {self.number} cannot be judged: {error}") from error
        explanation = " ".join(
            f"{'As claimed' if part.holds else 'Not as claimed'}: {part.found}." for part in parts
        )
        holds = all(part.holds for part in parts)
        return Outcome(self.number, self.text, holds, statistic, explanation)


@dataclass(frozen=True)
class Part:
    """A part of a claim: whether it holds, and what was found, in words."""

    holds: bool
    found: str


def audio_space(results: Results) -> tuple[dict[str, Any], list[Part]]:
    """Judge claim 1.

    - About 1: C_W of both distances is at least `ABOUT_ONE` at every smallest magnitude.
    - Falling: in every family but TS and each of its directions, Spearman's rho between severity
      and C_W is at most minus `TREND`.
    - TS, "the clear exception": its lowest C_W is above the lowest of every other family, for both
      distances; "in particular DTW": its mean over TS is above SiMPle's.
    """
    lowest_small, trends, lowest, mean_ts = {}, {}, {}, {}
    for distance in AUDIO_DISTANCES:
        rows = consistency_rows(results, Variant("within", distance))
        lowest_small[distance] = min(row.value for row in _smallest(rows))
        for family in TRANSFORMATIONS:
            values = _values((r for r in rows if r.transformation == family), family)
            lowest[distance, family] = min(values)
            if family == "TS":
                mean_ts[distance] = fmean(values)
        for (_, family, direction), curve in _curves(rows).items():
            if family != "TS":
                trends[f"{distance} {direction}"] = _trend(curve, direction)
    statistic = {
        "lowest C_W at the smallest magnitudes": lowest_small,
        "Spearman's rho of severity and C_W": trends,
        "lowest C_W": _flat(lowest),
        "mean C_W under TS": mean_ts,
    }
    worst = _greatest(trends)
    above = {
        d: lowest[d, "TS"] - max(lowest[d, f] for f in TRANSFORMATIONS if f != "TS")
        for d in AUDIO_DISTANCES
    }
    return statistic, [
        Part(
            min(lowest_small.values()) >= ABOUT_ONE,
            f"at the smallest magnitudes the lowest C_W is {_each(lowest_small)} (about 1:"
            f" {ABOUT_ONE} or more)",
        ),
        Part(
            trends[worst] <= -TREND,
            f"C_W falls with severity, least surely under {_named(worst)}: rank correlation"
            f" {trends[worst]:.2f} (a fall: {-TREND} or less)",
        ),
        Part(
            min(above.values()) > 0.0,
            f"the lowest C_W under TS lies above the lowest of any other family by {_each(above)}",
        ),
        Part(
            mean_ts["dtw"] > mean_ts["simple"],
            f"the mean C_W under TS is {_each(mean_ts)}",
        ),
    ]


def encoders_compared(results: Results) -> tuple[dict[str, Any], list[Part]]:
    """Judge claim 2.

    In each of the ten models (two of C_W, four of C_acc, four of C_rho) the 95 % interval of
    MFCC's estimated marginal mean lies wholly above that of every VGG: the paper finds "the same
    results in all four cases, with statistically significant differences", and shows it by
    intervals (Figs. 8 and 11). Disjoint intervals are stricter than a test of the difference.
    """
    statistic: dict[str, Any] = {}
    parts = []
    for measure, variants in VARIANTS.items():
        gaps = {}
        for variant, model in _models(results, variants):
            mfcc = model.mean(encoder="mfcc")
            for name in PAPER_TASKS:
                gaps[f"{variant}, {NAMES[name]}"] = mfcc.low - model.mean(encoder=name).high
        statistic[f"{SYMBOLS[measure]}: MFCC's lower end less the VGG's upper end"] = gaps
        closest = _least(gaps)
        parts.append(
            Part(
                gaps[closest] > 0.0,
                f"MFCC's interval clears that of the nearest VGG by {gaps[closest]:.3f}"
                f" ({closest})",
            )
        )
    return statistic, parts


def tasks_compared(results: Results) -> tuple[dict[str, Any], list[Part]]:
    """Judge claim 3.

    - In every model of C_W and of C_acc the estimated marginal means of the VGGs fall in the order
      AT, IR, VS, AE.
    - In every model of C_rho that of AE is the greatest of the VGGs, and that of AT the smallest.

    The claim is of an order; how sure the closest step of it is, stands beside it as an interval.
    """
    statistic: dict[str, Any] = {}
    parts = []
    for measure, pairs in {
        "within": _FALLING,
        "accuracy": _FALLING,
        "rho": [("ae", "ir"), ("ae", "vs"), ("ir", "at"), ("vs", "at")],
    }.items():
        steps = {}
        for variant, model in _models(results, VARIANTS[measure]):
            for upper, lower in pairs:
                step = model.contrast({"encoder": upper}, {"encoder": lower})
                name = f"{variant}, {NAMES[upper]} less {NAMES[lower]}"
                steps[name] = [step.mean, step.low, step.high]
        statistic[f"{SYMBOLS[measure]}: steps of the order, with 95 % intervals"] = steps
        closest = min(steps, key=lambda key: steps[key][0])
        wrong = [key for key, (mean, _, _) in steps.items() if mean <= 0.0]
        mean, low, high = steps[closest]
        parts.append(
            Part(
                not wrong,
                f"{len(steps) - len(wrong)} of {len(steps)} steps of the order of"
                f" {SYMBOLS[measure]} hold; the least is {mean:.3f}"
                f" [{low:.3f}, {high:.3f}] ({closest})",
            )
        )
    return statistic, parts


def grave_magnitudes(results: Results) -> tuple[dict[str, Any], list[Part]]:
    """Judge claim 4.

    The magnitudes of a family and direction are cut into thirds by severity.

    - C_acc again high: among the combinations of encoder, pair of distances, family and direction
      in which both spaces fail, that is, C_W over the gravest third is below `FAILING` in the audio
      space and in the latent one, C_acc over the gravest third exceeds that over the middle one,
      on average over the combinations of each encoder that has any. If none has, there is nothing
      to see of it, and the claim does not hold.
    - C_rho flat: over the magnitudes of a family and direction, C_rho ranges less than `FLAT`
      times as far as C_W does, on average over these and the distances, for every encoder. The
      paper sets the two beside each other on one scale (Fig. 10).
    """
    rises: defaultdict[str, list[float]] = defaultdict(list)
    for variant in VARIANTS["accuracy"]:
        audio = _curves(consistency_rows(results, Variant("within", variant.audio_distance)))
        latent = _curves(consistency_rows(results, Variant("within", "", variant.latent_distance)))
        agreement = _curves(consistency_rows(results, variant))
        for (encoder, family, direction), curve in agreement.items():
            spaces = (
                audio.get(("", family, direction)),
                latent.get((encoder, family, direction)),
            )
            if all(s and fmean(_thirds(s, direction)[-1]) < FAILING for s in spaces):
                _, middle, gravest = _thirds(curve, direction)
                rises[encoder].append(fmean(gravest) - fmean(middle))
    mean_rises = {encoder: fmean(values) for encoder, values in rises.items()}
    ranges = {measure: _mean_ranges(results, VARIANTS[measure]) for measure in ("rho", "within")}
    excess = {name: ranges["rho"][name] - FLAT * ranges["within"][name] for name in ENCODERS}
    statistic = {
        "rise of C_acc from the middle to the gravest third, both spaces failing": mean_rises,
        "combinations in which both spaces fail": {e: len(v) for e, v in rises.items()},
        "range of C_rho over magnitudes": ranges["rho"],
        "range of C_W over magnitudes": ranges["within"],
    }
    widest = _greatest(excess)
    return statistic, [
        Part(
            bool(mean_rises) and min(mean_rises.values()) > 0.0,
            "where both spaces fail, C_acc changes from the middle to the gravest third by"
            f" {_each(mean_rises)}"
            if mean_rises
            else "under no family do both spaces fail at the gravest third",
        ),
        Part(
            excess[widest] < 0.0,
            f"of {NAMES[widest]}, the least flat, C_rho ranges over {ranges['rho'][widest]:.3f}"
            f" where C_W ranges over {ranges['within'][widest]:.3f} (flat: below {FLAT} of it)",
        ),
    ]


def smallest_magnitudes(results: Results) -> tuple[dict[str, Any], list[Part]]:
    """Judge claim 5.

    For both latent distances, over the smallest magnitudes and all trials (Fig. 12, second row):

    - medians of C_W of MFCC, AT and IR of `CLOSE_TO_ONE` or more;
    - medians of VS and AE both `MUCH_LOWER` or more below the lowest of those;
    - C_W, averaged over the encoders, lowest under PS of all families.
    """
    medians, families = {}, {}
    for variant in VARIANTS["within"]:
        small = _smallest(consistency_rows(results, variant))
        for name in ENCODERS:
            own = [row for row in small if row.encoder == name]
            medians[variant.latent_distance, name] = median(_values(own, f"encoder {name}"))
        for family in TRANSFORMATIONS:
            families[variant.latent_distance, family] = fmean(
                fmean(
                    _values(
                        (r for r in small if (r.encoder, r.transformation) == (name, family)),
                        f"encoder {name} under {family}",
                    )
                )
                for name in ENCODERS
            )
    statistic = {
        "median C_W at the smallest magnitudes": _flat(medians),
        "mean C_W at the smallest magnitudes": _flat(families),
    }
    robust = {d: min(medians[d, e] for e in ("mfcc", "at", "ir")) for d in LATENT_DISTANCES}
    sensitive = {d: max(medians[d, e] for e in ("vs", "ae")) for d in LATENT_DISTANCES}
    others = {
        d: min(families[d, f] for f in TRANSFORMATIONS if f != "PS") - families[d, "PS"]
        for d in LATENT_DISTANCES
    }
    return statistic, [
        Part(
            min(robust.values()) >= CLOSE_TO_ONE,
            f"the lowest median of MFCC, AT and IR is {_each(robust)} (close to 1: {CLOSE_TO_ONE}"
            " or more)",
        ),
        Part(
            all(robust[d] - sensitive[d] >= MUCH_LOWER for d in LATENT_DISTANCES),
            f"the higher median of VS and AE is {_each(sensitive)} (much lower: by {MUCH_LOWER} or"
            " more)",
        ),
        Part(
            min(others.values()) > 0.0,
            f"C_W under PS lies below that under the next worst family by {_each(others)}",
        ),
    ]


def originals_alone(results: Results) -> tuple[dict[str, Any], list[Part]]:
    """Judge claim 6.

    Spearman's rho between C_rho of the originals alone and the estimated marginal means of C_rho
    under transformation, over the five encoders, is `SAME_RANKING` or more for each of the four
    pairs of distances: with five, .9 is one swap of neighbours (1 - 6 x 2 / 120), and the paper
    itself has two encoders .003 apart.
    """
    agreements, values = {}, {}
    for variant, model in _models(results, VARIANTS["rho"]):
        alone = [
            fmean(
                _values(
                    (
                        row
                        for row in results.originals
                        if (row.encoder, row.audio_distance, row.latent_distance)
                        == (name, *variant[1:])
                    ),
                    f"{variant} of the originals alone, encoder {name}",
                )
            )
            for name in ENCODERS
        ]
        transformed = [model.mean(encoder=name).mean for name in ENCODERS]
        agreements[str(variant)] = rank_correlation(alone, transformed)
        values[str(variant)] = {name: [a, t] for name, a, t in zip(ENCODERS, alone, transformed)}
    lowest = _least(agreements)
    statistic = {
        "Spearman's rho of the rankings": agreements,
        "originals alone, under transformation": values,
    }
    return statistic, [
        Part(
            agreements[lowest] >= SAME_RANKING,
            f"the rankings of the encoders agree least for {lowest}: rank correlation"
            f" {agreements[lowest]:.2f} (one swap at most: {SAME_RANKING} or more)",
        )
    ]


def task_performance(results: Results) -> tuple[dict[str, Any], list[Part]]:
    """Judge claim 7.

    On performances standardised as in the paper:

    - in every task the VGG's estimated marginal mean exceeds MFCC's, the 95 % interval of the
      difference clear of 0; the difference is the greatest in AE and the smallest in VS;
    - under PN and EN, averaged over both encoders, Spearman's rho between severity and performance
      is at most minus `TREND` in AT, IR and VS; in AE under EN it is at least `TREND`;
    - at the smallest magnitudes performance is below that of the originals, averaged over tasks,
      encoders and the magnitudes of each family, and the furthest below under PS.
    """
    model = performance_model(results)
    gaps = {
        task: model.contrast({"task": task, "encoder": "vgg"}, {"task": task, "encoder": "mfcc"})
        for task in PAPER_TASKS
    }
    rows = standardised_performance(results)
    trends = {}
    for task, family in itertools.product(PAPER_TASKS, ("PN", "EN")):
        own = [row for row in rows if (row.task, row.transformation) == (task, family)]
        trends[task, family] = _trend(_curve(own), f"{family} in task {task}")
    falling = {f"{t} {f}": trend for (t, f), trend in trends.items() if t != "ae"}
    drops = _performance_drops(rows)
    statistic = {
        "VGG less MFCC, with 95 % intervals": {t: [g.mean, g.low, g.high] for t, g in gaps.items()},
        "Spearman's rho of severity and performance": _flat(trends),
        "change from the originals at the smallest magnitudes": drops,
    }
    means = {task: gap.mean for task, gap in gaps.items()}
    least_low = min(gaps, key=lambda task: gaps[task].low)
    weakest = _greatest(falling)
    return statistic, [
        Part(
            gaps[least_low].low > 0.0,
            f"VGG exceeds MFCC by {_each(means)} standard deviations (lowest end of an interval:"
            f" {gaps[least_low].low:.2f}, {NAMES[least_low]})",
        ),
        Part(
            _greatest(means) == "ae" and _least(means) == "vs",
            f"the widest difference is that of {NAMES[_greatest(means)]}, the narrowest"
            f" that of {NAMES[_least(means)]} (claimed: AE, VS)",
        ),
        Part(
            falling[weakest] <= -TREND,
            f"performance falls with noise, least surely for {_named(weakest)}: rank correlation"
            f" {falling[weakest]:.2f} (a fall: {-TREND} or less)",
        ),
        Part(
            trends["ae", "EN"] >= TREND,
            "that of AE grows with environmental noise: rank correlation"
            f" {trends['ae', 'EN']:.2f} (a rise: {TREND} or more)",
        ),
        Part(
            fmean(drops.values()) < 0.0 and _least(drops) == "PS",
            f"at the smallest magnitudes it changes by {_each(drops)} standard deviations, most"
            f" under {_least(drops)} (claimed: PS)",
        ),
    ]


def maps_of_transformations(results: Results) -> tuple[dict[str, Any], list[Part]]:
    """Judge claim 8.

    By `neighbourhoods.displacement` and `neighbourhoods.separation` on each map of an encoder.
    MFCC's points coincide if its displacement is below 1 and its separation at most `MIXED` under
    every transformation; AE's and VS's form clusters if their separations, averaged over the
    transformations, are `SEPARATE` or more.
    """
    displaced, separated = {}, {}
    for name in ("mfcc", "ae", "vs"):
        maps = _maps(results.maps, name)
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
        "displacement": _flat(displaced),
        "separation": _flat(separated),
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
    maps = _maps(results.vocal_maps, "vs")
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


CLAIMS = (
    Claim(
        1,
        "In the audio space C_W is about 1 at the smallest magnitudes, for DTW and SiMPle, and"
        " falls with magnitude; under tempo shifts it stays high, with DTW most of all.",
        "section 5.2, Fig. 6",
        audio_space,
    ),
    Claim(
        2,
        "MFCC is the most consistent encoder, within and between spaces; every VGG encoder is"
        " lower.",
        "RQ 1, sections 5.2, 5.3 and 6.5, Figs. 8 and 11",
        encoders_compared,
    ),
    Claim(
        3,
        "C_W and C_acc order the tasks AT > IR > VS > AE; C_rho is led by AE, and AT is last.",
        "RQ 2, sections 5.2, 5.3 and 6.2, Figs. 8 and 11",
        tasks_compared,
    ),
    Claim(
        4,
        "C_acc is high again at grave magnitudes, where both spaces fail together; C_rho is flat"
        " in magnitude.",
        "section 5.3, Fig. 10",
        grave_magnitudes,
    ),
    Claim(
        5,
        "At the smallest magnitudes the medians of C_W of MFCC, AT and IR are close to 1, those of"
        " VS and AE much lower; pitch shift hurts most.",
        "section 5.4.2, Fig. 12",
        smallest_magnitudes,
    ),
    Claim(
        6,
        "C_rho on the originals alone ranks the encoders as C_rho under transformation does.",
        "section 6.2, Fig. 13",
        originals_alone,
    ),
    Claim(
        7,
        "VGG performs above MFCC in every task, by the most in AE and the least in VS; performance"
        " falls with noise, except in AE, where it grows with environmental noise; it drops"
        " already at the smallest magnitudes, most of all under pitch shift.",
        "sections 5.1 and 5.4.1, Figs. 4, 5 and 12",
        task_performance,
    ),
    Claim(
        8,
        "In maps by t-SNE transformed points coincide with originals for MFCC, and form clusters"
        " of their own for AE and VS.",
        "section 5.2, Fig. 9",
        maps_of_transformations,
    ),
    Claim(
        9,
        "In the map of VS by t-SNE the points are ordered by vocal loudness.",
        "section 6.2, Fig. 14",
        map_of_voices,
    ),
)


def _models(results: Results, variants: Sequence[Variant]) -> Iterable[tuple[Variant, GAM]]:
    for variant in progress(variants, len(variants), "models", "model"):
        yield variant, consistency_model(results, variant)


def _smallest(rows: Sequence[Consistency]) -> list[Consistency]:
    small = [row for row in rows if row.smallest]
    if not small:
        raise ReproductionError("none of the smallest magnitudes was measured")
    return small


def _values(rows: Iterable[Consistency | OriginalsRank], what: str) -> list[float]:
    return _present([row.value for row in rows], what)


def _curve(rows: Iterable[Consistency | Performance]) -> dict[int, float]:
    """Return the mean value at each severity, mildest first."""
    values: defaultdict[int, list[float]] = defaultdict(list)
    for row in rows:
        values[row.severity].append(row.value)
    return {severity: fmean(values[severity]) for severity in sorted(values, key=abs)}


def _curves(rows: Sequence[Consistency]) -> dict[tuple[str, str, str], dict[int, float]]:
    """Return curves by encoder, family, and family with direction, as in ``"PS-"``."""
    parted: defaultdict[tuple[str, str, str], list[Consistency]] = defaultdict(list)
    for row in rows:
        direction = row.transformation + ("-" if row.severity < 0 else "")
        parted[row.encoder, row.transformation, direction].append(row)
    return {key: _curve(own) for key, own in parted.items()}


def _trend(curve: Mapping[int, float], what: str) -> float:
    """Return Spearman's rho of a curve with severity."""
    _check_magnitudes(curve, what)
    return rank_correlation([abs(severity) for severity in curve], list(curve.values()))


def _thirds(curve: Mapping[int, float], what: str) -> list[list[float]]:
    """Return a curve's values in three parts, the gravest last."""
    _check_magnitudes(curve, what)
    return [list(part) for part in np.array_split(list(curve.values()), 3)]


def _check_magnitudes(curve: Mapping[int, float], what: str) -> None:
    if len(curve) < 3:
        raise ReproductionError(
            f"{what} was measured at {len(curve)} of the 3 magnitudes that a trend needs; run"
            " reproduce with the paper's grid"
        )


def _mean_ranges(results: Results, variants: Sequence[Variant]) -> dict[str, float]:
    """Return how far each encoder's curves range over magnitudes, on average over the curves."""
    ranges: defaultdict[str, list[float]] = defaultdict(list)
    for variant in variants:
        for (encoder, _, _), curve in _curves(consistency_rows(results, variant)).items():
            ranges[encoder].append(max(curve.values()) - min(curve.values()))
    return {name: fmean(_present(ranges.get(name), f"encoder {name}")) for name in ENCODERS}


def _performance_drops(rows: Sequence[Performance]) -> dict[str, float]:
    """Return the change from the originals at the smallest magnitudes, by family."""
    originals = {
        (row.task, row.encoder, row.trial): row.value
        for row in rows
        if row.transformation == ORIGINAL
    }
    drops: defaultdict[tuple[str, str, str], list[float]] = defaultdict(list)
    for row in rows:
        network = row.task, row.encoder, row.trial
        if row.smallest and row.transformation != ORIGINAL:
            if network not in originals:
                raise ReproductionError(
                    f"the performance of {row.encoder} in {row.task} on originals was not measured"
                )
            drops[row.transformation, row.task, row.encoder].append(row.value - originals[network])
    return {
        family: fmean(
            fmean(_present(drops.get((family, *of)), f"{family} of {of[1]} in {of[0]}"))
            for of in itertools.product(PAPER_TASKS, NETWORKS)
        )
        for family in TRANSFORMATIONS
    }


def _present(values: list[float] | None, what: str) -> list[float]:
    if not values:
        raise ReproductionError(f"nothing was measured of {what}")
    return values


def _maps(points: Sequence[MapPoint], encoder: str) -> list[list[MapPoint]]:
    """Return the points of an encoder's maps, one for each trial."""
    maps: defaultdict[int, list[MapPoint]] = defaultdict(list)
    for point in points:
        if point.encoder == encoder:
            maps[point.trial].append(point)
    if not maps:
        raise ReproductionError(f"there is no map of {encoder}; run reproduce with maps")
    return list(maps.values())


def _greatest(values: Mapping[str, float]) -> str:
    return max(values, key=values.__getitem__)


def _least(values: Mapping[str, float]) -> str:
    return min(values, key=values.__getitem__)


def _flat(values: Mapping[tuple[str, str], float]) -> dict[str, float]:
    return {" ".join(key): value for key, value in values.items()}


def _each(values: Mapping[str, float]) -> str:
    return ", ".join(f"{value:.3f} ({_named(key)})" for key, value in values.items())


def _named(key: str) -> str:
    """Return the words of a key as they are written for readers."""
    return " ".join(NAMES.get(word, word) for word in key.split())

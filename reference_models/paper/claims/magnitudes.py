"""Claims of how consistency moves with magnitude: 1, 4 and 5."""

from __future__ import annotations

from collections import defaultdict
from statistics import fmean, median
from typing import TYPE_CHECKING, Any

from reference_models.paper.analysis import VARIANTS, consistency_rows
from reference_models.paper.claims.claim import Part
from reference_models.paper.claims.rows import (
    TREND,
    curves_of,
    each,
    flat,
    greatest,
    mean_ranges,
    named,
    smallest,
    thirds,
    trend,
    values_of,
)
from reference_models.paper.results import (
    AUDIO_DISTANCES,
    ENCODERS,
    LATENT_DISTANCES,
    TRANSFORMATIONS,
)
from reference_models.paper.targets import NAMES, Variant

if TYPE_CHECKING:
    from reference_models.paper.results import Results

#: "About 1" of a C_W, claim 1: what rounds to 1 on the axes of the paper's Fig. 6.
ABOUT_ONE = 0.95
#: "Close to 1" of a median C_W, claim 5, of encoders that the paper calls *relatively* robust.
CLOSE_TO_ONE = 0.9
#: "Much lower", claim 5: as far below the others as these may be below 1.
MUCH_LOWER = 0.1
#: "Substantially low" of a C_W, claim 4: most clips are in error.
FAILING = 0.5
#: "Flat", claim 4: C_rho moves less than half as much as C_W does over the same magnitudes.
FLAT = 0.5


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
        lowest_small[distance] = min(row.value for row in smallest(rows))
        for family in TRANSFORMATIONS:
            values = values_of((r for r in rows if r.transformation == family), family)
            lowest[distance, family] = min(values)
            if family == "TS":
                mean_ts[distance] = fmean(values)
        for (_, family, direction), curve in curves_of(rows).items():
            if family != "TS":
                trends[f"{distance} {direction}"] = trend(curve, direction)
    statistic = {
        "lowest C_W at the smallest magnitudes": lowest_small,
        "Spearman's rho of severity and C_W": trends,
        "lowest C_W": flat(lowest),
        "mean C_W under TS": mean_ts,
    }
    worst = greatest(trends)
    above = {
        d: lowest[d, "TS"] - max(lowest[d, f] for f in TRANSFORMATIONS if f != "TS")
        for d in AUDIO_DISTANCES
    }
    return statistic, [
        Part(
            min(lowest_small.values()) >= ABOUT_ONE,
            f"at the smallest magnitudes the lowest C_W is {each(lowest_small)} (about 1:"
            f" {ABOUT_ONE} or more)",
        ),
        Part(
            trends[worst] <= -TREND,
            f"C_W falls with severity, least surely under {named(worst)}: rank correlation"
            f" {trends[worst]:.2f} (a fall: {-TREND} or less)",
        ),
        Part(
            min(above.values()) > 0.0,
            f"the lowest C_W under TS lies above the lowest of any other family by {each(above)}",
        ),
        Part(
            mean_ts["dtw"] > mean_ts["simple"],
            f"the mean C_W under TS is {each(mean_ts)}",
        ),
    ]


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
        audio = curves_of(consistency_rows(results, Variant("within", variant.audio_distance)))
        latent = curves_of(
            consistency_rows(results, Variant("within", "", variant.latent_distance))
        )
        agreement = curves_of(consistency_rows(results, variant))
        for (encoder, family, direction), curve in agreement.items():
            spaces = (
                audio.get(("", family, direction)),
                latent.get((encoder, family, direction)),
            )
            if all(s and fmean(thirds(s, direction)[-1]) < FAILING for s in spaces):
                _, middle, gravest = thirds(curve, direction)
                rises[encoder].append(fmean(gravest) - fmean(middle))
    mean_rises = {encoder: fmean(values) for encoder, values in rises.items()}
    ranges = {measure: mean_ranges(results, VARIANTS[measure]) for measure in ("rho", "within")}
    excess = {name: ranges["rho"][name] - FLAT * ranges["within"][name] for name in ENCODERS}
    statistic = {
        "rise of C_acc from the middle to the gravest third, both spaces failing": mean_rises,
        "combinations in which both spaces fail": {e: len(v) for e, v in rises.items()},
        "range of C_rho over magnitudes": ranges["rho"],
        "range of C_W over magnitudes": ranges["within"],
    }
    widest = greatest(excess)
    return statistic, [
        Part(
            bool(mean_rises) and min(mean_rises.values()) > 0.0,
            "where both spaces fail, C_acc changes from the middle to the gravest third by"
            f" {each(mean_rises)}"
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
        small = smallest(consistency_rows(results, variant))
        for name in ENCODERS:
            own = [row for row in small if row.encoder == name]
            medians[variant.latent_distance, name] = median(values_of(own, f"encoder {name}"))
        for family in TRANSFORMATIONS:
            families[variant.latent_distance, family] = fmean(
                fmean(
                    values_of(
                        (r for r in small if (r.encoder, r.transformation) == (name, family)),
                        f"encoder {name} under {family}",
                    )
                )
                for name in ENCODERS
            )
    statistic = {
        "median C_W at the smallest magnitudes": flat(medians),
        "mean C_W at the smallest magnitudes": flat(families),
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
            f"the lowest median of MFCC, AT and IR is {each(robust)} (close to 1: {CLOSE_TO_ONE}"
            " or more)",
        ),
        Part(
            all(robust[d] - sensitive[d] >= MUCH_LOWER for d in LATENT_DISTANCES),
            f"the higher median of VS and AE is {each(sensitive)} (much lower: by {MUCH_LOWER} or"
            " more)",
        ),
        Part(
            min(others.values()) > 0.0,
            f"C_W under PS lies below that under the next worst family by {each(others)}",
        ),
    ]

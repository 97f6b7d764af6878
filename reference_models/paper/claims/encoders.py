"""Claims of how encoders compare: 2, 3 and 6."""

from __future__ import annotations

import itertools
from statistics import fmean
from typing import TYPE_CHECKING, Any

from reference_models.paper.analysis import VARIANTS, originals_rows
from reference_models.paper.claims.claim import Part
from reference_models.paper.claims.rows import least, models_of, values_of
from reference_models.paper.neighbourhoods import rank_correlation
from reference_models.paper.results import ENCODERS, PAPER_TASKS
from reference_models.paper.targets import NAMES, SYMBOLS

if TYPE_CHECKING:
    from reference_models.paper.results import Results

#: "Very similar" rankings of five encoders, claim 6: at most one pair of neighbours swapped.
SAME_RANKING = 0.9

#: Neighbours in the order of C_W and C_acc.
_FALLING = list(itertools.pairwise(PAPER_TASKS))


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
        for variant, model in models_of(results, variants):
            mfcc = model.mean(encoder="mfcc")
            for name in PAPER_TASKS:
                gaps[f"{variant}, {NAMES[name]}"] = mfcc.low - model.mean(encoder=name).high
        statistic[f"{SYMBOLS[measure]}: MFCC's lower end less the VGG's upper end"] = gaps
        closest = least(gaps)
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
        for variant, model in models_of(results, VARIANTS[measure]):
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


def originals_alone(results: Results) -> tuple[dict[str, Any], list[Part]]:
    """Judge claim 6.

    Spearman's rho between C_rho of the originals alone and the estimated marginal means of C_rho
    under transformation, over the five encoders, is `SAME_RANKING` or more for each of the four
    pairs of distances: with five, .9 is one swap of neighbours (1 - 6 x 2 / 120), and the paper
    itself has two encoders .003 apart.
    """
    agreements, values = {}, {}
    for variant, model in models_of(results, VARIANTS["rho"]):
        alone = [
            fmean(
                values_of(
                    originals_rows(results, variant, name),
                    f"{variant} of the originals alone, encoder {name}",
                )
            )
            for name in ENCODERS
        ]
        transformed = [model.mean(encoder=name).mean for name in ENCODERS]
        agreements[str(variant)] = rank_correlation(alone, transformed)
        values[str(variant)] = {name: [a, t] for name, a, t in zip(ENCODERS, alone, transformed)}
    lowest = least(agreements)
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

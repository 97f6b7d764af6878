"""Claims of how well the networks do their tasks: 7."""

from __future__ import annotations

import itertools
from collections import defaultdict
from statistics import fmean
from typing import TYPE_CHECKING, Any

from reference_models.errors import ReproductionError
from reference_models.paper.analysis import NETWORKS, performance_model, standardised_performance
from reference_models.paper.claims.claim import Part
from reference_models.paper.claims.rows import (
    TREND,
    curve_of,
    each,
    flat,
    greatest,
    least,
    named,
    present,
    trend,
)
from reference_models.paper.results import ORIGINAL, PAPER_TASKS, TRANSFORMATIONS
from reference_models.paper.targets import NAMES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reference_models.paper.results import Performance, Results


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
        trends[task, family] = trend(curve_of(own), f"{family} in task {task}")
    falling = {f"{t} {f}": trend for (t, f), trend in trends.items() if t != "ae"}
    drops = _performance_drops(rows)
    statistic = {
        "VGG less MFCC, with 95 % intervals": {t: [g.mean, g.low, g.high] for t, g in gaps.items()},
        "Spearman's rho of severity and performance": flat(trends),
        "change from the originals at the smallest magnitudes": drops,
    }
    means = {task: gap.mean for task, gap in gaps.items()}
    least_low = min(gaps, key=lambda task: gaps[task].low)
    weakest = greatest(falling)
    return statistic, [
        Part(
            gaps[least_low].low > 0.0,
            f"VGG exceeds MFCC by {each(means)} standard deviations (lowest end of an interval:"
            f" {gaps[least_low].low:.2f}, {NAMES[least_low]})",
        ),
        Part(
            greatest(means) == "ae" and least(means) == "vs",
            f"the widest difference is that of {NAMES[greatest(means)]}, the narrowest"
            f" that of {NAMES[least(means)]} (claimed: AE, VS)",
        ),
        Part(
            falling[weakest] <= -TREND,
            f"performance falls with noise, least surely for {named(weakest)}: rank correlation"
            f" {falling[weakest]:.2f} (a fall: {-TREND} or less)",
        ),
        Part(
            trends["ae", "EN"] >= TREND,
            "that of AE grows with environmental noise: rank correlation"
            f" {trends['ae', 'EN']:.2f} (a rise: {TREND} or more)",
        ),
        Part(
            fmean(drops.values()) < 0.0 and least(drops) == "PS",
            f"at the smallest magnitudes it changes by {each(drops)} standard deviations, most"
            f" under {least(drops)} (claimed: PS)",
        ),
    ]


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
            fmean(present(drops.get((family, *of)), f"{family} of {of[1]} in {of[0]}"))
            for of in itertools.product(PAPER_TASKS, NETWORKS)
        )
        for family in TRANSFORMATIONS
    }

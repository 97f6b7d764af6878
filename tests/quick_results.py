"""Results with a known structure at few magnitudes, which are quick to analyse and to draw."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from generated_results import results as generated

from reference_models.paper.results import ORIGINAL, Results

#: Of each direction of each family, the ends among them: enough to see a trend.
MAGNITUDES = 4


def quick(trials=2) -> Results:
    """Return `generated_results.results`, thinned out to a few magnitudes."""
    made = generated(trials=trials)
    along: dict[tuple[str, bool], set[int]] = {}
    for row in made.consistency:
        along.setdefault((row.transformation, row.severity > 0), set()).add(row.severity)
    kept = {(ORIGINAL, 0)}
    for (family, _), severities in along.items():
        ordered = sorted(severities)
        places = np.linspace(0, len(ordered) - 1, MAGNITUDES).round().astype(int)
        kept |= {(family, ordered[place]) for place in places}
    return replace(
        made,
        consistency=[r for r in made.consistency if (r.transformation, r.severity) in kept],
        performance=[r for r in made.performance if (r.transformation, r.severity) in kept],
    )

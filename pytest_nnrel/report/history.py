"""How encoders moved over runs: mean C_W of each, and where it left the band of the first."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pytest_nnrel.errors import ResultsError
from pytest_nnrel.profiles.entrants import entrants_of
from pytest_nnrel.profiles.scored import bootstrap_weights, losses_of
from pytest_nnrel.profiles.standings import differences, shared_conditions
from pytest_nnrel.statistics import intervals

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_nnrel.profiles.entrants import Entrant, Run

#: Level of the test against the first run, after correction over the later ones.
LEVEL = 0.05


class Step(NamedTuple):
    """An encoder in a run.

    Attributes
    ----------
    run : str
        What the run is called.
    value, low, high : float
        Mean C_W over the conditions that all runs of the encoder have, and its 95 % interval.
    change, p : float
        Of the mean since the first run, and the p-value of none.
    left : str
        ``"worse"`` or ``"better"`` where it left the first run's band; else empty.
    """

    run: str
    value: float
    low: float
    high: float
    change: float
    p: float
    left: str


class History(NamedTuple):
    """An encoder over runs, the oldest first."""

    encoder: str
    setting: str
    conditions: int
    steps: list[Step]


def histories(runs: Sequence[Run]) -> list[History]:
    """Return how each encoder moved over runs, those of one name being one.

    Parameters
    ----------
    runs : sequence of Run
        In any order; they are put in that of their start.

    Returns
    -------
    list of History
        By encoder and corpus. The same clips, in pairs, tell a change from the first run.

    Raises
    ------
    ResultsError
        If no encoder was measured in two runs under the same conditions.
    """
    ordered = sorted(runs, key=lambda run: run.results["run"]["started"])
    by_name: dict[tuple[str, object], list[Entrant]] = {}
    for run in ordered:
        for entrant in entrants_of([run]):
            by_name.setdefault((entrant.name, entrant.setting), []).append(entrant)
    found = [
        _history(name, entrants) for (name, _), entrants in by_name.items() if len(entrants) > 1
    ]
    if not found:
        raise ResultsError(
            "no encoder of one name was measured in two of these runs on the same corpus and seed;"
            " give results.json of two runs or more of one suite"
        )
    return found


def _history(name: str, entrants: Sequence[Entrant]) -> History:
    shared, _ = shared_conditions(entrants)
    first = entrants[0]
    steps = []
    weights = bootstrap_weights(first.groups, first.setting.seed)
    tested = [differences([first, later], shared)[0] for later in entrants[1:]]
    for entrant, difference in zip(entrants, [None, *tested]):
        kept = 1.0 - np.array([losses_of(entrant.measurements[c]) for c in shared]).mean(axis=0)
        replicates = intervals.proportion_replicates(kept, weights)
        low, high = intervals.percentile_interval(replicates)
        change, p, left = 0.0, 1.0, ""
        if difference is not None:
            change, p = 0.0 - difference.difference, min(1.0, difference.p * len(tested))
            if p <= LEVEL:
                left = "worse" if change < 0 else "better"
        steps.append(Step(entrant.run, float(kept.mean()), low, high, change, p, left))
    return History(name, str(first.setting), len(shared), steps)


def lines_of(history: History) -> list[str]:
    """Return a history as a table in text.

    Parameters
    ----------
    history : History
    """
    width = max(len(step.run) for step in history.steps)
    rows = [
        f"  {step.run:<{width}}  {step.value:.3f} [{step.low:.3f}, {step.high:.3f}]"
        f"  {step.change:>+7.3f}  {f'p = {step.p:.2g}' if step.change else '':<11}"
        f"{'  <- ' + step.left if step.left else ''}"
        for step in history.steps
    ]
    return [
        f"{history.encoder}: mean C_W over {history.conditions} conditions, {history.setting}",
        *(row.rstrip() for row in rows),
    ]

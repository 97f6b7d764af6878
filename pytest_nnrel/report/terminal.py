"""The summary that pytest prints at the end: a few lines, from the results alone."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, NamedTuple

from pytest_nnrel.report.results import (
    EXPECTED,
    NO_TEST,
    assumptions_of,
    conditions_of,
    describe_fully,
    kind_of,
    outcome_of,
    subject_of,
    told_apart,
)
from pytest_nnrel.requirement import Requirement
from pytest_nnrel.statistics.comparison import describe_drop

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_nnrel.measurement import PlainMeasurement
    from pytest_nnrel.recording import PlainVerdict, Results


def summary_lines(results: Results) -> list[str]:
    """Return the lines of the summary; none where nothing was measured."""
    measurements = told_apart(results)["measurements"]
    # With the outcomes that they have for the run.
    verdicts = [
        (verdict, outcome_of(verdict, test))
        for test in results["tests"]
        for verdict in test["verdicts"]
    ]
    lines = list(_corpora(measurements.values()))
    judged: dict[tuple[str, str], list[_Judged]] = defaultdict(list)
    for verdict, outcome in verdicts:
        if verdict["measurement"] is not None:
            measured = measurements[verdict["measurement"]]
            judged[subject_of(measured), kind_of(measured)].append(
                _Judged(verdict, outcome, measured)
            )
    rows = []
    for (subject, kind), group in sorted(judged.items()):
        # The verdict that has least to spare says most about its group.
        closest = min(group, key=lambda one: (one.outcome == EXPECTED, one.spare))
        counts = Counter(one.outcome for one in group)
        tally = ", ".join(f"{n} {outcome}" for outcome, n in counts.most_common())
        rows.append(
            (
                subject,
                kind,
                tally,
                f"{'worst' if closest.outcome == 'fails' else 'closest'}:"
                f" {closest.measured['details']['transform']['name']}"
                f" {describe_fully(closest.measured)} against {closest.required.text}",
            )
        )
    widths = [max((len(row[i]) for row in rows), default=0) for i in range(3)]
    assumed = assumptions_of(measurements.values())
    lines += [f"{', '.join(subjects)}: {assumption}" for assumption, subjects in assumed.items()]
    lines += ["  ".join((*(c.ljust(w) for c, w in zip(row, widths)), row[3])) for row in rows]
    lines += [verdict["headline"] for verdict, _ in verdicts if verdict.get("headline")]
    errors = sum(outcome == "error" for _, outcome in verdicts)
    if errors:
        lines.append(f"{errors} could not be measured")
    crashed = [test["test"] for test in results["tests"] if test["outcome"] == "crashed"]
    lines += [f"crashed: {test}" for test in crashed]
    lines += [
        f"failed, and so does the run: {verdict['assertion']}, which no test is known to have made:"
        f" {verdict['message'].splitlines()[0]}"
        for test in results["tests"]
        if test["test"] == NO_TEST
        for verdict in test["verdicts"]
        if verdict["outcome"] != "holds"
    ]
    judged_keys = {verdict["measurement"] for verdict, _ in verdicts} - {None}
    judged_keys |= {key for verdict, _ in verdicts for key in verdict.get("covers", ())}
    for test in results["tests"]:
        judged_keys |= set(test.get("passed_over", ())) - {None}
    unjudged = len(measurements) - len(judged_keys)
    if unjudged:
        lines.append(f"{unjudged} more measured without a verdict")
    return lines


class _Judged(NamedTuple):
    verdict: PlainVerdict
    outcome: str
    measured: PlainMeasurement

    @property
    def required(self) -> Requirement:
        return Requirement(self.verdict["minimum"], self.verdict.get("maximum"))

    @property
    def spare(self) -> float:
        """How far the value is within what was asked for."""
        return self.required.spare(self.measured["value"])


def _corpora(measurements: Iterable[PlainMeasurement]) -> Iterable[str]:
    for found in conditions_of(measurements):
        corpus = found.corpus
        clips = f"{corpus['clips']} clips"
        if corpus["groups"] < corpus["clips"]:
            clips += f" of {corpus['groups']} groups"
        yield (
            f"corpus {corpus['name']}: {clips} at {corpus['sample_rate']:,} Hz,"
            f" chance {found.chance:.3g}; conditions: {len(found.names)}"
            + (f" ({', '.join(sorted(found.aliases))})" if found.aliases else "")
            + f"; smallest drop it can show: {describe_drop(corpus['clips'], corpus['groups'])}"
        )
        if found.unchanged:
            yield f"clips that came back unchanged: {', '.join(sorted(found.unchanged))}"

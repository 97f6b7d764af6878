"""What a run found: its verdicts as rows, what failed in groups, and what to do next."""

from __future__ import annotations

import shlex
from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_nnrel.failures import too_few_clips
from pytest_nnrel.measurement import Measurement
from pytest_nnrel.report.results import (
    EXPECTED,
    NO_TEST,
    describe_beside,
    describe_value,
    kind_of,
    outcome_of,
    subject_of,
)
from pytest_nnrel.requirement import Requirement
from pytest_nnrel.runtime.listing import a_few
from pytest_nnrel.statistics.comparison import describe_drop

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pytest_nnrel.measurement import CorpusFacts, PlainMeasurement
    from pytest_nnrel.recording import PlainTest, PlainVerdict, Results

#: Tests that a warning names.
LISTED = 8
#: Outcomes in the order in which the page lists them.
ORDER = ("crashed", "error", "fails", "undecided", EXPECTED, "holds")
#: Those that are no reason to look for a cause.
WELL = (EXPECTED, "holds")
#: Clips, or groups of them, below which a verdict that holds shows little: of nine that all pass,
#: the interval of C_W begins at .7.
FEW = 10
#: Outcomes in words, for sentences.
WORDS = {
    "crashed": "crashed",
    "error": "could not be measured",
    "fails": "failed",
    "undecided": "too close to call",
    EXPECTED: "expected not to hold",
    "holds": "hold",
}
#: What a comparison with a baseline was asked, in words.
QUESTIONS = {
    "same training": "Is it still the same training? Clip by clip.",
    "same recipe": "Is the recipe worse, whatever the seed? New trainings against those before.",
}
#: Exit statuses of pytest: of runs in which nothing failed, and what others are of.
_NOTHING_FAILED, _TESTS_FAILED = (0, 5), 1
_EXITS = {2: ", interrupted", 3: ", internal error", 4: ", wrong usage"}
_CRASHED = "The process that ran this test died before it could report."
_NO_VERDICT: PlainVerdict = {
    "assertion": "",
    "outcome": "crashed",
    "minimum": None,
    "measurement": None,
    "message": "",
    "redo": "",
    "subject": "",
    "headline": "",
    "covers": [],
}


@dataclass(frozen=True)
class Row:
    """A verdict, or a test whose process crashed.

    Attributes
    ----------
    test, outcome, message : str
    verdict : dict
        As in ``results.json``; empty for a crash.
    measured : dict or None
        The measurement that it rests on, where it is one.
    anchor : str
        Its name on the page.
    on : str
        Clips that it rests on, or groups of them, where they are fewer than `FEW`; else empty.
    """

    test: str
    outcome: str
    message: str = ""
    verdict: PlainVerdict = field(default_factory=lambda: _NO_VERDICT)
    measured: PlainMeasurement | None = None
    anchor: str = ""
    on: str = ""

    @property
    def holds_on_few(self) -> bool:
        """Whether it holds, which shows little."""
        return self.outcome == "holds" and bool(self.on)

    @property
    def subject(self) -> str:
        return subject_of(self.measured) if self.measured else self.verdict["subject"]

    @property
    def kind(self) -> str:
        if self.measured:
            return kind_of(self.measured)
        return self.verdict["assertion"] if self.verdict["headline"] else ""

    @property
    def transform(self) -> str:
        return str(self.measured["details"]["transform"]["name"]) if self.measured else ""

    @property
    def family(self) -> str:
        return str(self.measured["details"]["transform"]["family"]) if self.measured else ""

    @property
    def required(self) -> Requirement:
        return Requirement(self.verdict["minimum"], self.verdict.get("maximum"))

    @property
    def asked(self) -> str:
        """What was asked of the value; empty where nothing was."""
        return self.required.text

    @property
    def found(self) -> str:
        """Value and interval, or what was found instead of one value."""
        if self.measured:
            return describe_value(self.measured)
        return self.verdict["headline"]

    @property
    def beside(self) -> str:
        return describe_beside(self.measured) if self.measured else ""

    @property
    def spare(self) -> float:
        """Clips to spare within what was asked; negative where the value is beyond it."""
        if self.measured is None or not self.asked:
            return 0.0
        return self.required.spare(self.measured["value"]) * int(self.measured["n"])

    @property
    def hint(self) -> str:
        """How many clips would decide what is undecided."""
        if self.outcome != "undecided" or self.measured is None or not self.asked:
            return ""
        measured = Measurement.from_dict(self.measured)
        return too_few_clips(measured, self.required.at_issue(measured))

    @property
    def first_line(self) -> str:
        return self.message.partition("\n")[0]

    @property
    def redo(self) -> str:
        """Command that runs the test again; empty where there is none."""
        return self.verdict["redo"]


@dataclass(frozen=True)
class Group:
    """Rows of one outcome, encoder, measure and family, the worst first."""

    rows: Sequence[Row]
    #: Verdicts of the encoder, measure and family, whatever their outcome.
    of: int

    @property
    def worst(self) -> Row:
        return self.rows[0]


@dataclass(frozen=True)
class Step:
    """Something to do next: a sentence, a command, and where on the page to look."""

    text: str
    command: str = ""
    anchor: str = ""


def rows_of(tests: Iterable[PlainTest], measurements: Mapping[str, PlainMeasurement]) -> list[Row]:
    """Return a row for each verdict and crash, the gravest first, then the farthest off."""
    rows = []
    for test in tests:
        name = test["test"]
        if test["outcome"] == "crashed":
            rows.append(Row(name, "crashed", _CRASHED))
        for verdict in test["verdicts"]:
            message = verdict["message"]
            if message:
                message = "\n".join([message, *_hypothesis_lines(test)])
            key = verdict["measurement"]
            measured = None if key is None else measurements.get(key)
            corpora = [
                measurements[one]["details"]["corpus"]
                for one in filter(None, (key, *verdict.get("covers", ())))
                if one in measurements
            ]
            on = few_clips(min(corpora, key=lambda corpus: corpus["groups"])) if corpora else ""
            outcome = outcome_of(verdict, test)
            rows.append(Row(name, outcome, message, verdict, measured, on=on))
    rows.sort(key=lambda row: (ORDER.index(row.outcome), row.spare))
    return [replace(row, anchor=f"verdict-{i}") for i, row in enumerate(rows)]


def few_clips(corpus: CorpusFacts) -> str:
    """Return how many clips, or groups of them, a corpus has, where they are few."""
    clips, groups = corpus["clips"], corpus["groups"]
    if groups >= FEW:
        return ""
    return f"{clips} clips" if clips == groups else f"{clips} clips of {groups} groups"


def few_text(rows: Iterable[Row]) -> str:
    """Return which tests hold on few clips, and that this shows little; empty where none does."""
    tests = list(dict.fromkeys(row.test for row in rows if row.holds_on_few))
    if not tests:
        return ""
    return (
        f"fewer than {FEW} clips, or groups of them, show little: {a_few(tests, LISTED)}"
        f" {'hold' if len(tests) > 1 else 'holds'} on so few; measure more"
    )


def _hypothesis_lines(test: PlainTest) -> list[str]:
    """Return how to keep what a Hypothesis test failed at, and how much it tried for that."""
    lines = [f"keep it:  {example}" for example in test.get("examples", ())]
    passed_over = len(test.get("passed_over", ()))
    if passed_over:
        given = len(test["verdicts"]) + passed_over
        lines.append(f"tried:    {given} verdicts; {passed_over} more of them did not hold")
    return lines


class Judgement(NamedTuple):
    """The gravest outcome of a measurement, and what was asked of it; empty for none."""

    outcome: str = ""
    required: Requirement = Requirement()


def judgements(rows: Iterable[Row]) -> dict[str, Judgement]:
    """Return what became of each measurement that a verdict rests on, by key.

    A verdict over several holds if all of them do; which of them fails, it tells of one alone.
    """
    judged: dict[str, Judgement] = {}
    for row in rows:
        keys = [row.verdict["measurement"] or ""]
        if row.outcome == "holds":
            keys += row.verdict["covers"]
        for key in filter(None, keys):
            known = judged.get(key)
            if known is None or ORDER.index(row.outcome) < ORDER.index(known.outcome):
                judged[key] = Judgement(row.outcome, row.required)
    return judged


def tally(rows: Iterable[Row]) -> dict[str, int]:
    """Return how many rows there are of each outcome, in the page's order."""
    counts = dict.fromkeys(ORDER, 0)
    for row in rows:
        counts[row.outcome] += 1
    return counts


def beside_verdicts(results: Results, rows: Sequence[Row]) -> str:
    """Return how a run failed otherwise than by verdicts that do not hold; empty if it did not."""
    run = results["run"]
    status = run["exit_status"]
    if status in _NOTHING_FAILED:
        return ""
    broken = {row.test for row in rows if row.outcome not in WELL}
    told = {test["test"] for test in results["tests"] if test["outcome"] == "failed"} & broken
    untold = max(0, run.get("failed", 0) - len(told - {NO_TEST}))
    found = []
    if status != _TESTS_FAILED or not (broken or untold):
        found.append(f"the run itself failed (exit {status}{_EXITS.get(status, '')})")
    if untold:
        found.append(f"{untold:,} test{'s' * (untold > 1)} failed without a verdict")
    return ", ".join(found)


def headline(rows: Sequence[Row], beside: str) -> str:
    """Return the verdict on the run in a sentence.

    Parameters
    ----------
    rows : sequence of Row
        As `rows_of` gives them.
    beside : str
        As `beside_verdicts` gives it.
    """
    counts = tally(rows)
    total = sum(counts.values())
    if not total:
        nothing = "nothing was judged in this run."
        return _capitalised(f"{beside}; {nothing}" if beside else nothing)
    few = sum(row.holds_on_few for row in rows)
    on_few = f", {few:,} of them on fewer than {FEW} clips" if few else ""
    if few == total == 1:
        on_few = f", on fewer than {FEW} clips"
    bad = [beside] * bool(beside)
    bad += [f"{counts[o]:,} {WORDS[o]}" for o in ORDER[:-1] if counts[o]]
    if bad:
        found = f"{', '.join(bad)}; {counts['holds']:,} of {total:,} verdicts hold{on_few}."
        return _capitalised(found)
    return (f"All {total:,} verdicts hold" if total > 1 else "The one verdict holds") + f"{on_few}."


def _capitalised(sentence: str) -> str:
    return sentence[0].upper() + sentence[1:]


def groups_of(rows: Iterable[Row], outcomes: Sequence[str]) -> list[Group]:
    """Return the rows of some outcomes, grouped by encoder, measure and family."""
    everything: dict[tuple[str, ...], int] = defaultdict(int)
    chosen: dict[tuple[str, ...], list[Row]] = defaultdict(list)
    for row in rows:
        # What rests on no measurement has nothing in common with others.
        apart = () if row.measured else (row.test, row.first_line)
        place = (row.subject, row.kind, row.family, *apart)
        everything[place] += 1
        if row.outcome in outcomes:
            chosen[place].append(row)
    return [Group(group, everything[place]) for place, group in chosen.items()]


def next_steps(
    rows: Sequence[Row], measurements: Iterable[PlainMeasurement], *, heard: str, beside: str
) -> list[Step]:
    """Return what to do about a run.

    Parameters
    ----------
    rows : sequence of Row
        As `rows_of` gives them.
    measurements : iterable of dict
        All of the run: among them the audio space's, which bounds what can be asked for.
    heard : str
        Where on the page the first failing clip can be heard; empty where none can.
    beside : str
        As `beside_verdicts` gives it.
    """
    by_outcome = {o: [row for row in rows if row.outcome == o] for o in ORDER}
    measurements = list(measurements)
    steps = []
    if beside:
        steps.append(Step(f"Read pytest's own output: {beside}."))
    if by_outcome["crashed"]:
        command = shlex.join(["pytest", by_outcome["crashed"][0].test])
        steps.append(Step("Run the test that took its process down alone:", command))
    if by_outcome["error"]:
        steps.append(
            Step("Read why it could not be measured: no verdict rests on it.", anchor="broken")
        )
    failed = [row for row in by_outcome["fails"] if row.measured]
    if heard:
        steps.append(Step("Listen to the clips that left their original.", anchor=heard))
    if by_outcome["fails"] and by_outcome["fails"][0].redo:
        steps.append(Step("Run the worst failure again:", by_outcome["fails"][0].redo))
    steps += _beyond_the_audio(failed, measurements)
    if by_outcome["undecided"]:
        steps.append(Step("Measure what is too close to call on more clips."))
    if any(_is_worse_training(row) for row in by_outcome["fails"]):
        steps.append(
            Step(
                "Where an encoder is meant to differ from its baseline, write that anew:",
                "pytest --nnrel-update-baseline",
            )
        )
    if not beside and rows and all(row.outcome in WELL for row in rows):
        steps.append(Step(_nothing_to_do(measurements)))
    return steps


def _nothing_to_do(measurements: Iterable[PlainMeasurement]) -> str:
    """Return that all is well, and what the corpora were too small to see."""
    corpora = [m["details"]["corpus"] for m in measurements]
    drops = sorted({describe_drop(corpus["clips"], corpus["groups"]) for corpus in corpora})
    if not drops:
        return "Nothing."
    return (
        f"Nothing. Bear in mind what this run could not see: drops of C_W below {', '.join(drops)}."
    )


def question_of(comparison: dict[str, Any]) -> str:
    """Return what a comparison was asked; results of earlier versions have one question."""
    return str(comparison.get("question", "same training"))


def _is_worse_training(row: Row) -> bool:
    comparison = row.verdict.get("comparison") or {}
    return comparison.get("verdict") == "worse" and question_of(comparison) == "same training"


def _beyond_the_audio(
    failed: Sequence[Row], measurements: Iterable[PlainMeasurement]
) -> list[Step]:
    """Return a step where more was asked for than the audio itself reaches."""
    bounds = {
        _condition_of(m): m["value"]
        for m in measurements
        if m["measure"] == "audio" and m["details"]["identity"]["audio_distance"] == "dtw"
    }
    beyond = {}
    for row in failed:
        assert row.measured is not None
        bound = bounds.get(_condition_of(row.measured), 1.0)
        least = row.required.low
        if row.measured["measure"] == "within" and least is not None and bound < least:
            beyond[row.transform] = f"{row.transform} ({bound:.3f} of {least:g})"
    if not beyond:
        return []
    names = list(beyond.values())
    return [
        Step(
            "Ask less, or expect to fail, where the audio itself, by DTW over MFCCs, does not"
            f" reach what was asked for: {a_few(names, 3)}."
        )
    ]


def _condition_of(measurement: PlainMeasurement) -> tuple[object, ...]:
    identity = measurement["details"]["identity"]
    return identity["corpus"], identity["seed"], identity["transform"]

"""``summary.md``: what failed and what is too close to call, short, for the page of a CI run."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pytest_nnrel.report.findings import (
    QUESTIONS,
    Row,
    beside_verdicts,
    headline,
    question_of,
    rows_of,
)
from pytest_nnrel.report.results import assumptions_of, conditions_of, told_apart
from pytest_nnrel.runtime.files import replace_text
from pytest_nnrel.statistics.comparison import describe_drop

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from pytest_nnrel.measurement import PlainMeasurement
    from pytest_nnrel.recording import PlainVerdict, Results

SUMMARY = "summary.md"
#: Rows of a table, and lines of a comparison; the report has them all.
_ROWS = 20
#: Characters of a name, and of a line of text, whose middle is left out beyond them.
_NAME_LENGTH = 120
_LINE_LENGTH = 400

_BASELINE = "nnrel_baseline.check"
_NOTHING = "–"
_HEADINGS = {
    "crashed": "Crashed",
    "error": "Not measured",
    "fails": "Failed",
    "undecided": "Too close to call",
    "expected": "Expected not to hold",
}
_COLUMNS = ("test", "encoder", "transformation", "found", "asked")


def summary_text(results: Results) -> str:
    """Return a summary in GitHub's Markdown.

    Parameters
    ----------
    results : dict
        Content of ``results.json``.

    Returns
    -------
    str
        The verdict in a sentence; tables of what failed, what is too close to call and what could
        not be measured, and what was expected not to hold; baselines; the smallest drop that the
        run could see. Names stand in code spans, so that nothing in them is markup.
    """
    results = told_apart(results)
    rows = rows_of(results["tests"], results["measurements"])
    parts = ["## pytest-nnrel", headline(rows, beside_verdicts(results, rows))]
    for outcome, heading in _HEADINGS.items():
        cells = [_cells(row) for row in rows if row.outcome == outcome]
        if cells:
            parts.append(f"### {heading}\n\n{_table(cells)}")
    compared = [row.verdict for row in rows if row.verdict["assertion"] == _BASELINE]
    if compared:
        parts.append("### Baseline\n\n" + "\n\n".join(map(_comparison, compared[:_ROWS])))
    corpora = list(_corpora(results["measurements"].values()))
    if corpora:
        parts.append("### What this run could see\n\n" + "\n".join(corpora))
    assumed = assumptions_of(results["measurements"].values())
    if assumed:
        lines = [
            f"- {', '.join(map(code, subjects))}: {assumption}"
            for assumption, subjects in assumed.items()
        ]
        parts.append("### What it assumed\n\n" + "\n".join(lines))
    parts.append(
        f"All of it is in `index.html`. Run: {code(results['run']['command'], _LINE_LENGTH)}"
    )
    return "\n\n".join(parts) + "\n"


def write_summary(folder: Path, text: str) -> None:
    """Write ``summary.md`` to the folder of a report.

    Raises
    ------
    OSError
        If it cannot be written; one of an earlier report is then left whole.
    """
    replace_text(folder / SUMMARY, text)


def append_step_summary(path: Path, text: str) -> None:
    """Append a summary to the page of a GitHub Actions step (``$GITHUB_STEP_SUMMARY``).

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    with path.open("a", encoding="utf-8", errors="backslashreplace") as file:
        file.write(f"\n{text}")


def code(name: str, longest: int = _NAME_LENGTH) -> str:
    """Return a name as a code span, whatever it is made of."""
    shown = " ".join(re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]", " ", name).split())
    if len(shown) > longest:
        half = longest // 2
        shown = f"{shown[:half]}…{shown[-half:]}"
    if not shown:
        return _NOTHING
    fence = "`" * (_longest_run(shown) + 1)
    padding = " " if "`" in (shown[0], shown[-1]) else ""
    return f"{fence}{padding}{shown}{padding}{fence}"


def _longest_run(text: str) -> int:
    return max((len(run) for run in re.findall("`+", text)), default=0)


def _cells(row: Row) -> tuple[str, ...]:
    asked = row.asked or _NOTHING
    if row.measured is not None:
        beside = f" ({row.beside})" if row.beside else ""
        hint = f": {row.hint}" if row.hint else ""
        found = f"{code(row.kind)} {row.found}{beside}, n = {row.measured['n']}{hint}"
    elif row.verdict["assertion"] == _BASELINE and row.found:
        found = "see below"
    else:
        found = code(row.found or row.first_line, _LINE_LENGTH)
    return code(row.test), code(row.subject), code(row.transform), found, asked


def _table(rows: Sequence[tuple[str, ...]]) -> str:
    lines = [_COLUMNS, ("---",) * len(_COLUMNS), *rows[:_ROWS]]
    # A line is split into cells before code spans are looked for.
    escaped = [[cell.replace("|", r"\|") for cell in cells] for cells in lines]
    text = "\n".join(f"| {' | '.join(cells)} |" for cells in escaped)
    more = len(rows) - _ROWS
    return text + (f"\n\nand {more:,} more: see `index.html`" if more > 0 else "")


def _comparison(verdict: PlainVerdict) -> str:
    """Return what became of an encoder since its baseline, as a block of text."""
    lines = (verdict["message"] or verdict["headline"]).splitlines()
    if len(lines) > _ROWS:
        lines = [*lines[:_ROWS], "..."]
    text = "\n".join(lines)
    fence = "`" * max(3, _longest_run(text) + 1)
    block = f"{fence}text\n{text}\n{fence}"
    compared = verdict.get("comparison")
    return f"{QUESTIONS[question_of(compared)]}\n\n{block}" if compared else block


def _corpora(measurements: Iterable[PlainMeasurement]) -> Iterable[str]:
    """Yield, for each corpus, what it is and the smallest drop that it can show."""
    for found in conditions_of(measurements):
        corpus, names = found.corpus, found.names
        yield (
            f"- {code(corpus['name'])}: {corpus['clips']:,} clips, {len(names)}"
            f" condition{'s' * (len(names) != 1)}; smallest drop of C_W that it can show:"
            f" {describe_drop(corpus['clips'], corpus['groups'])}"
            + "".join(f"; unchanged under {code(text)} clips" for text in sorted(found.unchanged))
        )

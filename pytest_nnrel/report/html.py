"""``index.html``: one page without network access, of the results and the audio beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_nnrel.audit import Audit
from pytest_nnrel.report import (
    curves,
    directions,
    findings,
    heatmap,
    labelled,
    listening,
    overlay,
    projection,
    references,
)
from pytest_nnrel.report.results import EXPECTED, conditions_of, told_apart
from pytest_nnrel.runtime.settings import ALL_PAIRS_UNASKED
from pytest_nnrel.statistics.comparison import describe_drop

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from jinja2 import Environment

    from pytest_nnrel.measurement import EncoderFacts, PlainMeasurement
    from pytest_nnrel.recording import Results
    from pytest_nnrel.report.results import Conditions

#: What a page shows of a run; ``results.json`` has the rest, and the page says how much that is.
MAX_BROKEN, MAX_ROWS, MAX_SECTIONS, MAX_GROUPS, MAX_FLIPS = 60, 1000, 12, 8, 100
#: Blocks, of failures and of encoders' curves, that are open when the page is.
OPEN = 2
#: Characters of a message.
MAX_MESSAGE = 6000


@dataclass(frozen=True)
class Broken:
    """A verdict that does not hold, as a block of the page."""

    row: findings.Row
    cases: Sequence[listening.Case]


@dataclass(frozen=True)
class Shown:
    """Part of a list, and how much of it is left out."""

    items: Sequence[Any]
    left_out: int

    @classmethod
    def first(cls, items: Sequence[Any], room: int) -> Shown:
        return cls(items[:room], max(0, len(items) - room))


def render_page(results: Results, folder: Path | None = None) -> str:
    """Return the page.

    Parameters
    ----------
    results : dict
        Content of ``results.json``.
    folder : Path, optional
        That the page will lie in: what is in its `listening.AUDIO` can be played.
    """
    page = environment("pytest_nnrel.report")
    page.globals |= {
        "curves": curves,
        "overlay": overlay,
        "describe_panel": curves.describe_panel,
        "why_silent": listening.why_silent,
        "number": _number,
        "shortened": _shortened,
    }
    return page.get_template("page.html").render(_content(told_apart(results), folder))


def environment(package: str) -> Environment:
    """Return the environment of a package's templates: what they are given is escaped."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader(package, "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _content(results: Results, folder: Path | None) -> dict[str, Any]:
    """Return what the template shows."""
    measurements = results["measurements"]
    rows = findings.rows_of(results["tests"], results["measurements"])
    counts = findings.tally(rows)
    cases = listening.cases_of(rows)
    heard = [case for of_row in cases.values() for case in of_row]
    players = listening.players_of(heard, None if folder is None else folder / listening.AUDIO)
    broken = [
        Broken(row, cases.get(i, []))
        for i, row in enumerate(rows)
        if row.outcome not in findings.WELL
    ]
    beside = findings.beside_verdicts(results, rows)
    shown = [block for i, block in enumerate(broken) if i < MAX_BROKEN or block.cases]
    audible = (
        block.row.anchor
        for block in shown
        if any(recording in players for case in block.cases for recording in case.recordings)
    )
    conditions = conditions_of(measurements.values())
    known = references.bundled_references()
    overlays = overlay.overlays_of(results, known)
    return {
        "results": results,
        "headline": findings.headline(rows, beside),
        "counts": counts,
        "status": _status(rows, beside),
        "failed": Shown.first(findings.groups_of(rows, ("crashed", "error", "fails")), MAX_GROUPS),
        "undecided": Shown.first(findings.groups_of(rows, ("undecided",)), MAX_GROUPS),
        "steps": findings.next_steps(
            rows, measurements.values(), heard=next(audible, ""), beside=beside
        ),
        "anchors": {block.row.anchor for block in shown},
        "broken": Shown(shown, len(broken) - len(shown)),
        "open": OPEN,
        "players": players,
        "sections": Shown.first(curves.sections_of(measurements, rows, known), MAX_SECTIONS),
        "controlled": any("control" in one["details"] for one in measurements.values()),
        "references": known,
        "overlays": overlays,
        "beside": any(len(one.names) > 1 for one in overlays),
        "directions": Shown.first(directions.rows_of(measurements.values()), MAX_ROWS),
        "heat_maps": heatmap.heat_maps(measurements, rows),
        "labelled": Shown.first(
            labelled.tables_of(measurements, results.get("corpora", {})), labelled.MAX_TABLES
        ),
        "comparisons": [
            (
                row,
                findings.question_of(row.verdict["comparison"]),
                Shown.first(_flips(row.verdict["comparison"]), MAX_FLIPS),
            )
            for row in rows
            if row.verdict.get("comparison")
        ],
        "maps": Shown.first(
            projection.maps_of(measurements, results.get("corpora", {})), projection.MAX_MAPS
        ),
        "questions": findings.QUESTIONS,
        "map_size": projection.SIZE,
        "rows": Shown.first(rows, MAX_ROWS),
        "corpora": _corpora(conditions),
        "audits": _audits(results),
        "aliases": sorted(set().union(*(of_corpus.aliases for of_corpus in conditions))),
        "unchanged": sorted(set().union(*(of_corpus.unchanged for of_corpus in conditions))),
        "engines": _engines(measurements.values()),
        "encoders": _encoders(measurements.values()),
    }


def _status(rows: Sequence[findings.Row], beside: str) -> str:
    """Return what the page is coloured by: the gravest outcome; holding on few is no plain one.

    What is expected has no colour, and a run that failed otherwise that of failures.
    """
    outcomes = [row.outcome for row in rows if row.outcome != EXPECTED]
    if beside:
        return "fails"
    if not outcomes:
        return "nothing"
    on_few = any(row.holds_on_few for row in rows)
    return "few" if on_few and outcomes[0] == "holds" else outcomes[0]


def _corpora(conditions: Iterable[Conditions]) -> list[dict[str, Any]]:
    return [
        of.corpus | {"drop": describe_drop(of.corpus["clips"], of.corpus["groups"]),
                     "chance": of.chance}
        for of in conditions
    ]  # fmt: skip


def _audits(results: Results) -> list[list[str]]:
    """Return the lines on what is odd in each corpus, or why that is not known."""
    audits = results.get("audits", {})
    found = [Audit.from_dict(audit).lines() for audit in audits.values()]
    for fingerprint, corpus in results.get("corpora", {}).items():
        clips = len(corpus["clips"])
        if fingerprint not in audits and clips > ALL_PAIRS_UNASKED:
            found.append(
                [
                    f"corpus {corpus['name']}, {clips:,} clips: not looked at. Of more than"
                    f" {ALL_PAIRS_UNASKED:,} all pairs are compared only where that is asked for:",
                    "  python -m pytest_nnrel audit CORPUS    what is odd in it",
                    "  audio_consistency(transform)           C_W of the audio itself",
                ]
            )
    return found


def _flips(comparison: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the conditions of a comparison, those that got worse first."""
    return sorted(
        comparison["changes"],
        key=lambda c: (not c["worse"], c["adjusted"], c["after"] - c["before"]),
    )


def _engines(measurements: Iterable[PlainMeasurement]) -> dict[str, str]:
    """Return what transformed the clips, by family."""
    found: dict[str, str] = {}
    for measured in measurements:
        transform = measured["details"]["transform"]
        recipe = transform["recipe"] or {}
        parts = [f"{k} {v}" for k, v in recipe.items() if k not in ("transform", "magnitude")]
        if parts:
            found[transform["family"]] = ", ".join(parts)
    return dict(sorted(found.items()))


def _encoders(measurements: Iterable[PlainMeasurement]) -> list[EncoderFacts]:
    found = {
        (encoder["name"], encoder["fingerprint"]): encoder
        for measured in measurements
        if (encoder := measured["details"].get("encoder"))
    }
    return [found[key] for key in sorted(found, key=str)]


def _number(value: float | None) -> str:
    return "not finite" if value is None else f"{value:.5g}"


def _shortened(text: str) -> str:
    if len(text) <= MAX_MESSAGE:
        return text
    return f"{text[:MAX_MESSAGE]}\n... {len(text) - MAX_MESSAGE:,} more characters in results.json"

"""``index.html``: one page without network access, made from the results alone."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from pytest_nnrel.report import plots
from pytest_nnrel.report.results import describe_rates, describe_value, kind_of, subject_of

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Outcomes in the order in which the page lists them.
_ORDER = ("crashed", "error", "fails", "undecided", "holds")


def render_page(results: dict[str, Any]) -> str:
    """Return the page.

    Parameters
    ----------
    results : dict
        Content of ``results.json``.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("pytest_nnrel.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    rows = _verdict_rows(results)
    corpora = {
        m["details"]["corpus"]["fingerprint"]: m["details"]["corpus"]
        for m in results["measurements"].values()
    }
    return environment.get_template("page.html").render(
        results=results,
        rows=rows,
        headline=_headline(rows),
        failing=[row for row in rows if row["message"]],
        figures=_figures(results["measurements"].values()),
        corpora=list(corpora.values()),
        aliases=_aliases(results["measurements"].values()),
    )


def _verdict_rows(results: dict[str, Any]) -> list[dict[str, Any]]:
    rows = []
    for test in results["tests"]:
        if test["outcome"] == "crashed":
            message = "The process that ran this test died before it could report."
            rows.append(_row(test["test"], "crashed", message))
        for verdict in test["verdicts"]:
            message = verdict["message"]
            if message:
                message = "\n".join([message, *_hypothesis_lines(test)])
            row = _row(test["test"], verdict["outcome"], message, verdict["minimum"])
            row |= {
                "subject": verdict.get("subject", ""),
                "kind": verdict["assertion"] if verdict.get("headline") else "",
                "value": verdict.get("headline", ""),
            }
            measured = results["measurements"].get(verdict["measurement"])
            if measured is not None:
                row |= {
                    "subject": subject_of(measured),
                    "kind": kind_of(measured),
                    "transform": measured["details"]["transform"]["name"],
                    "value": describe_value(measured),
                    "beside": describe_rates(measured),
                    "n": measured["n"],
                }
            rows.append(row)
    rows.sort(key=lambda row: _ORDER.index(row["outcome"]))  # stable: by test within an outcome
    for number, row in enumerate(rows):
        row["anchor"] = f"verdict-{number}"
    return rows


def _hypothesis_lines(test: dict[str, Any]) -> list[str]:
    """Return how to keep what a Hypothesis test failed at, and how much it tried for that."""
    lines = [f"keep it:  {example}" for example in test.get("examples", ())]
    passed_over = len(test.get("passed_over", ()))
    if passed_over:
        given = len(test["verdicts"]) + passed_over
        lines.append(f"tried:    {given} verdicts; {passed_over} more of them did not hold")
    return lines


def _row(test: str, outcome: str, message: str, minimum: float | None = None) -> dict[str, Any]:
    return {
        "test": test,
        "outcome": outcome,
        "message": message,
        "minimum": minimum,
        "subject": "",
        "kind": "",
        "transform": "",
        "value": "",
        "beside": "",
        "n": "",
    }


def _headline(rows: list[dict[str, Any]]) -> str:
    if not rows:
        return "Nothing was judged in this run."
    counts = {outcome: sum(row["outcome"] == outcome for row in rows) for outcome in _ORDER}
    wording = {
        "crashed": "crashed",
        "error": "could not be measured",
        "fails": "failed",
        "undecided": "too close to call",
    }
    bad = [f"{counts[outcome]} {words}" for outcome, words in wording.items() if counts[outcome]]
    if not bad:
        return f"All {len(rows)} verdicts hold."
    return f"{', '.join(bad)}; {counts['holds']} of {len(rows)} verdicts hold."


def _aliases(measurements: Iterable[dict[str, Any]]) -> list[str]:
    transforms = [measurement["details"]["transform"] for measurement in measurements]
    return sorted({f"{t['asked']} is {t['name']}" for t in transforms if t["asked"] != t["name"]})


def _figures(measurements: Iterable[dict[str, Any]]) -> list[dict[str, str]]:
    """Return a figure for each corpus, measure and family, the audio space's curve behind."""
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = defaultdict(list)
    bounds: dict[tuple[str, str], list[plots.Point]] = defaultdict(list)
    for measurement in measurements:
        details = measurement["details"]
        corpus, transform = details["corpus"], details["transform"]
        place = (corpus["fingerprint"], transform["family"])
        if transform["family"] == "Identity" or transform["magnitude"] is None:
            continue
        if measurement["measure"] == "audio" and details["identity"]["audio_distance"] == "dtw":
            bounds[place].append(_point(measurement))
        if measurement["measure"] != "exemplar":
            groups[*place, measurement["measure"], kind_of(measurement)].append(measurement)
    figures = []
    for (fingerprint, family, measure, kind), group in sorted(groups.items()):
        if measure == "audio":
            continue  # drawn behind the encoders
        curves: dict[str, list[plots.Point]] = defaultdict(list)
        for measurement in group:
            curves[subject_of(measurement)].append(_point(measurement))
        transform = group[0]["details"]["transform"]
        audio = bounds[fingerprint, family] if measure == "within" else []
        corpus = group[0]["details"]["corpus"]
        figures.append(
            {
                "title": f"{family}: {kind}, {corpus['clips']} clips of {corpus['name']}",
                "svg": plots.curve_figure(
                    curves,
                    audio,
                    unit=f"{family} ({transform['unit']})" if transform["unit"] else family,
                    identity=transform["identity"],
                    label=kind,
                ),
            }
        )
    return figures


def _point(measurement: dict[str, Any]) -> plots.Point:
    low, high = measurement["ci"]
    magnitude = measurement["details"]["transform"]["magnitude"]
    return magnitude, measurement["value"], (low, high)

"""Properties of a test in JUnit XML: what it measured, for dashboards that read no report.

A reader that keeps properties by name finds each of ``nnrel.encoder`` and so on once in a test;
``nnrel`` is there once for each measurement.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_nnrel.report.findings import Row, rows_of
from pytest_nnrel.report.results import describe

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Name of the properties that hold a line for each measurement, and prefix of all others.
NAME = "nnrel"


def is_ours(name: str) -> bool:
    """Tell whether a property is one of those that `properties_of` gives."""
    return name == NAME or name.startswith(f"{NAME}.")


def properties_of(recorded: Sequence[dict[str, Any]]) -> list[tuple[str, str]]:
    """Return the properties of a test.

    Parameters
    ----------
    recorded : sequence of dict
        What its phases recorded: ``Sink.as_dict()``.

    Returns
    -------
    list of (str, str)
        ``nnrel.verdict``, with ``.assertion``, ``.encoder``, ``.transformation``, ``.measure``,
        ``.value``, ``.ci_low``, ``.ci_high``, ``.n``, ``.minimum`` and ``.maximum``, or ``.found``
        where no single value was judged: of the gravest verdict, none where nothing was judged.
        Then ``nnrel`` with a line for each measurement.
    """
    verdicts = [verdict for part in recorded for verdict in part["verdicts"]]
    measurements = {key: m for part in recorded for key, m in part["measurements"].items()}
    rows = rows_of([{"test": "", "outcome": "", "verdicts": verdicts}], measurements)
    found = _properties_of(rows[0]) if rows else {}
    named = [(f"{NAME}.{key}", _text(value)) for key, value in found.items() if value is not None]
    return [*named, *((NAME, line) for part in recorded for line in describe(part))]


def _properties_of(row: Row) -> dict[str, Any]:
    found: dict[str, Any] = {
        "verdict": row.outcome,
        "assertion": row.verdict["assertion"],
        "encoder": row.subject or None,
    }
    if row.measured is None:
        found["found"] = row.found or row.first_line
    else:
        low, high = row.measured["ci"]
        found |= {
            "transformation": row.transform,
            "measure": row.kind,
            "value": row.measured["value"],
            "ci_low": low,
            "ci_high": high,
            "n": row.measured["n"],
        }
    return {**found, "minimum": row.required.low, "maximum": row.required.high}


def _text(value: str | float) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)

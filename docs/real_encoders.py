"""Pretrained encoders as they were measured: tables and curves of ``examples/real_encoders``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from pytest_nnrel import field_grid
from pytest_nnrel.statistics.intervals import wilson_interval
from reference_models.paper import drawing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_nnrel.transforms import Transform

RESULTS = Path(__file__).parents[1] / "examples" / "real_encoders" / "results"
#: Colours by field, of those that pages have for a dark ground, too.
COLOURS = {
    "music": drawing.COLOURS["ir"],
    "speech": drawing.COLOURS["at"],
    "sound events": drawing.COLOURS["ae"],
    "bioacoustics": drawing.COLOURS["ae"],
}
LABELS = {"music": "music", "speech": "speech", "bioacoustics": "sound events, birds"}
#: Families that are drawn: in most of them the encoders differ most.
DRAWN = ("Gain", "WhiteNoise", "LowPass", "Reverb", "Speed", "TimeShift", "Opus")
#: In inches, as in the other figures.
_WIDTH, _HEIGHT = 2.5, 2.1


def load(corpus: str) -> dict[str, Any]:
    """Return what was found on a corpus, as ``measure.py`` stores it."""
    text = (RESULTS / f"{corpus}.json").read_text(encoding="utf-8")
    table: dict[str, Any] = json.loads(text)
    return table


def real_table(corpus: str) -> str:
    """Return the encoders as a table, the best first."""
    rows = [
        "| encoder | field | package, licence | score | mean C_W | quick grid | CPU, s a clip |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, row in load(corpus)["encoders"].items():
        low, high = row["ci"]
        known = "package" in row
        rows.append(
            f"| {name} | {row.get('field', 'baseline')} |"
            f" {row['package'] + ' ' + row['version'] + ', ' + row['licence'] if known else ''} |"
            f" {row['score']:.2f}{f' [{low:.2f}, {high:.2f}]' if known else ''} |"
            f" {row['mean']:.3f} | {_number(row['quick'], '.3f')} |"
            f" {_number(row.get('cpu_seconds_a_clip'), '.2g')} |"
        )
    return "\n".join(rows)


def real_families(corpus: str) -> str:
    """Return errors over MFCC's by family: those of each encoder a row."""
    encoders = {name: row for name, row in load(corpus)["encoders"].items() if "package" in row}
    families = list(next(iter(encoders.values()))["relative"])
    rows = [f"| encoder | {' | '.join(families)} |", "|---" * (len(families) + 1) + "|"]
    rows += [
        f"| {name} | " + " | ".join(f"{row['relative'][family]:.2g}" for family in families) + " |"
        for name, row in encoders.items()
    ]
    return "\n".join(rows)


def real_breaks(corpus: str) -> str:
    """Return the magnitudes at which C_W falls below 0.9, and C_rho under a few conditions."""
    told = {name: row for name, row in load(corpus)["encoders"].items() if "breaks" in row}
    conditions = list(next(iter(told.values()))["rho"])
    rows = [
        "| encoder | pitch down, up (semitones) | tempo slower, faster | pink noise (dB) | "
        + " | ".join(f"C_rho, {name}" for name in conditions)
        + " |",
        "|---" * (4 + len(conditions)) + "|",
    ]
    for name, row in told.items():
        ends = {
            family: [_number(of[d]["magnitude"], "g") for d in ("-1", "1") if d in of]
            for family, of in row["breaks"].items()
        }
        rows.append(
            f"| {name} | "
            + " | ".join(", ".join(one) for one in ends.values())
            + " | "
            + " | ".join(f"{row['rho'][condition][0]:.2f}" for condition in conditions)
            + " |"
        )
    return "\n".join(rows)


def real_findings(corpus: str) -> str:
    """Return what the sanity battery found, encoder by encoder, as a table."""
    rows = ["| encoder | check | seen |", "|---|---|---|"]
    for name, row in load(corpus)["encoders"].items():
        rows += [
            f"| {name} | `{one['check']}` | {one['seen']} |"
            for one in row.get("sanity", {}).get("findings", [])
        ]
    return "\n".join(rows)


def _number(value: float | None, how: str) -> str:
    return "–" if value is None else format(value, how)


def real_curves(corpus: str) -> str:
    """Return C_W over magnitude as HTML: a panel for each family, a curve for each encoder."""
    table = load(corpus)
    conditions: dict[str, dict[str, Transform]] = {}
    for transform in field_grid():
        conditions.setdefault(type(transform).__name__, {})[transform.name] = transform
    panels = []
    with drawing.style():
        for family in DRAWN:
            panel = _panel(conditions[family], table)
            panels.append(drawing.to_svg(panel, f"C_W of pretrained encoders under {family}"))
        panels.append(drawing.to_svg(_legend(), "Legend of the panels of pretrained encoders"))
    return f'<div class="panels" data-search-exclude>{"".join(panels)}</div>'


def _panel(conditions: Mapping[str, Transform], table: dict[str, Any]) -> Figure:
    """Draw the curves of a family over its rungs, the mildest first."""
    figure, grid = drawing.panels(1, 1, height=_HEIGHT)
    figure.set_size_inches(_WIDTH, _HEIGHT)
    axes = grid[0, 0]
    ordered = sorted(conditions.values(), key=lambda one: abs(one.severity))
    axes.set_xticks(range(len(ordered)), [f"{one.magnitude:g}" for one in ordered])
    axes.set_xlabel(f"{type(ordered[0]).__name__} ({ordered[0].unit or 'rate'})")
    clips = table["corpus"]["clips"]
    for row in reversed(table["encoders"].values()):
        points = []
        for place, condition in enumerate(ordered):
            value = row["within"][condition.name]
            points.append(drawing.Point(place, value, *wilson_interval(value, clips)))
        of_field = COLOURS.get(row.get("field", ""), drawing.INK)
        drawing.curve(axes, {0: points}, colour=of_field, marker="" if "field" in row else "s")
    axes.set_ylabel("C_W")
    axes.set_ylim(-0.03, 1.03)
    return figure


def _legend() -> Figure:
    handles = {"mfcc": Line2D([], [], color=drawing.INK, marker="s", markersize=2.6)} | {
        label: Line2D([], [], color=COLOURS[field]) for field, label in LABELS.items()
    }
    figure = Figure(figsize=(_WIDTH, 0.2 + 0.2 * len(handles)))
    FigureCanvasSVG(figure)
    figure.legend(list(handles.values()), list(handles), loc="center", handlelength=2.2)
    return figure

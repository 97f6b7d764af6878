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
    """Return the encoders as a table, the best under the quick grid first."""
    rows = [
        "| encoder | field | package, licence | quick grid: score | mean C_W | field grid: score |"
        " mean C_W | CPU, s a clip |",
        "|---|---|---|---|---|---|---|---|",
    ]
    encoders = load(corpus)["encoders"]
    for name in sorted(encoders, key=lambda name: encoders[name]["grids"]["quick"]["score"]):
        row = encoders[name]
        known = "package" in row
        cells = [
            name,
            row.get("field", "baseline"),
            f"{row['package']} {row['version']}, {row['licence']}" if known else "",
            *_ranked(row["grids"].get("quick")),
            *_ranked(row["grids"].get("field")),
            _number(row.get("cpu_seconds_a_clip"), ".2g"),
        ]
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def _ranked(told: dict[str, Any] | None) -> tuple[str, str]:
    """Return score and mean as shown."""
    if told is None:
        return "", ""
    (low, high), score = told["ci"], told["score"]
    interval = f" [{low:.2f}, {high:.2f}]" if low < high else ""
    return f"{score:.2f}{interval}", f"{told['mean']:.3f}"


def real_families(corpus: str) -> str:
    """Return errors over MFCC's under the grid `field`, by family: a column for each encoder."""
    encoders = {
        name: row["grids"]["field"]
        for name, row in load(corpus)["encoders"].items()
        if "package" in row and "field" in row["grids"]
    }
    rows = [f"| family | {' | '.join(encoders)} |", "|---" * (len(encoders) + 1) + "|"]
    for family in next(iter(encoders.values()))["relative"]:
        cells = [f"{of['relative'][family]:.2g}" for of in encoders.values()]
        rows.append(f"| {family} | {' | '.join(cells)} |")
    return "\n".join(rows)


def real_between(corpus: str) -> str:
    """Return C_rho under a few conditions as a table, with its interval."""
    told = {name: row["rho"] for name, row in load(corpus)["encoders"].items() if "rho" in row}
    conditions = list(next(iter(told.values())))
    rows = [f"| encoder | {' | '.join(conditions)} |", "|---" * (len(conditions) + 1) + "|"]
    for name, of in told.items():
        cells = [
            "{:.2f} [{:.2f}, {:.2f}]".format(*values)
            for values in map(of.get, conditions)
            if values
        ]
        rows.append(f"| {name} | {' | '.join(cells)} |")
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
        if "field" not in row["grids"]:
            continue
        points = []
        for place, condition in enumerate(ordered):
            value = row["grids"]["field"]["within"][condition.name]
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

"""Pretrained encoders as they were measured: tables and curves of ``examples/real_encoders``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from pytest_nnrel import quick_grid
from reference_models.paper import drawing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_nnrel.transforms import Transform

RESULTS = Path(__file__).parents[1] / "examples" / "real_encoders" / "results"
#: Encoders by what they hear: how a legend calls them, and a colour that pages have for a dark
#: ground, too. All others are of their field.
PITCH = ("basic-pitch", "pesto-pitch", "torchcrepe", "torchfcpe")
COLOURS = {
    "MFCC": drawing.INK,
    "pitch": drawing.COLOURS["ae"],
    "music": drawing.COLOURS["vs"],
    "speech": drawing.COLOURS["at"],
    "sound events, birds": drawing.COLOURS["ir"],
}
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
    """Return what the sanity battery found: a table, or that it is nothing."""
    checked = {
        name: row["sanity"]["findings"]
        for name, row in load(corpus)["encoders"].items()
        if "sanity" in row
    }
    rows = [
        f"| {name} | `{one['check']}` | {one['seen']} |"
        for name, findings in checked.items()
        for one in findings
    ]
    if not rows:
        return f"The sanity battery finds nothing in any of the {len(checked)}."
    return "\n".join(["| encoder | check | seen |", "|---|---|---|", *rows])


def _number(value: float | None, how: str) -> str:
    return "–" if value is None else format(value, how)


def real_curves(corpus: str) -> str:
    """Return C_W under the quick grid as HTML: a panel a family, a curve for each encoder."""
    table = load(corpus)
    families: dict[str, list[Transform]] = {}
    for transform in sorted(quick_grid(), key=lambda one: one.severity or 0):
        families.setdefault(type(transform).__name__, []).append(transform)
    panels = []
    with drawing.style():
        for family, conditions in families.items():
            if len(conditions) > 1:
                panel = _panel(conditions, table["encoders"])
                panels.append(drawing.to_svg(panel, f"C_W of pretrained encoders under {family}"))
        panels.append(drawing.to_svg(_legend(), "Legend of the panels of pretrained encoders"))
    return f'<div class="panels" data-search-exclude>{"".join(panels)}</div>'


def _heard(name: str, row: Mapping[str, Any]) -> str:
    """Return what an encoder hears, as in `COLOURS`."""
    if name in PITCH:
        return "pitch"
    field = row.get("field", "MFCC")
    return field if field in COLOURS else "sound events, birds"


def _panel(conditions: Sequence[Transform], encoders: Mapping[str, Any]) -> Figure:
    """Draw the curves of a family over its conditions; few clips, so that bands would cover all."""
    figure, grid = drawing.panels(1, 1, height=_HEIGHT)
    figure.set_size_inches(_WIDTH, _HEIGHT)
    axes = grid[0, 0]
    axes.set_xticks(range(len(conditions)), [f"{one.magnitude:g}" for one in conditions])
    axes.set_xlabel(f"{type(conditions[0]).__name__} ({conditions[0].unit or 'rate'})")
    for name, row in encoders.items():
        values = [row["grids"]["quick"]["within"][one.name] for one in conditions]
        points = [drawing.Point(place, value, value, value) for place, value in enumerate(values)]
        heard = _heard(name, row)
        marker = "s" if heard == "MFCC" else "o"
        drawing.curve(axes, {0: points}, colour=COLOURS[heard], marker=marker)
    axes.set_ylabel("C_W")
    axes.set_ylim(-0.03, 1.03)
    return figure


def _legend() -> Figure:
    handles = {
        heard: Line2D([], [], color=colour, marker="s" if heard == "MFCC" else "o", markersize=2.6)
        for heard, colour in COLOURS.items()
    }
    figure = Figure(figsize=(_WIDTH, 0.2 + 0.2 * len(handles)))
    FigureCanvasSVG(figure)
    figure.legend(list(handles.values()), list(handles), loc="center", handlelength=2.2)
    return figure

"""Pretrained encoders as they were measured: tables and curves of ``examples/real_encoders``."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from pytest_nnrel import quick_grid
from pytest_nnrel.transforms import families
from pytest_nnrel.transforms import grid as grid_named
from reference_models.paper import drawing

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from matplotlib.axes import Axes

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
#: The encoder that errors are relative to, and what stands for its field.
REFERENCE, REFERENCE_FIELD = "mfcc", "baseline"
#: Directions that a ladder goes in.
SIGNS = {"-1": " down", "1": " up"}
#: In inches, as in the other figures.
_WIDTH, _HEIGHT = 2.5, 2.1


def load(corpus: str) -> dict[str, Any]:
    """Return what was found on a corpus, as ``measure.py`` stores it."""
    text = (RESULTS / f"{corpus}.json").read_text(encoding="utf-8")
    table: dict[str, Any] = json.loads(text)
    return table


def _under(corpus: str, grid: str) -> dict[str, dict[str, Any]]:
    """Return what was found of each encoder under a grid, the best score first."""
    encoders = load(corpus)["encoders"]
    told = {name: row["grids"][grid] for name, row in encoders.items() if grid in row["grids"]}
    return dict(sorted(told.items(), key=lambda item: item[1]["score"]))


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def real_table(corpus: str) -> str:
    """Return the encoders as a table, the best under the quick grid first."""
    encoders = load(corpus)["encoders"]
    heads = ["encoder", "field", "quick grid: score", "mean C_W", "field grid: score", "mean C_W"]
    rows = []
    for name, quick in _under(corpus, "quick").items():
        row = encoders[name]
        fewer = str(quick["clips"]) != real_clips(corpus, "quick")
        rows.append(
            [
                f"{name} ({quick['clips']} clips)" if fewer else name,
                row.get("field", REFERENCE_FIELD),
                *_ranked(quick),
                *_ranked(row["grids"].get("field")),
            ]
        )
    return table(heads, rows)


def real_packages(corpus: str) -> str:
    """Return where each encoder is from, in a line."""
    told = [
        f"{name} ({row['package']} {row['version']}, {row['licence']})"
        for name, row in sorted(load(corpus)["encoders"].items(), key=lambda item: item[0].lower())
        if row.get("field", REFERENCE_FIELD) != REFERENCE_FIELD
    ]
    return "; ".join(told)


def real_clips(corpus: str, grid: str) -> str:
    """Return of how many clips most encoders were measured."""
    return str(max(of["clips"] for of in _under(corpus, grid).values()))


def real_conditions(name: str) -> str:
    """Return how many conditions a grid has."""
    return str(len(grid_named(name)))


def _ranked(told: dict[str, Any] | None) -> tuple[str, str]:
    """Return score and mean as shown."""
    if told is None:
        return "", ""
    (low, high), score = told["ci"], told["score"]
    interval = f" [{low:.2f}, {high:.2f}]" if low < high else ""
    return f"{score:.2f}{interval}", f"{told['mean']:.3f}"


def real_against_mfcc(grid: str, *corpora: str) -> str:
    """Return by family how many encoders keep surely more, or less, than the MFCC baseline.

    Surely: the 95 % interval of the relative error is on one side of 1.
    """
    heads = ["", "family", "C_W of MFCC", "best", "surely more", "surely less"]
    rows = []
    for corpus in corpora:
        told = _under(corpus, grid)
        most = max(of["clips"] for of in told.values())
        told = {name: of for name, of in told.items() if of["clips"] == most}
        reference = told.pop(REFERENCE)
        for family in reference["relative"]:
            kept = {name: _mean_under(family, of) for name, of in told.items()}
            best = max(kept, key=lambda name: kept[name])
            intervals = [of["relative"][family][1:] for of in told.values()]
            rows.append(
                [
                    corpus,
                    family,
                    f"{_mean_under(family, reference):.3f}",
                    f"{kept[best]:.3f}, {best}",
                    f"{sum(high < 1.0 for _, high in intervals)} of {len(told)}",
                    f"{sum(low > 1.0 for low, _ in intervals)} of {len(told)}",
                ]
            )
    return table(heads, rows)


def _mean_under(family: str, told: Mapping[str, Any]) -> float:
    """Return C_W, mean over the conditions of a family."""
    return fmean(v for name, v in told["within"].items() if name.partition("(")[0] == family)


def real_corpora(grid: str, first: str, second: str) -> str:
    """Return the encoders of two corpora beside each other, C_W among equally many clips."""
    of_first, of_second = (_under(corpus, grid) for corpus in (first, second))
    encoders, among = load(first)["encoders"], load(first)["among"]
    heads = ["encoder", "field"]
    heads += [f"{corpus}: {what}" for corpus in (first, second) for what in ("score", "C_W")]
    rows = []
    for name, told in of_second.items():
        if name in of_first:
            field = encoders[name].get("field", REFERENCE_FIELD)
            cells = [
                cell
                for of in (of_first[name], told)
                for cell in (_ranked(of)[0], f"{of['mean_among']:.3f}")
            ]
            rows.append([name, field, *cells])
    return table(heads, rows) + f"\n\n*C_W among {among} clips, mean over the grid.*"


def real_families(corpus: str) -> str:
    """Return errors over MFCC's under the grid `field`, by family: a column for each encoder."""
    told = _under(corpus, "field")
    families = list(told.pop(REFERENCE)["relative"])
    rows = [
        [family, *(f"{of['relative'][family][0]:.2g}" for of in told.values())]
        for family in families
    ]
    return table(["family", *told], rows)


def real_costs(corpus: str) -> str:
    """Return what a clip takes of each encoder, and what of it is the library's."""
    heads = ["encoder", "numbers", "CPU, ms a clip", "of which the library's", "over bare calls"]
    heads += ["peak MiB", "of bare calls alone"]
    encoders = load(corpus)["encoders"]
    measured = {name: row for name, row in encoders.items() if "over_bare" in row}
    rows = [
        [
            name,
            str(row["numbers"]),
            f"{1e3 * row['cpu_seconds_a_clip']:.0f}",
            f"{1e-3 * row['own_microseconds_a_clip']:.2f}",
            f"{row['over_bare']:.2f}",
            str(row["peak_mib"]),
            str(row["peak_mib_bare"]),
        ]
        for name, row in sorted(measured.items(), key=lambda item: item[1]["cpu_seconds_a_clip"])
    ]
    return table(heads, rows)


def real_between(corpus: str) -> str:
    """Return C_rho under a few conditions as a table, with its interval."""
    told = {name: row["rho"] for name, row in load(corpus)["encoders"].items() if "rho" in row}
    conditions = list(next(iter(told.values())))
    rows = [
        [name, *("{:.2f} [{:.2f}, {:.2f}]".format(*of[one]) for one in conditions)]
        for name, of in told.items()
    ]
    return table(["encoder", *conditions], rows)


def real_breaks(corpus: str) -> str:
    """Return the magnitudes at which encoders break as a table."""
    rows_of = load(corpus)["encoders"].items()
    told = {name: row["breaks"] for name, row in rows_of if "breaks" in row}
    kinds = families()
    heads = [
        f"{family}{SIGNS[direction] if len(of) > 1 else ''}, {kinds[family].unit}"
        for family, of in next(iter(told.values())).items()
        for direction in of
    ]
    rows = [
        [
            name,
            *(
                "none" if (magnitude := one["magnitude"]) is None else f"{magnitude:g}"
                for of_family in of.values()
                for one in of_family.values()
            ),
        ]
        for name, of in told.items()
    ]
    return table(["encoder", *heads], rows)


def real_findings(corpus: str) -> str:
    """Return what the sanity battery found: a table, or that it is nothing."""
    checked = {
        name: row["sanity"]["findings"]
        for name, row in load(corpus)["encoders"].items()
        if "sanity" in row
    }
    rows = [
        [name, f"`{one['check']}`", one["seen"]]
        for name, findings in checked.items()
        for one in findings
    ]
    if not rows:
        return f"The sanity battery finds nothing in any of the {len(checked)} that it was run on."
    return table(["encoder", "check", "seen"], rows)


def _number(value: float | None, how: str, times: float = 1.0) -> str:
    return "–" if value is None else format(times * value, how)


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
    field = row.get("field", REFERENCE_FIELD)
    if field == REFERENCE_FIELD:
        return "MFCC"
    return field if field in COLOURS else "sound events, birds"


def _panel(conditions: Sequence[Transform], encoders: Mapping[str, Any]) -> Figure:
    """Draw the curves of a family over its conditions; few clips, so that bands would cover all."""
    figure, axes = panel_of(
        [f"{one.magnitude:g}" for one in conditions],
        f"{type(conditions[0]).__name__} ({conditions[0].unit or 'rate'})",
    )
    for name, row in encoders.items():
        if "quick" not in row["grids"]:
            continue
        values = [row["grids"]["quick"]["within"][one.name] for one in conditions]
        points = [drawing.Point(place, value, value, value) for place, value in enumerate(values)]
        heard = _heard(name, row)
        marker = "s" if heard == "MFCC" else "o"
        drawing.curve(axes, {0: points}, colour=COLOURS[heard], marker=marker)
    return figure


def panel_of(labels: Sequence[str], axis: str) -> tuple[Figure, Axes]:
    """Return an empty panel of C_W over so many places, and its axes."""
    figure, grid = drawing.panels(1, 1, height=_HEIGHT)
    figure.set_size_inches(_WIDTH, _HEIGHT)
    axes = grid[0, 0]
    axes.set_xticks(range(len(labels)), labels)
    axes.set_xlabel(axis)
    axes.set_ylabel("C_W")
    axes.set_ylim(-0.03, 1.03)
    return figure, axes


def _legend() -> Figure:
    handles = {
        heard: Line2D([], [], color=colour, marker="s" if heard == "MFCC" else "o", markersize=2.6)
        for heard, colour in COLOURS.items()
    }
    figure = Figure(figsize=(_WIDTH, 0.2 + 0.2 * len(handles)))
    FigureCanvasSVG(figure)
    figure.legend(list(handles.values()), list(handles), loc="center", handlelength=2.2)
    return figure


#: What pages may call.
PARTS = (
    real_table,
    real_packages,
    real_clips,
    real_conditions,
    real_against_mfcc,
    real_corpora,
    real_families,
    real_between,
    real_breaks,
    real_findings,
    real_costs,
    real_curves,
)

"""What the figures share: colours, panels, curves, and SVG in the ink of the page around it."""

from __future__ import annotations

import io
import math
import re
from collections import defaultdict
from dataclasses import dataclass
from html import escape
from statistics import fmean
from typing import TYPE_CHECKING, Any, Literal

import matplotlib as mpl
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch
from matplotlib.path import Path as Outline
from matplotlib.ticker import NullLocator

from pytest_nnrel.transforms.grids import PAPER_FAMILIES
from reference_models.paper.results import Consistency
from reference_models.task import tasks

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from contextlib import AbstractContextManager

    import numpy as np
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

    from reference_models.paper.results import Performance

#: Stands for the page's text colour, whatever that is: `to_svg` writes ``currentColor``.
INK = "#010203"
#: Of the audio space, and of what stands behind.
GREY = "#8c8c8c"
#: Okabe and Ito's colours, told apart by colour-blind readers too.
COLOURS = {
    "mfcc": INK,
    "vgg": "#56B4E9",  # all of them
    **{name: task.colour for name, task in tasks().items()},
}
#: As `COLOURS`, on dark ground.
COLOURS_ON_DARK = {
    "vgg": "#8fd0f5",
    **{name: task.colour_on_dark for name, task in tasks().items()},
}
MARKERS = {"mfcc": "s", "vgg": "o", **{name: task.marker for name, task in tasks().items()}}
#: Colours alone do not tell the audio distances apart: both are grey.
STYLES = {"dtw": "--", "simple": ":"}
TRANSFORMATION_LABELS = {
    "PS": "pitch shift (semitones)",
    "TS": "tempo shift (rate)",
    "PN": "pink noise (SNR, dB)",
    "EN": "environmental noise (SNR, dB)",
    "MP": "MP3 (kb/s)",
}
_IDENTITIES = {family.symbol: family.identity for family in PAPER_FAMILIES}
#: Families whose magnitudes are doublings.
_BY_OCTAVES = {"MP": (8, 16, 32, 64, 128, 256)}
#: Inches: about 1,100 pixels of a page.
WIDTH = 11.0
_FONT_SIZE = 8.5
_SETTINGS: dict[Any, Any] = {
    "font.size": _FONT_SIZE,
    "axes.titlesize": _FONT_SIZE,
    "axes.labelsize": _FONT_SIZE,
    "legend.fontsize": _FONT_SIZE,
    "xtick.labelsize": _FONT_SIZE - 1,
    "ytick.labelsize": _FONT_SIZE - 1,
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "savefig.facecolor": "none",
    "legend.frameon": False,
    "svg.fonttype": "none",
}


@dataclass(frozen=True)
class Point:
    """A value at a magnitude, with its 95 % interval where there is one."""

    magnitude: float
    value: float
    low: float
    high: float


#: Points by trial.
Trials = dict[int, list[Point]]


def trials_of(rows: Iterable[Consistency | Performance]) -> Trials:
    """Return the points of rows by trial; those of performance have no interval."""
    trials: Trials = defaultdict(list)
    for row in rows:
        low, high = (row.low, row.high) if isinstance(row, Consistency) else (row.value, row.value)
        trials[row.trial].append(Point(row.magnitude, row.value, low, high))
    return dict(trials)


def style() -> AbstractContextManager[None]:
    """Return a context in which all of a figure is to be drawn."""
    return mpl.rc_context(_SETTINGS)


def panels(
    rows: int,
    columns: int,
    *,
    height: float,
    sharey: Literal["row"] | bool = "row",
    titles: Sequence[str] = (),
) -> tuple[Figure, np.ndarray]:
    """Return a figure as wide as the page, and its panels, [rows, columns].

    Parameters
    ----------
    rows, columns : int
    height : float
        Of a row, in inches.
    sharey : bool or "row"
        As in ``Figure.subplots``.
    titles : sequence of str
        Of the columns.
    """
    figure = Figure(figsize=(WIDTH, height * rows + 0.5), layout="constrained")
    FigureCanvasSVG(figure)
    grid = figure.subplots(rows, columns, squeeze=False, sharey=sharey)
    for axes in grid.flat:
        axes.grid(color=GREY, alpha=0.25, linewidth=0.5)
        axes.tick_params(length=2.5)
    for axes, title in zip(grid[0], titles, strict=False):
        axes.set_title(title)
    return figure, grid


def magnitude_panels(
    rows: int, transformations: Sequence[str], *, height: float
) -> tuple[Figure, np.ndarray]:
    """Return panels with a column for each transformation, its magnitudes as horizontal axis.

    Parameters
    ----------
    rows : int
    transformations : sequence of str
        The paper's abbreviations.
    height : float
        Of a row, in inches.
    """
    figure, grid = panels(rows, len(transformations), height=height)
    for line in grid:
        for transformation, axes in zip(transformations, line, strict=True):
            _scale_magnitudes(axes, transformation)
    for transformation, top, bottom in zip(transformations, grid[0], grid[-1], strict=True):
        bottom.set_xlabel(TRANSFORMATION_LABELS[transformation])
        if math.isinf(_IDENTITIES[transformation]):
            top.set_title("original →", loc="right", fontsize=_FONT_SIZE - 1.5, pad=2)
    for axes in grid.flat:
        axes.label_outer()
    return figure, grid


def legend(figure: Figure, handles: Mapping[str, Artist]) -> None:
    """Put one legend above all panels, a label for each handle, none twice."""
    figure.legend(
        list(handles.values()),
        list(handles),
        loc="outside upper center",
        ncols=max(1, len(handles)),
        handlelength=2.2,
        columnspacing=1.4,
    )


def _scale_magnitudes(axes: Axes, transformation: str) -> None:
    """Scale an axis of magnitudes, and mark the identity where that is a magnitude."""
    if transformation in _BY_OCTAVES:
        ticks = _BY_OCTAVES[transformation]
        axes.set_xscale("log", base=2)
        axes.set_xticks(ticks, [str(tick) for tick in ticks])
        axes.xaxis.set_minor_locator(NullLocator())
    identity = _IDENTITIES[transformation]
    if math.isfinite(identity):
        axes.axvline(identity, color=INK, linewidth=0.8, linestyle=(0, (1, 2)))


def curve(axes: Axes, trials: Trials, *, colour: str, marker: str = "", style: str = "-") -> Artist:
    """Draw the mean over trials with its band, and the trials as thin lines where there are more.

    The band's bounds are the trials' bounds, averaged.

    Returns
    -------
    Artist
        The line, for a legend.
    """
    if len(trials) > 1:
        for points in trials.values():
            ordered = sorted(points, key=lambda point: point.magnitude)
            axes.plot(
                [point.magnitude for point in ordered],
                [point.value for point in ordered],
                color=colour,
                linewidth=0.5,
                alpha=0.6,
            )
    mean = mean_over_trials(trials)
    x, low, high = ([getattr(p, name) for p in mean] for name in ("magnitude", "low", "high"))
    if len(mean) > 1:
        axes.fill_between(x, low, high, color=colour, alpha=0.12, linewidth=0)
    else:
        axes.vlines(x, low, high, color=colour, linewidth=1.5, alpha=0.5)
    (line,) = axes.plot(
        x,
        [point.value for point in mean],
        style,
        color=colour,
        marker=marker,
        markersize=2.6,
        linewidth=1.3,
    )
    return line


def mean_over_trials(trials: Trials) -> list[Point]:
    """Return the mean of value and bounds at each magnitude, by magnitude."""
    groups: dict[float, list[Point]] = defaultdict(list)
    for points in trials.values():
        for point in points:
            groups[point.magnitude].append(point)
    return [
        Point(
            magnitude,
            fmean(p.value for p in group),
            fmean(p.low for p in group),
            fmean(p.high for p in group),
        )
        for magnitude, group in sorted(groups.items())
    ]


def dots(
    axes: Axes, points: Iterable[tuple[float, float]], *, colour: str, size: float, alpha: float
) -> None:
    """Draw many round dots as one path: thousands of points are one element of the page."""
    vertices = [vertex for vertex in points for _ in range(2)]
    if not vertices:
        return
    path = Outline(vertices, [Outline.MOVETO, Outline.LINETO] * (len(vertices) // 2))
    path.should_simplify = False  # or strokes without length would be dropped
    patch = PathPatch(
        path, fill=False, edgecolor=colour, linewidth=size, alpha=alpha, capstyle="round"
    )
    axes.add_patch(patch)


def to_svg(figure: Figure, name: str) -> str:
    """Return a figure as an element of a page: its colours, no ids that another figure has too.

    Parameters
    ----------
    figure : Figure
    name : str
        Of this figure alone, for those who do not see it. Ids are derived from it.
    """
    buffer = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": name}):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    for encoder, colour in COLOURS.items():  # which a page may set otherwise on dark ground
        if colour != INK:
            svg = svg.replace(colour.lower(), f"var(--{encoder}, {colour})")
    svg = svg.replace(INK, "currentColor")
    svg = re.sub(r'<g id="[^"]+"', "<g", svg)  # nothing refers to groups
    svg = re.sub(r'(?<= d=")[^"]+', _to_hundredths, svg)
    return svg.replace("<svg", f'<svg role="img" aria-label="{escape(name)}"', 1)


def _to_hundredths(data: re.Match[str]) -> str:
    """Return path data to a hundredth of a point, which is less than a pixel shows."""
    return re.sub(r"(\.\d\d)\d+", r"\1", data.group())

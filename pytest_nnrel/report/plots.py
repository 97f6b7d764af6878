"""Curves of the report, as SVG."""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: A point of a curve: magnitude, value, interval.
Point = tuple[float, float, tuple[float, float]]

#: Okabe and Ito's colours, told apart by colour-blind readers too; grey is the audio space's.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_AUDIO_COLOUR = "#888888"
#: Text and axes: readable on light and on dark ground.
_INK = "#7a7a7a"
_NO_SPACE = "\u200b"


def curve_figure(
    curves: Mapping[str, Sequence[Point]],
    audio: Sequence[Point],
    *,
    unit: str,
    identity: float | None,
    label: str,
) -> str:
    """Return an SVG of a measure over magnitude, one curve per encoder.

    Parameters
    ----------
    curves : dict of str to sequence of Point
        By encoder.
    audio : sequence of Point
        The audio space's, drawn grey; may be empty.
    unit : str
        Of the magnitude.
    identity : float or None
        Magnitude that changes nothing, marked where it lies on the axis.
    label : str
        Of the vertical axis.
    """
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.2, 3.0), layout="constrained")
    FigureCanvasSVG(figure)
    figure.patch.set_alpha(0.0)
    axes = figure.add_subplot()
    axes.patch.set_alpha(0.0)
    if audio:
        _draw(axes, "audio space (upper bound)", audio, _AUDIO_COLOUR, "--")
    for number, (name, points) in enumerate(sorted(curves.items())):
        _draw(axes, name, points, _COLOURS[number % len(_COLOURS)], "-")
    if identity is not None:
        axes.axvline(identity, color=_INK, linewidth=0.8, linestyle=":")
    values = [point[2][0] for points in (*curves.values(), audio) for point in points]
    axes.set_ylim(min(0.0, *values) - 0.03, 1.03)
    axes.set_xlabel(unit)
    axes.set_ylabel(label)
    axes.grid(color=_INK, alpha=0.2, linewidth=0.6)
    axes.tick_params(colors=_INK, labelcolor=_INK)
    axes.xaxis.label.set_color(_INK)
    axes.yaxis.label.set_color(_INK)
    for spine in axes.spines.values():
        spine.set_color(_INK)
    legend = axes.legend(loc="best", fontsize=8, frameon=False, labelcolor=_INK)
    legend.set_in_layout(False)
    for text in (*legend.get_texts(), axes.xaxis.label, axes.yaxis.label):
        text.set_parse_math(False)  # names are names, whatever dollars they hold
    buffer = io.StringIO()
    # Ids derived from content, not from chance, and no date: the same page for the same results.
    with (
        mpl.rc_context({"svg.hashsalt": label + unit, "svg.fonttype": "none"}),
        warnings.catch_warnings(),
    ):
        # Text is set by whoever shows the page: that our font lacks a glyph does not matter.
        warnings.simplefilter("ignore", UserWarning)
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    svg = buffer.getvalue()
    return svg[svg.index("<svg") :]


def _draw(axes: Any, name: str, points: Sequence[Point], colour: str, style: str) -> None:  # noqa: ANN401
    if name.startswith("_"):
        name = _NO_SPACE + name  # or the legend would leave it out
    ordered = sorted(points)
    x = [point[0] for point in ordered]
    axes.plot(
        x, [p[1] for p in ordered], style, color=colour, marker="o", markersize=3.5, label=name
    )
    low, high = [p[2][0] for p in ordered], [p[2][1] for p in ordered]
    if len(ordered) > 1:
        axes.fill_between(x, low, high, color=colour, alpha=0.15, linewidth=0)
    else:
        axes.vlines(x, low, high, color=colour, linewidth=1.5, alpha=0.6)

"""Curves of the measures over magnitude, as in the paper's Figures 6, 7 and 10.

They are drawn from the results of ``python -m reference_models reproduce`` that come with the
package: the paper's encoders, trained on open data, on the bundled corpus.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from reference_models.paper import drawing, results
from reference_models.paper.targets import NAMES, SYMBOLS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.artist import Artist

#: Of all that was measured, the defaults: DTW, Euclidean.
_AUDIO_DISTANCE, _LATENT_DISTANCE = "dtw", "euclidean"
#: Of a panel, in inches: three of them fill a line of text.
_WIDTH, _HEIGHT = 2.5, 2.1


@cache
def draw(measure: str) -> str:
    """Return the figure of a measure as HTML: a panel for each family, and the legend."""
    rows = [
        row
        for row in results.load(results.MEASURED).consistency
        if row.measure == measure
        and row.audio_distance in ("", _AUDIO_DISTANCE)
        and row.latent_distance in ("", _LATENT_DISTANCE)
    ]
    panels = []
    handles: dict[str, Artist] = {}
    with drawing.style():
        for transformation in results.TRANSFORMATIONS:
            panel, shown = _panel(transformation, rows, SYMBOLS[measure])
            handles |= shown
            label = drawing.TRANSFORMATION_LABELS[transformation]
            panels.append(drawing.to_svg(panel, f"{SYMBOLS[measure]} over {label}"))
        panels.append(drawing.to_svg(_legend(handles), f"Legend of the panels of {measure}"))
    return f'<div class="panels">{"".join(panels)}</div>'


def _panel(
    transformation: str, rows: list[results.Consistency], symbol: str
) -> tuple[Figure, dict[str, Artist]]:
    """Draw the curves of a family: the audio space behind, where it has any, then the encoders."""
    figure, grid = drawing.magnitude_panels(1, [transformation], height=_HEIGHT)
    figure.set_size_inches(_WIDTH, _HEIGHT)
    handles = {}
    for encoder in ("", *reversed(results.ENCODERS)):
        of_both = (encoder, transformation)
        trials = drawing.trials_of(r for r in rows if (r.encoder, r.transformation) == of_both)
        if trials:
            handles[NAMES[encoder] if encoder else "audio space, DTW"] = drawing.curve(
                grid[0, 0],
                trials,
                colour=drawing.COLOURS.get(encoder, drawing.GREY),
                marker=drawing.MARKERS.get(encoder, ""),
                style="-" if encoder else drawing.STYLES[_AUDIO_DISTANCE],
            )
    grid[0, 0].set_ylabel(symbol)
    grid[0, 0].set_ylim(-0.03, 1.03)
    return figure, handles


def _legend(handles: Mapping[str, Artist]) -> Figure:
    figure = Figure(figsize=(_WIDTH, 0.2 + 0.2 * len(handles)))
    FigureCanvasSVG(figure)
    figure.legend(list(handles.values()), list(handles), loc="center", handlelength=2.2)
    return figure

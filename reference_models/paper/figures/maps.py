"""Figures of maps by t-SNE: 9 and 14."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reference_models.errors import ReproductionError
from reference_models.paper.drawing import COLOURS, GREY, dots, panels
from reference_models.paper.figures.rows import present
from reference_models.paper.results import ENCODERS, ORIGINAL
from reference_models.paper.targets import NAMES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

    from reference_models.paper.results import MapPoint, Results


def transformed_map(results: Results) -> tuple[Drawing, str]:
    """Fig. 9."""
    if not results.maps:
        raise ReproductionError(
            "the results hold no maps of transformed clips; run the reproduction with maps"
        )
    shown = _first_trials(results.maps)
    columns = present((point.transformation for point in results.maps), "transformed clips")
    drawing, grid = panels(len(shown), len(columns), height=2.0, sharey=False, titles=columns)
    for (encoder, points), line in zip(shown.items(), grid, strict=True):
        for transformation, axes in zip(columns, line, strict=True):
            dots(axes, _xy(points, ORIGINAL), colour=GREY, size=5, alpha=0.45)
            dots(axes, _xy(points, transformation), colour=COLOURS[encoder], size=2.2, alpha=0.9)
            _plain_map(axes, points)
        line[0].set_ylabel(NAMES[encoder])
    return drawing, (
        "Each row is one map by t-SNE of all of an encoder's clips, its columns differ in which"
        " transformation is laid over it. Pale discs: originals; dots: the same clips at the"
        " smallest magnitude. Where dots lie in discs, relatives are near. Distances between maps,"
        " axes and orientation mean nothing. One training of each network."
    )


def _first_trials(points: Sequence[MapPoint]) -> dict[str, list[MapPoint]]:
    """Return the points of each encoder's first trial that there is."""
    first: dict[str, int] = {}
    for point in points:
        first[point.encoder] = min(point.trial, first.get(point.encoder, point.trial))
    return {
        name: [p for p in points if (p.encoder, p.trial) == (name, first[name])]
        for name in ENCODERS
        if name in first
    }


def _xy(points: Sequence[MapPoint], transformation: str) -> list[tuple[float, float]]:
    return [(p.x, p.y) for p in points if p.transformation == transformation]


def _plain_map(axes: Axes, points: Sequence[MapPoint]) -> None:
    """Take ticks away, and set the limits to all points, so that all panels of a map agree."""
    for values, limit in (
        ([p.x for p in points], axes.set_xlim),
        ([p.y for p in points], axes.set_ylim),
    ):
        margin = 0.05 * (max(values) - min(values)) or 1.0
        limit(min(values) - margin, max(values) + margin)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(True)
    axes.spines[:].set_color(GREY)


def vocal_map(results: Results) -> tuple[Drawing, str]:
    """Fig. 14."""
    levels = {p: p.vocal_db for p in results.vocal_maps if p.vocal_db is not None}
    if not levels:
        raise ReproductionError(
            "the results hold no map of clips whose voice's level is known; run the reproduction"
            " with the test set of the task VS"
        )
    shown = _first_trials(list(levels))
    drawing, grid = panels(1, max(2, len(shown)), height=3.6, sharey=False)
    for axes in grid[0, len(shown) :]:
        axes.set_axis_off()
    for (encoder, points), axes in zip(shown.items(), grid[0], strict=False):
        drawn = axes.scatter(
            [p.x for p in points],
            [p.y for p in points],
            c=[levels[p] for p in points],
            cmap="viridis",
            vmin=min(levels.values()),
            vmax=max(levels.values()),
            s=12,
            linewidths=0,
        )
        _plain_map(axes, points)
        axes.set_title(NAMES[encoder])
    bar = drawing.colorbar(drawn, ax=grid[0].tolist(), shrink=0.9, aspect=30, pad=0.01)
    bar.set_label("level of the voice (RMS, dB of full scale)")
    bar.outline.set_visible(False)
    return drawing, "Each point is a mixture of 2 s."

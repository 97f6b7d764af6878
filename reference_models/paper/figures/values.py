"""Figures of values by encoder: 5, 8, 11, 12 and 13."""

from __future__ import annotations

import itertools
from statistics import median
from typing import TYPE_CHECKING

from matplotlib.lines import Line2D

from reference_models.errors import ReproductionError
from reference_models.paper.analysis import (
    VARIANTS,
    consistency_model,
    consistency_rows,
    originals_rows,
    performance_model,
    standardised_performance,
)
from reference_models.paper.drawing import COLOURS, GREY, INK, MARKERS, legend, panels
from reference_models.paper.results import ENCODERS, ORIGINAL, PAPER_TASKS, select
from reference_models.paper.targets import MEANS, NAMES, PERFORMANCE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

    from reference_models.paper.gam import Estimate
    from reference_models.paper.results import Consistency, Performance, Results
    from reference_models.paper.targets import Variant

#: Points of Fig. 12, by transformation and direction.
_DIRECTIONS = {
    ORIGINAL: "*",
    "PS−": "v",
    "PS+": "^",
    "TS−": "<",
    "TS+": ">",
    "PN": "o",
    "EN": "s",
    "MP": "D",
}
_MEANS_NOTE = "Filled: estimated marginal means here, with 95 % intervals. Open: the paper's."
_PAPER = "the paper's, ± 1.96 s.e. where it gives one"


def performance_means(results: Results) -> tuple[Drawing, str]:
    """Fig. 5."""
    model = performance_model(results)
    drawing, grid = panels(1, 1, height=2.6)
    axes = grid[0, 0]
    handles: dict[str, Artist] = {}
    for place, task in enumerate(("", *PAPER_TASKS)):
        for encoder, x in (("vgg", place - 0.08), ("mfcc", place + 0.08)):
            fixed = {"task": task} if task else {}
            estimate = model.mean(**fixed, encoder=encoder)
            name = encoder if encoder == "mfcc" or not task else task
            point = _estimate_mark(axes, x, estimate, name)
            if not task:
                handles[NAMES[encoder]] = point
                handles |= _paper_mark(axes, x, PERFORMANCE, encoder)
    axes.axhline(0, color=GREY, linewidth=0.6)
    names = ["all tasks", *(NAMES[task] for task in PAPER_TASKS)]
    axes.set_xticks(range(len(names)), names)
    axes.grid(visible=False, axis="x")
    axes.set_ylabel("performance (s.d. within the task)")
    legend(drawing, handles)
    return drawing, f"{_MEANS_NOTE} {model.error_term}"


def within_means(results: Results) -> tuple[Drawing, str]:
    """Fig. 8."""
    return _marginal_means(results, [VARIANTS["within"]])


def between_means(results: Results) -> tuple[Drawing, str]:
    """Fig. 11."""
    return _marginal_means(results, [VARIANTS["accuracy"], VARIANTS["rho"]])


def _marginal_means(results: Results, variants: Sequence[Sequence[Variant]]) -> tuple[Drawing, str]:
    """Draw a panel for each variant, a mean for each encoder, the paper's beside it."""
    drawing, grid = panels(len(variants), len(variants[0]), height=2.2)
    handles: dict[str, Artist] = {}
    errors: dict[str, None] = {}  # each once, in order
    for variant, axes in zip(itertools.chain(*variants), grid.flat, strict=True):
        model = consistency_model(results, variant)
        errors[model.error_term] = None
        for place, encoder in enumerate(ENCODERS):
            if encoder in model.levels["encoder"]:
                estimate = model.mean(encoder=encoder)
                _estimate_mark(axes, place - 0.08, estimate, encoder)
            handles |= _paper_mark(axes, place + 0.12, variant, encoder)
        _encoder_axis(axes, ENCODERS)
        axes.set_title(str(variant))
    for line in grid:
        low, high = line[0].get_ylim()
        line[0].set_ylim(min(0.0, low), max(1.03, high))
    legend(drawing, handles)
    return drawing, f"{_MEANS_NOTE} {' '.join(errors)}"


def _paper_mark(axes: Axes, x: float, variant: Variant, encoder: str) -> dict[str, Artist]:
    """Draw what the paper reports of an encoder, if it does."""
    handles: dict[str, Artist] = {}
    for mean in MEANS:
        if (mean.variant, mean.encoder) == (variant, encoder):
            reach = 1.96 * (mean.error or 0.0)
            axes.vlines(x, mean.value - reach, mean.value + reach, color=GREY, linewidth=1.4)
            (handles[_PAPER],) = axes.plot(
                [x],
                [mean.value],
                color=GREY,
                marker="d",
                markersize=6,
                markerfacecolor="none",
                linestyle="none",
            )
    return handles


def _estimate_mark(axes: Axes, x: float, estimate: Estimate, name: str) -> Artist:
    return _whisker(axes, x, (estimate.mean, estimate.low, estimate.high), name)


def smallest_magnitudes(results: Results) -> tuple[Drawing, str]:
    """Fig. 12."""
    if not any(row.smallest for row in results.consistency):
        raise ReproductionError(
            "the results hold none of the paper's smallest magnitudes; run the reproduction with"
            " them"
        )
    lines = (VARIANTS["within"], VARIANTS["accuracy"], VARIANTS["rho"])
    drawing, grid = panels(len(lines), len(lines[-1]), height=2.1, sharey=False)
    handles = _small_performances(grid[0, 0], results)
    for place, variants in enumerate(lines):
        line = grid[place, 1:] if place == 0 else grid[place]
        for variant, axes in zip(variants, line, strict=False):
            rows = [row for row in consistency_rows(results, variant) if row.smallest]
            handles |= _strip(axes, {name: select(rows, encoder=name) for name in ENCODERS})
            axes.set_title(str(variant))
            axes.set_ylim(min([0.0, *(row.value for row in rows)]) - 0.05, 1.05)
    grid[0, -1].set_axis_off()
    order = list(_DIRECTIONS)
    legend(drawing, dict(sorted(handles.items(), key=lambda item: order.index(item[0]))))
    caption = (
        "A point for each transformation, direction and training, at the paper's smallest"
        " magnitude; the bar is their median."
    )
    if results.performance:
        caption += (
            " Performance is standardised within the task, MSE reversed; that of MFCC is of its"
            " heads for all tasks, and stars are the originals (OG)."
        )
    return drawing, caption


def _small_performances(axes: Axes, results: Results) -> dict[str, Artist]:
    """Draw the first panel of Fig. 12, or nothing where no performance was measured."""
    if not results.performance:
        axes.set_axis_off()
        return {}
    rows = [
        row
        for row in standardised_performance(results)
        if row.smallest or row.transformation == ORIGINAL
    ]
    axes.set_title(f"{PERFORMANCE} (s.d.)")
    return _strip(
        axes,
        {
            name: [r for r in rows if name == (r.task if r.encoder == "vgg" else r.encoder)]
            for name in ENCODERS
        },
    )


def _strip(
    axes: Axes, groups: Mapping[str, Sequence[Consistency | Performance]]
) -> dict[str, Artist]:
    """Draw single values by encoder, and the median of those of transformed clips."""
    handles: dict[str, Artist] = {}
    shift = {name: (i - (len(_DIRECTIONS) - 1) / 2) * 0.1 for i, name in enumerate(_DIRECTIONS)}
    for place, (name, rows) in enumerate(groups.items()):
        for direction, marker in _DIRECTIONS.items():
            values = [row.value for row in rows if _direction(row) == direction]
            if values:
                axes.scatter(
                    [place + shift[direction]] * len(values),
                    values,
                    s=14,
                    marker=marker,
                    facecolor=COLOURS[name],
                    edgecolor="none",
                    alpha=0.8,
                )
                handles[direction] = Line2D(
                    [], [], color=INK, marker=marker, markersize=4, linestyle="none"
                )
        values = [row.value for row in rows if row.transformation != ORIGINAL]
        if values:
            axes.hlines(
                median(values), place - 0.4, place + 0.4, color=COLOURS[name], linewidth=1.4
            )
    _encoder_axis(axes, list(groups))
    return handles


def _encoder_axis(axes: Axes, encoders: Sequence[str]) -> None:
    axes.set_xticks(range(len(encoders)), [NAMES[name] for name in encoders])
    axes.set_xlim(-0.6, len(encoders) - 0.4)
    axes.grid(visible=False, axis="x")


def _direction(row: Consistency | Performance) -> str:
    if row.transformation in _DIRECTIONS:
        return row.transformation
    return row.transformation + ("−" if row.severity < 0 else "+")


def originals_alone(results: Results) -> tuple[Drawing, str]:
    """Fig. 13."""
    if not results.originals:
        raise ReproductionError(
            "the results hold no C_rho of the originals alone; run the reproduction with it"
        )
    pairs = VARIANTS["rho"]
    drawing, grid = panels(1, len(pairs), height=2.2)
    for variant, axes in zip(pairs, grid[0], strict=True):
        for place, encoder in enumerate(ENCODERS):
            rows = originals_rows(results, variant, encoder)
            for number, row in enumerate(rows):
                x = place + (number - (len(rows) - 1) / 2) * 0.12
                _whisker(axes, x, (row.value, row.low, row.high), encoder)
        _encoder_axis(axes, ENCODERS)
        axes.set_title(str(variant))
    grid[0, 0].set_ylim(min(0.0, *(row.low for row in results.originals)) - 0.03, 1.03)
    clips = max(row.clips for row in results.originals)
    return drawing, (
        f"A point for each training, with its 95 % interval over {clips} clips; no transformation"
        " takes part."
    )


def _whisker(axes: Axes, x: float, estimate: tuple[float, float, float], name: str) -> Artist:
    """Draw a value with its interval in an encoder's colour."""
    value, low, high = estimate
    axes.vlines(x, low, high, color=COLOURS[name], linewidth=1.4)
    (point,) = axes.plot(
        [x], [value], color=COLOURS[name], marker=MARKERS[name], markersize=4.5, linestyle="none"
    )
    return point

"""Figures 4 to 14 of the paper, drawn from the rows of a reproduction.

Each is drawn from whatever part of the experiment was run: any number of trials, magnitudes and
encoders. Where a part is missing as a whole, its figure says what is missing.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from statistics import fmean, median
from typing import TYPE_CHECKING

from matplotlib.lines import Line2D

from pytest_nnrel.runtime.progress import progress
from reference_models.checkpoint import BASELINE
from reference_models.errors import ReproductionError
from reference_models.paper.analysis import (
    VARIANTS,
    consistency_model,
    consistency_rows,
    performance_model,
    standardised_performance,
)
from reference_models.paper.drawing import (
    COLOURS,
    GREY,
    INK,
    MARKERS,
    STYLES,
    curve,
    dots,
    legend,
    magnitude_panels,
    panels,
    style,
    to_svg,
    trials_of,
)
from reference_models.paper.results import (
    AUDIO_DISTANCES,
    ENCODERS,
    ORIGINAL,
    PAPER_TASKS,
    TRANSFORMATIONS,
    Consistency,
    MapPoint,
    Performance,
    Results,
)
from reference_models.paper.targets import (
    ACCURACY_SIMPLE_COSINE,
    MEANS,
    NAMES,
    PERFORMANCE,
    RHO_DTW_EUCLIDEAN,
)
from reference_models.task import task_named

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

    from reference_models.paper.gam import Estimate
    from reference_models.paper.targets import Variant

#: Between-space consistencies whose models section 5.3 reports, and the others.
_REPORTED = (ACCURACY_SIMPLE_COSINE, RHO_DTW_EUCLIDEAN)
_OTHERS = tuple(
    variant
    for measure in ("accuracy", "rho")
    for variant in VARIANTS[measure]
    if variant not in _REPORTED
)
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


@dataclass(frozen=True)
class Figure:
    """A figure of the paper, drawn anew, or the reason why it is not.

    Attributes
    ----------
    number : str
        The paper's.
    title : str
    svg : str
        An ``<svg>`` element; empty where the figure could not be drawn.
    caption : str
        What is drawn; where nothing is, what is missing.
    paper : str
        What the paper's figure shows, and which of its numbers can be compared.
    folded : bool
        Whether it only completes the one before.
    """

    number: str
    title: str
    svg: str
    caption: str
    paper: str
    folded: bool = False


def draw(results: Results) -> list[Figure]:
    """Return Figures 4 to 14, in the paper's order.

    Parameters
    ----------
    results : Results

    Returns
    -------
    list of Figure
        All of them: one whose rows `results` lacks has no drawing, and says so.
    """
    recipes = progress(_RECIPES, len(_RECIPES), "drawing", "figure")
    return [_draw(recipe, results) for recipe in recipes]


@dataclass(frozen=True)
class _Recipe:
    number: str
    title: str
    paper: str
    draw: Callable[[Results], tuple[Drawing, str]]
    folded: bool = False


def _draw(recipe: _Recipe, results: Results) -> Figure:
    svg = ""
    try:
        with style():
            drawing, caption = recipe.draw(results)
            svg = to_svg(drawing, f"Figure {recipe.number}: {recipe.title}")
    except ReproductionError as error:
        caption = f"Not drawn: {error}"
    return Figure(recipe.number, recipe.title, svg, caption, recipe.paper, recipe.folded)


def _present(transformations: Iterable[str], what: str) -> list[str]:
    """Return those of the paper's transformations that there are, in its order."""
    found = set(transformations)
    ordered = [name for name in TRANSFORMATIONS if name in found]
    if not ordered:
        raise ReproductionError(f"the results hold no {what}; run the reproduction with it")
    return ordered


def _select(rows: Iterable[Consistency], **wanted: str | bool) -> list[Consistency]:
    return [row for row in rows if all(getattr(row, k) == v for k, v in wanted.items())]


def _trainings(rows: Iterable[Consistency | Performance]) -> int:
    return len({row.trial for row in rows if row.encoder not in ("", BASELINE)})


def _trainings_note(rows: Sequence[Consistency | Performance]) -> str:
    trainings = _trainings(rows)
    if trainings > 1:
        return f"Thick: mean over {trainings} trainings of each network; thin: each training."
    return "One training of each network."


def _bands_note(rows: Sequence[Consistency]) -> str:
    clips = " or ".join(str(n) for n in sorted({row.clips for row in rows}))
    averaged = ", averaged over trainings" if _trainings(rows) > 1 else ""
    return f"Bands: 95 % intervals over {clips} clips{averaged}."


# Curves over magnitude


def _task_performance(results: Results) -> tuple[Drawing, str]:
    """Fig. 4."""
    columns = _present((r.transformation for r in results.performance), "task performance")
    tasks = [task for task in PAPER_TASKS if any(row.task == task for row in results.performance)]
    drawing, grid = magnitude_panels(len(tasks), columns, height=1.75)
    handles: dict[str, Artist] = {}
    for task, line in zip(tasks, grid, strict=True):
        rows = [row for row in results.performance if row.task == task]
        line[0].set_ylabel(f"{NAMES[task]}: {task_named(task).axis}")
        for encoder in ("vgg", "mfcc"):
            name = task if encoder == "vgg" else "mfcc"
            own = [row for row in rows if row.encoder == encoder]
            originals = [row.value for row in own if row.transformation == ORIGINAL]
            for transformation, axes in zip(columns, line, strict=True):
                shown = [row for row in own if row.transformation == transformation]
                if shown:
                    label = NAMES["mfcc"] if encoder == "mfcc" else f"{NAMES[task]}, VGG"
                    handles[label] = curve(
                        axes, trials_of(shown), colour=COLOURS[name], marker=MARKERS[name]
                    )
                if originals:
                    axes.axhline(
                        fmean(originals), color=COLOURS[name], linewidth=0.9, linestyle=":"
                    )
    legend(drawing, handles)
    return drawing, (
        "Scores on the tasks' own test clips. Horizontal dots: the originals."
        f" {_trainings_note(results.performance)}"
    )


def _audio_consistency(results: Results) -> tuple[Drawing, str]:
    """Fig. 6."""
    rows = _select(results.consistency, encoder="", measure="within")
    columns = _present((row.transformation for row in rows), "C_W of the audio space")
    drawing, grid = magnitude_panels(1, columns, height=2.3)
    handles: dict[str, Artist] = {}
    for transformation, axes in zip(columns, grid[0], strict=True):
        handles |= _audio_curves(axes, rows, transformation, colour=INK)
    grid[0, 0].set_ylabel("C_W")
    grid[0, 0].set_ylim(-0.03, 1.03)
    legend(drawing, handles)
    return drawing, _bands_note(rows)


def _audio_curves(
    axes: Axes, rows: Sequence[Consistency], transformation: str, *, colour: str
) -> dict[str, Artist]:
    handles: dict[str, Artist] = {}
    for audio in AUDIO_DISTANCES:
        shown = _select(rows, transformation=transformation, audio_distance=audio)
        if shown:
            handles[f"audio space, {NAMES[audio]}"] = curve(
                axes, trials_of(shown), colour=colour, style=STYLES[audio]
            )
    return handles


def _latent_consistency(results: Results) -> tuple[Drawing, str]:
    """Fig. 7."""
    audio = _select(results.consistency, encoder="", measure="within")
    drawing, note = _consistency_curves(results, VARIANTS["within"], behind=audio)
    chance = 1 / results.corpus["clips"]
    return drawing, (
        f"{note} Grey: the same clips compared as audio. By chance an encoder reaches {chance:.2g}."
    )


def _consistency_curves(
    results: Results, variants: Sequence[Variant], behind: Sequence[Consistency] = ()
) -> tuple[Drawing, str]:
    """Draw a line of panels for each variant, a curve for each encoder, in front of the audio's."""
    rows = [row for variant in variants for row in consistency_rows(results, variant)]
    columns = _present((row.transformation for row in rows), "consistency under transformations")
    drawing, grid = magnitude_panels(len(variants), columns, height=2.1)
    handles: dict[str, Artist] = {}
    for variant, line in zip(variants, grid, strict=True):
        own = consistency_rows(results, variant)
        for transformation, axes in zip(columns, line, strict=True):
            handles |= _audio_curves(axes, behind, transformation, colour=GREY)
            handles |= _encoder_curves(axes, _select(own, transformation=transformation))
        line[0].set_ylabel(str(variant))
        line[0].set_ylim(min([0.0, *(row.low for row in own)]) - 0.03, 1.03)
    legend(drawing, handles)
    return drawing, f"{_trainings_note(rows)} {_bands_note(rows)}"


def _encoder_curves(axes: Axes, rows: Sequence[Consistency]) -> dict[str, Artist]:
    handles: dict[str, Artist] = {}
    for encoder in ENCODERS:
        own = _select(rows, encoder=encoder)
        if own:
            handles[NAMES[encoder]] = curve(
                axes, trials_of(own), colour=COLOURS[encoder], marker=MARKERS[encoder]
            )
    return handles


def _reported_pairs(results: Results) -> tuple[Drawing, str]:
    """Fig. 10."""
    return _consistency_curves(results, _REPORTED)


def _other_pairs(results: Results) -> tuple[Drawing, str]:
    """Complete Fig. 10."""
    return _consistency_curves(results, _OTHERS)


# Values by encoder


def _performance_means(results: Results) -> tuple[Drawing, str]:
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


def _within_means(results: Results) -> tuple[Drawing, str]:
    """Fig. 8."""
    return _marginal_means(results, [VARIANTS["within"]])


def _between_means(results: Results) -> tuple[Drawing, str]:
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


def _smallest_magnitudes(results: Results) -> tuple[Drawing, str]:
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
            handles |= _strip(axes, {name: _select(rows, encoder=name) for name in ENCODERS})
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


def _originals(results: Results) -> tuple[Drawing, str]:
    """Fig. 13."""
    if not results.originals:
        raise ReproductionError(
            "the results hold no C_rho of the originals alone; run the reproduction with it"
        )
    pairs = VARIANTS["rho"]
    drawing, grid = panels(1, len(pairs), height=2.2)
    for variant, axes in zip(pairs, grid[0], strict=True):
        for place, encoder in enumerate(ENCODERS):
            wanted = (encoder, variant.audio_distance, variant.latent_distance)
            rows = [
                row
                for row in results.originals
                if (row.encoder, row.audio_distance, row.latent_distance) == wanted
            ]
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


# Maps


def _transformed_map(results: Results) -> tuple[Drawing, str]:
    """Fig. 9."""
    if not results.maps:
        raise ReproductionError(
            "the results hold no maps of transformed clips; run the reproduction with maps"
        )
    shown = _first_trials(results.maps)
    columns = _present((point.transformation for point in results.maps), "transformed clips")
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


def _vocal_map(results: Results) -> tuple[Drawing, str]:
    """Fig. 14."""
    shown = _first_trials(results.vocal_maps)
    known = [p.vocal_db for p in results.vocal_maps if p.vocal_db is not None]
    if not known:
        raise ReproductionError(
            "the results hold no map of clips whose voice's level is known; run the reproduction"
            " with the test set of the task VS"
        )
    drawing, grid = panels(1, max(2, len(shown)), height=3.6, sharey=False)
    for axes in grid[0, len(shown) :]:
        axes.set_axis_off()
    for (encoder, points), axes in zip(shown.items(), grid[0], strict=False):
        silent = [(p.x, p.y) for p in points if p.vocal_db is None]
        dots(axes, silent, colour=GREY, size=3, alpha=0.5)
        voiced = [p for p in points if p.vocal_db is not None]
        drawn = axes.scatter(
            [p.x for p in voiced],
            [p.y for p in voiced],
            c=[p.vocal_db for p in voiced],
            cmap="viridis",
            vmin=min(known),
            vmax=max(known),
            s=12,
            linewidths=0,
        )
        _plain_map(axes, points)
        axes.set_title(NAMES[encoder])
    bar = drawing.colorbar(drawn, ax=grid[0].tolist(), shrink=0.9, aspect=30, pad=0.01)
    bar.set_label("level of the voice (RMS, dB of full scale)")
    bar.outline.set_visible(False)
    return (
        drawing,
        "Each point is a mixture of 2 s; grey ones have a voice of unknown level, or none.",
    )


_RECIPES = (
    _Recipe(
        "4",
        "Performance on the tasks, by transformation and magnitude",
        "Fig. 4 shows the same on the paper's test sets: scores fall as noise is added, except AE,"
        " which improves as environmental noise grows. Directions can be compared; values belong to"
        " other test sets.",
        _task_performance,
    ),
    _Recipe(
        "5",
        "Standardised performance, by task",
        "Fig. 5, of which section 5.1 gives the two means over all tasks: VGG .84 ± .008, MFCC"
        " −.52 ± .009. Both are drawn.",
        _performance_means,
    ),
    _Recipe(
        "6",
        "C_W in the audio space",
        "Fig. 6: near 1 at the smallest magnitudes, falling with magnitude, TS least and DTW under"
        " TS least of all. C_W grows as clips get fewer: the paper's 1,000 are harder.",
        _audio_consistency,
    ),
    _Recipe(
        "7",
        "C_W in the latent spaces",
        "Fig. 7 shows the same curves, below the audio space's. Their marginal means are the"
        " numbers to compare: Fig. 8.",
        _latent_consistency,
    ),
    _Recipe(
        "8",
        "Marginal means of C_W in the latent spaces",
        "Fig. 8. Its Euclidean means are given in section 5.2, and drawn: compare them. C_W depends"
        " on the number of clips, so that their order says more than their size.",
        _within_means,
    ),
    _Recipe(
        "9",
        "Originals and their smallest transformations, by t-SNE",
        "Fig. 9: transformed clips coincide with originals for MFCC, and form clusters of their own"
        " for AE and VS. No number is printed with it; claim 8 has a statistic of ours.",
        _transformed_map,
    ),
    _Recipe(
        "10",
        "C_acc and C_rho, with the distances of the paper's models",
        "Fig. 10: C_acc is high again at grave magnitudes, where both spaces fail together; C_rho"
        " is led by MFCC and hardly changes with magnitude. Marginal means: Fig. 11.",
        _reported_pairs,
    ),
    _Recipe(
        "10",
        "C_acc and C_rho, with the other pairs of distances",
        "The paper found very similar results with all pairs (section 5.3).",
        _other_pairs,
        folded=True,
    ),
    _Recipe(
        "11",
        "Marginal means of C_acc and C_rho",
        "Fig. 11. Section 5.3 gives means of C_acc with SiMPle and cosine (three of the five) and"
        " of C_rho with DTW and Euclidean; they are drawn: compare them.",
        _between_means,
    ),
    _Recipe(
        "12",
        "The smallest magnitudes",
        "Fig. 12: medians of C_W near 1 for MFCC, AT and IR, much lower for VS and AE; pitch shift"
        " hurts most. C_acc looks like C_W, since the audio space hardly fails; C_rho is low for"
        " all networks.",
        _smallest_magnitudes,
    ),
    _Recipe(
        "13",
        "C_rho on the originals alone",
        "Fig. 13 ranks encoders as C_rho under transformation does. No number is printed with it.",
        _originals,
    ),
    _Recipe(
        "14",
        "Mixtures by t-SNE of VS, and how loud their voice is",
        "Fig. 14 A: points lie in order of the voice's loudness. Its panel B, by song, is not drawn"
        " here. No number is printed with it; claim 9 has a statistic of ours.",
        _vocal_map,
    ),
)

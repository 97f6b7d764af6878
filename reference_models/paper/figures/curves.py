"""Figures of curves over magnitude: 4, 6, 7 and 10."""

from __future__ import annotations

from statistics import fmean
from typing import TYPE_CHECKING

from reference_models.paper.analysis import VARIANTS, consistency_rows
from reference_models.paper.drawing import (
    COLOURS,
    GREY,
    INK,
    MARKERS,
    STYLES,
    curve,
    legend,
    magnitude_panels,
    trials_of,
)
from reference_models.paper.figures.rows import bands_note, present, trainings_note
from reference_models.paper.results import (
    AUDIO_DISTANCES,
    ENCODERS,
    ORIGINAL,
    PAPER_TASKS,
    select,
)
from reference_models.paper.targets import ACCURACY_SIMPLE_COSINE, NAMES, RHO_DTW_EUCLIDEAN
from reference_models.task import task_named

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

    from reference_models.paper.results import Consistency, Results
    from reference_models.paper.targets import Variant

#: Between-space consistencies whose models section 5.3 reports, and the others.
_REPORTED = (ACCURACY_SIMPLE_COSINE, RHO_DTW_EUCLIDEAN)
_OTHERS = tuple(
    variant
    for measure in ("accuracy", "rho")
    for variant in VARIANTS[measure]
    if variant not in _REPORTED
)


def task_performance(results: Results) -> tuple[Drawing, str]:
    """Fig. 4."""
    columns = present((r.transformation for r in results.performance), "task performance")
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
        f" {trainings_note(results.performance)}"
    )


def audio_consistency(results: Results) -> tuple[Drawing, str]:
    """Fig. 6."""
    rows = select(results.consistency, encoder="", measure="within")
    columns = present((row.transformation for row in rows), "C_W of the audio space")
    drawing, grid = magnitude_panels(1, columns, height=2.3)
    handles: dict[str, Artist] = {}
    for transformation, axes in zip(columns, grid[0], strict=True):
        handles |= _audio_curves(axes, rows, transformation, colour=INK)
    grid[0, 0].set_ylabel("C_W")
    grid[0, 0].set_ylim(-0.03, 1.03)
    legend(drawing, handles)
    return drawing, bands_note(rows)


def _audio_curves(
    axes: Axes, rows: Sequence[Consistency], transformation: str, *, colour: str
) -> dict[str, Artist]:
    handles: dict[str, Artist] = {}
    for audio in AUDIO_DISTANCES:
        shown = select(rows, transformation=transformation, audio_distance=audio)
        if shown:
            handles[f"audio space, {NAMES[audio]}"] = curve(
                axes, trials_of(shown), colour=colour, style=STYLES[audio]
            )
    return handles


def latent_consistency(results: Results) -> tuple[Drawing, str]:
    """Fig. 7."""
    audio = select(results.consistency, encoder="", measure="within")
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
    columns = present((row.transformation for row in rows), "consistency under transformations")
    drawing, grid = magnitude_panels(len(variants), columns, height=2.1)
    handles: dict[str, Artist] = {}
    for variant, line in zip(variants, grid, strict=True):
        own = consistency_rows(results, variant)
        for transformation, axes in zip(columns, line, strict=True):
            handles |= _audio_curves(axes, behind, transformation, colour=GREY)
            handles |= _encoder_curves(axes, select(own, transformation=transformation))
        line[0].set_ylabel(str(variant))
        line[0].set_ylim(min([0.0, *(row.low for row in own)]) - 0.03, 1.03)
    legend(drawing, handles)
    return drawing, f"{trainings_note(rows)} {bands_note(rows)}"


def _encoder_curves(axes: Axes, rows: Sequence[Consistency]) -> dict[str, Artist]:
    handles: dict[str, Artist] = {}
    for encoder in ENCODERS:
        own = select(rows, encoder=encoder)
        if own:
            handles[NAMES[encoder]] = curve(
                axes, trials_of(own), colour=COLOURS[encoder], marker=MARKERS[encoder]
            )
    return handles


def reported_pairs(results: Results) -> tuple[Drawing, str]:
    """Fig. 10."""
    return _consistency_curves(results, _REPORTED)


def other_pairs(results: Results) -> tuple[Drawing, str]:
    """Complete Fig. 10."""
    return _consistency_curves(results, _OTHERS)

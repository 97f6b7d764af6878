"""What studies found, as pages have it: the worst case, training on, and longer training."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure

from docs.real_encoders import panel_of, table
from pytest_nnrel import PinkNoise, PitchShift, quick_grid
from pytest_nnrel.transforms import parse_transform
from reference_models import checkpoint
from reference_models.paper import drawing, results
from reference_models.paper.analysis import consistency_rows
from reference_models.paper.targets import NAMES, WITHIN_EUCLIDEAN
from reference_models.task import task_named

if TYPE_CHECKING:
    from collections.abc import Iterable

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
#: Ways to train on, in the order of the tables.
_WAYS = (
    "shipped",
    "plain",
    "augmentation",
    "stability",
    "contrastive",
    "longer",
    "vicreg",
    "attacks",
)
#: Of a panel of losses, in inches.
_CURVE = (2.3, 1.8)
#: What training saw of the quick grid.
_SEEN = (PitchShift, PinkNoise)


def _stored(name: str) -> dict[str, Any]:
    known: dict[str, Any] = json.loads((BENCHMARKS / name).read_text(encoding="utf-8"))
    return known


def _task_of(encoder: str) -> str:
    """Return the task of a reference encoder: ``"at"`` of ``"at-long"``."""
    return encoder.partition("-")[0]


def _label(encoder: str) -> str:
    """Return how readers know a reference encoder."""
    name = NAMES[_task_of(encoder)]
    return f"{name}, trained longer" if encoder.endswith("-long") else name


def _worst_case() -> dict[str, Any]:
    """Return what was measured of encoders at all ratios."""
    encoders = _stored("worst_case.json")["encoders"]
    most = max(map(len, encoders.values()))
    return {name: of for name, of in encoders.items() if len(of) == most}


def worst_case_clips() -> str:
    """Return of how many clips the worst case is."""
    return str(_stored("worst_case.json")["clips"])


def worst_case_table() -> str:
    """Return C_W under attacks, and in brackets under random noise of the same energy."""
    encoders = _worst_case()
    ratios = list(next(iter(encoders.values())))
    rows = [
        [_label(name), *(f"{of[r]['attacked'][0]:.2f} ({of[r]['noise'][0]:.2f})" for r in ratios)]
        for name, of in encoders.items()
    ]
    return table(["", *(f"{ratio} dB" for ratio in ratios)], rows)


def worst_case_curves() -> str:
    """Return C_W over the ratio as HTML: a panel an encoder, attacks solid and noise dotted."""
    panels = []
    with drawing.style():
        for name, of in _worst_case().items():
            panel = _panel(_label(name), name, of)
            panels.append(drawing.to_svg(panel, f"C_W of {_label(name)} under attacks and noise"))
    return f'<div class="panels" data-search-exclude>{"".join(panels)}</div>'


def _panel(title: str, name: str, found: dict[str, Any]) -> Figure:
    ratios = list(found)
    figure, axes = panel_of(ratios, f"{title}: dB SNR")
    for kind, style in (("noise", ":"), ("attacked", "-")):
        points = [drawing.Point(i, *found[ratio][kind]) for i, ratio in enumerate(ratios)]
        colour = drawing.COLOURS[_task_of(name)]
        drawing.curve(axes, {0: points}, colour=colour, marker="o", style=style)
    return figure


def _ways(encoder: str) -> dict[str, list[dict[str, Any]]]:
    """Return what was found of each way to train an encoder on, of each seed."""
    found: dict[str, list[dict[str, Any]]] = {way: [] for way in _WAYS}
    for way, of in found.items():
        for path in sorted((BENCHMARKS / "cure").glob(f"{encoder}-{way}*.json")):
            of.append(_stored(f"cure/{path.name}"))
    return {way: of for way, of in found.items() if of}


def cure_table(encoder: str) -> str:
    """Return what training on gained and cost, means over seeds and their standard deviation."""
    ways = _ways(encoder)
    conditions = ways["shipped"][0]["within"]
    seen = [name for name in conditions if isinstance(parse_transform(name), _SEEN)]
    unseen = [name for name in conditions if name not in seen]
    heads = ["trained on", "seeds", "mean C_W", "seen: pitch, pink noise", "unseen", "C_rho"]
    heads += ["C_W under attack", "pitch told, R2", task_named(_task_of(encoder)).measure]
    rows = [
        [
            way,
            str(len(of)) if way != "shipped" else "",
            _told(fmean(one["within"].values()) for one in of),
            _told(fmean(one["within"][n] for n in seen) for one in of),
            _told(fmean(one["within"][n] for n in unseen) for one in of),
            _told(fmean(one["rho"].values()) for one in of),
            _told(one["attacked"] for one in of),
            _told(one["pitch told (R2)"] for one in of),
            _told(one["score"] for one in of),
        ]
        for way, of in ways.items()
    ]
    return table(heads, rows)


def cure_conditions(encoder: str) -> str:
    """Return C_W by condition, means over seeds."""
    ways = _ways(encoder)
    rows = []
    for condition in ways["shipped"][0]["within"]:
        values = [[one["within"][condition] for one in of] for of in ways.values()]
        told = "seen" if isinstance(parse_transform(condition), _SEEN) else ""
        rows.append([f"`{condition}`", told, *(f"{fmean(of):.3f}" for of in values)])
    return table(["", "", *ways], rows)


def _trainings(folder: Path, task: str) -> list[dict[str, Any]]:
    """Return recipe, scores and curves of each trial of a task's network."""
    return list(checkpoint.trials_in(folder)[f"{task}-vgg"].values())


def trained_curves() -> str:
    """Return validation losses over the clips seen as HTML: brief trainings dotted, long solid."""
    shown = []
    with drawing.style():
        for task in results.PAPER_TASKS:
            figure = Figure(figsize=_CURVE, layout="constrained")
            axes = figure.subplots()
            for folder, style in ((checkpoint.BRIEF, ":"), (checkpoint.LONG, "-")):
                for of in _trainings(folder, task):
                    losses = [epoch["validation_loss"] for epoch in of["curves"]]
                    each = checkpoint.epoch_clips(of) / 1_000
                    seen = [each * (i + 1) for i in range(len(losses))]
                    axes.plot(seen, losses, style, color=drawing.COLOURS[task], linewidth=1)
            axes.set(xlabel="clips seen, thousands", title=f"{NAMES[task]}: validation loss")
            axes.set_ylim(bottom=0)
            title = f"Validation loss of {NAMES[task]} over the clips that it has seen"
            shown.append(drawing.to_svg(figure, title))
    return f'<div class="panels" data-search-exclude>{"".join(shown)}</div>'


def _brief_on_quick_grid(measured: results.Results, encoder: str) -> dict[int, list[float]]:
    """Return C_W under each of the quick grid, by trial, of an encoder that was trained briefly."""
    rows = results.select(consistency_rows(measured, WITHIN_EUCLIDEAN), encoder=encoder)
    found = {(row.trial, row.transformation, row.magnitude): row.value for row in rows}
    return {
        trial: [found[trial, t.symbol, float(t.magnitude)] for t in quick_grid()]
        for trial in sorted({row.trial for row in rows})
    }


def trained_table() -> str:
    """Return C_W of the quick grid, and the task's score, after brief and after long training."""
    measured = results.load(results.MEASURED)
    heads, columns = [""], []
    for task in results.PAPER_TASKS:
        trials = _brief_on_quick_grid(measured, task).values()
        brief = [*zip(*trials), [fmean(trial) for trial in trials]]
        first, longer = (_stored(f"cure/{task}{of}-shipped.json") for of in ("", "-long"))
        within = longer["within"]
        long = [[within[transform.name]] for transform in quick_grid()]
        long.append([fmean(within.values())])
        for values, folder, once in (
            (brief, checkpoint.BRIEF, first),
            (long, checkpoint.LONG, longer),
        ):
            values.append([of["scores"]["test"]["value"] for of in _trainings(folder, task)])
            of_one = fmean(once["rho"].values()), once["attacked"], once["pitch told (R2)"]
            values.extend([value] for value in of_one)
        columns.append([f"{_told(then)} → {_told(now)}" for then, now in zip(brief, long)])
        heads.append(NAMES[task])
    names = [f"`{type(t).__name__}({t.magnitude:g})`" for t in quick_grid()]
    names += ["mean C_W", "score of the task", "C_rho", "C_W under attack", "pitch told, R2"]
    return table(heads, zip(names, *columns))


def other_music_table() -> str:
    """Return mean C_W of the quick grid on the bundled clips, and on games that none has heard."""
    measured = results.load(results.MEASURED)
    (of_mfcc,) = _brief_on_quick_grid(measured, checkpoint.BASELINE).values()
    found = _stored("other_music.json")["encoders"]
    elsewhere = {name: fmean(of["within"].values()) for name, of in found.items()}
    heads, bundled = ["", NAMES[checkpoint.BASELINE]], [f"{fmean(of_mfcc):.3f}"]
    others = [f"{elsewhere[checkpoint.BASELINE]:.3f}"]
    for task in results.PAPER_TASKS:
        names = task, f"{task}-long"
        here = (fmean(_stored(f"cure/{name}-shipped.json")["within"].values()) for name in names)
        heads.append(NAMES[task])
        bundled.append(" → ".join(f"{value:.3f}" for value in here))
        others.append(" → ".join(f"{elsewhere[name]:.3f}" for name in names))
    return table(heads, [["bundled clips", *bundled], ["games that none heard", *others]])


def other_music_clips() -> str:
    """Return how many clips of games that none has heard there are, and of how many tracks."""
    of = _stored("other_music.json")
    return f"{of['clips']} clips of {of['groups']} tracks"


def _told(values: Iterable[float]) -> str:
    each = list(values)
    return f"{fmean(each):.3f}" + (f" ± {stdev(each):.3f}" if len(each) > 1 else "")


#: What pages may call.
PARTS = (
    worst_case_clips,
    worst_case_table,
    worst_case_curves,
    cure_table,
    cure_conditions,
    trained_curves,
    trained_table,
    other_music_table,
    other_music_clips,
)

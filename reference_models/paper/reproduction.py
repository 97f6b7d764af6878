"""The paper's experiment, run through the plugin's own public functions (paper section 4)."""

from __future__ import annotations

import math
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_nnrel import (
    Corpus,
    Identity,
    as_encoder,
    audio_consistency,
    between_consistency,
    imperceptible,
    within_consistency,
)
from pytest_nnrel.corpus.audio import rms
from pytest_nnrel.errors import UndefinedMeasureError
from pytest_nnrel.experiment.embedding import embed
from pytest_nnrel.experiment.recognition import recognise
from pytest_nnrel.experiment.rendering import render
from pytest_nnrel.experiment.study import question
from pytest_nnrel.measures import study_on
from pytest_nnrel.runtime import settings
from pytest_nnrel.runtime.progress import progress
from pytest_nnrel.runtime.tasks import run_tasks
from pytest_nnrel.runtime.versions import library_version
from pytest_nnrel.transforms import conditions, grid
from reference_models import checkpoint, evaluation
from reference_models.datasets import opencorpus
from reference_models.errors import ReproductionError
from reference_models.paper.corpus import consistency_corpus
from reference_models.paper.results import (
    AUDIO_DISTANCES,
    LATENT_DISTANCES,
    ORIGINAL,
    RESULTS,
    Consistency,
    MapPoint,
    OriginalsRank,
    Performance,
    Results,
    beside,
    joined,
)
from reference_models.paper.trained import trained_networks
from reference_models.task import task_named

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from pytest_nnrel import Encoder, Measurement, Transform
    from reference_models.datasets.opencorpus import OpenData
    from reference_models.paper.trained import Trained
    from reference_models.task import Task

#: An excerpt of the open corpus's test part that comes with the package.
EXCERPT = checkpoint.SHIPPED.parent / "excerpt"
#: Parts of the experiment, and the rows that they measure.
PARTS = {
    "consistency": ("consistency", "originals"),
    "performance": ("performance",),
    "maps": ("maps", "vocal_maps"),
}
_BLOCK = 10
_LIBRARIES = ("torch", "numpy", "scipy", "librosa", "numba", "scikit-learn", "torchmetrics")
_MAP_PERPLEXITY = 30.0


@dataclass(frozen=True)
class Scale:
    """How much of the paper's experiment is run.

    Attributes
    ----------
    grid : str
        Of transformations; see `pytest_nnrel.transforms.grid`.
    clips : int
        That consistency is measured on, where there are as many.
    task_clips, separated_clips : int
        That task performance is measured on; the latter where the truth is transformed, too.
    """

    grid: str
    clips: int
    task_clips: int
    separated_clips: int


SCALES = {
    "ci": Scale("quick", 60, 20, 6),
    "small": Scale("paper", 300, 60, 20),
    "paper": Scale("paper", 1000, 1000, 1000),
}


def reproduce(
    scale: str,
    *,
    checkpoints: Path = checkpoint.BRIEF,
    data: Path | None = None,
    clips: int | None = None,
    parts: Sequence[str] = tuple(PARTS),
    out: Path | None = None,
) -> Results:
    """Run the experiment.

    Parameters
    ----------
    scale : {"ci", "small", "paper"}
    checkpoints : Path
        A folder of checkpoints; where omitted, those that come with the package and were trained
        briefly.
    data : Path, optional
        An open corpus; where omitted, the excerpt of it that comes with the package.
    clips : int, optional
        That consistency is measured on; the scale's number where omitted.
    parts : sequence of {"consistency", "performance", "maps"}
        Which parts of it; `results.joined` puts together what was run in several.
    out : Path, optional
        A folder, made where it is missing, that gets ``reproduction.json`` after each part. What is
        there of other parts stays, and is returned, too.

    Raises
    ------
    ReproductionError
        If there is no such scale or part, there are no clips or no checkpoints, a network was
        trained for other labels than those of the clips, an encoder tells no clips apart, or what
        is in `out` and would stay is of another scale or corpus, or of other checkpoints.
    CheckpointError, DatasetError
        If a checkpoint or the open corpus cannot be used.
    """
    if scale not in SCALES:
        raise ReproductionError(f"the scale is {', '.join(SCALES)}, not {scale!r}")
    if unknown := sorted(set(parts) - PARTS.keys()):
        raise ReproductionError(f"the parts are {', '.join(PARTS)}, not {', '.join(unknown)}")
    if clips is not None and clips < 1:
        raise ReproductionError(f"consistency is measured on 1 clip or more, not {clips}")
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
    size = SCALES[scale]
    began = time.monotonic()
    networks = trained_networks(checkpoints)
    # Data that are not there are told before anything is measured.
    heard = {t.task for t in networks} if "performance" in parts else set()
    heard |= {t.task for t in _separators(networks)} if "maps" in parts else set()
    test = {name: opencorpus.load(data or EXCERPT, name, "test") for name in sorted(heard)}
    for trained in networks:
        if trained.task in test:
            trained.check_labels(test[trained.task].labels)
    corpus = consistency_corpus(size.clips if clips is None else clips, data)
    results = Results(
        scale,
        {
            "name": corpus.name,
            "clips": len(corpus),
            "tracks": len(set(corpus.groups)),
            "fingerprint": corpus.fingerprint,
        },
        {f"{t.task}-{t.encoder}-{t.trial}": t.card for t in networks},
    )
    steps = _steps(size, corpus.sample_rate)
    encoders = _encoders(networks)
    rows = [name for part in parts for name in PARTS[part]]
    others = beside(out / RESULTS, results, rows) if out is not None else []

    def keep() -> None:
        results.provenance = {
            "command": " ".join(sys.argv[1:]),
            "seed": settings.active().seed,
            "minutes": round((time.monotonic() - began) / 60, 1),
            "versions": {name: library_version(name) for name in _LIBRARIES},
            "python": sys.version.split()[0],
            "task data": "open corpus" if data else "excerpt",
        }
        if out is not None:
            joined([results, *others]).save(out / RESULTS)

    if "consistency" in parts:
        results.consistency = list(_consistencies(corpus, encoders, steps))
        results.originals = list(_originals(corpus, encoders))
        keep()
    if "performance" in parts:
        results.performance = list(_performances(networks, test, size, steps))
        keep()
    if "maps" in parts:
        results.maps = list(_maps(corpus, encoders))
        results.vocal_maps = list(_vocal_maps(networks, test, len(corpus)))
        keep()
    return joined([results, *others])


@dataclass(frozen=True)
class _Step:
    """A condition of the grid, as rows tell it."""

    transform: Transform
    transformation: str
    smallest: bool

    @property
    def place(self) -> dict[str, Any]:
        return {
            "transformation": self.transformation,
            "magnitude": float(self.transform.magnitude),
            "severity": int(self.transform.severity),
            "smallest": self.smallest,
        }


_AS_IT_IS = _Step(Identity(), ORIGINAL, smallest=False)


def _steps(size: Scale, sample_rate: int) -> list[_Step]:
    smallest = set(conditions(imperceptible(), sample_rate))
    return [
        _Step(condition, condition.symbol, condition in smallest)
        for condition in conditions(grid(size.grid), sample_rate)
    ]


def _encoders(networks: Sequence[Trained]) -> list[tuple[str, int, Encoder]]:
    """Return the baseline, which is not trained, and the trained encoders, with their trials."""
    trained = [
        (t.name, t.trial, as_encoder(t.network.embedding, name=f"{t.name} {t.trial}"))
        for t in networks
        if t.encoder == "vgg"
    ]
    return [("mfcc", 0, checkpoint.load("mfcc")), *trained]


def _row(measured: Measurement) -> dict[str, Any]:
    low, high = measured.ci
    return {"value": measured.value, "low": low, "high": high, "clips": measured.n}


def _consistencies(
    corpus: Corpus, encoders: Sequence[tuple[str, int, Encoder]], steps: Sequence[_Step]
) -> Iterator[Consistency]:
    for step in progress(steps, len(steps), "consistency", "condition"):
        for audio in AUDIO_DISTANCES:
            bound = audio_consistency(step.transform, corpus=corpus, distance=audio)
            yield Consistency(
                "", 0, measure="within", audio_distance=audio, latent_distance="",
                **step.place, **_row(bound),
            )  # fmt: skip
        for name, trial, encoder in encoders:
            yield from _of_encoder(corpus, name, trial, encoder, step)


def _of_encoder(
    corpus: Corpus, name: str, trial: int, encoder: Encoder, step: _Step
) -> Iterator[Consistency]:
    for latent in LATENT_DISTANCES:
        within = within_consistency(encoder, step.transform, corpus=corpus, distance=latent)
        yield Consistency(
            name, trial, measure="within", audio_distance="", latent_distance=latent,
            **step.place, **_row(within),
        )  # fmt: skip
        for audio in AUDIO_DISTANCES:
            for measure in ("accuracy", "rho"):
                between = _between(
                    name, trial, encoder, step.transform, corpus=corpus, measure=measure,
                    audio_distance=audio, latent_distance=latent,
                )  # fmt: skip
                yield Consistency(
                    name, trial, measure=measure, audio_distance=audio, latent_distance=latent,
                    **step.place, **_row(between),
                )  # fmt: skip


def _between(
    name: str,
    trial: int,
    encoder: Encoder,
    transform: Transform,
    **options: Any,  # noqa: ANN401
) -> Measurement:
    """Return `between_consistency`; where it is undefined, of which encoder."""
    with _named(f"{name}, trial {trial}, under {transform}"):
        return between_consistency(encoder, transform, **options)


@contextmanager
def _named(of: str) -> Iterator[None]:
    """Say of what a measure is undefined."""
    try:
        yield
    except UndefinedMeasureError as error:
        raise ReproductionError(f"{of}: {error}") from error


def _originals(
    corpus: Corpus, encoders: Sequence[tuple[str, int, Encoder]]
) -> Iterator[OriginalsRank]:
    for name, trial, encoder in encoders:
        for audio in AUDIO_DISTANCES:
            for latent in LATENT_DISTANCES:
                rank = _between(
                    name, trial, encoder, Identity(), corpus=corpus, measure="rho",
                    pairs="distinct", audio_distance=audio, latent_distance=latent,
                )  # fmt: skip
                yield OriginalsRank(name, trial, audio, latent, **_row(rank))


def _performances(
    networks: Sequence[Trained],
    test: Mapping[str, OpenData],
    size: Scale,
    steps: Sequence[_Step],
) -> Iterator[Performance]:
    trained_for = [task_named(name) for name in sorted({t.task for t in networks})]
    taken = {task: _test_clips(test[task.name], task, size) for task in trained_for}
    every = [_AS_IT_IS, *steps]
    for step in progress(every, len(every), "task performance", "condition"):
        heard: dict[tuple[str, ...], NDArray[np.float32]] = {}
        for task in trained_for:
            clips, indices = test[task.name], taken[task]
            ids = tuple(clips.ids[i] for i in indices)
            if ids not in heard:
                heard[ids] = _windows(clips, step.transform, indices)
            true = task.true_of(clips, step.transform, indices)
            for trained in (t for t in networks if t.task == task.name):
                with _named(f"{trained.name}, trial {trained.trial}, under {step.transform}"):
                    score = task.score(trained.network, heard[ids], true)
                yield Performance(
                    task.name, trained.encoder, trained.trial, measure=score.measure,
                    value=score.value, clips=score.clips, **step.place,
                )  # fmt: skip


def _test_clips(clips: OpenData, task: Task[Any], size: Scale) -> list[int]:
    """Return which of the rendered test clips are taken, as of all tasks."""
    rendered = [i for i, is_rendered in enumerate(clips.rendered) if is_rendered]
    number = size.separated_clips if task.transforms_truth else size.task_clips
    return [rendered[i] for i in _evenly(len(rendered), number)]


def _evenly(there: int, clips: int) -> list[int]:
    """Return which clips are taken: evenly spaced ones."""
    places: list[int] = np.linspace(0, there - 1, min(clips, there)).round().astype(int).tolist()
    return places


def _windows(data: OpenData, transform: Transform, indices: list[int]) -> NDArray[np.float32]:
    """Return `evaluation.windows`, made on all of the run's workers."""
    blocks = [indices[i : i + _BLOCK] for i in range(0, len(indices), _BLOCK)]
    made = run_tasks(
        partial(evaluation.windows, data, transform), blocks, jobs=settings.active().jobs
    )
    return np.concatenate(list(made))


def _maps(corpus: Corpus, encoders: Sequence[tuple[str, int, Encoder]]) -> Iterator[MapPoint]:
    """Yield t-SNE maps of originals with their smallest transformations (Fig. 9)."""
    shown = [_AS_IT_IS, *(
        _Step(condition, condition.symbol, smallest=True)
        for condition in conditions(imperceptible(), corpus.sample_rate)
    )]  # fmt: skip
    study = study_on(corpus)
    first = {name: trial for name, trial, _ in reversed(encoders)}
    for name, trial, encoder in encoders:
        if trial > first[name]:
            continue  # the paper shows one trial of each
        listener = recognise(encoder, study)
        z = [embed(listener, render(question(study, step.transform))).queries for step in shown]
        places = iter(_embedded(np.concatenate(z)))
        for step in shown:
            for clip in corpus.ids:
                x, y = next(places)
                yield MapPoint(name, trial, clip, step.transformation, float(x), float(y))


def _separators(networks: Sequence[Trained]) -> list[Trained]:
    """Return the first trial of VS, where there is one."""
    return [trained for trained in networks if trained.name == "vs"][:1]


def _vocal_maps(
    networks: Sequence[Trained], test: Mapping[str, OpenData], clips: int
) -> Iterator[MapPoint]:
    """Yield t-SNE maps of mixtures by VS, with the level of the voice in each (Fig. 14)."""
    for trained in _separators(networks):
        sung = test[trained.task]
        indices = _evenly(len(sung), clips)
        audio = _windows(sung, Identity(), indices)
        voices = task_named(trained.task).true_of(sung, Identity(), indices).targets
        level = [20 * math.log10(max(rms(voice), 1e-5)) for voice in voices]
        z = evaluation.outputs(trained.network.embedding, audio).numpy()
        for i, (x, y), decibels in zip(indices, _embedded(z), level):
            yield MapPoint("vs", trained.trial, sung.ids[i], ORIGINAL, float(x), float(y), decibels)


def _embedded(z: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a two-dimensional t-SNE map of embeddings.

    Raises
    ------
    ReproductionError
        Of one point, which is near to nothing.
    """
    from sklearn.manifold import TSNE

    if len(z) < 2:
        raise ReproductionError(
            f"a map by t-SNE shows what is near to what, and there is {len(z)} clip to show; give"
            " data with two clips or more, or leave the part maps out"
        )
    perplexity = min(_MAP_PERPLEXITY, (len(z) - 1) / 3)
    places: NDArray[np.float32] = TSNE(
        perplexity=perplexity, init="pca", random_state=0
    ).fit_transform(z)
    return places

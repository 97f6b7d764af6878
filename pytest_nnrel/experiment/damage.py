"""How much a transformation changed the audio, on scales that mean the same in all families.

Magnitudes have units of their own; what two of them do to a clip can be compared on a scale of the
audio alone. The paper leaves that scale open (section 6.5). There are two here: the distance that
the audio measures use, and one that models hearing.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from pytest_nnrel.distances import pairwise_distances, resolve_distance
from pytest_nnrel.experiment import perception
from pytest_nnrel.experiment.blocks import blocks_of, spread
from pytest_nnrel.experiment.keys import key_of
from pytest_nnrel.experiment.rendering import render
from pytest_nnrel.runtime.progress import progress
from pytest_nnrel.runtime.tasks import run_tasks

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

    from pytest_nnrel.experiment.rendering import Rendered
    from pytest_nnrel.experiment.study import Study
    from pytest_nnrel.measurement import Damage
    from pytest_nnrel.runtime.settings import Scale
    from pytest_nnrel.runtime.shards import Arrays

    Vector = npt.NDArray[np.float64]

#: Originals, evenly spread, among which the distance to another piece is taken: it falls with their
#: number, and its cost grows with the square of that.
YARDSTICK_CLIPS = 200
#: Clips, evenly spread, of which damage is told: quartiles hardly move with more.
DAMAGE_CLIPS = 2000


def damage_of(rendered: Rendered, scale: Scale) -> Damage:
    """Return how much the clips of a question were changed.

    Parameters
    ----------
    rendered : Rendered
        All clips of a corpus.
    scale : {"audio", "perceived"}
        ``"audio"``: DTW over MFCCs between a transformed clip and its original, over the median
        distance of an original to the nearest other one: 0 is no change, 1 as far as another piece.
        ``"perceived"``: Zimtohrli's distance of what was transformed, at 48 kHz.

    Returns
    -------
    Damage
        Of each clip, or of `DAMAGE_CLIPS` of a larger corpus, and their quartiles.

    Raises
    ------
    EngineError
        If what hears is not installed.
    CorpusError
        If clips are too short for it.
    """
    values = _audio(rendered) if scale == "audio" else _perceived(rendered)
    low, median, high = np.quantile(values, (0.25, 0.5, 0.75))
    return {
        "median": _rounded(median),
        "quartiles": [_rounded(low), _rounded(high)],
        "per_clip": [_rounded(value) for value in values],
    }


def _rounded(value: float) -> float:
    return float(f"{value:.5g}")  # each measurement of a condition carries them


def _audio(rendered: Rendered) -> Vector:
    study = rendered.question.study

    def compare() -> Arrays:
        chosen = spread(len(study.corpus), DAMAGE_CLIPS)
        originals = render(rendered.question.of_originals)
        pairs = zip(rendered.features_of(chosen), originals.features_of(chosen))
        own = [_apart(query, original) for query, original in pairs]
        return {"damage": np.array(own)}

    own = _fetch(rendered, f"audio {resolve_distance('dtw', 'audio').recipe()}", compare)
    yardstick = _yardstick(study, rendered)
    # Where all originals are alike, no distance is one to another piece: what differs is beyond.
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(own == 0.0, 0.0, own / yardstick)


def _apart(query: npt.NDArray[np.float32], original: npt.NDArray[np.float32]) -> float:
    from pytest_nnrel.distances import exact

    # One pair at a time: laying out all originals for each would take longer than comparing.
    candidate = np.ascontiguousarray(original.T, dtype=np.float64)
    return float(exact.warping_cost(query.astype(np.float64), candidate))


def _yardstick(study: Study, rendered: Rendered) -> float:
    """Return the median distance of an original to the nearest other one of another group."""
    chosen = spread(len(study.corpus), YARDSTICK_CLIPS)
    count = len(chosen)
    groups = np.array(study.corpus.groups)[chosen]

    def measure() -> Arrays:
        features = render(rendered.question.of_originals).features_of(chosen)
        distances = pairwise_distances(features, features, "dtw", jobs=study.jobs)
        several = len(set(groups)) > 1  # of one group alone, any other clip is another piece
        related = groups[:, None] == groups[None, :] if several else np.eye(count, dtype=bool)
        distances[related] = np.inf
        nearest = distances.min(axis=1)
        return {"median": np.array(np.median(nearest))}

    key = key_of(
        "yardstick",
        corpus=study.corpus.fingerprint,
        window=study.corpus.window_seconds,
        groups=tuple(groups.tolist()),
        distance=resolve_distance("dtw", "audio").recipe(),
    )
    stored = study.stores.lasting.fetch("yardstick", key, measure, outer=True)
    return float(np.asarray(stored["median"]))


def _perceived(rendered: Rendered) -> Vector:
    study = rendered.question.study
    perception.check(study.corpus.source_seconds)

    def listen() -> Arrays:
        blocks = blocks_of(spread(len(study.corpus), DAMAGE_CLIPS))
        heard = run_tasks(
            _ListenTask(rendered),
            blocks,
            jobs=study.jobs,
            progress=partial(progress, what=f"{rendered.question.condition.name} as heard"),
            here=True,
        )
        return {"damage": np.concatenate(list(heard))}

    return _fetch(rendered, perception.version(), listen)


@dataclass(frozen=True)
class _ListenTask:
    """Compares transformed clips with their originals by ear; runs in a thread."""

    rendered: Rendered

    def __call__(self, block: Sequence[int]) -> Vector:
        corpus = self.rendered.question.study.corpus
        clips = self.rendered.clips(block)
        return np.array(
            [perception.perceived_distance(corpus[i], clip) for i, clip in zip(block, clips)]
        )


def _fetch(rendered: Rendered, scale: str, make: Callable[[], Arrays]) -> Vector:
    question = rendered.question
    study = question.study
    key = key_of(
        "damage",
        corpus=study.corpus.fingerprint,
        window=study.corpus.window_seconds,
        seed=study.seed,
        transform=question.known.told,
        scale=scale,
    )
    entry = rendered.store.fetch("damage", key, make, outer=True)
    return np.asarray(entry["damage"], dtype=np.float64)

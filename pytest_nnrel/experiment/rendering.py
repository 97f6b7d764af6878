"""Transformed clips: rendered once, on all workers, with what audio distances compare of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING

import numpy as np

from pytest_nnrel.corpus import Clip, Corpus
from pytest_nnrel.distances import audio_features
from pytest_nnrel.experiment.keys import key_of
from pytest_nnrel.runtime.progress import progress
from pytest_nnrel.runtime.tasks import run_tasks
from pytest_nnrel.transforms import Identity, Transform

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

    from pytest_nnrel.experiment.study import Question
    from pytest_nnrel.measurement import Padding, Range, Unchanged
    from pytest_nnrel.runtime.store import Arrays, Store

#: Clips of a task: the unit of parallel work, of memory, and of what Ctrl-C can lose.
BLOCK = 16
#: Check of a transformed clip: whether it is the original still.
_UNCHANGED = "unchanged"
#: Deviation, against the peak, that a change of gain and back explains in float32.
UNCHANGED_TOLERANCE = 1e-6


@dataclass(frozen=True)
class Record:
    """What is kept of a transformed clip besides its samples.

    Attributes
    ----------
    features : float32[frames, 24]
    seconds : float
        Length, before it is cut to a window.
    checks : dict of str to float
        What the transformation verified.
    """

    features: npt.NDArray[np.float32]
    seconds: float
    checks: dict[str, float]

    @classmethod
    def from_entry(cls, entry: Arrays | None) -> Record | None:
        """Return the record that the store holds."""
        if entry is None:
            return None
        names = [str(name) for name in entry["names"]]
        values = [float(value) for value in np.asarray(entry["values"], dtype=np.float64)]
        return cls(
            np.asarray(entry["features"], dtype=np.float32),
            float(np.asarray(entry["seconds"], dtype=np.float64)),
            dict(zip(names, values)),
        )


@dataclass(frozen=True, eq=False)
class Rendered:
    """The clips of a question, all or some; each is made when it is first asked for.

    Attributes
    ----------
    question : Question
    indices : sequence of int
        Positions of the clips in the corpus.
    keys : tuple of str
        What each clip of the corpus is stored under, its features as well.
    key : str
        What all of them together are known by.
    store : Store
    """

    question: Question
    indices: Sequence[int]
    keys: tuple[str, ...]
    key: str
    store: Store

    @cached_property
    def records(self) -> list[Record]:
        """What is kept of the clips besides their samples, in the order of `indices`."""
        if len(self.indices) < len(self.keys):
            return self.render(self.indices)
        return self.question.study.stores.recently(
            ("rendered", self.key),
            lambda: self.render(self.indices),
            lambda records: sum(record.features.nbytes for record in records),
        )

    def render(self, indices: Sequence[int]) -> list[Record]:
        """Transform those clips that are not in the store yet; return the records of all."""
        study, condition = self.question.study, self.question.condition
        records = {i: Record.from_entry(self.store.get("features", self.keys[i])) for i in indices}
        missing = [i for i, record in records.items() if record is None]
        if missing:
            blocks = [missing[i : i + BLOCK] for i in range(0, len(missing), BLOCK)]
            for done in run_tasks(
                self._task,
                [[(i, self.keys[i]) for i in block] for block in blocks],
                jobs=study.jobs,
                progress=partial(progress, what=condition.name),
                ordered=False,
            ):
                for i, entry in done:
                    records[i] = Record.from_entry(entry)
        return [record for record in records.values() if record is not None]

    def clips(self, indices: Sequence[int]) -> Iterator[Clip]:
        """Yield transformed clips from the store, rendered where they are not there."""
        corpus = self.question.study.corpus
        if isinstance(self.question.condition, Identity):
            yield from (corpus[i] for i in indices)
            return
        for i in indices:
            entry: Arrays | None = self.store.get("clips", self.keys[i])
            if entry is None:  # evicted, damaged, or the disk is full
                entry = self._task.render(i, self.keys[i])[0]
            samples = np.asarray(entry["samples"], np.float32)
            yield Clip(corpus.ids[i], samples, corpus.sample_rate)

    @property
    def _task(self) -> _RenderTask:
        study = self.question.study
        return _RenderTask(study.corpus, self.question.condition, study.seed, self.store)


def render(question: Question, indices: Sequence[int] | None = None) -> Rendered:
    """Return the clips of a question, all or some."""
    study = question.study

    def key(clip: str) -> str:
        return key_of(
            "clips",
            clip=clip,
            window=study.corpus.window_seconds,
            seed=study.seed,
            transform=question.known.told,
        )

    return Rendered(
        question,
        range(len(study.corpus)) if indices is None else indices,
        tuple(key(clip) for clip in study.corpus.keys),
        key(study.corpus.fingerprint),
        study.stores.of(lasting=question.known.lasting),
    )


def checks_of(rendered: Rendered) -> dict[str, Range]:
    """Return the range of each thing that the transformation verified."""
    ranges: dict[str, Range] = {}
    for name in dict.fromkeys(name for record in rendered.records for name in record.checks):
        values = [record.checks[name] for record in rendered.records if name in record.checks]
        ranges[name] = {"min": min(values), "max": max(values)}
    del ranges[_UNCHANGED]
    return ranges


def unchanged_of(rendered: Rendered) -> Unchanged | None:
    """Return how many clips came back as they were, if any did that should not."""
    unchanged = int(sum(record.checks[_UNCHANGED] for record in rendered.records))
    if not unchanged or isinstance(rendered.question.condition, Identity):
        return None
    return {"clips": unchanged, "of": len(rendered.records)}


def padding_of(rendered: Rendered, window_seconds: float) -> Padding | None:
    """Return how many clips are shorter than a window, if any are, and by how much at most."""
    rate = rendered.question.study.corpus.sample_rate
    short = [window_seconds - record.seconds for record in rendered.records]
    short = [seconds for seconds in short if seconds > 0.5 / rate]
    return {"clips": len(short), "max_seconds": max(short)} if short else None


@dataclass(frozen=True)
class _RenderTask:
    """Decodes, transforms and stores a block of clips; runs in a thread, process or cluster."""

    corpus: Corpus
    condition: Transform
    seed: int
    store: Store

    def __call__(self, block: Sequence[tuple[int, str]]) -> list[tuple[int, Arrays]]:
        done: list[tuple[int, Arrays]] = []
        with self.store.lock(block[0][1]):
            for i, key in block:
                entry: Arrays | None = self.store.get("features", key)  # by another process, maybe
                if entry is None:
                    _, entry = self.render(i, key)
                done.append((i, entry))
        return done

    def render(self, index: int, key: str) -> tuple[Arrays, Arrays]:
        """Transform one clip and store its samples and features."""
        original = self.corpus[index]
        transformed = self.condition.apply_checked(original, seed=self.seed)
        clip = transformed.clip
        checks = {**transformed.checks, _UNCHANGED: float(_is_same_audio(clip, original))}
        window = clip.with_samples(clip.window(self.corpus.window_seconds))
        samples: Arrays = {"samples": clip.samples}
        features: Arrays = {
            "features": audio_features(window),
            "seconds": np.array(clip.seconds),
            "names": np.array(list(checks), dtype=str),
            "values": np.array(list(checks.values()), dtype=np.float64),
        }
        if not isinstance(self.condition, Identity):
            self.store.put("clips", key, samples)
        self.store.put("features", key, features)
        return samples, features


def _is_same_audio(clip: Clip, original: Clip) -> bool:
    """Tell whether a clip came back as it was, but for a gain that loudness restoration undid."""
    if clip.samples.shape != original.samples.shape:
        return False
    tolerance = UNCHANGED_TOLERANCE * float(np.abs(original.samples).max())
    return bool(np.abs(clip.samples - original.samples).max() <= tolerance)

"""Transformed clips, made on all workers, and what audio distances compare of them: each once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from pytest_nnrel.corpus import Clip
from pytest_nnrel.distances import audio_features
from pytest_nnrel.experiment.blocks import blocks_of
from pytest_nnrel.experiment.keys import key_of
from pytest_nnrel.runtime.progress import progress
from pytest_nnrel.runtime.store import digest
from pytest_nnrel.runtime.tasks import leaves_process, run_tasks
from pytest_nnrel.transforms import Identity, Transform

T = TypeVar("T")

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator, Mapping, Sequence

    import numpy.typing as npt

    from pytest_nnrel.corpus import Corpus
    from pytest_nnrel.experiment.study import Question
    from pytest_nnrel.measurement import Padding, Range, Unchanged
    from pytest_nnrel.runtime.handed import Handed
    from pytest_nnrel.runtime.shards import Arrays
    from pytest_nnrel.runtime.store import Store

    Features = list[npt.NDArray[np.float32]]

#: Check of a transformed clip: whether it is the original still.
_UNCHANGED = "unchanged"
#: Length of a transformed clip in its record, besides checks.
_SECONDS = "seconds"
#: Deviation, against the peak, that a change of gain and back explains in float32.
UNCHANGED_TOLERANCE = 1e-6


@dataclass(frozen=True, eq=False)
class Records:
    """What is kept of transformed clips besides their samples.

    Attributes
    ----------
    seconds : float64[n]
        Length of each, before it is cut to a window.
    checks : dict of str to float64[n]
        What the transformation verified, by name; NaN for clips on which it did not.
    """

    seconds: npt.NDArray[np.float64]
    checks: dict[str, npt.NDArray[np.float64]]

    @classmethod
    def of(cls, entries: Sequence[Arrays]) -> Records:
        """Return the records that entries of the store are."""
        names = dict.fromkeys(name for entry in entries for name in entry)
        columns = {
            name: np.array([entry.get(name, np.nan) for entry in entries], dtype=np.float64)
            for name in names
        }
        return cls(columns.pop(_SECONDS), columns)

    @property
    def nbytes(self) -> int:
        """What they take of memory."""
        return self.seconds.nbytes * (1 + len(self.checks))


@dataclass(frozen=True, eq=False)
class Rendered:
    """The clips of a question, all or some; each is made when it is first asked for.

    Attributes
    ----------
    question : Question
    indices : sequence of int
        Positions of the clips in the corpus.
    scope : str
        What, besides the clip, each is stored under.
    store : Store
    """

    question: Question
    indices: Sequence[int]
    scope: str
    store: Store

    @property
    def key(self) -> str:
        """What all clips together are known by."""
        return digest(self.scope, self.question.study.corpus.fingerprint)

    @cached_property
    def records(self) -> Records:
        """What is kept of the clips besides their samples, in the order of `indices`."""
        return self._recently(
            "records",
            lambda: Records.of(self._stored("records", self.indices)),
            lambda records: records.nbytes,
        )

    @cached_property
    def features(self) -> Features:
        """What audio distances compare of the clips, float32[frames, 24] each."""
        return self._recently(
            "features",
            lambda: self.features_of(self.indices),
            lambda features: sum(of_clip.nbytes for of_clip in features),
        )

    def features_of(self, indices: Sequence[int]) -> Features:
        """Return what audio distances compare of some clips."""
        return [np.asarray(e["features"]) for e in self._stored("features", indices)]

    def make(self, clips: Container[int]) -> None:
        """Transform and store some of the clips, where they are not yet, on all workers."""
        for _ in self._run(self.task("records"), self.indices, clips):
            pass

    def clips(self, indices: Sequence[int]) -> Iterator[Clip]:
        """Yield transformed clips from the store, rendered where they are not there."""
        return self.task("records").clips(indices)

    def _recently(self, kind: str, make: Callable[[], T], size: Callable[[T], int]) -> T:
        if len(self.indices) < len(self.question.study.corpus):
            return make()
        return self.question.study.stores.recently((kind, self.key), make, size)

    def _stored(self, kind: str, indices: Sequence[int]) -> list[Arrays]:
        """Return what is stored of clips, after it was made where it was not there."""
        task = self.task(kind)
        found = task.stored(indices)
        missing = {i for i in indices if i not in found}
        if missing:
            for unstored in self._run(task, indices, missing):
                found.update(unstored)
            found.update(task.stored([i for i in missing if i not in found]))
            # Evicted meanwhile.
            found.update({i: task.make(i) for i in missing if i not in found})
        return [found[i] for i in indices]

    def _run(
        self, task: RenderTask, indices: Sequence[int], missing: Container[int]
    ) -> Iterator[dict[int, Arrays]]:
        """Run a task on those clips that are missing; yield what it could not store."""
        condition = self.question.condition
        here = any(aim.stays_here for aim in condition.aims)
        # An attack uses all processors by itself, and in the main thread Ctrl-C ends it at once.
        alone = bool(condition.aims) and (here or not leaves_process())
        return run_tasks(
            task,
            blocks_of(indices, missing),
            jobs=1 if alone else self.question.study.jobs,
            progress=partial(progress, what=condition.name),
            ordered=False,
            here=here,
        )

    def task(self, kind: str) -> RenderTask:
        """Return how clips are rendered, and of them ``"records"`` or ``"features"`` made."""
        study = self.question.study
        corpus, condition = study.handed_corpus, self.question.condition
        return RenderTask(kind, corpus, condition, study.seed, self.store, self.scope)


def render(question: Question, indices: Sequence[int] | None = None) -> Rendered:
    """Return the clips of a question, all or some."""
    study = question.study
    scope = key_of(
        "clips",
        window=study.corpus.window_seconds,
        seed=study.seed,
        transform=question.known.told,
    )
    return Rendered(
        question,
        range(len(study.corpus)) if indices is None else indices,
        scope,
        study.stores.of(lasting=question.known.lasting),
    )


def checks_of(rendered: Rendered) -> dict[str, Range]:
    """Return the range of each thing that the transformation verified."""
    return {
        name: {"min": float(np.nanmin(values)), "max": float(np.nanmax(values))}
        for name, values in rendered.records.checks.items()
        if name != _UNCHANGED
    }


def unchanged_of(rendered: Rendered) -> Unchanged | None:
    """Return how many clips came back as they were, if any did that should not."""
    unchanged = int(rendered.records.checks[_UNCHANGED].sum())
    if not unchanged or isinstance(rendered.question.condition, Identity):
        return None
    return {"clips": unchanged, "of": len(rendered.indices)}


def padding_of(rendered: Rendered, window_seconds: float) -> Padding | None:
    """Return how many clips are shorter than a window, if any are, and by how much at most."""
    rate = rendered.question.study.corpus.sample_rate
    short = window_seconds - rendered.records.seconds
    short = short[short > 0.5 / rate]
    return {"clips": len(short), "max_seconds": float(short.max())} if len(short) else None


@dataclass(frozen=True)
class RenderTask:
    """Decodes, transforms and stores a block of clips; runs in a thread, process or cluster.

    It takes nothing along that grows with the corpus, and what it made stays in the store.

    Attributes
    ----------
    kind : {"records", "features"}
        What is asked for of the clips.
    corpus : Handed of Corpus
    condition : Transform
    seed : int
    store : Store
    scope : str
    """

    kind: str
    corpus: Handed[Corpus]
    condition: Transform
    seed: int
    store: Store
    scope: str

    def __call__(self, block: Sequence[int]) -> dict[int, Arrays]:
        """Make what is missing; return what could not be stored."""
        with self.store.lock(digest(self.scope, block[0])):
            found = self.stored(block)  # by another process, maybe
            missing = [i for i in block if i not in found]
            made, is_stored = self._made(missing)
            return {} if is_stored else made

    def make(self, index: int) -> Arrays:
        """Return what is asked for of one clip, which nobody else makes."""
        made, _ = self._made([index])
        return made[index]

    def stored(self, indices: Sequence[int]) -> dict[int, Arrays]:
        """Return what is asked for of those clips of which it is stored."""
        return self._stored(self.kind, indices)

    def clips(self, indices: Sequence[int]) -> Iterator[Clip]:
        """Yield transformed clips from the store, rendered where they are not there."""
        corpus = self.corpus.value
        if isinstance(self.condition, Identity):
            yield from (corpus[i] for i in indices)
            return
        for i, key in zip(indices, self.keys_of(indices)):
            entry = next((e for _, e in self.store.get_of("clips", self.scope, [key])), None)
            if entry is None:  # evicted, damaged, or the disk is full
                yield next(self._transformed([i]))[1]
            else:
                yield Clip(corpus.ids[i], entry["samples"], corpus.sample_rate)

    def keys_of(self, indices: Sequence[int]) -> list[str]:
        """Return what some clips are stored under in any scope."""
        keys = self.corpus.value.keys
        return [keys[i] for i in indices]

    def _stored(self, kind: str, indices: Sequence[int]) -> dict[int, Arrays]:
        keys = self.keys_of(indices)
        return {indices[at]: entry for at, entry in self.store.get_of(kind, self.scope, keys)}

    def _made(self, indices: Sequence[int]) -> tuple[dict[int, Arrays], bool]:
        """Make what is asked for of clips; return it, and whether it could be stored."""
        known = {} if self.kind == "records" else self._stored("records", indices)
        clips: dict[int, Clip] = {}
        records: dict[int, Arrays] = {}
        try:
            for i, clip, record in self._transformed([i for i in indices if i not in known]):
                clips[i], records[i] = clip, record
        finally:  # what was done before an interrupt is done
            if not isinstance(self.condition, Identity):
                self._put("clips", {i: {"samples": clips[i].samples} for i in records})
            is_stored = self._put("records", records)
        if self.kind == "records":
            return records, is_stored
        features: dict[int, Arrays] = {}
        for i in indices:
            clip = clips[i] if i in clips else next(self.clips([i]))
            window = clip.with_samples(clip.window(self.corpus.value.window_seconds))
            features[i] = {"features": audio_features(window)}
        return features, self._put("features", features)

    def _transformed(self, indices: Sequence[int]) -> Iterator[tuple[int, Clip, Arrays]]:
        """Transform clips, as many at a time as the transformation asks for."""
        for first in range(0, len(indices), self.condition.batch):
            batch = indices[first : first + self.condition.batch]
            originals = [self.corpus.value[i] for i in batch]
            made = self.condition.apply_all(originals, seed=self.seed)
            for i, original, transformed in zip(batch, originals, made):
                checks = {
                    _SECONDS: transformed.clip.seconds,
                    **transformed.checks,
                    _UNCHANGED: float(_is_same_audio(transformed.clip, original)),
                }
                record = {name: np.array(value, np.float64) for name, value in checks.items()}
                yield i, transformed.clip, record

    def _put(self, kind: str, entries: Mapping[int, Arrays]) -> bool:
        if not entries:
            return True
        keys = self.corpus.value.keys
        return self.store.put_of(kind, self.scope, {keys[i]: e for i, e in entries.items()})


def _is_same_audio(clip: Clip, original: Clip) -> bool:
    """Tell whether a clip came back as it was, but for a gain that loudness restoration undid."""
    if clip.samples.shape != original.samples.shape:
        return False
    tolerance = UNCHANGED_TOLERANCE * float(np.abs(original.samples).max())
    return bool(np.abs(clip.samples - original.samples).max() <= tolerance)

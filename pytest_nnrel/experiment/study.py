"""What is asked: of which clips, under which seed and transformation, and how keys tell these."""

from __future__ import annotations

import itertools
import secrets
import time
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from pytest_nnrel.errors import TooFewClipsError
from pytest_nnrel.experiment.blocks import blocks_of
from pytest_nnrel.experiment.keys import key_of
from pytest_nnrel.experiment.stores import stores_of
from pytest_nnrel.recording import record_corpus
from pytest_nnrel.runtime.devices import CPU
from pytest_nnrel.runtime.progress import progress
from pytest_nnrel.runtime.store import digest
from pytest_nnrel.runtime.tasks import run_tasks
from pytest_nnrel.transforms import Identity, Transform

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_nnrel.corpus import Corpus
    from pytest_nnrel.corpus.soundness import Heard
    from pytest_nnrel.experiment.stores import Stores
    from pytest_nnrel.identity import Behaviour
    from pytest_nnrel.runtime.handed import Handed
    from pytest_nnrel.runtime.settings import Scale, Settings
    from pytest_nnrel.runtime.shards import Arrays

#: Which originals compete with a clip's own: those of other groups, or all others.
Neighbours = Literal["others", "all"]
#: Values of a label by which results are parted.
MOST_VALUES = 12
#: What originals are transformed by.
ORIGINAL = Identity()


@dataclass(frozen=True, eq=False)
class Study:
    """What questions are put to, and the means to answer them.

    Attributes
    ----------
    corpus : Corpus
        Of two clips or more, all of which can be decoded.
    seed : int
    stores : Stores
    jobs : int
        Tasks side by side.
    device : str
        Torch device of distances.
    neighbours : {"others", "all"}
        Whether only originals of other groups compete with a clip's own, or all (eq. 9).
    scale : {"audio", "perceived"}
        On which measurements tell damage; on the audio's they always do.
    """

    corpus: Corpus
    seed: int
    stores: Stores
    jobs: int
    device: str
    neighbours: Neighbours = "others"
    scale: Scale = "audio"

    @property
    def competing_groups(self) -> tuple[str, ...] | None:
        """Groups within which originals do not compete; None where all do."""
        competes = self.is_grouped and self.neighbours == "others"
        return self.corpus.groups if competes else None

    @property
    def is_grouped(self) -> bool:
        """Whether clips share groups."""
        return len(set(self.corpus.groups)) < len(self.corpus)

    @property
    def handed_corpus(self) -> Handed[Corpus]:
        """The corpus as tasks take it along."""
        return self.stores.handed(self.corpus, f"corpus {self.corpus.name!r}")

    def rng(self, purpose: str) -> np.random.Generator:
        """Return what a purpose draws from, the same for all measurements on the corpus."""
        return np.random.default_rng(int(digest(purpose, self.seed, self.corpus.fingerprint), 16))


def study_of(
    corpus: Corpus, seed: int, settings: Settings, neighbours: Neighbours = "others"
) -> Study:
    """Return the study of a corpus, which is looked at first.

    Raises
    ------
    TooFewClipsError
        If it has fewer than two clips.
    CorpusError
        If a clip is silent, or cannot be decoded.
    """
    if len(corpus) < 2:
        raise TooFewClipsError(
            f"corpus {corpus.name!r} has {len(corpus)} clip; with fewer than 2 there is no"
            " other original to be nearer to, and no verdict; add clips"
        )
    study = Study(
        corpus,
        seed,
        stores_of(settings),
        settings.jobs,
        settings.device or CPU,
        neighbours,
        settings.damage,
    )
    record_corpus(corpus.fingerprint, listing(corpus))

    def check() -> Arrays:
        blocks = blocks_of(range(len(corpus)))
        told = partial(progress, what=f"checking {corpus.name}")
        task = _HearTask(study.handed_corpus)
        heard = itertools.chain.from_iterable(
            run_tasks(task, blocks, jobs=study.jobs, progress=told)
        )
        cancelled = [corpus.index(id_) for id_ in corpus.check_audio(list(heard))]
        return {"cancelled": np.array(cancelled, dtype=np.int64)}

    # What headers cannot tell is checked once per corpus, not once per run.
    key = key_of("checked", corpus=corpus.fingerprint)
    checked = study.stores.lasting.fetch("checked", key, check)
    corpus.warn_cancelled([corpus.ids[int(i)] for i in np.asarray(checked["cancelled"])])
    return study


@dataclass(frozen=True)
class _HearTask:
    """Decodes a block of clips; runs in a thread, process or cluster."""

    corpus: Handed[Corpus]

    def __call__(self, block: Sequence[int]) -> list[Heard]:
        return [self.corpus.value.hear(i) for i in block]


def listing(corpus: Corpus) -> dict[str, Any]:
    """Return the clips that measurements are of, in order, as plain values."""
    plain = {"name": corpus.name, "clips": list(corpus.ids), "groups": list(corpus.groups)}
    labels = {label: list(values) for label, values in corpus.labels.items() if _splits(values)}
    return {**plain, "labels": labels} if labels else plain


def _splits(values: Sequence[str]) -> bool:
    """Tell whether a label parts clips into a few kinds: not all alike, nor each of its own."""
    return 2 <= len(set(values)) <= min(MOST_VALUES, len(values) - 1)


@dataclass(frozen=True)
class Known:
    """What keys call an object by, and whether that holds in later runs."""

    told: object
    lasting: bool

    @classmethod
    def by(cls, name: str, recipe: object | None, behaviour: Behaviour) -> Known:
        """Tell an object by name, recipe and behaviour; without either for one measurement."""
        lasting = recipe is not None
        told = behaviour.digest if behaviour.known or lasting else once()
        return cls(digest(name, recipe, told), lasting)


def once() -> str:
    """Return a name that nothing else has: of what is known for one measurement only."""
    return secrets.token_hex(16)


@dataclass(frozen=True, eq=False)
class Question:
    """Clips under a transformation: what one measurement is of.

    Attributes
    ----------
    study : Study
    asked, condition : Transform
        The transformation as it was given, and the condition that it is.
    known : Known
        How keys tell the condition, as it was when the question was put.
    watch : Stopwatch
        Of the measurement.
    """

    study: Study
    asked: Transform
    condition: Transform
    known: Known
    watch: Stopwatch

    @property
    def timed_apart(self) -> Question:
        """The same as another measurement asks it: what it takes is told there."""
        return replace(self, watch=Stopwatch())

    @property
    def control(self) -> Question | None:
        """The same under what the condition is told apart from, if there is such a thing."""
        control = self.condition.control
        if control is None:
            return None
        known = known_as(control)
        return replace(self, asked=control, condition=control, known=known, watch=Stopwatch())

    @property
    def of_originals(self) -> Question:
        """The same of clips as they are."""
        known = known_as(ORIGINAL)
        return replace(self, asked=ORIGINAL, condition=ORIGINAL, known=known)


def question(study: Study, transform: Transform) -> Question:
    """Put a question: clips of a study under a transformation."""
    condition = transform.condition(study.corpus.sample_rate)
    return Question(study, transform, condition, known_as(condition), Stopwatch())


def known_as(condition: Transform) -> Known:
    """Return how keys tell a condition, as it is now."""
    known = Known.by(condition.name, condition.recipe(), condition.behaviour())
    aims = condition.aims
    if not aims:
        return known
    told = digest(known.told, [aim.told for aim in aims])
    return Known(told, known.lasting and all(aim.lasting for aim in aims))


@dataclass(frozen=True)
class Stopwatch:
    """Seconds by stage."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        started = time.perf_counter()
        try:
            yield
        finally:
            elapsed = time.perf_counter() - started
            self.seconds[stage] = self.seconds.get(stage, 0.0) + elapsed

"""The corpus and the grid of a test, which processes that it starts have too, or refuse."""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from pytest_nnrel.errors import CorpusError, SettingError
from pytest_nnrel.plugin.marker import MARK, grid_of
from pytest_nnrel.plugin.stash import RUN

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_nnrel.corpus import Corpus
    from pytest_nnrel.transforms import Transform

#: Fixture that projects override to bring their own corpus.
CORPUS = "nnrel_corpus"


@dataclass(frozen=True, eq=False)
class NamedCorpus:
    """A corpus by its name, which can be opened in any process."""

    name: str
    geometry: dict[str, Any]
    clips: int | None = None
    #: The whole one, and what the run takes of it.
    _opened: list[Corpus] = field(default_factory=list, init=False, repr=False)

    def __call__(self) -> Corpus:
        if not self._opened:
            whole = self._open()
            self._opened.extend((whole, clips_of(whole, self.clips)))
        return self._opened[1]

    def __reduce__(self) -> tuple[type[NamedCorpus], tuple[object, ...]]:
        # Processes open it themselves.
        return NamedCorpus, (self.name, self.geometry, self.clips)

    def whole(self) -> Corpus:
        """Return all of it, whatever the run takes."""
        self()
        return self._opened[0]

    def is_open_as(self, corpus: Corpus) -> bool:
        """Tell whether a corpus is what the run takes of it."""
        return any(corpus is opened for opened in self._opened[1:])

    def called(self, name: str) -> NamedCorpus:
        """Return another in the same geometry, whole."""
        return replace(self, name=name, clips=None)

    def _open(self) -> Corpus:
        from pytest_nnrel.corpus import open_corpus

        try:
            return open_corpus(self.name, **self.geometry)
        except CorpusError as error:
            raise CorpusError(f"nnrel corpus {self.name}: {error}") from error


def clips_of(corpus: Corpus, clips: int | None) -> Corpus:
    """Return so many clips of a corpus, all of them where None."""
    if clips is None or clips == len(corpus):
        return corpus
    try:
        return corpus.subset(clips)
    except CorpusError as error:
        raise CorpusError(f"nnrel clips: {error}") from error


def part_of(corpus: Corpus, clips: int | None, most: int | None) -> Corpus:
    """Return what a test takes of a corpus: the clips of its mark, or else of the run, `most`.

    A corpus that holds fewer than the run's is small enough as it is: the option is of a run,
    which may have several.
    """
    if clips is None and most is not None:
        clips = min(most, len(corpus))
    return clips_of(corpus, clips)


@dataclass(frozen=True, eq=False)
class CorpusOf:
    """The corpus of a test, by its marks; where none is known, the run's.

    What is pickled, for processes that the run starts, opens the same one there, or refuses.
    """

    config: pytest.Config
    item: pytest.Item | None = None
    marked: Corpus | str | os.PathLike[str] | None = None
    clips: int | None = None

    def __call__(self) -> Corpus:
        run = self.config.stash[RUN]
        if self.marked is None:
            of_run = self._of_run()
            return of_run if self.clips is None else clips_of(run.whole_of(of_run), self.clips)
        if isinstance(self.marked, str | os.PathLike):
            corpus = run.corpus.called(os.fspath(self.marked))()
        else:
            corpus = self.marked
        return part_of(corpus, self.clips, run.corpus.clips)

    def _of_run(self) -> Corpus:
        run = self.config.stash[RUN]
        # Through the fixture, so that a project's own nnrel_corpus is what every assertion takes.
        request = getattr(self.item, "_request", None)
        if request:
            with run.asking, warnings.catch_warnings():
                # Whoever first measures when a test is over is served too.
                warnings.simplefilter("ignore", pytest.PytestDeprecationWarning)
                return request.getfixturevalue(CORPUS)  # type: ignore[no-any-return]
        if self._by_fixture():
            raise SettingError(f"which {CORPUS} of the project's is meant is known in a test only,"
                               " and this is measured outside of one, or in a thread while several"
                               " tests run; pass corpus=")  # fmt: skip
        return run.corpus()

    def _by_fixture(self) -> bool:
        """Tell whether the project gives the corpus, to the test; where none is known, to any."""
        if self.item is None:
            return self.config.stash[RUN].by_fixture
        return is_parameter(self.item) or is_overridden(self.item)

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        named = self.config.stash[RUN].corpus
        if self.marked is None and not self._by_fixture():
            if self.clips is None:
                return InAnotherProcess, (replace(named), None, None)
            return InAnotherProcess, (named.called(named.name), self.clips, None)
        if isinstance(self.marked, str | os.PathLike):
            marked = named.called(os.fspath(self.marked))
            return InAnotherProcess, (marked, self.clips, named.clips)
        source = f"the fixture {CORPUS}" if self.marked is None else f"a mark of {MARK}"
        return partial, (not_there, f"corpus is an object, of {source}", "corpus=")


@dataclass(frozen=True, eq=False)
class InAnotherProcess:
    """A corpus by its name, and how many clips of that: as `part_of` takes them."""

    corpus: NamedCorpus
    clips: int | None
    most: int | None

    def __call__(self) -> Corpus:
        return part_of(self.corpus(), self.clips, self.most)


@dataclass(frozen=True, eq=False)
class GridOf:
    """The grid of a test, or the run's; pickled it is there if it has a name, or refuses."""

    choice: object

    def __call__(self) -> tuple[Transform, ...]:
        return grid_of(self.choice)

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        if isinstance(self.choice, str):
            return GridOf, (self.choice,)
        return partial, (not_there, f"grid is a list, of a mark of {MARK}", "transforms=")


def is_parameter(item: pytest.Item) -> bool:
    """Tell whether a test gets its corpus as a parameter."""
    return CORPUS in getattr(getattr(item, "callspec", None), "params", ())


def is_overridden(node: pytest.Item | pytest.Collector) -> bool:
    """Tell whether tests see another fixture of the corpus than ours."""
    fixtures = node.session._fixturemanager
    return len(fixtures.getfixturedefs(CORPUS, node) or ()) > 1


def not_there(what: str, argument: str) -> NoReturn:
    raise SettingError(
        f"this process was started by a test run whose {what}, and is not handed to other"
        f" processes; pass {argument}"
    )

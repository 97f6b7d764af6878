"""Fixtures, and the tests that run once for each transformation of a grid."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from pytest_nnrel.errors import NNRelError
from pytest_nnrel.plugin.aliases import skip_alias
from pytest_nnrel.plugin.corpora import CORPUS
from pytest_nnrel.plugin.marker import MARK, TRANSFORM, check_mark, grid_of, is_of_grid
from pytest_nnrel.plugin.stash import ITEM_SINK, LASTING, RUN

if TYPE_CHECKING:
    from collections.abc import Generator

    from pytest_nnrel.baselines import Baseline
    from pytest_nnrel.corpus import Corpus
    from pytest_nnrel.transforms import Transform

_NO_ALIAS = "_nnrel_no_alias"


@pytest.fixture(scope="session")
def nnrel_corpus(request: pytest.FixtureRequest) -> Corpus:
    """Corpus of the run (--nnrel-corpus, --nnrel-clips). Override it to bring your own."""
    return request.config.stash[RUN].corpus()


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(
    fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
) -> Generator[None, object, object]:
    """Let --nnrel-clips reach the corpus of a project's own nnrel_corpus.

    What a fixture that outlives the test records is kept apart, as a rerun does not set it up.
    """
    with _kept_apart(fixturedef, request):
        value = yield
    if fixturedef.argname != CORPUS or fixturedef.cached_result is None:
        return value
    from pytest_nnrel.corpus import Corpus

    if not isinstance(value, Corpus):  # who measures says so
        return value
    fewer = request.config.stash[RUN].fewer(value)
    fixturedef.cached_result = (fewer, fixturedef.cached_result[1], None)
    return fewer


@contextmanager
def _kept_apart(
    fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
) -> Generator[None]:
    item = request._pyfuncitem
    sink = item.stash.get(ITEM_SINK, None)
    if sink is None or fixturedef.scope == "function":
        yield
        return
    before = sink.take()
    try:
        yield
    finally:
        item.stash[LASTING].fresh[fixturedef] = sink.take()
        sink.add(before)


@pytest.fixture(scope="session")
def nnrel_baseline(request: pytest.FixtureRequest) -> Baseline:
    """Baseline of the run (--nnrel-baseline): `check(encoder)` fails where it got worse."""
    from pytest_nnrel.baselines import Baseline

    run = request.config.stash[RUN]
    return Baseline(run.baseline, update=run.update_baseline, add_training=run.add_training)


@pytest.fixture(scope="session")
def nnrel_transform(request: pytest.FixtureRequest) -> Transform:
    """Transformation of the run's grid (--nnrel-grid): the test runs once for each of them.

    Magnitudes that are the same at the corpus's sample rate, such as MP3 above the codec's limit,
    are one condition: the first runs, the others are skipped and say which it was.
    """
    if isinstance(request.param, str):  # what is wrong with the grid
        pytest.fail(request.param, pytrace=False)
    transform, _ = request.param
    return transform  # type: ignore[no-any-return]


@pytest.fixture
def _nnrel_no_alias(request: pytest.FixtureRequest) -> None:
    """Skip the test of an alias: which are some, each test's own corpus decides."""
    from pytest_nnrel.measures import run_corpus

    asked = request.node.callspec.params[TRANSFORM]
    if isinstance(asked, str):  # as nnrel_transform says
        return
    transform, transforms = asked
    skip_alias(transform, transforms, run_corpus().sample_rate)


def pytest_itemcollected(item: pytest.Item) -> None:
    if isinstance(item, pytest.Function) and is_of_grid(item):
        # Before what is set up for the transformation, which an alias needs not.
        place = item.fixturenames.index(TRANSFORM)
        item.fixturenames = [*item.fixturenames[:place], _NO_ALIAS, *item.fixturenames[place:]]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if TRANSFORM not in metafunc.fixturenames:
        return
    run = metafunc.config.stash[RUN]
    choice: object = run.grid
    try:
        for mark in reversed(list(metafunc.definition.iter_markers(MARK))):
            check_mark(mark)
            given = mark.kwargs.get("grid")
            choice = choice if given is None else given
        transforms = grid_of(choice)
    except NNRelError as error:
        # One test's mistake is no reason to run none: it fails when it is set up.
        problem = f"{metafunc.definition.nodeid}: {error}"
        metafunc.parametrize(TRANSFORM, [problem], ids=["grid"], indirect=True)
        return
    metafunc.parametrize(
        TRANSFORM,
        [(transform, transforms) for transform in transforms],
        ids=[transform.name for transform in transforms],
        indirect=True,
        scope="session",
    )

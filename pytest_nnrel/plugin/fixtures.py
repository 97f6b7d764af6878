"""Fixtures, and the tests that run once for each transformation of a grid."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_nnrel.errors import NNRelError
from pytest_nnrel.plugin.corpora import CORPUS, clips_of
from pytest_nnrel.plugin.marker import MARK, check_mark, grid_of
from pytest_nnrel.plugin.stash import RUN

if TYPE_CHECKING:
    from collections.abc import Generator

    from pytest_nnrel.baselines import Baseline
    from pytest_nnrel.corpus import Corpus
    from pytest_nnrel.transforms import Transform


@pytest.fixture(scope="session")
def nnrel_corpus(request: pytest.FixtureRequest) -> Corpus:
    """Corpus of the run (--nnrel-corpus, --nnrel-clips). Override it to bring your own."""
    return request.config.stash[RUN].corpus()


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(
    fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
) -> Generator[None, object, object]:
    """Let --nnrel-clips reach the corpus of a project's own nnrel_corpus.

    A corpus that holds fewer is small enough as it is: the option is of a run, which may have
    several of such fixtures.
    """
    value = yield
    if fixturedef.argname != CORPUS or fixturedef.cached_result is None:
        return value
    from pytest_nnrel.corpus import Corpus

    if not isinstance(value, Corpus):  # who measures says so
        return value
    most = request.config.stash[RUN].corpus.clips
    fewer = value if most is None or most >= len(value) else clips_of(value, most)
    fixturedef.cached_result = (fewer, fixturedef.cached_result[1], None)
    return fewer


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
    from pytest_nnrel.measures import run_corpus

    if isinstance(request.param, str):  # what is wrong with the grid
        pytest.fail(request.param, pytrace=False)
    transform, transforms, _ = request.param
    rate = run_corpus().sample_rate  # of the test's own marks, if it has any
    condition = transform.condition(rate)
    first = next(other for other in transforms if other.condition(rate) == condition)
    if first is not transform:
        pytest.skip(f"{transform.name} is {condition.name} at {rate:,} Hz, as {first.name} is")
    return transform  # type: ignore[no-any-return]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "nnrel_transform" not in metafunc.fixturenames:
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
        metafunc.parametrize("nnrel_transform", [problem], ids=["grid"], indirect=True)
        return
    metafunc.parametrize(
        "nnrel_transform",
        # With the test's id, as tests with marks of their own may measure on another corpus.
        [(transform, transforms, metafunc.definition.nodeid) for transform in transforms],
        ids=[transform.name for transform in transforms],
        indirect=True,
        scope="session",
    )

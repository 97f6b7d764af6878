"""What is drawn.

Composed rather than mapped, so that a failure shows ``PitchShift(...)``, not a number.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.errors import FailedHealthCheck

from pytest_nnrel.strategies.ladders import FULL_SEVERITY
from pytest_nnrel.transforms import Chain, Identity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hypothesis.strategies import DrawFn

    from pytest_nnrel.corpus import Clip, Corpus
    from pytest_nnrel.strategies.ladders import Ladder
    from pytest_nnrel.transforms import Transform

#: The profile whose deadline is Hypothesis's own, wherever nobody chose another.
_UNCHOSEN = "default"
#: That deadline: a measurement of a corpus takes longer.
_DEADLINE = timedelta(milliseconds=200)


def _check_deadline() -> None:
    """Refuse a deadline that nobody chose, before time is spent on shrinking what exceeds it.

    Raises
    ------
    FailedHealthCheck
        As Hypothesis does of tests that generate too slowly: it ends the test at once.
    """
    active = settings()  # of the test that draws
    # A deadline that was set, even to the same, is an object of its own.
    chosen = active.deadline is not settings.get_profile(_UNCHOSEN).deadline
    # ``find`` and ``example()`` suppress all health checks, and measure nothing by themselves.
    suppressed = set(HealthCheck) <= set(active.suppress_health_check)
    if active.deadline == _DEADLINE and not chosen and not suppressed:
        raise FailedHealthCheck(
            f"this test has Hypothesis's own deadline of {_DEADLINE.total_seconds() * 1e3:g} ms an"
            " example, which measurements exceed: have conftest.py call"
            ' hypothesis.settings.load_profile("nnrel"), or set @settings(deadline=None) on the'
            " test; a deadline of your own, such as @settings(deadline=60_000), is kept"
        )


@st.composite
def rungs(draw: DrawFn, ladder: Ladder) -> Transform:
    _check_deadline()
    return ladder.on(draw(st.integers(ladder.first, ladder.last)))


@st.composite
def chain(draw: DrawFn, ladders: list[Ladder], min_steps: int, max_steps: int) -> Transform:
    _check_deadline()
    # A list, from which shrinking can take any step and leave the others what they are (of a list
    # of unique values it could not); and as many turns whatever the steps, so that the shorter of
    # two sequences of draws is the one with fewer steps.
    places = st.integers(0, len(ladders) - 1)
    order: list[int] = []
    for place in draw(st.lists(places, min_size=min_steps, max_size=max_steps)):
        order.append(next(p for p in _from(place, len(ladders)) if p not in order))
    directions = [
        ladder.directions[draw(st.integers(0, len(ladder.directions) - 1))] for ladder in ladders
    ]
    severity = draw(st.integers(0, FULL_SEVERITY))
    if severity == 0 and all(ladders[place].holds_identity for place in order):
        return Identity()
    return Chain(*(ladders[place].at(severity, directions[place]) for place in order))


def _from(place: int, places: int) -> Iterator[int]:
    """Yield all places, beginning at one and going round."""
    return ((place + step) % places for step in range(places))


@st.composite
def clip(draw: DrawFn, corpus: Corpus | None) -> Clip:
    _check_deadline()
    if corpus is None:
        from pytest_nnrel.measures import run_corpus

        corpus = run_corpus()
    return corpus[draw(st.integers(0, len(corpus) - 1))]

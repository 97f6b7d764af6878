"""What is in force: the rules by which a thread, a loop or a test finds it."""

import contextvars
from concurrent.futures import ThreadPoolExecutor

import pytest

from pytest_nnrel.errors import SettingError
from pytest_nnrel.runtime.scopes import Scopes


@pytest.fixture
def scopes():
    return Scopes("tried")


def _in_a_thread(function):
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(function).result()


def test_nothing_is_in_force_before_and_after(scopes):
    assert scopes.current() is None
    scopes.leave(scopes.enter("run", shared=True))
    assert scopes.current() is None


def test_a_thread_is_in_the_one_test(scopes):
    scopes.enter("run", shared=True)
    test = scopes.enter("test")
    assert _in_a_thread(scopes.current) == "test"
    scopes.leave(test)
    assert _in_a_thread(scopes.current) == "run"


def test_of_several_tests_a_thread_is_in_none_but_each_test_in_itself(scopes):
    scopes.enter("run", shared=True)
    contexts = [contextvars.copy_context() for _ in range(2)]
    first, second = (c.run(scopes.enter, name) for c, name in zip(contexts, ("first", "second")))
    assert [c.run(scopes.current) for c in contexts] == ["first", "second"]
    assert _in_a_thread(scopes.current) == "run"
    scopes.leave(first)
    assert _in_a_thread(scopes.current) == "second"
    scopes.leave(second)


def test_a_context_of_a_test_that_is_over_is_in_the_next(scopes):
    scopes.enter("run", shared=True)
    first = scopes.enter("first")
    kept = contextvars.copy_context()
    scopes.leave(first)
    assert kept.run(scopes.current) == "run"
    scopes.enter("second")
    assert kept.run(scopes.current) == "second"


def test_sessions_nested_and_one_after_the_other(scopes):
    outer = scopes.enter("outer run", shared=True)
    around = scopes.enter("outer test")
    outside = contextvars.copy_context()
    inner = scopes.enter("inner run", shared=True)
    scopes.enter("inner test")
    assert _in_a_thread(scopes.current) == "inner test"
    assert outside.run(scopes.current) == "outer test"
    kept = contextvars.copy_context()
    scopes.leave(inner)  # and the test that is still open in it
    assert scopes.current() == kept.run(scopes.current) == "outer test"
    scopes.leave(around)
    scopes.leave(outer)
    scopes.enter("next run", shared=True)
    assert kept.run(scopes.current) == "next run"


def test_what_is_left_in_another_context_is_left(scopes):
    scope = scopes.enter("test")
    _in_a_thread(lambda: scopes.leave(scope))
    assert scopes.current() is None


def test_runs_beside_each_other_know_their_own_and_a_thread_is_refused(scopes):
    contexts = [contextvars.copy_context() for _ in range(2)]
    names = ("first run", "second run")
    runs = [c.run(scopes.enter, name, shared=True) for c, name in zip(contexts, names)]
    assert [c.run(scopes.current) for c in contexts] == ["first run", "second run"]
    for context, name in zip(contexts, ("first test", "second test")):
        context.run(scopes.enter, name)
    assert [c.run(scopes.current) for c in contexts] == ["first test", "second test"]
    assert [scopes.within(name) for name in names] == ["first test", "second test"]
    for way in (scopes.current, lambda: scopes.held().__enter__()):
        with pytest.raises(SettingError, match="2 test runs are going on in this process at once"):
            _in_a_thread(way)
    scopes.leave(runs[0])
    assert _in_a_thread(scopes.current) == "second test"
    assert scopes.within(names[0]) is None


@pytest.mark.parametrize("outlasting, after", [(True, "first"), (False, "run")])
def test_what_is_held_is_not_taken_for_the_next_test(outlasting, after):
    scopes = Scopes("tried", outlasting=outlasting)
    scopes.enter("run", shared=True)
    first = scopes.enter("first")

    def hold():
        with scopes.held():
            yield scopes.current()
            yield scopes.current()
        yield scopes.current()

    thread = contextvars.Context()
    seen = hold()
    assert thread.run(next, seen) == "first"  # the one test there is
    scopes.leave(first)
    scopes.enter("second")
    assert thread.run(next, seen) == after
    assert thread.run(next, seen) == "second"


def test_within_a_block_that_holds_another_scope_may_be_opened(scopes):
    scopes.enter("run", shared=True)
    with scopes.held():
        scope = scopes.enter("test")
        assert scopes.current() == "test"
        scopes.leave(scope)
        assert scopes.current() == "run"
    assert scopes.current() == "run"

"""Tasks side by side: order, progress, and what becomes of them when one fails."""

import subprocess
import sys
import textwrap
import threading
import time

import pytest
from patience import PATIENCE

from pytest_nnrel.runtime.tasks import run_tasks


@pytest.mark.parametrize("jobs", [1, 2])
def test_results_come_in_order(jobs):
    def late_first(part):
        time.sleep(0.02 if part == 0 else 0)
        return part * 10

    assert list(run_tasks(late_first, range(6), jobs=jobs)) == [0, 10, 20, 30, 40, 50]


def test_results_come_as_they_are_done():
    taken = threading.Event()

    def first_waits(part):
        if part == 0:
            assert taken.wait(timeout=PATIENCE)
        return part

    results = run_tasks(first_waits, range(8), jobs=2, ordered=False)
    first = next(results)
    taken.set()
    assert first != 0
    assert sorted([first, *results]) == list(range(8))


def test_progress_sees_every_result():
    seen = []

    def progress(results, total):
        assert total == 3
        for result in results:
            seen.append(result)
            yield result

    assert list(run_tasks(str, [1, 2, 3], jobs=1, progress=progress)) == seen == ["1", "2", "3"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_no_task_is_left_running_when_the_caller_fails(error):
    running, begun = set(), []

    def slow(part):
        running.add(part)
        begun.append(part)
        time.sleep(0.1)
        running.remove(part)
        return part

    def interrupted():
        for _ in run_tasks(slow, range(100), jobs=2):
            raise error

    with pytest.raises(error):
        interrupted()
    assert running == set()
    count = len(begun)
    time.sleep(0.3)
    assert len(begun) == count < 100


def test_the_error_of_a_task_comes_through():
    def fail(part):
        raise ZeroDivisionError(part)

    with pytest.raises(ZeroDivisionError):
        list(run_tasks(fail, range(4), jobs=2))


@pytest.mark.slow
def test_an_interpreter_that_ends_on_an_error_is_not_torn_down_by_threads():
    # Rubber Band is C++: a thread inside it when the interpreter ends would abort the process.
    code = """
    from pytest_nnrel import Corpus, PitchShift, audio_consistency
    from pytest_nnrel.runtime import settings
    from pytest_nnrel.transforms import FunctionTransform

    def fails(samples, sample_rate):
        if abs(samples).max() == target:
            raise ValueError("this clip")
        return PitchShift(-8).render(samples, sample_rate, None)[0]

    corpus = Corpus.bundled().subset(40)
    target = abs(corpus[5].samples).max()
    settings.activate(settings.Settings(cache_dir=None, jobs=2))
    audio_consistency(FunctionTransform("fails", fails), corpus=corpus)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1, done.stderr
    assert "this clip" in done.stderr

"""Threads, loops and processes: a measurement is of the run, and the test, that it is made in."""

from __future__ import annotations

import textwrap

import pytest
from conftest import INNER

from pytest_nnrel.report.results import NO_TEST, stable

CLIPS, SEED = 6, 7
SNRS = (60, 50, 40, 30, 25, 20, 15, 10, 5, 0)
_HEAD = f"""
import asyncio
import contextvars
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

import anyio
import joblib
import pytest
from contexts import measured

RIGHT = ({CLIPS}, {SEED})
SNRS = {SNRS}
pytestmark = pytest.mark.parametrize("snr_db", SNRS)
"""
#: Bodies of modules of ten tests; pools, loops and contexts serve all ten.
_HERE = {
    "plain": """
        def test(snr_db):
            assert measured(snr_db) == RIGHT
    """,
    "thread": """
        def test(snr_db):
            found = []
            thread = threading.Thread(target=lambda: found.append(measured(snr_db)))
            thread.start()
            thread.join()
            assert found == [RIGHT]
    """,
    "pool": """
        POOL = ThreadPoolExecutor(1)

        def test(snr_db):
            assert POOL.submit(measured, snr_db).result() == RIGHT
    """,
    "context_of_the_first": """
        FIRST = []

        def test(snr_db):
            FIRST.append(contextvars.copy_context())
            assert FIRST[0].run(measured, snr_db) == RIGHT
    """,
    "context_of_the_import": """
        BEFORE = contextvars.copy_context()

        def test(snr_db):
            assert BEFORE.run(measured, snr_db) == RIGHT
    """,
    "joblib_threads": """
        def test(snr_db):
            parallel = joblib.Parallel(n_jobs=2, prefer="threads")
            assert parallel([joblib.delayed(measured)(snr_db)]) == [RIGHT]
    """,
    "to_thread": """
        def test(snr_db):
            assert asyncio.run(asyncio.to_thread(measured, snr_db)) == RIGHT
    """,
    "one_loop": """
        LOOP = []

        def test(snr_db):
            LOOP[:] = LOOP or [asyncio.Runner()]
            LOOP[0].get_loop()  # takes the context of the first

            async def measuring():
                return measured(snr_db)

            assert LOOP[0].run(measuring()) == RIGHT
            if snr_db == SNRS[-1]:
                LOOP[0].close()
    """,
    **{
        f"asyncio_{scope}": f"""
        @pytest.mark.asyncio(loop_scope="{scope}")
        async def test(snr_db):
            loop = asyncio.get_running_loop()
            assert await loop.run_in_executor(None, measured, snr_db) == RIGHT
            assert measured(snr_db) == RIGHT
        """
        for scope in ("function", "module", "package", "session")
    },
    **{
        f"anyio_{backend}_{scope}": f"""
        @pytest.fixture(scope="{scope}")
        def anyio_backend():
            return "{backend}"

        @pytest.mark.anyio
        async def test(snr_db):
            assert await anyio.to_thread.run_sync(measured, snr_db) == RIGHT
            assert measured(snr_db) == RIGHT
        """
        for backend in ("asyncio", "trio")
        for scope in ("function", "module", "session")
    },
}
_PROCESSES = {
    **{
        f"{method}": f"""
        @pytest.fixture(scope="module")
        def pool():
            with ProcessPoolExecutor(1, mp_context=get_context("{method}")) as pool:
                yield pool

        def test(snr_db, pool):
            assert pool.submit(measured, snr_db).result() == RIGHT
        """
        for method in ("spawn", "fork")
    },
    "loky": """
        @pytest.fixture(scope="module")
        def pool():
            with joblib.Parallel(n_jobs=2) as parallel:
                yield parallel

        def test(snr_db, pool):
            assert pool([joblib.delayed(measured)(snr_db)]) == [RIGHT]
    """,
}
_OPTIONS = (f"--nnrel-clips={CLIPS}", f"--nnrel-seed={SEED}", "--nnrel-jobs=1")


@pytest.fixture(scope="module")
def ten_in(new_inner):
    """Return a function that runs the ten tests in each of some ways, in one session."""

    def run(bodies, *args, **options):
        inner = new_inner()
        inner.ini("asyncio_default_fixture_loop_scope = function")
        contexts = (INNER / "contexts.py").read_text(encoding="utf-8")
        tests = {f"test_{name}": _HEAD + textwrap.dedent(body) for name, body in bodies.items()}
        inner.write(contexts=contexts, **tests)
        done = inner.run(*_OPTIONS, *args, **options)
        done.result.assert_outcomes(passed=len(SNRS) * len(bodies))
        return done.results

    return run


@pytest.fixture(scope="module")
def expected(ten_in):
    """What is measured where nothing runs but the tests, one after the other."""
    measurements = stable(ten_in({"plain": _HERE["plain"]}))["measurements"]
    assert len(measurements) == len(SNRS)
    return measurements


def _check_each_has_its_own(results, expected):
    assert stable(results)["measurements"] == expected
    for test in results["tests"]:
        snr_db = test["test"].partition("[")[2].rstrip("]")
        given = [expected[verdict["measurement"]] for verdict in test["verdicts"]]
        assert given, test["test"]
        assert {found["details"]["transform"]["magnitude"] for found in given} == {float(snr_db)}


@pytest.mark.parametrize("mode", ["plain", "n2"])
def test_threads_and_loops_measure_for_the_test_that_they_serve(ten_in, expected, mode):
    results = ten_in(_HERE, mode=mode)
    assert len(results["tests"]) == len(_HERE) * len(SNRS)
    _check_each_has_its_own(results, expected)


def test_processes_measure_for_the_test_that_they_serve(ten_in, expected):
    results = ten_in(_PROCESSES)
    assert len(results["tests"]) == len(_PROCESSES) * len(SNRS)
    _check_each_has_its_own(results, expected)


def test_tests_that_are_run_in_several_threads(ten_in, expected):
    results = ten_in({"plain": _HERE["plain"]}, "--parallel-threads=2")
    _check_each_has_its_own(results, expected)
    assert {len(test["verdicts"]) for test in results["tests"]} == {2}

"""Threads, loops and processes: a measurement is of the run, and the test, that it is made in."""

from __future__ import annotations

import textwrap
from pathlib import Path

import jsonschema
import pytest

from pytest_nnrel import SettingError, handover
from pytest_nnrel.report.results import NO_TEST, schema, stable

_CONTEXTS = (Path(__file__).parent / "inner" / "contexts.py").read_text(encoding="utf-8")
CLIPS, SEED = 6, 7
SNRS = (55, 50, 40, 30, 25, 20, 15, 10, 5, 0)
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
#: Not loaded in other inner sessions.
_PLUGINS = ("-ppytest_asyncio.plugin", "-ppytest_run_parallel.plugin", "-panyio.pytest_plugin")
_OPTIONS = (f"--nnrel-clips={CLIPS}", f"--nnrel-seed={SEED}", "--nnrel-jobs=1")


@pytest.fixture(scope="module")
def ten_in(new_inner):
    """Return a function that runs the ten tests in each of some ways, in one session."""

    def run(bodies, *args, **options):
        inner = new_inner()
        inner.ini("asyncio_default_fixture_loop_scope = function")
        tests = {f"test_{name}": _HEAD + textwrap.dedent(body) for name, body in bodies.items()}
        inner.write(contexts=_CONTEXTS, **tests)
        done = inner.run(*_PLUGINS, *_OPTIONS, *args, **options)
        done.result.assert_outcomes(passed=len(SNRS) * len(bodies))
        return done.results

    return run


@pytest.fixture(scope="module")
def expected(ten_in):
    """What is measured where nothing runs but the tests, one after the other."""
    measurements = stable(ten_in({"plain": _HERE["plain"]}))["measurements"]
    assert len(measurements) == 2 * len(SNRS)  # each brings its bound in audio space along
    return measurements


def _check_each_has_its_own(results, expected):
    assert stable(results)["measurements"] == expected
    for test in results["tests"]:
        snr_db = test["test"].partition("[")[2].rstrip("]")
        given = [expected[verdict["measurement"]] for verdict in test["verdicts"]]
        assert given, test["test"]
        assert {found["details"]["transform"]["magnitude"] for found in given} == {float(snr_db)}


@pytest.mark.parametrize("mode", ["plain", pytest.param("n2", marks=pytest.mark.exhaustive)])
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


_CONFTEST = """
    from concurrent.futures import ThreadPoolExecutor

    def pytest_sessionfinish(session):
        if getattr(session, "items", ()):  # not in the controller of workers
            from contexts import measured
            with ThreadPoolExecutor(1) as pool:
                assert pool.submit(measured, 30).result() == (6, 7)
"""


@pytest.mark.parametrize("mode", ["plain", "n2"])
def test_what_no_test_is_known_to_have_made_is_reported_of_none(inner, mode):
    inner.write(contexts=_CONTEXTS, conftest=_CONFTEST, test_it="def test_it(): pass\n")
    results = inner.run(*_OPTIONS, mode=mode).results
    (entry,) = results["tests"]
    assert (entry["test"], entry["outcome"]) == (NO_TEST, "passed")
    found = results["measurements"][entry["verdicts"][0]["measurement"]]
    assert (found["n"], found["details"]["identity"]["seed"]) == (CLIPS, SEED)
    jsonschema.validate(results, schema())


def test_a_test_that_clears_the_environment_ends_as_any_other(inner):
    inner.write(
        test_it="""
            from encoders import spectrum
            from pytest_nnrel import PinkNoise, within_consistency

            def test_it(monkeypatch):
                monkeypatch.delenv("PYTEST_NNREL_RUN")
                within_consistency(spectrum, PinkNoise(30))
        """
    )
    run = inner.run(*_OPTIONS)
    run.result.assert_outcomes(passed=1)
    assert [m["n"] for m in run.results["measurements"].values()] == [CLIPS] * 2


def test_two_sessions_in_one_process_have_each_its_own(inner):
    """The second is in a thread pool that the first began, and in a context of the first's."""
    inner.write(
        contexts=_CONTEXTS,
        test_it="""
            import sys
            from contexts import measured

            def test_it():
                sys.measured.append(sys.pool.submit(measured, 30).result())
                sys.kept.append(__import__("contextvars").copy_context())
                sys.measured.append(sys.kept[0].run(measured, 20))
        """,
    )
    code = """
import sys
from concurrent.futures import ThreadPoolExecutor
import pytest

sys.pool, sys.kept, sys.measured = ThreadPoolExecutor(1), [], []
for seed, clips in ((1, 4), (2, 5)):
    argv = ["-pno:hypothesispytest", "--nnrel-corpus=bundled", "-q", "test_it.py"]
    assert pytest.main([*argv, f"--nnrel-clips={clips}", f"--nnrel-seed={seed}"]) == 0
assert sys.measured == [(4, 1), (4, 1), (5, 2), (5, 2)], sys.measured
"""
    done = inner.execute("python", "-c", code)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_process_that_outlives_its_run_is_told_so(tmp_path, monkeypatch):
    monkeypatch.setenv(handover.VARIABLE, str(tmp_path / "gone"))
    with pytest.raises(SettingError, match="the test run that started this process is over"):
        handover.handed_down()
    with pytest.raises(SettingError, match="is over"):
        handover.hand_back({})


_OWN_CORPUS = {
    "conftest": """
        import numpy as np
        import pytest
        from pytest_nnrel import Corpus

        @pytest.fixture(scope="session")
        def nnrel_corpus():
            signals = np.random.default_rng(1).normal(0, 0.1, (9, 44100)).astype(np.float32)
            yield Corpus.from_arrays(signals, sample_rate=22050, name="own")
    """,
    "test_own": """
        from concurrent.futures import ProcessPoolExecutor
        from multiprocessing import get_context

        import pytest
        from contexts import measured
        from pytest_nnrel import SettingError

        def test_clips(nnrel_corpus):
            assert len(nnrel_corpus) == 6
            assert measured(30) == (6, 7)

        @pytest.mark.nnrel(clips=3, seed=5)
        def test_marks():
            assert measured(30) == (3, 5)

        def test_spawned():
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
                with pytest.raises(SettingError, match="corpus is an object, of the fixture"):
                    pool.submit(measured, 30).result()
    """,
}


def test_clips_of_the_run_reach_a_corpus_of_the_projects(inner):
    inner.write(contexts=_CONTEXTS, **_OWN_CORPUS)
    run = inner.run(*_OPTIONS)
    run.result.assert_outcomes(passed=3)
    assert run.results["settings"]["clips"] == CLIPS
    assert run.measurement_of("test_clips")["n"] == CLIPS
    run = inner.run("--nnrel-clips=10", "--nnrel-seed=7", "-k=test_marks")
    run.result.assert_outcomes(passed=1)
    assert run.measurement_of("test_marks")["n"] == 3  # of the nine that there are

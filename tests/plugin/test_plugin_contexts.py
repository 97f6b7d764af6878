"""Threads, loops and processes: a measurement is of the run, and the test, that it is made in."""

from __future__ import annotations

import textwrap
from pathlib import Path

import jsonschema
import pytest

from pytest_nnrel import SettingError
from pytest_nnrel.report.results import NO_TEST, schema, stable
from pytest_nnrel.runtime import handover

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
import trio
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
    "pytest_trio": """
        @pytest.mark.trio
        async def test(snr_db):
            assert await trio.to_thread.run_sync(measured, snr_db) == RIGHT
            async with trio.open_nursery() as nursery:
                @nursery.start_soon
                async def child():
                    assert measured(snr_db) == RIGHT
    """,
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
_PLUGINS = (
    "-ppytest_asyncio.plugin",
    "-ppytest_run_parallel.plugin",
    "-ppytest_trio.plugin",
    "-panyio.pytest_plugin",
)
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


@pytest.mark.exhaustive
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


_ORPHAN = """
    import threading
    from concurrent.futures import ThreadPoolExecutor

    import numpy as np
    import pytest
    from encoders import spectrum
    from pytest_nnrel import PinkNoise, assert_within_consistency

    POOL, FUTURES = ThreadPoolExecutor(1), []
    MEASURING, OVER = threading.Event(), threading.Event()

    def waiting(batch):
        MEASURING.set()
        assert OVER.wait(120)
        return spectrum(batch)

    @pytest.mark.nnrel(clips=4, seed=3)
    def test_forgets_what_it_started():
        FUTURES.append(POOL.submit(assert_within_consistency, waiting, PinkNoise(-30), min={min}))
        assert MEASURING.wait(120)

    def test_next():
        OVER.set()
        while not FUTURES[0].done():
            threading.Event().wait(0.01)
        with pytest.raises(AssertionError, match="C_W"):
            assert_within_consistency(spectrum, PinkNoise(-30), min=1.0)
        with pytest.raises(AssertionError, match="C_W"):
            POOL.submit(assert_within_consistency, spectrum, PinkNoise(-20), min=1.0).result()
"""


@pytest.mark.parametrize("mode, holds", [("plain", True), ("plain", False), ("n2", False)])
def test_an_assertion_that_outlives_its_test_is_of_none_and_fails_the_run(inner, mode, holds):
    """What a test expects to fail is the test's own and does not."""
    inner.write(test_it=_ORPHAN.format(min=0.0 if holds else 1.0))
    run = inner.run(*_OPTIONS, *(["--dist=loadfile"] if mode == "n2" else []), mode=mode)
    run.result.assert_outcomes(passed=2)
    tests = run.tests()
    assert set(tests) == {"test_next", NO_TEST}
    assert [v["outcome"] for v in tests["test_next"]["verdicts"]] == ["fails", "fails"]
    assert tests[NO_TEST]["outcome"] == ("passed" if holds else "failed")
    # Clips and seed are of the test that began it.
    found = run.measurement_of(NO_TEST)
    assert (found["n"], found["details"]["identity"]["seed"]) == (4, 3)
    assert run.ret == run.results["run"]["exit_status"] == (0 if holds else 1)
    said = "failed, and so does the run: assert_within_consistency, which no test is known to have"
    assert run.text.count(said) == (0 if holds else 1)
    if not holds:
        message = run.verdict_of(NO_TEST)["message"].splitlines()[0]
        assert f"{said} made: {message}" in run.text
        assert NO_TEST in run.page


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


_AT_ONCE = """
    import threading
    from concurrent.futures import ThreadPoolExecutor

    import pytest
    from _pytest.runner import SetupState

    def pytest_runtestloop(session):
        # As runners for free-threaded builds do it: what is set up is a thread's own.
        local = threading.local()

        class Sessions(type(session)):
            @property
            def _setupstate(self):
                local.state = getattr(local, "state", None) or SetupState()
                return local.state

        session.__class__ = Sessions

        def run(item):
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)

        with ThreadPoolExecutor(2) as pool:
            list(pool.map(run, session.items))
        return True
"""


def test_two_tests_at_once_in_threads_of_one_run(inner):
    inner.write(
        contexts=_CONTEXTS,
        conftest=_AT_ONCE,
        test_it="""
            import contextvars
            import threading
            from concurrent.futures import ThreadPoolExecutor

            import pytest
            from contexts import measured

            BOTH = threading.Barrier(2, timeout=600)

            def measure(right):
                BOTH.wait()
                assert measured(30) == right
                with ThreadPoolExecutor(1) as pool:
                    here = contextvars.copy_context()
                    assert pool.submit(here.run, measured, 20).result() == right
                    assert pool.submit(measured, 10).result() == (6, 7)  # the run's: of which?
                BOTH.wait()

            @pytest.mark.nnrel(clips=3, seed=1)
            def test_one(): measure((3, 1))

            @pytest.mark.nnrel(clips=4, seed=2)
            def test_other(): measure((4, 2))
        """,
    )
    run = inner.run(*_OPTIONS, "-s", strict=False)
    run.result.assert_outcomes(passed=2)
    found = {
        test: {
            run.results["measurements"][verdict["measurement"]]["n"]
            for verdict in entry["verdicts"]
        }
        for test, entry in run.tests().items()
    }
    assert found == {"test_one": {3}, "test_other": {4}, NO_TEST: {CLIPS}}


def test_a_session_within_a_test_of_another(inner):
    """Of pytester: settings and what is recorded stay apart, before, within and after."""
    inner.write(
        contexts=_CONTEXTS,
        conftest='pytest_plugins = "pytester"\n',
        test_outer="""
            import json
            from concurrent.futures import ThreadPoolExecutor

            from contexts import measured

            INNER = '''
                from concurrent.futures import ThreadPoolExecutor
                from contexts import measured

                def test_inner():
                    assert measured(30) == (4, 1)
                    with ThreadPoolExecutor(1) as pool:
                        assert pool.submit(measured, 20).result() == (4, 1)
            '''

            def test_outer(pytester):
                pool = ThreadPoolExecutor(1)
                for way in (lambda: measured(50), lambda: pool.submit(measured, 40).result()):
                    assert way() == (6, 7)
                    pytester.makepyfile(test_inner=INNER)
                    done = pytester.runpytest_inprocess(
                        "-pno:hypothesispytest", "--nnrel-clips=4", "--nnrel-seed=1",
                        "--nnrel-report=report",
                    )
                    done.assert_outcomes(passed=1)
                    results = json.loads((pytester.path / "report/results.json").read_text())
                    (entry,) = results["tests"]
                    assert len(entry["verdicts"]) == 2
                    assert {m["n"] for m in results["measurements"].values()} == {4}
                    assert way() == (6, 7)
                pool.shutdown()
        """,
    )
    run = inner.run(*_OPTIONS, strict=False)
    run.result.assert_outcomes(passed=1)
    (entry,) = run.results["tests"]
    assert len(entry["verdicts"]) == 4
    assert {m["n"] for m in run.results["measurements"].values()} == {CLIPS}


def test_two_sessions_at_once_in_one_process(inner):
    """Each test knows its own; threads and processes of which it cannot be known are refused."""
    test = """
        import contextvars, sys
        from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
        from multiprocessing import get_context

        import pytest
        from contexts import measured
        from pytest_nnrel import SettingError

        def test_it():
            sys.both.wait()
            assert measured(30) == RIGHT
            with ThreadPoolExecutor(1) as pool:
                here = contextvars.copy_context()
                assert pool.submit(here.run, measured, 20).result() == RIGHT
                with pytest.raises(SettingError, match="2 test runs are going on"):
                    pool.submit(measured, 10).result()
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
                with pytest.raises(SettingError, match="2 test runs were going on"):
                    pool.submit(measured, 10).result()
            sys.both.wait()
    """
    sessions = {"test_0": (4, 1), "test_1": (5, 2)}
    tests = {n: f"RIGHT = {right}\n{textwrap.dedent(test)}" for n, right in sessions.items()}
    code = f"""
        import json, os, sys, threading
        import pytest

        def main():
            sys.both, done = threading.Barrier(2, timeout=600), {{}}

            def run(name, clips, seed):
                done[name] = pytest.main([
                    "-pno:hypothesispytest", "-pno:faulthandler", "-pno:warnings", "-s", "-q",
                    "-pno:inline_snapshot",  # which knows of one session
                    f"--nnrel-report={{name}}", f"--nnrel-clips={{clips}}",
                    f"--nnrel-seed={{seed}}", f"{{name}}.py",
                ])

            sessions = {sessions}
            threads = [threading.Thread(target=run, args=(n, *r)) for n, r in sessions.items()]
            for thread in threads: thread.start()
            for thread in threads: thread.join()
            assert set(done.values()) == {{0}}, done
            for name, (clips, seed) in sessions.items():
                with open(f"{{name}}/results.json") as file:
                    results = json.load(file)
                assert [len(entry["verdicts"]) for entry in results["tests"]] == [2]
                assert {{m["n"] for m in results["measurements"].values()}} == {{clips}}
            assert "{handover.VARIABLE}" not in os.environ

        if __name__ == "__main__":
            main()
    """
    inner.write(contexts=_CONTEXTS, both=code, **tests)
    done = inner.execute("python", "both.py")
    assert done.returncode == 0, done.stdout + done.stderr


_FORKING = """
    import multiprocessing

    import pytest
    from _pytest.runner import runtestprotocol

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(item, nextitem):
        # As pytest-forked does it.
        context = multiprocessing.get_context("fork")
        ours, theirs = context.Pipe()

        def run():
            theirs.send(runtestprotocol(item, log=False))

        process = context.Process(target=run)
        process.start()
        reports = ours.recv()
        process.join()
        for report in reports:
            item.ihook.pytest_runtest_logreport(report=report)
        return True
"""


def test_tests_that_are_forked(inner):
    inner.write(
        contexts=_CONTEXTS,
        conftest=_FORKING,
        test_it="""
            from concurrent.futures import ThreadPoolExecutor
            from contexts import measured

            def test_one():
                assert measured(30) == (6, 7)

            def test_other():
                with ThreadPoolExecutor(1) as pool:
                    assert pool.submit(measured, 20).result() == (6, 7)
        """,
    )
    run = inner.run(*_OPTIONS)
    run.result.assert_outcomes(passed=2)
    assert {test: len(entry["verdicts"]) for test, entry in run.tests().items()} == {
        "test_one": 1,
        "test_other": 1,
    }


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

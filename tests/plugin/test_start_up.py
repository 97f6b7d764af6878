"""What the plugin costs a run that does not use it: nothing but the standard library."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from patience import PATIENCE

from pytest_nnrel import quick_grid
from pytest_nnrel.runtime import handover

#: What measuring needs, and a run that does not measure must not wait for.
_HEAVY = {
    "numpy", "hypothesis", "torch", "librosa", "scipy", "numba", "matplotlib", "jinja2", "tqdm",
    "soundfile", "soxr", "pyloudnorm", "pedalboard", "lameenc", "joblib",
}  # fmt: skip
_CONFTEST = """
    import json
    import sys
    from pathlib import Path

    def pytest_unconfigure(config):
        if not hasattr(config, "workerinput"):
            loaded = {name.partition(".")[0] for name in sys.modules} - {"pytest_nnrel"}
            loaded = sorted(loaded - set(sys.stdlib_module_names))
            Path(__file__).with_name("loaded.json").write_text(json.dumps(loaded))
"""


def _loaded(inner, *args, with_us: bool) -> set[str]:
    """Return the modules besides the standard library that a run had loaded when it ended.

    Without us means without either entry point: pytest's, and Hypothesis's, which Hypothesis's own
    pytest plugin may come across.
    """
    flags, environment = ((), {}) if with_us else (("-pno:nnrel",), {"HYPOTHESIS_NO_PLUGINS": "1"})
    # anyio's plugin is loaded, and trio, which has an entry point of Hypothesis too: in both runs.
    flags = ("-pno:platformdirs", "-panyio.pytest_plugin", "-ptrio", *flags)
    done = inner.execute("pytest", *flags, *args, **environment)
    assert done.returncode in (0, pytest.ExitCode.NO_TESTS_COLLECTED), done.stdout + done.stderr
    return set(json.loads((inner.path / "loaded.json").read_text()))


@pytest.fixture(scope="module")
def added(new_inner):
    """Return the modules that an unrelated run loads because of the plugin."""
    inner = new_inner()
    inner.write(conftest=_CONFTEST, test_trivial="def test_trivial(): pass\n")
    return _loaded(inner, with_us=True) - _loaded(inner, with_us=False)


def test_unrelated_run_loads_nothing_heavy_because_of_the_plugin(added):
    assert not added & _HEAVY


def test_unrelated_run_loads_no_other_package_because_of_the_plugin(added):
    assert not added


def test_collecting_tests_that_import_it_needs_no_numpy(inner):
    """Names are imported lazily: listing tests, as editors do, stays quick."""
    inner.write(
        conftest=_CONFTEST,
        test_lazy="""
            from pytest_nnrel import MP3, PitchShift, imperceptible

            def test_asking(nnrel_transform): pass
        """,
    )
    without = _loaded(inner, "--collect-only", "-pno:python", with_us=False)
    assert not (_loaded(inner, "--collect-only", with_us=True) - without) & _HEAVY


def test_a_run_that_finds_all_in_the_cache_loads_no_compiler_and_no_filters(inner):
    """The second run of a test is what its author waits for, again and again."""
    inner.write(
        conftest=_CONFTEST,
        test_measuring="""
            from pytest_nnrel import MFCCEncoder, PinkNoise, assert_within_consistency

            def test_noise(nnrel_corpus):
                assert_within_consistency(MFCCEncoder(), PinkNoise(40), min=0.1)
        """,
    )
    assert "librosa" not in _loaded(inner, "--nnrel-clips=5", with_us=True)
    inner.write(conftest=_CONFTEST.replace('name.partition(".")[0]', "name"))
    again = _loaded(inner, "--nnrel-clips=5", with_us=True)
    assert "scipy.fft" in again  # which MFCCs are of
    assert again & {"librosa", "numba", "scipy.signal", "scipy.stats"} == set()


def test_it_can_be_loaded_by_name_where_plugins_are_not_found(inner):
    """The hooks and fixtures lie in modules of their own, and are those of one plugin."""
    inner.write(
        test_named="""
            import pytest
            from pytest_nnrel.plugin import nnrel_corpus as the_runs

            @pytest.fixture(scope="session")
            def nnrel_corpus(the_runs):
                return the_runs.subset(3)

            @pytest.mark.nnrel(seed=1, grid="quick")
            def test_named(nnrel_corpus, nnrel_transform):
                assert len(nnrel_corpus) == 3
        """
    )
    done = inner.execute(
        "pytest", "-ppytest_nnrel.plugin", "-Werror", "--strict-markers", "--nnrel-clips=5",
        PYTEST_DISABLE_PLUGIN_AUTOLOAD="1",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(quick_grid())} passed" in done.stdout


def _imported_by(statement: str, *, before: str = "pass") -> set[str]:
    """Return the top-level modules that a statement loads in a bare interpreter."""
    code = f"""
import sys
{before}
known = set(sys.modules)
{statement}
print(*sorted({{name.partition('.')[0] for name in set(sys.modules) - known}}))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=PATIENCE
    )
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "module", ["pytest_nnrel", "pytest_nnrel.plugin", "pytest_nnrel.transforms"]
)
def test_import_loads_the_standard_library_and_pytest_only(module):
    loaded = _imported_by(f"import {module}", before="import pytest")
    assert "pytest_nnrel" in loaded
    assert loaded - {"pytest_nnrel"} <= set(sys.stdlib_module_names)


def test_package_does_not_even_need_pytest():
    loaded = _imported_by("import pytest_nnrel; pytest_nnrel.PitchShift")
    assert "_pytest" not in loaded
    assert loaded - {"pytest_nnrel"} <= set(sys.stdlib_module_names)


def test_strategies_load_hypothesis_and_nothing_else():
    loaded = _imported_by("import pytest_nnrel.strategies", before="import hypothesis.strategies")
    assert not loaded & _HEAVY


def outside_of_runs():
    """Return the environment of a process that no test has started."""
    return {name: value for name, value in os.environ.items() if name != handover.VARIABLE}


def test_measuring_works_without_pytest(clips, tmp_path):
    """No plugin, no settings of a run: the bundled corpus, and the user's cache."""
    code = """
import sys
import numpy as np
from pytest_nnrel import Corpus, PinkNoise, within_consistency

def spectrum(batch):
    return np.abs(np.fft.rfft(batch, axis=1))[:, :2000]

corpus = Corpus.bundled().subset(8)
measured = within_consistency(spectrum, PinkNoise(59.5), corpus=corpus)
print(measured.value, measured.n, measured.details["corpus"]["name"], "_pytest" in sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True, text=True, check=False, timeout=PATIENCE, cwd=tmp_path,
        env={**outside_of_runs(), "XDG_CACHE_HOME": str(tmp_path / "cache")},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["1.0", "8", "bundled", "False"]
    assert done.stderr == ""
    assert list((tmp_path / "cache" / "pytest-nnrel").rglob("*.arrays"))


def test_corpus_is_the_bundled_one_where_there_is_no_run(tmp_path):
    code = """
from pytest_nnrel.measures import run_corpus
from pytest_nnrel import Corpus
assert run_corpus() is Corpus.bundled()
print(len(run_corpus()))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=PATIENCE
    )
    assert done.stdout.split() == ["134"]

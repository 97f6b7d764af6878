"""Requirements of a file as tests: what is collected, what they say, and what is refused."""

from __future__ import annotations

import inspect
import re

import numpy as np
import pytest
import soundfile

import pytest_nnrel
from pytest_nnrel import PinkNoise, SettingError
from pytest_nnrel.plugin.requirements import JUDGES, read_requirements

_CONFTEST = """
    import pytest
    from encoders import Positions

    @pytest.fixture(scope="session")
    def lossy(nnrel_corpus):
        return Positions(nnrel_corpus, lost=(2, 5), name="lossy")
"""
_FILE = """\
encoder = "lossy"
distance = "euclidean"

[[require]]
transform = "PinkNoise(snr_db=40)"
min = 0.7

[[require]]
transform = "PinkNoise(snr_db=40)"
max = 0.7

[[require]]
encoder = "encoders:spectrum"
transform = "PinkNoise(snr_db=40)"
between = [0.2, 1.0]
clips = 6
"""
_HOLDS = "within[lossy-PinkNoise(snr_db=40)-min=0.7-distance=euclidean]"
_FAILS = "within[lossy-PinkNoise(snr_db=40)-max=0.7-distance=euclidean]"
_MARKED = (
    "within[encoders:spectrum-PinkNoise(snr_db=40)-between=(0.2, 1.0)-distance=euclidean-clips=6]"
)


def test_each_requirement_is_a_test(inner, mode):
    inner.write(conftest=_CONFTEST)
    (inner.path / "needs.toml").write_text(_FILE)
    run = inner.run("--nnrel-requirements=needs.toml", mode=mode, strict=False)
    run.result.assert_outcomes(passed=2, failed=1)
    assert set(run.tests()) == {_HOLDS, _FAILS, _MARKED}
    assert run.verdict_of(_FAILS)["maximum"] == 0.7
    assert run.measurement_of(_MARKED)["n"] == 6
    failure = run.failure_of(_FAILS)
    assert "E       lossy: C_W = 0.750 > 0.7 under PinkNoise(snr_db=40)" in failure
    assert "needs.toml:8: AssertionError" in failure
    assert ".py" not in failure  # nothing of this package's or pytest's code
    if mode == "plain":
        redo = run.command_of(_FAILS, "redo")
        again = inner.execute(*redo, f"--nnrel-corpus={inner._clips}")
        assert "1 failed" in again.stdout
        assert "passed" not in again.stdout


_BESIDE = """\
[[require]]
encoder = "lossy"
transform = "PinkNoise(snr_db=40)"
max = 0.5

[[require]]
encoder = "by_module"
family = "MP3"
min = 0.0
corpus = "low"
"""
_OF_MODULES = (
    _CONFTEST
    + """
    from encoders import spectrum

    @pytest.fixture(scope="module")
    def by_module(request):
        assert request.module.__name__ == "needs"
        return spectrum

    @pytest.fixture(scope="module", autouse=True)
    def around():
        yield
    """
)


def test_scopes_folders_rates_and_last_failures_are_as_of_other_tests(inner):
    inner.write(conftest=_OF_MODULES)
    low = inner.path / "sub" / "low"
    low.mkdir(parents=True)
    noise = np.random.default_rng(0)
    for i in range(3):
        soundfile.write(low / f"{i}.wav", noise.normal(0.0, 0.1, 16_000), 8_000)
    (inner.path / "sub" / "needs.toml").write_text(_BESIDE)
    (inner.path / "pytest.ini").write_text(
        "[pytest]\nnnrel_sample_rate = 8000\nnnrel_source_seconds = 2\nnnrel_window_seconds = 1\n"
        "nnrel_corpus = sub/low\n"
    )
    asked = ("python", "-mpytest", "-q", "-rs", "--nnrel-requirements=sub/needs.toml")
    first = inner.execute(*asked)
    assert "1 failed, 7 passed, 9 skipped" in first.stdout
    assert re.search(r"MP3\(kbps=320\) is MP3\(kbps=64\) at 8,000 Hz, as \S+ is", first.stdout)
    again = inner.execute(*asked, "--lf", "--collect-only")
    assert "sub/needs.toml::within[lossy-PinkNoise(snr_db=40)-max=0.5]\n" in again.stdout
    assert "by_module" not in again.stdout


def test_a_fixture_that_has_params_is_told(inner):
    inner.write(conftest=_CONFTEST.replace('"session"', '"session", params=[1, 2]'))
    (inner.path / "needs.toml").write_text(_FILE)
    run = inner.execute("pytest", "--nnrel-requirements=needs.toml")
    assert "needs.toml:4: the fixture 'lossy' has params" in run.stdout
    assert run.returncode == pytest.ExitCode.INTERRUPTED


def test_in_the_ini_file_it_is_of_runs_of_folders(inner):
    inner.write(conftest=_CONFTEST)
    (inner.path / "tests").mkdir()
    (inner.path / "tests" / "test_other.py").write_text("def test_other(): pass")
    (inner.path / "pyproject.toml").write_text(
        '[tool.pytest.ini_options]\nnnrel_requirements = "pyproject.toml"\n'
        '[tool.nnrel.requirements]\nencoder = "lossy"\n'
        '[[tool.nnrel.requirements.require]]\ntransform = "PinkNoise(40)"\nmin = 0.7\n'
    )

    def collected(*named):
        return inner.execute("pytest", "--collect-only", "-q", *named).stdout

    for folders in ((), ("tests",), (inner.path,)):
        whole = collected(*folders)
        assert "pyproject.toml::within[lossy-PinkNoise(snr_db=40)-min=0.7]" in whole
        assert "2 tests collected" in whole
    assert "1/2 tests collected" in collected("tests", "-k", "PinkNoise")
    for single in ("tests/test_other.py", "tests/test_other.py::test_other"):
        assert "1 test collected" in collected(single)


def test_a_file_where_pytest_does_not_look_is_told(inner):
    inner.write(conftest=_CONFTEST, test_other="def test_other(): pass")
    (inner.path / ".checks").mkdir()
    (inner.path / ".checks" / "asked.toml").write_text(
        'encoder = "lossy"\n[[require]]\ntransform = "PinkNoise(40)"\nmin = 0.7\n'
    )
    asked = ("pytest", "--collect-only", "-q", "--nnrel-requirements=.checks/asked.toml")
    everything = inner.execute(*asked)
    assert "asked.toml is in a folder '.checks', which pytest passes over" in everything.stderr
    assert everything.returncode == pytest.ExitCode.USAGE_ERROR
    beside = inner.execute(*asked, "test_other.py")
    assert ".checks/asked.toml::within[lossy-PinkNoise(snr_db=40)-min=0.7]" in beside.stdout
    assert "2 tests collected" in beside.stdout


def test_what_is_wrong_with_a_file_is_no_run(inner):
    inner.write(test_other="def test_other(): pass")
    (inner.path / "needs.toml").write_text('[[require]]\nencoder = "x"\nmin = 1\n')
    run = inner.execute("pytest", "--nnrel-requirements=needs.toml")
    assert "needs.toml:1: one of transform, grid, family is named, not none of them" in run.stdout
    assert run.returncode == pytest.ExitCode.INTERRUPTED
    missing = inner.execute("pytest", "--nnrel-requirements=none.toml")
    assert "nnrel requirements: there is no file" in missing.stderr
    assert missing.returncode == pytest.ExitCode.USAGE_ERROR


def read(folder, text, name="needs.toml"):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return read_requirements(path)


_HEAD = 'encoder = "e"\n[[require]]\n'


@pytest.mark.parametrize(
    "text, told",
    [
        ('transform = "PitchShft(2)"\nmin = 1', r"needs\.toml:3: no family is called 'PitchShft'"
         r"; did you mean PitchShift"),
        ('family = "pinknoise"\nmin = 1', "3: no family is called 'pinknoise'; did you mean Pink"),
        ('grid = "quik"\nmin = 1', "3: no grid is called 'quik'; did you mean quick"),
        ('transform = "MP3(64)"\n\nmim = 1', "5: within takes no 'mim'; did you mean min"),
        ('transform = "MP3(64)"\nmin = 1.5', "4: min must lie between 0 and 1, not 1.5"),
        ('transform = "MP3(64)"\nmin = 0.1\nmax = 0.2', "4: one of min, max and between is asked"),
        ('transform = "MP3(64)"\nbetween = [0.2]', "4: between takes two values"),
        ('transform = "MP3(64)"\nmeasure = "rho"\nmax = 0.2', "5: rho takes min, not max"),
        ('transform = "MP3(64)"\nmeasure = "roh"\nmin = 0', "4: no measure is called 'roh'"),
        ('transform = "MP3(999)"\nmin = 1', "3: .*999"),
        ('transform = 3\nmin = 1', "3: transform is a name, not 3"),
        ('transform = "MP3(64)"\ngrid = "quick"\nmin = 1', "4: one of transform, grid, family"),
        ('grid = "quick"\nmeasure = "monotone"\nmin = 1', "3: a ladder is gone along, not a grid"),
        ('transform = "MP3(64)"\nmin = 1\ndistance = "dtw"', "5: no latent distance is called"),
        ('transform = "MP3(64)"\nmin = 1\nconfident = 1', "5: confident is true or false, not 1"),
        ('transform = "MP3(64)"\nmin = 1\nclips = 1', r"5: .*clips=.* of 2 or more, not 1"),
        ('family = "MP3"\nmeasure = "sensitive"\nmin = 1\nsteps = 1', "6: steps .* number of 2 or"),
        ('family = "MP3"\nmeasure = "unbroken"\nmin = 1\nsteps = 0', "6: steps .* number of 1 or"),
        ('family = "Chain"\nmin = 1', "3: no family is called 'Chain'"),
        ('family = "Identity"\nmin = 1', "3: no family is called 'Identity'"),
        ('transform = "MP3(64)"\nmeasure = ["rho"]\nmin = 1', "4: measure is a name, not .*rho"),
        ('transform = "MP3(64)"\nmeasure = "rho"\nmin = 0\nlatent_distance = "cosine"',
         "6: rho takes no 'latent_distance'; did you mean .*distance"),
        ('transform = "MP3(64)"\nmin = 1\nencoder = ""', "5: encoder is the name of a fixture"),
        ('transform = "MP3(64)"\nmin = ', "4: no TOML"),
        ('transform = "MP3(64)"\nmin = 1\n[[require]]\ntransform = "MP3(64)"\nmin = 1',
         "5: .* is required in line 2 already"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_line(tmp_path, text, told):
    with pytest.raises(SettingError, match=told):
        read(tmp_path, _HEAD + text)


@pytest.mark.parametrize("measure", JUDGES)
def test_what_a_row_may_hold_is_what_its_assertion_takes(measure):
    judge = JUDGES[measure]
    assertion = getattr(pytest_nnrel, judge.assertion)
    taken = inspect.signature(assertion).parameters
    assert {*judge.bounds, *judge.fixed} <= taken.keys()
    assert {judge.called.get(key, key) for key in judge.keys} <= taken.keys()
    if "steps" in judge.keys:
        with pytest.raises(SettingError, match=f"number of {judge.least_steps} or more"):
            assertion(None, PinkNoise(20), min=0.5, steps=judge.least_steps - 1)


def test_a_distance_above_all_rows_is_of_embeddings(tmp_path, monkeypatch):
    text = (
        'encoder = "e"\ndistance = "cosine"\nfamily = "MP3"\nmin = 0.5\n'
        '[[require]]\nmeasure = "rho"\ntransform = "MP3(64)"\naudio_distance = "simple"\n'
        '[[require]]\nmeasure = "unbroken"\nsteps = 1\n'
    )
    asked = []
    for name in ("assert_between_consistency", "assert_unbroken_until"):
        monkeypatch.setattr(
            pytest_nnrel, name, lambda *subject, **options: asked.append(options), raising=False
        )
    for required in read(tmp_path, text):
        required.judge("an encoder")
    assert asked == [
        {"measure": "rho", "min": 0.5, "latent_distance": "cosine", "audio_distance": "simple"},
        {"min": 0.5, "distance": "cosine", "steps": 1},
    ]


def test_all_that_is_wrong_is_told_at_once(tmp_path):
    text = _HEAD + 'transform = "MP4(64)"\nmin = 2\n[[require]]\nfamily = "MP3"\n'
    with pytest.raises(SettingError) as refused:
        read(tmp_path, text)
    assert [line.split(":")[1] for line in str(refused.value).splitlines()] == ["4", "3", "5"]


@pytest.mark.parametrize("text", ["", "encoder = 'e'", "require = 3", "[require]\nmin = 1"])
def test_a_file_without_requirements_is_told(tmp_path, text):
    with pytest.raises(SettingError, match="no requirement; each is a table"):
        read(tmp_path, text)
    with pytest.raises(SettingError, match=r"\[\[tool\.nnrel\.requirements\.require\]\]"):
        read(tmp_path, "[tool.other]\nx = 1", "pyproject.toml")


def test_grids_and_families_are_a_requirement_for_each_condition(tmp_path):
    found = read(tmp_path, _HEAD + 'grid = "imperceptible"\nmin = 1\n')
    assert len(found) == 7
    assert {required.line for required in found} == {2}
    found = read(tmp_path, _HEAD + 'family = "MP3"\nmin = 1\n')
    assert len(found) == 16  # of the paper's grid
    (along,) = read(tmp_path, _HEAD + 'family = "MP3"\nmeasure = "monotone"\nmin = 1\n')
    assert along.name == "monotone[e-MP3-min=1]"


def test_defaults_are_of_those_that_take_them_and_give_way(tmp_path):
    text = (
        'encoder = "e"\nmin = 0.5\nconfident = true\ngrid = "quick"\n'
        '[[require]]\ntransform = "MP3(64)"\nmax = 0.7\n'
        '[[require]]\nfamily = "MP3"\nmeasure = "unbroken"\n'
    )
    first, second = read(tmp_path, text)
    assert first.arguments == {"max": 0.7, "confident": True}
    assert second.arguments == {"min": 0.5}

"""The fixture nnrel_baseline: written by the controller, whatever the mode."""

from __future__ import annotations

import json

import pytest

_PROJECT = """
    import os
    import pytest
    from encoders import Positions
    from pytest_nnrel import MP3, PinkNoise, as_encoder

    NOISES = (PinkNoise(40), PinkNoise(30))

    @pytest.fixture(scope="session")
    def encoder(nnrel_corpus):
        lost = tuple(range(int(os.environ.get("LOST", "0"))))
        return Positions(nnrel_corpus, lost=lost, name="mine")

    @pytest.mark.parametrize("noise", NOISES, ids=str)
    def test_of_one(encoder, nnrel_baseline, noise):
        nnrel_baseline.check(encoder, [noise])

    def test_of_all(encoder, nnrel_baseline):
        nnrel_baseline.check(encoder, [*NOISES, MP3(64)])
"""
_OF_THE_GRID = """
    import pytest
    from encoders import spectrum
    from pytest_nnrel import MP3, PinkNoise, as_encoder

    @pytest.mark.nnrel(grid=[PinkNoise(30), MP3(320), MP3(160)], clips=4)
    def test_of_the_marks_grid(nnrel_baseline):
        nnrel_baseline.check(as_encoder(spectrum, name="mine"))
"""


@pytest.fixture
def project(inner):
    inner.write(test_baseline=_PROJECT)
    inner.ini("nnrel_baseline = kept/base.json")
    return inner


def entries(inner, place="kept/base.json"):
    return json.loads((inner.path / place).read_text(encoding="utf-8"))["entries"]


_FLAKY = """
    from encoders import Positions
    from pytest_nnrel import PinkNoise

    lost = iter([(0,), ()])

    def test_flaky(nnrel_baseline, nnrel_corpus):
        nnrel_baseline.check(Positions(nnrel_corpus, lost=next(lost), name="mine"), [PinkNoise(40)])
        assert nnrel_baseline.update
"""


def test_a_rerun_is_not_compared_with_its_first_attempt(inner):
    inner.write(test_baseline=_FLAKY)
    inner.ini("nnrel_baseline = base.json")
    run = inner.run("--reruns=1", strict=False)
    assert "two encoders called" not in run.text
    assert [entry["lost"] for entry in entries(inner, "base.json")] == [[]]


def test_a_baseline_is_written_kept_and_compared(project, mode, monkeypatch):
    first = project.run(mode=mode)
    first.result.assert_outcomes(failed=3)
    assert "mine has no baseline for 1 of 1 conditions (PinkNoise(snr_db=40))" in first.text
    assert "baseline: 3 entries written to" in first.text
    assert [e["transform"] for e in entries(project)] == [
        "MP3(kbps=64)", "PinkNoise(snr_db=30)", "PinkNoise(snr_db=40)",
    ]  # fmt: skip
    assert [e["lost"] for e in entries(project)] == [[], [], []]
    written = (project.path / "kept" / "base.json").read_bytes()

    second = project.run(mode=mode)
    second.result.assert_outcomes(passed=3)
    assert "mine is no worse than its baseline" in second.text
    assert "measured without a verdict" not in second.text
    assert (project.path / "kept" / "base.json").read_bytes() == written

    monkeypatch.setenv("LOST", "6")
    worse = project.run(mode=mode)
    worse.result.assert_outcomes(failed=3)
    failure = worse.failure_of("test_of_all")
    assert (
        "mine is worse than its baseline on clips (8 clips, 3 conditions): 18 flips to wrong"
        in failure
    )
    assert "lost: 000_" in failure
    assert "redo:    pytest test_baseline.py::test_of_all" in failure
    verdict = worse.verdict_of("test_of_all")
    assert (verdict["outcome"], verdict["subject"]) == ("fails", "mine")
    assert len(verdict["covers"]) == 3
    assert all(key in worse.results["measurements"] for key in verdict["covers"])
    assert verdict["headline"] in worse.page
    assert (project.path / "kept" / "base.json").read_bytes() == written

    updated = project.run("--nnrel-update-baseline", mode=mode)
    updated.result.assert_outcomes(passed=3)
    assert [len(e["lost"]) for e in entries(project)] == [6, 6, 6]
    project.run(mode=mode).result.assert_outcomes(passed=3)


def test_a_part_of_the_tests_prunes_nothing(project):
    project.run()
    before = entries(project)
    project.run("test_baseline.py::test_of_one", "--nnrel-update-baseline").result.assert_outcomes(
        passed=2
    )
    assert entries(project) == before


def test_the_grid_is_that_of_the_mark(inner):
    """MP3 at 320 kb/s is 160 at this rate: one condition. The option names the file."""
    inner.write(test_baseline=_OF_THE_GRID)
    run = inner.run("--nnrel-baseline=other.json")
    run.result.assert_outcomes(failed=1)
    assert [e["transform"] for e in entries(inner, "other.json")] == [
        "MP3(kbps=160)", "PinkNoise(snr_db=30)",
    ]  # fmt: skip
    corpora = json.loads((inner.path / "other.json").read_text())["corpora"]
    assert [len(corpus["clips"]) for corpus in corpora.values()] == [4]


def test_the_file_lies_in_the_root_folder_by_default(project):
    project.ini("")
    project.run()
    assert len(entries(project, "nnrel-baseline.json")) == 3


@pytest.mark.parametrize("mode", ["plain", "n2"])
def test_a_foreign_file_is_told_and_left_alone(project, mode):
    path = project.path / "kept" / "base.json"
    path.parent.mkdir()
    path.write_text("[1, 2]")
    run = project.run("--nnrel-update-baseline", mode=mode)
    run.result.assert_outcomes(failed=3)
    assert "neither a baseline nor the results of pytest-nnrel" in run.text
    assert path.read_text() == "[1, 2]"


def test_a_file_that_cannot_be_written_fails_the_run(project):
    project.ini("nnrel_baseline = taken/base.json")
    (project.path / "taken").write_text("a file")
    run = project.run()
    assert run.ret == pytest.ExitCode.INTERNAL_ERROR
    assert "the baseline could not be written to" in run.text


def test_a_folder_is_no_baseline(project):
    (project.path / "kept" / "base.json").mkdir(parents=True)
    run = project.run()
    assert run.ret == pytest.ExitCode.USAGE_ERROR
    assert "is a folder, not a file; name a JSON file in it" in run.result.stderr.str()


def test_reports_of_two_runs_are_compared_offline(project, monkeypatch):
    project.run()
    good = project.path / "good.json"
    (project.report / "results.json").rename(good)
    monkeypatch.setenv("LOST", "6")
    project.run()
    bad = project.report / "results.json"
    codes = {}
    for old, new in (
        (good, good),
        (good, bad),
        (bad, good),
        (project.path / "kept/base.json", bad),
    ):
        done = project.execute("python", "-m", "pytest_nnrel", "compare", old, new)
        codes[old.name, new.name] = done.returncode
    assert codes == {
        ("good.json", "good.json"): 0,
        ("good.json", "results.json"): 1,
        ("results.json", "good.json"): 0,
        ("base.json", "results.json"): 1,
    }

"""What continuous integration reads of a run: JUnit properties, the summary, and our workflow."""

from __future__ import annotations

import os
import shutil
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
import yaml

WORKFLOW = Path(__file__).parents[2] / "examples" / "ci" / "github-actions.yml"

_OF_A_VALUE = [
    "verdict", "assertion", "encoder", "transformation", "measure", "value", "ci_low", "ci_high",
    "n", "minimum",
]  # fmt: skip


def _properties(folder):
    """Return the properties of each test, of its last run."""
    return {
        case.get("name"): [(node.get("name"), node.get("value")) for node in case.iter("property")]
        for case in ET.parse(folder / "junit.xml").iter("testcase")
    }


def test_a_test_has_each_property_of_its_verdict_once(suite):
    properties = _properties(suite.folder)
    for name, entry in suite.tests().items():
        names = [key for key, _ in properties[name] if key.startswith("nnrel.")]
        assert len(names) == len(set(names))
        assert bool(names) == bool(entry["verdicts"])
    assert not properties["test_of_something_else"]


def test_properties_are_those_of_the_report(suite):
    properties = _properties(suite.folder)
    seen = 0
    for name, entry in suite.tests().items():
        for verdict in entry["verdicts"]:
            told = dict(properties[name])
            assert told["nnrel.verdict"] == verdict["outcome"]
            assert told["nnrel.assertion"] == verdict["assertion"]
            assert float(told["nnrel.minimum"]) == verdict["minimum"]
            if verdict["measurement"] is None:
                assert told["nnrel.found"] == verdict["message"].splitlines()[0]
                continue
            seen += 1
            measured = suite.results["measurements"][verdict["measurement"]]
            assert [key.removeprefix("nnrel.") for key in told if "." in key] == _OF_A_VALUE
            assert told["nnrel.encoder"] == measured["details"]["encoder"]["name"]
            assert told["nnrel.transformation"] == measured["details"]["transform"]["name"]
            numbers = [float(told[f"nnrel.{key}"]) for key in ("value", "ci_low", "ci_high", "n")]
            expected = [measured["value"], *measured["ci"], measured["n"]]
            assert numbers == pytest.approx(expected, rel=1e-5)
    assert seen == 13


def test_measures_are_named_with_their_distances(suite):
    properties = _properties(suite.folder)
    assert dict(properties["test_within_fails"])["nnrel.measure"] == "C_W euclidean"
    assert dict(properties["test_rho_fails"])["nnrel.measure"] == "C_rho dtw x euclidean"


_GRAVEST = """
    from encoders import Positions
    from pytest_nnrel import PinkNoise, assert_within_consistency

    def test_several(nnrel_corpus):
        sound = Positions(nnrel_corpus, name="sound")
        lossy = Positions(nnrel_corpus, lost=(0, 1), name="lossy")
        assert_within_consistency(lossy, PinkNoise(40), min=0.5)
        assert_within_consistency(sound, PinkNoise(40), min=1.0)
        assert_within_consistency(lossy, PinkNoise(30), min=0.7)

    runs = []

    def test_flaky(nnrel_corpus):
        runs.append(1)
        lossy = Positions(nnrel_corpus, lost=(0,) * (len(runs) < 2), name=f"run {len(runs)}")
        assert_within_consistency(lossy, PinkNoise(40), min=1.0)
"""


def test_the_verdict_with_least_to_spare_counts_and_a_rerun_replaces(inner):
    inner.write(test_gravest=_GRAVEST)
    run = inner.run("--reruns=1", "--junit-xml=junit.xml", strict=False)
    assert run.ret == 0, run.text
    properties = _properties(run.folder)
    several = dict(properties["test_several"])
    assert several["nnrel.encoder"] == "sound"
    assert several["nnrel.minimum"] == several["nnrel.value"] == "1"
    lines = [value for key, value in properties["test_several"] if key == "nnrel"]
    assert [line.partition(":")[0] for line in lines if "C_W euclidean" in line] == [
        "lossy", "sound", "lossy",
    ]  # fmt: skip
    assert dict(properties["test_flaky"])["nnrel.verdict"] == "holds"
    assert all("run 1" not in value for _, value in properties["test_flaky"])


def _summary(run):
    return (run.folder / "written" / "report" / "summary.md").read_text(encoding="utf-8")


def test_summary_tells_verdicts_in_every_mode(suite, suite_in):
    text = _summary(suite)
    assert text.startswith(
        "## pytest-nnrel\n\n1 could not be measured, 6 failed, 1 too close to call;"
        " 6 of 14 verdicts hold, 6 of them on fewer than 10 clips.\n"
    )
    assert "| `test_suite.py::test_within_fails` | `lossy` | `PinkNoise(snr_db=40)` |" in text
    assert "smallest drop of C_W that it can show: 62.5% (5 clips)" in text
    tables = text.rpartition("All of it")[0]  # without the command, which differs
    assert tables == _summary(suite_in("plain")).rpartition("All of it")[0]


_PASSING = """
    from encoders import Positions
    from pytest_nnrel import PinkNoise, assert_within_consistency

    def test_it(nnrel_corpus):
        assert_within_consistency(Positions(nnrel_corpus), PinkNoise(40), min=1.0)
"""


@pytest.mark.parametrize("mode", ["plain", "n2"])
def test_summary_is_appended_to_the_page_of_a_github_step_once(inner, mode, monkeypatch):
    inner.write(test_passing=_PASSING)
    page = inner.path / "step.md"
    page.write_text("of another step\n", encoding="utf-8")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(page))
    run = inner.run(mode=mode)
    assert run.ret == 0, run.text
    text = page.read_text(encoding="utf-8")
    assert text == f"of another step\n\n{_summary(run)}"
    inner.run(mode=mode, report=False)
    assert page.read_text(encoding="utf-8") == text


def test_page_that_cannot_be_written_is_told_and_fails_nothing(inner, monkeypatch):
    inner.write(test_passing=_PASSING)
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(inner.path / "no" / "step.md"))
    run = inner.run()
    assert run.ret == 0
    assert "the summary could not be appended to $GITHUB_STEP_SUMMARY: " in run.text
    assert _summary(run)


_PROJECT = """
    import os
    import pytest
    from encoders import Positions
    from pytest_nnrel import PinkNoise

    @pytest.fixture
    def encoder(nnrel_corpus):
        lost = range(6) if os.environ.get("RETRAINED") else ()
        return Positions(nnrel_corpus, lost=tuple(lost), name="mine")

    def test_baseline(encoder, nnrel_baseline):
        nnrel_baseline.check(encoder, [PinkNoise(40)])
"""


@pytest.fixture(scope="module")
def steps():
    """Return the steps of the workflow by their names."""
    (job,) = yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))["jobs"].values()
    return {step["name"]: step for step in job["steps"] if "name" in step}


def _step(inner, step, **environment):
    shell = shutil.which("bash")
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    # As GitHub runs it.
    return inner.execute(
        shell, "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"], PATH=path,
        GITHUB_STEP_SUMMARY=str(inner.path / "step.md"), **environment,
    )  # fmt: skip


@pytest.mark.exhaustive
@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_the_workflow_passes_a_sound_encoder_and_stops_a_worse_one(inner, clips, steps):
    inner.write(test_project=_PROJECT)
    inner.ini(f"nnrel_corpus = {clips}", "addopts = -p no:hypothesispytest")
    assert inner.execute("pytest").returncode == 1  # which writes the baseline
    assert (inner.path / "nnrel-baseline.json").exists()
    test, compare = steps["Test"], steps["Compare with the committed baseline"]
    for environment, status in (({}, 0), ({"RETRAINED": "1"}, 1)):
        tested = _step(inner, test, **environment)
        assert tested.returncode == status, tested.stdout + tested.stderr
        compared = _step(inner, compare)
        assert compared.returncode == status, compared.stdout + compared.stderr
    assert "is worse than its baseline" in compared.stdout
    page = (inner.path / "step.md").read_text(encoding="utf-8")
    assert page.count("## pytest-nnrel\n") == 2
    assert "The one verdict holds, on fewer than 10 clips." in page
    assert "mine is worse than its baseline" in page


def test_the_workflow_keeps_what_the_tests_write(steps):
    words = steps["Test"]["run"].split()
    assert f"--nnrel-cache={steps['Keep the cache of pytest-nnrel']['with']['path']}" in words
    report = steps["Keep the report"]["with"]["path"].rstrip("/")
    assert f"--nnrel-report={report}" in words
    assert f"--junit-xml={report}/junit.xml" in words
    assert f"{report}/results.json" in steps["Compare with the committed baseline"]["run"]

"""Retrained encoders in a project: trainings are added, a worse one is refused, in any mode."""

from __future__ import annotations

import json

import pytest

_PROJECT = """
    import json
    import os
    import pytest
    from encoders import Positions
    from pytest_nnrel import MP3, PinkNoise

    GRID = (PinkNoise(40), PinkNoise(30), MP3(64))

    @pytest.fixture(scope="session")
    def encoder(nnrel_corpus):
        trainings = json.loads(os.environ["TRAININGS"])
        found = [Positions(nnrel_corpus, lost=tuple(lost), name="mine") for lost in trainings]
        return found if len(found) > 1 else found[0]

    def test_noise(encoder, nnrel_baseline):
        nnrel_baseline.check(encoder, GRID[:2], retrained=True)

    def test_recipe(encoder, nnrel_baseline):
        nnrel_baseline.check(encoder, GRID, retrained=True)
"""
_FILE = "nnrel-baseline.json"


@pytest.fixture
def project(inner, monkeypatch):
    inner.write(test_recipe=_PROJECT)

    def run(*trainings, add=False, mode="plain"):
        """Run the tests on an encoder, or several, that lose some clips."""
        monkeypatch.setenv("TRAININGS", json.dumps(trainings))
        return inner.run(*(["--nnrel-add-training"] if add else []), mode=mode)

    inner.train = run
    return inner


def trainings(project):
    return json.loads((project.path / _FILE).read_text(encoding="utf-8"))["trainings"]


@pytest.mark.parametrize("mode", ["plain", pytest.param("n2", marks=pytest.mark.exhaustive)])
def test_a_worse_recipe_is_refused_and_another_seed_is_not(project, mode):
    """Three trainings that lose one clip each, another one for each; then one that loses six."""
    for lost in ([0], [1], [2]):
        added = project.train(lost, add=True, mode=mode)
        added.result.assert_outcomes(passed=2)
        assert "baseline: 1 training written to" in added.text
    assert [len(training["conditions"]) for training in trainings(project)] == [3, 3, 3]
    written = (project.path / _FILE).read_bytes()

    project.train([3], mode=mode).result.assert_outcomes(passed=2)

    worse = project.train([0, 1, 2, 3, 4, 5], mode=mode)
    worse.result.assert_outcomes(failed=2)
    failure = worse.failure_of("test_recipe")
    assert "the recipe of mine is worse than it was on clips (1 new training against 3" in failure
    assert "asked: is the recipe worse, whatever the seed?" in failure
    assert "redo:    pytest test_recipe.py::test_recipe" in failure
    verdict = worse.verdict_of("test_recipe")
    assert verdict["outcome"] == "fails"
    assert verdict["comparison"]["question"] == "same recipe"
    assert verdict["comparison"]["verdict"] == "worse"
    assert all(key in worse.results["measurements"] for key in verdict["covers"])
    assert "Is the recipe worse, whatever the seed?" in worse.page
    assert "--nnrel-update-baseline" not in worse.page

    several = project.train([0, 3], [1, 3], mode=mode)
    assert several.verdict_of("test_recipe")["comparison"]["verdict"] == "no worse"
    assert (project.path / _FILE).read_bytes() == written


def test_the_same_training_is_refused_by_name(project):
    project.train([0], add=True)
    again = project.train([0], add=True)
    again.result.assert_outcomes(failed=2)
    assert "training positions wi of mine (added " in again.failure_of("test_recipe")
    assert "already; a training counts once" in again.failure_of("test_recipe")
    assert len(trainings(project)) == 1


def test_one_training_is_undecided_and_none_says_how_to_add_one(project):
    none = project.train([0])
    none.result.assert_outcomes(failed=2)
    assert "holds no training of mine to compare with: run the tests of each training" in (
        none.failure_of("test_recipe")
    )
    assert not (project.path / _FILE).exists()
    project.train([0], add=True)
    one = project.train([1])
    one.result.assert_outcomes(failed=2)
    assert "seeds alone move C_W by about" in one.failure_of("test_recipe")
    assert one.verdict_of("test_recipe")["outcome"] == "undecided"


@pytest.mark.exhaustive
def test_reports_are_compared_offline_as_trainings(project):
    reports = []
    for lost in ([0], [1], [2], [3], [0, 1, 2, 3, 4, 5]):
        project.train(lost)
        reports.append(project.path / f"lost-{len(reports)}.json")
        (project.report / "results.json").rename(reports[-1])
    codes = [
        project.execute("python", "-m", "pytest_nnrel", "compare", "--retrained", *files).returncode
        for files in (reports[:4], [*reports[:3], reports[4]], reports[:2], [*reports[:2]] * 2)
    ]
    assert codes == [0, 1, 2, 2]

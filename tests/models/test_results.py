"""The file of a reproduction: what is read is what was written, and damage is told."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from generated_results import results as generated

from reference_models.errors import ReproductionError
from reference_models.paper import results
from reference_models.paper.results import MapPoint, Results


@pytest.fixture
def saved(tmp_path):
    made = generated(trials=1)
    made.save(tmp_path / "results.json")
    return made, tmp_path / "results.json"


def test_what_is_read_is_what_was_written(saved):
    made, path = saved
    made.provenance["title"] = "Größe √"
    made.save(path)
    assert results.load(path) == made


def test_a_level_that_is_not_known_stays_so(tmp_path):
    made = Results("ci", {}, vocal_maps=[MapPoint("vs", 0, "a", "OG", 0.0, 1.0, None)])
    made.save(tmp_path / "results.json")
    assert results.load(tmp_path / "results.json").vocal_maps[0].vocal_db is None


def test_what_json_cannot_hold_leaves_the_file_before_it(saved):
    made, path = saved
    before = path.read_bytes()
    made.provenance["seconds"] = float("nan")
    with pytest.raises(ValueError, match="JSON"):
        made.save(path)
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == ["results.json"]


def test_a_missing_file_says_what_to_run(tmp_path):
    with pytest.raises(ReproductionError, match=r"none\.json; run python -m reference_models"):
        results.load(tmp_path / "none.json")


def damaged(**changes):
    return lambda plain: {**plain, **changes}


@pytest.mark.parametrize(
    "change, said",
    [
        (damaged(version=2), "version 2"),
        (damaged(format="something else"), "something else"),
        (damaged(consistency=[{"encoder": "at"}]), "trial"),
        (damaged(surprise=1), "surprise"),
        (lambda plain: {k: v for k, v in plain.items() if k != "maps"}, "maps"),
        (lambda plain: {k: v for k, v in plain.items() if k != "corpus"}, "corpus"),
    ],
)
def test_a_file_of_something_else_is_refused(saved, change, said):
    _, path = saved
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
    with pytest.raises(ReproductionError, match=said):
        results.load(path)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "7"])
def test_what_is_no_object_is_refused(tmp_path, text):
    path = tmp_path / "results.json"
    path.write_text(text)
    with pytest.raises(ReproductionError, match="holds no results"):
        results.load(path)


# Parts that were run one by one -------------------------------------------------------------------


def part(made, *names, **provenance):
    lists = {name: [] for name in results._ROWS if name not in names}
    return replace(made, **lists, provenance=provenance)


def test_parts_make_a_whole():
    made = generated(trials=1)
    made.corpus = {"name": "bundled", "fingerprint": "f"}
    made.encoders = {"at-vgg-1": {"sha256": "a"}}
    other = replace(made, corpus={"name": "other", "fingerprint": "g"})
    first = part(made, "consistency", "originals", "maps", command="one", seed=0)
    # Of another corpus, which only what is not taken from here is of.
    second = part(other, "consistency", "performance", "vocal_maps", command="two", seed=0)
    third = part(made, "performance", command="three", seed=0)
    whole = results.joined([first, second, third])
    assert replace(whole, provenance={}) == replace(made, provenance={})
    assert whole.provenance == {"command": ["one", "two"], "seed": 0}
    again = results.joined([part(made, "maps", command="three", seed=0), whole])
    assert again.provenance == {"command": ["three", "one", "two"], "seed": 0}
    assert results.joined([first]) == first


def test_results_of_nothing_are_joined():
    assert results.joined([Results("ci", {"name": "bundled"})]) == Results(
        "ci", {"name": "bundled"}
    )


@pytest.mark.parametrize(
    "change, said",
    [
        ({"scale": "ci"}, "scale is ci and small"),
        ({"corpus": {"name": "other", "fingerprint": "g"}}, "corpus is bundled f and other g"),
        ({"encoders": {"at-vgg-1": {"sha256": "b"}}}, "at-vgg-1 is SHA-256 a and SHA-256 b"),
    ],
)
def test_parts_of_different_reproductions_are_told(change, said):
    made = generated(trials=1)
    made.scale = "small"
    made.corpus = {"name": "bundled", "fingerprint": "f"}
    made.encoders = {"at-vgg-1": {"sha256": "a"}}
    parts = [part(made, "consistency"), replace(part(made, "maps"), **change)]
    with pytest.raises(ReproductionError, match=said):
        results.joined(parts)

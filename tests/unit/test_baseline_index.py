"""Embeddings that a baseline keeps: an encoder whose space was turned does not fit them."""

from __future__ import annotations

import json

import numpy as np
import pytest

from pytest_nnrel import BaselineError, Corpus, PinkNoise, SettingError
from pytest_nnrel.baselines import Baseline, load_baseline, merge
from pytest_nnrel.baselines.index import KEPT
from pytest_nnrel.recording import sink

NOISE = [PinkNoise(50)]


@pytest.fixture(scope="module")
def corpus():
    rng = np.random.default_rng(19)
    return Corpus.from_arrays(
        rng.normal(0.0, 0.1, (20, 11_025)).astype(np.float32),
        sample_rate=22_050,
        window_seconds=0.4,
    )


class Bands:
    """Levels of bands, and what a release made of them, under one name."""

    name = "bands"

    def __init__(self, then=lambda z: z):
        self._then = then

    def encode(self, batch):
        bands = np.abs(np.fft.rfft(batch, axis=1))[:, :360]
        return self._then(bands.reshape(len(batch), 6, 60).mean(axis=2)).astype(np.float32)


@pytest.fixture
def file(run, corpus, tmp_path):
    """Return a baseline that holds outcomes and an index."""
    path = tmp_path / "baseline.json"
    run_of(path, Bands(), corpus, fails="no index in the baseline")
    return path


def run_of(path, encoder, corpus, fails="", distance="euclidean", **options):
    """Check an encoder as a run without a plugin does, which writes at once."""
    asked = {"index": True, "corpus": corpus, "distance": distance}
    baseline = Baseline(path, **options)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pytest_nnrel.recording.record_baseline", lambda *given: False)
        if not fails:
            return baseline.check(encoder, NOISE, **asked)
        with pytest.raises(AssertionError, match=fails) as failed:
            baseline.check(encoder, NOISE, **asked)
        return str(failed.value)


def test_the_same_encoder_and_its_export_fit(file, corpus):
    kept = json.loads(file.read_text())["indexes"]
    assert [len(index["embeddings"]) for index in kept] == [KEPT]
    assert run_of(file, Bands(), corpus).verdict == "same"
    assert run_of(file, Bands(lambda z: z.astype(np.float16)), corpus).verdict == "same"


def test_a_turned_space_keeps_all_outcomes_and_does_not_fit(file, corpus):
    turned = Bands(lambda z: z[:, ::-1] + 1.0)
    assert Baseline(file).check(turned, NOISE, corpus=corpus).verdict == "same"
    with sink() as opened:
        message = run_of(file, turned, corpus, fails="bands does not fit its index: of 16 embed")
    assert "nearer to another of 20 originals" in message
    (verdict,) = opened.verdicts
    assert verdict["outcome"] == "fails"
    assert "does not fit its index" in verdict["headline"]


def test_an_index_is_written_anew_where_that_is_meant(file, corpus):
    wide = Bands(lambda z: np.concatenate([z, z], axis=1))
    run_of(file, wide, corpus, fails="it returns 12 numbers, and kept are embeddings of 6")
    run_of(file, wide, corpus, update=True)
    (index,) = load_baseline(file).indexes.values()
    assert index.dimensions == 12
    assert run_of(file, wide, corpus).verdict == "same"


def test_without_index_none_is_asked_for(file, corpus):
    text = file.read_text()
    turned = Bands(lambda z: -z)
    assert Baseline(file).check(turned, NOISE, corpus=corpus).verdict == "same"
    assert file.read_text() == text
    with pytest.raises(SettingError, match="index and max_drop are of the same training"):
        Baseline(file).check(turned, NOISE, corpus=corpus, index=True, retrained=True)


def test_an_offset_that_is_large_against_what_tells_clips_apart_is_kept(run, corpus, tmp_path):
    path, shifted = tmp_path / "baseline.json", Bands(lambda z: 1000.0 + 0.01 * z)
    run_of(path, shifted, corpus, fails="no index in the baseline")
    run_of(path, shifted, corpus)


def test_each_distance_has_its_index(file, corpus):
    run_of(file, Bands(), corpus, fails="no index in the baseline", distance="cosine")
    run_of(file, Bands(), corpus, distance="cosine")
    run_of(file, Bands(), corpus)
    assert {key.distance for key in load_baseline(file).indexes} == {"euclidean", "cosine"}


def test_a_file_that_names_no_distance_is_of_the_euclidean(file, corpus):
    plain = json.loads(file.read_text())
    del plain["indexes"][0]["distance"]
    file.write_text(json.dumps(plain))
    run_of(file, Bands(), corpus)


def test_constant_embeddings_make_no_index(run, corpus, tmp_path):
    constant = Bands(np.ones_like)
    with pytest.raises(BaselineError, match="there is no index to keep"):
        run_of(tmp_path / "baseline.json", constant, corpus, fails="never")


@pytest.mark.parametrize(
    "damage, told",
    [
        (lambda index: index["embeddings"].update(clip="1 2 3 4 5 6"), "not of the corpus"),
        (lambda index: index["embeddings"].update({"clip-000": "1 2"}), "of several lengths"),
        (lambda index: index["embeddings"].update({"clip-000": "1 2 3 4 5 nan"}), "not finite"),
        (lambda index: index.update(embeddings={}), "missing"),
        (lambda index: index.pop("corpus"), "corpus"),
    ],
)
def test_damage_is_told(file, damage, told):
    plain = json.loads(file.read_text())
    damage(plain["indexes"][0])
    file.write_text(json.dumps(plain))
    with pytest.raises(BaselineError, match=told):
        load_baseline(file)


def test_two_of_one_name_are_refused_and_versions_are_merged(file, corpus, tmp_path):
    base = load_baseline(file)
    ours, theirs = tmp_path / "ours.json", tmp_path / "theirs.json"
    for path in (ours, theirs):
        path.write_text(file.read_text())
    run_of(theirs, Bands(lambda z: 2.0 * z), corpus, update=True)
    merged, conflicts = merge(base, load_baseline(ours), load_baseline(theirs))
    assert not conflicts
    assert merged.indexes == load_baseline(theirs).indexes
    plain = json.loads(file.read_text())
    plain["indexes"] *= 2
    file.write_text(json.dumps(plain))
    with pytest.raises(BaselineError, match=r"index of bands .* stands there twice"):
        load_baseline(file)

"""The results that come with the package are what its checkpoints give today."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from statistics import fmean

import pytest

from pytest_nnrel import (
    MP3,
    Corpus,
    PinkNoise,
    PitchShift,
    audio_consistency,
    between_consistency,
    quick_grid,
    within_consistency,
)
from reference_models import checkpoint
from reference_models.paper.reproduction import SCALES
from reference_models.paper.results import ENCODERS, MEASURED, MEASURED_LONG, load, select

#: What training on, and longer training, came to.
CURE = Path(__file__).parents[2] / "benchmarks" / "cure"
LONGER = sorted(checkpoint.LONG.glob("*.safetensors"))
#: Of grave, middling and slight damage, one of each kind of transformation.
AGAIN = (pytest.param(PitchShift(2), marks=pytest.mark.exhaustive), PinkNoise(12), MP3(64))
#: By how many of the clips another processor's rounding may tip the balance.
TIPPED = 1
#: For the ranks of all distances, which move smoothly.
RANK_TOLERANCE = 0.005


@pytest.fixture(scope="module")
def measured():
    return load(MEASURED)


@pytest.fixture(scope="module")
def corpus():
    return Corpus.bundled()


def stored_row(measured, transform, **wanted):
    place = {
        "transformation": transform.symbol,
        "magnitude": float(transform.magnitude),
        **wanted,
    }
    rows = [r for r in measured.consistency if all(getattr(r, k) == v for k, v in place.items())]
    assert len(rows) == 1
    return rows[0]


def test_they_are_of_the_bundled_corpus_at_the_small_scale(measured, corpus):
    assert measured.scale == "small"
    assert measured.corpus["fingerprint"] == corpus.fingerprint
    assert SCALES["small"].grid == "paper"
    of_mfcc = [r for r in measured.consistency if r.encoder == "mfcc" and r.measure == "within"]
    assert len({(r.transformation, r.magnitude) for r in of_mfcc}) == 90  # 94 less 4 aliases


def test_they_are_of_the_checkpoints_that_come_with_the_package(measured):
    first = [card for card in measured.encoders.values() if card["recipe"]["trial"] == 1]
    assert len(first) == 8  # a network and a head on the MFCCs for each of the four tasks
    for card in first:
        name = card["task"] if card["encoder"] == "vgg" else f"mfcc-{card['task']}"
        _, shipped = checkpoint.load_network(checkpoint.BRIEF / name)
        assert shipped["sha256"] == card["sha256"]


def test_there_are_curves_of_three_trials(measured):
    of_one = {}
    for row in measured.consistency:
        key = row.encoder, row.trial
        of_one.setdefault(key, set()).add((row.transformation, row.magnitude))
    networks = {(name, trial) for name in ENCODERS if name != "mfcc" for trial in (1, 2, 3)}
    assert set(of_one) == {("", 0), ("mfcc", 0), *networks}
    assert {len(conditions) for conditions in of_one.values()} == {90}


@pytest.mark.parametrize("transform", AGAIN, ids=str)
@pytest.mark.parametrize("encoder", ENCODERS)
def test_consistency_is_what_was_stored(encoder, transform, measured, corpus):
    again = checkpoint.load(encoder)
    trial = 0 if encoder == "mfcc" else 1
    for distance in ("euclidean", "cosine"):
        row = stored_row(
            measured, transform, encoder=encoder, trial=trial, measure="within",
            latent_distance=distance,
        )  # fmt: skip
        found = within_consistency(again, transform, corpus=corpus, distance=distance)
        assert abs(found.value - row.value) * found.n <= TIPPED + 1e-6
    row = stored_row(
        measured, transform, encoder=encoder, trial=trial, measure="rho", audio_distance="dtw",
        latent_distance="euclidean",
    )  # fmt: skip
    rank = between_consistency(again, transform, corpus=corpus, measure="rho")
    assert rank.value == pytest.approx(row.value, abs=RANK_TOLERANCE)


@pytest.mark.parametrize("transform", AGAIN, ids=str)
@pytest.mark.parametrize("distance", ["dtw", "simple"])
def test_the_audio_space_is_what_was_stored(distance, transform, measured, corpus):
    row = stored_row(measured, transform, encoder="", measure="within", audio_distance=distance)
    found = audio_consistency(transform, corpus=corpus, distance=distance)
    assert abs(found.value - row.value) * found.n <= TIPPED + 1e-6


@pytest.mark.parametrize("transform", AGAIN, ids=str)
@pytest.mark.parametrize("path", LONGER, ids=lambda p: p.stem)
def test_what_longer_training_gives_is_what_was_stored(path, transform, corpus):
    text = (CURE / f"{path.stem}-shipped.json").read_text(encoding="utf-8")
    stored = json.loads(text)["within"][transform.name]
    found = within_consistency(checkpoint.load(path), transform, corpus=corpus)
    assert abs(found.value - stored) * found.n <= TIPPED + 1e-6


@pytest.mark.parametrize("path", LONGER, ids=lambda p: p.stem)
def test_longer_training_keeps_more_clips_than_any_brief_trial_as_its_page_says(path, measured):
    text = (CURE / f"{path.stem}-shipped.json").read_text(encoding="utf-8")
    task, grid = path.stem.removesuffix("-long"), quick_grid()
    asked = {(t.symbol, float(t.magnitude)) for t in grid}
    trials = defaultdict(list)
    for row in measured.consistency:
        if (
            (row.encoder, row.measure, row.latent_distance) == (task, "within", "euclidean")
            and (row.transformation, row.magnitude) in asked
        ):  # fmt: skip
            trials[row.trial].append(row.value)
    assert {len(values) for values in trials.values()} == {len(grid)}
    assert fmean(json.loads(text)["within"].values()) > max(map(fmean, trials.values()))


def test_trained_longer_the_tasks_come_in_the_order_that_is_told(measured):
    """Auto-tagging before instrument recognition; the autoencoder last on music none has heard."""
    long = load(MEASURED_LONG)
    assert {card["sha256"] for card in long.encoders.values() if card["encoder"] == "vgg"} == {
        checkpoint.load_network(path)[1]["sha256"] for path in LONGER
    }
    for distance in ("euclidean", "cosine"):
        brief, longer = (
            {
                name: fmean(
                    row.value
                    for row in select(
                        of.consistency, encoder=name, measure="within", latent_distance=distance
                    )
                )
                for name in ENCODERS
            }
            for of in (measured, long)
        )
        assert brief["ir"] > brief["at"] > max(brief["vs"], brief["ae"])
        assert longer["mfcc"] > longer["at"] > longer["ir"] > longer["ae"] > longer["vs"]
    stored = json.loads((CURE.parent / "other_music.json").read_text(encoding="utf-8"))
    elsewhere = {name: fmean(of["within"].values()) for name, of in stored["encoders"].items()}
    assert min(elsewhere["at-long"], elsewhere["ir-long"]) > elsewhere["vs-long"]
    assert elsewhere["vs-long"] > elsewhere["ae-long"]
    assert elsewhere["ir-long"] > elsewhere["mfcc"]

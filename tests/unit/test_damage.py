"""How much a transformation changed the audio: both scales, their keys, and bad input."""

import builtins

import numpy as np
import pytest
from naive import dtw

from pytest_nnrel import (
    Corpus,
    CorpusError,
    EngineError,
    FunctionTransform,
    Gain,
    Identity,
    PinkNoise,
    PitchShift,
    assert_relative_nearest,
    audio_features,
    within_consistency,
)
from pytest_nnrel.experiment import perception
from pytest_nnrel.experiment.damage import damage_of
from pytest_nnrel.experiment.rendering import render
from pytest_nnrel.experiment.study import question
from pytest_nnrel.measures import study_on
from pytest_nnrel.recording import sink


def damage(corpus, transform, scale="audio"):
    return damage_of(render(question(study_on(corpus), transform)), scale)


def window(clip, corpus):
    return clip.with_samples(clip.window(corpus.window_seconds))


def test_damage_is_own_distance_over_the_median_to_the_nearest_other_piece(corpus, run):
    transform = PitchShift(semitones=1)
    features = [audio_features(window(clip, corpus)) for clip in corpus]
    changed = [audio_features(window(transform.apply(clip, seed=0), corpus)) for clip in corpus]
    own = [dtw(a, b) for a, b in zip(changed, features)]
    nearest = [
        min(dtw(a, b) for j, b in enumerate(features) if j != i) for i, a in enumerate(features)
    ]
    found = damage(corpus, transform)
    assert found["per_clip"] == pytest.approx(np.array(own) / np.median(nearest), rel=1e-4)
    assert found["median"] == pytest.approx(np.median(found["per_clip"]), rel=1e-4)
    low, high = found["quartiles"]
    assert low <= found["median"] <= high


def test_pieces_of_one_group_are_no_other_piece(corpus, run):
    samples = np.stack([clip.samples for clip in corpus])
    twins = Corpus.from_arrays(
        np.concatenate([samples, 0.999 * samples + 1e-5]),
        sample_rate=corpus.sample_rate,
        window_seconds=0.5,
        groups=2 * [str(i) for i in range(len(samples))],
    )
    alone = damage(corpus, PitchShift(semitones=1))["median"]
    assert damage(twins, PitchShift(semitones=1))["median"] == pytest.approx(alone, rel=0.2)


@pytest.mark.parametrize("scale", ["audio", "perceived"])
def test_nothing_is_done_by_the_identity_and_more_by_graver_noise(corpus, run, scale):
    if scale == "perceived":
        pytest.importorskip("zimtohrli")
    assert damage(corpus, Identity(), scale)["per_clip"] == len(corpus) * [0.0]
    graver = [damage(corpus, PinkNoise(snr_db=snr), scale)["median"] for snr in (40, 20, 5)]
    assert graver == sorted(graver)
    assert graver[0] < graver[-1] / 3


def test_what_is_heard_of_another_piece_is_more_than_of_a_quarter_of_a_semitone(corpus, run):
    pytest.importorskip("zimtohrli")
    others = [perception.perceived_distance(corpus[i], corpus[i - 1]) for i in range(len(corpus))]
    assert damage(corpus, PitchShift(semitones=0.25), "perceived")["median"] < min(others) / 2
    swapped = FunctionTransform("swapped", lambda samples, rate: corpus[0].samples)
    found = damage(corpus, swapped, "perceived")["per_clip"]
    assert found[0] < min(found[1:])


def test_measurements_of_a_corpus_carry_it_and_of_one_clip_do_not(corpus, run):
    def spectrum(batch):
        return np.abs(np.fft.rfft(batch))[:, :100]

    measured = within_consistency(spectrum, PinkNoise(snr_db=20), corpus=corpus)
    assert measured.details["damage"] == {"audio": damage(corpus, PinkNoise(snr_db=20))}
    with sink() as kept:
        assert_relative_nearest(spectrum, corpus.ids[0], PitchShift(semitones=0.05), corpus=corpus)
    (one,) = kept.measurements.values()
    assert "damage" not in one["details"]


def test_what_is_stored_is_found_again_by_seed_and_transformation(corpus, run, monkeypatch):
    first = damage(corpus, PinkNoise(snr_db=20))
    other = damage_of(render(question(study_on(corpus, seed=1), PinkNoise(snr_db=20))), "audio")
    assert other["per_clip"] != first["per_clip"]
    monkeypatch.setattr("pytest_nnrel.experiment.damage._apart", None)  # nothing is compared anew
    assert damage(corpus, PinkNoise(snr_db=20)) == first


def test_gain_is_no_damage_where_loudness_is_restored_by_features(corpus, run):
    # The first coefficient, which holds the level, is among those compared: undone, it is none.
    assert max(damage(corpus, Gain(db=-6))["per_clip"]) < 0.01


def test_without_the_extra_the_scale_says_what_to_install(corpus, run, monkeypatch):
    real = builtins.__import__

    def missing(name, *rest, **more):
        if name == "zimtohrli":
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(EngineError, match=r"pytest-nnrel\[perception\]"):
        damage(corpus, PinkNoise(snr_db=20), "perceived")


def test_clips_that_are_too_short_to_be_heard_are_refused(run):
    pytest.importorskip("zimtohrli")
    rng = np.random.default_rng(1)
    corpus = Corpus.from_arrays(
        rng.normal(size=(3, 4000)).astype(np.float32) / 9,
        sample_rate=22_050,
        window_seconds=0.15,
    )
    with pytest.raises(CorpusError, match="too short to compare as heard"):
        damage(corpus, PinkNoise(snr_db=20), "perceived")


def of_windows(windows, **more):
    """Return a corpus of windows in the middle of clips that differ in a sample before them."""
    samples = np.concatenate([np.zeros_like(windows[:, :5000]), windows], axis=1)
    samples = np.concatenate([samples, np.zeros_like(windows[:, :5000])], axis=1)
    samples[np.arange(len(samples)), np.arange(len(samples))] = 1e-3
    return Corpus.from_arrays(samples, sample_rate=22_050, window_seconds=0.5, **more)


def test_of_one_group_alone_any_other_clip_is_another_piece(corpus, run):
    windows = corpus.windows()
    one = of_windows(windows, groups=["a"] * len(windows))
    each = of_windows(windows)
    assert damage(one, PinkNoise(snr_db=0))["median"] > 0.1
    assert damage(one, PinkNoise(snr_db=0)) == damage(each, PinkNoise(snr_db=0))

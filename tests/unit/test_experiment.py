"""Measurements end to end: right values, each thing computed once, and never a stale one."""

import json
import math
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import joblib
import numpy as np
import pytest
import soundfile
import soxr
from patience import PATIENCE

from pytest_nnrel import (
    MP3,
    Chain,
    Corpus,
    CorpusError,
    EncoderError,
    FunctionTransform,
    Identity,
    MFCCEncoder,
    PinkNoise,
    SettingError,
    TooFewClipsError,
    Transform,
    UndefinedMeasureError,
    as_encoder,
    as_transform,
    assert_between_consistency,
    assert_relative_nearest,
    assert_within_consistency,
    audio_consistency,
    between_consistency,
    pairwise_distances,
    within_consistency,
)
from pytest_nnrel.distances import resolve_distance
from pytest_nnrel.experiment.blocks import LEAST_BLOCK
from pytest_nnrel.experiment.embedding import embed
from pytest_nnrel.experiment.recognition import FURTHER_WITNESSES, recognise, witnesses_among
from pytest_nnrel.experiment.rendering import render
from pytest_nnrel.experiment.spaces import audio_space
from pytest_nnrel.experiment.stores import close_stores
from pytest_nnrel.experiment.study import question
from pytest_nnrel.measurement import Measurement
from pytest_nnrel.measures import nearest, study_on
from pytest_nnrel.recording import sink
from pytest_nnrel.requirement import Requirement
from pytest_nnrel.runtime import settings
from pytest_nnrel.runtime.settings import Settings
from pytest_nnrel.runtime.store import LAYOUT, Store
from pytest_nnrel.statistics.consistency import as_blocks
from pytest_nnrel.statistics.intervals import clips_to_decide, wilson_interval

RATE = 22_050
#: Drowns the music, so that some clips are told from others and some are not.
NOISE = PinkNoise(snr_db=0)
#: Originals of the corpus of eight that are encoded anew to see that stored embeddings hold: in the
#: first measurement of a run, of what was known before, and in each further one.
WITNESSES = witnesses_among(8)


@contextmanager
def running(cache_dir, **fields):
    """Activate settings for a run of its own that reports nothing, and end it."""
    # With stores of its own, whatever tests before have left open.
    active = Settings(cache_dir=cache_dir, run=__name__, **{"jobs": 1, **fields})
    token = settings.activate(active)
    try:
        with sink():
            yield active
    finally:
        settings.deactivate(token)
        close_stores(active)


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


@pytest.fixture
def run(cache):
    """A run with a cache, for the length of a test."""
    with running(cache) as active:
        yield active


def excerpts(clips, **options):
    """Return a corpus of one-second excerpts of music, of which the centre half is compared."""
    music = Corpus.bundled().subset(clips)
    return Corpus.from_arrays(
        np.stack([clip.window(1.0) for clip in music]),
        sample_rate=RATE,
        **{"ids": music.ids, "window_seconds": 0.5, **options},
    )


@pytest.fixture(scope="module")
def corpus():
    return excerpts(8)


@pytest.fixture(scope="module")
def larger():
    """More clips than one task takes."""
    assert LEAST_BLOCK < 20
    return excerpts(20)


def bands(batch):
    """Encode as the energies of 12 bands."""
    spectra = np.abs(np.fft.rfft(batch))
    return np.stack([part.mean(axis=1) for part in np.array_split(spectra, 12, axis=1)], axis=1)


def octaves(batch):
    """Encode as the energies of bands of another kind."""
    spectra = np.abs(np.fft.rfft(batch))
    return np.stack([spectra[:, 2**i : 2 ** (i + 1)].mean(axis=1) for i in range(12)], axis=1)


def envelope(batch):
    """Encode as the level of 12 stretches."""
    return np.stack([np.abs(part).mean(axis=1) for part in np.array_split(batch, 12, axis=1)], 1)


def reverse(samples, sample_rate):
    return samples[::-1]


def roughen(samples, sample_rate):
    return np.sign(samples) * np.sqrt(np.abs(samples))


class Counting:
    """A function that counts: calls and, of encoders, windows.

    It does so in a file, as counters in its attributes would be another state after each use.
    """

    folder: ClassVar[Path]

    def __init__(self, fn):
        self.fn = fn
        self.path = self.folder / secrets.token_hex(8)
        self.forget()

    def __call__(self, first, *others):
        with self.path.open("a") as file:
            file.write(f"{len(first)}\n")
        return self.fn(first, *others)

    def forget(self):
        self.path.write_text("")

    @property
    def calls(self):
        return len(self.path.read_text().split())

    @property
    def windows(self):
        return sum(map(int, self.path.read_text().split()))


@pytest.fixture(scope="module", autouse=True)
def counts(tmp_path_factory):
    """Where functions count their uses."""
    Counting.folder = tmp_path_factory.mktemp("counts")


def margins(*args, **kwargs):
    return within_consistency(*args, **kwargs).details["margins"]


def fresh_margins(*args, **kwargs):
    """Measure in a run that knows nothing of others."""
    with running(None):
        return margins(*args, **kwargs)


def plain(measurement):
    """Return all of a measurement but the time that it took."""
    content = measurement.as_dict()
    del content["timings"]
    return content


# ---------------------------------------------------------------------------------------------
# Values


def test_within_consistency_by_hand(run, corpus):
    measured = within_consistency(bands, NOISE, corpus=corpus)
    originals = bands(corpus.windows()).astype(np.float32).astype(np.float64)
    transformed = bands(corpus.windows(NOISE)).astype(np.float32).astype(np.float64)
    outcomes, by_hand = [], []
    for p in range(8):
        distances = [math.dist(transformed[p], originals[q]) for q in range(8)]
        own = distances.pop(p)
        outcomes.append(own < min(distances))
        by_hand.append(min(distances) - own)
    assert 0 < sum(outcomes) < 8
    assert measured.outcomes == tuple(outcomes)
    assert measured.value == sum(outcomes) / 8
    assert measured.n == 8
    assert measured.ci == wilson_interval(sum(outcomes) / 8, 8)
    np.testing.assert_allclose(measured.details["margins"], by_hand, rtol=1e-9)
    assert measured.details["chance"] == 1 / 8
    low, high = measured.details["bootstrap_ci"]
    assert low < measured.value < high


@pytest.mark.parametrize("distance", ["euclidean", "cosine"])
def test_the_worst_clips_are_the_worst(run, corpus, distance):
    measured = within_consistency(bands, NOISE, corpus=corpus, distance=distance)
    matrix = pairwise_distances(bands(corpus.windows(NOISE)), bands(corpus.windows()), distance)
    shares = {}
    for p, id_ in enumerate(corpus.ids):
        others = [(matrix[p, q], corpus.ids[q]) for q in range(8) if q != p]
        shares[id_] = (matrix[p, p] / min(others)[0], min(others)[1])
    expected = sorted(shares, key=lambda id_: -shares[id_][0])[:5]
    assert [row["id"] for row in measured.worst] == expected
    assert [row["neighbour"] for row in measured.worst] == [shares[id_][1] for id_ in expected]


def test_audio_consistency_by_hand(run, corpus):
    def first_frame(queries, candidates):
        return np.array([[np.abs(q[0] - c[0]).sum() for c in candidates] for q in queries])

    measured = audio_consistency(NOISE, corpus=corpus, distance=first_frame)
    from pytest_nnrel import Clip, audio_features

    def features(windows):
        return [audio_features(Clip("x", window, RATE)) for window in windows]

    matrix = first_frame(features(corpus.windows(NOISE)), features(corpus.windows()))
    np.fill_diagonal(others := matrix.copy(), np.inf)
    expected = np.diag(matrix) < others.min(axis=1)
    assert measured.outcomes == tuple(expected.tolist())


def test_the_accuracy_of_two_spaces_and_the_rate_of_each(run, corpus):
    measured = between_consistency(bands, NOISE, corpus=corpus, measure="accuracy")
    audio = audio_consistency(NOISE, corpus=corpus)
    latent = within_consistency(bands, NOISE, corpus=corpus)
    agreed = tuple(a == z for a, z in zip(audio.outcomes, latent.outcomes))
    assert measured.outcomes == agreed
    assert measured.value == sum(agreed) / 8
    assert measured.ci == wilson_interval(sum(agreed) / 8, 8)
    assert measured.details["within"] == {
        "audio": {"value": audio.value, "ci": list(audio.ci)},
        "latent": {"value": latent.value, "ci": list(latent.ci)},
    }


def test_the_rank_agreement_carries_both_rates_too(run, corpus):
    measured = between_consistency(bands, NOISE, corpus=corpus, measure="rho")
    assert measured.outcomes == ()
    assert measured.ci[0] <= measured.value <= measured.ci[1]
    assert measured.details["within"]["latent"]["value"] == (
        within_consistency(bands, NOISE, corpus=corpus).value
    )
    assert measured.details["within"]["audio"]["value"] == (
        audio_consistency(NOISE, corpus=corpus).value
    )


@pytest.mark.parametrize("pairs", ["all", "own", "distinct"])
def test_the_rank_agreement_by_hand(run, corpus, pairs):
    from scipy.stats import spearmanr

    def level(queries, candidates):
        return np.array([[np.abs(q.mean() - c.mean()) for c in candidates] for q in queries])

    measured = between_consistency(
        bands, NOISE, corpus=corpus, audio_distance=level, latent_distance="cosine", pairs=pairs
    )
    from pytest_nnrel import Clip, audio_features

    def features(windows):
        return [audio_features(Clip("x", window, RATE)) for window in windows]

    queries, originals = corpus.windows(NOISE), corpus.windows()
    audio = level(features(queries), features(originals))
    latent = pairwise_distances(bands(queries), bands(originals), "cosine")
    own = np.eye(8, dtype=bool)
    chosen = {"all": np.ones((8, 8), bool), "own": own, "distinct": ~own}[pairs]
    assert measured.value == pytest.approx(spearmanr(audio[chosen], latent[chosen])[0])


@pytest.mark.usefixtures("run")
@pytest.mark.parametrize(
    "call, error, match",
    [
        (
            lambda c: between_consistency(bands, NOISE, corpus=c, measure="r"),
            SettingError,
            r"measure must be 'rho' or 'accuracy', not 'r'",
        ),
        (
            lambda c: assert_between_consistency(bands, NOISE, corpus=c, measure=["rho"], min=0.5),
            SettingError,
            r"measure must be 'rho' or 'accuracy', not \['rho'\]",
        ),
        (
            lambda c: between_consistency(bands, NOISE, corpus=c, pairs="some"),
            SettingError,
            r"pairs must be one of all, own, distinct, sampled, not 'some'",
        ),
        (
            lambda c: within_consistency(bands, NOISE, corpus=list(c)),
            SettingError,
            r"corpus must be a Corpus, not list",
        ),
        (
            lambda c: within_consistency("no.such.encoder", NOISE, corpus=c),
            EncoderError,
            r"no\.such\.encoder",
        ),
    ],
    ids=["measure", "measures", "pairs", "corpus", "encoder"],
)
def test_arguments_that_cannot_be(corpus, call, error, match):
    with pytest.raises(error, match=match):
        call(corpus)


def test_seeds_from_numpy(run, corpus):
    expected = margins(bands, NOISE, corpus=corpus, seed=3)
    assert margins(bands, NOISE, corpus=corpus, seed=np.int64(3)) == expected
    measured = within_consistency(bands, NOISE, corpus=corpus, seed=np.int64(3))
    json.dumps(measured.as_dict())


def test_the_seed_of_the_run(cache, corpus):
    with running(cache, seed=7):
        assert margins(bands, NOISE, corpus=corpus) == margins(bands, NOISE, corpus=corpus, seed=7)
        assert margins(bands, NOISE, corpus=corpus) != margins(bands, NOISE, corpus=corpus, seed=0)


def test_the_corpus_of_the_run(cache, corpus):
    with running(cache, corpus=lambda: corpus):
        assert margins(bands, NOISE) == margins(bands, NOISE, corpus=corpus)


# ---------------------------------------------------------------------------------------------
# Degenerate corpora and encoders


def test_a_corpus_of_one_is_no_corpus(run, corpus):
    for measure in (
        lambda one: within_consistency(bands, NOISE, corpus=one),
        lambda one: audio_consistency(NOISE, corpus=one),
        lambda one: between_consistency(bands, NOISE, corpus=one),
    ):
        with pytest.raises(TooFewClipsError, match=r"'arrays' has 1 clip; with fewer than 2"):
            measure(corpus.subset(1))


def test_two_clips_are_a_corpus(run, corpus):
    measured = within_consistency(bands, Identity(), corpus=corpus.subset(2))
    assert (measured.value, measured.n, measured.details["chance"]) == (1.0, 2, 0.5)


@pytest.mark.parametrize("distance", ["euclidean", "cosine"])
def test_a_collapsed_encoder_ties_everywhere(run, corpus, distance):
    def collapsed(batch):
        return np.ones((len(batch), 5))

    measured = within_consistency(collapsed, MP3(kbps=64), corpus=corpus, distance=distance)
    assert measured.value == 0.0
    assert measured.outcomes == (False,) * 8
    assert measured.details["ties"] == 8
    assert measured.details["non_finite"] == 0
    with pytest.raises(UndefinedMeasureError, match="all 64 latent distances are equal"):
        between_consistency(collapsed, MP3(kbps=64), corpus=corpus, latent_distance=distance)
    agreed = between_consistency(
        collapsed, MP3(kbps=64), corpus=corpus, latent_distance=distance, measure="accuracy"
    )
    assert agreed.details["within"]["latent"]["value"] == 0.0
    assert agreed.value == 1.0 - agreed.details["within"]["audio"]["value"]


def test_two_embeddings_for_all_clips_tie(run, corpus):
    middle = np.median(np.abs(corpus.windows()).mean(axis=1))

    def loud_or_not(batch):
        return (np.abs(batch).mean(axis=1, keepdims=True) > middle).astype(np.float32)

    measured = within_consistency(loud_or_not, Identity(), corpus=corpus)
    assert (measured.value, measured.details["ties"]) == (0.0, 8)


def test_zero_vectors_have_no_direction(run, corpus):
    def zeros(batch):
        return np.zeros((len(batch), 5))

    measured = within_consistency(zeros, NOISE, corpus=corpus, distance="cosine")
    assert (measured.value, measured.details["non_finite"]) == (0.0, 8)
    json.dumps(measured.as_dict(), allow_nan=False)
    with pytest.raises(UndefinedMeasureError, match="64 of 64 latent distances are not finite"):
        between_consistency(zeros, NOISE, corpus=corpus, latent_distance="cosine")


@pytest.mark.parametrize("distance", ["cosine", "angular", "correlation"])
def test_an_original_without_direction_is_named(run, corpus, distance):
    silent = corpus[2].window(0.5)

    def encode(batch):
        return bands(batch) * ~(batch == silent).all(axis=1, keepdims=True)

    measured = within_consistency(encode, NOISE, corpus=corpus, distance=distance)
    assert (measured.value, measured.details["non_finite"]) == (0.0, 8)
    assert measured.details["undefined_originals"] == [corpus.ids[2]]
    with pytest.raises(AssertionError, match=f"no distance to the originals of {corpus.ids[2]}, "):
        assert_within_consistency(encode, NOISE, corpus=corpus, distance=distance, min=0.5)


def test_one_zero_vector_among_the_transformed(run, corpus):
    silenced = corpus[2].window(0.5)

    def encode(batch):
        embeddings = bands(batch)
        embeddings[(batch == -silenced).all(axis=1)] = 0.0
        return embeddings

    def invert(samples, sample_rate):
        return -samples

    # Inverting leaves loudness as it is, so that the window comes out exactly inverted.
    measured = within_consistency(encode, invert, corpus=corpus, distance="cosine")
    assert measured.outcomes == tuple(i != 2 for i in range(8))
    assert measured.details["non_finite"] == 1
    assert "undefined_originals" not in measured.details
    assert measured.worst[0]["id"] == corpus.ids[2]


# ---------------------------------------------------------------------------------------------
# Windows and rates


class Listening:
    """An encoder that keeps what it is given."""

    def __init__(self):
        self.given = []

    def encode(self, batch, sample_rate):
        self.given.append((batch.copy(), sample_rate))
        return bands(batch)


@pytest.mark.parametrize("rate, seconds", [(16_000, 0.75), (44_100, 0.5), (22_050, 1.0)])
def test_an_encoder_gets_the_rate_and_window_that_it_asks_for(run, corpus, rate, seconds):
    listening = Listening()
    encoder = as_encoder(listening, sample_rate=rate, window_seconds=seconds)
    measured = within_consistency(encoder, Identity(), corpus=corpus)
    ((batch, given_rate),) = listening.given
    assert given_rate == rate
    assert batch.shape == (8, round(seconds * rate))
    for window, clip in zip(batch, corpus):
        resampled = clip.samples
        if rate != RATE:
            resampled = soxr.resample(clip.samples, RATE, rate, quality="HQ")
        start = (len(resampled) - len(window)) // 2
        np.testing.assert_array_equal(window, resampled[start : start + len(window)])
    assert measured.details["encoder"]["sample_rate"] == rate
    assert measured.details["encoder"]["window_seconds"] == seconds
    assert measured.details["corpus"]["window_seconds"] == 0.5


def test_three_seconds_at_16_khz_of_the_bundled_clips(run):
    listening = Listening()
    encoder = as_encoder(listening, sample_rate=16_000, window_seconds=3.0)
    measured = within_consistency(encoder, MP3(kbps=160), corpus=Corpus.bundled().subset(4))
    assert [batch.shape for batch, _ in listening.given] == [(4, 48_000)] * 2
    assert measured.value == 1.0


def test_ten_seconds_at_48_khz_of_a_folder(run, tmp_path):
    rng = np.random.default_rng(3)
    folder = tmp_path / "audio"
    folder.mkdir()
    seconds = np.arange(12 * 48_000) / 48_000
    for i in range(4):
        tones = sum(np.sin(2 * np.pi * f * seconds) for f in (200 + 150 * i, 9000 + 3000 * i))
        signal_ = 0.1 * tones + 0.02 * rng.standard_normal(len(seconds))
        soundfile.write(folder / f"{i}.wav", signal_, 48_000, subtype="FLOAT")
    corpus = Corpus.from_directory(folder, source_seconds=12, sample_rate=48_000)

    class Tagger(Listening):
        sample_rate = 48_000
        window_seconds = 10.0

    tagger = Tagger()
    measured = within_consistency(tagger, PinkNoise(snr_db=20), corpus=corpus)
    assert [(batch.shape, rate) for batch, rate in tagger.given] == [((4, 480_000), 48_000)] * 2
    for i, window in enumerate(tagger.given[0][0]):  # whole seconds: the tones are on bins
        spectrum = np.abs(np.fft.rfft(window))
        assert np.argmax(spectrum[:50_000]) == 10 * (200 + 150 * i)
        assert 50_000 + np.argmax(spectrum[50_000:]) == 10 * (9000 + 3000 * i)
    assert measured.value == 1.0
    assert measured.details["encoder"]["window_seconds"] == 10.0
    assert measured.details["corpus"]["sample_rate"] == 48_000


def test_a_window_longer_than_the_source_says_how_much_is_missing(run, corpus):
    encoder = as_encoder(bands, window_seconds=1.5)
    with pytest.raises(
        CorpusError,
        match=r"encoder 'bands' needs 1\.5 s of every clip, but .* holds 1 s; .*source_seconds=3",
    ):
        within_consistency(encoder, NOISE, corpus=corpus)


@pytest.mark.parametrize("seconds, padded", [(None, 0.25), (0.75, 0.5)])
def test_padding_with_zeros_is_reported(run, corpus, seconds, padded):
    listening = Listening()

    def shorten(samples, sample_rate):
        return samples[: len(samples) // 4 + 1]

    encoder = as_encoder(listening, window_seconds=seconds)
    measured = within_consistency(encoder, shorten, corpus=corpus)
    padding = measured.details["transform"]["zero_padding"]
    assert padding["clips"] == 8
    assert padding["max_seconds"] == pytest.approx(padded, abs=1e-4)
    silent = max((batch == 0.0).all(axis=0).mean() for batch, _ in listening.given)
    assert silent == pytest.approx(padded / (seconds or 0.5), abs=1e-3)


def test_no_padding_is_not_reported(run, corpus):
    measured = within_consistency(bands, reverse, corpus=corpus)
    assert "zero_padding" not in measured.details["transform"]


# ---------------------------------------------------------------------------------------------
# Everything once


def test_rows_of_a_part_are_those_of_its_clips(corpus):
    """They are stored under a name that tells which clips they are of."""
    study = study_on(corpus)
    asked = question(study, as_transform(PinkNoise(12)))
    dtw = resolve_distance("dtw", "audio")
    part, whole = (
        np.concatenate(list(as_blocks(audio_space(rendered, dtw).distances)))
        for rendered in (render(asked, [3, 1]), render(asked))
    )
    np.testing.assert_array_equal(part, whole[[3, 1]])


def nearest_of_one(transform, corpus):
    study = study_on(corpus)
    rendered = render(question(study, as_transform(transform)), [1])
    listener = recognise(as_encoder(bands), study)
    return nearest(embed(listener, rendered), resolve_distance("euclidean"))


MEASURES = {
    "within": lambda t, c: within_consistency(bands, t, corpus=c),
    "another encoder": lambda t, c: within_consistency(MFCCEncoder(), t, corpus=c),
    "another distance": lambda t, c: within_consistency(bands, t, corpus=c, distance="cosine"),
    "another window": lambda t, c: within_consistency(
        as_encoder(bands, sample_rate=16_000, window_seconds=0.75), t, corpus=c
    ),
    "audio": lambda t, c: audio_consistency(t, corpus=c),
    "rho": lambda t, c: between_consistency(bands, t, corpus=c),
    "accuracy": lambda t, c: between_consistency(bands, t, corpus=c, measure="accuracy"),
    "one clip": nearest_of_one,
}


@pytest.mark.parametrize(
    "version, jobs, reverse_order", [(None, 1, True), (None, 2, False), ("1", 2, True)]
)
def test_a_clip_is_transformed_once(cache, corpus, version, jobs, reverse_order):
    fn = Counting(reverse)
    measures = list(MEASURES.values())
    with running(cache, jobs=jobs):
        for measure in reversed(measures) if reverse_order else measures:
            # Made anew, as every test does.
            measure(FunctionTransform("reversal", fn, version=version), corpus)
    assert fn.calls == 8


def test_a_clip_is_transformed_once_by_a_chain(run, corpus):
    fn = Counting(reverse)
    for measure in (MEASURES["within"], MEASURES["another encoder"], MEASURES["audio"]):
        measure(Chain(FunctionTransform("reversal", fn), PinkNoise(snr_db=20)), corpus)
    assert fn.calls == 8


def test_one_clip_needs_only_that_clip_transformed(run, corpus):
    fn = Counting(reverse)
    assert_relative_nearest(bands, corpus.ids[3], FunctionTransform("reversal", fn), corpus=corpus)
    assert fn.calls == 1


class Model:
    """An encoder in which state and code are apart."""

    def __init__(self):
        self.counting = Counting(bands)

    def encode(self, batch):
        return self.counting(batch)

    def other_name(self, batch):
        return self.counting(batch)


@pytest.mark.parametrize(
    "subject_of",
    [
        pytest.param(lambda model: model.counting, id="function"),
        pytest.param(lambda model: model, id="object with encode"),
        pytest.param(lambda model: model.other_name, id="bound method"),
        pytest.param(lambda model: as_encoder(model.encode, name="x"), id="adapter made anew"),
        pytest.param(lambda model: as_encoder(model, fingerprint="1"), id="with fingerprint"),
    ],
)
def test_a_window_is_encoded_once_but_for_witnesses(run, corpus, subject_of):
    model = Model()
    measurements = 0

    def encoded(transform, **options):
        nonlocal measurements
        measurements += 1
        before = model.counting.windows
        within_consistency(subject_of(model), transform, corpus=corpus, **options)
        return model.counting.windows - before

    assert encoded(NOISE) == 16
    first = encoded(NOISE, distance="cosine")
    assert first == FURTHER_WITNESSES
    assert encoded(NOISE) == FURTHER_WITNESSES
    assert encoded(reverse) == 8 + FURTHER_WITNESSES
    assert encoded(Identity()) == FURTHER_WITNESSES


def test_a_second_run_transforms_and_encodes_nothing_that_is_known(cache, corpus):
    fn = Counting(reverse)
    encoder, anonymous = Counting(bands), Counting(bands)
    transform = FunctionTransform("reversal", fn, version="1")
    results = []
    for _ in range(2):
        for counting in (fn, encoder, anonymous):
            counting.forget()
        with running(cache):
            results.append(
                [
                    within_consistency(
                        as_encoder(encoder, name="x", fingerprint="1"), transform, corpus=corpus
                    ),
                    within_consistency(anonymous, transform, corpus=corpus),
                    between_consistency(
                        as_encoder(encoder, name="x", fingerprint="1"), transform, corpus=corpus
                    ),
                ]
            )
    assert fn.calls == 0
    assert encoder.windows == WITNESSES + FURTHER_WITNESSES
    assert anonymous.windows == 16
    first, second = results
    assert [plain(m) for m in second] == [plain(m) for m in first]


def test_what_is_not_versioned_does_not_outlive_the_run(cache, corpus):
    fn = Counting(reverse)
    encoder = Counting(bands)
    for _ in range(2):
        fn.forget()
        encoder.forget()
        with running(cache):
            within_consistency(
                as_encoder(encoder, name="x", fingerprint="1"),
                FunctionTransform("reversal", fn),
                corpus=corpus,
            )
    assert fn.calls == 8
    assert encoder.windows == 8 + WITNESSES  # the originals are known


def test_another_process_finds_what_this_one_stored(cache, tmp_path, monkeypatch):
    (tmp_path / "nnrel_test_mine.py").write_text(
        textwrap.dedent(
            """
            import sys
            from pathlib import Path

            import numpy as np

            from pytest_nnrel import Corpus, FunctionTransform, as_encoder, within_consistency
            from pytest_nnrel.runtime import settings
            from pytest_nnrel.experiment.stores import close_stores

            USES = Path(__file__).with_name("uses")

            def bands(batch):
                with open(USES, "a") as file:
                    print("encoded", len(batch), file=file)
                spectra = np.abs(np.fft.rfft(batch))
                parts = np.array_split(spectra, 12, axis=1)
                return np.stack([part.mean(axis=1) for part in parts], axis=1)

            def reverse(samples, sample_rate):
                with open(USES, "a") as file:
                    print("transformed", len(samples), file=file)
                return samples[::-1]

            def measure(cache):
                active = settings.Settings(cache_dir=Path(cache), jobs=1)
                settings.activate(active)
                measured = within_consistency(
                    as_encoder(bands, name="x", fingerprint="1"),
                    FunctionTransform("reversal", reverse, version="1"),
                    corpus=Corpus.bundled().subset(4),
                )
                close_stores(active)
                measurement = measured.as_dict()
                del measurement["timings"]
                return measurement
            """
        )
    )
    uses = tmp_path / "uses"
    script = (
        f"import json, nnrel_test_mine; print(json.dumps(nnrel_test_mine.measure({str(cache)!r})))"
    )
    found, used = [], []
    for _ in range(2):
        uses.write_text("")
        done = subprocess.run(
            [sys.executable, "-c", script],
            cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        found.append(json.loads(done.stdout.splitlines()[-1]))
        used.append(uses.read_text().splitlines())
    assert used[0].count("encoded 4") == 2
    assert len(used[0]) == 6
    assert used[1] == [f"encoded {witnesses_among(4)}"]
    assert found[1] == found[0]


def test_without_a_cache_nothing_is_left(tmp_path, corpus, monkeypatch):
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    fn = Counting(reverse)
    with running(None):
        for _ in range(2):  # known for the length of the run
            transform = FunctionTransform("reversal", fn, version="1")
            within_consistency(MFCCEncoder(), transform, corpus=corpus)
            between_consistency(bands, transform, corpus=corpus)
        assert list(folder.rglob("*.arrays"))
    assert fn.calls == 8
    assert list(folder.iterdir()) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["temporary"]


def test_a_run_cuts_the_cache_to_its_cap_when_it_ends(cache, corpus):
    with running(cache):
        within_consistency(MFCCEncoder(), NOISE, corpus=corpus)
    entries, size = Store(cache).size()
    cap = size / 2
    with running(cache, cache_gib=cap / 2**30):
        expected = margins(MFCCEncoder(), NOISE, corpus=corpus)
    fewer, smaller = Store(cache).size()
    assert 0 < fewer < entries
    assert smaller <= cap
    with running(cache):
        assert margins(MFCCEncoder(), NOISE, corpus=corpus) == expected


# ---------------------------------------------------------------------------------------------
# Never a stale value


@pytest.mark.parametrize("kind", ["clips", "features", "embeddings", "distances", "bootstrap"])
def test_damaged_entries_are_computed_anew(cache, corpus, kind):
    def measure():
        with running(cache):
            return [
                plain(within_consistency(MFCCEncoder(), NOISE, corpus=corpus)),
                plain(between_consistency(MFCCEncoder(), NOISE, corpus=corpus)),
            ]

    expected = measure()
    entries = list((cache / LAYOUT / kind).rglob("*.arrays"))
    assert entries
    for i, path in enumerate(entries):
        content = path.read_bytes()
        middle = len(content) // 2
        path.write_bytes(
            [
                content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :],
                content[:middle],
                b"",
            ][i % 3]
        )
    if kind == "clips":  # so that they are asked for
        for path in (cache / LAYOUT / "embeddings").rglob("*.arrays"):
            path.unlink()
    assert measure() == expected


def test_functions_of_one_name_do_not_share(run, corpus):
    one = margins(bands, FunctionTransform("mine", reverse), corpus=corpus)
    other = margins(bands, FunctionTransform("mine", roughen), corpus=corpus)
    assert other != one
    assert other == fresh_margins(bands, FunctionTransform("mine", roughen), corpus=corpus)
    assert margins(bands, FunctionTransform("mine", reverse), corpus=corpus) == one


def test_versions_of_a_function_do_not_share(cache, corpus):
    with running(cache):
        one = margins(bands, FunctionTransform("mine", reverse, version="1"), corpus=corpus)
    with running(cache):
        other = margins(bands, FunctionTransform("mine", roughen, version="2"), corpus=corpus)
    assert other == fresh_margins(bands, FunctionTransform("mine", roughen), corpus=corpus)
    assert other != one


def test_chains_of_functions_of_one_name_do_not_share(run, corpus):
    def chain(fn):
        return Chain(FunctionTransform("mine", fn), PinkNoise(snr_db=20))

    one = margins(bands, chain(reverse), corpus=corpus)
    other = margins(bands, chain(roughen), corpus=corpus)
    assert other == fresh_margins(bands, chain(roughen), corpus=corpus)
    assert other != one


def test_equal_functions_of_different_closures_do_not_share(run, corpus):
    def drown(gain):
        noise = np.random.default_rng(0).standard_normal(RATE)
        return lambda samples, sample_rate: samples + gain * noise

    one = margins(bands, drown(0.01), corpus=corpus)
    other = margins(bands, drown(0.3), corpus=corpus)
    assert other == fresh_margins(bands, drown(0.3), corpus=corpus)
    assert other != one


def test_a_users_family_is_rendered_anew_when_its_code_changes(cache, corpus):
    def family(fn):
        @dataclass(frozen=True)
        class Mine(Transform):
            times: float
            unit: ClassVar[str] = "times"
            identity: ClassVar[float] = 0.0
            ladder: ClassVar[tuple[float, ...]] = (1.0,)
            version: ClassVar[str] = "1"

            def render(self, samples, sample_rate, rng):
                return fn(samples, sample_rate)

        return Mine(1.0)

    with running(cache):
        before = margins(bands, family(reverse), corpus=corpus)
    with running(cache):
        after = margins(bands, family(roughen), corpus=corpus)
    assert after == fresh_margins(bands, family(roughen), corpus=corpus)
    assert after != before


def frames(fn):
    """Return a distance between sequences by a statistic of each."""

    def distance(queries, candidates):
        return np.array([[np.abs(fn(q) - fn(c)).sum() for c in candidates] for q in queries])

    return distance


def test_audio_distances_of_ones_own_do_not_share(run, corpus):
    mean, last = frames(lambda s: s.mean(axis=0)), frames(lambda s: s[-1])
    one = audio_consistency(NOISE, corpus=corpus, distance=mean).details["margins"]
    other = audio_consistency(NOISE, corpus=corpus, distance=last).details["margins"]
    assert other != one
    with running(None):
        expected = audio_consistency(NOISE, corpus=corpus, distance=last).details["margins"]
    assert other == expected


def test_latent_distances_of_ones_own_do_not_share(run, corpus):
    def taxicab(queries, candidates):
        return np.abs(queries[:, None] - candidates[None]).sum(axis=2)

    def chessboard(queries, candidates):
        return np.abs(queries[:, None] - candidates[None]).max(axis=2)

    chessboard.__name__ = "taxicab"
    one = margins(bands, NOISE, corpus=corpus, distance=taxicab)
    other = margins(bands, NOISE, corpus=corpus, distance=chessboard)
    assert other != one
    assert other == fresh_margins(bands, NOISE, corpus=corpus, distance=chessboard)


@pytest.mark.parametrize("measure", ["rho", "accuracy"])
def test_a_latent_distance_that_changes_its_mind_is_asked_again(run, corpus, measure):
    sign = [1.0]

    def fickle(queries, candidates):
        return sign[0] * np.abs(queries[:, None] - candidates[None]).sum(axis=2)

    def ask():
        return between_consistency(
            bands, NOISE, corpus=corpus, measure=measure, latent_distance=fickle
        )

    before = ask()
    sign[0] = -1.0
    after = ask()
    assert after.value != before.value
    assert after.details["within"]["latent"] != before.details["within"]["latent"]


def test_changed_weights_give_new_embeddings(run, corpus):
    torch = pytest.importorskip("torch")

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.layer = torch.nn.Linear(105, 4)

        def forward(self, x):
            return self.layer(x.reshape(len(x), -1, 105).abs()).amax(1)

    net = Net()
    before = margins(net, NOISE, corpus=corpus)
    assert margins(net, NOISE, corpus=corpus) == before
    with torch.no_grad():
        net.layer.weight.mul_(torch.linspace(-1, 1, 4)[:, None])
    after = margins(net, NOISE, corpus=corpus)
    assert after != before
    assert after == fresh_margins(net, NOISE, corpus=corpus)
    assert margins(Net(), NOISE, corpus=corpus) == before  # the first weights' are still known


def test_witnesses_of_a_module_are_encoded_once_in_a_run(cache, corpus):
    """Its fingerprint tells whatever changes, so that measurements need not look again."""
    torch = pytest.importorskip("torch")
    counting = Counting(lambda x: x.reshape(len(x), -1, 105).abs().amax(1))

    class Net(torch.nn.Module):
        def forward(self, x):
            return counting(x)

    for _ in range(2):
        with running(cache):
            for measure in ("rho", "accuracy", "rho"):
                between_consistency(Net(), NOISE, corpus=corpus, measure=measure)
    # Originals and transformed clips in the first run, one look at what is stored in the second.
    assert counting.windows == 16 + WITNESSES


def test_changed_code_behind_an_unchanged_fingerprint_is_found(cache, corpus):
    versions = [bands, octaves, envelope, bands]
    expected = [fresh_margins(fn, NOISE, corpus=corpus) for fn in versions]
    assert expected[0] != expected[1] != expected[2]
    for fn, of_this_code in zip(versions, expected):
        for _ in range(2):
            with running(cache):
                encoder = as_encoder(fn, name="mine", fingerprint="x")
                assert margins(encoder, NOISE, corpus=corpus) == of_this_code
                assert margins(encoder, NOISE, corpus=corpus) == of_this_code


def test_changed_code_is_found_when_one_clip_is_measured(cache, corpus):
    def nearest(fn):
        encoder = as_encoder(fn, name="mine", fingerprint="x")
        measured = assert_relative_nearest(encoder, corpus.ids[3], MP3(kbps=160), corpus=corpus)
        return measured.details["margins"]

    with running(None):
        expected = nearest(octaves)
    with running(cache):
        margins(as_encoder(bands, name="mine", fingerprint="x"), MP3(kbps=160), corpus=corpus)
    with running(cache):
        assert nearest(octaves) == expected


class Training:
    """An encoder whose state changes."""

    def __init__(self):
        self.fn = bands

    def encode(self, batch):
        return self.fn(batch)


@pytest.mark.parametrize("as_subject", [lambda m: m, lambda m: m.encode], ids=["object", "method"])
def test_changed_state_is_found(run, corpus, as_subject):
    training = Training()
    for fn in (bands, octaves, envelope, bands):
        training.fn = fn
        measured = margins(as_subject(training), NOISE, corpus=corpus)
        assert measured == fresh_margins(fn, NOISE, corpus=corpus)


def test_changed_state_is_found_on_a_corpus_that_overlaps(run):
    music = Corpus.bundled().subset(9)
    samples = np.stack([clip.window(1.0) for clip in music])

    def part(rows):
        return Corpus.from_arrays(
            samples[rows],
            sample_rate=RATE,
            ids=[music.ids[i] for i in rows],
            window_seconds=0.5,
        )

    earlier, later = part([0, 1, 2, 3, 4, 5]), part([1, 2, 3, 4, 5, 8])
    disjoint_ends = part([6, 7, 0, 1, 2, 3, 8])
    training = Training()
    margins(training, NOISE, corpus=earlier)
    training.fn = octaves
    assert margins(training, NOISE, corpus=later) == fresh_margins(octaves, NOISE, corpus=later)
    training.fn = envelope
    expected = fresh_margins(envelope, NOISE, corpus=disjoint_ends)
    assert margins(training, NOISE, corpus=disjoint_ends) == expected


def test_changed_code_is_found_though_the_corpus_has_grown_at_both_ends(cache):
    music = Corpus.bundled().subset(9)
    samples = np.stack([clip.window(1.0) for clip in music])

    def part(rows):
        return Corpus.from_arrays(
            samples[rows],
            sample_rate=RATE,
            ids=[music.ids[i] for i in rows],
            window_seconds=0.5,
        )

    smaller, grown = part([1, 2, 3, 4, 5]), part([0, 1, 2, 3, 4, 5, 6])
    with running(cache):
        margins(as_encoder(bands, name="mine", fingerprint="x"), NOISE, corpus=smaller)
    with running(cache):
        encoder = as_encoder(octaves, name="mine", fingerprint="x")
        assert margins(encoder, NOISE, corpus=grown) == fresh_margins(octaves, NOISE, corpus=grown)


def test_encoders_of_one_name_do_not_share(run, corpus):
    one = margins(as_encoder(bands, name="mine"), NOISE, corpus=corpus)
    other = margins(as_encoder(octaves, name="mine"), NOISE, corpus=corpus)
    assert one == fresh_margins(bands, NOISE, corpus=corpus)
    assert other == fresh_margins(octaves, NOISE, corpus=corpus)


def less_the_batchs_mean(batch):
    """Encode so that a window's embedding depends on the windows beside it."""
    energies = bands(batch)
    return energies - 0.3 * energies.mean(axis=0)


def of_folder(folder, **options):
    return Corpus.from_directory(
        folder, **{"sample_rate": RATE, "source_seconds": 1.0, "window_seconds": 0.5, **options}
    )


VARIATIONS = {
    "seed": lambda folder: {"seed": 1},
    "corpus's window": lambda folder: {"corpus": of_folder(folder, window_seconds=0.6)},
    "corpus's source": lambda folder: {"corpus": of_folder(folder, source_seconds=0.8)},
    "corpus's rate": lambda folder: {"corpus": of_folder(folder, sample_rate=16_000)},
    "corpus's clips": lambda folder: {"corpus": of_folder(folder).subset(4)},
    "encoder's batch": lambda folder: {"encoder": {"batch_size": 3}},
    "encoder's window": lambda folder: {"encoder": {"window_seconds": 0.7}},
    "encoder's rate": lambda folder: {"encoder": {"sample_rate": 16_000}},
    "magnitude": lambda folder: {"transform": PinkNoise(snr_db=1)},
}


@pytest.fixture(scope="module")
def folder(corpus, tmp_path_factory):
    """The excerpts as files."""
    folder = tmp_path_factory.mktemp("excerpts")
    for clip in corpus.subset(5):
        soundfile.write(folder / f"{clip.id}.wav", clip.samples, RATE, subtype="FLOAT")
    return folder


@pytest.mark.parametrize("variation", VARIATIONS.values(), ids=VARIATIONS.keys())
def test_whatever_decides_a_value_is_part_of_its_key(cache, folder, variation):
    def measure(*, corpus=None, encoder=None, transform=NOISE, seed=0):
        subject = as_encoder(less_the_batchs_mean, fingerprint="1", **(encoder or {}))
        where = of_folder(folder) if corpus is None else corpus
        rho = between_consistency(subject, transform, corpus=where, seed=seed)
        return margins(subject, transform, corpus=where, seed=seed), rho.value

    varied = variation(folder)
    with running(None):
        fresh = measure(**varied)
    with running(cache):
        before = measure()
        after = measure(**varied)
        again = measure()
    assert after == fresh
    assert after != before
    assert again == before


def test_a_file_that_changes_is_read_anew(cache, folder, tmp_path, corpus):
    copies = tmp_path / "copies"
    copies.mkdir()
    for path in folder.glob("*.wav"):
        (copies / path.name).write_bytes(path.read_bytes())
    encoder = as_encoder(bands, fingerprint="1")
    with running(cache):
        before = margins(encoder, NOISE, corpus=of_folder(copies))
        changed = 0.5 * corpus[2].samples[::-1]
        path = copies / f"{corpus.ids[2]}.wav"
        soundfile.write(path, changed, RATE, subtype="FLOAT")
        os.utime(path, (1, 1))
        after = margins(encoder, NOISE, corpus=of_folder(copies))
    assert after != before
    assert after == fresh_margins(encoder, NOISE, corpus=of_folder(copies))


# ---------------------------------------------------------------------------------------------
# Side by side


def test_jobs_do_not_change_the_result(larger):
    results = []
    for jobs in (1, 2):
        with running(None, jobs=jobs):
            results.append(
                [
                    plain(within_consistency(bands, NOISE, corpus=larger)),
                    plain(within_consistency(bands, MP3(kbps=32), corpus=larger)),
                    plain(between_consistency(bands, NOISE, corpus=larger)),
                ]
            )
    assert results[0] == results[1]


@pytest.mark.slow
@pytest.mark.parametrize("cached", [True, False])
def test_processes_do_not_change_the_result(larger, cache, cached):
    from joblib.externals.loky import get_reusable_executor

    local = FunctionTransform("local", lambda samples, sample_rate: samples[::-1])
    transforms = [NOISE, local]
    with running(None, jobs=2):
        expected = [plain(within_consistency(bands, t, corpus=larger)) for t in transforms]
    try:
        with running(cache if cached else None, jobs=2), joblib.parallel_config(backend="loky"):
            got = [plain(within_consistency(bands, t, corpus=larger)) for t in transforms]
    finally:
        get_reusable_executor().shutdown(wait=True)
    assert got == expected


def test_the_order_of_the_clips_given_does_not_matter(run, corpus):
    order = np.random.default_rng(4).permutation(8)
    assert order.tolist() != list(range(8))
    shuffled = Corpus.from_arrays(
        np.stack([corpus[i].samples for i in order]),
        sample_rate=RATE,
        ids=[corpus.ids[i] for i in order],
        window_seconds=0.5,
    )
    with running(None):
        for measure in MEASURES.values():
            assert plain(measure(NOISE, shuffled)) == plain(measure(NOISE, corpus))


def test_clips_keep_their_outcome_under_any_name_and_order(run, corpus):
    # Noise is seeded by id, so the transformation here is one without chance.
    order = np.random.default_rng(4).permutation(8)
    renamed = Corpus.from_arrays(
        np.stack([corpus[i].samples for i in order]), sample_rate=RATE, window_seconds=0.5
    )
    measured = margins(bands, roughen, corpus=renamed)
    expected = margins(bands, roughen, corpus=corpus)
    assert measured == [expected[i] for i in order]


@pytest.fixture
def ctrl_c():
    """Let SIGINT interrupt, whatever a library has made of it in this process."""
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, handler)


class Interrupted:
    """A reversal during which Ctrl-C comes once, when 18 clips are done."""

    def __init__(self):
        self.done, self.workers = [], set()
        self.interrupt = threading.Event()
        self.over = False

    def __call__(self, samples, sample_rate):
        here = threading.current_thread()
        if len(self.done) >= 18 and not self.over:  # two threads may pass 18 at once
            if here is threading.main_thread():
                raise KeyboardInterrupt
            if not self.interrupt.is_set():
                self.interrupt.set()
                signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)  # as Ctrl-C does
            self.workers.add(here)
            time.sleep(0.3)
        self.done.append(None)
        return samples[::-1]


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_interrupted_run_is_taken_up_where_it_stopped(cache, larger, jobs, ctrl_c):
    fn = Interrupted()
    transform = FunctionTransform("reversal", fn, version="1")
    with pytest.raises(KeyboardInterrupt), running(cache, jobs=jobs):
        within_consistency(MFCCEncoder(), transform, corpus=larger)
    while fn.workers:
        worker = fn.workers.pop()
        worker.join(timeout=PATIENCE)
        assert not worker.is_alive()
    fn.over = True
    done = len(fn.done)
    with running(cache):
        transform = FunctionTransform("reversal", fn, version="1")
        measured = within_consistency(MFCCEncoder(), transform, corpus=larger)
    assert len(fn.done) == 20
    if jobs == 1:
        assert done == 18
    with running(None):
        expected = within_consistency(
            MFCCEncoder(), FunctionTransform("reversal", reverse, version="1"), corpus=larger
        )
    assert plain(measured) == plain(expected)
    assert [path for path in cache.rglob("*") if ".tmp" in path.name] == []


def test_an_interrupt_between_originals_and_transformed_clips_leaves_nothing_stale(cache, corpus):
    calls = []

    def interrupted(batch):
        calls.append(None)
        if len(calls) == 2:  # one of the two sets is encoded, the other is not
            raise KeyboardInterrupt
        return bands(batch)

    with pytest.raises(KeyboardInterrupt), running(cache):
        margins(as_encoder(interrupted, name="mine", fingerprint="x"), NOISE, corpus=corpus)
    with running(cache):
        encoder = as_encoder(octaves, name="mine", fingerprint="x")
        assert margins(encoder, NOISE, corpus=corpus) == fresh_margins(
            octaves, NOISE, corpus=corpus
        )


# ---------------------------------------------------------------------------------------------
# Intervals


def test_groups_widen_intervals_and_nothing_else(run, corpus):
    alone = within_consistency(bands, NOISE, corpus=corpus)
    # All clips that pass are of one track, all others of a second: two draws decide all.
    grouped_corpus = excerpts(8, groups=[str(outcome) for outcome in alone.outcomes])
    grouped = within_consistency(bands, NOISE, corpus=grouped_corpus, neighbours="all")
    assert grouped.details["bootstrap_ci"] == [0.0, 1.0]
    low, high = alone.details["bootstrap_ci"]
    assert 0.0 < high - low < 1.0
    assert (grouped.value, grouped.outcomes) == (alone.value, alone.outcomes)
    assert grouped.ci[0] < alone.ci[0] < alone.ci[1] < grouped.ci[1]
    assert grouped.details["margins"] == alone.details["margins"]
    assert (alone.details["corpus"]["groups"], grouped.details["corpus"]["groups"]) == (8, 2)


def test_groups_change_the_interval_of_rho(run, corpus):
    grouped_corpus = excerpts(8, groups=["a", "a", "b", "b", "c", "c", "d", "d"])
    alone = between_consistency(bands, NOISE, corpus=corpus)
    grouped = between_consistency(bands, NOISE, corpus=grouped_corpus)
    assert grouped.value == alone.value
    assert grouped.ci != alone.ci


SHARES = [(0.0, 0.9), (0.5, 0.9), (0.85, 0.9), (0.95, 0.9), (1.0, 0.9), (1.0, 0.99), (0.33, 0.4)]


@pytest.mark.parametrize("share, minimum", SHARES)
def test_clips_to_decide_by_brute_force(share, minimum):
    def decides(n):
        low, high = wilson_interval(round(share * n) / n, n)
        return low >= minimum or high < minimum

    decided = [decides(n) for n in range(1, 3000)]
    first = decided.index(True) + 1
    always = 3000 - decided[::-1].index(False) if False in decided else 1
    assert always < 2500  # brute force has seen the end of it
    needed = clips_to_decide(share, minimum)
    assert max(2, first) <= needed <= max(2, always)
    assert decides(needed)


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_no_number_of_clips_decides_a_draw(share):
    assert clips_to_decide(share, share) is None


def test_a_limit_on_the_clips_to_decide():
    assert clips_to_decide(0.9, 0.9001, limit=10_000) is None
    assert clips_to_decide(0.5, 0.9, limit=10_000) == clips_to_decide(0.5, 0.9)


@pytest.mark.parametrize("minimum", [0.1, 0.5, 0.7, 0.9, 1.0])
def test_outcomes_by_value_and_by_interval(minimum):
    for n in (2, 8, 100):
        for right in range(n + 1):
            low, high = wilson_interval(right / n, n)
            measurement = Measurement("within", right / n, (low, high), n, (), (), {})
            expected = "holds" if low >= minimum else "fails" if high < minimum else "undecided"
            assert Requirement(low=minimum).outcome(measurement, confident=True) == expected
            expected = "holds" if right / n >= minimum else "fails"
            assert Requirement(low=minimum).outcome(measurement, confident=False) == expected


def test_too_few_clips_to_be_confident(run, corpus):
    measured = within_consistency(bands, Identity(), corpus=corpus)
    assert measured.value == 1.0
    needed = clips_to_decide(1.0, 0.9)
    assert wilson_interval(1.0, needed)[0] >= 0.9 > wilson_interval(1.0, needed - 1)[0]
    assert_within_consistency(bands, Identity(), min=0.9, corpus=corpus)
    with pytest.raises(AssertionError, match=rf"too few clips \(n = 8\) to tell; about {needed} "):
        assert_within_consistency(bands, Identity(), min=0.9, corpus=corpus, confident=True)
    low = measured.ci[0]
    assert_within_consistency(bands, Identity(), min=low - 0.01, corpus=corpus, confident=True)


# ---------------------------------------------------------------------------------------------
# As plain values


@pytest.mark.parametrize("measure", MEASURES.values(), ids=MEASURES.keys())
def test_measurements_survive_json(run, corpus, measure):
    measured = measure(MP3(kbps=160), corpus)
    text = json.dumps(measured.as_dict(), allow_nan=False)
    again = Measurement.from_dict(json.loads(text))
    assert json.loads(json.dumps(again.as_dict(), allow_nan=False)) == json.loads(text)
    assert (again.measure, again.value, again.ci, again.n) == (
        measured.measure,
        measured.value,
        measured.ci,
        measured.n,
    )
    assert again.outcomes == measured.outcomes
    assert again.worst == measured.worst


def test_measurements_with_nothing_finite_survive_json(run, corpus):
    measured = within_consistency(
        lambda batch: np.zeros((len(batch), 3)), roughen, corpus=corpus, distance="cosine"
    )
    again = Measurement.from_dict(json.loads(json.dumps(measured.as_dict(), allow_nan=False)))
    assert again.outcomes == (False,) * 8
    assert again.details["margins"] == [None] * 8
    assert again.as_dict() == measured.as_dict()


@pytest.mark.parametrize("measure", MEASURES.values(), ids=MEASURES.keys())
def test_what_identifies_a_measurement(run, corpus, measure):
    details = measure(NOISE, corpus).details
    assert details["identity"]["corpus"] == corpus.fingerprint
    assert details["identity"]["transform"] == NOISE.name
    assert details["identity"]["seed"] == 0
    assert details["corpus"]["clips"] == 8
    assert details["transform"]["family"] == "PinkNoise"
    assert details["transform"]["magnitude"] == 0.0
    assert details["transform"]["recipe"] == NOISE.recipe()
    assert details["transform"]["checks"]["snr_db"]["min"] == pytest.approx(0.0, abs=0.01)


def test_magnitudes_that_alias_are_one_condition(run, corpus):
    asked = within_consistency(bands, MP3(kbps=320), corpus=corpus)
    same = within_consistency(bands, MP3(kbps=160), corpus=corpus)
    assert asked.details["transform"]["name"] == same.details["transform"]["name"]
    assert asked.details["transform"]["asked"] == "MP3(kbps=320)"
    assert asked.details["margins"] == same.details["margins"]
    assert asked.details["identity"] == same.details["identity"]


def test_timings_are_told_by_stage(run, corpus):
    measured = between_consistency(bands, NOISE, corpus=corpus)
    stages = {"transformation", "distances", "embedding", "ranks", "bootstrap", "damage"}
    assert set(measured.timings) == stages
    assert all(seconds >= 0.0 for seconds in measured.timings.values())


@pytest.mark.parametrize("seed", [1.5, 2.0, True, "1"])
def test_a_seed_is_a_whole_number(corpus, seed):
    with pytest.raises(SettingError, match=f"seed takes a whole number, not {seed!r}"):
        within_consistency(bands, NOISE, corpus=corpus, seed=seed)
    with pytest.raises(SettingError, match=f"seed takes a whole number, not {seed!r}"):
        PinkNoise(12).apply(corpus[0], seed=seed)
    with pytest.raises(SettingError, match=f"seed takes a whole number, not {seed!r}"):
        Chain(PinkNoise(12), PinkNoise(20)).apply(corpus[0], seed=seed)

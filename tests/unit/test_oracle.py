"""The whole way from clips to measures against an oracle written from the paper's equations."""

from __future__ import annotations

import librosa
import naive
import numpy as np
import pytest
from scipy.spatial.distance import cdist

from pytest_nnrel import (
    MP3,
    Clip,
    Corpus,
    EnvironmentalNoise,
    Identity,
    MFCCEncoder,
    PinkNoise,
    PitchShift,
    TempoShift,
    audio_consistency,
    audio_features,
    between_consistency,
    pairwise_distances,
    within_consistency,
)
from pytest_nnrel.experiment import stores
from pytest_nnrel.runtime import settings

SOME = (PitchShift(2), TempoShift(0.7), PinkNoise(6), EnvironmentalNoise(12), MP3(16), Identity())
MORE = (PitchShift(0.25), TempoShift(1.5), PinkNoise(30), MP3(160))


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    active = settings.Settings(cache_dir=tmp_path_factory.mktemp("cache"))
    token = settings.activate(active)
    yield Corpus.bundled().subset(28)
    settings.deactivate(token)
    stores.close_stores(active)


@pytest.fixture(scope="module")
def originals(corpus):
    return _windows(corpus, Identity())


def _windows(corpus, transform):
    """Centre 2 s of each transformed source, cut by hand."""
    windows = []
    for clip in corpus:
        samples = transform.apply(clip, seed=0).samples
        first = (len(samples) - 44_100) // 2
        windows.append(samples[first : first + 44_100])
    return windows


def _frames(window):
    return librosa.feature.mfcc(y=window, sr=22_050, n_mfcc=25)[1:].T.astype(np.float32)


def _embedding(window):
    mfcc = librosa.feature.mfcc(y=window, sr=22_050, n_mfcc=25, n_fft=1024, hop_length=256)[1:]
    series = [mfcc, np.diff(mfcc, axis=1), np.diff(np.diff(mfcc, axis=1), axis=1)]
    statistics = [s.mean(axis=1) for s in series] + [s.std(axis=1, ddof=1) for s in series]
    return np.concatenate(statistics).astype(np.float32)


@pytest.mark.slow
@pytest.mark.parametrize(
    "transform",
    [*SOME, *(pytest.param(transform, marks=pytest.mark.exhaustive) for transform in MORE)],
    ids=lambda transform: transform.name,
)
def test_measures_are_the_papers_on_recorded_music(corpus, originals, transform):
    transformed = _windows(corpus, transform)
    frames = [[_frames(w).astype(float) for w in windows] for windows in (transformed, originals)]
    audio = [[librosa.sequence.dtw(a.T, b.T)[0][-1, -1] for b in frames[1]] for a in frames[0]]
    embeddings = [np.stack([_embedding(w) for w in ws]) for ws in (transformed, originals)]
    encoder = MFCCEncoder()
    # rho is compared from the same distances: among 1,600 pairs rounding swaps a few ranks.
    same_frames = [
        [audio_features(Clip("", window, 22_050)) for window in windows]
        for windows in (transformed, originals)
    ]
    same_audio = pairwise_distances(*same_frames, "dtw")
    encoded = [encoder.encode(np.stack(ws), 22_050) for ws in (transformed, originals)]

    assert audio_consistency(transform, corpus=corpus).value == naive.within(audio)
    for name in ("euclidean", "cosine"):
        latent = cdist(*(e.astype(float) for e in embeddings), name)
        within = within_consistency(encoder, transform, corpus=corpus, distance=name)
        assert within.value == naive.within(latent)
        assert [not outcome for outcome in within.outcomes] == naive.deltas(latent)
        options = {"corpus": corpus, "latent_distance": name}
        agreed = between_consistency(encoder, transform, measure="accuracy", **options)
        assert agreed.value == naive.accuracy(audio, latent)
        for pairs in ("all", "own", "distinct"):
            if pairs == "own" and transform == Identity():
                continue  # every own distance is 0: rho is undefined, see the unit tests
            measured = between_consistency(encoder, transform, pairs=pairs, **options)
            same = naive.rho(same_audio, pairwise_distances(*encoded, name), pairs)
            assert measured.value == pytest.approx(same, abs=1e-9)
            assert measured.value == pytest.approx(naive.rho(audio, latent, pairs), abs=1e-3)

"""Distances and MFCCs by torch, here on the CPU: ``"cpu:0"`` takes the path that a GPU takes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_nnrel import (
    Corpus,
    MFCCEncoder,
    PinkNoise,
    audio_consistency,
    audio_features,
    pairwise_distances,
    within_consistency,
)
from pytest_nnrel.distances import alignment, on_device
from pytest_nnrel.errors import DistanceError, SettingError
from pytest_nnrel.runtime.settings import Settings, activate, deactivate

torch = pytest.importorskip("torch")
DEVICES = ["cpu:0", *(["cuda"] if torch.cuda.is_available() else [])]


@pytest.fixture(scope="module")
def corpus():
    return Corpus.bundled().subset(24)


@pytest.fixture(scope="module")
def frames(corpus):
    """MFCCs of noisy and of clean music."""
    windows = [
        [clip.with_samples(transform(clip).window(2.0)) for clip in corpus]
        for transform in (lambda clip: PinkNoise(3).apply(clip, seed=0), lambda clip: clip)
    ]
    return [[audio_features(window) for window in of] for of in windows]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("metric", ["dtw", "simple"])
def test_a_device_gives_the_same_distances_and_decisions(frames, metric, device):
    here = pairwise_distances(*frames, metric)
    there = pairwise_distances(*frames, metric, device=device)
    np.testing.assert_allclose(there, here, rtol=1e-5)
    np.testing.assert_array_equal(there.argmin(axis=1), here.argmin(axis=1))


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("metric", ["dtw", "simple"])
def test_identity_is_exactly_zero_on_a_device(frames, metric, device):
    originals = frames[1]
    distances = pairwise_distances(originals, originals, metric, device=device)
    assert (np.diag(distances) == 0.0).all()
    assert (distances[~np.eye(len(originals), dtype=bool)] > 0.0).all()


@given(
    lengths=st.lists(st.integers(50, 80), min_size=1, max_size=6),
    queries=st.lists(st.integers(1, 80), min_size=1, max_size=4),
    seed=st.integers(0, 2**32 - 1),
)
@settings(max_examples=25)
def test_lengths_may_differ(lengths, queries, seed):
    rng = np.random.default_rng(seed)
    a, b = ([rng.normal(size=(n, 3)).astype(np.float32) for n in of] for of in (queries, lengths))
    here, there = (alignment.align(a, b, jobs=1, device=device) for device in ("cpu", "cpu:0"))
    assert here.keys() == there.keys()
    for name in here:
        np.testing.assert_allclose(there[name], here[name], rtol=1e-5)


@pytest.mark.parametrize("cells", [1, 60 * 60 * 3, 60 * 60 * 20])
def test_tiles_fit_the_memory_and_what_does_not_is_computed_here(monkeypatch, cells):
    rng = np.random.default_rng(0)
    a, b = ([rng.normal(size=(60, 3)).astype(np.float32) for _ in range(n)] for n in (7, 9))
    expected = alignment.align(a, b, jobs=1)
    monkeypatch.setattr(on_device, "_CELLS", cells)
    found = on_device.align(a, b, 50, torch.device("cpu"))
    assert np.isnan(found["dtw"]).all() == (cells < 60 * 60)
    there = alignment.align(a, b, jobs=1, device="cpu:0")
    for name in expected:
        np.testing.assert_allclose(there[name], expected[name], rtol=1e-5)


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("device", DEVICES)
def test_embeddings_are_compared_on_a_device(metric, device):
    a, b = np.random.default_rng(1).normal(size=(2, 30, 16))
    b[3] = 0.0  # without a direction
    here, there = (pairwise_distances(a, b, metric, device=where) for where in ("cpu", device))
    np.testing.assert_allclose(there, here, rtol=1e-12)
    assert np.isnan(here[:, 3]).all() == (metric == "cosine")


@pytest.mark.parametrize("device", DEVICES)
def test_mfccs_are_taken_on_a_device(corpus, device):
    windows = corpus.windows()
    here = MFCCEncoder().encode(windows, corpus.sample_rate)
    there = MFCCEncoder(device=device).encode(windows, corpus.sample_rate)
    np.testing.assert_allclose(there, here, rtol=1e-5, atol=1e-5 * np.abs(here).max())


@pytest.mark.parametrize("device", DEVICES)
def test_a_run_on_a_device_gives_the_same_outcomes(corpus, device, tmp_path):
    outcomes = []
    for where in (None, device):
        token = activate(Settings(cache_dir=tmp_path / str(where), device=where))
        try:
            measured = [audio_consistency(PinkNoise(3), corpus=corpus, distance="simple")]
            measured.append(within_consistency(MFCCEncoder(), PinkNoise(3), corpus=corpus))
        finally:
            deactivate(token)
        outcomes.append([measurement.outcomes for measurement in measured])
    assert outcomes[0] == outcomes[1]
    assert 0 < sum(outcomes[0][0]) < len(corpus)  # or nothing could differ


def test_a_device_that_is_not_there_is_named(frames):
    with pytest.raises(DistanceError, match="device='tpu' cannot be used here"):
        pairwise_distances(*frames, device="tpu")
    with pytest.raises(SettingError, match="device='tpu' cannot be used here"):
        MFCCEncoder(device="tpu")

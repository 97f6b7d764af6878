"""Distances against librosa, stumpy, fastdtw and naive oracles."""

from __future__ import annotations

import librosa
import naive
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_nnrel import Corpus, audio_features, pairwise_distances, register_distance
from pytest_nnrel.distances import SIMPLE_WINDOW, distance_recipe, exact, resolve_distance
from pytest_nnrel.errors import DistanceError


@pytest.fixture(scope="module")
def frames():
    """MFCCs of recorded music, 87 x 24 each."""
    corpus = Corpus.bundled().subset(12)
    windows = [clip.with_samples(clip.window(2.0)) for clip in corpus]
    return [audio_features(window) for window in windows]


def sequences(shortest, longest, dimensions=3):
    return st.builds(
        lambda seed, n: (
            np.random.default_rng(seed).normal(0, 5, size=(n, dimensions)).astype(np.float32)
        ),
        st.integers(0, 2**32 - 1),
        st.integers(shortest, longest),
    )


def test_features_are_librosas_mfccs_without_the_first(frames):
    clip = Corpus.bundled().subset(12)[0]
    window = clip.window(2.0).astype(np.float64)
    expected = librosa.feature.mfcc(y=window, sr=22_050, n_mfcc=25, dtype=np.float64)[1:].T
    assert frames[0].shape == (87, 24)
    assert frames[0].dtype == np.float32
    # Coefficients reach some hundred; librosa's own in float32 are up to 5e-5 from these.
    np.testing.assert_allclose(frames[0], expected, rtol=1e-6, atol=1.5e-4)


def test_dtw_is_librosas_on_music(frames):
    distances = pairwise_distances(frames, frames, "dtw")
    for i, a in enumerate(frames[:4]):
        for j, b in enumerate(frames):
            cost = librosa.sequence.dtw(a.T.astype(float), b.T.astype(float))[0]
            assert distances[i, j] == pytest.approx(cost[-1, -1], rel=1e-6)


@given(a=sequences(1, 12), b=sequences(1, 12))
def test_dtw_is_its_recursion(a, b):
    assert pairwise_distances([a], [b], "dtw")[0, 0] == pytest.approx(naive.dtw(a, b), rel=1e-6)


def test_simple_is_a_naive_join_on_music(frames):
    distances = pairwise_distances(frames[:3], frames, "simple")
    for i, a in enumerate(frames[:3]):
        for j, b in enumerate(frames[:4]):
            expected = naive.simple(a, b, SIMPLE_WINDOW)
            assert distances[i, j] == pytest.approx(expected, rel=1e-6)


@given(a=sequences(4, 15), b=sequences(4, 15), window=st.integers(1, 4))
def test_simple_is_a_naive_join_over_lengths_and_windows(a, b, window):
    distance = exact.join_distance(a.astype(np.float64), b.astype(np.float64), window)
    assert distance == pytest.approx(naive.simple(a, b, window), rel=1e-9)


def test_simple_in_one_dimension_is_stumpys_join(frames):
    stumpy = pytest.importorskip("stumpy")
    a, b = (frame[:, :1].astype(np.float64) for frame in frames[:2])
    # What `stumpy.aamp` gives, without its 20 s of compiling.
    pieces = np.lib.stride_tricks.sliding_window_view(a[:, 0], SIMPLE_WINDOW)
    profile = np.array([stumpy.core.mass_absolute(piece, b[:, 0]).min() for piece in pieces])
    expected = np.median(profile**2)
    assert pairwise_distances([a], [b], "simple")[0, 0] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("metric", ["dtw", "simple"])
def test_identity_is_exactly_zero_and_others_are_not(frames, metric):
    distances = pairwise_distances(frames, frames, metric)
    assert (np.diag(distances) == 0.0).all()
    assert (distances[~np.eye(len(frames), dtype=bool)] > 0.0).all()


def test_dtw_is_symmetric_and_simple_is_not(frames):
    dtw = pairwise_distances(frames, frames, "dtw")
    simple = pairwise_distances(frames, frames, "simple")
    np.testing.assert_allclose(dtw, dtw.T, rtol=1e-12)
    assert not np.allclose(simple, simple.T)


def test_fastdtw_is_the_package_and_never_below_exact_dtw(frames):
    fastdtw = pytest.importorskip("fastdtw")
    from scipy.spatial.distance import euclidean

    fast = pairwise_distances(frames[:2], frames[:3], "fastdtw", jobs=1)
    expected = fastdtw.fastdtw(frames[1], frames[2], radius=1, dist=euclidean)[0]
    assert fast[1, 2] == pytest.approx(expected, rel=1e-9)
    assert (fast >= pairwise_distances(frames[:2], frames[:3], "dtw") * (1 - 1e-6)).all()


@pytest.mark.parametrize("metric", ["dtw", "simple"])
def test_results_do_not_depend_on_threads_or_company(frames, metric):
    mixed = [*frames[:3], frames[3][:60], np.tile(frames[4], (2, 1))]
    together = pairwise_distances(mixed, mixed, metric, jobs=2)
    alone = [[pairwise_distances([a], [b], metric, jobs=1)[0, 0] for b in mixed] for a in mixed]
    np.testing.assert_array_equal(together, alone)


@given(st.integers(0, 2**32 - 1), st.integers(1, 5), st.integers(1, 5), st.integers(1, 6))
def test_latent_distances_are_their_definitions(seed, n, m, d):
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(n, d)), rng.normal(size=(m, d))
    for metric, oracle in (("euclidean", naive.euclidean), ("cosine", naive.cosine)):
        expected = [[oracle(x, y) for y in b] for x in a]
        np.testing.assert_allclose(
            pairwise_distances(a, b, metric), expected, rtol=1e-7, atol=1e-12
        )


def test_cosine_of_collinear_vectors_is_exactly_zero():
    rng = np.random.default_rng(5)
    vectors = rng.normal(size=(20, 64))
    assert (np.diag(pairwise_distances(vectors, 3.7 * vectors, "cosine")) == 0.0).all()


def test_cosine_of_a_zero_vector_is_undefined():
    distances = pairwise_distances(np.zeros((1, 3)), np.ones((1, 3)), "cosine")
    assert np.isnan(distances).all()


def test_small_differences_of_large_embeddings_do_not_cancel():
    base = np.full((2, 8), 1e6)
    base[1, 0] += 1e-3
    distance = pairwise_distances(base[:1], base[1:], "euclidean")[0, 0]
    assert distance == pytest.approx(1e-3, rel=1e-6)


def test_a_callable_gets_both_sets_at_once(frames):
    def last_frame_gap(queries, candidates):
        return [[float(abs(q[-1, 0] - c[-1, 0])) for c in candidates] for q in queries]

    distances = pairwise_distances(frames[:2], frames[:3], last_frame_gap)
    assert distances.shape == (2, 3)
    assert distances[0, 0] == 0.0


def test_a_registered_distance_is_known_by_its_name():
    def chebyshev(a, b):
        return np.abs(a[:, None] - b[None]).max(axis=2)

    register_distance("test-chebyshev", chebyshev, space="latent", version="1")
    assert pairwise_distances([[0.0, 0.0]], [[3.0, 4.0]], "test-chebyshev")[0, 0] == 4.0
    assert distance_recipe(resolve_distance("test-chebyshev")) == "1"
    register_distance("test-chebyshev", chebyshev, space="latent", version="1")  # as it is
    others = [
        {"fn": chebyshev, "space": "latent"},
        {"fn": chebyshev, "space": "latent", "version": "2"},
        {"fn": chebyshev, "space": "audio", "version": "1"},
        {"fn": lambda a, b: chebyshev(a, b), "space": "latent", "version": "1"},
    ]
    for other in others:
        with pytest.raises(DistanceError, match="registered already, in latent space, version '1'"):
            register_distance("test-chebyshev", **other)


good = [np.ones((60, 4), dtype=np.float32)]


@pytest.mark.parametrize(
    ("queries", "candidates", "metric", "message"),
    [
        ([], good, "dtw", "queries are empty"),
        (good, [], "simple", "candidates are empty"),
        (good, [np.ones((0, 4))], "dtw", r"candidates\[0\] must be frames"),
        (good, [np.ones(4)], "dtw", r"candidates\[0\] must be frames"),
        (good, [np.ones((60, 5))], "dtw", "queries have 4 dimensions, candidates 5"),
        (good, [*good, np.ones((60, 5))], "dtw", r"candidates\[1\] must be frames"),
        ([np.full((60, 4), np.nan)], good, "dtw", r"queries\[0\] holds NaN"),
        (good, [np.full((60, 4), np.inf)], "simple", r"candidates\[0\] holds NaN or inf"),
        ([np.ones((49, 4))], good, "simple", r"queries\[0\] has 49 frames, fewer than SiMPle"),
        (good, [np.ones((49, 4))], "simple", r"candidates\[0\] has 49 frames"),
        (np.zeros((0, 3)), np.ones((1, 3)), "euclidean", r"queries must be embeddings"),
        (np.ones(3), np.ones((1, 3)), "cosine", r"queries must be embeddings"),
        (good, good, "manhattan", "no distance is called 'manhattan'; there are cosine, dtw"),
        (
            good,
            good,
            lambda q, c: np.zeros((3, 3)),
            r"must return a float matrix of shape \(1, 1\)",
        ),
        (good, good, lambda q, c: [["a"]], r"must return a float matrix"),
    ],
)
def test_bad_input_is_refused_by_name(queries, candidates, metric, message):
    with pytest.raises(DistanceError, match=message):
        pairwise_distances(queries, candidates, metric)


def test_a_distance_of_the_other_space_is_refused():
    with pytest.raises(DistanceError, match="no latent distance is called 'dtw'"):
        resolve_distance("dtw", "latent")


def test_an_unknown_device_is_refused(frames):
    with pytest.raises(DistanceError, match="device='tpu'"):
        pairwise_distances(frames, frames, device="tpu")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "dtw", "fn": max, "space": "audio"}, "registered already"),
        ({"name": "test-other", "fn": max, "space": "visual"}, "'audio' or 'latent'"),
        ({"name": "test-other", "fn": 3, "space": "audio"}, "must be callable"),
    ],
)
def test_bad_registrations_are_refused(arguments, message):
    with pytest.raises(DistanceError, match=message):
        register_distance(**arguments)

"""Distances by name, what they refuse, and the features that those of audio compare."""

from __future__ import annotations

import copy

import librosa
import naive
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from known_answers import short_corpus

from pytest_nnrel import (
    Corpus,
    Identity,
    audio_features,
    pairwise_distances,
    register_distance,
    within_consistency,
)
from pytest_nnrel.distances import Distance, distances, resolve_distance
from pytest_nnrel.distances.metrics.dtw import DTW
from pytest_nnrel.distances.mfcc import mel_filters
from pytest_nnrel.errors import CorpusError, DistanceError


def test_features_are_librosas_mfccs_without_the_first(frames):
    clip = Corpus.bundled().subset(12)[0]
    window = clip.window(2.0).astype(np.float64)
    expected = librosa.feature.mfcc(y=window, sr=22_050, n_mfcc=25, dtype=np.float64)[1:].T
    assert frames[0].shape == (87, 24)
    assert frames[0].dtype == np.float32
    # Coefficients reach some hundred; librosa's own in float32 are up to 5e-5 from these.
    np.testing.assert_allclose(frames[0], expected, rtol=1e-6, atol=1.5e-4)


@pytest.mark.filterwarnings("ignore:Empty filters detected:UserWarning")  # librosa's
@given(st.integers(900, 96_000), st.sampled_from([256, 1024, 2048]), st.integers(2, 140))
def test_mel_filters_are_librosas(sample_rate, n_fft, bands):
    """Rates below 2 kHz, whose mels are all linear, and filters too narrow for any bin, too."""
    expected = librosa.filters.mel(sr=sample_rate, n_fft=n_fft, n_mels=bands, dtype=np.float64)
    np.testing.assert_allclose(
        mel_filters(sample_rate, n_fft, bands), expected, rtol=1e-9, atol=1e-15
    )


class EmptiesFrames(Distance, registered=False):
    """Another one than that which it extends, and not as careful."""

    name = "empties frames"
    space = "audio"

    def between(self, queries, candidates, execution):
        for frames in (*queries, *candidates):
            frames *= 0.0
        return np.zeros((len(queries), len(candidates)))


def empties(queries, candidates):
    return EmptiesFrames.between(None, queries, candidates, None)


class EmptiesAsDTW(DTW, registered=False):
    name = "empties as DTW"
    companions = ()
    between = EmptiesFrames.between
    together = Distance.together


@pytest.mark.parametrize(
    "metric", [EmptiesFrames(), EmptiesAsDTW(), empties], ids=["class", "subclass", "function"]
)
def test_what_a_distance_does_to_its_input_is_its_own_affair(frames, metric):
    """Else what is measured after it, and stored, would be of what it left."""
    before = [one.copy() for one in frames]
    pairwise_distances(frames[:3], frames[3:6], metric)
    vectors = np.ones((3, 4))
    pairwise_distances(vectors, vectors, empties)
    assert (vectors == 1.0).all()
    assert all(np.array_equal(one, then) for one, then in zip(frames, before))


@pytest.mark.parametrize("name", sorted(distances()))
def test_our_own_distances_leave_their_input(frames, name):
    given = frames[:4] if distances()[name].space == "audio" else np.stack(frames[:4])[:, 0] + 0.0
    before = copy.deepcopy(given)
    pairwise_distances(given, given, name)
    assert distances()[name].leaves_input
    np.testing.assert_array_equal(given, before)


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
    assert resolve_distance("test-chebyshev").recipe() == "1"
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


@pytest.mark.parametrize("given", [np.zeros(999, np.float32), None])
def test_features_are_of_a_clip(given):
    with pytest.raises(CorpusError, match="audio_features takes a Clip, such as"):
        audio_features(given)


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
        (np.zeros((0, 3)), np.ones((1, 3)), "euclidean", r"queries must be embeddings"),
        (np.ones(3), np.ones((1, 3)), "cosine", r"queries must be embeddings"),
        (
            good,
            good,
            "manhattan",
            "no distance is called 'manhattan'; there are angular, correlation, cosine, ",
        ),
        (
            good,
            good,
            lambda q, c: np.zeros((3, 3)),
            r"must return a float matrix of shape \(1, 1\)",
        ),
        (good, good, lambda q, c: [["a"]], r"must return a float matrix"),
        (None, good, "dtw", r"queries must be a list of sequences .*, not None"),
        (good, 5, lambda q, c: 0, r"candidates must be a list of sequences .*, not 5"),
        (None, good, "euclidean", "queries must be embeddings"),
        (good, ["a"], "simple", r"candidates\[0\] must hold numbers"),
        ([[[1, 2], [1]]], good, "dtw", r"queries\[0\] must hold numbers, as many in each row"),
        ([[1, 2], [1]], good, "cosine", r"queries must hold numbers, as many in each row"),
    ],
)
def test_bad_input_is_refused_by_name(queries, candidates, metric, message):
    with pytest.raises(DistanceError, match=message):
        pairwise_distances(queries, candidates, metric)


def failing(q, c):
    raise KeyError("frames")


@pytest.mark.parametrize("space", ["audio", "latent"])
def test_what_a_function_of_ones_own_raises_is_told_with_its_cause(space):
    vectors = np.eye(3, dtype=np.float32)
    queries, candidates = vectors[:2], vectors
    if space == "audio":
        queries, candidates = [queries], [candidates] * 2
    told = rf"distance 'failing' raised KeyError on {len(queries)} queries and {len(candidates)} "
    with pytest.raises(DistanceError, match=told) as refused:
        pairwise_distances(queries, candidates, failing)
    assert isinstance(refused.value.__cause__, KeyError)


def test_a_measurement_by_a_function_that_raises_tells_of_which_corpus_it_is():
    corpus = short_corpus()
    with pytest.raises(DistanceError, match=r"'failing' raised KeyError.*\(corpus 'arrays'\)"):
        within_consistency(lambda batch: batch, Identity(), corpus=corpus, distance=failing)


def test_what_a_function_returns_may_be_a_tensor_with_gradients():
    torch = pytest.importorskip("torch")
    scorer = torch.nn.Bilinear(3, 3, 1)
    queries, candidates = np.eye(3)[:2], np.ones((4, 3))

    def learned(q, c):
        pairs = [torch.from_numpy(np.repeat(each, n, axis=0)).float()
                 for each, n in ((q, len(c)), (np.tile(c, (len(q), 1)), 1))]  # fmt: skip
        return -scorer(*pairs).reshape(len(q), len(c))

    found = pairwise_distances(queries, candidates, learned)
    assert found.dtype == np.float64
    assert found.tolist() == learned(queries, candidates).tolist()
    with pytest.raises(DistanceError, match="the tensor it returned, on device meta, cannot be"):
        pairwise_distances(queries, candidates, lambda q, c: torch.ones(2, 4, device="meta"))


def test_a_distance_of_the_other_space_is_refused():
    with pytest.raises(DistanceError, match="no latent distance is called 'dtw'"):
        resolve_distance("dtw", "latent")


@pytest.mark.parametrize("given", [["euclidean"], 5, None])
def test_what_is_no_distance_is_told(given):
    with pytest.raises(DistanceError, match=r"no latent distance is called .*; there are angular"):
        resolve_distance(given, "latent")


def test_a_class_is_no_distance():
    with pytest.raises(DistanceError, match="Euclidean is a class; pass an instance"):
        resolve_distance(type(resolve_distance("euclidean")), "latent")


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

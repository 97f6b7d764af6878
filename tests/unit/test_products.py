"""Exemplars by matrix products against all distances, where rounding decides."""

import tracemalloc
from dataclasses import fields
from functools import partial

import naive
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_nnrel import pairwise_distances
from pytest_nnrel.distances import Distance, Execution, distances, resolve_distance
from pytest_nnrel.distances.metrics.cosine import Cosine
from pytest_nnrel.distances.metrics.euclidean import Euclidean
from pytest_nnrel.errors import TooFewClipsError
from pytest_nnrel.statistics import products
from pytest_nnrel.statistics.consistency import Exemplars, exemplars
from pytest_nnrel.statistics.products import Compared, exemplars_by_products

HERE = Execution(1, "cpu", None)
NAMES = ("euclidean", "cosine")


def compared(queries, originals, name):
    distance = resolve_distance(name)
    between = partial(distance.between, execution=HERE)
    return Compared(queries, originals, distance.points(), between, distance.grain)


def both(queries, originals, name, own=None, groups=None, jobs=1):
    """Return exemplars by products, and those of all distances."""
    own = np.arange(len(queries)) if own is None else own
    with np.errstate(all="ignore"):
        matrix = pairwise_distances(queries, originals, name)
        expected = exemplars(matrix, own, groups)
        found = exemplars_by_products(compared(queries, originals, name), own, groups, jobs=jobs)
    return found, expected, matrix


def assert_equal(found, expected):
    for one in fields(Exemplars):
        ours, theirs = getattr(found, one.name), getattr(expected, one.name)
        assert ours.dtype == theirs.dtype, one.name
        np.testing.assert_array_equal(ours, theirs, one.name)


@st.composite
def close_embeddings(draw):
    """Draw clips and originals that float32 hardly tells apart, if at all."""
    n, d = draw(st.integers(2, 40)), draw(st.sampled_from([1, 2, 3, 8, 65]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    spread = draw(st.sampled_from([0, 1e-30, 1e-7, 1.0, 1e6, 1e30]))
    offset = draw(st.sampled_from([0.0, 1.0, -1e4, 1e8]))
    noise = draw(st.sampled_from([0.0, 1e-7, 1e-3, 1.0]))
    kind = draw(st.sampled_from(["normal", "lattice", "sphere", "few", "one"]))
    originals = {
        "normal": lambda: rng.normal(size=(n, d)),
        "lattice": lambda: rng.integers(-1, 2, (n, d)).astype(float),
        # As far from the middle, where clips are put below: near ties all over.
        "sphere": lambda: _unit(rng.normal(size=(n, d))),
        "few": lambda: rng.normal(size=(2, d))[rng.integers(0, 2, n)],
        "one": lambda: np.ones((n, d)),
    }[kind]()
    queries = originals * draw(st.sampled_from([0.0, 0.5, 1.0, 3.0]))
    queries = queries + noise * rng.normal(size=(n, d))
    single = draw(st.booleans())
    queries, originals = (
        (spread * v + offset).astype(np.float32 if single else np.float64)
        for v in (queries, originals)
    )
    if draw(st.booleans()):  # by the last digit of some numbers
        moved = rng.random(originals.shape) < 0.1
        originals = np.where(moved, np.nextafter(originals, np.inf), originals)
    if draw(st.booleans()):
        odd = draw(st.sampled_from([np.nan, np.inf, 0.0, 1e160, 1e-160, 1e38]))
        with np.errstate(over="ignore"):
            (queries if draw(st.booleans()) else originals)[rng.integers(0, n)] = odd
    return queries, originals


def _unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [(1024, 2048), (7, 5)])
@given(given=close_embeddings(), data=st.data())
def test_they_are_those_of_all_distances(name, size, given, data):
    queries, originals = given
    n = len(originals)
    groups = data.draw(st.none() | st.lists(st.sampled_from("abc"), min_size=n, max_size=n))
    if groups is not None and len(set(groups)) == 1:
        groups = None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(products, "_ROWS", size[0])
        patch.setattr(products, "_COLUMNS", size[1])
        patch.setattr(products, "_ROOM", data.draw(st.sampled_from([(64, 0, 64), (3, 0, 3)])))
        patch.setattr(products, "_NUMBERS", size[1])
        found, expected, matrix = both(queries, originals, name, groups=groups)
    assert_equal(found, expected)
    # The twin knows no ties by rounding.
    slow = np.array(naive.deltas(matrix, groups), dtype=bool)
    assert found.errors.tolist() == (slow | found.ties).tolist()


@pytest.mark.parametrize("name", NAMES)
def test_a_few_clips_among_all_originals(name):
    rng = np.random.default_rng(3)
    originals = rng.normal(size=(300, 16)).astype(np.float32)
    own = np.array([299, 4, 17])
    found, expected, _ = both(originals[own] + np.float32(0.5), originals, name, own)
    assert_equal(found, expected)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("groups", [None, 2, 40])
@pytest.mark.parametrize("noise", [0.1, 2.0])
def test_of_many_by_threads(name, groups, noise):
    rng = np.random.default_rng(4)
    n = 1500
    originals = (1e3 + rng.normal(size=(n, 24))).astype(np.float32)
    queries = (originals + noise * rng.normal(size=(n, 24))).astype(np.float32)
    labels = None if groups is None else [str(i % groups) for i in range(n)]
    found, expected, _ = both(queries, originals, name, groups=labels, jobs=2)
    assert_equal(found, expected)


def test_of_usual_embeddings_few_pairs_are_decided_again():
    rng = np.random.default_rng(5)
    n = 2000
    originals = rng.normal(size=(n, 256)).astype(np.float32)
    queries = (originals + 0.5 * rng.normal(size=(n, 256))).astype(np.float32)
    usual = compared(queries, originals, "euclidean")
    pairs = []

    def between(left, right):
        pairs.append(len(left))
        assert left.shape == right.shape  # a few pairs, never a row of all
        return usual.between(left, right)

    found = exemplars_by_products(Compared(queries, originals, usual.points, between), np.arange(n))
    assert_equal(found, exemplars(pairwise_distances(queries, originals, "euclidean")))
    assert 2 * n <= sum(pairs) < 2.5 * n  # the own original, and the nearest other


def test_memory_does_not_grow_with_the_number_of_pairs():
    rng = np.random.default_rng(6)
    peaks = []
    for n in (2000, 8000):
        originals = rng.normal(size=(n, 8)).astype(np.float32)
        usual = compared(originals, originals, "euclidean")
        exemplars_by_products(usual, np.arange(n))  # compiled
        tracemalloc.start()
        exemplars_by_products(usual, np.arange(n))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 2 * peaks[0] < 8000 * 8000


def test_of_one_group_there_is_no_verdict():
    usual = compared(np.ones((3, 2)), np.ones((3, 2)), "euclidean")
    with pytest.raises(TooFewClipsError, match="one group"):
        exemplars_by_products(usual, np.arange(3), ["a"] * 3)
    alone = compared(np.ones((1, 2)), np.ones((1, 2)), "euclidean")
    with pytest.raises(TooFewClipsError, match="fewer than 2"):
        exemplars_by_products(alone, np.arange(1))


@pytest.mark.parametrize("name", NAMES)
@given(given=close_embeddings())
def test_a_distance_is_the_same_whatever_others_are_computed_with_it(name, given):
    queries, originals = (v.astype(np.float64) for v in given)
    distance = resolve_distance(name)
    with np.errstate(all="ignore"):
        matrix = distance.between(queries, originals, HERE)
        for row in range(len(queries)):
            alone = distance.between(queries[[row]], originals[[-1 - row]], HERE)
            np.testing.assert_array_equal(alone[0, 0], matrix[row, -1 - row])


def test_distances_that_have_points_grow_with_theirs():
    rng = np.random.default_rng(7)
    queries, originals = rng.normal(size=(2, 60, 5))
    having = []
    for name, distance in distances().items():
        if distance.space != "latent" or (points := distance.points()) is None:
            continue
        having.append(name)
        lengths = pairwise_distances(points(queries), points(originals), "euclidean")
        order = np.argsort(lengths, axis=None)
        assert (np.diff(distance.between(queries, originals, HERE).ravel()[order]) >= 0.0).all()
    assert set(NAMES) <= set(having)


def test_who_computes_a_distance_otherwise_says_anew_what_it_grows_with():
    class Opposite(Euclidean, registered=False):
        name = "opposite"

        def between(self, queries, candidates, execution):
            return -super().between(queries, candidates, execution)

    class Same(Cosine, registered=False):
        name = "same"

    assert Opposite().points() is None
    assert Same().points() is not None
    assert Distance.points(Same()) is None

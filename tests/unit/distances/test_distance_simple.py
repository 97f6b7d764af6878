"""SiMPle against stumpy and a naive join."""

from __future__ import annotations

from functools import partial

import naive
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from signals import sequences

from pytest_nnrel import DistanceError, pairwise_distances
from pytest_nnrel.distances import SIMPLE_WINDOW, exact

twin = partial(naive.simple, window=SIMPLE_WINDOW)


def test_it_is_a_naive_join_on_music(frames):
    distances = pairwise_distances(frames[:3], frames, "simple")
    for i, a in enumerate(frames[:3]):
        for j, b in enumerate(frames[:4]):
            assert distances[i, j] == pytest.approx(twin(a, b), rel=1e-6)


@given(a=sequences(4, 15), b=sequences(4, 15), window=st.integers(1, 4))
def test_it_is_a_naive_join_over_lengths_and_windows(a, b, window):
    distance = exact.join_distance(a.astype(np.float64), b.astype(np.float64), window)
    assert distance == pytest.approx(naive.simple(a, b, window), rel=1e-9)


def test_in_one_dimension_it_is_stumpys_join(frames):
    stumpy = pytest.importorskip("stumpy")
    a, b = (frame[:, :1].astype(np.float64) for frame in frames[:2])
    # What `stumpy.aamp` gives, without its 20 s of compiling.
    pieces = np.lib.stride_tricks.sliding_window_view(a[:, 0], SIMPLE_WINDOW)
    profile = np.array([stumpy.core.mass_absolute(piece, b[:, 0]).min() for piece in pieces])
    expected = np.median(profile**2)
    assert pairwise_distances([a], [b], "simple")[0, 0] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("queries", "candidates", "message"),
    [
        ([49], [60], r"queries\[0\] has 49 frames, fewer than SiMPle"),
        ([60], [60, 49], r"candidates\[1\] has 49 frames"),
    ],
)
def test_sequences_shorter_than_its_window_are_named(queries, candidates, message):
    left, right = ([np.ones((n, 4)) for n in lengths] for lengths in (queries, candidates))
    with pytest.raises(DistanceError, match=message):
        pairwise_distances(left, right, "simple")

"""DTW against librosa and its recursion."""

from __future__ import annotations

import librosa
import naive
import pytest
from hypothesis import given
from signals import sequences

from pytest_nnrel import pairwise_distances

twin = naive.dtw


def test_it_is_librosas_on_music(frames):
    distances = pairwise_distances(frames, frames, "dtw")
    for i, a in enumerate(frames[:4]):
        for j, b in enumerate(frames):
            cost = librosa.sequence.dtw(a.T.astype(float), b.T.astype(float))[0]
            assert distances[i, j] == pytest.approx(cost[-1, -1], rel=1e-6)


@given(a=sequences(1, 12), b=sequences(1, 12))
def test_it_is_its_recursion(a, b):
    assert pairwise_distances([a], [b], "dtw")[0, 0] == pytest.approx(naive.dtw(a, b), rel=1e-6)

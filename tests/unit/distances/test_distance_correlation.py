"""The correlation of embeddings by numpy, whatever their offset and scale, and of constant ones."""

from __future__ import annotations

import naive
import numpy as np
import pytest

from pytest_nnrel import pairwise_distances


def twin(a, b):
    means = sum(map(float, a)) / len(a), sum(map(float, b)) / len(b)
    return naive.cosine([x - means[0] for x in a], [y - means[1] for y in b])


def test_it_is_numpys_whatever_offset_and_scale_an_embedding_has():
    rng = np.random.default_rng(3)
    a, b = rng.normal(size=(2, 6, 40))
    expected = 1 - np.corrcoef(a, b)[:6, 6:]
    np.testing.assert_allclose(pairwise_distances(a, b, "correlation"), expected, rtol=1e-9)
    moved = rng.uniform(0.1, 9, size=(6, 1)) * b + rng.uniform(-5, 5, size=(6, 1))
    np.testing.assert_allclose(pairwise_distances(a, moved, "correlation"), expected, rtol=1e-9)


def test_the_opposite_is_two_away():
    a = np.array([[1.0, 2.0, 4.0]])
    assert pairwise_distances(a, 7 - a, "correlation")[0, 0] == pytest.approx(2, rel=1e-12)


@pytest.mark.parametrize("level", [0.0, 0.1, 1 / 3, 1e6 + 0.1])
@pytest.mark.parametrize("size", [3, 7, 1000])
def test_of_a_constant_embedding_it_is_undefined(level, size):
    constant, other = np.full((1, size), level), np.arange(size, dtype=float)[None]
    assert np.isnan(pairwise_distances(constant, other, "correlation")).all()
    assert np.isnan(pairwise_distances(other, constant, "correlation")).all()

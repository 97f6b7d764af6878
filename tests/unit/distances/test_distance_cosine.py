"""Cosine distance of collinear and of zero vectors."""

from __future__ import annotations

import naive
import numpy as np

from pytest_nnrel import pairwise_distances

twin = naive.cosine


def test_of_collinear_vectors_it_is_exactly_zero():
    rng = np.random.default_rng(5)
    vectors = rng.normal(size=(20, 64))
    assert (np.diag(pairwise_distances(vectors, 3.7 * vectors, "cosine")) == 0.0).all()


def test_of_a_zero_vector_it_is_undefined():
    distances = pairwise_distances(np.zeros((1, 3)), np.ones((1, 3)), "cosine")
    assert np.isnan(distances).all()

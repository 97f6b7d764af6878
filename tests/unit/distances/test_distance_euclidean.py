"""Small differences of large embeddings do not cancel."""

from __future__ import annotations

import naive
import numpy as np
import pytest

from pytest_nnrel import pairwise_distances

twin = naive.euclidean


def test_small_differences_of_large_embeddings_do_not_cancel():
    base = np.full((2, 8), 1e6)
    base[1, 0] += 1e-3
    distance = pairwise_distances(base[:1], base[1:], "euclidean")[0, 0]
    assert distance == pytest.approx(1e-3, rel=1e-6)

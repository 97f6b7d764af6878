"""Angles of collinear, opposite and nearly collinear vectors."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pytest_nnrel import pairwise_distances


def twin(a, b):
    product = sum(x * y for x, y in zip(a, b))
    lengths = math.sqrt(sum(x * x for x in a)) * math.sqrt(sum(y * y for y in b))
    return math.acos(max(-1.0, min(1.0, product / lengths))) / math.pi if list(a) != list(b) else 0


def test_angles_that_are_known():
    turned = [[math.cos(angle), math.sin(angle)] for angle in np.radians([0, 1e-6, 45, 90, 180])]
    found = pairwise_distances(np.array([[2.0, 0.0]]), np.array(turned), "angular")
    assert found[0] * 180 == pytest.approx([0, 1e-6, 45, 90, 180], rel=1e-9)


def test_of_a_zero_vector_it_is_undefined():
    assert np.isnan(pairwise_distances(np.zeros((1, 3)), np.ones((1, 3)), "angular")).all()

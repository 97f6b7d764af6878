"""Scores: errors over a reference's, their mean, and where a curve falls."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_nnrel.statistics import scores

shares = st.integers(0, 500).map(lambda count: count / 500)


@given(shares, shares)
def test_a_relative_error_is_of_shares_with_an_allowance(error, reference):
    relative = float(scores.relative_error(np.array(error), np.array(reference)))
    assert relative == pytest.approx((20 * error + 1) / (20 * reference + 1))
    assert (relative > 1) == (error > reference)
    assert (relative == 1) == (error == reference)  # none over none, too
    assert 1 / 21 - 1e-9 <= relative <= 21 + 1e-9


@given(st.lists(shares, min_size=1, max_size=8))
def test_a_score_against_oneself_is_one_and_else_a_mean(errors):
    ours = np.array(errors)
    assert scores.score(scores.relative_error(ours, ours)) == pytest.approx(1.0)
    assert scores.score(ours) == pytest.approx(sum(errors) / len(errors))


def test_errors_of_a_family_are_means_over_its_conditions_and_over_clips_as_they_are_drawn():
    losses = np.array([[1.0, 0.0, 1.0], [1.0, 1.0, 0.0], [0.0, 0.5, 0.0]])
    families = {"A": [0, 2], "B": [1]}
    once = np.ones((1, 3), dtype=np.int32)
    assert scores.family_errors(losses, families, once)[0] == pytest.approx([2.5 / 6, 2 / 3])
    weights = np.array([[3, 0, 0], [0, 2, 1]], dtype=np.int32)
    expected = np.array([[0.5, 1.0], [1 / 3, 2 / 3]])
    assert scores.family_errors(losses, families, weights) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("damages", "values", "level", "at"),
    [
        ([0.1, 0.2], [0.95, 0.85], 0.9, 0.15),
        ([0.2, 0.1], [0.85, 0.95], 0.9, 0.15),  # whatever the order
        ([0.4], [0.5], 0.75, 0.2),  # from the identity, at which all is kept
        ([0.1, 0.2], [0.95, 0.9], 0.9, math.inf),  # as much is not below
        ([0.1, 0.2, 0.3], [0.8, 1.0, 0.2], 0.9, 0.05),  # the mildest fall counts
        ([0.1, 0.1], [0.4, 1.0], 0.5, 0.1),  # of two at one damage, the worse
        ([0.0], [0.2], 0.5, 0.0),
        ([], [], 0.9, math.inf),
    ],
)
def test_a_curve_falls_where_it_first_crosses_the_level(damages, values, level, at):
    assert scores.falls_at(damages, values, level) == pytest.approx(at)


@given(
    st.lists(st.tuples(st.floats(0, 5), st.floats(0, 1)), min_size=1, max_size=8),
    st.floats(0.05, 0.95),
)
def test_a_curve_falls_between_the_last_point_above_and_the_first_below(points, level):
    at = scores.falls_at(*zip(*points), level)
    below = [damage for damage, value in points if value < level]
    assert math.isinf(at) == (not below)
    if below:
        first = min(below)
        before = max((d for d, _ in points if d < first), default=0.0)
        assert before - 1e-12 <= at <= first + 1e-12

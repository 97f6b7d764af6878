"""Scores: errors over a reference's, their mean, and where a curve falls."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_nnrel.statistics import scores

counts = st.integers(0, 500)


@given(counts, counts)
def test_a_relative_error_is_of_counts_with_half_an_error_more(errors, reference):
    relative = float(scores.relative_error(np.array(errors), np.array(reference)))
    assert relative == pytest.approx((2 * errors + 1) / (2 * reference + 1))
    assert (relative > 1) == (errors > reference)
    assert (relative == 1) == (errors == reference)  # none over none, too


@given(st.lists(st.tuples(counts, counts), min_size=1, max_size=8))
def test_a_score_against_oneself_is_one_and_is_turned_by_exchanging_sides(pairs):
    ours, theirs = np.array(pairs, dtype=float).T
    assert scores.score(scores.relative_error(ours, ours)) == pytest.approx(1.0)
    there, back = (
        float(scores.score(scores.relative_error(*sides)))
        for sides in ((ours, theirs), (theirs, ours))
    )
    assert there * back == pytest.approx(1.0)


def test_errors_of_a_family_are_summed_over_its_conditions_as_often_as_clips_are_drawn():
    losses = np.array([[1.0, 0.0, 1.0], [1.0, 1.0, 0.0], [0.0, 0.5, 0.0]])
    families = {"A": [0, 2], "B": [1]}
    assert scores.family_errors(losses, families, None).tolist() == [2.5, 2.0]
    weights = np.array([[3, 0, 0], [0, 2, 1]], dtype=np.int32)
    assert scores.family_errors(losses, families, weights).tolist() == [[3.0, 3.0], [2.0, 2.0]]


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

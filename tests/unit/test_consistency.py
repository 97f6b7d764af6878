"""The measures against the paper's equations written out, and published values."""

from __future__ import annotations

from dataclasses import fields
from itertools import pairwise

import naive
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pytest_nnrel.errors import DistanceError, TooFewClipsError
from pytest_nnrel.statistics import consistency
from pytest_nnrel.statistics.ranks import rank_pairs


def matrices(values):
    """Square matrices of 2 to 8 clips; few distinct values, so that ties are common."""
    sides = st.integers(2, 8)
    return sides.flatmap(lambda n: hnp.arrays(np.float64, (n, n), elements=values))


def agreements(audio, latent):
    return consistency.agreements(consistency.exemplars(audio), consistency.exemplars(latent))


class RowBlocks:
    """A matrix in blocks of a few rows, as those come that are too large for memory."""

    def __init__(self, matrix, rows):
        self.shape = matrix.shape
        self._blocks = [matrix[i : i + rows] for i in range(0, len(matrix), rows)]

    def __iter__(self):
        return iter(self._blocks)


any_values = st.floats(0, 100)
few_values = st.sampled_from([0.0, 0.5, 1.0, 2.0])
odd_values = st.sampled_from([0.0, 1.0, 2.0, np.nan, np.inf])


@given(matrices(few_values))
def test_exemplar_errors_follow_equation_9_where_distances_tie(distances):
    assert consistency.exemplars(distances).errors.tolist() == [
        bool(error) for error in naive.deltas(distances)
    ]


@given(matrices(odd_values))
def test_exemplar_errors_follow_equation_9_where_distances_are_not_finite(distances):
    exemplars = consistency.exemplars(distances)
    assert exemplars.errors.tolist() == [bool(error) for error in naive.deltas(distances)]
    assert (exemplars.neighbour != np.arange(len(distances))).all()


@given(matrices(odd_values))
def test_a_rank_counts_the_originals_that_make_it_an_error(distances):
    rows = consistency.exemplars(distances)
    n = len(distances)
    assert rows.ranks.tolist() == [
        sum(naive.delta(distances[p][p], [distances[p][q]]) for q in range(n) if q != p)
        for p in range(n)
    ]
    assert (rows.ranks == 0).tolist() == (~rows.errors).tolist()


@given(matrices(odd_values), st.data())
def test_consistency_among_n_clips_is_the_mean_over_all_choices_of_them(distances, data):
    clips = len(distances)
    n = data.draw(st.integers(2, clips))
    rows = consistency.exemplars(distances)
    chances = consistency.chances_among(rows.ranks, rows.others, n)
    assert chances.mean() == pytest.approx(naive.among(distances, n), abs=1e-12)


@st.composite
def grouped(draw, values=odd_values):
    """A square matrix, and groups of its clips: two or more."""
    distances = draw(matrices(values))
    n = len(distances)
    groups = draw(st.lists(st.sampled_from("abcd"), min_size=n, max_size=n))
    assume(len(set(groups)) > 1)
    return distances, groups


@given(grouped())
def test_in_a_grouped_corpus_the_originals_of_other_groups_compete(drawn):
    distances, groups = drawn
    rows = consistency.exemplars(distances, groups=groups)
    n = len(distances)
    assert rows.errors.tolist() == [bool(error) for error in naive.deltas(distances, groups)]
    assert consistency.within_consistency(rows) == naive.within(distances, groups)
    for p in range(n):
        others = [q for q in range(n) if groups[q] != groups[p]]
        relatives = [q for q in range(n) if groups[q] == groups[p] and q != p]
        assert rows.others[p] == len(others)
        assert rows.neighbour[p] in others
        assert rows.ranks[p] == sum(naive.delta(distances[p][p], [distances[p][q]]) for q in others)
        assert rows.relative_nearer[p] == any(
            naive.delta(distances[p][p], [distances[p][q]]) for q in relatives
        )


@given(grouped(), st.data())
def test_among_n_clips_of_a_grouped_corpus_others_are_of_other_groups(drawn, data):
    distances, groups = drawn
    rows = consistency.exemplars(distances, groups=groups)
    n = data.draw(st.integers(2, int(rows.others.min()) + 1))
    chances = consistency.chances_among(rows.ranks, rows.others, n)
    assert chances.mean() == pytest.approx(naive.among(distances, n, groups), abs=1e-12)


@given(grouped(any_values), st.permutations(range(8)))
def test_order_and_names_of_groups_do_not_matter(drawn, order):
    distances, groups = drawn
    order = [i for i in order if i < len(groups)]
    names = {"a": "z", "b": "y", "c": "\u00e4", "d": ""}
    shuffled = consistency.exemplars(
        distances[np.ix_(order, order)], groups=[names[groups[i]] for i in order]
    )
    rows = consistency.exemplars(distances, groups=groups)
    assert shuffled.errors.tolist() == rows.errors[order].tolist()
    assert shuffled.ranks.tolist() == rows.ranks[order].tolist()


@given(grouped())
def test_relatives_count_where_all_compete(drawn):
    distances, groups = drawn
    some = consistency.exemplars(distances, groups=groups)
    everyone = consistency.exemplars(distances)
    # A NaN of a relative is an error among all: whoever cannot say who is nearest does not say it.
    assert everyone.errors.tolist() == (some.errors | some.relative_nearer).tolist()


@given(matrices(odd_values))
def test_groups_of_one_clip_each_are_no_groups(distances):
    alone = [str(i) for i in range(len(distances))]
    rows, plain = consistency.exemplars(distances, groups=alone), consistency.exemplars(distances)
    for one in fields(consistency.Exemplars):
        np.testing.assert_array_equal(getattr(rows, one.name), getattr(plain, one.name))
    assert not rows.relative_nearer.any()


@given(grouped(), st.integers(1, 9))
def test_blocks_of_rows_are_the_matrix_in_a_grouped_corpus(drawn, size):
    distances, groups = drawn
    whole = consistency.exemplars(distances, groups=groups)
    blocks = consistency.exemplars(RowBlocks(distances, size), groups=groups)
    for one in fields(consistency.Exemplars):
        np.testing.assert_array_equal(getattr(blocks, one.name), getattr(whole, one.name))


def test_of_one_group_there_is_no_verdict():
    with pytest.raises(TooFewClipsError, match=r"all 3 clips are of one group, 'a'.*'all'"):
        consistency.exemplars(np.ones((3, 3)), groups=["a"] * 3)


def test_chances_among_many_clips_are_finite_and_fall_with_rank_and_size():
    ranks, others = np.arange(5000), np.full(5000, 4999)
    assert consistency.chances_among(ranks, others, 5000).tolist() == [1.0] + 4999 * [0.0]
    np.testing.assert_allclose(consistency.chances_among(ranks, others, 2), 1 - ranks / 4999)
    falling = [consistency.chances_among(ranks, others, n) for n in (2, 50, 2500, 4999)]
    for fewer, more in pairwise(falling):
        assert (np.diff(more) <= 0).all()
        assert (more <= fewer + 1e-15).all()


@pytest.mark.parametrize("n", [-1, 0, 1, 6])
def test_sizes_that_ranks_say_nothing_of_are_refused(n):
    with pytest.raises(TooFewClipsError, match=rf"among {n} clips.*among 4 others.*2 to 5"):
        consistency.chances_among(np.zeros(5, dtype=int), np.full(5, 4), n)


@given(matrices(odd_values), st.integers(1, 9))
def test_blocks_of_rows_are_the_matrix(distances, rows):
    whole = consistency.exemplars(distances)
    blocks = consistency.exemplars(RowBlocks(distances, rows))
    for name in ("own", "neighbour", "nearest", "non_finite", "errors"):
        np.testing.assert_array_equal(getattr(blocks, name), getattr(whole, name))


def within(distances):
    return consistency.within_consistency(consistency.exemplars(distances))


@given(matrices(any_values))
def test_within_consistency_follows_equation_10(distances):
    assert within(distances) == pytest.approx(naive.within(distances))


@given(matrices(few_values), st.randoms(use_true_random=False))
def test_within_consistency_does_not_depend_on_the_order_of_clips(distances, random):
    order = list(range(len(distances)))
    random.shuffle(order)
    shuffled = distances[np.ix_(order, order)]
    assert within(shuffled) == within(distances)


def test_a_tie_up_to_rounding_is_an_error():
    # 0.1 + 0.2 is not 0.3 in binary: which of both is smaller is rounding, not nearness.
    nearer, farther = 0.3, 0.1 + 0.2
    distances = np.array([[nearer, farther, 1.0], [1.0, 0.2, 0.3], [farther, 1.0, nearer]])
    exemplars = consistency.exemplars(distances)
    assert exemplars.ties.tolist() == [True, False, True]
    assert exemplars.errors.tolist() == [True, False, True]


def test_zero_distance_to_another_original_ties_with_zero_to_the_own():
    exemplars = consistency.exemplars(np.zeros((3, 3)))
    assert exemplars.ties.all()
    assert exemplars.errors.all()


def test_rows_of_some_clips_are_judged_against_all_originals():
    distances = np.array([[5.0, 1.0, 9.0]])
    assert not consistency.exemplars(distances, np.array([1])).errors[0]
    assert consistency.exemplars(distances, np.array([2])).errors[0]


@given(st.integers(2, 8).flatmap(lambda n: hnp.arrays(np.float64, (2, n, n), elements=few_values)))
def test_agreement_follows_equation_12(pair):
    audio, latent = pair
    expected = naive.accuracy(audio, latent)
    assert np.mean(agreements(audio, latent)) == pytest.approx(expected)


def test_two_spaces_that_fail_together_agree():
    failing = 1.0 - np.eye(4)[::-1]
    assert within(failing) == 0.0
    assert agreements(failing, failing).all()


def test_relative_margins_are_shares_of_both_distances():
    distances = np.array([[1.0, 3.0, 9.0], [0.0, 0.0, 5.0], [1.0, np.nan, 0.5]])
    rows = consistency.exemplars(distances)
    assert rows.relative_margins.tolist() == [0.5, 0.0, -1.0]
    scaled = consistency.exemplars(distances * 1000)
    assert scaled.relative_margins.tolist() == rows.relative_margins.tolist()


def test_relative_margins_have_the_sign_of_margins_where_distances_are_negative():
    products = np.array([[-5.0, -3.0, 2.0], [-4.0, -1.0, 0.0], [1.0, -2.0, -2.0]])
    rows = consistency.exemplars(products)
    assert rows.margins.tolist() == [2.0, -3.0, 0.0]
    assert rows.relative_margins.tolist() == [2 / 8, -3 / 5, 0.0]
    assert rows.errors.tolist() == [False, True, True]


@pytest.mark.parametrize(
    ("distances", "error", "message"),
    [
        (np.zeros((1, 1)), TooFewClipsError, "fewer than 2"),
        (np.zeros((0, 0)), TooFewClipsError, "fewer than 2"),
        (np.zeros((2, 3)), DistanceError, "n transformed clips to n originals"),
        (np.zeros(4), DistanceError, "n transformed clips to n originals"),
    ],
)
def test_matrices_that_carry_no_verdict_are_refused(distances, error, message):
    with pytest.raises(error, match=message):
        within(distances)
    with pytest.raises(error, match=message):
        rank_pairs(distances)


def test_spaces_of_different_clips_are_refused():
    with pytest.raises(DistanceError, match="different clips"):
        agreements(np.zeros((2, 2)), np.zeros((3, 3)))


def test_the_plane_of_embeddings_is_that_in_which_they_are_spread_most():
    """Spread by 9, 4 and 1 along three axes."""
    corners = np.array([[-9.0, 0, 0], [9, 0, 0], [0, 4, 0], [0, -4, 0], [0, 0, 1], [0, 0, -1]])
    plane = consistency.principal_plane(corners + np.array([1.0, 2.0, 3.0]))
    np.testing.assert_allclose(plane.centre, [1, 2, 3])
    np.testing.assert_allclose(plane.axes, [[1, 0, 0], [0, 1, 0]], atol=1e-12)
    np.testing.assert_allclose(plane.explained, [81 / 98, 16 / 98])
    np.testing.assert_allclose(plane.place(np.array([[4.0, 0, 8]])), [[3, -2]], atol=1e-12)


def test_embeddings_that_are_all_alike_or_one_dimensional_have_a_plane():
    alike = consistency.principal_plane(np.ones((4, 3)))
    assert alike.explained.tolist() == [0.0, 0.0]
    line = consistency.principal_plane(np.array([[0.0], [2.0], [4.0]]))
    assert line.explained.tolist() == [1.0]
    assert line.place(np.array([[3.0]])).tolist() == [[1.0, 0.0]]


def test_rho_of_severity_and_distance_takes_three_rungs():
    with pytest.raises(DistanceError, match="takes 3 rungs or more, not 2"):
        consistency.monotonicity(np.array([[1.0], [2.0]]))


def test_rho_of_severity_and_distance_is_spearmans():
    rising, falling, back = [1.0, 2.0, 3.0, 9.0], [9.0, 3.0, 2.0, 1.0], [0.0, 2.0, 5.0, 1.0]
    alike, infinite = [1.0] * 4, [0.0, 1.0, 2.0, np.inf]
    found = consistency.monotonicity(np.array([rising, falling, back, alike, infinite]).T)
    np.testing.assert_allclose(found, [1.0, -1.0, 0.4, 0.0, 0.0], atol=1e-12)
    three = consistency.monotonicity(np.array([[1.0], [1.0], [2.0]]))
    assert three == pytest.approx([0.75**0.5])  # two ranks of three are tied

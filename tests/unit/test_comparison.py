"""Paired tests against other libraries, and laws."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import permutation_test
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

from pytest_nnrel.errors import DistanceError
from pytest_nnrel.statistics import comparison


@given(negative=st.integers(0, 60), positive=st.integers(0, 60))
def test_mcnemar_is_statsmodels(negative, positive):
    """Its exact test is two-sided: twice the smaller tail."""
    two_sided = mcnemar([[5, negative], [positive, 5]], exact=True).pvalue
    ours = comparison.mcnemar(negative, positive)
    if negative >= positive:
        assert min(1.0, 2 * ours) == pytest.approx(two_sided, rel=1e-9)
    else:
        assert ours >= 0.5


def test_mcnemar_by_hand():
    assert comparison.mcnemar(0, 0) == 1.0
    assert comparison.mcnemar(5, 0) == pytest.approx(1 / 32)
    assert comparison.mcnemar(3, 1) == pytest.approx(5 / 16)
    assert comparison.mcnemar(0, 4) == 1.0


@settings(max_examples=8)  # the other library takes its time
@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_holm_is_statsmodels(p_values):
    expected = multipletests(p_values, method="holm")[1]
    assert comparison.holm(p_values) == pytest.approx(expected, abs=1e-12)


def test_holm_does_not_depend_on_order():
    p_values = [0.04, 0.001, 0.3, 0.001, 0.02]
    adjusted = dict(zip(p_values, comparison.holm(p_values)))
    for order in itertools.permutations(p_values):
        assert comparison.holm(order).tolist() == [adjusted[p] for p in order]


def test_flips_are_counted_by_condition():
    before = np.array([[1, 1, 0, 0], [1, 1, 1, 1]], dtype=bool)
    after = np.array([[1, 0, 1, 0], [0, 0, 0, 1]], dtype=bool)
    negative, positive = comparison.flips(before, after)
    assert negative.tolist() == [1, 3]
    assert positive.tolist() == [1, 0]


def test_flips_of_other_clips_are_refused():
    with pytest.raises(DistanceError, match="different clips or conditions"):
        comparison.flips(np.ones((2, 3), bool), np.ones((2, 4), bool))


def exact_sign_flips(losses):
    patterns = itertools.product((1, -1), repeat=len(losses))
    sums = [sum(s * loss for s, loss in zip(pattern, losses)) for pattern in patterns]
    return np.mean([s >= sum(losses) - 1e-9 for s in sums])


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=9))
def test_few_clips_are_exchanged_in_all_ways(losses):
    rng = np.random.default_rng(0)
    groups = [f"{i}" for i in range(len(losses))]
    p = comparison.sign_flip_test(np.array([losses], float), groups, rng=rng)
    assert p == pytest.approx(exact_sign_flips(losses))


def test_many_clips_are_exchanged_at_random_as_scipy_does():
    rng = np.random.default_rng(5)
    losses = rng.normal(0.1, 1, size=(1, 60))
    groups = [f"{i}" for i in range(60)]
    p = comparison.sign_flip_test(losses, groups, rng=np.random.default_rng(0))
    theirs = permutation_test(
        (losses.sum(axis=0),), np.mean, permutation_type="samples", alternative="greater",
        n_resamples=20_000, rng=np.random.default_rng(1),
    ).pvalue  # fmt: skip
    assert p == pytest.approx(theirs, abs=0.02)


@given(st.lists(st.tuples(*[st.integers(-2, 2)] * 3), min_size=2, max_size=6))
def test_of_two_statistics_the_less_likely_counts(rows):
    """Against all exchanges, written out."""
    losses = np.array(rows, dtype=float).T
    found = []
    for signs in itertools.product((1, -1), repeat=losses.shape[1]):
        sums = losses @ signs
        spread = np.sqrt((losses**2).sum(axis=1))
        with np.errstate(invalid="ignore"):
            largest = np.nanmax(sums / spread) if losses.any() else 0.0
        found.append((round(sums.sum(), 9), round(float(largest), 9)))
    smallest = [
        min(np.mean([other[k] >= one[k] for other in found]) for k in (0, 1)) for one in found
    ]
    expected = np.mean([p <= smallest[0] for p in smallest])
    groups = [f"{i}" for i in range(losses.shape[1])]
    p = comparison.sign_flip_test(losses, groups, rng=np.random.default_rng(0))
    assert p == pytest.approx(expected)


def test_a_change_in_one_condition_is_seen_beside_clips_that_flip_everywhere():
    losses = np.zeros((21, 200))
    losses[:20, 0], losses[:20, 1] = 1.0, -1.0
    losses[20, 10:40] = 1.0
    groups = [f"{i}" for i in range(200)]
    assert comparison.sign_flip_test(losses, groups, rng=np.random.default_rng(0)) < 0.001


def test_groups_are_exchanged_whole():
    """Ten clips of one track that all lose are one loss."""
    losses = np.ones((1, 10))
    rng = np.random.default_rng(0)
    assert comparison.sign_flip_test(losses, ["a"] * 10, rng=rng) == 0.5
    assert comparison.sign_flip_test(losses, list("abcdefghij"), rng=rng) < 0.002
    halves = comparison.sign_flip_test(losses, ["a"] * 5 + ["b"] * 5, rng=rng)
    assert halves == pytest.approx(0.25)


def test_conditions_of_a_clip_are_exchanged_together():
    """A clip that loses in ten conditions is one loss."""
    rng = np.random.default_rng(0)
    losses = np.zeros((10, 30))
    losses[:, 4] = 1.0
    assert comparison.sign_flip_test(losses, [f"{i}" for i in range(30)], rng=rng) == 0.5


def test_nothing_changed():
    rng = np.random.default_rng(0)
    assert comparison.sign_flip_test(np.zeros((3, 5)), list("abcde"), rng=rng) == 1.0


def test_only_losses_count():
    rng = np.random.default_rng(0)
    groups = [f"{i}" for i in range(40)]
    assert comparison.sign_flip_test(-np.ones((1, 40)), groups, rng=rng) > 0.99


def test_smallest_loss_is_the_least_that_makes_a_verdict():
    for conditions in (1, 30):
        for lost, decides in ((4, False), (5, True)):
            losses = np.zeros((conditions, 20))
            losses[0, :lost] = 1.0
            groups = [f"{i}" for i in range(20)]
            p = comparison.sign_flip_test(losses, groups, rng=np.random.default_rng(0))
            assert (p <= comparison.VERDICT_LEVEL) == decides
    assert comparison.smallest_loss() == 5


def test_a_level_that_one_loss_meets_takes_one(monkeypatch):
    """At 5 % all sizes are above where the search for them begins; at one half they begin there."""
    monkeypatch.setattr(comparison, "VERDICT_LEVEL", 0.5)
    monkeypatch.setattr(comparison, "SIGNIFICANCE", 0.5)
    assert comparison.smallest_loss() == 1
    assert comparison.smallest_named_loss(1) == 1
    monkeypatch.setattr(comparison, "VERDICT_LEVEL", 0.499)
    assert comparison.smallest_loss() == 2


@pytest.mark.parametrize("groups, exchanges", [(1, 2), (13, 2**13), (14, comparison.RESAMPLES + 1)])
def test_all_exchanges_are_tried_where_there_are_no_more_than_would_be_drawn(groups, exchanges):
    signs = comparison._signs(groups, np.random.default_rng(0))
    assert signs.shape == (exchanges, groups)
    assert (signs[0] == 1.0).all()  # what was seen is one of them
    assert set(np.unique(signs)) == {-1.0, 1.0}
    if exchanges == 2**groups:
        assert len(np.unique(signs, axis=0)) == exchanges
    else:
        assert signs.mean() == pytest.approx(0.0, abs=0.02)


@pytest.mark.parametrize("conditions, clips", [(1, 5), (2, 6), (94, 11)])
def test_smallest_named_loss_is_the_least_that_is_significant(conditions, clips):
    assert comparison.smallest_named_loss(conditions) == clips
    assert comparison.mcnemar(clips, 0) * conditions <= 0.05
    assert comparison.mcnemar(clips - 1, 0) * conditions > 0.05


def test_smallest_drop_in_words():
    assert comparison.describe_drop(134, 134) == "3.7% (5 clips)"
    assert comparison.describe_drop(1000, len(range(1000))) == "0.5% (5 clips)"
    assert comparison.describe_drop(300, 100) == "5.0% (5 groups of clips)"
    assert comparison.describe_drop(400, 4) == "none (it takes 5)"


@given(st.integers(0, 2**32 - 1), st.integers(1, 8), st.integers(1, 3))
def test_means_are_tested_by_all_exchanges_of_groups(seed, clips, tests):
    rng = np.random.default_rng(seed)
    gains = rng.integers(-2, 3, size=(tests, clips)).astype(float)
    groups = [str(group) for group in rng.integers(clips, size=clips)]
    named = sorted(set(groups))
    found = comparison.mean_flip_tests(gains, groups, rng=rng)
    for p, of_clips in zip(found, gains):
        sums = [
            abs(sum(signs[named.index(group)] * gain for group, gain in zip(groups, of_clips)))
            for signs in itertools.product((1, -1), repeat=len(named))
        ]
        assert p == pytest.approx(np.mean([s >= abs(of_clips.sum()) - 1e-9 for s in sums]))

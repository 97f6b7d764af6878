"""Trainings of a recipe against others: a slow twin, laws, and real retrainings."""

from __future__ import annotations

import sys
from pathlib import Path

import naive
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import t

from pytest_nnrel import BaselineError, TrainingComparison, compare_trainings
from pytest_nnrel.statistics import trainings

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def drawn(seed, count, conditions=3, n=20, hard=0.8):
    """Return outcomes of trainings that differ in their seed alone."""
    rng = np.random.default_rng(seed)
    clips = rng.normal(2 * hard, 1, (conditions, n))
    seeds = rng.normal(0, 0.2, (count, 1, 1)) + rng.normal(0, 0.5, (count, conditions, n))
    return clips + seeds > 0


@st.composite
def both_sides(draw, least=2):
    """Draw trainings before and after, all of them different."""
    k, m = draw(st.integers(least, 4)), draw(st.integers(1, 3))
    conditions, n = draw(st.integers(1, 3)), draw(st.integers(4, 8))
    shape = (k + m, conditions, n)
    whole = draw(arrays(bool, shape).filter(lambda a: len({t.tobytes() for t in a}) == len(a)))
    return whole[:k], whole[k:]


# -- against the twin


@given(both_sides(), st.data())
def test_the_drop_is_its_slow_twins(sides, data):
    before, after = sides
    n = before.shape[2]
    groups = data.draw(
        st.lists(st.sampled_from("abc"), min_size=n, max_size=n).filter(lambda g: len(set(g)) > 1)
    )
    prior = trainings.reference().mean
    found = compare_trainings(before, after, groups)
    drop, variance, error, p = naive.training_drop(
        before.tolist(), after.tolist(), groups, prior.ratio, prior.degrees
    )
    assert found.drop == pytest.approx(drop, abs=1e-12)
    assert found.spread == pytest.approx(variance**0.5)
    assert found.p == pytest.approx(p)
    assert found.smallest_drop > error
    assert found.worse_on_average == (p <= trainings.SIGNIFICANCE)


@given(both_sides())
def test_without_groups_each_clip_is_its_own(sides):
    groups = [str(i) for i in range(sides[0].shape[2])]
    assert compare_trainings(*sides) == compare_trainings(*sides, groups)


# -- laws


@given(both_sides(), st.randoms(use_true_random=False))
def test_no_order_matters(sides, random):
    before, after = sides
    orders = [random.sample(range(size), size) for size in (*before.shape, len(after))]
    old, conditions, clips, new = orders
    shuffled = compare_trainings(
        before[old][:, conditions][:, :, clips], after[new][:, conditions][:, :, clips]
    )
    found = compare_trainings(before, after)
    assert shuffled.verdict == found.verdict
    assert shuffled.p == pytest.approx(found.p)
    for place, condition in enumerate(conditions):
        assert shuffled.conditions[place].p == pytest.approx(found.conditions[condition].p)


@given(both_sides())
def test_what_is_lost_one_way_is_won_the_other(sides):
    before, after = sides
    if len(after) < 2:
        return
    there, back = compare_trainings(before, after), compare_trainings(after, before)
    assert there.drop == pytest.approx(-back.drop)
    assert there.p == pytest.approx(1 - back.p)
    assert there.smallest_drop == pytest.approx(back.smallest_drop)


@given(both_sides(), st.data())
def test_a_new_training_that_loses_more_is_no_less_worse(sides, data):
    before, after = sides
    kept = np.argwhere(after[0])
    if not len(kept):
        return
    lost = after[0].copy()
    lost[tuple(data.draw(st.sampled_from(kept.tolist())))] = False
    if any(np.array_equal(lost, training) for training in before):
        return
    assert compare_trainings(before, lost).p < compare_trainings(before, after[0]).p


@given(both_sides())
def test_the_smallest_drop_is_where_the_verdict_turns(sides):
    found = compare_trainings(*sides)
    assert found.interval[0] < found.drop < found.interval[1]
    assert (found.drop >= found.smallest_drop) == found.worse_on_average
    assert found.worse_on_average == (found.p <= trainings.SIGNIFICANCE)
    decisive = [condition.adjusted <= 0.01 for condition in found.conditions]
    assert [condition.decisive for condition in found.conditions] == decisive
    assert (found.verdict == "worse") == (found.worse_on_average or any(decisive))
    for condition in found.conditions:
        assert condition.p <= condition.adjusted
        significant = condition.p <= trainings.SIGNIFICANCE
        assert (condition.drop >= condition.smallest_drop) == significant


@given(both_sides())
def test_the_interval_leaves_out_0_where_the_verdict_is_worse(sides):
    """Its ends are the drops that one-sided tests at 5 % just do not reject."""
    found = compare_trainings(*sides)
    low, high = found.interval
    assert (low >= 0) == found.worse_on_average
    error = found.spread * (1 / found.before + 1 / found.after) ** 0.5
    degrees = trainings.reference().mean.degrees + found.before + found.after - 2
    for limit, tail in ((low, t.sf), (high, t.cdf)):
        assert tail((found.drop - limit) / error, degrees) == pytest.approx(0.05)
    for condition in found.conditions:
        assert (condition.interval[0] >= 0) == (condition.p <= 0.05)
        assert condition.interval[0] >= 0 or not condition.worse
        assert sum(condition.interval) / 2 == pytest.approx(condition.drop)


def test_one_new_training_may_lack_its_axis():
    before, after = drawn(1, 5)[:4], drawn(1, 5)[4]
    assert compare_trainings(before, after) == compare_trainings(before, after[None])


def test_more_trainings_show_smaller_drops():
    def shown(k, m):
        """Return the smallest drop that k and m trainings can show, over many of them."""
        drawings = (drawn(seed, k + m, n=60) for seed in range(20))
        return np.mean([compare_trainings(d[:k], d[k:]).smallest_drop for d in drawings])

    assert shown(2, 1) > shown(4, 1) > shown(16, 1)
    assert shown(8, 1) > shown(8, 4)


def test_clips_that_flip_together_count_as_one():
    """Each group of five flips whole: taken for single clips, the variance would be a fifth."""
    whole = np.repeat(drawn(3, 5, n=30, hard=0.2), 5, axis=2)
    groups = [f"{i:02}" for i in range(30) for _ in range(5)]
    alone = compare_trainings(whole[:4], whole[4])
    grouped = compare_trainings(whole[:4], whole[4], groups)
    assert grouped.drop == alone.drop
    assert grouped.smallest_drop > alone.smallest_drop
    assert all(
        one.smallest_drop > other.smallest_drop
        for one, other in zip(grouped.conditions, alone.conditions)
    )


def test_flips_that_cancel_each_other_count_as_one_outcome():
    """Each training loses the one clip in another condition: means differ nowhere."""
    whole = np.ones((4, 4, 5), dtype=bool)
    whole[range(4), range(4), 2] = False
    prior = trainings.reference().mean
    found = compare_trainings(whole[:3], whole[3])
    assert (found.drop, found.p) == pytest.approx((0.0, 0.5), abs=1e-12)
    # An outcome of 20, and two degrees of freedom at which nothing was seen.
    share = prior.degrees / (prior.degrees + 2)
    assert found.spread == pytest.approx((share * prior.ratio) ** 0.5 / 20)


def test_a_condition_in_which_nothing_flips_counts_as_if_one_clip_had():
    whole = drawn(6, 4, conditions=2, n=20, hard=0.2)
    whole[:, 1] = True
    prior = trainings.reference().condition
    flat = compare_trainings(whole[:3], whole[3]).conditions[1]
    degrees = prior.degrees + 2
    error = (prior.degrees / degrees * prior.ratio * (1 / 3 + 1)) ** 0.5 / 20
    assert (flat.drop, flat.p) == pytest.approx((0.0, 0.5), abs=1e-12)
    assert flat.smallest_drop == pytest.approx(t.isf(0.05, degrees) * error)


@pytest.mark.parametrize("number", [3, 50])
def test_the_ratio_is_of_variances_seen_and_expected(number):
    outcomes = drawn(7, number, conditions=2, n=9).astype(float)
    clips = outcomes.shape[2]

    def variance(values):
        return sum((v - sum(values) / len(values)) ** 2 for v in values) / (len(values) - 1)

    def alone(of_clips):
        """Of the mean of clips, if each flipped on its own."""
        return sum(variance(list(of_clip)) for of_clip in of_clips.T) / clips**2

    over = outcomes.mean(axis=1)
    assert trainings.variance_ratio(outcomes.astype(bool), "mean") == pytest.approx(
        variance(list(over.mean(axis=1))) / alone(over)
    )
    seen = [variance(list(outcomes[:, c].mean(axis=1))) for c in range(2)]
    expected = [alone(outcomes[:, c]) for c in range(2)]
    assert trainings.variance_ratio(outcomes.astype(bool), "condition") == pytest.approx(
        sum(seen) / sum(expected)
    )


def test_a_loss_in_one_condition_is_named():
    whole = drawn(4, 7, conditions=4, n=100)
    after = whole[6].copy()
    after[2, :40] = False
    found = compare_trainings(whole[:6], after)
    assert [condition.worse for condition in found.conditions] == [False, False, True, False]
    assert found.conditions[2].before == pytest.approx(whole[:6, 2].mean())
    assert found.conditions[2].after == pytest.approx(after[2].mean())


def test_a_recipe_that_rises_on_average_and_falls_in_a_condition_is_worse():
    whole = drawn(4, 7, conditions=4, n=100)
    after = whole[6].copy()
    after[2, :30] = False
    after[[0, 1, 3]] = True
    found = compare_trainings(whole[:6], after)
    assert found.drop < 0
    assert found.p > 0.5
    assert not found.worse_on_average
    assert [condition.decisive for condition in found.conditions] == [False, False, True, False]
    assert found.verdict == "worse"
    assert compare_trainings(whole[:1], after).verdict == "undecided"


def test_trainings_of_one_mean_have_no_zero_variance():
    """Each loses another clip: mean C_W is the same in all, and a drop of a clip is no news."""
    whole = ~np.eye(4, 20, dtype=bool)[:, None]
    found = compare_trainings(whole[:3], whole[3])
    assert found.spread > 0
    assert found.verdict == "no worse"
    two = whole[3].copy()
    two[0, :1] = False
    assert compare_trainings(whole[:3], two).verdict == "no worse"


# -- one training before


def test_one_training_before_is_undecided_unless_the_drop_is_beyond_all_references():
    known = trainings.reference()
    assert known.spread < known.largest_drop
    before = np.ones((1, 2, 100), dtype=bool)
    after = before.copy()
    after[:, :, : int(100 * known.largest_drop)] = False
    found = compare_trainings(before, after)
    assert (found.verdict, found.before, found.after) == ("undecided", 1, 1)
    assert found.spread == pytest.approx(known.spread)
    assert found.smallest_drop == known.largest_drop
    after[:, :, : int(100 * known.largest_drop) + 1] = False
    assert compare_trainings(before, after).verdict == "worse"
    assert compare_trainings(before, after).p <= trainings.SIGNIFICANCE


@pytest.mark.parametrize("new", [1, 4])
def test_with_one_training_before_p_and_interval_are_of_the_reference_encoders(new):
    known = trainings.reference()
    whole = drawn(8, 1 + new, n=30)
    found = compare_trainings(whole[:1], whole[1:])
    error = known.spread * (1 + 1 / new) ** 0.5
    assert found.drop == pytest.approx(whole[0].mean() - whole[1:].mean())
    assert found.p == pytest.approx(t.sf(found.drop / error, known.degrees))
    half = t.isf(0.05, known.degrees) * error
    assert found.interval == pytest.approx((found.drop - half, found.drop + half))


# -- bad input

GOOD = drawn(5, 4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((GOOD[:3].astype(float), GOOD[3]), "before takes outcomes, a numpy array of bool"),
        ((GOOD[:3], np.where(GOOD[3], np.nan, 0.0)), "after takes outcomes, .* not float64"),
        ((GOOD[:3].tolist(), GOOD[3]), "before takes outcomes, .* not list"),
        ((GOOD[0], GOOD[3]), r"before of shape \(trainings, conditions, clips\)"),
        ((GOOD[:3], GOOD[3, 0]), r"or \(conditions, clips\), not \(3, 3, 20\) and \(20,\)"),
        ((GOOD[:3], GOOD[3, :2]), "in 3 conditions of 20 clips, after in 2 of 20: of other grids"),
        ((GOOD[:3], GOOD[3, :, :9]), "of 20 clips, after in 3 of 9: of other grids or corpora"),
        ((GOOD[:0], GOOD[3]), "it takes a training on each side"),
        ((GOOD[:3], GOOD[3:3]), "it takes a training on each side"),
        ((GOOD[:3, :0], GOOD[3, :0]), "a condition and two clips"),
        ((GOOD[:3, :, :1], GOOD[3, :, :1]), "a condition and two clips"),
        ((GOOD[[0, 1, 0]], GOOD[3]), r"before\[0\] and before\[2\] have the same outcomes"),
        ((GOOD[:3], GOOD[1]), r"before\[1\] and after\[0\] have the same outcomes"),
        ((GOOD[:2], GOOD[[2, 2]]), r"after\[0\] and after\[1\] have the same outcomes"),
        ((GOOD[[0, 0, 0]], GOOD[3]), "training is deterministic and says nothing of what seeds"),
        ((GOOD[:3], GOOD[3], ["a"] * 20), "all 20 clips are of one group, 'a'"),
        ((GOOD[:3], GOOD[3], ["a", "b"]), "2 groups of 20 clips; give one for each clip"),
    ],
)
def test_what_tells_nothing_is_refused(arguments, message):
    with pytest.raises(BaselineError, match=message):
        compare_trainings(*arguments)


# -- real retrainings


@pytest.fixture(scope="module")
def retraining():
    """Import the benchmark, whose trainings are stored beside it."""
    sys.path.insert(0, str(BENCHMARKS))
    try:
        import retraining
    finally:
        sys.path.remove(str(BENCHMARKS))
    return retraining


def test_the_shipped_figures_are_those_of_the_stored_trainings(retraining):
    import json

    shipped = json.loads(retraining.SHIPPED.read_text(encoding="utf-8"))
    assert shipped == retraining.reference()


@pytest.mark.parametrize("k", [3, 8])
def test_a_front_end_without_its_logarithm_is_found_though_mean_c_w_rises(retraining, k):
    """It is deaf to noise and to codecs, and takes every shift of pitch and tempo for worse."""
    sides = retraining.load("mask"), retraining.load("mask", "no logarithm")
    assert sides[0].mean() < sides[1].mean()
    judges = {"trainings": retraining._by_trainings, "average": retraining._on_average}
    found = retraining.rate(*sides, k, judges, draws=100)
    assert (found["trainings"].value, found["average"].value) == (1.0, 0.0)


@pytest.mark.parametrize("k", [3, 5, 8])
@pytest.mark.parametrize("recipe", ["contrast", "reconstruct", "mask"])
def test_few_trainings_are_called_worse_that_differ_in_their_seed_alone(retraining, recipe, k):
    """Of real trainings, the last recipe held back; draws are the same in every run."""
    judges = {"trainings": retraining._by_trainings}
    found = retraining.rate(retraining.load(recipe), None, k, judges, draws=400)
    assert found["trainings"].value <= 0.06


def test_a_recipe_that_was_held_back_is_found_worse_trained_a_third_as_long(retraining):
    sides = retraining.load("mask"), retraining.load("mask", retraining.SHORT)
    judges = {"trainings": retraining._by_trainings}
    assert retraining.rate(*sides, 3, judges, draws=400)["trainings"].value >= 0.85
    assert retraining.rate(*sides, 5, judges, draws=400)["trainings"].value >= 0.97


def test_the_result_is_public():
    assert isinstance(compare_trainings(GOOD[:3], GOOD[3]), TrainingComparison)

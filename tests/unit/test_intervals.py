"""Intervals against published values, and against slow twins where clips share groups."""

from __future__ import annotations

import naive
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, ks_2samp
from scipy.stats import t as student_t

from pytest_nnrel.errors import UndefinedMeasureError
from pytest_nnrel.statistics import intervals, ranks


@st.composite
def outcomes_of_groups(draw):
    """Outcomes of 2 to 24 clips, and the groups that they are of."""
    n = draw(st.integers(2, 24))
    outcomes = draw(st.lists(st.booleans(), min_size=n, max_size=n))
    groups = draw(st.lists(st.sampled_from("abcdefgh"), min_size=n, max_size=n))
    return outcomes, groups


@given(outcomes_of_groups())
def test_what_clips_are_worth(drawn):
    outcomes, groups = drawn
    found = intervals.effective_clips(np.array(outcomes), groups)
    assert found == pytest.approx(naive.effective_clips(outcomes, groups), rel=1e-9)
    assert 1 <= found <= len(outcomes)
    low, high = intervals.proportion_interval(np.array(outcomes), groups)
    assert 0 <= low <= np.mean(outcomes) <= high <= 1
    assert high - low > 0


@given(outcomes_of_groups())
def test_what_clips_are_worth_does_not_hang_on_order_names_or_sides(drawn):
    outcomes, groups = drawn
    found = intervals.effective_clips(np.array(outcomes), groups)
    assert intervals.effective_clips(
        np.array(outcomes[::-1]), [f"{ord(group):05}" for group in groups[::-1]]
    ) == pytest.approx(found)
    assert intervals.effective_clips(~np.array(outcomes), groups) == pytest.approx(found)


def test_clips_without_groups_are_worth_themselves():
    outcomes = np.array([True] * 30 + [False] * 4)
    alone = [str(i) for i in range(34)]
    assert intervals.effective_clips(outcomes, alone) == 34
    expected = intervals.wilson_interval(30 / 34, 34)
    assert intervals.proportion_interval(outcomes, alone) == expected


def test_many_clips_without_groups_are_worth_themselves():
    alone = [str(i) for i in range(301)]
    assert intervals.effective_clips(np.arange(301) < 200, alone) == 301


def test_groups_whose_clips_fare_alike_are_worth_a_clip_each():
    # 20 groups of five clips, half of which fail whole.
    outcomes = np.repeat([True, False] * 10, 5)
    groups = np.repeat([str(i) for i in range(20)], 5)
    found = intervals.effective_clips(outcomes, groups)
    assert 15 < found < 20  # and a bit less, since twenty groups are not many


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_where_all_fare_alike_groups_count(share):
    outcomes = np.full(12, bool(share))
    assert intervals.effective_clips(outcomes, list("aaabbbcccddd")) == 4
    found = intervals.proportion_interval(outcomes, list("aaabbbcccddd"))
    assert found == intervals.wilson_interval(share, 4)


def test_one_group_is_worth_one_clip():
    outcomes = np.array([True, True, False])
    assert intervals.effective_clips(outcomes, ["a"] * 3) == 1


def test_few_groups_that_fail_make_it_wide():
    """Of 100 clips five fail: of five groups, or of one."""
    groups = np.repeat([f"{i:02}" for i in range(20)], 5)
    spread, together = np.ones(100, dtype=bool), np.ones(100, dtype=bool)
    spread[::20] = False
    together[:5] = False
    worth = [intervals.effective_clips(outcomes, groups) for outcomes in (spread, together)]
    assert worth[0] > 60
    assert worth[1] < 10


def test_chances_are_worth_no_more_than_outcomes_and_outcomes_among_them_as_much():
    rng = np.random.default_rng(0)
    groups = [str(i // 2) for i in range(60)]
    outcomes = rng.random(60) < 0.7
    chances = 0.6 + 0.2 * outcomes
    assert intervals.effective_clips(outcomes.astype(float), groups) == (
        intervals.effective_clips(outcomes, groups)
    )
    assert intervals.effective_clips(chances, groups) == 60
    assert intervals.proportion_interval(chances, groups) == (
        intervals.wilson_interval(float(chances.mean()), 60)
    )
    alike = np.repeat(rng.random(20), 3)  # clips of a group have the same chance
    assert intervals.effective_clips(alike, np.repeat(np.arange(20), 3).astype(str)) < 60
    for chance in (0.0, 0.25, 1.0):  # all equal: groups count
        found = intervals.proportion_interval(np.full(60, chance), groups)
        assert found == intervals.wilson_interval(chance, 30)


@pytest.mark.parametrize("clips, share", [(20, 0.03), (50, 0.01), (134, 0.01)])
def test_a_few_clips_far_below_the_others_need_not_be_among_those_seen(clips, share):
    """What is seen of chances near 1 says little of the few that are not."""
    rng = np.random.default_rng(clips)
    alone = [str(i) for i in range(clips)]
    truth = (1 - share) * (0.7 + 0.3 * 0.975) + share * 0.375
    above = 0
    for _ in range(400):
        values = np.where(rng.random(clips) < 0.7, 1.0, 0.975)
        lost = rng.random(clips) < share
        values[lost] = rng.uniform(0.0, 0.75, lost.sum())
        above += intervals.proportion_interval(values, alone)[0] > truth
    assert above <= 0.025 * 400


@pytest.mark.parametrize("clips", [5, 10, 20])
def test_means_over_conditions_of_few_clips_are_covered(clips):
    """Each clip has a rate of its own, of which ten conditions are seen."""
    rng = np.random.default_rng(clips)
    alone = [str(i) for i in range(clips)]
    hits = 0
    for _ in range(500):
        seen = rng.binomial(10, rng.beta(4.0, 1.0, clips)) / 10
        low, high = intervals.proportion_interval(seen, alone)
        hits += low <= 0.8 <= high
    assert hits >= 0.93 * 500


def test_it_covers_what_it_says_where_clips_of_a_track_fare_alike():
    """Beta-binomial outcomes of 20 tracks: see `benchmarks/interval_coverage.py`."""
    rng = np.random.default_rng(1)
    groups = np.repeat([f"{i:02}" for i in range(20)], 5)
    hits = {"clips": 0, "worth": 0}
    for _ in range(400):
        rates = rng.beta(0.8, 0.2, 20)  # two clips of a track correlate by .5
        outcomes = rng.random(100) < np.repeat(rates, 5)
        for name, (low, high) in {
            "clips": intervals.wilson_interval(float(outcomes.mean()), 100),
            "worth": intervals.proportion_interval(outcomes, groups),
        }.items():
            hits[name] += low <= 0.8 <= high
    assert hits["clips"] < 0.8 * 400
    assert hits["worth"] > 0.93 * 400


@pytest.mark.parametrize(
    "value, ci, minimum, expected",
    [
        (0.5, (0.4, 0.6), 0.45, 400),  # half as wide, four times the clips
        (0.5, (0.4, 0.7), 0.6, 400),  # the side that the minimum is on
        (0.5, (0.4, 0.6), 0.5, None),
        (0.5, (0.4, 0.6), 0.5001, None),
        (0.5, (0.25, 0.6), 0.5 - 2**-10, None),  # more than may be asked for
        (0.0, (-0.25, 0.5), -0.0625, 1600),  # on either side of nothing
        (0.0, (-0.5, 0.25), 0.0625, 1600),
        (0.5, (0.25, 1.0), 0.484375, 25_600),
    ],
)
def test_clips_that_would_narrow_an_interval(value, ci, minimum, expected):
    found = intervals.clips_to_narrow(value, ci, minimum, 100, limit=100_000)
    assert found == expected
    if expected:
        assert intervals.clips_to_narrow(value, ci, minimum, 100, limit=expected) == expected
        assert intervals.clips_to_narrow(value, ci, minimum, 100, limit=expected - 1) is None


def test_bootstrap_of_a_proportion_draws_whole_groups():
    outcomes = np.array([True, True, False, False])
    weights = intervals.drawn(["a", "a", "b", "b"], np.random.default_rng(0), 1000)
    replicates = intervals.proportion_replicates(outcomes, weights)
    assert set(replicates.tolist()) == {0.0, 0.5, 1.0}
    assert np.mean(replicates) == pytest.approx(0.5, abs=0.05)


def test_a_resampled_proportion_draws_whole_groups():
    outcomes = np.array([True, True, False, False])
    rng = np.random.default_rng(0)
    replicates = intervals.resampled_proportion(outcomes, ["a", "a", "b", "b"], rng, 1000)
    assert set(replicates.tolist()) == {0.0, 0.5, 1.0}
    assert np.mean(replicates) == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("groups", [60, 25, 3])
def test_a_resampled_proportion_is_one_of_groups_drawn_one_by_one(groups):
    rng = np.random.default_rng([60, groups])
    member = [str(i) for i in rng.integers(groups, size=60)]
    outcomes = rng.random(60) < 0.7
    one_by_one = intervals.proportion_replicates(outcomes, intervals.drawn(member, rng, 4000))
    replicates = intervals.resampled_proportion(outcomes, member, rng, 4000)
    assert ks_2samp(one_by_one, replicates).pvalue > 0.001


@pytest.mark.parametrize("right", [0, 9])
def test_a_proportion_without_two_outcomes_has_one_replicate(right):
    outcomes = np.arange(9) < right
    rng = np.random.default_rng(right)
    replicates = intervals.resampled_proportion(outcomes, [str(i // 2) for i in range(9)], rng, 50)
    assert set(replicates.tolist()) == {right / 9}


@pytest.mark.parametrize(("successes", "n"), [(0, 20), (20, 20), (96, 100), (1000, 1000), (7, 9)])
def test_wilson_interval_is_scipys(successes, n):
    expected = binomtest(successes, n).proportion_ci(0.95, method="wilson")
    low, high = intervals.wilson_interval(successes / n, n)
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=1e-12)


@pytest.mark.parametrize(("n", "low"), [(100, 0.963), (1000, 0.996), (20, 0.839)])
def test_wilson_interval_of_clips_that_all_pass_has_the_known_lower_bound(n, low):
    # Brown, Cai and DasGupta (2001), Statistical Science 16: (1 + z^2/n)^-1 at p = 1.
    assert intervals.wilson_interval(1.0, n)[0] == pytest.approx(low, abs=5e-4)


@pytest.mark.parametrize(("share", "minimum"), [(0.9, 0.85), (0.95, 0.96), (1.0, 0.9), (0.0, 0.5)])
def test_clips_to_decide_is_the_first_number_that_decides(share, minimum):
    needed = intervals.clips_to_decide(share, minimum)
    low, high = intervals.wilson_interval(round(share * needed) / needed, needed)
    assert low >= minimum or high < minimum
    assert needed < 10_000


def test_an_end_of_the_interval_at_the_minimum_decides_below_and_not_above():
    """What reaches the minimum holds: at 50 clips the lower end does, and so does the upper."""
    lower, upper = intervals.wilson_interval(1.0, 50)[0], intervals.wilson_interval(0.0, 50)[1]
    assert intervals.clips_to_decide(1.0, lower) == 50
    assert intervals.clips_to_decide(0.0, upper) == 51


def test_no_number_of_clips_decides_a_value_at_the_minimum():
    assert intervals.clips_to_decide(0.9, 0.9) is None


def test_the_interval_of_a_correlation_is_that_of_fishers_z():
    """Of many clips with normal values it is the textbook's, with 1 / sqrt(n - 3) for an error."""
    rng = np.random.default_rng(0)
    n, rho = 400, 0.6
    z = np.arctanh(rho) + rng.normal(size=4000) / np.sqrt(n - 3)
    found = intervals.correlation_interval(rho, np.tanh(z), n, n)
    expected = np.tanh(np.arctanh(rho) + np.array([-1.96, 1.96]) / np.sqrt(n - 3))
    assert found == pytest.approx(tuple(expected), abs=0.01)
    few = intervals.correlation_interval(rho, np.tanh(z), 5, n * n)
    half = student_t.ppf(0.975, 4) * np.std(z)
    assert few == pytest.approx((np.tanh(z0 := np.arctanh(rho) - half), np.tanh(z0 + 2 * half)))


@pytest.mark.parametrize("clips", [2, 3, 4, 5, 8])
@pytest.mark.parametrize("pairs", ["own", "all"])
def test_unrelated_spaces_of_few_clips_are_told_so(clips, pairs):
    """Of two clips all samples that have a value have the same one."""
    holds = []
    for seed in range(60):
        rng = np.random.default_rng([clips, seed])
        spaces = [rng.random((clips, clips)) for _ in range(2)]
        weights = intervals.drawn([str(i) for i in range(clips)], rng, 200)
        ranked = [ranks.rank_pairs(space, pairs=pairs) for space in spaces]
        value = ranks.rank_agreement(*ranked)
        replicates = ranks.rank_agreement_replicates(*(ranks.resample(r, weights) for r in ranked))
        low, high = intervals.correlation_interval(value, replicates, clips, ranked[0].count)
        holds.append(low <= 0.0 <= high)
    assert np.mean(holds) >= 0.9


def test_the_interval_of_one_replicate_is_that_replicate():
    assert intervals.percentile_interval(np.array([np.nan, 0.25])) == (0.25, 0.25)


@pytest.mark.parametrize("value", [-1.0, 1.0, 0.3])
@pytest.mark.parametrize("replicates", [[1.0, -1.0, np.nan], [0.3, 0.3], [1.0, 1.0]])
def test_the_interval_of_a_correlation_holds_it_and_is_finite(value, replicates):
    low, high = intervals.correlation_interval(value, np.array(replicates), 3, 9)
    assert -1 <= low <= value <= high <= 1
    for groups, pairs in ((1, 9), (2, 4), (4, 4)):
        found = intervals.correlation_interval(value, np.array(replicates), groups, pairs)
        assert found == (-1, 1)


def test_a_correlation_without_any_replicate_has_no_interval():
    with pytest.raises(UndefinedMeasureError, match="no bootstrap replicate"):
        intervals.correlation_interval(0.5, np.array([np.nan, np.nan]), 9, 81)


# Means of what each clip has


def by_hand(values, groups):
    """Return Hall's interval of a mean: means without each group, skewness, cube root."""
    count, mean = len(set(groups)), np.mean(values)
    without = [
        np.mean([v for v, g in zip(values, groups) if g != left]) for left in sorted(set(groups))
    ]
    pseudo = [count * mean - (count - 1) * other for other in without]
    spread = np.std(pseudo)
    skew = sum((p - np.mean(pseudo)) ** 3 for p in pseudo) / count / spread**3
    ends = []
    for t in student_t.ppf([0.975, 0.025], count - 1):
        inner = 1 + skew * (t / count**0.5 - skew / (6 * count))
        t = 3 * count**0.5 / skew * (np.cbrt(inner) - 1)
        ends.append(mean - t * spread / (count - 1) ** 0.5)
    return ends[0], min(ends[1], 1.0)


@given(st.integers(0, 2**32 - 1), st.integers(3, 12))
def test_the_interval_of_a_mean_is_halls(seed, count):
    rng = np.random.default_rng(seed)
    groups = [*map(str, range(count)), *map(str, rng.integers(count, size=count))]
    values = 1.0 - rng.exponential(size=2 * count)
    found = intervals.mean_interval(values, groups)
    assert found == pytest.approx(by_hand(values, groups), rel=1e-6)
    assert found[0] <= values.mean() <= found[1] <= 1.0
    mixed = rng.permutation(2 * count)
    again = intervals.mean_interval(values[mixed], [groups[i] for i in mixed])
    assert again == pytest.approx(found, abs=1e-9)


def test_without_skewness_the_interval_of_a_mean_is_students():
    values = np.array([-0.3, 0.1, 0.2, 0.3, 0.7])
    of_t = student_t.interval(0.95, 4, values.mean(), values.std(ddof=1) / 5**0.5)
    assert intervals.mean_interval(values, list("abcde")) == pytest.approx(of_t)


@given(outcomes_of_groups())
def test_the_interval_of_a_mean_with_a_least_value_is_that_of_a_proportion(drawn):
    outcomes, groups = drawn
    values = np.where(outcomes, 1.0, -1.0)
    low, high = intervals.mean_interval(values, groups, least=-1.0)
    of_share = intervals.proportion_interval(np.array(outcomes), groups)
    assert ((low + 1) / 2, (high + 1) / 2) == pytest.approx(of_share)
    assert low < high


def test_a_mean_of_one_group_has_no_interval_without_a_least_value():
    with pytest.raises(UndefinedMeasureError, match="the clips are of one group"):
        intervals.mean_interval(np.array([0.5, 0.6]), ["a", "a"])
    assert intervals.mean_interval(np.array([0.5, 0.6]), ["a", "a"], least=-1.0)[0] < 0.5


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("least", [None, -1.0])
def test_a_mean_of_what_is_not_finite_has_no_interval(wrong, least):
    with pytest.raises(UndefinedMeasureError, match="a clip has no finite value"):
        intervals.mean_interval(np.array([0.5, wrong, 0.2]), list("abc"), least=least)

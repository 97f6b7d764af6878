"""What is asked of a value: at least, at most, between; by value and by interval."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_nnrel import (
    Identity,
    PinkNoise,
    SettingError,
    assert_within_consistency,
)
from pytest_nnrel.measurement import Measurement
from pytest_nnrel.recording import sink
from pytest_nnrel.requirement import Requirement
from pytest_nnrel.statistics.intervals import wilson_interval


def of_clips(right, n):
    interval = wilson_interval(right / n, n)
    return Measurement("within", right / n, interval, n, (), (), {})


shares = st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0])


@given(shares, shares, st.integers(2, 40), st.data())
def test_a_band_holds_where_both_of_its_bounds_do(low, high, n, data):
    measured = of_clips(data.draw(st.integers(0, n)), n)
    if low >= high:
        low, high = 0.0, 1.0
    band, least, most = (Requirement(*pair) for pair in ((low, high), (low, None), (None, high)))
    for confident in (False, True):
        parts = {r.outcome(measured, confident=confident) for r in (least, most)}
        expected = "fails" if "fails" in parts else "undecided" if "undecided" in parts else "holds"
        assert band.outcome(measured, confident=confident) == expected
    assert (band.spare(measured.value) >= 0) == band.met_by(measured.value)


def test_at_most_is_at_least_the_other_way_round():
    for n in (2, 9, 100):
        for right in range(n + 1):
            for bound in (0.1, 0.5, 1.0):
                most = Requirement(high=bound).outcome(of_clips(right, n), confident=True)
                low, high = wilson_interval(right / n, n)
                assert most == (
                    "holds" if high <= bound else "fails" if low > bound else "undecided"
                )


def test_bounds_themselves_hold():
    measured = of_clips(5, 10)
    for required in (Requirement(low=0.5), Requirement(high=0.5), Requirement(0.2, 0.5)):
        assert required.outcome(measured, confident=False) == "holds"


BAND = Requirement(0.25, 0.75)


@pytest.mark.parametrize(
    ("value", "spare", "bound"),
    [(0.125, -0.125, 0.25), (0.375, 0.125, 0.25), (0.625, 0.125, 0.75), (1.0, -0.25, 0.75)],
)
def test_what_a_value_has_to_spare_and_which_bound_is_at_issue(value, spare, bound):
    assert BAND.spare(value) == spare
    assert BAND.at_issue(of_clips(value * 8, 8)) == bound
    assert Requirement(low=0.5).spare(value) == value - 0.5
    assert Requirement(high=0.5).spare(value) == 0.5 - value
    assert Requirement(low=0.5).at_issue(of_clips(value * 8, 8)) == 0.5
    assert Requirement(high=0.5).at_issue(of_clips(value * 8, 8)) == 0.5


@pytest.mark.parametrize("untold", ["ties", "non_finite"])
def test_what_no_distance_tells_counts_as_kept_against_a_largest_value(untold):
    two_of_ten = of_clips(2, 10)
    for clips, outcome in ((0, "holds"), (1, "holds"), (2, "fails")):  # .2 + .1 > .3 in floats
        measured = replace(two_of_ten, details={untold: clips})
        assert Requirement(high=0.3).outcome(measured, confident=False) == outcome
    assert Requirement(low=0.2).outcome(measured, confident=False) == "holds"


def test_what_is_asked_and_missed_in_words():
    one, all_ = of_clips(1, 8), of_clips(8, 8)
    assert (BAND.missed_by(one), BAND.missed_by(all_)) == ("< 0.25", "> 0.75")
    assert Requirement(low=0.5).missed_by(one) == "< 0.5"
    assert Requirement(high=0.5).missed_by(all_) == "> 0.5"
    asked = (BAND, Requirement(low=0.5), Requirement(high=0.5), Requirement())
    assert [r.text for r in asked] == ["0.25 to 0.75", "0.5", "at most 0.5", ""]


def test_an_interval_that_chance_reaches_in_more_than_one_of_twenty_decides_nothing():
    measured = Measurement("sensitivity", 0.9, (0.8, 1.0), 9, (), (), {})
    for p, outcome in ((0.0, "holds"), (0.05, "holds"), (0.051, "undecided")):
        by_chance = replace(measured, details={"p": p})
        assert Requirement(low=0.5).outcome(by_chance, confident=True) == outcome
        assert Requirement(low=0.5).outcome(by_chance, confident=False) == "holds"


@pytest.mark.parametrize(
    "given, told",
    [
        ({}, "min must lie between 0 and 1, not None; or ask for max="),
        ({"min": 0.1, "max": 0.9}, "one of min, max and between is asked for, not min and max"),
        ({"max": 1.5}, "max must lie between 0 and 1, not 1.5"),
        ({"max": float("nan")}, "max must lie"),
        ({"max": True}, "max must lie"),
        ({"between": 0.5}, r"between takes two values"),
        ({"between": (0.9, 0.1)}, "the lower first"),
        ({"between": (0.5, 0.5)}, "the lower first"),
        ({"between": (0.5, "1")}, "between must lie"),
    ],
)
def test_what_cannot_be_asked_for_is_refused_and_recorded(given, told):
    with sink() as opened, pytest.raises(SettingError, match=told):
        assert_within_consistency(lambda batch: batch, PinkNoise(40), **given)
    assert [verdict["outcome"] for verdict in opened.verdicts] == ["error"]


class Deaf:
    """Gives all clips one embedding: no original is nearest."""

    name = "deaf"

    def encode(self, batch):
        return np.ones((len(batch), 2), np.float32)


def test_what_must_be_noticed_fails_where_it_is_not(run, corpus):
    def spectrum(batch):
        return np.abs(np.fft.rfft(batch, axis=1))[:, :500].astype(np.float32)

    with sink() as opened:
        for confident in (False, True):
            with pytest.raises(
                AssertionError, match=r"C_W = 0\.000 \(1\.000 with ties as kept\) > 0\.5 under"
            ):
                assert_within_consistency(
                    Deaf(), Identity(), max=0.5, corpus=corpus, confident=confident
                )
        with pytest.raises(AssertionError, match=r"spectrum: C_W = 1\.000 > 0\.5 under") as failed:
            assert_within_consistency(spectrum, Identity(), max=0.5, corpus=corpus)
        with pytest.raises(AssertionError, match=r"C_W = 0\.000 < 0\.25 under") as below:
            assert_within_consistency(Deaf(), Identity(), between=(0.25, 0.5), corpus=corpus)
        with pytest.raises(AssertionError, match=r"holds 0\.9: too few clips \(n = 8\)"):
            assert_within_consistency(spectrum, Identity(), max=0.9, corpus=corpus, confident=True)
        with pytest.raises(SettingError, match=r"max = 0\.1 is below chance, 0\.125 among 8 clips"):
            assert_within_consistency(Deaf(), Identity(), max=0.1, corpus=corpus)
    assert "asked      at most 0.5" in str(failed.value)
    assert "8 of 8 are nearest to their original; farthest:" in str(failed.value)
    assert "asked      0.25 to 0.5" in str(below.value)
    kept = [(v["outcome"], v["minimum"], v.get("maximum")) for v in opened.verdicts]
    assert kept == [
        ("fails", None, 0.5),
        ("fails", None, 0.5),
        ("fails", None, 0.5),
        ("fails", 0.25, 0.5),
        ("undecided", None, 0.9),
        ("error", None, 0.1),
    ]

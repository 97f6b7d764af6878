"""Where verdicts turn: at the minimum itself, at the ends of an interval, on chance."""

from __future__ import annotations

import numpy as np
import pytest
from known_answers import short_corpus

from pytest_nnrel import (
    Corpus,
    MFCCEncoder,
    PinkNoise,
    SettingError,
    assert_within_consistency,
    audio_consistency,
    between_consistency,
    within_consistency,
)
from pytest_nnrel.failures import _both_fail, _chance, too_few_clips
from pytest_nnrel.measurement import Measurement
from pytest_nnrel.recording import sink
from pytest_nnrel.requirement import Requirement, check_bound, check_steps
from pytest_nnrel.statistics import intervals


def measurement(value, ci, n=100, *, outcomes=True, **details):
    return Measurement("within", value, ci, n, (True,) * n if outcomes else (), (), details)


@pytest.mark.parametrize(
    "value, ci, by_value, by_interval",
    [
        (0.8, (0.7, 0.9), "holds", "undecided"),  # the minimum itself is enough
        (0.79, (0.7, 0.9), "fails", "undecided"),
        (0.9, (0.8, 1.0), "holds", "holds"),  # so it is for the interval's lower end
        (0.9, (0.79, 1.0), "holds", "undecided"),
        (0.7, (0.6, 0.79), "fails", "fails"),
        (0.7, (0.6, 0.8), "fails", "undecided"),  # what reaches it may hold
        (0.8, (0.8, 0.8), "holds", "holds"),
        (np.nan, (np.nan, np.nan), "fails", "undecided"),
    ],
)
def test_three_outcomes_against_a_minimum_of_080(value, ci, by_value, by_interval):
    measured = measurement(value, ci)
    asked = Requirement(low=0.8)
    assert asked.outcome(measured, confident=False) == by_value
    assert asked.outcome(measured, confident=True) == by_interval


@pytest.mark.parametrize(
    "value, ci, by_value, by_interval",
    [
        (0.8, (0.7, 0.9), "holds", "undecided"),  # the maximum itself is little enough
        (0.81, (0.7, 0.9), "fails", "undecided"),
        (0.7, (0.6, 0.8), "holds", "holds"),
        (0.7, (0.6, 0.81), "holds", "undecided"),
        (0.9, (0.81, 1.0), "fails", "fails"),
        (0.9, (0.8, 1.0), "fails", "undecided"),
        (np.nan, (np.nan, np.nan), "fails", "undecided"),
    ],
)
def test_three_outcomes_against_a_maximum_of_080(value, ci, by_value, by_interval):
    measured = measurement(value, ci)
    asked = Requirement(high=0.8)
    assert asked.outcome(measured, confident=False) == by_value
    assert asked.outcome(measured, confident=True) == by_interval


def test_chance_in_messages_is_the_mean_over_clips_of_one_among_those_that_compete():
    alone = measurement(0.5, (0.4, 0.6), corpus={"clips": 8})
    assert _chance(alone) == "0.125"
    # Of clips of groups not all others compete: 1 of 2, 1 of 4, 1 of 4.
    grouped = measurement(0.5, (0.4, 0.6), corpus={"clips": 8}, others=[1, 3, 3])
    assert _chance(grouped) == "0.333"


@pytest.mark.parametrize(
    "audio, latent, both", [(0.4, 0.4, True), (0.5, 0.4, False), (0.4, 0.5, False)]
)
def test_two_spaces_that_fail_together_are_told(audio, latent, both):
    rates = {"audio": {"value": audio}, "latent": {"value": latent}}
    assert _both_fail(rates) is both


def test_how_many_clips_would_decide():
    needed = intervals.clips_to_decide(0.85, 0.8)
    measured = measurement(0.85, (0.77, 0.91))
    assert f"(n = 100) to tell; about {needed:,} clips would decide" in too_few_clips(measured, 0.8)
    # Clips of groups are worth less: here each a quarter.
    grouped = measurement(0.85, (0.7, 0.95), effective_clips=25.0)
    more = intervals.clips_to_decide(0.85, 0.8, per_clip=0.25)
    assert more > 3 * needed
    assert f"about {more:,} clips" in too_few_clips(grouped, 0.8)
    # Where clips have no outcomes, the interval says it.
    narrower = measurement(0.5, (0.4, 0.6), outcomes=False)
    assert "about 400 clips" in too_few_clips(narrower, 0.45)
    assert "more clips would narrow" in too_few_clips(measurement(0.8, (0.7, 0.9)), 0.8)


@pytest.mark.parametrize("minimum", [0, 0.0, 1, 1.0, np.float32(0.5)])
def test_a_minimum_from_0_to_1_can_be_asked_for(minimum):
    check_bound("min", minimum, 0.0)


@pytest.mark.parametrize("minimum", [-1e-9, 1 + 1e-9, np.nan, True, False, "0.5", None])
def test_other_minima_cannot(minimum):
    with pytest.raises(SettingError, match="min must lie between 0 and 1"):
        check_bound("min", minimum, 0.0)


def test_of_correlations_the_least_minimum_is_lower():
    check_bound("min", -1.0, -1.0)
    with pytest.raises(SettingError, match=r"between -1 and 1, not -1\.5"):
        check_bound("min", -1.5, -1.0)


def test_steps_begin_at_the_least():
    check_steps(1, 1)
    check_steps(2, 1)
    for steps in (0, 1.0, True):
        with pytest.raises(SettingError, match="whole number of 1 or more"):
            check_steps(steps, 1)


def test_two_spaces_agree_by_chance_as_often_as_their_outcomes_in_any_order():
    corpus, noise, encoder = Corpus.bundled().subset(12), PinkNoise(snr_db=10), MFCCEncoder()
    with sink():
        audio = audio_consistency(noise, corpus=corpus).outcomes
        latent = within_consistency(encoder, noise, corpus=corpus).outcomes
        agreement = between_consistency(encoder, noise, corpus=corpus, measure="accuracy")
    by_chance = np.mean([a == b for a in audio for b in latent])
    assert 0.2 < np.mean(latent) < 0.9
    assert np.mean(audio) != np.mean(latent)
    assert agreement.details["chance"] == pytest.approx(by_chance)


def test_a_distance_that_is_not_finite_comes_before_the_worst_that_is():
    """The first clip is nearer to another; the second has an infinite distance to a third."""
    distances = np.array([[2.0, 1.0, 9.0], [9.0, 1.0, np.inf], [9.0, 9.0, 1.0]])

    def encoder(batch):
        return batch[:, :4]

    def distance(queries, candidates):
        return distances[: len(queries), : len(candidates)]  # a single pair is tried first

    corpus = short_corpus()
    with sink(), pytest.raises(AssertionError, match=r"not finite +1 clips have a NaN") as caught:
        assert_within_consistency(encoder, PinkNoise(0), min=1.0, corpus=corpus, distance=distance)
    places = [str(caught.value).index(f"  {corpus.ids[i]}  ") for i in (1, 0, 2)]
    assert places == sorted(places)

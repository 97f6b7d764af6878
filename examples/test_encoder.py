"""Consistency tests as a model repository would keep them."""

import pytest
from hypothesis import given, settings

from pytest_nnrel import (
    MP3,
    EnvironmentalNoise,
    PinkNoise,
    PitchShift,
    TempoShift,
    assert_between_consistency,
    assert_encoder_sane,
    assert_monotone,
    assert_relative_nearest,
    assert_unbroken_until,
    assert_within_consistency,
)
from pytest_nnrel import strategies as nn


def test_encoder_is_not_broken_to_begin_with(encoder):
    assert_encoder_sane(encoder)


@pytest.mark.nnrel(grid="imperceptible")
def test_what_nobody_hears_changes_no_neighbour(encoder, nnrel_transform):
    assert_within_consistency(encoder, nnrel_transform, min=0.9)


@pytest.mark.parametrize("transform", [TempoShift(0.7), TempoShift(1.5), MP3(64)], ids=str)
def test_tempo_and_coding_are_survived(encoder, transform):
    assert_within_consistency(encoder, transform, min=0.95)


def test_a_noisy_bar_leaves_most_clips_nearest(encoder):
    assert_within_consistency(encoder, EnvironmentalNoise(12), min=0.6, distance="cosine")


@pytest.mark.parametrize("transform", [PitchShift(2), PinkNoise(12)], ids=str)
def test_distances_rank_as_in_the_audio(encoder, transform):
    assert_between_consistency(encoder, transform, min=0.8)


def test_fails_where_the_audio_fails(encoder):
    assert_between_consistency(
        encoder, EnvironmentalNoise(12), measure="accuracy", audio_distance="simple", min=0.7
    )


def test_quarter_tone_on_one_clip(encoder, nnrel_corpus):
    assert_relative_nearest(encoder, nnrel_corpus[0], PitchShift(0.5))


@pytest.mark.nnrel(clips=30)
@pytest.mark.parametrize("transform", [TempoShift(0.5), MP3(40)], ids=str)
def test_nothing_milder_breaks_it_either(encoder, transform):
    assert_unbroken_until(encoder, transform, min=0.9)


@pytest.mark.nnrel(clips=30)
def test_more_noise_is_further(encoder):
    assert_monotone(encoder, PinkNoise)


@pytest.mark.nnrel(clips=30)
@settings(max_examples=10)
@given(transform=nn.pitch_shifts(max_semitones=0.25))
def test_no_small_shift_breaks_it(log_mel, transform):
    assert_within_consistency(log_mel, transform, min=0.95)


@pytest.mark.nnrel(clips=30)
@settings(max_examples=10)
@given(transform=nn.chains(PitchShift, TempoShift, MP3, max_semitones=0.25, min_rate=0.9,
                           max_rate=1.1, min_kbps=64))  # fmt: skip
def test_small_changes_together_do_not_break_it(log_mel, transform):
    assert_within_consistency(log_mel, transform, min=0.9)

"""Reverberation time by Schroeder's integration, and how much there is of it, by Sabine."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import butter, sosfilt
from signals import RATE, lag_of, noise, rendered

from pytest_nnrel import Clip, Reverb


def impulse_response(rt60_s, rate):
    samples = np.zeros(round((rt60_s + 0.5) * rate), np.float32)
    samples[0] = 1.0
    return rendered(Reverb(rt60_s), Clip("impulse", samples, rate))


def schroeder_rt60(response, rate):
    """Return RT60 from the decay between -5 and -35 dB (ISO 3382-1, T30)."""
    energy = np.cumsum(response[::-1] ** 2)[::-1]
    level = 10 * np.log10(energy / energy[0] + 1e-30)
    within = np.flatnonzero((level < -5) & (level > -35))
    slope, _ = np.polyfit(within / rate, level[within], 1)
    return -60 / slope


@pytest.mark.parametrize("rt60_s", [0.2, 0.6, 1.0, 3.0, 8.0])
@pytest.mark.parametrize("rate", [16_000, RATE])
def test_the_reverberation_time_is_the_one_asked_for(rt60_s, rate):
    response = impulse_response(rt60_s, rate)
    assert schroeder_rt60(response, rate) == pytest.approx(rt60_s, rel=0.05)


@pytest.mark.parametrize("band", [(250, 500), (1000, 2000), (4000, 8000)])
def test_it_is_the_same_at_all_frequencies(band):
    octave = butter(3, band, "bandpass", fs=RATE, output="sos")
    response = sosfilt(octave, impulse_response(1.0, RATE)[1:])
    assert schroeder_rt60(response, RATE) == pytest.approx(1.0, rel=0.1)


@pytest.mark.parametrize("rt60_s", [0.3, 1.0, 4.0])
def test_direct_and_reverberant_sound_are_as_strong_as_sabine_says(rt60_s):
    response = impulse_response(rt60_s, RATE)
    critical = 0.057 * np.sqrt(200 / rt60_s)
    expected = 20 * np.log10(critical / 2)
    assert 10 * np.log10(response[0] ** 2 / np.sum(response[1:] ** 2)) == (
        pytest.approx(expected, abs=0.3)
    )


def test_nothing_is_delayed_and_each_clip_has_its_own_room():
    assert lag_of(Reverb(0.3).apply(noise()).samples, noise().samples) == 0
    first, second = noise(), noise().with_samples(noise().samples)
    assert np.array_equal(Reverb(1).apply(first).samples, Reverb(1).apply(second).samples)
    other = Clip("another", first.samples, RATE)
    assert not np.array_equal(Reverb(1).apply(first).samples, Reverb(1).apply(other).samples)

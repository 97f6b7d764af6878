"""The field's families against independent measurements: cutoff, depth, level, lag, gaps."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.signal import find_peaks, periodogram, welch
from signals import RATE, decibels, lag_of, tone, without_gain

from pytest_nnrel import (
    Clip,
    Clipping,
    Corpus,
    Dropout,
    Gain,
    HighPass,
    Identity,
    LowPass,
    Quantization,
    Speed,
    TimeShift,
    WhiteNoise,
)
from pytest_nnrel.errors import MagnitudeError, TransformError


@pytest.fixture(scope="module")
def music():
    return list(Corpus.bundled().subset(4))


def level_of(family, limit, hz, rate=RATE):
    """Return what a filter leaves of a tone, in dB, away from the ends."""
    clip = tone(hz, rate=rate)
    out = family(limit).render(clip.samples, rate, np.random.default_rng())
    middle = slice(rate, 3 * rate)
    return decibels(out[middle].astype(np.float64), clip.samples[middle].astype(np.float64))


@pytest.mark.parametrize("family", [LowPass, HighPass])
@pytest.mark.parametrize("limit", [200, 1000, 5000])
@pytest.mark.parametrize("rate", [16_000, RATE, 44_100])
def test_filters_are_3_db_down_at_the_limit(family, limit, rate):
    assert level_of(family, limit, limit, rate) == pytest.approx(-3.01, abs=0.05)


@pytest.mark.parametrize("family, side", [(LowPass, 2.0), (HighPass, 0.5)])
def test_filters_fall_by_24_db_an_octave_and_keep_what_passes(family, side):
    limit, rate = 800, 96_000  # far from half of which the filter falls as an analogue one does
    first, second = (level_of(family, limit, limit * side**octaves, rate) for octaves in (2, 3))
    assert first - second == pytest.approx(24, abs=1)
    assert level_of(family, limit, limit / side**3) == pytest.approx(0, abs=0.05)


@pytest.mark.parametrize("transform", [LowPass(1000), HighPass(300)])
def test_filters_do_not_delay(music, transform):
    for clip in music:
        assert lag_of(without_gain(transform, clip), clip.samples) == 0


def test_limits_beyond_the_sample_rate():
    assert LowPass(11_025).condition(RATE) == LowPass(20_000).condition(RATE) == Identity()
    assert LowPass(11_024).condition(RATE) == LowPass(11_024)
    with pytest.raises(TransformError, match=r"at 8,000 Hz there is nothing above 5000 Hz"):
        HighPass(5000).apply(tone(440, rate=8000))


@pytest.mark.parametrize("snr_db", [-30, 0, 20, 59.5])
def test_white_noise_has_its_ratio_and_is_white(music, snr_db):
    for clip in music:
        noise = without_gain(WhiteNoise(snr_db), clip) - clip.samples
        assert decibels(clip.samples.astype(np.float64), noise) == pytest.approx(snr_db, abs=0.05)
    _, power = welch(without_gain(WhiteNoise(-30), clip) - clip.samples, RATE, nperseg=1024)
    parts = [part.mean() for part in np.array_split(power[1:-1], 8)]
    assert max(parts) / min(parts) < 1.3


@pytest.mark.parametrize("db", [-60, -3, 6, 40])
def test_gain_is_left_as_it_is(music, db):
    for clip in music:
        out = Gain(db).apply(clip)
        assert decibels(out.samples.astype(np.float64), clip.samples.astype(np.float64)) == (
            pytest.approx(db, abs=1e-4)
        )


@pytest.mark.parametrize("db", [1, 30])
def test_clipping_cuts_what_is_above_the_ceiling_and_nothing_else(music, db):
    for clip in music:
        out = without_gain(Clipping(db), clip)
        ceiling = np.abs(clip.samples).max() * 10 ** (-db / 20)
        assert np.abs(out).max() == pytest.approx(ceiling, rel=1e-5)
        below = np.abs(clip.samples) < ceiling
        np.testing.assert_allclose(out[below], clip.samples[below], rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("bits", [1, 4, 8, 12])
def test_quantization_has_so_many_steps_and_their_error(music, bits):
    for clip in music:
        out = without_gain(Quantization(bits), clip)
        peak = float(np.abs(clip.samples).max())
        levels = np.unique(np.round(out / peak * 2**bits))
        assert len(levels) <= 2**bits
        if bits < 8:
            assert len(levels) > 2 ** (bits - 1)
        error = out - clip.samples
        step = 2 * peak / 2**bits
        assert np.abs(error).max() <= step / 2 * 1.001
        if bits >= 8:  # where error is spread evenly over a step
            assert np.sqrt(np.mean(error**2)) == pytest.approx(step / math.sqrt(12), rel=0.1)


def test_quantization_takes_whole_bits():
    assert Quantization(8.0).name == "Quantization(bits=8)"
    with pytest.raises(MagnitudeError, match=r"takes whole bits, not 7\.5"):
        Quantization(7.5)


@pytest.mark.parametrize("rate", [0.5, 0.64, 0.99, 1.01, 1.44, 2.0])
@pytest.mark.parametrize("length", [88_200, 88_199, 61_237])
def test_speed_moves_pitch_and_length_together(rate, length):
    clip = tone(440)
    clip = clip.with_samples(clip.samples[:length])
    out = Speed(rate).apply(clip).samples
    assert len(out) == pytest.approx(length / rate, abs=0.5)
    frequencies, power = periodogram(out * np.hanning(len(out)), RATE, nfft=2**20)
    assert frequencies[power.argmax()] == pytest.approx(440 * rate, rel=1e-4)


@pytest.mark.parametrize("ms", [-500, -5, 5, 120, 500])
@pytest.mark.parametrize("rate", [16_000, RATE])
def test_time_shift_lags_by_so_much(ms, rate):
    noise = np.random.default_rng(0).standard_normal(3 * rate).astype(np.float32)
    out = without_gain(TimeShift(ms), Clip("noise", noise, rate))
    lag = lag_of(out, noise)
    assert lag == round(ms * rate / 1000)
    silent = out[:lag] if lag > 0 else out[lag:]
    assert not silent.any()


def test_a_shift_of_less_than_half_a_sample_is_none():
    sample = 1000 / RATE
    assert TimeShift(0.49 * sample).condition(RATE) == Identity()
    assert TimeShift(-0.49 * sample).condition(RATE) == Identity()
    assert TimeShift(0.51 * sample).condition(RATE) == TimeShift(0.51 * sample)


@pytest.mark.parametrize("ms", [10, 100, 500])
def test_dropout_silences_so_much_of_each_second_at_places_of_the_seed(ms):
    noise = 1 + np.random.default_rng(0).random(round(3.5 * RATE)).astype(np.float32)
    clip = Clip("positive", noise, RATE)
    out = without_gain(Dropout(ms), clip, seed=0)
    silent = out == 0
    seconds = [silent[first : first + RATE] for first in range(0, len(silent), RATE)]
    assert [second.sum() for second in seconds] == [
        round(len(second) * ms / 1000) for second in seconds
    ]
    for second in seconds:
        starts, _ = find_peaks(np.diff(np.r_[0, second.astype(int), 0]))
        assert len(starts) <= 1  # one gap
    assert np.array_equal(out, without_gain(Dropout(ms), clip, seed=0))
    assert not np.array_equal(silent, without_gain(Dropout(ms), clip, seed=1) == 0)

"""The compressor's static curve, by steady tones of many levels, and its recovery."""

from __future__ import annotations

import numpy as np
import pytest
from signals import RATE, lag_of, rendered

from pytest_nnrel import Clip, Corpus, DynamicRange

#: Levels of the steps in dB, of which the loudest decides the RMS.
LEVELS = (-60, -45, -30, -20, -10, -3, 0)


@pytest.fixture(scope="module")
def steps():
    """A tone that grows louder each second, and how far its levels are above the threshold."""
    time = np.arange(RATE) / RATE
    tone = np.sin(2 * np.pi * 997 * time)
    samples = np.concatenate([10 ** (level / 20) * tone for level in LEVELS]).astype(np.float32)
    threshold = 10 * np.log10(np.mean(samples.astype(np.float64) ** 2)) - 20
    return Clip("steps", samples, RATE), np.array(LEVELS) - threshold


def levels_of(samples):
    """Return the peak level of the second half of each second in dB."""
    halves = samples.reshape(-1, RATE)[:, RATE // 2 :]
    return 20 * np.log10(np.abs(halves).max(axis=1))


@pytest.mark.parametrize("ratio", [1.2, 2, 4, 20, 32])
def test_levels_above_the_threshold_are_divided_by_the_ratio(steps, ratio):
    clip, above = steps
    got = levels_of(rendered(DynamicRange(ratio), clip)) - (np.array(LEVELS) - above)
    below = above < -3  # away from the bend
    assert got[below] == pytest.approx(above[below], abs=0.1)
    far = above > 10
    # The envelope that is compared with the threshold lies a little below a tone's peak.
    assert np.diff(got[far]) == pytest.approx(np.diff(above[far]) / ratio, abs=0.1)
    assert got[far] == pytest.approx(above[far] / ratio, abs=1)


@pytest.mark.parametrize("gain", [0.01, 5.0])
def test_how_loud_a_clip_is_costs_it_nothing(gain):
    clip = Corpus.bundled().subset(1)[0]
    other = clip.with_samples(clip.samples * np.float32(gain))
    expected = rendered(DynamicRange(4), clip)
    assert rendered(DynamicRange(4), other) / gain == pytest.approx(expected, abs=1e-4)
    assert lag_of(expected, clip.samples) == 0


def test_silence_stays():
    assert not rendered(DynamicRange(4), Clip("silence", np.zeros(RATE, np.float32), RATE)).any()

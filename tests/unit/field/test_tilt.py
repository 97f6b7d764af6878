"""The slope of the tilt, by noise through it, and that it turns about 1 kHz without delay."""

from __future__ import annotations

import numpy as np
import pytest
from signals import RATE, lag_of, noise, rendered, response_of

from pytest_nnrel import Corpus, Tilt


@pytest.mark.parametrize("slope", [-6, -1, 0.25, 3, 6])
@pytest.mark.parametrize("rate", [16_000, 44_100])
def test_each_octave_differs_by_the_slope(slope, rate):
    octaves = 125 * 2.0 ** np.arange(6)  # to 4 kHz
    gains = response_of(Tilt(slope), octaves, rate)
    assert np.diff(gains) == pytest.approx(slope, abs=0.15)
    assert gains[3] == pytest.approx(0, abs=0.15)


def test_it_goes_on_no_further_below_what_is_heard():
    deep = np.cos(2 * np.pi * 2 * np.arange(4 * RATE) / RATE)
    out = rendered(Tilt(-6), noise().with_samples(deep))
    expected = 6 * np.log2(1000 / 20)
    assert 20 * np.log10(np.abs(out[RATE : 3 * RATE]).max()) == pytest.approx(expected, abs=0.5)


@pytest.mark.parametrize("slope", [-2, 2])
def test_nothing_is_delayed(slope):
    for clip in Corpus.bundled().subset(3):
        assert lag_of(rendered(Tilt(slope), clip), clip.samples) == 0

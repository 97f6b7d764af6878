"""The band, mu-law by its definition, and that GSM's codings add up; without delay."""

from __future__ import annotations

import numpy as np
import pytest
from signals import RATE, decibels, lag_of, rendered, response_of, tone

from pytest_nnrel import Corpus, MagnitudeError, Telephone
from pytest_nnrel.transforms.field import telephone


@pytest.mark.parametrize("rate", [8_000, 16_000, RATE, 44_100])
def test_the_band_ends_at_its_limits(rate):
    gains = response_of(Telephone(), [100, 300, 500, 1000, 2000, 3400], rate)
    assert gains[1] == pytest.approx(-3, abs=0.5)
    assert gains[2:5] == pytest.approx(0, abs=0.5)
    assert gains[0] < -15
    assert gains[5] == pytest.approx(-3, abs=0.7)
    if rate > 8_000:
        assert (response_of(Telephone(), [5000, 7000], rate) < -40).all()


def test_a_landline_is_mu_law():
    """Mu-law of 8 bits by its formula (G.711's is made of straight pieces, and so near it)."""
    line = 0.9 * np.sin(2 * np.pi * 440 * np.arange(8000) / 8000) * np.linspace(0.001, 1, 8000)
    companded = np.sign(line) * np.log1p(255 * np.abs(line)) / np.log(256)
    quantised = np.round(companded * 127.5) / 127.5
    expected = np.sign(quantised) * np.expm1(np.abs(quantised) * np.log(256)) / 255
    got = telephone._coded(line.astype(np.float32), "ULAW").astype(np.float64)
    assert decibels(line, got - line) == pytest.approx(decibels(line, expected - line), abs=1.5)
    assert decibels(line, got - line) == pytest.approx(38, abs=2)


def test_each_mobile_leg_costs_quality_and_delays_nothing():
    ratios = []
    for clip in Corpus.bundled().subset(4):
        band = rendered(Telephone(1), clip)
        assert abs(lag_of(band, clip.samples)) <= 0
        errors = [rendered(Telephone(legs), clip) - band for legs in (2, 3, 5)]
        ratios.append([decibels(band, error) for error in errors])
    assert np.all(np.diff(np.mean(ratios, axis=0)) < -0.3)


@pytest.mark.parametrize("length", [RATE, RATE + 1, 3 * RATE - 7])
@pytest.mark.parametrize("rate", [8_000, 11_025, RATE, 48_000])
def test_the_length_stays(length, rate):
    clip = tone(440, rate=rate)
    part = clip.with_samples(clip.samples[:length])
    assert len(rendered(Telephone(2), part)) == len(part.samples)


def test_legs_are_whole():
    assert Telephone().name == "Telephone()"
    with pytest.raises(MagnitudeError, match=r"takes whole legs, not 1\.5"):
        Telephone(1.5)

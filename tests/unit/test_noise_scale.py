"""Damage in words: the pink noise that does as much."""

import pytest

from pytest_nnrel.experiment import noise_scale
from pytest_nnrel.experiment.noise_scale import as_noise

CURVES = {
    "audio": ([0.1, 0.2, 0.4], [40.0, 30.0, 20.0]),
    "perceived": ([0.001, 0.01], [30.0, 6.0]),
}


@pytest.fixture
def curves(monkeypatch):
    monkeypatch.setattr(noise_scale, "_curves", lambda: CURVES)


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (0.05, "less damaging than PinkNoise(snr_db=40)"),
        (0.1, "as damaging as PinkNoise(snr_db=40)"),
        (0.15, "as damaging as PinkNoise(snr_db=35)"),
        (0.302, "as damaging as PinkNoise(snr_db=25)"),  # to half a decibel
    ],
)
def test_damage_is_between_two_noises(curves, damage, told):
    assert as_noise("MP3", "audio", damage) == f"{told}, by audio distance"


@pytest.mark.parametrize(
    ("family", "scale", "damage"),
    [
        ("PinkNoise", "audio", 0.2),  # itself
        ("MP3", "audio", 0.0),  # nothing
        ("Reverb", "audio", 0.2),  # what MFCCs hardly see
        ("Tilt", "audio", 0.2),  # what they see too much
        ("MP3", "audio", 0.41),  # beyond
    ],
)
def test_what_cannot_be_compared_is_not(curves, family, scale, damage):
    assert as_noise(family, scale, damage) == ""


def test_what_is_heard_can_be_compared_in_all_families(curves):
    told = as_noise("Reverb", "perceived", 0.0055)
    assert told == "as damaging as PinkNoise(snr_db=18), as heard, by Zimtohrli"
    assert as_noise("Reverb", "perceived", 0.02).startswith(
        "more damaging than PinkNoise(snr_db=6)"
    )


def test_a_scale_without_a_curve_is_silent(monkeypatch):
    monkeypatch.setattr(noise_scale, "_curves", dict)
    assert as_noise("MP3", "audio", 0.2) == ""


def test_the_curves_of_the_package_grow_with_the_noise():
    curves = noise_scale._curves()
    assert "audio" in curves
    for damages, ratios in curves.values():
        assert damages == sorted(set(damages))
        assert ratios == sorted(ratios, reverse=True)


@pytest.mark.parametrize("damage", [float("nan"), float("inf"), 0.0])
@pytest.mark.parametrize("scale", ["audio", "perceived"])
def test_damage_that_is_none_or_not_finite_is_like_no_noise(scale, damage):
    assert as_noise("MP3", scale, damage) == ""

"""Responses of devices against their stated figures, by noise through them."""

from __future__ import annotations

import numpy as np
import pytest
from signals import RATE, lag_of, noise, rendered, response_of

from pytest_nnrel import Corpus, Device, MagnitudeError
from pytest_nnrel.transforms.field.device import _GAINS_DB, _THIRD_OCTAVES, DEVICES


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("rate", [RATE, 48_000])
def test_the_response_is_the_one_stated(device, rate):
    """In third octaves of which the spectrum has several lines, 50 dB down at most."""
    stated = dict(zip(_THIRD_OCTAVES, _GAINS_DB[device]))
    heard = [hz for hz in stated if 200 <= hz < 0.45 * rate and stated[hz] > -50]
    got = response_of(Device(device), heard, rate)
    assert got == pytest.approx([stated[hz] for hz in heard], abs=0.8)


def test_figures_are_complete_and_grow_graver():
    assert all(len(gains) == len(_THIRD_OCTAVES) == 30 for gains in _GAINS_DB.values())
    assert np.array(_THIRD_OCTAVES) == pytest.approx(1000 * 2 ** (np.arange(-16, 14) / 3), rel=0.02)
    middle = [np.array(gains)[5:26] for gains in _GAINS_DB.values()]
    deviations = [np.std(gains - gains.mean()) for gains in middle]
    assert deviations == sorted(deviations)


@pytest.mark.parametrize("device", ["laptop_microphone", "toy_loudspeaker"])
def test_nothing_is_delayed(device):
    assert lag_of(rendered(Device(device), noise()), noise().samples) == 0


def test_devices_go_by_name_or_number():
    assert Device(4) == Device("laptop_microphone") == Device.from_severity(4)
    assert Device("laptop_microphone").severity == 4
    assert Device(4).name == "Device(device='laptop_microphone')"
    clip = Corpus.bundled().subset(1)[0]
    assert Device("none").apply(clip).samples == pytest.approx(clip.samples, abs=1e-6)


@pytest.mark.parametrize(
    "device, match",
    [
        ("gramophone", "takes one of none, measuring_microphone, .*; not 'gramophone'"),
        (7, r"takes 0 to 6 of 6 devices, not 7"),
        (1.5, "takes a number of none, .*; not 1.5"),
        (None, "not None"),
    ],
)
def test_other_devices_are_refused(device, match):
    with pytest.raises(MagnitudeError, match=match):
        Device(device)

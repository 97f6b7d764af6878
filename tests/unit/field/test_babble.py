"""The voices: their level, that they are speech, and that they loop."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import numpy as np
import pytest
import soundfile
from scipy.signal import welch
from signals import RATE, decibels, noise, without_gain

from pytest_nnrel import Babble, Corpus, EnvironmentalNoise

FILE = Path(str(resources.files("pytest_nnrel"))) / "data" / "babble.ogg"


@pytest.mark.parametrize("snr_db", [-10, 0, 20])
def test_it_has_its_ratio(snr_db):
    for clip in Corpus.bundled().subset(3):
        voices = without_gain(Babble(snr_db), clip) - clip.samples
        assert decibels(clip.samples.astype(np.float64), voices) == pytest.approx(snr_db, abs=0.05)


def test_it_comes_and_goes_as_syllables_do():
    """Speech's level fluctuates most between 2 and 8 Hz (Houtgast and Steeneken 1985)."""
    samples, rate = soundfile.read(FILE)
    size = rate // 100
    envelope = np.sqrt(np.mean(samples[: len(samples) // size * size].reshape(-1, size) ** 2, 1))
    hertz, power = welch(envelope - envelope.mean(), 100, nperseg=400)
    syllables, faster, rough = (
        power[(hertz >= low) & (hertz < high)].mean() for low, high in ((2, 8), (8, 16), (16, 50))
    )
    assert syllables > 2 * faster > 2 * rough


def test_it_has_the_band_of_voices():
    samples, rate = soundfile.read(FILE)
    hertz, power = welch(samples, rate, nperseg=4096)
    share = power[(hertz >= 125) & (hertz < 4000)].sum() / power.sum()
    assert share > 0.9


def test_its_end_runs_into_its_start():
    samples, _ = soundfile.read(FILE)
    bends = np.abs(np.diff(np.concatenate([samples[-500:], samples[:500]]), 2))
    assert bends[498:500].max() < 6 * bends.mean()


def test_voices_are_other_than_the_bars_and_cropped_by_the_seed():
    clip = noise()
    crops = [
        without_gain(transform, clip, seed=seed) - clip.samples
        for transform, seed in ((Babble(0), 0), (Babble(0), 1), (EnvironmentalNoise(0), 0))
    ]
    same = without_gain(Babble(0), clip, seed=0) - clip.samples
    assert np.array_equal(crops[0], same)
    for one, other in ((0, 1), (0, 2)):
        assert abs(np.corrcoef(crops[one], crops[other])[0, 1]) < 0.2
    assert Babble(0).recipe()["recording"] != EnvironmentalNoise(0).recipe()["recording"]


def test_a_recording_of_ones_own(tmp_path):
    own = tmp_path / "own.wav"
    soundfile.write(own, noise(seed=7).samples, RATE, subtype="FLOAT")
    transform = Babble(0, recording=str(own))
    assert transform.name == f"Babble(snr_db=0, recording={str(own)!r})"
    voices = without_gain(transform, noise()) - noise().samples
    assert np.std(voices) == pytest.approx(np.std(noise().samples), rel=0.01)

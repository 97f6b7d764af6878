"""Whether graver is further: rho of each clip, its mean, and the assertion."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from known_answers import short_corpus
from scipy.stats import spearmanr

from pytest_nnrel import (
    MP3,
    Identity,
    MagnitudeError,
    PinkNoise,
    PitchShift,
    SettingError,
    assert_monotone,
    pairwise_distances,
)
from pytest_nnrel.errors import DistanceError
from pytest_nnrel.monotonicity import _failure_message, monotonicity
from pytest_nnrel.recording import sink
from pytest_nnrel.runtime import progress, settings
from pytest_nnrel.statistics import consistency


def spectrum(batch):
    return np.abs(np.fft.rfft(batch, axis=1))[:, :3000].astype(np.float32)


class Measured:
    """Puts a clip as far from its original as `distance` says of its noise, in dB."""

    def __init__(self, distance, name="measured"):
        self.name = name
        self._distance = distance
        self._originals = short_corpus().windows().astype(np.float64)

    def encode(self, batch):
        return np.array([self._place(window) for window in batch], dtype=np.float32)

    def _place(self, window):
        unit = self._originals / np.linalg.norm(self._originals, axis=1, keepdims=True)
        clip = int(np.argmax(unit @ window))
        noise = window - (unit[clip] @ window) * unit[clip]
        level = 10 * np.log10(np.sum(noise**2) / np.sum(window.astype(float) ** 2) + 1e-12)
        return [100.0 * clip, self._distance(level, clip)]


rising = Measured(lambda level, clip: level + 120)


@given(st.integers(0, 2**32 - 1), st.integers(3, 9), st.integers(2, 6))
def test_rho_of_a_clip_is_spearmans(seed, rungs, levels):
    distances = np.random.default_rng(seed).integers(levels, size=(rungs, 4)).astype(float)
    for rho, of_clip in zip(consistency.monotonicity(distances), distances.T):
        if len(set(of_clip)) == 1:
            assert rho == 0.0
        else:
            assert rho == pytest.approx(spearmanr(range(rungs), of_clip).statistic, abs=1e-12)


def test_distances_that_are_not_finite_say_nothing():
    distances = np.array([[0.0, 0.0], [1.0, np.nan], [2.0, 2.0]])
    assert consistency.monotonicity(distances).tolist() == [1.0, 0.0]
    with pytest.raises(DistanceError, match="3 rungs"):
        consistency.monotonicity(np.zeros((2, 4)))


def test_graver_is_further_in_both_spaces():
    (measured,) = monotonicity(rising, PinkNoise, corpus=short_corpus())
    assert measured.value == 1.0
    assert measured.ci[0] < measured.ci[1] == 1.0
    assert measured.n == 3
    assert measured.details["per_clip"] == [1.0, 1.0, 1.0]
    assert measured.details["transform"]["asked"] == measured.details["transform"]["name"]
    assert measured.details["audio"]["value"] == pytest.approx(1.0, abs=0.02)
    assert measured.details["chance"] == 0.0
    assert measured.details["identity"]["rungs"][0] == "Identity()"
    assert len(measured.details["identity"]["rungs"]) == 9


def test_an_encoder_that_comes_back_is_not_monotone():
    def back(level, clip):
        return 100 - abs(level + 40)

    with sink() as recorded, pytest.raises(AssertionError) as caught:
        assert_monotone(Measured(back), PinkNoise, corpus=short_corpus())
    message = str(caught.value)
    assert message.startswith("measured: graver is not further: mean rho of severity and distance")
    assert "up to PinkNoise(snr_db=-15)" in message
    assert "in audio space" in message
    assert "clip-000" in message
    (verdict,) = recorded.verdicts
    assert (verdict["outcome"], verdict["minimum"]) == ("fails", 0.9)
    assert recorded.measurements[verdict["measurement"]]["measure"] == "monotone"


def test_an_encoder_that_gives_one_embedding_is_not_monotone():
    def collapsed(batch):
        return np.ones((len(batch), 3), dtype=np.float32)

    (measured,) = monotonicity(collapsed, MP3, corpus=short_corpus())
    assert measured.value == 0.0
    with pytest.raises(AssertionError):
        assert_monotone(collapsed, MP3, corpus=short_corpus())
    measured.details["audio"] = {"value": 0.5, "ci": [0.25, 0.75]}
    told = _failure_message(measured, 0.9, "fails")
    assert "  audio      0.500 [0.250, 0.750] in audio space: what can be expected" in told


def test_an_audio_distance_that_falls_is_told_with_an_interval_below_zero():
    def falling(queries, candidates):
        return 1.0 / (1.0 + pairwise_distances(queries, candidates, "dtw"))

    (measured,) = monotonicity(
        rising, PinkNoise(50), corpus=short_corpus(), audio_distance=falling, steps=3
    )
    assert len(measured.details["identity"]["rungs"]) == 4
    assert measured.details["audio"]["value"] == -1.0
    low, high = measured.details["audio"]["ci"]
    assert low == -1.0
    assert high < 0.5


def test_every_direction_has_a_verdict():
    with sink() as recorded:
        found = assert_monotone(spectrum, PitchShift, min=-1.0, steps=2, corpus=short_corpus())
    assert [m.details["transform"]["name"] for m in found] == [
        "up to PitchShift(semitones=-12)",
        "up to PitchShift(semitones=12)",
    ]
    assert [verdict["outcome"] for verdict in recorded.verdicts] == ["holds", "holds"]


def test_too_few_clips_to_tell_are_told():
    def falling_for_one(level, clip):
        return level + 120 if clip or level < -100 else 1000 - level

    encoder = Measured(falling_for_one)
    (measured,) = monotonicity(encoder, PinkNoise, corpus=short_corpus())
    low, high = measured.ci
    assert low < 0.3 < high
    with sink() as recorded, pytest.raises(AssertionError, match=r"too few clips \(n = 3\)") as no:
        assert_monotone(encoder, PinkNoise, min=0.3, confident=True, corpus=short_corpus())
    assert str(no.value).startswith("measured: whether graver is further cannot be decided: mean")
    assert recorded.verdicts[0]["outcome"] == "undecided"
    assert measured.value >= 0.3
    assert_monotone(encoder, PinkNoise, min=0.3, corpus=short_corpus())
    assert_monotone(encoder, PinkNoise, min=-0.5, corpus=short_corpus())


def test_progress_tells_how_far_it_goes(monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr(progress, "_DELAY_SECONDS", 0.0)
    token = settings.activate(replace(settings.active(), progress=stream))
    monotonicity(rising, PinkNoise(58.5), corpus=short_corpus())
    settings.deactivate(token)
    assert "measured up to PinkNoise(snr_db=58.5)" in stream.getvalue()


@pytest.mark.parametrize("steps", [1, 0, 2.5, True])
def test_steps_are_whole_numbers(steps):
    with pytest.raises(SettingError, match="steps must be a whole number of 2 or more"):
        monotonicity(rising, PinkNoise, steps=steps, corpus=short_corpus())


def test_what_cannot_be_measured_is_recorded_as_an_error():
    with sink() as recorded, pytest.raises(MagnitudeError):
        assert_monotone(rising, Identity(), corpus=short_corpus())
    assert [verdict["outcome"] for verdict in recorded.verdicts] == ["error"]
    with pytest.raises(SettingError, match="min must lie"):
        assert_monotone(rising, PinkNoise, min=2, corpus=short_corpus())


def test_a_short_ladder_has_fewer_rungs():
    (measured,) = monotonicity(rising, PinkNoise(58.5), corpus=short_corpus())
    assert len(measured.details["identity"]["rungs"]) == 4
    (measured,) = monotonicity(rising, PinkNoise(58.5), corpus=short_corpus(), steps=2)
    assert measured.details["identity"]["rungs"][::2] == ["Identity()", "PinkNoise(snr_db=58.5)"]
    (measured,) = monotonicity(rising, PinkNoise(59), corpus=short_corpus())
    assert measured.value == 1.0
    assert len(measured.details["identity"]["rungs"]) == 3
    told = r"up to PinkNoise\(snr_db=59\.5\) there are 2 rungs with the identity"
    with pytest.raises(MagnitudeError, match=told):
        monotonicity(rising, PinkNoise(59.5), corpus=short_corpus())

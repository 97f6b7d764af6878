"""Separation of the voice, against BSS Eval, and what transformations do to the truth."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from small import network

from pytest_nnrel import MP3, Identity, PinkNoise, PitchShift, TempoShift, UndefinedMeasureError
from pytest_nnrel.corpus.audio import centre
from reference_models import evaluation
from reference_models.datasets.examples import Example
from reference_models.evaluation import Truth, windows
from reference_models.features import SAMPLE_RATE, WINDOW_SAMPLES, stft
from reference_models.task import task_named
from reference_models.tasks.vs import voice_sdr

VS = task_named("vs")


@pytest.fixture(scope="module")
def sung(open_corpus):
    return open_corpus("vs", "test")


def expected_loss(network, audio, target):
    difference = network(audio) * stft(audio).abs() - stft(target).abs()
    return difference.abs().mean()


def expected_score(network, audio, true):
    import torch

    voices = network.separate(torch.from_numpy(audio)).numpy()
    pairs = zip(true.targets.astype(float), voices.astype(float), strict=True)
    return np.mean([10 * np.log10(np.sum(t**2) / np.sum((t - v) ** 2)) for t, v in pairs])


def museval_sdr(voice, rest, estimate):
    """Return the SDR of a voice by BSS Eval's own implementation, the clip as one window.

    Only its module of metrics is loaded: the package would import what reads files by ffmpeg.
    """
    package = importlib.util.find_spec("museval")
    if package is None:
        pytest.skip("museval is not installed")
    (folder,) = package.submodule_search_locations
    spec = importlib.util.spec_from_file_location("bss_eval", Path(folder) / "metrics.py")
    bss_eval = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(bss_eval)
    true, found = (np.stack(stems)[:, :, None] for stems in ([voice, rest], [estimate, rest]))
    # As `museval.evaluate` calls it: 512 taps, one filter for all windows, images as targets.
    return bss_eval.bss_eval(true, found, window=WINDOW_SAMPLES, hop=WINDOW_SAMPLES)[0][0, 0]


def test_sdr_is_that_of_bss_eval(sung):
    """Of mixtures, leaks, noise and filtered voices, between -9 and 43 dB."""
    rng = np.random.default_rng(0)
    at = range(2)
    mixtures, true = windows(sung, Identity(), at), VS.true_of(sung, Identity(), at)
    for mixture, voice, rest in zip(mixtures, true.targets, true.accompaniment):
        estimates = np.stack([
            mixture,
            voice + 0.01 * rest,
            voice + 0.01 * rng.normal(size=len(voice)),
            np.convolve(voice, np.ones(5) / 5, "same"),
        ]).astype(np.float32)  # fmt: skip
        ratios = voice_sdr(np.stack([voice] * 4), estimates)
        oracle = [museval_sdr(voice, rest, estimate) for estimate in estimates]
        np.testing.assert_allclose(ratios, oracle, atol=1e-6)
        assert np.ptp(oracle) > 20


def test_sdr_of_the_mixture_is_the_level_at_which_the_voice_was_mixed(sung):
    true = VS.true_of(sung, Identity(), range(2))
    mixtures = true.targets + true.accompaniment
    powers = (np.square(x).mean(axis=1) for x in (true.targets, true.accompaniment))
    levels = 10 * np.log10(np.divide(*powers))
    np.testing.assert_allclose(voice_sdr(true.targets, mixtures), levels, atol=1e-3)


def test_sdr_of_silence_is_0_and_of_the_voice_itself_finite(sung):
    voices = VS.true_of(sung, Identity(), range(2)).targets
    np.testing.assert_allclose(voice_sdr(voices, np.zeros_like(voices)), 0, atol=1e-9)
    itself = voice_sdr(voices, voices)
    assert np.all((itself > 100) & np.isfinite(itself))


def test_clips_without_voice_or_accompaniment_have_no_sdr(sung):
    at = range(3)
    mixtures, true = windows(sung, Identity(), at), VS.true_of(sung, Identity(), at)
    voices, rests = true.targets.copy(), true.accompaniment.copy()
    voices[0], rests[1] = 0, 0
    vs = network("vs", mixtures)
    some = VS.score(vs, mixtures, Truth(voices, rests))
    alone = VS.score(vs, mixtures[2:], Truth(voices[2:], rests[2:]))
    assert some.clips == 1
    assert some.value == pytest.approx(alone.value)
    with pytest.raises(UndefinedMeasureError, match=r"SDR needs a clip with voice .* of 2 none"):
        VS.score(vs, mixtures[:2], Truth(voices[:2], rests[:2]))


@pytest.mark.parametrize("transform", [PitchShift(2), TempoShift(0.7)], ids=str)
def test_pitch_and_tempo_move_the_true_voice_with_the_mixture(sung, transform):
    true, clean = (VS.true_of(sung, t, range(1)) for t in (transform, Identity()))
    moved = windows(_Only(sung, sung[0].target), transform, range(1))
    ratios = np.linalg.norm(true.targets) / np.linalg.norm(moved)
    np.testing.assert_allclose(true.targets, moved * ratios, atol=1e-6)
    assert not np.allclose(true.targets, clean.targets)


@pytest.mark.parametrize("transform", [PitchShift(2), TempoShift(0.7)], ids=str)
def test_shifted_stems_have_the_gain_of_the_mixture(sung, transform):
    def shifted(samples):
        made, _ = transform.render(
            samples.astype(np.float32), SAMPLE_RATE, np.random.default_rng(0)
        )
        return centre(made, WINDOW_SAMPLES)

    true, (mixture,) = VS.true_of(sung, transform, range(1)), windows(sung, transform, range(1))
    audio, voice = sung[0].audio, sung[0].target
    gain = np.linalg.norm(mixture) / np.linalg.norm(shifted(audio))
    np.testing.assert_allclose(true.targets[0], gain * shifted(voice), atol=1e-5)
    np.testing.assert_allclose(true.accompaniment[0], gain * shifted(audio - voice), atol=1e-5)


@pytest.mark.parametrize("transform", [PinkNoise(12), MP3(16)], ids=str)
def test_noise_and_codecs_leave_the_truth_clean(sung, transform):
    true, clean = (VS.true_of(sung, t, range(1)) for t in (transform, Identity()))
    np.testing.assert_array_equal(true.targets, clean.targets)
    np.testing.assert_array_equal(true.accompaniment, clean.accompaniment)


def test_stems_add_up_to_the_mixture(sung):
    mixtures, true = windows(sung, Identity(), range(3)), VS.true_of(sung, Identity(), range(3))
    np.testing.assert_allclose(true.targets + true.accompaniment, mixtures, atol=2e-4)


def test_a_silent_stem_stays_silent(sung):
    silent = _Only(sung, np.zeros_like(sung[0].audio))
    heard = windows(silent, PitchShift(2), range(1))
    assert heard.shape == (1, WINDOW_SAMPLES)
    assert not heard.any()


def test_without_a_network_there_is_the_mixture(sung, music):
    mixtures = windows(sung, Identity(), range(len(sung)))
    true = VS.true_of(sung, Identity(), range(len(sung)))
    ratios = voice_sdr(true.targets, mixtures)
    found = evaluation.scores_on(network("vs", music), "vs", sung)["compared"]
    assert found == pytest.approx(np.mean(ratios), abs=1e-3)


class _Only:
    """One signal in the place of a dataset's first clip."""

    def __init__(self, data, samples):
        self.ids = data.ids[:1]
        self._samples = samples

    def __getitem__(self, index):
        return Example(self._samples, np.empty(0, np.float32))

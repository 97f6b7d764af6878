"""The tasks' measures against plain arithmetic, and what transformations do to the truth."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch

from pytest_nnrel import MP3, Identity, PinkNoise, PitchShift, TempoShift
from reference_models import evaluation
from reference_models.datasets.examples import Example
from reference_models.evaluation import Truth, score, truth, voice_sdr, windows
from reference_models.features import WINDOW_SAMPLES
from reference_models.tasks import build

SMALL = {"channels": 4, "max_channels": 16}


@pytest.fixture(scope="module")
def sung(open_corpus):
    return open_corpus("vs", "test")


@pytest.fixture(scope="module")
def audio(open_corpus):
    return windows(open_corpus("at", "test"), Identity(), range(6))


def network(task, audio, **arguments):
    torch.manual_seed(0)
    made = build(task, **SMALL, **arguments).eval()
    made.fit_statistics([torch.from_numpy(audio)])
    return made


def naive_area(truths, scores):
    """Return the chance that a tag of the clip is scored above one that is not, ties half."""
    areas = []
    for true, of_clip in zip(truths, scores):
        has, has_not = of_clip[true == 1], of_clip[true == 0]
        if len(has) and len(has_not):
            wins = [(a > b) + (a == b) / 2 for a in has for b in has_not]
            areas.append(np.mean(wins))
    return np.mean(areas), len(areas)


def test_mse_is_the_mean_over_bins_frames_and_clips(audio):
    ae = network("ae", audio)
    found = score(ae, "ae", audio, Truth(np.zeros((6, 0))))
    with torch.inference_mode():
        output, target = (f(torch.from_numpy(audio)).numpy() for f in (ae, ae.target))
    assert found.value == pytest.approx(np.mean((output - target) ** 2), rel=1e-5)
    assert (found.measure, found.clips) == ("MSE", 6)


def test_auc_is_averaged_over_clips_that_have_some_tags_and_not_all(audio):
    tags = (np.arange(6 * 50).reshape(6, 50) % 7 < 2).astype(np.float32)
    tags[1], tags[4] = 0, 1
    at = network("at", audio)
    found = score(at, "at", audio, Truth(tags))
    with torch.inference_mode():
        logits = at(torch.from_numpy(audio)).numpy()
    area, clips = naive_area(tags, logits)
    assert (found.value, found.clips) == (pytest.approx(area), clips)
    assert clips == 4


def test_auc_of_no_such_clip_is_refused(audio):
    with pytest.raises(ValueError, match="no clip has some of the tags"):
        score(network("at", audio), "at", audio, Truth(np.ones((6, 50), np.float32)))


def test_accuracy_counts_the_clips_whose_instrument_is_found(audio):
    ir = network("ir", audio)
    with torch.inference_mode():
        chosen = ir(torch.from_numpy(audio)).argmax(1).numpy()
    instruments = chosen.copy()
    instruments[:2] = (instruments[:2] + 1) % 11
    assert score(ir, "ir", audio, Truth(instruments)).value == pytest.approx(4 / 6)


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
    mixtures, true = windows(sung, Identity(), at), truth("vs", sung, Identity(), at)
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
    true = truth("vs", sung, Identity(), range(2))
    mixtures = true.targets + true.accompaniment
    powers = (np.square(x).mean(axis=1) for x in (true.targets, true.accompaniment))
    levels = 10 * np.log10(np.divide(*powers))
    np.testing.assert_allclose(voice_sdr(true.targets, mixtures), levels, atol=1e-3)


def test_sdr_of_silence_is_0_and_of_the_voice_itself_finite(sung):
    voices = truth("vs", sung, Identity(), range(2)).targets
    np.testing.assert_allclose(voice_sdr(voices, np.zeros_like(voices)), 0, atol=1e-9)
    itself = voice_sdr(voices, voices)
    assert np.all((itself > 100) & np.isfinite(itself))


def test_clips_without_voice_or_accompaniment_have_no_sdr(sung):
    at = range(3)
    mixtures, true = windows(sung, Identity(), at), truth("vs", sung, Identity(), at)
    voices, rests = true.targets.copy(), true.accompaniment.copy()
    voices[0], rests[1] = 0, 0
    vs = network("vs", mixtures)
    some = score(vs, "vs", mixtures, Truth(voices, rests))
    alone = score(vs, "vs", mixtures[2:], Truth(voices[2:], rests[2:]))
    assert some.clips == 1
    assert some.value == pytest.approx(alone.value)
    with pytest.raises(ValueError, match="no clip has voice"):
        score(vs, "vs", mixtures[:2], Truth(voices[:2], rests[:2]))


@pytest.mark.parametrize("transform", [PitchShift(2), TempoShift(0.7)], ids=str)
def test_pitch_and_tempo_move_the_true_voice_with_the_mixture(sung, transform):
    true, clean = (truth("vs", sung, t, range(1)) for t in (transform, Identity()))
    moved = windows(_Only(sung, sung[0].target), transform, range(1))
    np.testing.assert_array_equal(true.targets, moved)
    assert not np.allclose(true.targets, clean.targets)


@pytest.mark.parametrize("transform", [PinkNoise(12), MP3(16)], ids=str)
def test_noise_and_codecs_leave_the_truth_clean(sung, transform):
    true, clean = (truth("vs", sung, t, range(1)) for t in (transform, Identity()))
    np.testing.assert_array_equal(true.targets, clean.targets)
    np.testing.assert_array_equal(true.accompaniment, clean.accompaniment)


def test_stems_add_up_to_the_mixture(sung):
    mixtures, true = windows(sung, Identity(), range(3)), truth("vs", sung, Identity(), range(3))
    np.testing.assert_allclose(true.targets + true.accompaniment, mixtures, atol=2e-4)


def test_a_silent_stem_stays_silent(sung):
    silent = _Only(sung, np.zeros_like(sung[0].audio))
    heard = windows(silent, PitchShift(2), range(1))
    assert heard.shape == (1, WINDOW_SAMPLES)
    assert not heard.any()


def test_scores_on_a_test_set_are_plain_and_name_it(open_corpus, audio):
    data = open_corpus("ir", "test")
    plain = evaluation.scores_on(network("ir", audio), "ir", data)
    assert plain["dataset"] == data.fingerprint
    assert plain["clips"] == len(data)
    assert 0 <= plain["value"] <= 1
    assert plain["compared"] is None


def test_a_score_stands_beside_what_is_got_without_a_network(open_corpus, sung, audio):
    data = open_corpus("ae", "test")
    ae = network("ae", audio)
    with torch.inference_mode():
        target = ae.target(torch.from_numpy(windows(data, Identity(), range(len(data))))).numpy()
    variance = np.mean((target - target.mean(0)) ** 2)
    assert evaluation.scores_on(ae, "ae", data)["compared"] == pytest.approx(variance, rel=1e-4)
    mixtures = windows(sung, Identity(), range(len(sung)))
    true = truth("vs", sung, Identity(), range(len(sung)))
    ratios = voice_sdr(true.targets, mixtures)
    separator = network("vs", audio)
    assert evaluation.scores_on(separator, "vs", sung)["compared"] == pytest.approx(
        np.mean(ratios), abs=1e-3
    )


class _Only:
    """One signal in the place of a dataset's first clip."""

    def __init__(self, data, samples):
        self.ids = data.ids[:1]
        self._samples = samples

    def __getitem__(self, index):
        return Example(self._samples, np.empty(0, np.float32))

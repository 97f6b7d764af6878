"""The encoders' front end, against librosa and numpy."""

from __future__ import annotations

import librosa
import numpy as np
import pytest

from pytest_nnrel import Corpus, MFCCEncoder

torch = pytest.importorskip("torch")
from reference_models import features  # noqa: E402


@pytest.fixture(scope="module")
def music():
    """Return windows of bundled clips, float32[4, 44100]."""
    return torch.from_numpy(Corpus.bundled().subset(4).windows())


def decibels_by_librosa(window):
    """Return the front end of a window as librosa computes it, float64[513, 173]."""
    taper = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(1024) / 1023)
    spectrum = librosa.stft(
        np.asarray(window, np.float64), n_fft=1024, hop_length=256, window=taper, pad_mode="reflect"
    )
    return librosa.power_to_db(np.abs(spectrum) ** 2, ref=1.0, amin=1e-10, top_db=80.0)


# ---------------------------------------------------------------------------------------------
# Spectra


def test_the_papers_sizes(music):
    spectrum = features.stft(music)
    assert spectrum.shape == (4, 513, 173) == (4, features.BINS, features.FRAMES)
    assert spectrum.dtype == torch.complex64
    assert features.decibels(spectrum).shape == (4, 513, 173)
    assert features.WINDOW_SAMPLES == features.WINDOW_SECONDS * features.SAMPLE_RATE


@pytest.mark.parametrize("samples", [513, 1024, 22_050, 44_099, 44_100, 44_288])
def test_frames_are_counted(samples):
    spectrum = features.stft(torch.ones(1, samples))
    assert spectrum.shape[2] == features.frame_count(samples)


def test_the_front_end_is_librosas(music):
    expected = np.stack([decibels_by_librosa(window) for window in music.numpy()])
    # Faint bins beside loud ones are some mdB apart: transforms run in float32 here.
    found = features.decibels(features.stft(music))
    np.testing.assert_allclose(found.numpy(), expected, atol=0.02)
    assert np.abs(found.numpy() - expected).mean() < 1e-4


def test_the_front_end_stays_what_it_was():
    """Means of eight bands of a bundled clip in dB, computed by numpy alone in float64."""
    (window,) = (clip.window(2.0) for clip in Corpus.bundled() if clip.id == "000_battle-theme")
    level = features.FrontEnd()(torch.from_numpy(window)[None])[0]
    means = [float(band.mean()) for band in np.array_split(level.numpy(), 8)]
    expected = [-5.120, -22.036, -33.245, -40.938, -46.285, -48.778, -49.773, -50.593]
    np.testing.assert_allclose(means, expected, atol=0.01)  # decoders of Ogg differ a little
    assert float(level.max()) == pytest.approx(28.948, abs=0.01)


def test_the_floor_is_80_db_below_the_clips_own_maximum(music):
    loud_and_quiet = torch.stack([music[0], 0.01 * music[0]])
    level = features.decibels(features.stft(loud_and_quiet))
    assert torch.allclose(level[0] - level[1], torch.tensor(40.0), atol=0.02)
    for of_clip in level:
        assert of_clip.max() - of_clip.min() == pytest.approx(80.0, abs=1e-4)


def test_decibels_do_not_depend_on_the_batch(music):
    mixed = torch.cat([100.0 * music[:1], music[1:], torch.zeros_like(music[:1])])
    together = features.decibels(features.stft(mixed))
    for window, level in zip(mixed, together):
        alone = features.decibels(features.stft(window[None]))[0]
        assert torch.allclose(level, alone, atol=1e-4)


def test_silence_is_finite_and_so_is_its_gradient():
    audio = torch.zeros(2, 44_100, requires_grad=True)
    level = features.decibels(features.stft(audio))
    assert bool((level == -100.0).all())
    level.sum().backward()
    assert bool(audio.grad.isfinite().all())


def test_decibels_are_differentiable(music):
    audio = music.clone().requires_grad_()
    features.decibels(features.stft(audio)).mean().backward()
    assert bool(audio.grad.isfinite().all())
    assert bool((audio.grad != 0).any(dim=1).all())


@pytest.mark.parametrize("shape", [(44_100,), (2, 1, 44_100)])
def test_audio_of_another_shape_is_refused(shape):
    with pytest.raises(ValueError, match=r"shape \(n, samples\)"):
        features.stft(torch.zeros(shape))


# ---------------------------------------------------------------------------------------------
# Back to audio


def test_audio_comes_back_from_its_spectrum(music):
    back = features.istft(features.stft(music), 44_100)
    assert back.shape == music.shape
    assert torch.allclose(back, music, atol=1e-5)


def test_a_mask_of_ones_gives_the_mixture_back(music):
    back = features.resynthesise(music, torch.ones(4, 513, 173))
    assert torch.allclose(back, music, atol=1e-5)


def test_a_mask_of_zeros_gives_silence(music):
    assert not features.resynthesise(music, torch.zeros(4, 513, 173)).any()


def test_a_mask_keeps_the_phase_of_the_mixture():
    time = torch.arange(44_100, dtype=torch.float64)[None] / 22_050
    low, high = (torch.sin(2 * torch.pi * hz * time + 0.3).float() for hz in (440, 5000))
    mask = torch.zeros(1, 513, 173)
    mask[:, :100] = 1.0  # below 2.1 kHz
    voice = features.resynthesise(low + high, mask)
    assert torch.allclose(voice[:, 1024:-1024], low[:, 1024:-1024], atol=1e-5)


# ---------------------------------------------------------------------------------------------
# Standardisation


@pytest.fixture
def values():
    """Return values far from zero, one bin of them constant: float64[50, 6, 7]."""
    rng = np.random.default_rng(3)
    spread = np.array([1e-2, 1.0, 5.0, 20.0, 0.3, 0.0])[:, None]
    return rng.normal(size=(50, 6, 7)) * spread + 1e4


def fit(standardise, batches):
    statistics = features.RunningStatistics()
    for batch in batches:
        statistics.update(batch)
    standardise.set(statistics)


@pytest.mark.parametrize("cuts", [[], [25], [1, 2, 49], [7, 7, 30]])
def test_statistics_are_those_of_all_data_at_once(values, cuts):
    standardise = features.Standardise(6)
    fit(standardise, map(torch.from_numpy, np.split(values, cuts)))
    assert standardise.mean.dtype == standardise.std.dtype == torch.float32
    np.testing.assert_allclose(standardise.mean.numpy(), values.mean(axis=(0, 2)), rtol=1e-6)
    expected = np.maximum(values.std(axis=(0, 2)), features.LEAST_STD)
    np.testing.assert_allclose(standardise.std.numpy(), expected, rtol=1e-6)


def test_statistics_survive_float32_batches(music):
    level = features.decibels(features.stft(music))
    standardise = features.Standardise(513)
    fit(standardise, level.split(1))
    everything = level.double().numpy()
    np.testing.assert_allclose(standardise.mean.numpy(), everything.mean(axis=(0, 2)), rtol=1e-6)
    np.testing.assert_allclose(standardise.std.numpy(), everything.std(axis=(0, 2)), rtol=1e-6)
    standardised = standardise(level)
    assert torch.allclose(standardised.mean(dim=(0, 2)), torch.zeros(513), atol=1e-4)
    assert torch.allclose(standardised.std(dim=(0, 2), correction=0), torch.ones(513), atol=1e-4)


def test_vectors_are_standardised_too(values):
    vectors = torch.from_numpy(values[:, :5, 0] - 1e4).float()
    standardise = features.Standardise(5)
    fit(standardise, [vectors])
    expected = (vectors - vectors.mean(0)) / vectors.std(0, correction=0)
    assert torch.allclose(standardise(vectors), expected, atol=1e-5)
    assert torch.equal(standardise(vectors[..., None])[..., 0], standardise(vectors))


def test_a_constant_bin_stays_finite(values):
    standardise = features.Standardise(6)
    fit(standardise, [torch.from_numpy(values)])
    assert bool(standardise(torch.from_numpy(values).float())[:, 5].abs().max() < 1.0)


@pytest.mark.parametrize(
    "batches, match",
    [
        pytest.param([], "no values", id="none"),
        pytest.param([torch.zeros(0, 6)], "no values", id="empty"),
        pytest.param([torch.full((3, 6), torch.nan)], "finite", id="NaN"),
        pytest.param([torch.zeros(3, 6), torch.full((3, 6), torch.inf)], "finite", id="infinite"),
        pytest.param([torch.zeros(3, 5)], "of 5 bins, not of 6", id="bins"),
    ],
)
def test_values_without_statistics(batches, match):
    standardise = features.Standardise(6)
    with pytest.raises(ValueError, match=match):
        fit(standardise, batches)
    assert torch.equal(standardise.std, torch.ones(6))


def test_the_statistics_are_in_the_checkpoint_and_not_trained(music):
    front_end = features.FrontEnd()
    fit(front_end.standardise, [front_end.raw(music)])
    assert sorted(front_end.state_dict()) == ["standardise.mean", "standardise.std"]
    assert list(front_end.parameters()) == []
    restored = features.FrontEnd()
    restored.load_state_dict(front_end.state_dict())
    assert torch.equal(restored(music), front_end(music))


# ---------------------------------------------------------------------------------------------
# MFCCs


def test_mfcc_statistics_are_those_of_the_mfcc_encoder(music):
    found = features.mfcc_statistics(music)
    assert found.shape == (4, 144)
    assert found.dtype == torch.float32
    expected = MFCCEncoder().encode(music.numpy(), 22_050)
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-3)

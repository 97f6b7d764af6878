"""Transformations against independent measurements: pitch, tempo, noise, codec, loudness."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.util
import io
import json
import math
import os
import random
import re
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from importlib import resources
from itertools import pairwise
from pathlib import Path

import lameenc
import numpy as np
import pyloudnorm
import pyrubberband_output
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import correlate, fftconvolve, find_peaks

from pytest_nnrel import Clip, Corpus, Telephone
from pytest_nnrel.corpus import audio, decoding
from pytest_nnrel.errors import (
    CorpusError,
    EngineError,
    MagnitudeError,
    NNRelError,
    SettingError,
    TransformError,
)
from pytest_nnrel.runtime import settings as nnrel_settings
from pytest_nnrel.transforms import (
    MP3,
    PAPER_FAMILIES,
    Chain,
    EnvironmentalNoise,
    FunctionTransform,
    Identity,
    PinkNoise,
    PitchShift,
    TempoShift,
    as_transform,
    conditions,
    grid,
    imperceptible,
    paper_grid,
    parse_transform,
    quick_grid,
)
from pytest_nnrel.transforms.full_scale import to_pcm16
from pytest_nnrel.transforms.lag import lag_between
from pytest_nnrel.transforms.mp3 import _REACHABLE, BITRATES
from pytest_nnrel.transforms.noise import pink_noise
from pytest_nnrel.transforms.rubberband import ENGINES

RATE = 22_050
HAS_AUDIOMENTATIONS = importlib.util.find_spec("audiomentations")

#: One of each family and engine, at a magnitude that is plain to hear.
EACH = [
    PitchShift(2),
    PitchShift(-3, engine="librosa"),
    TempoShift(0.7),
    TempoShift(1.5),
    TempoShift(1.2, engine="librosa"),
    PinkNoise(12),
    EnvironmentalNoise(12),
    MP3(64),
    MP3(8),
    Chain(PitchShift(-1), PinkNoise(20), MP3(32)),
    FunctionTransform("halved", lambda samples, rate: samples / 2),
]


@pytest.fixture(scope="module")
def music():
    """Eight recorded clips of different styles."""
    return list(Corpus.bundled().subset(8))


def harmonic_tone(frequency, seconds=4.0, rate=RATE):
    """Return a dithered tone of four harmonics, the first the strongest."""
    time = np.arange(round(seconds * rate)) / rate
    tone = sum(
        level * np.sin(2 * np.pi * harmonic * frequency * time)
        for harmonic, level in ((1, 0.3), (2, 0.15), (3, 0.1), (4, 0.05))
    )
    dither = np.random.default_rng(1).uniform(-1, 1, len(time)) / 16384
    return Clip(f"{frequency} Hz", (tone + dither).astype(np.float32), rate)


def strongest_frequency(samples, rate=RATE):
    """Return the frequency of the highest spectral peak, by parabolic interpolation."""
    middle = samples[len(samples) // 4 : -(len(samples) // 4)].astype(np.float64)
    size = 8 * len(middle)
    spectrum = np.abs(np.fft.rfft(middle * np.blackman(len(middle)), size))
    k = int(spectrum.argmax())
    left, centre, right = np.log(spectrum[k - 1 : k + 2])
    return (k + 0.5 * (left - right) / (left - 2 * centre + right)) * rate / size


def cents_between(before, after):
    """Return how far one spectrum must be moved on a logarithmic axis to fit another best."""
    axis = 80 * 2 ** (np.arange(0, 6 * 1200, 2) / 1200)  # six octaves from 80 Hz, in 2 cents

    def spectrum(samples):
        frames = np.lib.stride_tricks.sliding_window_view(samples, 8192)[::1024] * np.hanning(8192)
        level = np.abs(np.fft.rfft(frames, 32_768, axis=1)).mean(axis=0)
        level = np.log(np.interp(axis, np.arange(len(level)) * RATE / 32_768, level) + 1e-4)
        return level - np.convolve(level, np.ones(101) / 101, "same")

    fits = np.correlate(spectrum(after), spectrum(before), "full")
    return 2 * (int(fits.argmax()) - (len(axis) - 1))


def decibels(signal, noise):
    """Return the ratio of two signals' RMS in dB, summed in float64."""
    signal, noise = np.asarray(signal, np.float64), np.asarray(noise, np.float64)
    return 10 * math.log10(np.mean(signal**2) / np.mean(noise**2))


def without_gain(transformed):
    """Return transformed samples as they were before their loudness was restored, float64[n]."""
    gain = transformed.checks["loudness_gain_db"]
    return transformed.clip.samples.astype(np.float64) * 10 ** (-gain / 20)


def added_noise(transform, clip, **options):
    return without_gain(transform.apply_checked(clip, **options)) - clip.samples


def pcm16(samples):
    scaled = np.floor(samples.astype(np.float64) * 32768)
    return np.clip(scaled, -32768, 32767).astype("<i2").tobytes()


def escaped(value):
    return re.escape(repr(value))


def rng_states():
    state = np.random.get_state()
    return random.getstate(), state[0], state[1].tobytes(), state[2:]


# Pitch


@pytest.mark.parametrize("engine", ["rubberband", "librosa"])
@pytest.mark.parametrize("semitones", [-12, -5.5, -1, -0.25, 0.05, 0.25, 0.5, 2, 7, 12])
def test_pitch_moves_a_tone_by_the_semitones_asked(engine, semitones):
    clip = harmonic_tone(330.0)
    shifted = PitchShift(semitones, engine=engine).apply(clip)
    moved = 1200 * math.log2(strongest_frequency(shifted.samples) / 330.0)
    assert moved == pytest.approx(100 * semitones, abs=10)
    assert len(shifted.samples) == len(clip.samples)


@pytest.mark.parametrize("semitones", [-4, -0.25, 0.25, 2])
def test_pitch_moves_recorded_music_by_the_semitones_asked(music, semitones):
    for clip in music[:4]:
        shifted = PitchShift(semitones).apply(clip)
        assert cents_between(clip.samples, shifted.samples) == pytest.approx(
            100 * semitones, abs=10
        )


@pytest.mark.parametrize("rate", [16_000, 44_100, 48_000])
def test_pitch_is_right_at_other_sample_rates(rate):
    clip = harmonic_tone(440.0, 3.0, rate)
    shifted = PitchShift(3).apply(clip)
    moved = 1200 * math.log2(strongest_frequency(shifted.samples, rate) / 440.0)
    assert moved == pytest.approx(300, abs=10)
    assert shifted.sample_rate == rate


# Tempo


@pytest.mark.parametrize("engine", ["rubberband", "librosa"])
@pytest.mark.parametrize("rate", [0.25, 0.3, 0.7, 0.98, 1.02, 1.1, 1.5, 3.7, 4.0])
@pytest.mark.parametrize("length", [88_200, 88_199, 61_237])
def test_tempo_gives_exactly_the_length_promised(music, engine, rate, length):
    clip = music[3].with_samples(music[3].samples[:length])
    out = TempoShift(rate, engine=engine).apply_checked(clip)
    assert len(out.clip.samples) == round(length / rate)
    assert out.checks["length"] == len(out.clip.samples)


@pytest.mark.parametrize("engine, tolerance", [("rubberband", 0.02), ("librosa", 0.03)])
@pytest.mark.parametrize("rate", [0.5, 0.7, 0.9, 1.1, 1.2, 1.5])
def test_tempo_divides_the_interval_between_clicks(engine, tolerance, rate):
    clicks = 1e-4 * np.random.default_rng(0).standard_normal(4 * RATE)
    clicks[RATE // 8 :: RATE // 4] += 0.8
    out = TempoShift(rate, engine=engine).apply(Clip("clicks", clicks, RATE)).samples
    envelope = fftconvolve(np.abs(out), np.hanning(221), "same")
    peaks, _ = find_peaks(
        envelope, height=0.3 * envelope.max(), distance=int(0.5 * RATE / 4 / rate)
    )
    assert len(peaks) == 16
    interval = (peaks[-1] - peaks[0]) / 15
    assert interval == pytest.approx((RATE // 4) / rate, rel=tolerance)


@pytest.mark.parametrize("rate", [0.7, 0.98, 1.5])
@pytest.mark.parametrize("engine", ["rubberband", "librosa"])
def test_tempo_keeps_the_pitch(engine, rate):
    clip = harmonic_tone(330.0)
    out = TempoShift(rate, engine=engine).apply(clip).samples
    assert 1200 * math.log2(strongest_frequency(out) / 330.0) == pytest.approx(0, abs=10)


@pytest.mark.parametrize("rate", [0.7, 0.9, 1.1])
def test_tempo_keeps_the_course_of_recorded_music(music, rate):
    hop = 400

    def envelope(samples, places):
        smooth = fftconvolve(np.square(samples, dtype=np.float64), np.ones(hop), "same")
        return np.sqrt(np.abs(smooth))[np.clip(places.astype(int), 0, len(samples) - 1)]

    places = np.arange(hop, 88_200 - hop, hop)
    fits = []
    for clip in music[:4]:
        out = TempoShift(rate).apply(clip).samples
        before, after = envelope(clip.samples, places), envelope(out, places / rate)
        untouched = envelope(clip.samples, places / rate)
        fits.append(np.corrcoef(before, after)[0, 1])
        assert fits[-1] > np.corrcoef(before, untouched)[0, 1]
    assert np.median(fits) > 0.7


# Engines


def assert_equal_to_one_step(embedded, papers):
    # Their gains differ in the fourth digit, hence the per cent more.
    assert np.abs(embedded - papers).max() <= 1.01 / 32768


@pytest.mark.parametrize("family, magnitude", pyrubberband_output.CASES)
def test_the_embedded_engine_equals_the_papers_to_one_quantisation_step(family, magnitude):
    """The paper's as stored; another test shows that the tool makes the same of the clips."""
    embedded = without_gain(family(magnitude).apply_checked(pyrubberband_output.clip(magnitude)))
    length, every_so_often = pyrubberband_output.stored(family, magnitude)
    assert len(embedded) == length
    assert_equal_to_one_step(embedded[:: pyrubberband_output.STEP], every_so_often)


@pytest.mark.binaries
@pytest.mark.parametrize("family, magnitude", pyrubberband_output.CASES)
def test_what_is_stored_of_the_papers_engine_is_what_it_makes(family, magnitude):
    clip = pyrubberband_output.clip(magnitude)
    papers = without_gain(family(magnitude, engine="pyrubberband").apply_checked(clip))
    length, every_so_often = pyrubberband_output.stored(family, magnitude)
    assert len(papers) == length
    assert_equal_to_one_step(papers[:: pyrubberband_output.STEP], every_so_often)
    assert_equal_to_one_step(papers, without_gain(family(magnitude).apply_checked(clip)))


def test_the_engines_are_different_and_known_by_name(music):
    for family, magnitude in ((PitchShift, 2), (TempoShift, 0.9)):
        ours, librosas = family(magnitude), family(magnitude, engine="librosa")
        assert ours != librosas
        assert ours.name != librosas.name
        assert "librosa" in librosas.name
        assert ours.recipe() != librosas.recipe()
        assert not np.array_equal(ours.apply(music[0]).samples, librosas.apply(music[0]).samples)


@pytest.mark.binaries
def test_the_command_line_tools_version_is_part_of_the_recipe():
    recipe = PitchShift(2, engine="pyrubberband").recipe()
    assert recipe["rubberband"][0].isdigit()
    assert recipe["pyrubberband"][0].isdigit()


def test_what_is_printed_of_one_has_all_digits_and_options():
    shift = PitchShift(0.1 + 0.2, engine="pyrubberband")
    assert repr(shift) == "PitchShift(semitones=0.30000000000000004, engine='pyrubberband')"
    assert repr(PitchShift(2)) == "PitchShift(semitones=2.0)"


def test_a_missing_command_line_tool_is_named_with_the_package_that_holds_it(
    music, monkeypatch, tmp_path
):
    pytest.importorskip("pyrubberband", reason="its own absence is another error")
    monkeypatch.setenv("PATH", str(tmp_path))
    shift = PitchShift(2, engine="pyrubberband")
    with pytest.raises(EngineError, match=r"PitchShift.*'000_.*\"rubberband\".*rubberband-cli"):
        shift.apply(music[0])
    PitchShift(2).apply(music[0])


def test_a_missing_tool_is_named_when_the_recipe_is_asked_for_too(monkeypatch, tmp_path):
    script = (
        "from pytest_nnrel.transforms import TempoShift\n"
        "from pytest_nnrel.errors import EngineError\n"
        "try: TempoShift(1.1, engine='pyrubberband').recipe()\n"
        "except EngineError as error: print(error)"
    )
    shown = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "rubberband-cli" in shown.stdout


def _without_library(tmp_path, library):
    """Build a pedalboard that lacks a library of the system; skip where the wheel needs none."""
    package = importlib.util.find_spec("pedalboard").submodule_search_locations[0]
    native = Path(importlib.util.find_spec("pedalboard_native").origin)
    needed, absent = f"\0{library}.so.1\0".encode(), f"\0{library}.so.9\0".encode()
    code = native.read_bytes()
    if needed not in code:
        pytest.skip(f"this wheel needs no {library}")
    tmp_path.joinpath(native.name).write_bytes(code.replace(needed, absent))
    for folder in (Path(package), native.parent / "pedalboard.libs"):
        tmp_path.joinpath(folder.name).symlink_to(folder)


@pytest.mark.skipif(sys.platform != "linux", reason="the wheels of other systems bring all")
@pytest.mark.parametrize("transform", ["PitchShift(2)", "TempoShift(1.1)", "DynamicRange(4)"])
def test_a_library_that_pedalboard_lacks_is_named_with_what_to_install(tmp_path, transform):
    _without_library(tmp_path, "libatomic")
    script = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from pytest_nnrel import Corpus, EngineError\n"
        "from pytest_nnrel.transforms import parse_transform\n"
        "try: parse_transform(sys.argv[2]).apply(Corpus.bundled()[0])\n"
        "except EngineError as error: print(error)"
    )
    shown = subprocess.run(
        [sys.executable, "-c", script, tmp_path, transform],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "pedalboard cannot be imported: libatomic.so.9: cannot open" in shown
    assert "install libatomic1" in shown


def test_a_missing_pyrubberband_is_named_with_what_to_install(music, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyrubberband", None)
    with pytest.raises(EngineError, match=r'pip install "pytest-nnrel\[paper\]"'):
        TempoShift(1.1, engine="pyrubberband").apply(music[0])


@pytest.mark.parametrize("family, magnitude", [(PitchShift, 1), (TempoShift, 1.1)])
@pytest.mark.parametrize("engine", ["sox", "", None, 3, ["rubberband"]])
def test_an_unknown_engine_is_refused_with_those_there_are(family, magnitude, engine):
    with pytest.raises(MagnitudeError, match=rf"one of {', '.join(ENGINES)}, not"):
        family(magnitude, engine=engine)


# Noise


@pytest.mark.parametrize("family", [PinkNoise, EnvironmentalNoise])
@pytest.mark.parametrize("snr_db", [-30, -15, 0, 12, 30, 59.5])
def test_noise_reaches_the_ratio_asked(music, family, snr_db):
    for clip in music[:3]:
        transformed = family(snr_db).apply_checked(clip)
        noise = without_gain(transformed) - clip.samples
        assert decibels(clip.samples, noise) == pytest.approx(snr_db, abs=0.02)
        assert transformed.checks["snr_db"] == pytest.approx(snr_db, abs=0.01)


def power_slope(noise, rate=RATE):
    """Return the slope of log power density over log frequency, from 50 Hz to 8 kHz."""
    power = np.abs(np.fft.rfft(noise)) ** 2
    frequencies = np.arange(len(power)) * rate / len(noise)
    edges = np.geomspace(50, 8000, 16)
    bands = [(low <= frequencies) & (frequencies < high) for low, high in pairwise(edges)]
    centres = np.sqrt(edges[1:] * edges[:-1])
    return np.polyfit(np.log(centres), np.log([power[band].mean() for band in bands]), 1)[0]


@pytest.mark.parametrize("length", [88_200, 88_201, 1 << 18, 100_003])
def test_pink_noise_falls_as_one_over_f(length):
    noise = pink_noise(length, np.random.default_rng(length))
    assert noise.shape == (length,)
    assert noise.dtype == np.float32
    assert power_slope(noise) == pytest.approx(-1.0, abs=0.1)


def test_the_noise_that_a_clip_gets_is_pink_and_independent_of_the_clip(music):
    noises = [added_noise(PinkNoise(0), clip) for clip in music]
    slopes = [power_slope(noise) for noise in noises]
    assert np.mean(slopes) == pytest.approx(-1.0, abs=0.05)
    for clip, (noise, other) in zip(music, pairwise(noises)):
        # A third of pink noise's power lies below 20 Hz, where four seconds hold little chance
        # to average out.
        assert abs(np.corrcoef(clip.samples, noise)[0, 1]) < 0.1
        assert abs(np.corrcoef(noise, other)[0, 1]) < 0.6


def test_twenty_decibels_are_a_factor_of_ten_in_the_noise(music, tmp_path):
    # Crops of a constant are all alike, so that only the level is left to differ.
    soundfile.write(tmp_path / "constant.wav", np.full(RATE, 0.25), RATE)
    constant = str(tmp_path / "constant.wav")
    loud, soft = (added_noise(EnvironmentalNoise(snr, constant), music[0]) for snr in (10, 30))
    np.testing.assert_allclose(loud, 10 * soft, rtol=1e-2, atol=1e-5)


def place_in(recording, noise):
    """Return how well a scaled crop of a recording fits, 1 for perfectly, and where it starts."""
    looped = np.concatenate([recording] * (2 + len(noise) // len(recording))).astype(np.float64)
    fits = correlate(looped, noise, mode="valid", method="fft")
    energy = correlate(looped**2, np.ones(len(noise)), mode="valid", method="fft")
    fits /= np.sqrt(np.maximum(energy, 1e-12) * np.sum(noise**2))
    return float(fits.max()), int(fits.argmax()) % len(recording)


def test_environmental_noise_is_a_crop_of_the_bundled_recording(music):
    path = resources.files("pytest_nnrel") / "data" / "ambience.ogg"
    samples, rate = decoding.decode(path)
    recording = audio.resample(samples, rate, RATE)
    places = []
    for clip in music[:4]:
        fit, place = place_in(recording, added_noise(EnvironmentalNoise(0), clip))
        assert fit > 0.999
        places.append(place)
    assert len(set(places)) == 4


def test_a_recording_of_ones_own_is_resampled_and_cropped(music, tmp_path):
    recording = (0.1 * np.random.default_rng(3).standard_normal(6 * 44_100)).astype(np.float32)
    stereo = np.stack([recording, recording], axis=1)
    soundfile.write(tmp_path / "own.flac", stereo, 44_100)
    noise = added_noise(EnvironmentalNoise(6, tmp_path / "own.flac"), music[0])
    fit, _ = place_in(audio.resample(recording, 44_100, RATE), noise)
    assert fit > 0.999


def test_a_recording_shorter_than_the_clip_is_looped(music, tmp_path):
    recording = (0.1 * np.random.default_rng(3).standard_normal(RATE // 2)).astype(np.float32)
    soundfile.write(tmp_path / "short.wav", recording, RATE, subtype="FLOAT")
    noise = added_noise(EnvironmentalNoise(6, str(tmp_path / "short.wav")), music[0])
    period = len(recording)
    np.testing.assert_allclose(noise[period:], noise[:-period], atol=1e-5)
    assert place_in(recording, noise)[0] > 0.999


def test_a_recording_that_changes_on_disk_is_read_again(music, tmp_path):
    path = tmp_path / "own.wav"
    noises = []
    recipes = []
    for seed in (1, 2):
        recording = 0.1 * np.random.default_rng(seed).standard_normal(RATE)
        soundfile.write(path, recording, RATE, subtype="FLOAT")
        os.utime(path, ns=(seed * 10**9, seed * 10**9))
        noises.append(added_noise(EnvironmentalNoise(6, str(path)), music[0]))
        recipes.append(EnvironmentalNoise(6, str(path)).recipe())
    assert abs(np.corrcoef(*noises)[0, 1]) < 0.1
    assert recipes[0] != recipes[1]


def _write_silence(path):
    soundfile.write(path, np.zeros(RATE), RATE)


@pytest.mark.parametrize(
    "make, error, message",
    [
        (_write_silence, TransformError, r"EnvironmentalNoise.*'000_.*the noise is silent"),
        (lambda path: None, CorpusError, r"bar\.wav does not exist"),
        (lambda path: path.write_text("no audio"), CorpusError, r"bar\.wav cannot be read"),
        (lambda path: path.mkdir(), CorpusError, r"bar\.wav is a folder"),
        (
            lambda path: soundfile.write(path, np.zeros(0), RATE),
            CorpusError,
            r"bar\.wav holds no samples",
        ),
    ],
    ids=["silent", "missing", "text", "folder", "no samples"],
)
def test_a_recording_that_cannot_serve_is_refused_by_name(music, tmp_path, make, error, message):
    make(tmp_path / "bar.wav")
    with pytest.raises(error, match=message):
        EnvironmentalNoise(12, str(tmp_path / "bar.wav")).apply(music[0])


# Loudness


@pytest.mark.parametrize("transform", EACH, ids=str)
def test_loudness_is_that_of_the_original_after_every_family(music, transform):
    meter = pyloudnorm.Meter(RATE, filter_class="DeMan")
    for clip in music[:3]:
        out = transform.apply(clip)
        before = meter.integrated_loudness(clip.samples.astype(np.float64))
        after = meter.integrated_loudness(out.samples.astype(np.float64))
        assert after == pytest.approx(before, abs=0.1)


def test_samples_beyond_full_scale_are_kept_after_the_gain(music):
    loudest = max(music, key=lambda clip: np.abs(clip.samples).max())
    clip = loudest.with_samples(loudest.samples / np.abs(loudest.samples).max())
    peaky = FunctionTransform("gated", lambda samples, rate: samples * (np.abs(samples) > 0.4))
    assert np.abs(peaky.apply(clip).samples).max() > 1.0


@pytest.mark.parametrize("seconds", [0.05, 0.2, 0.39])
def test_clips_shorter_than_a_gating_block_are_restored_too(music, seconds):
    short = music[1].with_samples(music[1].samples[40_000 : 40_000 + round(seconds * RATE)])
    out = PinkNoise(10).apply(short)
    assert audio.loudness(out.samples, RATE) == pytest.approx(
        audio.loudness(short.samples, RATE), abs=0.1
    )


# MP3


@pytest.mark.parametrize("kbps", BITRATES)
def test_mp3_keeps_length_and_place_at_every_bitrate(music, kbps):
    for clip in (music[1], music[4].with_samples(music[4].samples[:70_001])):
        out = without_gain(MP3(kbps).apply_checked(clip))
        assert len(out) == len(clip.samples)
        fits = correlate(out, clip.samples.astype(np.float64), method="fft")
        assert int(fits.argmax()) - (len(out) - 1) == 0


@pytest.mark.parametrize("rate", sorted(_REACHABLE))
def test_mp3_keeps_length_and_place_at_every_rate_it_exists_at(music, rate):
    clip = Clip("c", audio.resample(music[1].samples, RATE, rate)[:rate], rate)
    out = without_gain(MP3(64).apply_checked(clip))
    assert len(out) == rate
    fits = correlate(out, clip.samples.astype(np.float64), method="fft")
    assert int(fits.argmax()) - (len(out) - 1) == 0


def test_mp3_does_less_damage_the_higher_the_bitrate(music):
    kept = [
        decibels(music[1].samples, added_noise(MP3(kbps), music[1])) for kbps in (8, 24, 64, 160)
    ]
    assert kept == sorted(kept)
    assert kept[0] < 10
    assert kept[-1] > 20


def test_bitrates_beyond_the_codecs_limit_give_the_same_samples_as_the_limit(music):
    limit = MP3(160).apply_checked(music[1])
    for kbps in (192, 224, 256, 320):
        alias = MP3(kbps).apply_checked(music[1])
        assert alias.clip.samples.tobytes() == limit.clip.samples.tobytes()
        assert alias.checks["kbps"] == 160
    below = MP3(144).apply(music[1]).samples
    assert below.tobytes() != limit.clip.samples.tobytes()


def coded_kbps(asked, rate):
    """Return the bitrate of the stream that LAME makes of a second of noise, from its size."""
    encoder = lameenc.Encoder()
    encoder.set_bit_rate(asked)
    encoder.set_in_sample_rate(rate)
    encoder.set_out_sample_rate(rate)
    encoder.set_channels(1)
    encoder.silence()
    noise = 0.1 * np.random.default_rng(0).standard_normal(rate)
    stream = bytes(encoder.encode(pcm16(noise))) + bytes(encoder.flush())
    decoded, decoded_rate = soundfile.read(io.BytesIO(stream))
    assert decoded_rate == rate
    return len(stream) * 8 / (len(decoded) / rate) / 1000


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100])
def test_a_bitrate_stands_for_the_one_that_lame_really_uses(rate):
    for kbps in BITRATES:
        named = MP3(kbps).condition(rate).kbps
        assert coded_kbps(kbps, rate) == pytest.approx(named, rel=0.03), kbps


@pytest.mark.parametrize(
    "rate, aliases",
    [
        (8_000, {kbps: 64 for kbps in BITRATES if kbps > 64}),
        (22_050, dict.fromkeys((192, 224, 256, 320), 160)),
        (44_100, {8: 32, 16: 32, 24: 32, 144: 128}),  # as near as 160
    ],
)
def test_the_aliases_of_the_bitrates_are_those_of_the_standard(rate, aliases):
    found = {kbps: MP3(kbps).condition(rate) for kbps in BITRATES}
    assert found == {kbps: MP3(aliases.get(kbps, kbps)) for kbps in BITRATES}
    for condition in found.values():  # what stands for another stands for itself
        assert condition.condition(rate) == condition


def test_mp3_at_a_rate_that_it_does_not_exist_at_is_refused_with_those_it_does(music):
    odd = Clip("odd", music[0].samples, 22_051)
    with pytest.raises(TransformError, match=r"MP3 exists at 8,000.*48,000 Hz, not at 22,051 Hz"):
        MP3(64).apply(odd)
    with pytest.raises(TransformError, match=r"not at 96,000 Hz"):
        MP3(64).condition(96_000)


def ffmpeg_mp3(pcm, kbps):
    """Return 16-bit samples through FFmpeg's MP3, by its libraries inside PyAV."""
    av = pytest.importorskip("av")
    frame = av.AudioFrame.from_ndarray(pcm[None], format="s16", layout="mono")
    frame.sample_rate = RATE
    file = io.BytesIO()
    with av.open(file, "w", format="mp3") as output:
        options = {"rate": RATE, "layout": "mono", "bit_rate": kbps * 1000}
        stream = output.add_stream("libmp3lame", **options)
        for given in (frame, None):
            output.mux(stream.encode(given))
    file.seek(0)
    with av.open(file) as source:
        return np.concatenate([f.to_ndarray()[0] for f in source.decode(audio=0)])


@pytest.mark.parametrize("kbps", [8, 64, 160, 320])
def test_mp3_equals_that_of_ffmpeg(music, kbps):
    clip = music[1]
    theirs = ffmpeg_mp3(np.frombuffer(pcm16(clip.samples), "<i2"), kbps).astype(np.float64)
    ours = without_gain(MP3(kbps).apply_checked(clip))
    assert len(theirs) == len(ours)
    assert decibels(ours, theirs - ours) > 80


@pytest.mark.parametrize("lag", [-1152, -577, -3, 0, 1, 529, 1105, 1152])
def test_a_misalignment_of_the_codec_would_be_found(music, lag):
    samples = music[1].samples
    moved = np.zeros_like(samples)
    if lag >= 0:
        moved[lag:] = samples[: len(samples) - lag]
    else:
        moved[:lag] = samples[-lag:]
    assert lag_between(samples, moved) == lag


def test_where_a_codec_leaves_nothing_of_a_clip_no_lag_is_made_up():
    time = np.arange(4 * RATE) / RATE
    tone = Clip("whistle", (0.2 * np.sin(2 * np.pi * 10_000 * time)).astype(np.float32), RATE)
    assert np.isfinite(MP3(160).apply(tone, seed=0).samples).all()
    hum = tone.with_samples((0.2 * np.sin(2 * np.pi * 50 * time)).astype(np.float32))
    assert np.isfinite(Telephone(3).apply(hum, seed=0).samples).all()
    hiss = np.fft.rfft(np.random.default_rng(0).standard_normal(4 * RATE))
    high = np.where(np.fft.rfftfreq(4 * RATE, 1 / RATE) >= 6_000, hiss, 0.0)
    clip = Clip("hi-hat", (0.2 * np.fft.irfft(high)).astype(np.float32), RATE)
    with pytest.raises(TransformError, match="the output is silent"):
        MP3(16).apply(clip, seed=0)


@pytest.mark.parametrize("transform", [MP3(64), PitchShift(1), TempoShift(0.9)], ids=str)
@pytest.mark.parametrize("gain", [4.0, 16.0])
def test_how_loud_a_clip_is_costs_it_nothing(music, transform, gain):
    """Samples beyond full scale go through 16-bit steps as those of the same clip within it do."""
    level = np.abs(music[0].samples).max()
    within = music[0].with_samples(music[0].samples / level)
    beyond = within.with_samples(within.samples * np.float32(gain))
    expected, got = (transform.apply(clip).samples for clip in (within, beyond))
    assert np.abs(beyond.samples).max() > 1.0
    np.testing.assert_allclose(got / gain, expected, rtol=0, atol=1e-4)


def test_what_the_engine_clips_beyond_full_scale_is_counted():
    time = np.arange(RATE) / RATE
    # Two tones that meet at full scale at one time only exceed it where they are moved.
    both = 0.5 * (np.sin(2 * np.pi * 440 * time) + np.cos(2 * np.pi * 5512.5 * time))
    loud = Clip("loud", both / np.abs(both).max(), RATE)
    clipped = [PitchShift(n).apply_checked(loud).checks["clipped_samples"] for n in (1, 5, 12)]
    soft = loud.with_samples(loud.samples / 4)
    assert max(clipped) > 0
    assert PitchShift(12).apply_checked(soft).checks["clipped_samples"] == 0


def test_sixteen_bits_are_those_that_libsndfile_writes(tmp_path):
    samples = np.random.default_rng(0).uniform(-0.999, 0.999, 5000).astype(np.float32)
    pcm, scale = to_pcm16(samples)
    assert scale == 1.0
    assert pcm.tobytes() == pcm16(samples)
    # libsndfile rounds or floors by version and platform: one step is the most it may differ by.
    soundfile.write(tmp_path / "a.wav", samples, RATE, subtype="PCM_16")
    theirs, _ = soundfile.read(tmp_path / "a.wav", dtype="int16")
    assert np.abs(pcm.astype(int) - theirs).max() <= 1
    edges, scale = to_pcm16(np.array([1.0, -1.0, 0.0], np.float32))
    assert (edges.tolist(), scale) == ([32767, -32768, 0], 1.0)
    edges, scale = to_pcm16(np.array([0.75, 1.5, -1.5, 0.0], np.float32))
    assert (edges.tolist(), scale) == ([16384, 32767, -32768, 0], 1.5)


# Identity and chains


@pytest.mark.parametrize("transform", [*EACH, Identity(), Chain(MP3(64), PinkNoise(3))], ids=str)
def test_what_is_no_clip_is_not_transformed(music, transform):
    with pytest.raises(CorpusError, match=r"apply takes a Clip, such as .*, not ndarray"):
        transform.apply(music[0].samples)


def test_identity_returns_the_very_samples(music):
    out = Identity().apply_checked(music[0])
    assert out.clip.samples.tobytes() == music[0].samples.tobytes()
    assert (out.clip.id, out.clip.labels, out.clip.group) == (
        music[0].id,
        music[0].labels,
        music[0].group,
    )
    assert out.checks == {}


def test_a_transformed_clip_keeps_id_rate_labels_and_group(music):
    clip = Clip("x", music[0].samples, RATE, {"tag": "a"}, "track")
    for transform in EACH:
        out = transform.apply(clip)
        assert (out.id, out.sample_rate, out.labels, out.group) == (
            "x",
            RATE,
            {"tag": "a"},
            "track",
        )
        assert out.samples.dtype == np.float32


def test_a_chain_is_its_steps_one_after_the_other(music):
    steps = (TempoShift(1.2), PinkNoise(15), MP3(32))
    clip = music[2]
    for step in steps:
        clip = step.apply(clip, seed=4)
    chain = Chain(*steps).apply_checked(music[2], seed=4)
    assert chain.clip.samples.tobytes() == clip.samples.tobytes()
    backwards = Chain(*steps[::-1]).apply(music[2], seed=4)
    assert backwards.samples.tobytes() != clip.samples.tobytes()
    assert chain.checks["1.length"] == len(clip.samples)
    assert chain.checks["2.snr_db"] == pytest.approx(15, abs=0.01)
    assert chain.checks["3.kbps"] == 32


@pytest.mark.parametrize(
    "chain",
    [
        Chain(PinkNoise(12), PinkNoise(12)),
        Chain(Chain(PinkNoise(12), Identity()), PinkNoise(12)),
        Chain(PinkNoise(12), Chain(Identity(), PinkNoise(12))),
    ],
    ids=str,
)
def test_the_same_noise_twice_in_a_chain_is_two_noises(music, chain):
    # Independent noises add their powers: 3 dB less. The same noise twice would be 6 dB less.
    clip = music[1]
    out = chain.apply_checked(clip)
    gain = sum(value for name, value in out.checks.items() if name.endswith("loudness_gain_db"))
    noise = out.clip.samples.astype(np.float64) * 10 ** (-gain / 20) - clip.samples
    assert decibels(clip.samples, noise) == pytest.approx(12 - 3, abs=1)


@pytest.mark.parametrize(
    "chain, condition",
    [
        (Chain(Identity()), Identity()),
        (Chain(Identity(), PitchShift(0), TempoShift(1)), Identity()),
        (Chain(PitchShift(0), MP3(320)), MP3(160)),
        (Chain(PitchShift(1)), PitchShift(1)),
        (Chain(PitchShift(1), Identity(), MP3(256)), Chain(PitchShift(1), MP3(160))),
        (Chain(Chain(PitchShift(1)), MP3(64)), Chain(PitchShift(1), MP3(64))),
        (Chain(MP3(64), PitchShift(1)), Chain(MP3(64), PitchShift(1))),
    ],
    ids=str,
)
def test_a_chain_comes_down_to_the_steps_that_do_something(chain, condition):
    assert chain.condition(RATE) == condition


@pytest.mark.parametrize(
    "steps, message",
    [
        ((), "at least one"),
        ((PitchShift(1), "MP3(kbps=64)"), r"takes transformations, not 'MP3\(kbps=64\)'"),
        ((PitchShift,), "takes transformations, not .*PitchShift"),
        ((None,), "takes transformations, not None"),
    ],
)
def test_a_chain_of_what_is_no_transformation_is_refused(steps, message):
    with pytest.raises(MagnitudeError, match=message):
        Chain(*steps)


# Functions of one's own


def test_a_function_is_applied_and_its_loudness_restored(music):
    reverse = FunctionTransform("reversed", lambda samples, rate: samples[::-1], 1.0)
    out = without_gain(reverse.apply_checked(music[0]))
    np.testing.assert_allclose(out, music[0].samples[::-1], rtol=1e-5, atol=1e-7)


def test_a_function_sees_the_rate_and_may_change_length_and_its_own_input(music):
    seen = []

    def spoil(samples, rate):
        seen.append((samples.dtype, rate))
        samples[:] = samples[::-1].copy()
        return samples[: len(samples) // 2].astype(np.float64)

    before = music[0].samples.copy()
    out = as_transform(spoil).apply(music[0])
    assert seen == [(np.float32, RATE)]
    assert len(out.samples) == len(before) // 2
    np.testing.assert_array_equal(music[0].samples, before)


@pytest.mark.parametrize(
    "function, message",
    [
        (lambda samples, rate: 1 / 0, "raised ZeroDivisionError: division by zero"),
        (lambda samples: samples, "raised TypeError.*positional"),
        (lambda samples, rate: samples * np.nan, "NaN or infinite"),
        (lambda samples, rate: np.full(len(samples), np.inf), "NaN or infinite"),
        (lambda samples, rate: samples.astype(np.float64) * 1e300, "NaN or infinite"),
        (lambda samples, rate: samples[None], r"shape \(n,\), not float32\[1, 88200\]"),
        (lambda samples, rate: samples[:0], r"not float32\[0\]"),
        (lambda samples, rate: (samples * 32767).astype(int), r"not int64\[88200\]"),
        (lambda samples, rate: samples.astype(complex), r"not complex128\[88200\]"),
        (lambda samples, rate: None, "mono float array"),
        (lambda samples, rate: samples * 0, "silent"),
        (lambda samples, rate: samples[:10], r"10 samples of 88200, less than 0\.1 s"),
    ],
)
def test_a_function_that_returns_no_signal_is_refused_by_name_and_clip(music, function, message):
    with pytest.raises(TransformError, match=rf"^mine on clip '000_battle-theme': .*{message}"):
        FunctionTransform("mine", function).apply(music[0])


def test_a_function_is_kept_beyond_the_run_only_with_a_version():
    assert FunctionTransform("f", np.flip).recipe() is None
    recipes = [FunctionTransform("f", np.flip, version=v).recipe() for v in ("1", "2")]
    assert recipes[0] != recipes[1]
    assert Chain(PitchShift(1), FunctionTransform("f", np.flip)).recipe() is None


# Other libraries' transformations


@pytest.mark.parametrize(
    "obj", [3, None, "PitchShift(semitones=2)", PitchShift, np.zeros(3)], ids=repr
)
def test_what_is_no_transformation_is_refused_with_what_is(obj):
    with pytest.raises(TransformError, match=r"is no transformation: pass one of.*PitchShift"):
        as_transform(obj)


def test_a_transformation_is_passed_on_as_it_is():
    shift = PitchShift(1)
    assert as_transform(shift) is shift


@pytest.mark.parametrize(
    "option",
    [
        {"name": "mine"},
        {"magnitude": 2.0},
        {"unit": "dB"},
        {"restores_loudness": False},
        {"correct_latency": False},
    ],
    ids=str,
)
def test_a_transformation_takes_no_options(option):
    with pytest.raises(TransformError, match=r"PinkNoise\(.*\) is a transformation already"):
        as_transform(PinkNoise(20), **option)


def test_adapters_take_a_name_a_magnitude_and_a_unit():
    named = as_transform(np.flip, name="backwards", magnitude=2.5, unit="turns")
    assert (named.name, named.magnitude, named.unit) == ("backwards", 2.5, "turns")
    assert as_transform(np.flip).name == "flip"


@pytest.mark.skipif(not HAS_AUDIOMENTATIONS, reason="needs audiomentations")
class TestAudiomentations:
    def augmentations(self):
        import audiomentations

        return [
            audiomentations.AddGaussianNoise(p=1.0),
            audiomentations.OneOf(
                [
                    audiomentations.AddGaussianNoise(p=1.0),
                    audiomentations.LowPassFilter(p=1.0),
                    audiomentations.ClippingDistortion(p=1.0),
                ]
            ),
        ]

    def test_random_choices_are_those_of_the_clip_and_the_seed(self, music):
        for augmentation in self.augmentations():
            transform = as_transform(augmentation)
            first = transform.apply(music[0], seed=1).samples.tobytes()
            for global_seed in range(6):
                random.seed(global_seed)
                np.random.seed(global_seed)
                transform.apply(music[1], seed=1)
                assert transform.apply(music[0], seed=1).samples.tobytes() == first
            assert as_transform(augmentation).apply(music[0], seed=1).samples.tobytes() == first
            others = {transform.apply(music[0], seed=s).samples.tobytes() for s in range(2, 6)}
            assert others - {first}

    @pytest.mark.parametrize("p", [0.0, 0.5, 0.99])
    @pytest.mark.parametrize("composed", [False, True])
    def test_a_probability_below_one_is_refused(self, p, composed):
        import audiomentations

        noise = audiomentations.AddGaussianNoise(p=p)
        if composed:
            noise = audiomentations.Compose([audiomentations.OneOf([noise])])
        with pytest.raises(TransformError, match=rf"AddGaussianNoise\(p={p:g}\) leaves .*pass p=1"):
            as_transform(noise)

    def test_clips_get_noises_of_their_own(self, music):
        transform = as_transform(self.augmentations()[0])
        twin = Clip("twin", music[0].samples, RATE)
        assert not np.array_equal(transform.apply(music[0]).samples, transform.apply(twin).samples)

    def test_the_global_generators_are_left_as_they_were(self, music):
        random.seed(5)
        np.random.seed(5)
        before = rng_states()
        for augmentation in self.augmentations():
            as_transform(augmentation).apply(music[0])
        assert rng_states() == before

    def test_the_global_generators_are_left_as_they_were_after_an_error(self, music):
        import audiomentations

        def fail(samples, sample_rate):
            random.random()
            raise RuntimeError("no")

        failing = audiomentations.Lambda(transform=fail, p=1.0)
        before = rng_states()
        with pytest.raises(Exception, match="no"):
            as_transform(failing).apply(music[0])
        assert rng_states() == before

    def test_an_augmentation_that_fails_is_named_with_the_clip(self, music):
        import audiomentations

        def fail(samples, sample_rate):
            raise RuntimeError("no luck")

        failing = as_transform(audiomentations.Lambda(transform=fail, p=1.0), name="mine")
        with pytest.raises(TransformError, match=r"mine on clip '000_battle-theme'.*no luck"):
            failing.apply(music[0])

    def test_a_class_derived_from_theirs_is_seeded_as_theirs_are(self, music):
        from audiomentations.core.transforms_interface import BaseWaveformTransform

        class Hiss(BaseWaveformTransform):
            def apply(self, samples, sample_rate):
                noise = np.random.standard_normal(len(samples))
                return samples + 0.01 * noise.astype(np.float32)

        transform = as_transform(Hiss(p=1.0))
        outputs = {transform.apply(music[0]).samples.tobytes() for _ in range(2)}
        assert len(outputs) == 1

    def test_an_augmentation_does_what_it_does_outside(self, music):
        import audiomentations

        polarity = audiomentations.PolarityInversion(p=1.0)
        out = without_gain(as_transform(polarity).apply_checked(music[0]))
        np.testing.assert_allclose(out, -music[0].samples, rtol=1e-5, atol=1e-7)


class TestPedalboards:
    def boards(self):
        import pedalboard

        return {
            "board": pedalboard.Pedalboard([pedalboard.Delay(), pedalboard.Reverb()]),
            "effect": pedalboard.Chorus(),
        }

    @pytest.mark.parametrize("kind", ["board", "effect"])
    def test_an_effect_starts_afresh_at_every_clip(self, music, kind):
        transform = as_transform(self.boards()[kind])
        first = transform.apply(music[0]).samples.tobytes()
        transform.apply(music[1])
        assert transform.apply(music[0]).samples.tobytes() == first

    def test_an_effect_does_what_it_does_outside(self, music):
        import pedalboard

        effect = pedalboard.LowpassFilter(cutoff_frequency_hz=800)
        out = without_gain(as_transform(effect).apply_checked(music[0]))
        outside = pedalboard.LowpassFilter(cutoff_frequency_hz=800)(music[0].samples, RATE)
        np.testing.assert_allclose(out, outside, rtol=1e-5, atol=1e-6)

    def test_settings_are_part_of_the_recipe(self):
        import pedalboard

        recipes = [
            as_transform(pedalboard.LowpassFilter(cutoff_frequency_hz=f), name="low").recipe()
            for f in (500, 500, 800)
        ]
        assert recipes[0] == recipes[1] != recipes[2]
        json.dumps(recipes)

    def test_modes_qualities_and_impulse_responses_are_part_of_it(self, tmp_path):
        import pedalboard
        from pedalboard import LadderFilter, Resample

        responses = np.random.default_rng(0).standard_normal((2, 1, 500)).astype(np.float32)
        kinds = {
            "mode": [LadderFilter(m) for m in (LadderFilter.Mode.LPF12, LadderFilter.Mode.HPF12)],
            "quality": [Resample(8000, quality=q) for q in (Resample.Quality.Linear,
                                                            Resample.Quality.WindowedSinc)],
            "response": [pedalboard.Convolution(r, sample_rate=RATE) for r in responses],
        }  # fmt: skip
        for effects in kinds.values():
            recipes = [as_transform(effect).recipe() for effect in effects]
            assert None not in recipes
            assert recipes[0] != recipes[1]
            json.dumps(recipes)
        # What a file held when the effect was made cannot be told any more.
        soundfile.write(tmp_path / "room.wav", responses[0, 0], RATE)
        assert as_transform(pedalboard.Convolution(str(tmp_path / "room.wav"))).recipe() is None
        nested = [
            pedalboard.Pedalboard([pedalboard.Chain([pedalboard.Gain(gain)])]) for gain in (3, 4)
        ]
        recipes = [as_transform(board).recipe() for board in nested]
        assert None not in recipes
        assert recipes[0] != recipes[1]

    def test_the_caller_s_effect_and_clip_are_left_alone(self, music):
        before = music[0].samples.copy()
        board = self.boards()["board"]
        as_transform(board).apply(music[0])
        assert len(board) == 2
        np.testing.assert_array_equal(music[0].samples, before)


def test_adapted_transformations_are_conditions_like_any_other():
    import pedalboard

    adapted = [as_transform(pedalboard.Reverb()), as_transform(np.flip)]
    assert list(conditions([*adapted, *adapted], RATE)) == adapted


# Determinism

RANDOM = [PinkNoise(12), EnvironmentalNoise(12), Chain(PinkNoise(20), EnvironmentalNoise(20))]


@pytest.mark.parametrize("transform", EACH, ids=str)
def test_the_same_call_gives_the_same_samples_and_touches_no_global_generator(music, transform):
    random.seed(1)
    np.random.seed(1)
    before = rng_states()
    first = transform.apply(music[0], seed=3).samples.tobytes()
    assert rng_states() == before
    random.seed(2)
    np.random.seed(2)
    assert transform.apply(music[0], seed=3).samples.tobytes() == first


@pytest.mark.parametrize("transform", RANDOM, ids=str)
def test_seeds_clips_and_magnitudes_have_noises_of_their_own(music, transform):
    clip = music[0]
    twin = Clip("twin", clip.samples, RATE)
    outputs = [
        transform.apply(clip, seed=0),
        transform.apply(clip, seed=1),
        transform.apply(twin, seed=0),
    ]
    assert len({out.samples.tobytes() for out in outputs}) == 3


def test_magnitudes_have_noises_of_their_own(music):
    one, other = (added_noise(PinkNoise(snr), music[0]) for snr in (12, 15))
    assert abs(np.corrcoef(one, other)[0, 1]) < 0.6


@pytest.mark.parametrize(
    "transform", [t for t in EACH if not any(isinstance(t, type(r)) for r in RANDOM)], ids=str
)
def test_what_is_not_random_does_not_depend_on_the_seed(music, transform):
    outputs = {transform.apply(music[0], seed=s).samples.tobytes() for s in (0, 1)}
    assert len(outputs) == 1


def test_the_runs_seed_is_used_where_none_is_given(music):
    token = nnrel_settings.activate(dataclasses.replace(nnrel_settings.active(), seed=11))
    try:
        in_run = PinkNoise(12).apply(music[0]).samples
    finally:
        nnrel_settings.deactivate(token)
    np.testing.assert_array_equal(in_run, PinkNoise(12).apply(music[0], seed=11).samples)
    default = PinkNoise(12).apply(music[0]).samples
    np.testing.assert_array_equal(default, PinkNoise(12).apply(music[0], seed=0).samples)
    assert not np.array_equal(in_run, default)


def test_another_process_gives_the_same_samples(music):
    script = (
        "import hashlib\n"
        "from pytest_nnrel import Corpus\n"
        "from pytest_nnrel.transforms import parse_transform\n"
        "import sys\n"
        "clip = Corpus.bundled()[0]\n"
        "for text in sys.argv[1:]:\n"
        "    out = parse_transform(text).apply(clip, seed=2)\n"
        "    print(hashlib.sha256(out.samples.tobytes()).hexdigest())\n"
    )
    transforms = [PitchShift(2), TempoShift(0.9), PinkNoise(12), EnvironmentalNoise(12), MP3(32)]
    shown = subprocess.run(
        [sys.executable, "-c", script, *map(str, transforms)],
        env={**os.environ, "PYTHONHASHSEED": "77"},
        capture_output=True,
        text=True,
        check=True,
    )
    ours = [hashlib.sha256(t.apply(music[0], seed=2).samples.tobytes()) for t in transforms]
    assert shown.stdout.split() == [digest.hexdigest() for digest in ours]


def test_threads_give_the_same_samples_as_one_after_the_other(music):
    work = [(transform, clip) for transform in EACH for clip in music[:2]]

    def samples_of(job):
        transform, clip = job
        return transform.apply(clip).samples.tobytes()

    expected = [samples_of(job) for job in work]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(samples_of, work)) == expected


# Silence


@pytest.mark.parametrize(
    "transform",
    [
        PitchShift(2),
        PitchShift(2, engine="librosa"),
        TempoShift(1.5),
        TempoShift(1.5, engine="librosa"),
        MP3(64),
        Identity(),
        Chain(PitchShift(1), MP3(64)),
    ],
    ids=str,
)
def test_a_silent_clip_stays_silent(transform):
    out = transform.apply(Clip("silent", np.zeros(44_100), RATE))
    assert np.abs(out.samples).max() < 1e-3
    assert len(out.samples) == (29_400 if isinstance(transform, TempoShift) else 44_100)


@pytest.mark.parametrize("transform", [PinkNoise(12), EnvironmentalNoise(12)], ids=str)
def test_a_silent_clip_has_no_signal_to_noise_ratio(transform):
    with pytest.raises(
        TransformError, match=r"'silent': the clip is silent, so no signal-to-noise"
    ):
        transform.apply(Clip("silent", np.zeros(44_100), RATE))


@pytest.mark.parametrize("transform", [*EACH, Identity()], ids=str)
def test_a_clip_below_the_loudness_gate_is_left_at_its_level(transform):
    hiss = 1e-5 * np.random.default_rng(0).standard_normal(44_100)
    out = transform.apply(Clip("faint", hiss, RATE))
    assert np.isfinite(out.samples).all()
    assert np.abs(out.samples).max() < 1e-3


# Names, magnitudes and the ladder of severities


@pytest.mark.parametrize(
    "value", [math.nan, math.inf, -math.inf, True, "2", b"2", None, [1], {}, 1 + 2j, np.array([64])]
)
@pytest.mark.parametrize(
    "family, expected",
    [
        (PitchShift, r"PitchShift\(semitones=\.\.\.\) takes -24 to 24 semitones"),
        (TempoShift, r"TempoShift\(rate=\.\.\.\) takes 0\.25 to 4 rate"),
        (PinkNoise, r"PinkNoise\(snr_db=\.\.\.\) takes -30 to 59\.5 dB SNR"),
        (EnvironmentalNoise, r"EnvironmentalNoise\(snr_db=\.\.\.\) takes -30 to 59\.5 dB SNR"),
        (MP3, r"MP3\(kbps=\.\.\.\) takes a bitrate of MP3: 8, 16, 24.*320"),
    ],
)
def test_a_magnitude_that_is_no_number_is_refused_with_those_that_are(family, expected, value):
    with pytest.raises(MagnitudeError, match=rf"{expected}.*not {escaped(value)}"):
        family(value)


@pytest.mark.parametrize(
    "family, value",
    [
        *((PitchShift, value) for value in (-24.001, 24.001, 1e9, 10**400)),
        *((TempoShift, value) for value in (0, -1, 0.2499, 4.001, 10**400)),
        *((PinkNoise, value) for value in (-30.5, 60, 100)),
        *((EnvironmentalNoise, value) for value in (-30.5, 60, 100)),
        *((MP3, value) for value in (0, -64, 65, 63.9, 1000, 10**400)),
    ],
    ids=lambda value: str(value)[:8] if isinstance(value, int | float) else value.__name__,
)
def test_a_magnitude_out_of_bounds_is_refused_with_the_bounds(family, value):
    with pytest.raises(MagnitudeError, match=rf"{family.__name__}\(.*takes .*not "):
        family(value)


@pytest.mark.parametrize(
    "family, numpy_value, same",
    [
        (PitchShift, np.float32(0.25), 0.25),
        (PitchShift, np.int64(2), 2.0),
        (PitchShift, -0.0, 0.0),
        (TempoShift, np.float64(1.5), 1.5),
        (PinkNoise, np.int8(12), 12.0),
        (MP3, np.int64(64), 64),
        (MP3, 64.0, 64),
    ],
)
def test_numbers_of_any_type_make_the_same_transformation(family, numpy_value, same):
    made, expected = family(numpy_value), family(same)
    assert made == expected
    assert hash(made) == hash(expected)
    assert str(made) == str(expected)
    json.dumps(made.recipe())


def test_transformations_are_values_that_cannot_be_changed():
    shift = PitchShift(2)
    with pytest.raises(dataclasses.FrozenInstanceError):
        shift.semitones = 3
    assert shift == PitchShift(2.0)
    assert shift != PitchShift(2.5)
    assert shift != TempoShift(2)
    assert len({PinkNoise(12), EnvironmentalNoise(12), PinkNoise(12.0)}) == 2


#: Magnitude of a rung, in words of the definition: rung to magnitude, by family.
LADDERS = {
    PitchShift: (-480, 480, lambda rung: rung * 5 / 100),
    TempoShift: (-75, 300, lambda rung: (100 + rung) / 100),
    PinkNoise: (0, 180, lambda rung: 60 - rung / 2),
    EnvironmentalNoise: (0, 180, lambda rung: 60 - rung / 2),
    MP3: (0, 18, lambda rung: sorted(BITRATES, reverse=True)[rung - 1]),
}


@pytest.mark.parametrize("family", PAPER_FAMILIES)
def test_rungs_are_as_defined_and_go_up_with_the_damage(family):
    first, last, magnitude = LADDERS[family]
    assert family.severities() == range(first, last + 1)
    assert family.from_severity(0) == Identity()
    for direction in (-1, 1):
        distances = []
        for rung in range(direction, (first if direction < 0 else last) + direction, direction):
            transform = family.from_severity(rung)
            assert transform.severity == rung
            assert transform.magnitude == pytest.approx(magnitude(rung), abs=1e-9)
            assert family.bounds[0] <= transform.magnitude <= family.bounds[1]
            nearest = family.identity if math.isfinite(family.identity) else 1000.0
            distances.append(abs(transform.magnitude - nearest))
        assert all(nearer < further for nearer, further in pairwise(distances))


@given(st.data())
def test_every_rung_has_a_name_that_makes_it_again_and_a_plain_recipe(data):
    family = data.draw(st.sampled_from(PAPER_FAMILIES))
    rung = data.draw(st.integers(family.severities()[0], family.severities()[-1]))
    transform = family.from_severity(rung)
    assert parse_transform(transform.name) == transform
    assert json.loads(json.dumps(transform.recipe())) == transform.recipe()
    if rung:
        assert isinstance(transform, family)
        assert type(transform.severity) is float


@given(st.sampled_from(PAPER_FAMILIES), st.integers(-10_000, 10_000))
def test_a_rung_that_the_ladder_does_not_have_is_refused_with_its_ends(family, rung):
    rungs = family.severities()
    if rung in rungs:
        family.from_severity(rung)
        return
    with pytest.raises(
        MagnitudeError, match=rf"{family.__name__} has the severities {rungs[0]} to {rungs[-1]}"
    ):
        family.from_severity(rung)


@pytest.mark.parametrize("rung", [0.5, "1", None, math.nan])
def test_a_rung_that_is_no_integer_is_refused(rung):
    with pytest.raises(MagnitudeError, match=rf"not {escaped(rung)}"):
        PinkNoise.from_severity(rung)


@given(st.floats(-24, 24), st.floats(0.25, 4.0), st.floats(-30, 59.5))
def test_severity_goes_with_the_magnitude_between_the_rungs_too(semitones, rate, snr_db):
    assert PitchShift(semitones).severity == pytest.approx(semitones * 20, abs=1e-5)
    assert TempoShift(rate).severity == pytest.approx((rate - 1) * 100, abs=1e-5)
    assert PinkNoise(snr_db).severity == pytest.approx((60 - snr_db) * 2, abs=1e-5)


def test_only_identities_are_the_identity():
    assert PitchShift(0).condition(RATE) == TempoShift(1).condition(RATE) == Identity()
    for transform in (PitchShift(0.05), TempoShift(1.01), PinkNoise(59.5), MP3(64)):
        assert transform.condition(RATE) == transform


@pytest.mark.parametrize(
    "make", [lambda: Identity.from_severity(1), lambda: Chain.from_severity(1)]
)
def test_what_has_no_ladder_has_the_rung_0_only(make):
    with pytest.raises(MagnitudeError, match="severities 0 to 0, not 1"):
        make()


# Grids


def test_the_papers_grid_is_its_table_1():
    # Table 1 of the paper, written out.
    table = {
        PitchShift: [
            *(-12, -10, -8, -6, -4, -2, -1, -0.75, -0.5, -0.25),
            *(0.25, 0.5, 0.75, 1, 2, 4, 6, 8, 10, 12),
        ],
        TempoShift: [
            *(0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.92, 0.94, 0.96, 0.98),
            *(1.02, 1.04, 1.06, 1.08, 1.1, 1.2, 1.3, 1.4, 1.5),
        ],
        PinkNoise: [
            *(-15, -10, -6, -3, 3, 6, 9, 12, 15, 18, 21, 24, 27),
            *(27.5, 28, 28.5, 29, 29.5, 30),
        ],
        MP3: [8, 16, 24, 32, 40, 48, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320],
    }
    table[EnvironmentalNoise] = table[PinkNoise]
    found = {family: [] for family in table}
    for transform in paper_grid():
        found[type(transform)].append(transform.magnitude)
    assert found == table
    assert [len(table[family]) for family in PAPER_FAMILIES] == [20, 20, 19, 19, 16]
    assert len(paper_grid()) == len(set(paper_grid())) == 94


@pytest.mark.parametrize("rate, count", [(22_050, 90), (44_100, 91), (48_000, 91), (8_000, 85)])
def test_the_papers_magnitudes_come_down_to_fewer_conditions(rate, count):
    merged = conditions(paper_grid(), rate)
    assert len(merged) == count
    members = [transform for group in merged.values() for transform in group]
    assert sorted(members, key=str) == sorted(paper_grid(), key=str)
    for condition, group in merged.items():
        assert {transform.condition(rate) for transform in group} == {condition}


def test_the_merged_magnitudes_are_listed_under_their_condition():
    merged = conditions(paper_grid(), RATE)
    assert merged[MP3(160)] == [MP3(kbps) for kbps in (160, 192, 224, 256, 320)]
    assert Counter(map(len, merged.values())) == {1: 89, 5: 1}


def test_the_imperceptible_grid_is_the_papers_smallest():
    assert set(imperceptible()) == {
        *(PitchShift(-0.25), PitchShift(0.25), TempoShift(0.98), TempoShift(1.02)),
        *(PinkNoise(30), EnvironmentalNoise(30), MP3(192)),
    }
    assert set(imperceptible()) <= set(paper_grid())


def test_the_quick_grid_is_as_documented():
    assert set(quick_grid()) == {
        *(PitchShift(-0.25), PitchShift(0.25), PitchShift(2)),
        *(TempoShift(0.98), TempoShift(0.7), TempoShift(1.5)),
        *(PinkNoise(30), PinkNoise(12), EnvironmentalNoise(12), MP3(64), MP3(16)),
    }
    assert len(quick_grid()) == len(conditions(quick_grid(), RATE)) == 11


def test_grids_go_by_name():
    assert grid("paper") == paper_grid()
    assert grid("quick") == quick_grid()
    assert grid("imperceptible") == imperceptible()
    with pytest.raises(
        SettingError, match=r"one of quick, imperceptible, paper, field or .*not 'huge'"
    ):
        grid("huge")


# Texts

CHAINS = [
    Chain(PitchShift(1)),
    Chain(PitchShift(-0.25, engine="librosa"), PinkNoise(12), MP3(64)),
    Chain(Chain(TempoShift(0.9), Identity()), EnvironmentalNoise(6, 'my bar\'s "sound".wav')),
]


@pytest.mark.parametrize("transform", [*paper_grid(), *CHAINS, Identity()], ids=str)
def test_a_name_makes_the_transformation_again(transform):
    assert parse_transform(str(transform)) == transform
    assert str(parse_transform(f"  {transform}\n")) == str(transform)


def test_names_are_short_and_full():
    assert str(PitchShift(2)) == "PitchShift(semitones=2)"
    assert str(TempoShift(0.98)) == "TempoShift(rate=0.98)"
    assert str(MP3(64)) == "MP3(kbps=64)"
    assert str(EnvironmentalNoise(-3)) == "EnvironmentalNoise(snr_db=-3)"
    assert str(PitchShift(2, engine="librosa")) == "PitchShift(semitones=2, engine='librosa')"


def test_arguments_may_be_positional_in_a_text():
    assert parse_transform("PitchShift(2)") == PitchShift(2)
    assert parse_transform("Chain(MP3(64), TempoShift(1.1, 'librosa'))") == Chain(
        MP3(64), TempoShift(1.1, engine="librosa")
    )


@pytest.mark.parametrize(
    "text, message",
    [
        *(
            (text, r"is no transformation: expected a call such as PitchShift\(semitones=2\), of ")
            for text in (
                "",
                "PitchShift",
                "PitchShift(",
                "PitchShift(2)(3)",
                "Sparkle(1)",
                "PitchShift(semitones=x)",
                "PitchShift(pitch=1)",
                "PitchShift(1, 'librosa', 3)",
                "PitchShift(1) + MP3(64)",
                "__import__('os').system('true')",
                "PitchShift(__import__('os').getpid())",
                "Chain(1)",
                "Chain('PitchShift(1)')",
                "Chain(PitchShift(1), seed=3)",
                "Identity(1)",
                "PitchShift(1); MP3(64)",
                "\0",
                None,
                b"PitchShift(1)",
            )
        ),
        ("PitchShift(semitones=99)", "takes -24 to 24 semitones, not 99"),
        ("PitchShift(semitones='2')", "takes -24 to 24 semitones, not '2'"),
        ("MP3(kbps=65)", "takes a bitrate of MP3"),
        ("Chain()", "at least one"),
        ("Chain(PitchShift(1), MP3(65))", "takes a bitrate of MP3"),
        ("TempoShift(1.1, engine='sox')", "engine must be one of"),
        ("PinkNoise(1e999)", "not inf"),
    ],
)
def test_a_text_that_makes_no_transformation_is_refused_with_what_would(text, message):
    with pytest.raises(MagnitudeError, match=message):
        parse_transform(text)


def test_a_refused_text_is_shown():
    with pytest.raises(MagnitudeError, match=r"'Sparkle\(1\)' is no transformation"):
        parse_transform("Sparkle(1)")


@given(st.text(alphabet="PitchShfemoCna(),=0123456789.'-[]{} ", max_size=40))
def test_any_text_makes_a_transformation_or_is_refused_by_an_error_of_the_package(text):
    try:
        parsed = parse_transform(text)
    except NNRelError:
        return
    assert parse_transform(parsed.name) == parsed


# Imports


def test_importing_the_transformations_loads_no_numpy():
    script = (
        "import sys, pytest_nnrel.transforms as t\n"
        "t.paper_grid(), t.quick_grid(), t.parse_transform('Chain(PitchShift(1), MP3(64))')\n"
        "t.conditions(t.paper_grid(), 22050)\n"
        "heavy = ('numpy', 'scipy', 'soundfile', 'librosa', 'pedalboard', 'lameenc')\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    shown = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert shown.stdout.strip() == "[]"


def test_noises_of_one_name_in_a_chain_are_several(music):
    """Whether they are one object or two, which are not equal: their recipes are."""
    audiomentations = pytest.importorskip("audiomentations")

    def hiss():
        return as_transform(
            audiomentations.AddGaussianNoise(min_amplitude=0.3, max_amplitude=0.3, p=1.0)
        )

    one, other = hiss(), hiss()
    twice = Chain(one, one).apply(music[1], seed=3).samples
    assert np.array_equal(twice, Chain(one, other).apply(music[1], seed=3).samples)
    assert not np.array_equal(twice, Chain(one).apply(music[1], seed=3).samples)


def test_seeds_of_numpys_are_seeds(music):
    expected = PinkNoise(12).apply(music[1], seed=3).samples
    assert np.array_equal(PinkNoise(12).apply(music[1], seed=np.int64(3)).samples, expected)

"""Decoding, resampling, cropping and loudness, against independent measurements."""

from __future__ import annotations

import math
import re

import lameenc
import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_nnrel import Corpus
from pytest_nnrel.corpus import audio, decoding
from pytest_nnrel.errors import CorpusError

#: libsndfile's Vorbis encoder needs its input in blocks.
BLOCK = 4096


def write(path, channels, rate, **format_options):
    """Write float[n] or float[n, channels] in blocks."""
    frames = np.atleast_2d(channels.T).T
    with soundfile.SoundFile(path, "w", rate, frames.shape[1], **format_options) as file:
        for start in range(0, len(frames), BLOCK):
            file.write(frames[start : start + BLOCK])
    return path


def tones(rate, channels, seconds=1.0):
    """Return a different pair of tones in each channel, float64[n, channels], all below 2 kHz."""
    time = np.arange(round(seconds * rate)) / rate
    return np.stack(
        [
            0.3 * np.sin(2 * np.pi * (220 + 130 * c) * time)
            + 0.2 * np.sin(2 * np.pi * (900 + 170 * c) * time)
            for c in range(channels)
        ],
        axis=1,
    )


def sine(frequency, rate, seconds=5.0, amplitude=1.0):
    time = np.arange(round(seconds * rate)) / rate
    return (amplitude * np.sin(2 * np.pi * frequency * time)).astype(np.float32)


def error_db(reference, measured):
    reference = np.asarray(reference, dtype=np.float64)
    difference = np.asarray(measured, dtype=np.float64) - reference
    return 10 * math.log10(np.mean(difference**2) / np.mean(reference**2))


@pytest.fixture(scope="module")
def clips():
    return list(Corpus.bundled().subset(6))


LOSSLESS = {
    "16-bit WAV": ("a.wav", {"subtype": "PCM_16"}, 1 / 32768),
    "float WAV": ("a.wav", {"subtype": "FLOAT"}, 1e-7),
    "FLAC": ("a.flac", {"subtype": "PCM_16"}, 1 / 32768),
    "AIFF": ("a.aiff", {"subtype": "PCM_16"}, 1 / 32768),
    "24-bit AIF": ("a.aif", {"format": "AIFF", "subtype": "PCM_24"}, 1 / 2**23),
}
LOSSY = {
    "Vorbis": ("a.ogg", {"format": "OGG", "subtype": "VORBIS"}, (8000, 22050, 44100, 96000)),
    "Vorbis named .oga": ("a.oga", {"format": "OGG", "subtype": "VORBIS"}, (22050,)),
    "MP3": ("a.mp3", {"format": "MP3"}, (8000, 22050, 44100, 48000)),
    "Opus": ("a.opus", {"format": "OGG", "subtype": "OPUS"}, (8000, 16000, 48000)),
}


@pytest.mark.parametrize("rate", [8000, 22050, 44100, 96000])
@pytest.mark.parametrize("channels", [1, 2, 6], ids=["mono", "stereo", "5.1"])
@pytest.mark.parametrize("name", LOSSLESS)
def test_lossless_files_decode_to_the_mean_of_their_channels(tmp_path, name, channels, rate):
    file_name, options, step = LOSSLESS[name]
    written = tones(rate, channels)
    path = write(tmp_path / file_name, written, rate, **options)
    samples, own_rate = decoding.decode(path)
    assert own_rate == rate
    assert decoding.probe(path) == (len(written), rate)
    assert samples.dtype == np.float32
    assert samples.flags.c_contiguous
    np.testing.assert_allclose(samples, written.mean(axis=1), rtol=0, atol=step)


@pytest.mark.parametrize(
    "name, rate", [(name, rate) for name, (_, _, rates) in LOSSY.items() for rate in rates]
)
@pytest.mark.parametrize("channels", [1, 2], ids=["mono", "stereo"])
def test_lossy_files_decode_aligned_and_close_to_the_mean_of_their_channels(
    tmp_path, name, rate, channels
):
    file_name, options, _ = LOSSY[name]
    written = tones(rate, channels, seconds=2.0)
    path = write(tmp_path / file_name, written, rate, **options)
    samples, own_rate = decoding.decode(path)
    assert (len(samples), own_rate) == (len(written), rate)
    middle = slice(rate // 2, -rate // 2)
    expected = written.mean(axis=1)
    assert error_db(expected[middle], samples[middle]) < -20
    lags = range(-10, 11)
    fits = [float(expected[middle] @ np.roll(samples, -lag)[middle]) for lag in lags]
    assert lags[int(np.argmax(fits))] == 0


@pytest.mark.parametrize("channels", [1, 2, 6])
def test_a_vorbis_file_of_any_channel_count_decodes_to_mono(tmp_path, channels):
    # One of the six is a low-frequency channel, which Vorbis cuts off at 120 Hz or so.
    time = np.arange(44100) / 44100
    written = np.stack([0.5 * np.sin(2 * np.pi * (50 + 10 * c) * time) for c in range(channels)], 1)
    options = {"format": "OGG", "subtype": "VORBIS"}
    samples, _ = decoding.decode(write(tmp_path / "a.ogg", written, 44100, **options))
    # A channel left out, or counted twice, would leave -8 dB.
    assert error_db(written.mean(axis=1), samples) < -15


def test_opposite_channels_cancel_and_loud_ones_exceed_full_scale_unclipped(tmp_path):
    loud = 1.5 * sine(440, 22050, seconds=0.5)
    options = {"subtype": "FLOAT"}
    opposite = write(tmp_path / "o.wav", np.stack([loud, -loud], axis=1), 22050, **options)
    alike = write(tmp_path / "a.wav", np.stack([loud, loud], axis=1), 22050, **options)
    assert np.abs(decoding.decode(opposite)[0]).max() == 0
    np.testing.assert_array_equal(decoding.decode(alike)[0], loud)


@pytest.mark.parametrize(
    "file_name, options",
    [
        ("a.wav", {"subtype": "PCM_16"}),
        ("a.flac", {"subtype": "PCM_16"}),
        ("a.ogg", {"format": "OGG", "subtype": "VORBIS"}),
        ("a.mp3", {"format": "MP3"}),
        ("a.opus", {"format": "OGG", "subtype": "OPUS"}),
        ("a.aiff", {"subtype": "PCM_16"}),
    ],
)
def test_a_stretch_of_a_file_is_that_stretch_of_the_whole_file(tmp_path, clips, file_name, options):
    rate = 24000 if file_name.endswith("opus") else 22050
    music = np.concatenate([clip.samples for clip in clips[:3]])
    path = write(tmp_path / file_name, music, rate, **options)
    whole, _ = decoding.decode(path)
    for start, frames in ((1, 5000), (100_000, 44_100), (len(music) - 10_001, 10_001)):
        stretch, _ = decoding.decode(path, start=start, frames=frames)
        np.testing.assert_allclose(stretch, whole[start : start + frames], rtol=0, atol=1e-6)
    tail, _ = decoding.decode(path, start=200_000)
    np.testing.assert_allclose(tail, whole[200_000:], rtol=0, atol=1e-6)


def _text(path):
    path.write_text("not audio, in spite of the name\n" * 50)


def _empty(path):
    path.write_bytes(b"")


def _header_only(path):
    soundfile.write(path, np.zeros(0), 22050, subtype="PCM_16")


def _folder(path):
    path.mkdir()


def _nothing(path):
    pass


@pytest.mark.parametrize(
    "function, make, message",
    [
        (decoding.probe, _nothing, "bad.wav does not exist"),
        (decoding.probe, _text, "bad.wav cannot be read as audio"),
        (decoding.probe, _empty, "bad.wav cannot be read as audio|bad.wav holds no samples"),
        (decoding.probe, _header_only, "bad.wav holds no samples"),
        (decoding.probe, _folder, "bad.wav is a folder; name the files in it"),
        (decoding.decode, _nothing, "bad.wav does not exist"),
        (decoding.decode, _text, "bad.wav cannot be read as audio"),
        (decoding.decode, _empty, "bad.wav cannot be read as audio"),
        (decoding.decode, _folder, "bad.wav is a folder; name the files in it"),
    ],
)
def test_what_is_no_audio_file_is_refused_by_name(tmp_path, function, make, message):
    path = tmp_path / "bad.wav"
    make(path)
    with pytest.raises(CorpusError, match=message):
        function(path)


@pytest.mark.parametrize(
    "file_name, options",
    [("cut.flac", {"subtype": "PCM_16"}), ("cut.mp3", {"format": "MP3"})],
)
def test_a_file_cut_off_in_the_middle_is_refused_by_name(tmp_path, clips, file_name, options):
    path = write(tmp_path / file_name, clips[0].samples, 22050, **options)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(CorpusError, match=rf"{re.escape(file_name)} (is truncated|cannot be)"):
        decoding.decode(path)


def test_an_mp3_whose_length_is_only_estimated_is_decoded_to_its_end(tmp_path):
    """Without a Xing header libsndfile takes the length from the size, a little too long."""
    encoder = lameenc.Encoder()
    encoder.silence()
    encoder.set_in_sample_rate(44_100)
    encoder.set_channels(1)
    encoder.set_bit_rate(64)
    signal = (tones(44_100, 1, seconds=20)[:, 0] * 32_767).astype(np.int16)
    path = tmp_path / "no header.mp3"
    path.write_bytes(encoder.encode(signal.tobytes()) + encoder.flush())
    with soundfile.SoundFile(path) as file:
        assert file.frames > len(file.read())
    samples, rate = decoding.decode(path)
    assert rate == 44_100
    assert len(samples) >= len(signal)


def test_a_wav_file_cut_off_in_the_middle_never_gives_samples_that_it_does_not_hold(
    tmp_path, clips
):
    path = write(tmp_path / "cut.wav", clips[0].samples, 22050, subtype="FLOAT")
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    samples, _ = decoding.decode(path)
    assert 0 < len(samples) < len(clips[0].samples)
    np.testing.assert_array_equal(samples, clips[0].samples[: len(samples)])


def test_a_stretch_beyond_the_end_is_refused_with_both_lengths(tmp_path):
    path = write(tmp_path / "short.wav", tones(22050, 1), 22050, subtype="PCM_16")
    with pytest.raises(CorpusError, match=r"short.wav is truncated: 50 of 1000 samples"):
        decoding.decode(path, start=22_000, frames=1000)
    with pytest.raises(CorpusError, match=r"short.wav cannot be decoded"):
        decoding.decode(path, start=30_000, frames=1000)


@settings(max_examples=60)
@given(
    st.integers(1, 30_000),
    st.sampled_from([8000, 16_000, 22_050, 44_100, 48_000, 96_000]),
    st.sampled_from([16_000, 22_050, 32_000, 48_000]),
)
def test_resampling_keeps_the_duration_to_within_half_a_sample(length, from_rate, to_rate):
    out = audio.resample(np.zeros(length, np.float32), from_rate, to_rate)
    assert out.dtype == np.float32
    assert abs(len(out) - length * to_rate / from_rate) <= 0.5 + 1e-9


@pytest.mark.parametrize("from_rate, to_rate", [(44100, 22050), (48000, 22050), (22050, 48000)])
def test_resampling_keeps_a_tone_where_it_is(from_rate, to_rate):
    out = audio.resample(sine(1000, from_rate, seconds=1.0), from_rate, to_rate)
    middle = slice(to_rate // 10, -to_rate // 10)
    assert error_db(sine(1000, to_rate, seconds=1.0)[middle], out[middle]) < -80


def test_resampling_removes_what_the_lower_rate_cannot_hold():
    out = audio.resample(sine(15_000, 44_100, seconds=1.0), 44_100, 22_050)
    assert audio.rms(out[2000:-2000]) < 1e-4


def test_resampling_to_the_same_rate_returns_the_same_array():
    samples = sine(440, 22050, seconds=0.1)
    assert audio.resample(samples, 22050, 22050) is samples


@pytest.mark.parametrize(
    "length, wanted, expected",
    [
        (6, 4, [2, 3, 4, 5]),
        (7, 4, [2, 3, 4, 5]),
        (6, 3, [2, 3, 4]),
        (7, 3, [3, 4, 5]),
        (3, 3, [1, 2, 3]),
        (4, 6, [0, 1, 2, 3, 4, 0]),
        (3, 6, [0, 1, 2, 3, 0, 0]),
        (4, 7, [0, 1, 2, 3, 4, 0, 0]),
        (3, 7, [0, 0, 1, 2, 3, 0, 0]),
    ],
)
def test_the_centre_is_cut_or_padded_in_every_parity(length, wanted, expected):
    samples = np.arange(1, length + 1, dtype=np.float32)
    assert audio.centre(samples, wanted).tolist() == expected


@given(st.integers(1, 40), st.integers(0, 40))
def test_padding_and_then_cutting_gives_the_signal_back(length, more):
    samples = np.arange(1, length + 1, dtype=np.float32)
    padded = audio.centre(samples, length + more)
    held = np.flatnonzero(padded)
    assert abs(held[0] - (len(padded) - 1 - held[-1])) <= 1
    np.testing.assert_array_equal(audio.centre(padded, length), samples)


@pytest.mark.parametrize("wanted", [3, 5, 8])
def test_the_centre_is_a_copy_of_its_own(wanted):
    samples = np.ones(5, np.float32)
    audio.centre(samples, wanted)[:] = 7
    np.testing.assert_array_equal(samples, np.ones(5))


def test_rms_is_the_plain_formula_in_double_precision():
    samples = (np.random.default_rng(5).standard_normal(100_000) * 3e-4).astype(np.float32)
    expected = math.sqrt(math.fsum(float(s) ** 2 for s in samples) / len(samples))
    assert audio.rms(samples) == pytest.approx(expected, rel=1e-12)
    assert audio.rms(sine(100, 22050, seconds=1.0)) == pytest.approx(1 / math.sqrt(2), rel=1e-6)


# BS.1770-4, Annex 1: a 997-Hz sine of 0 dB FS in one front channel measures -3.01 LKFS.
@pytest.mark.parametrize(
    "rate, tolerance", [(48_000, 0.005), (44_100, 0.02), (22_050, 0.05), (16_000, 0.05)]
)
def test_a_full_scale_sine_measures_as_bs1770_says(rate, tolerance):
    assert audio.loudness(sine(997, rate), rate) == pytest.approx(-3.01, abs=tolerance)


# EBU Tech 3341, test cases 1 and 2, in one channel instead of two: 3.01 LU less.
@pytest.mark.parametrize("level", [-23.0, -33.0])
def test_the_ebu_test_signals_measure_as_specified(level):
    signal = sine(1000, 48_000, seconds=20.0, amplitude=10 ** (level / 20))
    assert audio.loudness(signal, 48_000) == pytest.approx(level - 3.01, abs=0.1)


# EBU Tech 3341, test case 3: the quiet ends fall under the relative gate.
def test_quiet_passages_are_gated_out():
    parts = [
        sine(1000, 48_000, seconds, 10 ** (level / 20))
        for level, seconds in ((-36.0, 10), (-23.0, 60), (-36.0, 10))
    ]
    assert audio.loudness(np.concatenate(parts), 48_000) == pytest.approx(-26.01, abs=0.1)


@pytest.mark.parametrize("rate", [22_050, 48_000])
def test_low_tones_are_weighted_down_and_high_tones_up(rate):
    # The K weighting of BS.1770-4, figures 2 and 4: about -1.2 dB at 100 Hz, +4 dB at 5 kHz,
    # both against 0.7 dB at 997 Hz, which the constant of -0.691 takes out.
    middle = audio.loudness(sine(997, rate), rate)
    assert audio.loudness(sine(100, rate), rate) - middle == pytest.approx(-1.8, abs=0.15)
    assert audio.loudness(sine(5000, rate), rate) - middle == pytest.approx(3.35, abs=0.15)


@settings(max_examples=25)
@given(st.integers(0, 5), st.floats(-25.0, 25.0))
def test_a_gain_moves_the_loudness_by_as_many_units(clips, index, gain_db):
    clip = clips[index]
    before = audio.loudness(clip.samples, clip.sample_rate)
    louder = clip.samples.astype(np.float64) * 10 ** (gain_db / 20)
    after = audio.loudness(louder.astype(np.float32), clip.sample_rate)
    assert after - before == pytest.approx(gain_db, abs=1e-3)


def test_silence_has_the_loudness_of_minus_infinity():
    rate = 22_050
    hiss = (1e-5 * np.random.default_rng(0).standard_normal(rate)).astype(np.float32)
    assert audio.loudness(np.zeros(rate, np.float32), rate) == -math.inf
    assert audio.loudness(hiss, rate) == -math.inf  # -100 dB, under the absolute gate
    assert audio.loudness(1000 * hiss, rate) > -50
    assert audio.loudness(np.zeros(0, np.float32), rate) == -math.inf


@pytest.mark.parametrize("seconds", [0.1, 0.2, 0.399, 0.4, 0.401])
def test_signals_around_the_gating_block_measure_like_longer_ones(seconds):
    signal = sine(997, 22_050, seconds=seconds)
    assert audio.loudness(signal, 22_050) == pytest.approx(-3.0, abs=0.15)


@pytest.mark.parametrize("length", [1, 2, 7, 100])
def test_a_handful_of_samples_has_a_defined_loudness(length):
    assert not math.isnan(audio.loudness(np.full(length, 0.5, np.float32), 22_050))


def ebur128(samples, rate):
    """Return the loudness in LUFS that FFmpeg's filter measures, by its libraries inside PyAV."""
    av = pytest.importorskip("av")
    if not hasattr(av.AudioFrame, "metadata"):
        pytest.skip("PyAV up to 17.0 does not hand on what filters measure")
    graph = av.filter.Graph()
    source = graph.add_abuffer(sample_rate=rate, format="flt", layout="mono")
    graph.link_nodes(source, graph.add("ebur128", "metadata=1"), graph.add("abuffersink"))
    graph.configure()
    frame = av.AudioFrame.from_ndarray(samples[None], format="flt", layout="mono")
    frame.sample_rate = rate
    graph.push(frame)
    graph.push(None)
    while True:
        try:
            measured = graph.pull().metadata["lavfi.r128.I"]  # of all until here
        except av.EOFError:
            return float(measured)


@pytest.mark.parametrize("rate", [22_050, 48_000])
def test_loudness_agrees_with_ffmpeg_on_recorded_music(clips, rate):
    for clip in clips:
        samples = audio.resample(clip.samples, clip.sample_rate, rate)
        assert audio.loudness(samples, rate) == pytest.approx(ebur128(samples, rate), abs=0.01)

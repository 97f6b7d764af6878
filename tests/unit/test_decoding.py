"""Formats, lengths that headers do not know or lie about, and files that change."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import av
import lameenc
import numpy as np
import pytest
import soundfile

from pytest_nnrel import MP3, Corpus, MFCCEncoder, PinkNoise, within_consistency
from pytest_nnrel.corpus import audio, decoding
from pytest_nnrel.errors import CorpusError, CorpusWarning

RATE = 44_100
SCRIPTS = Path(__file__).parents[2] / "scripts"


def hiss(seed, seconds=5.0, rate=RATE, level=0.1):
    noise = np.random.default_rng(seed).standard_normal(round(seconds * rate))
    return (level * noise).astype(np.float32)


def written_by_ffmpeg(
    path, samples, codec, *, rate=RATE, container=None, bit_rate=128_000, **options
):
    """Write float32[n] or float32[n, channels] by FFmpeg's libraries."""
    channels = samples.reshape(len(samples), -1).T
    layout = "mono" if len(channels) == 1 else "stereo"
    with av.open(path, "w", options=container or {}) as file:
        stream = file.add_stream(codec, rate=rate, layout=layout, options=options)
        stream.bit_rate = bit_rate
        format_ = stream.codec_context.codec.audio_formats[0].name
        resampler = av.AudioResampler(format_, layout, rate)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(channels), "fltp", layout)
        frame.sample_rate, frame.pts = rate, 0
        for part in resampler.resample(frame):
            for packet in stream.encode(part):
                file.mux(packet)
        for packet in stream.encode(None):
            file.mux(packet)
    return path


# ---------------------------------------------------------------------------------------------
# Formats of the extra

FORMATS = {
    "a.m4a": "aac",
    "a.mp4": "alac",
    "a.wma": "wmav2",
    "a.webm": "libopus",
    "a.mka": "flac",
    "a.wv": "wavpack",
    "a.ac3": "ac3",
}


@pytest.mark.parametrize("name", FORMATS)
def test_formats_of_the_extra_decode_to_the_mean_of_their_channels(tmp_path, name):
    rate = 48_000 if FORMATS[name] == "libopus" else RATE
    left = np.sin(2 * np.pi * 440 * np.arange(3 * rate) / rate).astype(np.float32) / 4
    right = np.sin(2 * np.pi * 1000 * np.arange(3 * rate) / rate).astype(np.float32) / 8
    path = written_by_ffmpeg(
        tmp_path / name, np.stack([left, right], axis=1), FORMATS[name], rate=rate
    )
    frames, told = decoding.probe(path)
    samples, _ = decoding.decode(path)
    assert (told, len(samples)) == (rate, frames)
    assert frames == pytest.approx(3 * rate, abs=4096)
    spectrum = np.abs(np.fft.rfft(samples[rate : 2 * rate])) / (rate / 2)
    assert spectrum[440] == pytest.approx(1 / 8, rel=0.02)
    assert spectrum[1000] == pytest.approx(1 / 16, rel=0.02)


@pytest.mark.parametrize("name", ["a.m4a", "a.wma"])
def test_a_stretch_in_a_format_of_the_extra_is_that_stretch_of_the_whole(tmp_path, name):
    path = written_by_ffmpeg(tmp_path / name, hiss(0), FORMATS[name])
    whole, _ = decoding.decode(path)
    for start, frames in ((0, 1000), (70_001, 50_000), (200_000, 12_345)):
        stretch, _ = decoding.decode(path, start=start, frames=frames)
        np.testing.assert_array_equal(stretch, whole[start : start + frames])
    with pytest.raises(CorpusError, match=r"is truncated: \d+ of 50000 samples"):
        decoding.decode(path, start=len(whole) - 10, frames=50_000)


def test_a_film_without_sound_and_a_damaged_one_are_refused_by_name(tmp_path):
    silent = tmp_path / "silent.mkv"
    with av.open(silent, "w") as file:
        stream = file.add_stream("mpeg4", rate=25)
        stream.width = stream.height = 16
        stream.pix_fmt = "yuv420p"
        for packet in [*stream.encode(av.VideoFrame(16, 16, "yuv420p")), *stream.encode(None)]:
            file.mux(packet)
    with pytest.raises(CorpusError, match=r"silent\.mkv cannot be decoded \(no sound track\)"):
        decoding.probe(silent)
    (tmp_path / "text.m4a").write_text("no audio\n" * 100)
    with pytest.raises(CorpusError, match=r"text\.m4a cannot be decoded"):
        decoding.probe(tmp_path / "text.m4a")


@pytest.mark.parametrize("ending", ["wave", "w64", "rf64", "aifc", "au", "snd", "caf", "bwf"])
def test_every_ending_that_libsndfile_reads_is_looked_for(tmp_path, ending):
    kind = {"wave": "WAV", "bwf": "WAV", "aifc": "AIFF", "snd": "AU"}.get(ending, ending.upper())
    for i in range(2):
        soundfile.write(tmp_path / f"{i}.{ending}", hiss(i), RATE, format=kind)
    assert len(Corpus.from_directory(tmp_path)) == 2


NO_AV = """
import sys, warnings
sys.modules["av"] = None  # as where the extra is not installed
from pytest_nnrel import Corpus
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    corpus = Corpus.from_directory(sys.argv[1])
print(list(corpus.ids), corpus.passed_over)
print(*(w.message for w in caught))
try:
    Corpus.from_files([sys.argv[1] + "/2.m4a"])
except ValueError as error:
    print(error)
"""


def test_what_the_extra_would_read_is_counted_in_one_warning_that_names_it(tmp_path):
    for i in range(2):
        soundfile.write(tmp_path / f"{i}.wav", hiss(i), RATE)
    for name in ("2.m4a", "3.m4a", "4.webm"):
        (tmp_path / name).write_bytes(b"")
    done = subprocess.run(
        [sys.executable, "-c", NO_AV, tmp_path], capture_output=True, text=True, check=True
    )
    found, warned, *_ = done.stdout.splitlines()
    assert found == "['0.wav', '1.wav'] {'needs the extra formats': 3}"
    assert '2 .m4a, 1 .webm (pip install "pytest-nnrel[formats]" reads them)' in warned
    assert re.search(r'2\.m4a is of a format .*pip install "pytest-nnrel\[formats\]"', done.stdout)


# ---------------------------------------------------------------------------------------------
# Folders: links, and what is passed over


def test_links_are_followed_once_each(tmp_path):
    for i in range(4):
        folder = tmp_path / ("data" if i < 2 else "elsewhere")
        folder.mkdir(exist_ok=True)
        soundfile.write(folder / f"{i}.wav", hiss(i), RATE)
    data = tmp_path / "data"
    (data / "disk").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    (data / "disk again").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    (data / "loop").symlink_to(data, target_is_directory=True)
    (tmp_path / "elsewhere" / "loop").symlink_to(data, target_is_directory=True)
    (data / "first.wav").symlink_to(data / "0.wav")
    corpus = Corpus.from_directory(data)
    assert corpus.ids == ("0.wav", "1.wav", "disk/2.wav", "disk/3.wav")
    assert corpus.passed_over == {"link to what is there already": 4}


def test_links_to_nowhere_and_hidden_files_are_named_in_one_warning(tmp_path):
    for name in ("0.wav", "1.wav", ".2.wav"):
        soundfile.write(tmp_path / name, hiss(len(name)) if name[0] == "." else hiss(int(name[0])),
                        RATE)  # fmt: skip
    (tmp_path / "gone.wav").symlink_to(tmp_path / "nowhere.wav")
    (tmp_path / "itself.wav").symlink_to(tmp_path / "itself.wav")
    (tmp_path / "notes.txt").write_text("of no interest")
    with pytest.warns(CorpusWarning) as caught:
        corpus = Corpus.from_directory(tmp_path)
    assert len(caught) == 1
    assert re.search(
        r"passed over hidden: \S+\.2\.wav; a link to nowhere: \S+gone\.wav, \S+itself\.wav$",
        str(caught[0].message),
    )
    assert caught[0].filename == __file__
    assert corpus.passed_over == {"hidden": 1, "link to nowhere": 2, "no audio": 1}
    assert corpus.subset(2).describe()["passed_over"] == corpus.passed_over


# ---------------------------------------------------------------------------------------------
# Headers that do not know, or lie


def _as_if_piped(flac):
    """Take the number of samples out of a FLAC's header, as encoders that write to pipes do."""
    content = bytearray(flac.read_bytes())
    content[21] &= 0xF0
    content[22:26] = bytes(4)
    flac.write_bytes(content)


def test_a_flac_that_was_written_to_a_pipe_is_read_whole(tmp_path):
    for i in range(2):
        soundfile.write(tmp_path / f"{i}.flac", hiss(i), RATE)
    sound = Corpus.from_directory(tmp_path)[1].samples
    _as_if_piped(tmp_path / "1.flac")
    assert soundfile.info(tmp_path / "1.flac").frames == 2**63 - 1
    assert decoding.probe(tmp_path / "1.flac") == (5 * RATE, RATE)
    np.testing.assert_array_equal(Corpus.from_directory(tmp_path)[1].samples, sound)


def _xing(mp3, frames):
    """Write another number of frames into an MP3's header."""
    content = bytearray(mp3.read_bytes())
    at = max(content.find(b"Xing"), content.find(b"Info"))
    content[at + 8 : at + 12] = frames.to_bytes(4, "big")
    mp3.write_bytes(content)


def test_an_mp3_that_claims_more_than_it_can_hold_is_refused_at_once(tmp_path):
    path = tmp_path / "claims.mp3"
    soundfile.write(path, hiss(0, 2.0), RATE, format="MP3")
    _xing(path, 0xFFFFFFFF)
    with pytest.raises(CorpusError, match=r"claims\.mp3 claims 4,9.*more than its .* bytes can"):
        decoding.probe(path)
    _xing(path, 200)  # 5 s where there are 2: as much could be in the file
    with pytest.raises(CorpusError, match=r"claims\.mp3 is truncated"):
        decoding.decode(path)


def test_an_mp3_without_a_header_is_as_long_as_what_is_decoded(tmp_path):
    encoder = lameenc.Encoder()
    encoder.silence()
    encoder.set_in_sample_rate(RATE)
    encoder.set_channels(1)
    encoder.set_bit_rate(64)
    signal = (hiss(0, 20.0) * 32_767).astype(np.int16)
    path = tmp_path / "no header.mp3"
    path.write_bytes(bytes(encoder.encode(signal.tobytes())) + bytes(encoder.flush()))
    frames, _ = decoding.probe(path)
    assert soundfile.info(path).frames > frames >= len(signal)
    assert len(decoding.decode(path)[0]) == frames


@pytest.fixture
def variable(tmp_path):
    """An MP3 of variable bitrate without the header that tells its length: ten quiet seconds,
    whose bitrate libsndfile takes for that of all, and ten loud ones."""
    samples = hiss(0, 20.0)
    samples[: 10 * RATE] *= 0.001
    return written_by_ffmpeg(
        tmp_path / "variable.mp3", samples, "libmp3lame", container={"write_xing": "0"},
        bit_rate=0, flags="+qscale", global_quality=str(2 * 118),
    )  # fmt: skip


def test_an_mp3_of_variable_bitrate_without_a_header_is_not_cut_short(variable, monkeypatch):
    assert soundfile.info(variable).frames < 10 * RATE
    assert decoding.probe(variable)[0] == pytest.approx(20 * RATE, abs=4000)
    samples, _ = decoding.decode(variable, start=15 * RATE, frames=RATE)
    assert np.std(samples) == pytest.approx(0.1, rel=0.1)
    monkeypatch.setitem(sys.modules, "av", None)
    os.utime(variable)  # another state, about which nothing is known yet
    with pytest.raises(CorpusError, match=r"variable\.mp3 does not tell its length.*formats"):
        decoding.probe(variable)


def test_mp3s_that_differ_in_tags_alone_are_twins(tmp_path):
    for i in range(2):
        soundfile.write(tmp_path / f"{i}.mp3", hiss(i), RATE, format="MP3")
    tag = b"TAG" + b"another title".ljust(125, b"\0")
    (tmp_path / "2.mp3").write_bytes((tmp_path / "1.mp3").read_bytes() + tag)
    corpus = Corpus.from_directory(tmp_path)
    with pytest.raises(CorpusError, match=r"'1\.mp3' and '2\.mp3' have the same content"):
        within_consistency(MFCCEncoder(), MP3(64), corpus=corpus)


# ---------------------------------------------------------------------------------------------
# Channels that cancel


@pytest.mark.parametrize("part", [0.0, 0.02])
def test_channels_of_opposite_phase_are_named(tmp_path, part):
    for i in range(3):
        soundfile.write(tmp_path / f"{i}.wav", np.stack([hiss(i)] * 2, axis=1), RATE)
    stereo = np.stack([hiss(3), -hiss(3) + part * hiss(4)], axis=1)
    soundfile.write(tmp_path / "3.wav", stereo, RATE, subtype="FLOAT")
    corpus = Corpus.from_directory(tmp_path)
    if part == 0.0:
        with pytest.raises(CorpusError, match=r"'3\.wav' is silent.*channels cancel.*one channel"):
            within_consistency(MFCCEncoder(), MP3(64), corpus=corpus)
        return
    for _ in range(2):  # a run that finds the corpus checked already says so as well
        with pytest.warns(CorpusWarning, match=r"channels cancel .* of 3\.wav.*one channel"):
            within_consistency(MFCCEncoder(), MP3(64), corpus=corpus)


# ---------------------------------------------------------------------------------------------
# Files that change under a corpus


def test_files_that_are_exchanged_under_a_corpus_are_refused_not_mistaken(tmp_path):
    for i in range(3):
        soundfile.write(tmp_path / f"{i}.wav", hiss(i), RATE)
    corpus = Corpus.from_directory(tmp_path)
    os.rename(tmp_path / "0.wav", tmp_path / "x")
    os.rename(tmp_path / "1.wav", tmp_path / "0.wav")
    os.rename(tmp_path / "x", tmp_path / "1.wav")
    for index in (0, 1):
        with pytest.raises(CorpusError, match=rf"{index}\.wav has changed since the corpus was"):
            corpus[index]
    assert len(corpus[2].samples) == 4 * 22_050


def test_a_file_that_is_exchanged_while_a_corpus_is_built_is_refused(tmp_path, monkeypatch):
    """Its silent stretches and its length are not those of the other."""
    soundfile.write(tmp_path / "0.wav", hiss(0, 30.0), RATE)
    soundfile.write(tmp_path / "other", hiss(1, 40.0), RATE, format="WAV")
    loudness = audio.loudness

    def exchanging(samples, rate):
        if (tmp_path / "other").exists():
            os.replace(tmp_path / "other", tmp_path / "0.wav")
        return loudness(samples, rate)

    monkeypatch.setattr(audio, "loudness", exchanging)
    with pytest.raises(CorpusError, match=r"0\.wav has changed since the corpus was built"):
        Corpus.from_directory(tmp_path, segments=2)
    assert len(Corpus.from_directory(tmp_path, segments=2)) == 2


def test_a_file_that_was_touched_or_copied_back_is_the_same(tmp_path):
    for i in range(2):
        soundfile.write(tmp_path / f"{i}.wav", hiss(i), RATE)
    corpus = Corpus.from_directory(tmp_path)
    os.utime(tmp_path / "0.wav")
    content = (tmp_path / "1.wav").read_bytes()
    (tmp_path / "1.wav").unlink()
    (tmp_path / "1.wav").write_bytes(content)
    assert [len(clip.samples) for clip in corpus] == [4 * 22_050] * 2


# ---------------------------------------------------------------------------------------------
# Low rates


@pytest.mark.parametrize("rate", [1000, 2000, 3000, 3400, 4000, 6000, 7999, 8000])
def test_low_rates_are_measured(rate):
    """Whales and infrasound: below 8 kHz the filters of BS.1770 cannot be had."""
    for amplitude in (1.0, 0.1):
        time = np.arange(4 * rate) / rate
        tone = (amplitude * np.sin(2 * np.pi * 100 * time)).astype(np.float32)
        level = -0.691 - 3.01 + 20 * np.log10(amplitude)
        # At 100 Hz the weighting of 48 kHz is 1.1 dB down.
        expected = level if rate < 8000 else level - 1.1
        assert audio.loudness(tone, rate) == pytest.approx(expected, abs=0.2)
    assert audio.loudness(np.zeros(rate, np.float32), rate) == -np.inf


def test_a_corpus_of_low_rate_has_verdicts():
    corpus = Corpus.from_arrays([hiss(i, 4.0, 2000) for i in range(4)], sample_rate=2000)
    assert within_consistency(lambda x: x[:, :64], PinkNoise(40), corpus=corpus).value == 1.0


# ---------------------------------------------------------------------------------------------
# Damaged files and entries


@pytest.mark.parametrize("what, cases", [("audio", 504), ("entries", 1024)])
def test_damage_is_read_or_refused(what, cases, tmp_path):
    done = subprocess.run(
        [sys.executable, SCRIPTS / "fuzz.py", what, "--cases", str(cases), "--seed", "1"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    assert done.stdout.splitlines()[-1] == f"{cases} cases, 0 faults"

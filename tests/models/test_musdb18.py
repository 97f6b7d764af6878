"""MUSDB18 in both of its layouts: songs, the voice in them, missing and damaged files."""

from __future__ import annotations

import os
import shutil
import sys
from collections import Counter

import numpy as np
import pytest
import soundfile

from reference_models.datasets import musdb18, open_data
from reference_models.errors import DatasetError

av = pytest.importorskip("av")

RATE = 44_100
TRAINING = [f"Artist {i} - Song {i}" for i in range(10)]
TESTING = ["Tester A - Song 1", "Tester B - Song 2"]
LONG = TRAINING[0]
STEMS = ("drums", "bass", "other", "vocals")


def pitches(song):
    """Return the pitch in Hz of each stem of a song, in the order of `STEMS`."""
    return [50 * (1 + (TRAINING + TESTING).index(song)) + 1000 * j for j in range(4)]


def write_song(folder, song, *, seconds=5):
    """Write a song as MUSDB18-HQ has it; its mixture is the sum of four tones, one each stem."""
    (folder / song).mkdir(parents=True)
    time = np.arange(round(seconds * RATE)) / RATE
    tones = [0.1 * np.sin(2 * np.pi * pitch * time) for pitch in pitches(song)]
    for name, tone in zip(("mixture", *STEMS), (np.sum(tones, axis=0), *tones)):
        # Louder on one side, as a pan has it.
        stereo = np.stack([1.5 * tone, 0.5 * tone], axis=1)
        soundfile.write(folder / song / f"{name}.wav", stereo, RATE)


@pytest.fixture(scope="module")
def musdb_hq(tmp_path_factory):
    root = tmp_path_factory.mktemp("musdb18hq")
    for song in TRAINING:
        write_song(root / "train", song, seconds=13 if song == LONG else 5)
    for song in TESTING:
        write_song(root / "test", song)
    return root


@pytest.fixture(scope="module")
def parts(musdb_hq):
    """Return each part of the songs as WAV."""
    names = ("train", "validation", "test")
    return {p: open_data("musdb18", musdb_hq, "vs", p, complete=False) for p in names}


def as_stems(song, target, names=("mixture", *STEMS)):
    """Write a song that is WAV files as streams of AAC in an MP4 file."""
    with av.open(str(target), "w") as output:
        sources = [av.open(str(song / f"{name}.wav")) for name in names]
        streams = [output.add_stream("aac", rate=RATE, bit_rate=256_000) for _ in names]
        for source, stream in zip(sources, streams):
            with source:
                for frame in source.decode(audio=0):
                    output.mux(stream.encode(frame))
            output.mux(stream.encode())


@pytest.fixture(scope="module")
def musdb_stems(musdb_hq, tmp_path_factory):
    root = tmp_path_factory.mktemp("musdb18")
    (root / "test").mkdir()
    for song in TESTING:
        as_stems(musdb_hq / "test" / song, root / "test" / f"{song}.stem.mp4")
    return root


def loud_pitches(samples):
    """Return the pitches in a clip of 4 s that are within 12 dB of the loudest."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    peaks = np.flatnonzero(spectrum > spectrum.max() / 4)
    return sorted({round(peak / 4 / 10) * 10 for peak in peaks})


def check_clips(data):
    """Check that each clip is its song's mixture, and its target the song's voice."""
    for i, song in enumerate(data.groups):
        example = data[i]
        assert example.audio.dtype == example.target.dtype == np.float32
        assert example.audio.shape == example.target.shape == (88_200,)
        assert loud_pitches(example.target) == pitches(song)[3:]
        assert loud_pitches(example.audio) == pitches(song)
        # Mono is the mean of the channels.
        assert np.abs(example.target[1000:-1000]).max() == pytest.approx(0.1, rel=0.05)


def test_songs_are_split_7_to_3_and_tested_on_their_own(parts):
    songs = {part: set(data.groups) for part, data in parts.items()}
    assert (len(songs["train"]), len(songs["validation"])) == (7, 3)
    assert songs["train"] | songs["validation"] == set(TRAINING)
    assert songs["test"] == set(TESTING)
    assert len({data.fingerprint for data in parts.values()}) == 3
    for data in parts.values():
        assert (len(set(data.ids)), list(data.labels)) == (len(data), [])
    check_clips(parts["validation"])


def test_clips_are_spread_evenly_and_do_not_overlap(parts, musdb_hq):
    learned = (parts["train"], parts["validation"])
    counts = Counter(song for data in learned for song in data.groups)
    assert counts == {song: 3 if song == LONG else 1 for song in TRAINING}  # 13 s and 5 s
    (where,) = (part for part, data in parts.items() if LONG in data.groups)
    data = parts[where]
    starts = [start for song, start in zip(data.groups, data.starts) if song == LONG]
    np.testing.assert_allclose(starts, [13 / 6 - 2, 13 / 2 - 2, 13 * 5 / 6 - 2], atol=1e-3)
    few = open_data("musdb18", musdb_hq, "vs", where, clips_per_song=2, complete=False)
    assert Counter(few.groups)[LONG] == 2


@pytest.mark.parametrize("layout", ["wav", "stems"])
def test_clips_are_where_they_say_and_reach_the_songs_end(tmp_path, layout):
    song = tmp_path / "wav" / "test" / TESTING[0]
    write_song(song.parent, song.name, seconds=8)
    for path in song.iterdir():
        samples, rate = soundfile.read(path)
        samples[4 * rate :] *= 0.25
        soundfile.write(path, samples, rate)
    if layout == "stems":
        (tmp_path / "stems" / "test").mkdir(parents=True)
        as_stems(song, tmp_path / "stems" / "test" / f"{song.name}.stem.mp4")
    data = open_data("musdb18", tmp_path / layout, "vs", "test", complete=False)
    np.testing.assert_allclose(data.starts, [0.0, 4.0], atol=0.02)
    for of in ("audio", "target"):
        loud, quiet = (np.std(getattr(data[i], of)[2000:-2000]) for i in (0, 1))
        assert quiet == pytest.approx(0.25 * loud, rel=0.05)


def test_stem_files_give_the_same_as_wav(musdb_stems, parts):
    data = open_data("musdb18", musdb_stems, "vs", "test", complete=False)
    assert list(data.groups) == TESTING
    check_clips(data)
    wav = parts["test"]
    # AAC's blocks end a little after the song does.
    np.testing.assert_allclose(data.starts, wav.starts, atol=0.02)
    np.testing.assert_allclose(
        np.sort(np.abs(data[0].target))[::1000], np.sort(np.abs(wav[0].target))[::1000], atol=3e-3
    )


def test_a_partial_dataset_is_refused_and_what_is_missing_said(musdb_hq, tmp_path):
    with pytest.raises(DatasetError, match=r"train has 10 of MUSDB18's 100 songs.*zenodo\.1117372"):
        open_data("musdb18", musdb_hq, "vs", "train")
    shutil.copytree(musdb_hq, tmp_path / "tree", copy_function=os.link)
    (tmp_path / "tree" / "test" / TESTING[0] / "vocals.wav").unlink()
    with pytest.raises(DatasetError, match=f"1 of 4 files .* test/{TESTING[0]}/vocals.wav"):
        open_data("musdb18", tmp_path / "tree", "vs", "test")
    rest = open_data("musdb18", tmp_path / "tree", "vs", "test", complete=False)
    assert set(rest.groups) == {TESTING[1]}


def test_damaged_files_are_named(musdb_hq, musdb_stems, tmp_path):
    whole = musdb_stems / "test" / f"{TESTING[0]}.stem.mp4"
    (tmp_path / "a" / "test").mkdir(parents=True)
    cut = tmp_path / "a" / "test" / whole.name
    cut.write_bytes(whole.read_bytes()[:10_000])
    with pytest.raises(DatasetError, match=rf"{whole.name} cannot be decoded .*replace the file"):
        open_data("musdb18", tmp_path / "a", "vs", "test", complete=False)

    content = bytearray(whole.read_bytes())
    third = len(content) // 3
    cut.write_bytes(content[:third] + bytes(third) + content[2 * third :])
    data = open_data("musdb18", tmp_path / "a", "vs", "test", complete=False)
    with pytest.raises(DatasetError, match=rf"of .*{whole.name} cannot be decoded"):
        data[0]

    as_stems(musdb_hq / "test" / TESTING[0], cut, names=("mixture",))
    with pytest.raises(DatasetError, match=r"has 1 streams of audio, not the mixture and four"):
        open_data("musdb18", tmp_path / "a", "vs", "test", complete=False)

    write_song(tmp_path / "b" / "test", TESTING[0], seconds=3)
    with pytest.raises(DatasetError, match=r"Song 1 is of 3\.00 s, and clips are of 4 s"):
        open_data("musdb18", tmp_path / "b", "vs", "test", complete=False)

    write_song(tmp_path / "c" / "test", TESTING[0])
    soundfile.write(tmp_path / "c" / "test" / TESTING[0] / "vocals.wav", np.zeros((RATE, 2)), RATE)
    data = open_data("musdb18", tmp_path / "c", "vs", "test", complete=False)
    with pytest.raises(DatasetError, match=r"vocals\.wav is truncated"):
        data[0]


def test_a_stretch_of_a_stem_is_that_of_the_whole_stem_decoded(musdb_stems):
    path = musdb_stems / "test" / f"{TESTING[0]}.stem.mp4"
    song = musdb18.StemSong.open(path)
    for of, number in (("mixture", 0), ("vocals", 4)):
        with av.open(str(path)) as container:
            whole = np.concatenate(
                [frame.to_ndarray() for frame in container.decode(audio=number)], axis=1
            ).mean(axis=0)
        assert whole.dtype == np.float32
        for start in (0, 1, 1023, 1024, 4409, 50_000, song.samples - 3000):
            stretch = song.decode(of, start, 3000)
            # What AAC fills with noise depends on how much of it came before.
            np.testing.assert_allclose(stretch, whole[start : start + 3000], atol=1e-3)


def test_stems_of_more_channels_than_are_read_are_refused(tmp_path):
    """PyAV reads past its frames there."""
    path = tmp_path / "song.stem.mp4"
    with av.open(str(path), "w", format="matroska") as file:
        streams = [file.add_stream("pcm_s16le", rate=RATE) for _ in range(5)]
        streams[4].layout = "hexadecagonal"
        for stream in streams:
            silence = np.zeros((1, 5 * RATE * len(stream.layout.channels)), np.int16)
            frame = av.AudioFrame.from_ndarray(silence, "s16", stream.layout.name)
            frame.sample_rate = RATE
            for packet in [*stream.encode(frame), *stream.encode(None)]:
                file.mux(packet)
    song = musdb18.StemSong.open(path)
    assert not song.decode("mixture", 1000, 2000).any()
    with pytest.raises(DatasetError, match=r"vocals of .*stem\.mp4 .*16 channels, not 8 at most"):
        song.decode("vocals", 1000, 2000)


def test_stem_files_need_pyav_and_wav_files_do_not(musdb_hq, musdb_stems, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(
        DatasetError, match=r'stem\.mp4 is of a format that.*pip install ".*formats'
    ):
        open_data("musdb18", musdb_stems, "vs", "test", complete=False)
    monkeypatch.setenv("PATH", "")  # no binary decodes them, either
    assert open_data("musdb18", musdb_hq, "vs", "test", complete=False)[0].audio.any()


def test_a_song_has_one_clip_or_more(musdb_hq):
    with pytest.raises(DatasetError, match="clips_per_song is 1 or more, not 0"):
        open_data("musdb18", musdb_hq, "vs", "test", clips_per_song=0)

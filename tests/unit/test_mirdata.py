"""Corpora of datasets that mirdata knows, laid out on disk as their authors lay them out."""

from __future__ import annotations

import hashlib
import json
import sys

import numpy as np
import pytest
import soundfile

from pytest_nnrel import Corpus
from pytest_nnrel.corpus import open_corpus
from pytest_nnrel.errors import CorpusError

mirdata = pytest.importorskip("mirdata")

# IRMAS: training clips of 3 s, 44.1 kHz stereo, in one folder per predominant instrument.
IRMAS = {
    "0001__1": "IRMAS-TrainingData/cel/[cel][cla]0001__1.wav",
    "0189__2": "IRMAS-TrainingData/cla/[cla][cla]0189__2.wav",
    "0612__3": "IRMAS-TrainingData/gel/[gel][dru][pop_roc]0612__3.wav",
}
# Medley-solos-DB: clips of 3 s, whose instruments are in a table.
SOLOS = {
    name: f"audio/Medley-solos-DB_test-{number}_{name}.wav"
    for number, name in enumerate(("0a282672", "0bb0a3d4", "1c0a7c3e"))
}
# GTZAN: clips of 30 s, 22.05 kHz mono, in one folder per genre; the annotations come separately.
GTZAN = {
    f"{genre}.{number:05d}": f"gtzan_mini-main/genres/{genre}/{genre}.{number:05d}.wav"
    for genre, number in (("country", 0), ("hiphop", 0), ("hiphop", 1))
}


def music(bundled, seconds, rate, channels):
    """Return music of some length, float32[n, channels]."""
    whole = np.concatenate([clip.samples for clip in bundled])
    return np.stack([whole[: round(seconds * rate)]] * channels, axis=1)


def lay_out(home, tracks, *, seconds, rate, channels, annotations):
    """Write audio for each track, and return the index in mirdata's format.

    `annotations(track, audio_entry)` returns the entries besides the audio's.
    """
    index = {"version": "1.0", "tracks": {}}
    for i, (track, path) in enumerate(tracks.items()):
        file = home / path
        file.parent.mkdir(parents=True, exist_ok=True)
        clips = Corpus.bundled().subset(30)
        samples = music([clips[10 * i + j] for j in range(10)], seconds, rate, channels)
        soundfile.write(file, samples, rate, subtype="PCM_16")
        checksum = hashlib.md5(file.read_bytes()).hexdigest()
        entry = [path, checksum]
        index["tracks"][track] = {"audio": entry, **annotations(track, entry)}
    return index


@pytest.fixture
def indexes(tmp_path, monkeypatch):
    """Keep mirdata's downloaded indexes in a folder of the test's own."""
    from mirdata.datasets import gtzan_genre, irmas, medley_solos_db

    folder = tmp_path / "indexes"
    folder.mkdir()
    for entry in (
        irmas.INDEXES["1.0"], gtzan_genre.INDEXES["1.0"], gtzan_genre.INDEXES["mini"],
        medley_solos_db.INDEXES["1.2"],
    ):  # fmt: skip
        monkeypatch.setattr(entry, "indexes_dir", str(folder))
    return folder


@pytest.fixture
def irmas(tmp_path, indexes):
    home = tmp_path / "irmas"
    index = lay_out(
        home,
        IRMAS,
        seconds=3.0,
        rate=44_100,
        channels=2,
        annotations=lambda track, audio: {"annotation": audio},  # as in the real index
    )
    (indexes / "irmas_index_1.0.json").write_text(json.dumps(index))
    return home


@pytest.fixture
def gtzan(tmp_path, indexes):
    home = tmp_path / "gtzan_genre"
    index = lay_out(
        home,
        GTZAN,
        seconds=30.0,
        rate=22_050,
        channels=1,
        annotations=lambda track, audio: {
            "beats": [f"beats/gtzan_{track.replace('.', '_')}.beats", None],
            "tempo": [f"tempo/gtzan_{track.replace('.', '_')}.bpm", None],
        },
    )
    (indexes / "gtzan_genre_1.0_mini_index.json").write_text(json.dumps(index))
    return home


def test_the_layout_is_the_one_that_mirdata_validates(irmas):
    missing, invalid = mirdata.initialize("irmas", data_home=str(irmas)).validate(verbose=False)
    assert not missing.get("tracks")
    assert not invalid.get("tracks")


def test_tracks_become_clips_with_their_ids_and_labels(irmas):
    corpus = Corpus.from_mirdata("irmas", irmas)
    assert corpus.name == "mirdata:irmas"
    assert corpus.ids == tuple(sorted(IRMAS))
    corpus.check_audio()
    for clip in corpus:
        assert (len(clip.samples), clip.sample_rate) == (66_150, 22_050)
    labels = corpus[2].labels
    assert labels["predominant_instrument"] == "gel"
    assert labels["genre"] == "pop_roc"
    assert labels["split"] == "train"
    assert not any(str(irmas) in value for value in labels.values())


@pytest.fixture
def solos(tmp_path, indexes):
    home = tmp_path / "medley_solos_db"
    index = lay_out(
        home, SOLOS, seconds=2.972, rate=44_100, channels=1, annotations=lambda track, audio: {}
    )
    (indexes / "medley_solos_db_index_1.2.json").write_text(json.dumps(index))
    (home / "annotation").mkdir()
    lines = [
        f"test,clarinet,0,{number % 2},{name}" if number else f"test,flute,3,9,{name}"
        for number, name in enumerate(SOLOS)
    ]
    table = ["subset,instrument,instrument_id,song_id,uuid4", *lines]
    (home / "annotation" / "Medley-solos-DB_metadata.csv").write_text("\n".join(table) + "\n")
    return home


def test_what_the_dataset_s_table_says_of_a_track_is_among_its_labels(solos):
    corpus = Corpus.from_mirdata("medley_solos_db", solos, source_seconds=2.9)
    assert corpus.labels["instrument"] == ("flute", "clarinet", "clarinet")
    assert corpus.labels["subset"] == ("test",) * 3


def test_without_its_table_a_dataset_has_the_labels_that_files_tell(solos):
    (solos / "annotation" / "Medley-solos-DB_metadata.csv").unlink()
    assert not Corpus.from_mirdata("medley_solos_db", solos, source_seconds=2.9).labels.get(
        "instrument"
    )


def test_a_version_is_chosen_and_long_tracks_are_segmented(gtzan):
    corpus = Corpus.from_mirdata("gtzan_genre", gtzan, version="mini", segments=3)
    assert len(corpus) == 9
    assert set(corpus.groups) == set(GTZAN)
    assert {clip.labels["genre"] for clip in corpus} == {"country", "hip-hop"}
    corpus.check_audio()


def test_geometry_reaches_the_clips(gtzan):
    corpus = Corpus.from_mirdata(
        "gtzan_genre", gtzan, version="mini", sample_rate=16_000, source_seconds=6.0
    )
    assert {len(clip.samples) for clip in corpus} == {96_000}


def test_the_fingerprint_does_not_depend_on_where_the_dataset_lies(irmas, tmp_path):
    moved = tmp_path / "elsewhere"
    before = Corpus.from_mirdata("irmas", irmas).fingerprint
    irmas.rename(moved)
    assert Corpus.from_mirdata("irmas", moved).fingerprint == before


def test_a_dataset_opens_by_its_word_on_a_command_line(irmas, monkeypatch):
    expected = Corpus.from_mirdata("irmas", irmas).fingerprint
    assert open_corpus(f"mirdata:irmas@{irmas}").fingerprint == expected
    # mirdata looks in ~/mir_datasets where no folder is given.
    (irmas.parent / "mir_datasets").mkdir()
    irmas.rename(irmas.parent / "mir_datasets" / "irmas")
    monkeypatch.setenv("HOME", str(irmas.parent))
    corpus = open_corpus("mirdata:irmas")
    assert corpus.fingerprint == expected
    assert open_corpus(corpus.origin).fingerprint == expected


def test_a_version_survives_in_what_the_corpus_is_opened_from_again(gtzan):
    corpus = Corpus.from_mirdata("gtzan_genre", gtzan, version="mini")
    assert open_corpus(corpus.origin).fingerprint == corpus.fingerprint


def test_missing_files_are_named_all_at_once(irmas):
    (irmas / IRMAS["0001__1"]).unlink()
    (irmas / IRMAS["0612__3"]).unlink()
    with pytest.raises(CorpusError) as caught:
        Corpus.from_mirdata("irmas", irmas)
    message = str(caught.value)
    assert "0001__1.wav does not exist" in message
    assert "0612__3.wav does not exist" in message
    assert "0189__2" not in message


@pytest.mark.parametrize(
    "name, version, message",
    [
        ("irmass", "default", r"mirdata cannot load 'irmass'"),
        ("", "default", r"mirdata cannot load ''"),
        ("irmas", "9.9", r"mirdata cannot load 'irmas'.*9\.9"),
        ("gtzan_genre", "default", r"mirdata cannot load 'gtzan_genre'.*index.*download"),
    ],
    ids=["unknown dataset", "no name", "unknown version", "index not downloaded"],
)
def test_a_dataset_that_mirdata_cannot_load_is_refused_by_name(irmas, name, version, message):
    with pytest.raises(CorpusError, match=message):
        Corpus.from_mirdata(name, irmas, version=version)


def test_a_folder_without_the_dataset_is_named(irmas, tmp_path):
    with pytest.raises(CorpusError, match=r"nowhere.*does not exist"):
        Corpus.from_mirdata("irmas", tmp_path / "nowhere")


def test_without_mirdata_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "mirdata", None)
    with pytest.raises(CorpusError, match=r'pip install "pytest-nnrel\[mirdata\]"'):
        Corpus.from_mirdata("irmas")


def test_a_dataset_whose_audio_cannot_be_passed_on_is_refused(gtzan, indexes):
    path = indexes / "gtzan_genre_1.0_mini_index.json"
    index = json.loads(path.read_text())
    for entry in index["tracks"].values():
        entry["audio"] = [None, None]
    path.write_text(json.dumps(index))
    with pytest.raises(CorpusError, match=r"'gtzan_genre' names no audio files"):
        Corpus.from_mirdata("gtzan_genre", gtzan, version="mini")

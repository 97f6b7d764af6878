"""IRMAS as its authors lay it out and mirdata reads it: songs, instruments, missing files."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections import Counter

import numpy as np
import pytest
import soundfile

from reference_models.datasets import open_data
from reference_models.errors import DatasetError

mirdata = pytest.importorskip("mirdata")

INSTRUMENTS = ["cel", "cla", "flu", "gac", "gel", "org", "pia", "sax", "tru", "vio", "voi"]
PARTS = ("train", "validation", "test")
SONGS_PER_INSTRUMENT = 10


@pytest.fixture(scope="module")
def irmas(tmp_path_factory):
    """Return a tree of 11 instruments, 10 songs each, 1 to 3 excerpts each, and its index."""
    home = tmp_path_factory.mktemp("irmas")
    index = {"version": "1.0", "tracks": {}}
    for number, instrument in enumerate(INSTRUMENTS):
        folder = home / "IRMAS-TrainingData" / instrument
        folder.mkdir(parents=True)
        time = np.arange(3 * 44_100) / 44_100
        tone = 0.3 * np.sin(2 * np.pi * 220 * (1 + number) * time)
        soundfile.write(home / f"{instrument}.wav", np.stack([tone, tone], axis=1), 44_100)
        checksum = hashlib.md5((home / f"{instrument}.wav").read_bytes()).hexdigest()
        for song in range(SONGS_PER_INSTRUMENT):
            prefix = f"{song:03d}__" if song % 2 else ""
            drums = ("[nod]", "[dru]", "")[song % 3]
            for excerpt in range(1, 2 + song % 3):
                id_ = f"{number * SONGS_PER_INSTRUMENT + song + 1:04d}__{excerpt}"
                name = f"{prefix}[{instrument}]{drums}[pop_roc]{id_}.wav"
                os.link(home / f"{instrument}.wav", folder / name)
                entry = [f"IRMAS-TrainingData/{instrument}/{name}", checksum]
                index["tracks"][id_] = {"audio": entry, "annotation": entry}
    testing = "IRMAS-TestingData-Part1/Part1/02 - And The Body Will Die-8"
    entries = {"audio": [f"{testing}.wav", None], "annotation": [f"{testing}.txt", None]}
    index["tracks"]["02 - And The Body Will Die-8"] = entries
    (home / "index.json").write_text(json.dumps(index))
    return home


@pytest.fixture
def indexed(irmas, tmp_path, monkeypatch):
    """Keep mirdata's downloaded index in a folder of the test's own, and return the tree."""
    from mirdata.datasets.irmas import INDEXES

    monkeypatch.setattr(INDEXES["1.0"], "indexes_dir", str(tmp_path))
    (tmp_path / "irmas_index_1.0.json").write_bytes((irmas / "index.json").read_bytes())
    return irmas


def test_the_layout_is_the_one_that_mirdata_validates(indexed):
    missing, invalid = mirdata.initialize("irmas", data_home=str(indexed)).validate(verbose=False)
    assert set(missing["tracks"]) == {"02 - And The Body Will Die-8"}  # not of the training set
    assert not invalid.get("tracks")


def test_excerpts_are_split_by_song_and_instrument(indexed):
    parts = {part: open_data("irmas", indexed, "ir", part) for part in PARTS}
    index = json.loads((indexed / "index.json").read_text())
    ids = [id_ for data in parts.values() for id_ in data.ids]
    assert sorted(ids) == sorted(id_ for id_ in index["tracks"] if "__" in id_)
    songs = [set(data.groups) for data in parts.values()]
    assert sum(map(len, songs)) == len(set.union(*songs)) == 11 * SONGS_PER_INSTRUMENT
    for data, share in zip(parts.values(), (0.8, 0.1, 0.1)):
        assert data.labels == INSTRUMENTS
        counts = Counter(int(data[i].target) for i in range(len(data)))
        assert all(abs(counts[i] - share * 19) <= 3 for i in range(11))  # 19 excerpts of each


def test_a_clip_is_its_excerpt_and_its_instrument(indexed):
    data = open_data("irmas", indexed, "ir", "validation")
    for i in range(0, len(data), 5):
        example = data[i]
        assert (example.audio.dtype, example.audio.shape) == (np.float32, (66_150,))
        assert (example.target.dtype, example.target.shape) == (np.int64, ())
        loudest = np.abs(np.fft.rfft(example.audio)).argmax() / 3.0
        assert loudest == pytest.approx(220 * (1 + int(example.target)), abs=0.5)
        number = int(data.groups[i]) - 1
        assert number // SONGS_PER_INSTRUMENT == int(example.target)


def test_what_is_missing_is_counted_and_the_rest_keeps_its_part(indexed, tmp_path):
    whole = open_data("irmas", indexed, "ir", "train")
    partial = tmp_path / "partial"
    for path in sorted((indexed / "IRMAS-TrainingData").rglob("*.wav")):
        if "0001__1" in path.name or path.parent.name == "voi":
            continue
        place = partial / path.relative_to(indexed)
        place.parent.mkdir(parents=True, exist_ok=True)
        os.link(path, place)
    gone = {id_ for id_ in whole.ids if id_ == "0001__1" or int(id_[:4]) > 100}
    with pytest.raises(DatasetError) as refused:
        open_data("irmas", partial, "ir", "train")
    assert f"{len(gone)} of {len(whole)} files of IRMAS are missing" in str(refused.value)
    assert "the first is IRMAS-TrainingData/" in str(refused.value)
    assert "10.5281/zenodo.1290750" in str(refused.value)
    rest = open_data("irmas", partial, "ir", "train", complete=False)
    assert set(rest.ids) == set(whole.ids) - gone
    assert rest.labels == whole.labels
    assert rest.fingerprint != whole.fingerprint


def test_the_fingerprint_is_of_the_content(indexed):
    one, other = (open_data("irmas", indexed, "ir", part) for part in ("train", "test"))
    assert one.fingerprint == open_data("irmas", indexed, "ir", "train").fingerprint
    assert one.fingerprint != other.fingerprint


def test_without_mirdatas_index_it_is_said_how_to_get_it(indexed, tmp_path):
    (tmp_path / "irmas_index_1.0.json").unlink()
    with pytest.raises(DatasetError, match=r"index of IRMAS.*download\(\['index'\]\)"):
        open_data("irmas", indexed, "ir", "train")


def test_without_mirdata_it_is_said_what_to_install(indexed, monkeypatch):
    monkeypatch.setitem(sys.modules, "mirdata", None)
    with pytest.raises(DatasetError, match=r"pip install .*models"):
        open_data("irmas", indexed, "ir", "train")

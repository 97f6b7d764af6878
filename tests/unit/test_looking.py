"""What was found of files is remembered for as long as they stay as they are, and never longer."""

from __future__ import annotations

import os
import shutil
import threading
from dataclasses import replace

import numpy as np
import pytest
import soundfile

from pytest_nnrel import Corpus
from pytest_nnrel.corpus import decoding, looking, remembered
from pytest_nnrel.errors import CorpusError
from pytest_nnrel.runtime import settings
from pytest_nnrel.runtime.store import LAYOUT

RATE = 8_000
OWN = {"sample_rate": RATE, "source_seconds": 2.0, "window_seconds": 1.0}
FILES = 6


@pytest.fixture
def folder(tmp_path):
    """Six files of noise."""
    for i in range(FILES):
        write(tmp_path / "audio" / f"{i}.wav", i)
    return tmp_path / "audio"


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """Remember few files, and at once, in a cache of one's own."""
    monkeypatch.setattr(remembered, "LEAST_REMEMBERED", FILES)
    monkeypatch.setattr(remembered, "_SETTLED_SECONDS", 0.0)
    monkeypatch.setattr(looking, "_BLOCK", 2)
    token = settings.activate(replace(settings.active(), cache_dir=tmp_path / "cache", jobs=2))
    yield tmp_path / "cache"
    settings.deactivate(token)


@pytest.fixture
def read(monkeypatch):
    """The files that were read, by name."""
    names = []
    original = decoding.probe_open

    def probe_open(path, file):
        names.append(path.name)
        return original(path, file)

    monkeypatch.setattr(decoding, "probe_open", probe_open)
    return names


def write(path, seed, seconds=6):
    path.parent.mkdir(exist_ok=True)
    soundfile.write(path, 0.1 * np.random.default_rng(seed).standard_normal(seconds * RATE), RATE)


def opened(folder, read, **options):
    """Return a corpus, and the names of the files that were read for it."""
    read.clear()
    corpus = Corpus.from_directory(folder, **OWN, **options)
    return corpus, sorted(read)


def names(*numbers):
    return [f"{i}.wav" for i in numbers]


def test_files_are_read_once(folder, read):
    first, found = opened(folder, read)
    assert found == names(*range(FILES))
    again, found = opened(folder, read)
    assert found == []
    assert again.fingerprint == first.fingerprint
    assert [s.origin.start for s in again._sources] == [16_000] * FILES
    assert np.array_equal(again[2].samples, first[2].samples)
    # Under another geometry other stretches are cut.
    _, found = opened(folder, read, segments=2)
    assert len(found) == FILES
    other, found = opened(folder, read, segments=2)
    assert found == []
    assert len(other) == 2 * FILES


def test_a_file_that_changed_is_read_anew_and_it_alone(folder, read):
    first, _ = opened(folder, read)
    write(folder / "2.wav", 99)
    later, found = opened(folder, read)
    assert found == names(2)
    assert [a == b for a, b in zip(first.keys, later.keys)] == [i != 2 for i in range(FILES)]


def test_a_change_that_keeps_size_and_time_is_seen(folder, read):
    first, _ = opened(folder, read)
    before = (folder / "2.wav").stat()
    write(folder / "2.wav", 99)
    os.utime(folder / "2.wav", ns=(before.st_atime_ns, before.st_mtime_ns))
    write(folder / "new.wav", 98)
    os.replace(folder / "new.wav", folder / "3.wav")
    later, found = opened(folder, read)
    assert found == names(2, 3)
    assert later.keys[2] != first.keys[2]


def test_what_changed_just_now_is_not_remembered(folder, read, monkeypatch):
    monkeypatch.setattr(remembered, "_SETTLED_SECONDS", 3600.0)
    opened(folder, read)
    _, found = opened(folder, read)
    assert len(found) == FILES


def test_files_that_went_and_came_are_noticed(folder, read):
    opened(folder, read)
    (folder / "0.wav").rename(folder / "z.wav")
    write(folder / "new.wav", 50)
    corpus, found = opened(folder, read)
    assert corpus.ids == (*names(*range(1, FILES)), "new.wav", "z.wav")
    assert found == ["new.wav", "z.wav"]


def test_what_is_damaged_is_read_anew(folder, read, cache):
    first, _ = opened(folder, read)
    shards = sorted((cache / LAYOUT / "files").rglob("*.arrays"))
    assert len(shards) == FILES // 2
    content = bytearray(shards[0].read_bytes())
    content[-1] ^= 1  # within the last entry
    shards[0].write_bytes(content)
    shards[1].write_bytes(shards[1].read_bytes()[:40])
    again, found = opened(folder, read)
    assert len(found) == 3
    assert again.fingerprint == first.fingerprint
    _, found = opened(folder, read)
    assert found == []


def test_files_are_read_each_time_without_a_cache(folder, read):
    token = settings.activate(replace(settings.active(), cache_dir=None))
    try:
        for _ in range(2):
            _, found = opened(folder, read)
            assert len(found) == FILES
    finally:
        settings.deactivate(token)


def test_two_that_write_at_once_find_the_same(folder):
    found = []
    both = threading.Barrier(2)

    def open_():
        token = settings.activate(active)
        both.wait()
        found.append(Corpus.from_directory(folder, **OWN).fingerprint)
        settings.deactivate(token)

    active = settings.active()
    threads = [threading.Thread(target=open_) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 2
    assert {*found, Corpus.from_directory(folder, **OWN).fingerprint} == {found[0]}


def test_a_file_that_cannot_be_used_is_told_each_time(folder):
    (folder / "2.wav").write_bytes(b"none")
    for _ in range(2):
        with pytest.raises(CorpusError, match=r"2\.wav cannot be read as audio"):
            Corpus.from_directory(folder, **OWN)


def test_a_remembered_file_that_changes_later_is_refused(folder, read):
    opened(folder, read)
    corpus, _ = opened(folder, read)
    write(folder / "2.wav", 99)
    with pytest.raises(CorpusError, match=r"2\.wav has changed since the corpus was built"):
        corpus[2].samples  # noqa: B018


def test_the_path_in_the_cache_is_no_other_folders(folder, read, tmp_path, monkeypatch):
    opened(folder, read)
    shutil.copytree(folder, tmp_path / "copy" / "audio")
    monkeypatch.chdir(tmp_path / "copy")
    _, found = opened("audio", read)
    assert len(found) == FILES
    monkeypatch.chdir(tmp_path)
    _, found = opened("audio", read)
    assert found == []


def test_what_is_silent_depends_on_the_window(folder, read):
    """The slots' centres are silent over .5 s, which a wider window does not notice."""
    for i in range(FILES):
        path = folder / f"{i}.wav"
        signal = soundfile.read(path)[0]
        signal[24_000 - 3_000 : 24_000 + 3_000] = 0.0  # of the middle of three slots
        soundfile.write(path, signal, RATE)
    for window, start in ((1.9, 16_000), (0.5, 0)):
        corpus = Corpus.from_directory(folder, **{**OWN, "window_seconds": window})
        assert [s.origin.start for s in corpus._sources] == [start] * FILES


def test_a_stretch_that_is_not_finite_is_no_silence(folder, read):
    signal = soundfile.read(folder / "3.wav")[0].astype(np.float32)
    signal[20_000:] = np.nan
    soundfile.write(folder / "3.wav", signal, RATE, subtype="FLOAT")
    with pytest.raises(CorpusError, match=r"3\.wav holds NaN or infinite samples from 2\.000 s"):
        Corpus.from_directory(folder, **OWN)

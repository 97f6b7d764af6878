"""Corpora of what lies within something larger: datasets of Hugging Face's, WebDataset shards."""

from __future__ import annotations

import io
import json
import pickle
import sys
import tarfile

import numpy as np
import pytest
import soundfile

from pytest_nnrel import Corpus
from pytest_nnrel.corpus import remembered
from pytest_nnrel.errors import CorpusError

RATE = 8_000
OWN = {"sample_rate": RATE, "source_seconds": 2.0, "window_seconds": 1.0}


def noise(seed, seconds=3.0):
    return (0.1 * np.random.default_rng(seed).standard_normal(round(seconds * RATE))).astype("f4")


def wav(seed, kind="WAV"):
    """Return the bytes of a file of noise, and the samples that its middle 2 s decode to."""
    file = io.BytesIO()
    soundfile.write(file, noise(seed), RATE, format=kind)
    content = file.getvalue()
    return content, soundfile.read(io.BytesIO(content), dtype="float32")[0][4_000:20_000]


def shard(path, members):
    """Write a tar file of members, bytes by name."""
    with tarfile.open(path, "w") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def sample(seed, key, kind="flac", **fields):
    return {f"{key}.{kind}": wav(seed, kind.upper())[0], f"{key}.json": json.dumps(fields).encode()}


# WebDataset


def test_samples_of_shards_are_decoded_where_they_lie(tmp_path):
    for number in range(2):
        members = {}
        for i in range(2):
            seed = 2 * number + i
            members |= sample(seed, f"a/{seed}", artist=f"artist {number}", year=1999, tags=["x"])
            members |= {f"a/{seed}.cls": b"7\n", f"a/.{seed}.wav": b"", "a/__meta__.wav": b""}
        shard(tmp_path / f"part-{number:02d}.tar", members)
    corpus = Corpus.from_webdataset(tmp_path / "part-{00..01}.tar", group="artist", **OWN)
    assert corpus.ids == ("a/0", "a/1", "a/2", "a/3")
    assert corpus.groups == ("artist 0", "artist 0", "artist 1", "artist 1")
    assert corpus.labels["year"] == ("1999",) * 4
    assert corpus.labels["cls"] == ("7",) * 4
    assert set(corpus.labels) == {"artist", "year", "cls"}
    for seed, clip in enumerate(corpus):
        assert np.array_equal(clip.samples, wav(seed, "FLAC")[1])
    copy = pickle.loads(pickle.dumps(corpus))
    assert copy.fingerprint == corpus.fingerprint
    assert np.array_equal(copy[3].samples, corpus[3].samples)


def test_names_that_shards_share_have_the_shards_before_them(tmp_path):
    paths = [shard(tmp_path / f"{i}.tar", sample(i, "same")) for i in range(2)]
    assert Corpus.from_webdataset(paths, **OWN).ids == ("0/same", "1/same")


def test_of_several_members_of_audio_one_is_named(tmp_path):
    members = {f"{i}.{part}.wav": wav(10 * i + n)[0] for i in range(2)
               for n, part in enumerate(("mix", "vocals"))}  # fmt: skip
    path = shard(tmp_path / "stems.tar", members)
    corpus = Corpus.from_webdataset(path, audio="vocals.wav", **OWN)
    assert np.array_equal(corpus[1].samples, wav(11)[1])
    with pytest.raises(CorpusError, match=r"mix\.wav, vocals\.wav; audio='mix\.wav' takes one"):
        Corpus.from_webdataset(path, **OWN)


@pytest.mark.runtimes
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # left open by it
def test_shards_that_the_package_writes_have_the_samples_that_it_reads(tmp_path):
    webdataset = pytest.importorskip("webdataset")
    with webdataset.TarWriter(str(tmp_path / "0.tar")) as writer:
        for seed in range(3):
            writer.write({"__key__": f"x/{seed}", "mix.wav": wav(seed)[0], "cls": seed})
    read = list(webdataset.WebDataset(str(tmp_path / "0.tar"), shardshuffle=False))
    corpus = Corpus.from_webdataset(tmp_path / "0.tar", **OWN)
    assert list(corpus.ids) == [found["__key__"] for found in read]
    assert list(corpus.ids) == ["x/0", "x/1", "x/2"]
    assert list(corpus.labels["cls"]) == [found["cls"].decode() for found in read]
    for seed, clip in enumerate(corpus):
        assert np.array_equal(clip.samples, wav(seed)[1])


def test_a_shard_that_has_changed_since_is_refused(tmp_path):
    path = shard(tmp_path / "0.tar", sample(0, "a") | sample(1, "b"))
    corpus = Corpus.from_webdataset(path, **OWN)
    shard(path, sample(2, "a") | sample(1, "b"))
    with pytest.raises(CorpusError, match=r"0\.tar.*(has changed since the corpus was built)"):
        corpus[0].samples  # noqa: B018
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(CorpusError, match="truncated"):
        corpus[1].samples  # noqa: B018
    path.unlink()
    with pytest.raises(CorpusError, match="does not exist"):
        corpus[1].samples  # noqa: B018


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({}, "hold no samples"),
        ({"a.json": b"{}"}, "sample a has no audio"),
        ({"a.wav": b"no audio"}, r"0\.tar/a\.wav cannot be read as audio"),
        ({**sample(0, "a"), "a.json": b"{"}, r"a\.json is no JSON"),
        (sample(0, "a") | sample(0, "b"), "same content"),
    ],
)
def test_what_a_shard_may_not_hold_is_told(tmp_path, members, said):
    with pytest.raises(CorpusError, match=said):
        Corpus.from_webdataset(shard(tmp_path / "0.tar", members), **OWN)


def test_what_is_no_shard_is_told(tmp_path):
    path = shard(tmp_path / "0.tar", sample(0, "a") | sample(1, "b"))
    with pytest.raises(CorpusError, match="sample a has no 'artist' to be grouped by"):
        Corpus.from_webdataset(path, group="artist", **OWN)
    with pytest.raises(CorpusError, match=r"no member \.mp3"):
        Corpus.from_webdataset(path, audio="mp3", **OWN)
    with pytest.raises(CorpusError, match="twice"):
        Corpus.from_webdataset([path, path], **OWN)
    with pytest.raises(CorpusError, match="no shards"):
        Corpus.from_webdataset([], **OWN)
    with pytest.raises(CorpusError, match=r"1\.tar does not exist"):
        Corpus.from_webdataset(tmp_path / "{0..1}.tar", **OWN)
    packed = tmp_path / "0.tar.gz"
    with tarfile.open(packed, "w:gz") as tar:
        tar.add(path, "0.tar")
    with pytest.raises(CorpusError, match="compressed cannot be read in places"):
        Corpus.from_webdataset(packed, **OWN)


def test_a_shard_that_is_damaged_or_cut_is_told(tmp_path):
    path = shard(tmp_path / "whole.tar", sample(0, "a") | sample(1, "b"))
    with tarfile.open(path) as tar:
        third = [info.offset for info in tar][2]
    whole = path.read_bytes()
    damaged = bytearray(whole)
    damaged[third + 10] ^= 0xFF
    for content in (bytes(damaged), whole[:third]):
        path.write_bytes(content)
        with pytest.raises(CorpusError, match=rf"whole.tar is damaged or cut at byte {third:,}"):
            Corpus.from_webdataset(path, **OWN)


def test_a_member_that_is_there_twice_is_told(tmp_path):
    path = shard(tmp_path / "twice.tar", sample(0, "a"))
    with tarfile.open(path, "a") as tar:
        content = wav(1, "FLAC")[0]
        info = tarfile.TarInfo("a.flac")
        info.size = len(content)
        tar.addfile(info, io.BytesIO(content))
    with pytest.raises(CorpusError, match=r"twice.tar holds a\.flac twice"):
        Corpus.from_webdataset(path, **OWN)


def test_what_is_known_of_a_shard_is_kept_until_it_changes(tmp_path, monkeypatch):
    monkeypatch.setattr(remembered, "LEAST_REMEMBERED", 2)
    monkeypatch.setattr(remembered, "_SETTLED_SECONDS", 0.0)
    path = shard(tmp_path / "0.tar", sample(0, "a") | sample(1, "b"))
    first = Corpus.from_webdataset(path, **OWN)
    with monkeypatch.context() as patch:
        patch.setattr("pytest_nnrel.corpus.held.decoding.probe_bytes", None)  # nothing is read
        assert Corpus.from_webdataset(path, **OWN).fingerprint == first.fingerprint
    shard(path, sample(2, "a") | sample(1, "b"))
    again = Corpus.from_webdataset(path, **OWN)
    assert again.keys[0] != first.keys[0]
    assert again.keys[1] == first.keys[1]


# Hugging Face's datasets


def test_a_dataset_names_the_package_that_it_is_of(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(CorpusError, match="pip install datasets"):
        Corpus.from_dataset([])


@pytest.fixture(scope="module")
def datasets():
    return pytest.importorskip("datasets")


def made(datasets, columns, **features):
    """Return a dataset whose audio is given as it is stored: encoding would want a package."""
    import pyarrow

    kinds = {name: datasets.Value("int64" if isinstance(column[0], int) else "string")
             for name, column in columns.items()}  # fmt: skip
    features = datasets.Features(kinds | {"audio": datasets.Audio()} | features)
    table = pyarrow.table(columns, schema=features.arrow_schema)
    info = datasets.DatasetInfo(features=features)
    # Named, not hashed: dill fails on what some versions of pyarrow hold.
    return datasets.Dataset(table, info=info, fingerprint=f"{len(table)} {sorted(columns)}")


@pytest.fixture(scope="module")
def rows(datasets, tmp_path_factory):
    """A dataset of four rows, two with bytes and two with files."""
    folder = tmp_path_factory.mktemp("rows")
    cells = []
    for seed in range(4):
        content, _ = wav(seed)
        (folder / f"{seed}.wav").write_bytes(content)
        cells.append(
            {"bytes": content, "path": f"{seed}.wav"} if seed % 2
            else {"bytes": None, "path": str(folder / f"{seed}.wav")}
        )  # fmt: skip
    columns = {
        "audio": cells, "name": ["d", "c", "b", "a"], "artist": [1, 1, 2, 2],
        "genre": [0, 1, -1, 0], "mood": ["calm", None, "wild", "calm"],
    }  # fmt: skip
    return made(datasets, columns, genre=datasets.ClassLabel(names=["folk", "rock"]))


@pytest.mark.runtimes
def test_rows_of_a_dataset_are_decoded_when_asked_for(rows):
    corpus = Corpus.from_dataset(rows, id="name", group="artist", **OWN)
    assert corpus.ids == ("a", "b", "c", "d")
    assert corpus.groups == ("2", "2", "1", "1")
    assert corpus.labels == {
        "genre": ("folk", "", "rock", "folk"), "mood": ("calm", "wild", "", "calm"),
    }  # fmt: skip
    for seed, clip in zip((3, 2, 1, 0), corpus):
        assert np.array_equal(clip.samples, wav(seed)[1])
    copy = pickle.loads(pickle.dumps(corpus))
    assert np.array_equal(copy[0].samples, corpus[0].samples)


@pytest.mark.runtimes
def test_groups_by_a_class_bear_its_name_and_rows_of_no_class_are_their_own(rows):
    corpus = Corpus.from_dataset(rows, group="genre", **OWN)
    assert corpus.groups == ("folk", "rock", "row-002", "folk")


@pytest.mark.runtimes
def test_rows_that_were_chosen_and_formatted_are_those(rows):
    corpus = Corpus.from_dataset(rows.select([2, 0]).with_format("numpy"), **OWN)
    assert corpus.ids == ("row-000", "row-001")
    assert np.array_equal(corpus[0].samples, wav(2)[1])
    assert corpus.labels["mood"] == ("wild", "calm")


@pytest.mark.runtimes
def test_what_is_no_dataset_of_audio_is_told(datasets, rows):
    def said(match, dataset, **options):
        with pytest.raises(CorpusError, match=match):
            Corpus.from_dataset(dataset, **OWN, **options)

    said("takes a datasets.Dataset, not list", [])
    said("takes a datasets.Dataset, not IterableDataset", rows.to_iterable_dataset())
    said("splits 'train'", datasets.DatasetDict(train=rows))
    said("no column of audio 'sound'; audio='audio' is one", rows, audio="sound")
    said("cast_column", rows.remove_columns("audio"))
    said("no column 'title'; it has 'audio', 'name'", rows, id="title")
    said("no rows", rows.select([]))
    said("same content", datasets.concatenate_datasets([rows, rows]))
    said("repeated: 'calm'", rows.select([0, 3]), id="mood")
    gone = {"bytes": None, "path": "/gone.wav"}
    bad = made(datasets, {"audio": [{"bytes": b"none", "path": "x.wav"}, gone, None]})
    said(r"(?s)row 0/x.wav cannot.*/gone.wav does not exist.*row 2 has no audio", bad)


@pytest.mark.runtimes
def test_a_file_of_a_row_that_has_changed_since_is_refused(datasets, tmp_path):
    for seed in range(2):
        (tmp_path / f"{seed}.wav").write_bytes(wav(seed)[0])
    paths = [str(tmp_path / f"{seed}.wav") for seed in range(2)]
    dataset = made(datasets, {"audio": [{"bytes": None, "path": path} for path in paths]})
    corpus = Corpus.from_dataset(dataset, **OWN)
    (tmp_path / "0.wav").write_bytes(wav(5)[0])
    with pytest.raises(CorpusError, match="has changed since"):
        corpus[0].samples  # noqa: B018

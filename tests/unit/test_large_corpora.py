"""Corpora of many files: what is remembered of them, and tables and datasets that list them."""

import csv
import io
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import soundfile

from pytest_nnrel import Corpus, PinkNoise, within_consistency
from pytest_nnrel.corpus import looking, open_corpus, reopen
from pytest_nnrel.errors import CorpusError
from pytest_nnrel.experiment.stores import close_stores
from pytest_nnrel.runtime import settings
from pytest_nnrel.runtime.settings import Settings
from pytest_nnrel.runtime.store import LAYOUT

RATE = 8000
GEOMETRY = {"sample_rate": RATE, "source_seconds": 0.5, "window_seconds": 0.5}
AGES = 1_600_000_000


def hiss(seed, seconds=0.5):
    rng = np.random.default_rng(seed)
    return (0.1 * rng.standard_normal(round(RATE * seconds))).astype(np.float32)


def write(path, seed, seconds=0.5):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, hiss(seed, seconds), RATE)
    os.utime(path, (AGES, AGES))
    return path


@pytest.fixture
def cache(tmp_path):
    active = Settings(cache_dir=tmp_path / "cache", jobs=2)
    token = settings.activate(active)
    yield tmp_path / "cache"
    settings.deactivate(token)
    close_stores(active)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Return a folder of files, so many that they are remembered, that were written long ago."""
    monkeypatch.setattr(looking, "LEAST_REMEMBERED", 6)
    monkeypatch.setattr(looking, "_SETTLED_SECONDS", -3600.0)
    for i in range(6):
        write(tmp_path / "music" / f"{i // 2}" / f"{i}.wav", i)
    return tmp_path / "music"


@pytest.fixture
def looks(monkeypatch):
    """Return the files that were looked into."""
    seen = []
    look = looking._LookTask._look

    def counted(self, path):
        seen.append(path.name)
        return look(self, path)

    monkeypatch.setattr(looking._LookTask, "_look", counted)
    return seen


def opened(folder, **options):
    return Corpus.from_directory(folder, **{**GEOMETRY, **options})


# ---------------------------------------------------------------------------------------------
# What is remembered of files


def test_files_that_stay_as_they_are_are_not_looked_into_again(cache, folder, looks):
    first = opened(folder)
    assert len(looks) == 6
    again = opened(folder)
    assert len(looks) == 6
    assert again.fingerprint == first.fingerprint
    assert again.keys == first.keys
    assert [clip.samples.tolist() for clip in again] == [clip.samples.tolist() for clip in first]


def test_a_file_that_changed_is_looked_into(cache, folder, looks):
    first = opened(folder)
    looks.clear()
    write(folder / "1" / "3.wav", seed=33)
    changed = opened(folder)
    assert looks == ["3.wav"]
    assert [a == b for a, b in zip(first.keys, changed.keys)] == [
        True,
        True,
        True,
        False,
        True,
        True,
    ]
    np.testing.assert_allclose(changed.clip("1/3.wav").samples, hiss(33), atol=1e-4)


def test_a_file_that_took_anothers_place_is_looked_into(cache, folder, looks, tmp_path):
    opened(folder)
    looks.clear()
    other = write(tmp_path / "other.wav", seed=34)  # of the same size and time
    os.replace(other, folder / "1" / "3.wav")
    np.testing.assert_allclose(opened(folder).clip("1/3.wav").samples, hiss(34), atol=1e-4)
    assert looks == ["3.wav"]


def test_a_file_that_changed_a_moment_ago_is_not_remembered(cache, folder, looks, monkeypatch):
    monkeypatch.setattr(looking, "_SETTLED_SECONDS", 3600.0)
    opened(folder)
    opened(folder)
    assert len(looks) == 12


def test_other_segments_and_lengths_are_other_looks(cache, folder, looks):
    opened(folder)
    opened(folder, source_seconds=0.25, window_seconds=0.25)
    assert len(looks) == 12
    halves = opened(folder, source_seconds=0.25, window_seconds=0.25, segments=2)
    assert len(looks) == 18
    again = opened(folder, source_seconds=0.25, window_seconds=0.25, segments=2)
    assert len(looks) == 18
    assert len(again) == 12
    assert again.fingerprint == halves.fingerprint


def test_damage_of_the_memory_is_looked_past(cache, folder, looks):
    first = opened(folder)
    for path in (cache / LAYOUT / "files").rglob("*.arrays"):
        content = path.read_bytes()
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    again = opened(folder)
    assert again.fingerprint == first.fingerprint
    assert 6 < len(looks) <= 12


def test_few_files_and_runs_without_a_cache_remember_nothing(tmp_path, folder, looks, monkeypatch):
    token = settings.activate(Settings(cache_dir=None, jobs=1))
    opened(folder)
    opened(folder)
    settings.deactivate(token)
    assert len(looks) == 12
    monkeypatch.setattr(looking, "LEAST_REMEMBERED", 7)
    token = settings.activate(Settings(cache_dir=tmp_path / "cache", jobs=1))
    opened(folder)
    settings.deactivate(token)
    assert not (tmp_path / "cache").exists()


def test_bad_files_are_told_each_time(cache, folder, looks):
    (folder / "2" / "4.wav").write_bytes(b"no audio")
    os.utime(folder / "2" / "4.wav", (AGES, AGES))
    for _ in range(2):
        with pytest.raises(CorpusError, match=r"4\.wav cannot be read as audio"):
            opened(folder)
    assert looks.count("4.wav") == 2
    assert len(looks) == 7


# ---------------------------------------------------------------------------------------------
# Manifests


def manifest(path, rows, delimiter=","):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, list(rows[0]), delimiter=delimiter)
        table.writeheader()
        table.writerows(rows)
    return path


ROWS = [
    {"path": "music/0/0.wav", "id": "a", "group": "x", "start": "", "genre": "rock"},
    {"path": "music/0/1.wav", "id": "b", "group": "x", "start": "0.1", "genre": ""},
    {"path": "music/1/2.wav", "id": "c", "group": "", "start": "0", "genre": "jazz"},
]
SHORT = {"sample_rate": RATE, "source_seconds": 0.25, "window_seconds": 0.25}


@pytest.mark.parametrize(("ending", "delimiter"), [("csv", ","), ("TSV", "\t")])
def test_a_manifest_tells_clips_groups_labels_and_starts(folder, tmp_path, ending, delimiter):
    table = manifest(tmp_path / f"clips.{ending}", ROWS, delimiter)
    corpus = Corpus.from_manifest(table, **SHORT)
    assert corpus.name == f"clips.{ending}"
    assert corpus.ids == ("a", "b", "c")
    assert corpus.groups == ("x", "x", "c")
    assert [dict(clip.labels) for clip in corpus] == [{"genre": "rock"}, {}, {"genre": "jazz"}]
    for clip, seed, start in zip(corpus, (0, 1, 2), (0, 800, 0)):
        np.testing.assert_allclose(clip.samples, hiss(seed)[start : start + 2000], atol=1e-4)


def test_a_manifest_is_opened_by_words_and_by_the_expression_that_failures_print(folder, tmp_path):
    table = manifest(tmp_path / "clips.csv", ROWS)
    corpus = open_corpus(str(table), **SHORT)
    again = eval(corpus.expression, {"Corpus": Corpus})
    assert again.fingerprint == reopen(corpus.describe()).fingerprint == corpus.fingerprint
    assert open_corpus(f"{table}[genre=jazz|rock]", **SHORT).ids == ("a", "c")


def test_columns_may_be_called_otherwise(folder, tmp_path):
    rows = [{"file": str(folder / "0" / f"{i}.wav"), "track": "t", "path": "x"} for i in range(2)]
    table = manifest(tmp_path / "elsewhere" / "clips.csv", rows)
    corpus = Corpus.from_manifest(table, columns={"path": "file", "group": "track"}, **GEOMETRY)
    assert corpus.ids == ("0.wav", "1.wav")
    assert corpus.groups == ("t", "t")
    assert corpus.expression is None  # words do not repeat names of columns
    assert corpus.clip("0.wav").labels == {"path": "x"}


def test_several_clips_of_a_file_have_names_of_their_own(folder, tmp_path):
    rows = [{"path": "music/0/0.wav", "start": start} for start in ("0", "0.25")]
    corpus = Corpus.from_manifest(manifest(tmp_path / "clips.csv", rows), **SHORT)
    assert corpus.ids == ("0.wav@0.25s", "0.wav@0s")


@pytest.mark.parametrize(
    ("content", "columns", "match"),
    [
        ("path\n", {}, "has no rows"),
        ("", {}, "has no rows"),
        ("file\nmusic/0/0.wav\n", {}, r"no column 'path' for the path; it has 'file'; columns="),
        ("path\nmusic/0/0.wav\n", {"id": "name"}, "no column 'name' for the id"),
        ("path\nmusic/0/0.wav\n", {"label": "x"}, "names 'label', but a manifest has path, id,"),
        ("path,id\n,a\nmusic/0/0.wav,b\n", {}, "row 1: the path is empty"),
        ("path\nmusic/none.wav\nmusic/0/0.wav\n", {}, "none.wav does not exist"),
        ("path,id\nmusic/0/0.wav,a\nmusic/0/1.wav,a\n", {}, r"ids must be unique; repeated: \['a'"),
        ("path,start\nmusic/0/0.wav,soon\n", {}, "row 1: start 'soon' is no time within .*0.5 s"),
        ("path,start\nmusic/0/0.wav,0.5\n", {}, "row 1: start '0.5' is no time within"),
        ("path,start\nmusic/0/0.wav,-1\n", {}, "row 1: start '-1' is no time within"),
        ("path,start\nmusic/0/0.wav,nan\n", {}, "row 1: start 'nan' is no time within"),
        ("path,start\nmusic/0/0.wav,0.3\nmusic/0/1.wav,0\n", {}, "shorter than the window"),
        ("path,start\nmusic/0/0.wav,0\nmusic/0/0.wav,0\n", {}, "unique|same content"),
        ('path\n"music/0/0.wav', {}, "cannot be read as CSV"),
    ],
)
def test_manifests_that_cannot_be_used(folder, tmp_path, content, columns, match):
    (tmp_path / "clips.csv").write_text(content)
    with pytest.raises(CorpusError, match=match):
        Corpus.from_manifest(tmp_path / "clips.csv", columns=columns, **SHORT)


def test_a_manifest_that_is_not_there_or_no_text(tmp_path):
    with pytest.raises(CorpusError, match=r"cannot be read as CSV.*No such file"):
        Corpus.from_manifest(tmp_path / "none.csv")
    (tmp_path / "clips.csv").write_bytes(b"\xff\xfe\x00p")
    with pytest.raises(CorpusError, match="cannot be read as CSV in UTF-8"):
        Corpus.from_manifest(tmp_path / "clips.csv")


@pytest.mark.parametrize("options", [{"groups": "folder"}, {"segments": 2}])
def test_a_manifest_tells_groups_and_clips_itself(folder, tmp_path, options):
    table = manifest(tmp_path / "clips.csv", ROWS)
    with pytest.raises(CorpusError, match="tells groups and clips itself"):
        open_corpus(str(table), **options)


@pytest.mark.runtimes
def test_a_manifest_in_parquet(folder, tmp_path):
    import pyarrow as pa
    from pyarrow import parquet

    rows = [{**row, "start": None if row["start"] == "" else float(row["start"])} for row in ROWS]
    parquet.write_table(pa.Table.from_pylist(rows), tmp_path / "clips.parquet")
    expected = Corpus.from_manifest(manifest(tmp_path / "clips.csv", ROWS), **SHORT)
    found = Corpus.from_manifest(tmp_path / "clips.parquet", **SHORT)
    assert found.fingerprint == expected.fingerprint
    assert found.labels == expected.labels
    (tmp_path / "bad.parquet").write_bytes(b"no table")
    with pytest.raises(CorpusError, match="cannot be read as Parquet"):
        Corpus.from_manifest(tmp_path / "bad.parquet")


# ---------------------------------------------------------------------------------------------
# Datasets

#: What dill says of a class of pyarrow's, whatever is done with a dataset.
of_dill = pytest.mark.filterwarnings("ignore:Cannot (locate|pickle)")


def encoded(seed, seconds=0.5):
    buffer = io.BytesIO()
    soundfile.write(buffer, hiss(seed, seconds), RATE, format="WAV")
    return buffer.getvalue()


def dataset_of(audio, **columns):
    """Return a dataset as one is on disk: a table of files' paths and of bytes, and features."""
    import pyarrow as pa
    from datasets import Audio, ClassLabel, Dataset, DatasetInfo, Features, Value

    cells = [{"bytes": None, "path": cell} if isinstance(cell, str) else cell for cell in audio]
    struct = pa.struct({"bytes": pa.binary(), "path": pa.string()})
    table = pa.table({"audio": pa.array(cells, struct), **columns})
    kinds = {"kind": ClassLabel(names=["rock", "jazz"])}
    features = {name: kinds.get(name, Value("string")) for name in columns}
    info = DatasetInfo(features=Features({"audio": Audio(), **features}))
    return Dataset(table, info=info, fingerprint=f"{len(audio)} {sorted(columns)}")


@of_dill
@pytest.mark.runtimes
def test_a_dataset_of_files_and_of_bytes(folder, cache):
    cells = [str(folder / "0" / "0.wav"), *({"bytes": encoded(i), "path": None} for i in (7, 8))]
    rows = dataset_of(cells, title=["a", "b", None], kind=[0, 1, 0], take=["x", "x", "y"])
    corpus = Corpus.from_dataset(rows, group="take", **SHORT)
    assert corpus.ids == ("row-000", "row-001", "row-002")
    assert corpus.groups == ("x", "x", "y")
    assert [dict(clip.labels) for clip in corpus] == [
        {"title": "a", "kind": "rock"}, {"title": "b", "kind": "jazz"}, {"kind": "rock"},
    ]  # fmt: skip
    for clip, seed in zip(corpus, (0, 7, 8)):
        np.testing.assert_allclose(clip.samples, hiss(seed)[:2000], atol=1e-4)
    # The same audio in a file is the same clip.
    files = Corpus.from_files({"row-000": folder / "0" / "0.wav"}, **SHORT)
    assert files.keys[0] == corpus.keys[0]
    assert pickle.loads(pickle.dumps(corpus)).clip("row-001").samples.shape == (2000,)
    measured = within_consistency(
        lambda batch: np.abs(np.fft.rfft(batch)), PinkNoise(snr_db=20), corpus=corpus
    )
    assert measured.n == 3


@of_dill
@pytest.mark.runtimes
def test_datasets_that_cannot_be_used(tmp_path):
    import pyarrow as pa
    from datasets import Dataset, DatasetDict

    good = dataset_of([{"bytes": encoded(i), "path": None} for i in range(2)], title=["a", "a"])
    for given, options, match in (
        ([1, 2], {}, "takes a datasets.Dataset, not list"),
        (good.to_iterable_dataset(), {}, "not IterableDataset; of one that is streamed"),
        (DatasetDict({"train": good}), {}, "splits 'train'; give one"),
        (good, {"audio": "sound"}, "no column of audio 'sound'; audio='audio' is one"),
        (
            Dataset(pa.table({"x": [1]}), fingerprint="x"),
            {},
            r"no column of audio 'audio'; cast_column",
        ),
        (good, {"id": "name"}, "no column 'name'; it has 'audio', 'title'"),
        (good, {"id": "title"}, r"ids must be unique; repeated: \['a'"),
        (dataset_of([None, None]), {}, "row 0: it has no audio"),
        (dataset_of([{"bytes": b"none", "path": "x.wav"}]), {}, "row 0: x.wav cannot be read"),
        (dataset_of([str(tmp_path / "gone.wav")]), {}, "row 0: .*gone.wav does not exist"),
        (good.select([]), {}, "has no rows"),
    ):
        with pytest.raises(CorpusError, match=match):
            Corpus.from_dataset(given, **GEOMETRY, **options)


@of_dill
@pytest.mark.runtimes
def test_a_file_of_a_dataset_that_changed_is_told(tmp_path):
    paths = [str(write(tmp_path / f"{i}.wav", i)) for i in range(2)]
    corpus = Corpus.from_dataset(dataset_of(paths), **GEOMETRY)
    write(Path(paths[0]), 5)
    with pytest.raises(CorpusError, match="of row 0 has changed since the corpus was built"):
        corpus[0]

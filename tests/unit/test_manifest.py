"""Corpora that a table lists."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import soundfile

from pytest_nnrel import Corpus
from pytest_nnrel.corpus import open_corpus, reopen
from pytest_nnrel.errors import CorpusError

RATE = 8_000
OWN = {"sample_rate": RATE, "source_seconds": 2.0, "window_seconds": 1.0}


@pytest.fixture(scope="module")
def audio(tmp_path_factory):
    """A folder of three files of noise, 6 s each."""
    folder = tmp_path_factory.mktemp("table") / "audio"
    folder.mkdir()
    for i in range(3):
        noise = 0.1 * np.random.default_rng(i).standard_normal(6 * RATE)
        soundfile.write(folder / f"{i}.wav", noise, RATE, subtype="FLOAT")
    return folder


@pytest.fixture
def table(audio, tmp_path):
    """Write a manifest beside the audio's folder, and return its path."""

    def write(text, name="clips.csv", encoding="utf-8"):
        path = audio.parent / name
        path.write_text(text, encoding=encoding)
        return path

    return write


def test_each_row_is_a_clip_whose_other_columns_are_labels(table, audio):
    path = table(
        "id,path,group,start,genre,year\n"
        "one,audio/0.wav,a,0.5,rock,1999\n"
        "two,audio/0.wav,a,3.25,rock,\n"
        f"three,{audio / '1.wav'},,,folk,2001\n"
    )
    corpus = Corpus.from_manifest(path, **OWN)
    assert corpus.ids == ("one", "three", "two")
    assert corpus.groups == ("a", "three", "a")
    assert corpus.labels == {"genre": ("rock", "folk", "rock"), "year": ("1999", "2001", "")}
    whole = soundfile.read(audio / "0.wav", dtype="float32")[0]
    assert np.array_equal(corpus.clip("one").samples, whole[4_000:20_000])
    assert np.array_equal(corpus.clip("two").samples, whole[26_000:42_000])
    middle = soundfile.read(audio / "1.wav", dtype="float32")[0][16_000:32_000]
    assert np.array_equal(corpus.clip("three").samples, middle)
    assert corpus.name == "clips.csv"


def test_the_middle_of_a_file_is_the_clip_that_a_folder_gives(table, audio):
    listed = Corpus.from_manifest(table("path\naudio/0.wav\naudio/1.wav\naudio/2.wav\n"), **OWN)
    assert listed.keys == Corpus.from_directory(audio, **OWN).keys


def test_a_stretch_at_a_files_end_is_what_is_left(table):
    path = table("path,start\naudio/0.wav,4.5\naudio/1.wav,\n")
    corpus = Corpus.from_manifest(path, **OWN)
    assert corpus.ids == ("0.wav@4.5s", "1.wav")
    assert [clip.seconds for clip in corpus] == [1.5, 2.0]


def test_columns_may_have_other_names(table):
    path = table("file\tpiece\ttake\naudio/0.wav\ta\t1\naudio/1.wav\tb\t2\n", "clips.tsv")
    corpus = Corpus.from_manifest(path, columns={"path": "file", "group": "piece"}, **OWN)
    assert corpus.groups == ("a", "b")
    assert corpus.labels == {"take": ("1", "2")}
    assert corpus.expression is None


def test_what_spreadsheets_write_before_the_text_is_no_part_of_a_name(table):
    path = table("path\naudio/0.wav\naudio/1.wav\n", encoding="utf-8-sig")
    assert len(Corpus.from_manifest(path, **OWN)) == 2


def test_a_manifest_is_opened_by_its_name_and_by_its_expression(table):
    path = table("path,genre\naudio/0.wav,rock\naudio/1.wav,folk\naudio/2.wav,folk\n")
    corpus = open_corpus(str(path), **OWN)
    again = eval(corpus.expression, {"Corpus": Corpus})
    assert again.fingerprint == corpus.fingerprint == reopen(corpus.describe()).fingerprint
    assert open_corpus(f"{path}[genre=folk]", **OWN).ids == ("1.wav", "2.wav")
    for wrong in ({"segments": 2}, {"groups": "folder"}):
        with pytest.raises(CorpusError, match="columns group and start"):
            open_corpus(str(path), **OWN, **wrong)


@pytest.mark.runtimes
def test_a_parquet_table_gives_what_a_csv_table_gives(table, audio):
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    path = audio.parent / "clips.parquet"
    columns = {"path": ["audio/0.wav", "audio/1.wav"], "start": [0.5, None], "year": [1999, None]}
    parquet.write_table(pyarrow.table(columns), path)
    corpus = Corpus.from_manifest(path, **OWN)
    text = table("path,start,year\naudio/0.wav,0.5,1999\naudio/1.wav,,\n")
    assert corpus.fingerprint == Corpus.from_manifest(text, **OWN).fingerprint
    assert corpus.labels == {"year": ("1999", "")}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "has no rows"),
        ("path\n", "has no rows"),
        ("file\naudio/0.wav\n", "no column 'path'.*'file'"),
        ("path,id\naudio/0.wav,a\naudio/1.wav,a\n", "ids must be unique; repeated: 'a'"),
        ("path\naudio/0.wav\naudio/0.wav\n", "unique"),
        ("path,id\naudio/0.wav,a\naudio/0.wav,b\n", "same content"),
        ("path,id\n,a\naudio/0.wav,b\n", "row 1: the path is empty"),
        ("path,start\naudio/0.wav,6\naudio/1.wav,0\n", "row 1: start '6' is no time within.*6 s"),
        ("path,start\naudio/0.wav,-1\naudio/1.wav,0\n", "row 1: start '-1'"),
        ("path,start\naudio/0.wav,nan\naudio/1.wav,0\n", "row 1: start 'nan'"),
        ("path,start\naudio/0.wav,soon\naudio/1.wav,0\n", "row 1: start 'soon'"),
        ("path,start\naudio/0.wav,5.5\naudio/1.wav,0\n", "0.5 s long, shorter than the window"),
        ("path\nclips.csv\naudio/0.wav\n", "clips.csv cannot be read as audio"),
        ('path\n"audio/0.wav\n', "cannot be read as CSV"),
    ],
)  # fmt: skip
def test_what_a_table_may_not_hold_is_told(table, text, said):
    with pytest.raises(CorpusError, match=said):
        Corpus.from_manifest(table(text), **OWN)


def test_all_missing_files_are_told_once_each_up_to_ten(table):
    rows = "".join(f"gone/{i}.wav,{start}\n" for i in range(12) for start in (0, 2))
    with pytest.raises(CorpusError, match="and 2 more") as told:
        Corpus.from_manifest(table(f"path,start\n{rows}"), **OWN)
    assert str(told.value).count("does not exist") == 10


def test_a_table_that_is_not_there_or_no_text_is_told(tmp_path):
    with pytest.raises(CorpusError, match="No such file"):
        Corpus.from_manifest(tmp_path / "none.csv", **OWN)
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CorpusError, match="in UTF-8"):
        Corpus.from_manifest(tmp_path / "binary.csv", **OWN)


def test_an_unknown_column_is_refused(table):
    with pytest.raises(CorpusError, match="columns names 'begin', but a manifest has path, id"):
        Corpus.from_manifest(table("path\naudio/0.wav\n"), columns={"begin": "start"}, **OWN)


def test_a_parquet_table_names_what_reads_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(CorpusError, match="pip install pyarrow; a CSV file does without"):
        Corpus.from_manifest(tmp_path / "clips.parquet", **OWN)

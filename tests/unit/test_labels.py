"""Corpora of the clips that have some labels, and measurements by label."""

from __future__ import annotations

from copy import deepcopy

import numpy as np
import pytest

from pytest_nnrel import (
    Corpus,
    CorpusError,
    MFCCEncoder,
    PinkNoise,
    UndefinedMeasureError,
    audio_consistency,
    between_consistency,
    within_consistency,
)
from pytest_nnrel.corpus import open_corpus
from pytest_nnrel.corpus.labels import parsed, positions
from pytest_nnrel.experiment.study import listing
from pytest_nnrel.measurement import Measurement
from pytest_nnrel.report import labelled
from pytest_nnrel.statistics.intervals import proportion_interval

pytestmark = pytest.mark.usefixtures("run")


@pytest.mark.parametrize(
    ("words", "corpus", "wanted"),
    [
        ("bundled", "bundled", {}),
        ("bundled[a=b]", "bundled", {"a": "b"}),
        ("bundled[a=b|c,d=e f]", "bundled", {"a": "b|c", "d": "e f"}),
        ("bundled[ a = b , c = d ]", "bundled", {"a": "b", "c": "d"}),
        ("bundled[by=Bach, J. S.,year=1720]", "bundled", {"by": "Bach, J. S.", "year": "1720"}),
        ("bundled[a=b=c]", "bundled", {"a": "b=c"}),
        ("bundled[a=x [live]]", "bundled", {"a": "x [live]"}),
        ("mirdata:gtzan@data[x]/it[genre=rock]", "mirdata:gtzan@data[x]/it", {"genre": "rock"}),
        ("audio[1]/more", "audio[1]/more", {}),
    ],
)
def test_words_of_a_corpus_and_its_labels(words, corpus, wanted):
    assert parsed(words) == (corpus, wanted)


def test_a_folder_of_that_very_name_is_a_folder(tmp_path):
    folder = tmp_path / "takes[day=1]"
    assert parsed(str(folder))[1] == {"day": "1"}
    folder.mkdir()
    assert parsed(str(folder)) == (str(folder), {})


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("bundled[rock]", r"must be LABEL=VALUE, .* not 'rock'"),
        ("bundled[]", r"must be LABEL=VALUE, .* not ''"),
        ("bundled[genre=]", r"must be LABEL=VALUE, .* not 'genre='"),
        ("bundled[=rock]", r"must be LABEL=VALUE, .* not '=rock'"),
        ("bundled[a=b,a=c]", r"the label 'a' is named twice in .*put \| between"),
        (
            "bundled[license=MIT]",
            r"'bundled' has a label 'license'; did you mean licence\?; its labels:(?s:.*)\n"
            r"  licence: CC-BY-SA-3.0 \(90\), CC-BY-3.0 \(37\)",
        ),
        (
            "bundled[licence=CC-BY-2.0]",
            r"has licence=CC-BY-2.0; did you mean CC-BY-3.0, .*\?; values of licence: CC-BY-SA-3.0"
            r" \(90\), CC-BY-3.0 \(37\), MIT \(4\), public domain \(3\)",
        ),
        ("bundled[licence=MIT|GPL]", "has licence=GPL; values"),
        ("bundled[licence=MIT,source_package=naev-data]", "has licence=MIT and source_package=nae"),
    ],
)
def test_labels_that_there_are_not_are_refused_with_those_that_there_are(words, message):
    with pytest.raises(CorpusError, match=message):
        open_corpus(words)


def test_a_corpus_of_some_labels_has_the_clips_that_have_them():
    whole = Corpus.bundled()
    found = open_corpus("bundled[licence=MIT|public domain]")
    assert found.name == "bundled[licence=MIT|public domain]"
    expected = [clip.id for clip in whole if clip.labels["licence"] in ("MIT", "public domain")]
    assert list(found.ids) == expected
    assert len(expected) == 7
    assert found.fingerprint == whole.subset(expected).fingerprint
    both = open_corpus("bundled[licence=CC-BY-SA-3.0,source_package=unknown-horizons|ufoai-music]")
    assert {(clip.labels["licence"], clip.labels["source_package"]) for clip in both} == {
        ("CC-BY-SA-3.0", "ufoai-music"), ("CC-BY-SA-3.0", "unknown-horizons"),
    }  # fmt: skip


def test_values_may_hold_what_stands_between_values():
    clips = [{"by": "a|b"}, {"by": "a"}, {"by": "b"}, {}]
    assert positions({"by": "a|b"}, clips, "x") == [0]
    assert positions({"by": "a| b"}, clips, "x") == [1, 2]


def test_labels_of_each_clip_in_order():
    corpus = Corpus.bundled()
    for label, values in corpus.labels.items():
        assert values == tuple(clip.labels[label] for clip in corpus)


def test_files_of_a_folder_are_labelled_by_the_folder_that_they_lie_in(clips, tmp_path):
    files = sorted(clips.iterdir())[:4]
    for place, file in zip(("rock", "rock", "folk/live", "."), files, strict=True):
        (tmp_path / place).mkdir(parents=True, exist_ok=True)
        (tmp_path / place / file.name).symlink_to(file)
    corpus = Corpus.from_directory(tmp_path)
    assert sorted(corpus.labels["folder"]) == ["", "folk/live", "rock", "rock"]
    assert len(open_corpus(f"{tmp_path}[folder=rock]")) == 2
    assert len(open_corpus(f"{tmp_path}[folder=rock|folk/live]")) == 3


# Measurements by label


@pytest.fixture(scope="module")
def corpus():
    return Corpus.bundled().subset(24)


@pytest.fixture(scope="module")
def measured(corpus):
    return within_consistency(MFCCEncoder(), PinkNoise(snr_db=6), corpus=corpus)


def test_a_measurement_by_label_counts_the_clips_of_each_value(measured, corpus):
    parts = measured.by("licence")
    assert set(parts) == {clip.labels["licence"] for clip in corpus}
    assert 0 < measured.value < 1
    for value, (share, ci, n) in parts.items():
        own = [o for o, clip in zip(measured.outcomes, corpus) if clip.labels["licence"] == value]
        assert (share, n) == (sum(own) / len(own), len(own))
        assert ci == proportion_interval(np.array(own), [str(i) for i in range(n)])
    assert sum(part.n for part in parts.values()) == measured.n
    whole = sum(part.value * part.n for part in parts.values()) / measured.n
    assert whole == pytest.approx(measured.value)


def test_all_originals_compete_whatever_their_label(measured, corpus):
    label = "CC-BY-3.0"
    alone = corpus.subset(lambda clip: clip.labels["licence"] == label)
    easier = within_consistency(MFCCEncoder(), PinkNoise(snr_db=6), corpus=alone)
    assert measured.by("licence")[label].value <= easier.value
    assert measured.by("licence")[label].n == easier.n


def test_intervals_of_parts_account_for_groups(corpus):
    clips = [clip.samples for clip in corpus.subset(8)]
    grouped = Corpus.from_arrays(clips, sample_rate=22_050, groups=list("aabbccdd"))
    found = within_consistency(MFCCEncoder(), PinkNoise(snr_db=0), corpus=grouped)
    labelled = Labelled(grouped, {"half": tuple("xxxxyyyy")})
    parts = found.by("half", corpus=labelled)
    for value, rows in (("x", slice(0, 4)), ("y", slice(4, 8))):
        own = np.array(found.outcomes[rows])
        assert parts[value].ci == proportion_interval(own, grouped.groups[rows])


class Labelled:
    def __init__(self, corpus, labels):
        self.name, self.fingerprint = corpus.name, corpus.fingerprint
        self.groups, self.labels = corpus.groups, labels


def test_clips_without_the_label_are_a_part_of_their_own(measured, corpus):
    labelled = Labelled(corpus, {"genre": ("rock", "") * 12})
    parts = measured.by("genre", corpus=labelled)
    assert {value: part.n for value, part in parts.items()} == {"": 12, "rock": 12}


def test_what_is_no_proportion_of_clips_has_no_parts(corpus):
    noise, mfcc = PinkNoise(snr_db=6), MFCCEncoder()
    agreement = between_consistency(mfcc, noise, corpus=corpus, measure="accuracy").by("licence")
    assert sum(part.n for part in agreement.values()) == len(corpus)
    assert set(audio_consistency(noise, corpus=corpus).by("licence")) == set(agreement)
    rho = between_consistency(mfcc, noise, corpus=corpus)
    with pytest.raises(UndefinedMeasureError, match="of proportions"):
        rho.by("licence")


def test_a_label_that_there_is_not_is_refused_with_those_that_there_are(measured):
    with pytest.raises(CorpusError, match="no label 'genre'; their labels: clip, source_package"):
        measured.by("genre")


def test_a_measurement_that_was_read_is_given_its_corpus(measured, corpus):
    read = Measurement.from_dict(measured.as_dict())
    assert read.by("licence", corpus=corpus) == measured.by("licence")
    with pytest.raises(CorpusError, match="pass corpus=, the one that was measured on"):
        read.by("licence")
    with pytest.raises(CorpusError, match="corpus 'bundled' holds other clips"):
        read.by("licence", corpus=Corpus.bundled())


def test_labels_are_known_in_memory_only(measured):
    assert measured.clips.labels["licence"]
    assert "CC-BY" not in str(measured.as_dict())


# The report


def results_of(measured, corpus):
    plain = measured.as_dict()
    return {"one": plain}, {corpus.fingerprint: listing(corpus)}


def test_the_report_has_a_table_of_each_label_that_parts_clips_into_a_few_kinds(measured, corpus):
    tables = labelled.tables_of(*results_of(measured, corpus))
    assert [table.label for table in tables] == ["source_package", "licence"]
    (licences,) = (table for table in tables if table.label == "licence")
    assert licences.subjects == [("mfcc", 1)]
    parts = measured.by("licence")
    assert [(value, n) for value, n, _ in licences.rows] == [
        (value, part.n) for value, part in parts.items()
    ]
    for value, _, (share,) in licences.rows:
        assert share.value == parts[value].value
        assert (share.low, share.high) == pytest.approx(parts[value].ci)


def test_shares_are_means_over_conditions(measured, corpus):
    harder = within_consistency(MFCCEncoder(), PinkNoise(snr_db=0), corpus=corpus)
    both = {"a": measured.as_dict(), "b": harder.as_dict()}
    tables = labelled.tables_of(both, {corpus.fingerprint: listing(corpus)})
    for value, _, (share,) in tables[1].rows:
        of_both = [found.by("licence")[value].value for found in (measured, harder)]
        assert share.value == pytest.approx(sum(of_both) / 2)


def test_encoders_that_share_a_name_are_in_no_table(measured, corpus):
    measurements, corpora = results_of(measured, corpus)
    worse = deepcopy(measurements["one"])
    worse["outcomes"] = worse["outcomes"].replace("1", "0")
    other = deepcopy(measurements["one"])
    other["details"]["encoder"]["name"] = "other"
    both = {**measurements, "two": worse}
    assert labelled.tables_of(both, corpora) == []
    for table in labelled.tables_of({**both, "three": other}, corpora):
        assert (table.subjects, table.left_out) == ([("other", 1)], 1)


def test_labels_that_part_nothing_are_left_out_and_results_of_before_have_none(measured, corpus):
    assert not {"clip", "track"} & set(listing(corpus)["labels"])
    assert "labels" not in listing(corpus.subset(2))
    measurements, corpora = results_of(measured, corpus)
    del corpora[corpus.fingerprint]["labels"]
    assert labelled.tables_of(measurements, corpora) == []
    assert labelled.tables_of(measurements, {}) == []

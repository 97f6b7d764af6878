"""Clips and corpora: what may be measured on, and what is refused with which words."""

from __future__ import annotations

import csv
import dataclasses
import math
import os
import pickle
import re
import shutil
import subprocess
import sys
import warnings
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from pytest_nnrel import Clip, Corpus, MFCCEncoder, PinkNoise, assert_relative_nearest
from pytest_nnrel.corpus import audio, open_corpus, reopen
from pytest_nnrel.errors import CorpusError, CorpusWarning
from pytest_nnrel.transforms import TempoShift

RATE = 22_050
BUNDLED_FOLDER = Path(str(resources.files("pytest_nnrel"))) / "data" / "corpus"


def hiss(seed, seconds=4.0, rate=RATE, level=0.1):
    """Return white noise, float32[n], different for each seed."""
    noise = np.random.default_rng(seed).standard_normal(round(seconds * rate))
    return (level * noise).astype(np.float32)


def write(path, samples, rate=RATE, **options):
    """Write an audio file, in blocks since libsndfile's Vorbis encoder needs them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    channels = 1 if samples.ndim == 1 else samples.shape[1]
    with soundfile.SoundFile(path, "w", rate, channels, **options) as file:
        for start in range(0, len(samples), 4096):
            file.write(samples[start : start + 4096])
    return path


def found_in(whole, part):
    """Return the one place where `part` lies in `whole`, sample by sample."""
    candidates = np.flatnonzero(whole[: len(whole) - len(part) + 1] == part[0])
    (start,) = [s for s in candidates if np.array_equal(whole[s : s + len(part)], part)]
    return int(start)


@pytest.fixture(scope="module")
def bundled():
    return Corpus.bundled()


@pytest.fixture(scope="module")
def music(bundled):
    """Six recorded clips, a minute's third of music."""
    return [clip.samples for clip in bundled.subset(6)]


@pytest.fixture
def folder(tmp_path):
    """Three files of noise, 5 s each."""
    for i in range(3):
        write(tmp_path / "three" / f"{i}.wav", hiss(i, 5.0))
    return tmp_path / "three"


# The bundled corpus


def test_the_bundled_corpus_holds_134_tracks_in_the_order_of_their_ids(bundled):
    with (BUNDLED_FOLDER / "manifest.csv").open(encoding="utf-8", newline="") as file:
        rows = {row["clip"]: row for row in csv.DictReader(file)}
    assert len(bundled) == 134
    assert list(bundled.ids) == sorted(rows)
    assert len({(row["source_package"], row["track"]) for row in rows.values()}) == 134
    assert bundled.groups == bundled.ids
    for index in (0, 66, 133):
        clip = bundled[index]
        assert clip.id == bundled.ids[index]
        assert clip.labels == rows[clip.id]


def test_every_bundled_clip_is_four_seconds_of_sound_unlike_any_other(bundled):
    bundled.check_audio()
    assert {(len(clip.samples), clip.sample_rate) for clip in bundled} == {(88_200, 22_050)}


def test_the_bundled_fingerprint_is_the_same_in_every_process(bundled, tmp_path):
    script = "from pytest_nnrel import Corpus; print(Corpus.bundled().fingerprint)"
    for seed in ("1", "2"):
        shown = subprocess.run(
            [sys.executable, "-c", script],
            cwd=tmp_path,
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        )
        assert shown.stdout.strip() == bundled.fingerprint


def test_the_attribution_names_every_clip_and_every_licence_has_its_text(bundled):
    attribution = (BUNDLED_FOLDER / "ATTRIBUTION.md").read_text(encoding="utf-8")
    assert [id_ for id_ in bundled.ids if f"`{id_}`" not in attribution] == []
    licences = {source.labels["licence"] for source in bundled}
    texts = {path.stem for path in (BUNDLED_FOLDER / "LICENSES").iterdir()}
    assert licences - texts <= {"public domain"}
    assert all(clip.labels["attribution"] for clip in bundled)


# Folders and files


def test_a_folder_is_read_recursively_in_mixed_formats_rates_and_channels(tmp_path, music):
    files = {
        "a/b/deep.wav": (44_100, 2, {"subtype": "PCM_16"}),
        "a/flac.flac": (48_000, 1, {}),
        "opus.opus": (48_000, 1, {"format": "OGG", "subtype": "OPUS"}),
        "Vorbis UPPER.OGG": (44_100, 2, {"format": "OGG", "subtype": "VORBIS"}),
        "ünïcode 音楽.mp3": (44_100, 2, {"format": "MP3"}),
        "z.aiff": (96_000, 6, {}),
    }
    for i, (name, (rate, channels, options)) in enumerate(files.items()):
        samples = audio.resample(music[i], RATE, rate)
        write(tmp_path / name, np.stack([samples] * channels, axis=1), rate, **options)
    (tmp_path / "notes.txt").write_text("not audio")
    (tmp_path / "._of macOS.wav").write_text("not audio")
    corpus = Corpus.from_directory(tmp_path, name="mixed")
    assert corpus.passed_over == {"no audio": 1, "hidden": 1}
    assert corpus.name == "mixed"
    assert list(corpus.ids) == sorted(files)
    corpus.check_audio()
    for i, name in enumerate(files):
        clip = corpus[corpus.index(name)]
        assert clip.sample_rate == RATE
        assert abs(len(clip.samples) - 4 * RATE) <= 1
        shared = min(len(clip.samples), len(music[i]))
        assert np.corrcoef(clip.samples[:shared], music[i][:shared])[0, 1] > 0.95


def test_ids_order_and_fingerprint_do_not_depend_on_when_or_where_files_were_made(tmp_path):
    names = ["b.wav", "a/z.wav", "c.wav", "a.wav"]
    for place, order in (("one", names), ("two", names[::-1])):
        for name in order:
            write(tmp_path / place / name, hiss(names.index(name)))
    one, two = (Corpus.from_directory(tmp_path / place) for place in ("one", "two"))
    assert one.ids == two.ids == tuple(sorted(names))
    assert one.keys == two.keys
    assert one.fingerprint == two.fingerprint


def test_the_fingerprint_tells_content_ids_order_groups_and_windows_apart():
    rows = [hiss(i) for i in range(3)]

    def fingerprint(rows=rows, ids=("a", "b", "c"), **options):
        return Corpus.from_arrays(rows, sample_rate=RATE, ids=ids, **options).fingerprint

    assert fingerprint() == fingerprint([row.copy() for row in rows])
    nudged = [rows[0].copy(), *rows[1:]]
    nudged[0][5] += 1e-6
    others = [
        fingerprint(nudged),
        fingerprint(ids=("a", "b", "d")),
        fingerprint(ids=("b", "a", "c")),
        fingerprint(groups=("x", "x", "y")),
        fingerprint(window_seconds=1.5),
        fingerprint(rows[:2], ids=("a", "b")),
    ]
    assert len({fingerprint(), *others}) == 1 + len(others)


def test_a_changed_file_changes_the_fingerprint_of_a_corpus_built_later(folder):
    before = Corpus.from_directory(folder).fingerprint
    write(folder / "1.wav", hiss(99, 5.0))
    assert Corpus.from_directory(folder).fingerprint != before


def test_a_long_file_gives_its_middle_and_a_short_one_all_of_it(tmp_path):
    long, short = hiss(0, 11.0), hiss(1, 2.5)
    write(tmp_path / "long.wav", long, subtype="FLOAT")
    write(tmp_path / "short.wav", short, subtype="FLOAT")
    corpus = Corpus.from_directory(tmp_path)
    np.testing.assert_array_equal(corpus[1].samples, short)
    assert len(corpus[0].samples) == 4 * RATE
    start = found_in(long, corpus[0].samples)
    assert abs(start - (len(long) - 4 * RATE) / 2) <= 2 * RATE  # the middle one of the slots


def stretches(corpus, id_, whole):
    """Return where each segment of a file starts, found sample by sample."""
    return [found_in(whole, clip.samples) for clip in corpus if clip.group == id_]


@pytest.mark.parametrize("wanted", [2, 3, 5, 10])
def test_segments_are_evenly_spread_and_do_not_overlap(tmp_path, wanted):
    whole = hiss(0, 10 * 4.0 + 1.0)  # room for ten, and a second left over
    write(tmp_path / "long.wav", whole, subtype="FLOAT")
    corpus = Corpus.from_directory(tmp_path, segments=wanted)
    starts = stretches(corpus, "long.wav", whole)
    assert len(corpus) == len(starts) == wanted
    length = 4 * RATE
    gaps = np.diff(sorted(starts))
    assert gaps.min() >= length
    assert gaps.max() - gaps.min() <= length  # even to within one slot
    before, after = min(starts), len(whole) - max(starts) - length
    assert abs(before - after) <= length


def test_segments_of_a_file_are_a_group_named_by_when_they_start(tmp_path):
    whole = hiss(0, 30.0)
    write(tmp_path / "a.wav", whole, subtype="FLOAT")
    write(tmp_path / "b.wav", hiss(1, 3.0), subtype="FLOAT")
    with pytest.warns(CorpusWarning, match="fewer than 3 segments"):
        corpus = Corpus.from_directory(tmp_path, segments=3)
    assert corpus.groups == ("a.wav",) * 3 + ("b.wav",)
    starts = stretches(corpus, "a.wav", whole)
    assert corpus.ids[:3] == tuple(f"a.wav@{start / RATE:.2f}s" for start in starts)
    assert corpus.ids[3].startswith("b.wav@")
    assert corpus.describe()["groups"] == 2
    assert corpus.describe()["segments"] == 3


def test_files_too_short_for_the_segments_asked_give_fewer_and_are_told(tmp_path):
    write(tmp_path / "long.wav", hiss(0, 20.0))
    for name, seconds in (("short.wav", 9.0), ("shorter.wav", 3.0)):
        write(tmp_path / name, hiss(len(name), seconds))
    for build in (
        Corpus.from_directory,
        lambda p, **o: Corpus.from_files(sorted(p.iterdir()), **o),
    ):
        with pytest.warns(CorpusWarning) as caught:
            assert len(build(tmp_path, segments=5)) == 5 + 2 + 1
        (warning,) = caught
        assert str(warning.message).endswith(
            ": fewer than 5 segments of 4 s come from 2 of 3 files, which are too short or silent"
            " in part (short.wav, shorter.wav); the corpus has 8 clips"
        )
        assert warning.filename == __file__


def test_silent_stretches_are_passed_over(tmp_path):
    whole = hiss(0, 24.0)
    whole[: 16 * RATE] = 0.0  # four silent slots, two audible ones
    write(tmp_path / "mostly silent.wav", whole, subtype="FLOAT")
    middle = Corpus.from_directory(tmp_path)
    assert audio.loudness(middle[0].window(2.0), RATE) > -40
    with pytest.warns(CorpusWarning, match="silent in part"):
        two = Corpus.from_directory(tmp_path, segments=6)
    assert [id_.split("@")[1] for id_ in two.ids] == ["16.00s", "20.00s"]


def test_a_file_that_is_silent_throughout_is_refused(tmp_path):
    write(tmp_path / "sound.wav", hiss(0, 20.0))
    write(tmp_path / "nothing.wav", np.zeros(20 * RATE, np.float32))
    for segments in (1, 3):
        with pytest.raises(CorpusError, match=r"nothing\.wav is silent"):
            Corpus.from_directory(tmp_path, segments=segments)


def test_files_are_named_by_as_much_of_the_path_as_tells_them_apart(tmp_path):
    paths = [write(tmp_path / name, hiss(i)) for i, name in enumerate(["x/a.wav", "x/b.wav"])]
    assert Corpus.from_files(paths).ids == ("a.wav", "b.wav")
    paths.append(write(tmp_path / "y/a.wav", hiss(7)))
    assert Corpus.from_files(map(str, paths)).ids == ("x/a.wav", "x/b.wav", "y/a.wav")


def test_files_with_ids_keep_them_and_their_labels(tmp_path):
    paths = {id_: write(tmp_path / f"{id_}.flac", hiss(i)) for i, id_ in enumerate("ba")}
    corpus = Corpus.from_files(paths, labels={"a": {"genre": "noise"}}, name="two")
    assert corpus.ids == ("a", "b")
    assert [clip.labels for clip in corpus] == [{"genre": "noise"}, {}]
    assert corpus.name == "two"


def test_arrays_are_sources_as_a_whole_at_their_own_rate():
    rows = [hiss(i, 3.0 + i, 16_000) for i in range(3)]
    corpus = Corpus.from_arrays(rows, sample_rate=16_000)
    assert corpus.ids == ("clip-000", "clip-001", "clip-002")
    assert corpus.sample_rate == 16_000
    for row, clip in zip(rows, corpus):
        np.testing.assert_array_equal(clip.samples, row)
    corpus.require_source(3.0, "this")


def test_arrays_are_sorted_by_id_with_their_groups():
    rows = np.stack([hiss(i) for i in range(3)])
    corpus = Corpus.from_arrays(
        rows, sample_rate=RATE, ids=["c", "a", "b"], groups=["two", None, "two"]
    )
    assert corpus.ids == ("a", "b", "c")
    assert corpus.groups == ("a", "two", "two")
    np.testing.assert_array_equal(corpus[2].samples, rows[0])


def test_a_corpus_at_48_khz_of_ten_seconds_keeps_what_lies_above_11_khz(tmp_path):
    rate = 48_000
    time = np.arange(12 * rate) / rate
    for i, frequency in enumerate((15_000, 18_000)):
        tone = (0.3 * np.sin(2 * np.pi * frequency * time)).astype(np.float32)
        write(tmp_path / f"{i}.wav", tone, rate)
    corpus = Corpus.from_directory(
        tmp_path, sample_rate=rate, source_seconds=10.0, window_seconds=10.0
    )
    corpus.check_audio()
    windows = corpus.windows()
    assert windows.shape == (2, 480_000)
    peaks = np.abs(np.fft.rfft(windows, axis=1)).argmax(axis=1) * rate / windows.shape[1]
    np.testing.assert_allclose(peaks, [15_000, 18_000], atol=1)
    corpus.require_source(10.0, "an encoder")


def test_clips_below_the_rate_of_the_corpus_raise_a_warning_that_points_at_the_caller(tmp_path):
    write(tmp_path / "low.wav", hiss(0, rate=8000), 8000)
    write(tmp_path / "high.wav", hiss(1, rate=44_100), 44_100)
    with pytest.warns(CorpusWarning, match=r"1 of 2 clips.*sample_rate=8000") as caught:
        Corpus.from_directory(tmp_path)
    assert [Path(warning.filename).name for warning in caught] == ["test_corpus.py"]
    with pytest.warns(CorpusWarning, match=r"sample_rate=8000") as caught:
        Corpus.from_files([tmp_path / "low.wav", tmp_path / "high.wav"])
    assert [Path(warning.filename).name for warning in caught] == ["test_corpus.py"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Corpus.from_directory(tmp_path, sample_rate=8000)


def test_a_folder_is_opened_by_its_name_with_its_geometry(folder):
    corpus = open_corpus(str(folder), segments=2, sample_rate=16_000, source_seconds=2.5)
    assert corpus.name == "three"
    assert len(corpus) == 6
    assert {len(clip.samples) for clip in corpus} == {40_000}
    again = open_corpus(
        str(corpus.origin),
        segments=corpus.segments,
        sample_rate=corpus.sample_rate,
        source_seconds=corpus.source_seconds,
        window_seconds=corpus.window_seconds,
    )
    assert again.fingerprint == corpus.fingerprint


def test_the_bundled_corpus_opens_by_its_word_and_in_its_own_geometry_only(bundled):
    assert open_corpus("bundled").fingerprint == bundled.fingerprint
    with pytest.raises(CorpusError, match=r"bundled clips are 4 s at 22,050 Hz.*FOLDER"):
        open_corpus("bundled", sample_rate=44_100)


# Parts of a corpus


@given(st.integers(1, 134))
def test_a_subset_is_spread_evenly_from_the_first_clip_to_the_last(clips):
    corpus = Corpus.bundled()
    picked = [corpus.ids.index(id_) for id_ in corpus.subset(clips).ids]
    assert len(picked) == clips
    gaps = np.diff(picked)
    if clips > 1:
        assert (picked[0], picked[-1]) == (0, 133)
        assert gaps.min() >= 1
        assert gaps.max() - gaps.min() <= 1


def test_a_subset_keeps_clips_and_geometry_and_has_a_fingerprint_of_its_own(bundled):
    subset = bundled.subset(10)
    assert subset.fingerprint == bundled.subset(10).fingerprint
    assert len({bundled.fingerprint, subset.fingerprint, bundled.subset(11).fingerprint}) == 3
    assert bundled.subset(134).fingerprint == bundled.fingerprint
    assert set(subset.keys) < set(bundled.keys)
    clip = subset[3]
    np.testing.assert_array_equal(clip.samples, bundled[bundled.index(clip.id)].samples)


@pytest.mark.parametrize("clips", [0, -1, 135])
def test_a_subset_of_a_size_that_does_not_exist_is_refused(bundled, clips):
    with pytest.raises(CorpusError, match=rf"{clips} clips asked of corpus 'bundled'.*134"):
        bundled.subset(clips)


def test_a_subset_of_ids_has_these_clips_in_the_order_of_the_corpus(bundled):
    wanted = [bundled.ids[i] for i in (90, 3, 41)]
    for ids in (wanted, tuple(wanted), iter(wanted), np.asarray(wanted)):
        part = bundled.subset(ids)
        assert part.ids == (wanted[1], wanted[2], wanted[0])
        assert part.keys == tuple(bundled.keys[i] for i in (3, 41, 90))


def test_a_subset_by_a_predicate_has_the_clips_of_which_it_holds(bundled):
    part = bundled.subset(lambda clip: clip.labels["source_package"] == "hyperrogue-music")
    assert 1 < len(part) < len(bundled)
    assert {clip.labels["source_package"] for clip in part} == {"hyperrogue-music"}
    assert set(part.ids) == {
        clip.id for clip in bundled if clip.labels["source_package"] == "hyperrogue-music"
    }


def test_a_predicate_sees_id_labels_group_and_length_and_nothing_is_decoded(tmp_path):
    for i in range(3):
        write(tmp_path / f"{i}.wav", hiss(i, 9.0))
    files = {name: tmp_path / f"{i}.wav" for i, name in enumerate("abc")}
    corpus = Corpus.from_files(files, labels={"b": {"genre": "folk"}}, segments=2)
    for path in files.values():
        path.write_bytes(b"")  # whoever decodes from here on, fails
    seen = []
    corpus.subset(lambda clip: seen.append(clip) or True)
    assert [(clip.id[0], clip.group, dict(clip.labels), clip.seconds) for clip in seen] == [
        (name, name, {"genre": "folk"} if name == "b" else {}, 4.0) for name in "aabbcc"
    ]
    with pytest.raises(TypeError):
        seen[0].labels["genre"] = "rock"
    assert corpus.subset(lambda clip: clip.group != "b").groups == ("a", "a", "c", "c")


BAD_SELECTIONS = [
    (lambda c: "000", r"number of clips, a list of ids or a predicate, not '000'"),
    (lambda c: True, r"not True"),
    (lambda c: 2.5, r"not 2\.5"),
    (lambda c: None, r"not None"),
    (lambda c: [], r"no clip asked of corpus 'bundled', which holds 134"),
    (lambda c: [c.ids[0], "000_battle"], r"no clip '000_battle'; did you mean 000_battle-theme"),
    (lambda c: [3], r"has no clip 3"),
    (lambda c: [c.ids[1], c.ids[1]], r"'001_boss-theme' asked for more than once"),
    (lambda c: lambda clip: False, r"none of the 134 clips.*labels:.*licence: CC-BY-SA-3.0 \(\d+"),
    (lambda c: lambda clip: clip.labels["genre"], r"KeyError\('genre'\) at clip.*'licence'"),
]


@pytest.mark.parametrize(
    "make, message", BAD_SELECTIONS, ids=[message for _, message in BAD_SELECTIONS]
)
def test_a_subset_that_there_is_not_is_refused_with_what_there_is(bundled, make, message):
    with pytest.raises(CorpusError, match=f"(?s){message}"):
        bundled.subset(make(bundled))


def test_a_subset_keeps_what_the_corpus_was_opened_with(folder):
    corpus = Corpus.from_directory(folder, groups="(.)")
    part = corpus.subset(corpus.ids[:2])
    assert part.expression == corpus.expression
    assert part.grouping == corpus.grouping == "(.)"


# Groups of files


@pytest.fixture
def albums(tmp_path):
    """Two albums of two files each, one of them deeper."""
    names = ["one/01_a.wav", "one/02_a.wav", "two/01_b.wav", "two/sub/02_b.wav"]
    for i, name in enumerate(names):
        write(tmp_path / "albums" / name, hiss(i, 9.0))
    return tmp_path / "albums"


RULES = [
    ("folder", ["one", "one", "two", "two/sub"]),
    (r"^(\w+)/", ["one", "one", "two", "two"]),
    (r"(?i)_(?P<track>[A-Z])\.wav", ["a", "a", "b", "b"]),
    (lambda path: path.split("/")[-1][:2], ["01", "02", "01", "02"]),
    (lambda path: "x" if path.startswith("one") else None, ["x", "x", None, None]),
]


@pytest.mark.parametrize("rule, groups", RULES, ids=["folder", "top", "named", "function", "none"])
def test_files_are_grouped_by_a_rule(albums, rule, groups):
    corpus = Corpus.from_directory(albums, groups=rule)
    assert [clip.group for clip in corpus] == groups
    assert corpus.groups == tuple(g or id_ for g, id_ in zip(groups, corpus.ids))
    cut = Corpus.from_directory(albums, groups=rule, segments=2)
    # Segments of a file that is in no group are the file's, as without a rule.
    assert [clip.group for clip in cut][::2] == [g or id_ for g, id_ in zip(groups, corpus.ids)]
    listed = {f"{i}": path for i, path in enumerate(sorted(albums.rglob("*.wav")))}
    assert [clip.group for clip in Corpus.from_files(listed, groups=rule)] == groups


def test_groups_do_not_depend_on_where_the_folder_lies(albums, tmp_path):
    moved = tmp_path / "elsewhere" / "deep"
    moved.parent.mkdir()
    shutil.copytree(albums, moved)
    for make in (
        lambda root: Corpus.from_directory(root, groups="folder"),
        lambda root: Corpus.from_files(sorted(root.rglob("*.wav")), groups="folder"),
    ):
        assert make(albums).fingerprint == make(moved).fingerprint
    ungrouped = Corpus.from_directory(albums)
    assert Corpus.from_directory(albums, groups="folder").fingerprint != ungrouped.fingerprint
    assert Corpus.from_directory(albums, groups="folder").keys == ungrouped.keys


@pytest.mark.parametrize("rule", ["folder", r"^(\w+)/"])
def test_a_rule_that_has_words_is_repeated_by_origin_expression_and_description(albums, rule):
    corpus = Corpus.from_directory(albums, groups=rule)
    again = eval(corpus.expression, {"Corpus": Corpus})
    assert again.fingerprint == corpus.fingerprint
    assert reopen(corpus.describe()).fingerprint == corpus.fingerprint
    assert open_corpus(corpus.origin, groups=rule).fingerprint == corpus.fingerprint
    told_before_grouping = {k: v for k, v in corpus.describe().items() if k != "grouping"}
    assert reopen(told_before_grouping).fingerprint == Corpus.from_directory(albums).fingerprint


def test_a_rule_that_is_a_function_is_not_said_to_be_repeatable(albums):
    corpus = Corpus.from_directory(albums, groups=lambda path: path[:3])
    assert (corpus.origin, corpus.expression, corpus.grouping) == (None, None, None)
    assert corpus[0].expression is None


def raising(path):
    raise ValueError(f"what is {path}?")


BAD_RULES = [
    (3, r"groups takes \"folder\", a regular expression with one group, or a function.*not 3"),
    ("(", r"not '\(': missing \)"),
    (r"\d+", r"which has 0 groups; put what names the track in parentheses"),
    (r"(\d)(\d)", r"which has 2 groups"),
    (r"sub/(\d)", r"one/01_a\.wav: groups='sub/\(\\\\d\)' finds no group.*two/01_b"),
    (r"one|(two)", r"one/02_a\.wav: .* finds no group in it"),
    (lambda path: 7, r"groups=<lambda> gave 7, no name of a group"),
    (raising, r"one/01_a\.wav: groups=raising raised ValueError\('what is one"),
    (r"(_).\.wav$", r"puts all 4 files into one group, '_'"),
]


@pytest.mark.parametrize("rule, message", BAD_RULES, ids=[message for _, message in BAD_RULES])
def test_a_rule_that_groups_nothing_is_refused_with_the_files(albums, rule, message):
    with pytest.raises(CorpusError, match=f"(?s){message}"):
        Corpus.from_directory(albums, groups=rule)


def test_the_bundled_clips_have_no_groups_to_ask_for():
    with pytest.raises(CorpusError, match=r"each of another track; groups='folder'.*FOLDER"):
        open_corpus("bundled", groups="folder")


# Windows


def test_windows_are_the_centres_of_the_clips(bundled):
    corpus = bundled.subset(4)
    windows = corpus.windows()
    assert windows.dtype == np.float32
    assert windows.shape == (4, 44_100)
    for clip, window in zip(corpus, windows):
        np.testing.assert_array_equal(window, clip.samples[22_050:66_150])


def test_windows_come_at_the_rate_and_length_asked_for(bundled):
    corpus = bundled.subset(3)
    windows = corpus.windows(sample_rate=16_000, window_seconds=1.5)
    assert windows.shape == (3, 24_000)
    for clip, window in zip(corpus, windows):
        whole = audio.resample(clip.samples, RATE, 16_000)
        np.testing.assert_array_equal(window, whole[20_000:44_000])


def test_windows_longer_than_the_clip_are_padded_on_both_sides(bundled):
    windows = bundled.subset(2).windows(window_seconds=5.0)
    np.testing.assert_array_equal(windows[:, : RATE // 2], 0)
    np.testing.assert_array_equal(windows[:, -RATE // 2 :], 0)
    np.testing.assert_array_equal(windows[0, RATE // 2 : -RATE // 2], bundled[0].samples)


def test_windows_are_cut_after_the_transformation(bundled):
    corpus = bundled.subset(2)
    faster = TempoShift(1.5)
    windows = corpus.windows(faster)
    for clip, window in zip(corpus, windows):
        transformed = faster.apply(clip).samples
        assert len(transformed) == 58_800
        np.testing.assert_array_equal(window, transformed[7_350:51_450])


def test_source_long_enough_is_required_with_a_remedy(bundled, tmp_path):
    bundled.require_source(4.0, "an encoder")
    remedies = r"from_directory\(FOLDER, source_seconds=20\).*as_encoder\(.*window_seconds=2\)$"
    with pytest.raises(CorpusError, match=rf"CLAP needs 10 s .*'000_.*holds 4 s.*{remedies}"):
        bundled.require_source(10.0, "CLAP")
    write(tmp_path / "long.wav", hiss(0, 6.0))
    write(tmp_path / "short.wav", hiss(1, 3.0))
    mixed = Corpus.from_directory(tmp_path)
    mixed.require_source(3.0, "an encoder")
    with pytest.raises(CorpusError, match=r"'short\.wav'.*holds 3 s"):
        mixed.require_source(3.5, "an encoder")


def test_a_clip_is_found_by_its_id_and_a_misspelt_one_proposed(bundled):
    assert bundled.index("020_hr-savino-palace") == 20
    with pytest.raises(CorpusError, match=r"'020_hr-savino-place'.*did you mean 020_hr-savino-pal"):
        bundled.index("020_hr-savino-place")
    with pytest.raises(CorpusError, match=r"no clip '§§§'$"):
        bundled.index("§§§")


# Bad input: every message names it


BAD_FILES = {
    "a text file": (lambda path: path.write_text("not audio\n" * 99), r"bad\.wav cannot be read"),
    "an empty file": (lambda path: path.write_bytes(b""), r"bad\.wav "),
    "a file without samples": (
        lambda path: write(path, np.zeros(0), RATE),
        r"bad\.wav holds no samples",
    ),
    "a clip shorter than the window": (
        lambda path: write(path, hiss(5, 1.5)),
        r"'bad\.wav' is 1\.5 s long, shorter than the window of 2 s \(window_seconds=\)",
    ),
    "a second file of the same content": (
        lambda path: shutil.copy(path.with_name("0.wav"), path),
        r"'0\.wav' and 'bad\.wav' have the same content.*remove one",
    ),
}


@pytest.mark.parametrize("build", [Corpus.from_directory, Corpus.from_files])
@pytest.mark.parametrize("bad", BAD_FILES)
def test_a_bad_file_is_refused_by_its_name_when_the_corpus_is_built(folder, build, bad):
    make, message = BAD_FILES[bad]
    make(folder / "bad.wav")
    given_to = {
        Corpus.from_directory: folder,
        Corpus.from_files: sorted(folder.iterdir()),
    }
    with pytest.raises(CorpusError, match=message):
        build(given_to[build])


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read every file"
)
def test_a_file_without_permission_is_refused_by_its_name(folder):
    (folder / "1.wav").chmod(0)
    with pytest.raises(CorpusError, match=r"1\.wav cannot be read"):
        Corpus.from_directory(folder)


def _cut_in_half(path):
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def _spoil(path, value):
    samples = hiss(5, 5.0)
    samples[60_000] = value
    write(path, samples, subtype="FLOAT")


BAD_AUDIO = {
    "silent": (
        "bad.wav",
        lambda path: write(path, np.zeros(5 * RATE, np.float32)),
        r"'bad\.wav' is silent: nothing in its centre 2 s exceeds -70 LUFS",
    ),
    "nearly silent": (
        "bad.wav",
        lambda path: write(path, hiss(5, 5.0, level=1e-5), subtype="FLOAT"),
        r"'bad\.wav' is silent",
    ),
    "NaN": ("bad.wav", lambda path: _spoil(path, np.nan), r"'bad\.wav' holds 1 NaN or infinite"),
    "infinite": ("bad.wav", lambda path: _spoil(path, np.inf), r"'bad\.wav' holds 1 NaN or inf"),
    "truncated FLAC": (
        "bad.flac",
        lambda path: _cut_in_half(write(path, hiss(5, 5.0))),
        r"bad\.flac (is truncated|cannot be decoded)",
    ),
    "truncated MP3": (
        "bad.mp3",
        lambda path: _cut_in_half(write(path, hiss(5, 5.0))),
        r"bad\.mp3 (is truncated|cannot be decoded)",
    ),
    "the same audio in another container": (
        "bad.flac",
        lambda path: write(path, soundfile.read(path.with_name("0.wav"), dtype="int16")[0]),
        r"'0\.wav' and 'bad\.flac' have the same content.*remove one",
    ),
}


@pytest.mark.parametrize("bad", BAD_AUDIO)
def test_bad_audio_is_refused_by_its_name_when_it_is_checked(folder, bad):
    name, make, message = BAD_AUDIO[bad]
    make(folder / name)
    corpus = Corpus.from_directory(folder)
    with pytest.raises(CorpusError, match=message):
        corpus.check_audio()
    (folder / name).unlink()
    Corpus.from_directory(folder).check_audio()


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: Corpus.from_directory(b"music"), r"takes the path of a folder, not b'music'"),
        (lambda: Corpus.from_files(None), r"from_files takes a list of files, not None"),
        (lambda: Corpus.from_files(b"a.wav"), r"from_files takes a list of files, not b'a.wav'"),
        (lambda: Corpus.from_files([1]), r"from_files takes paths of files, not 1"),
        (lambda: Corpus.from_files({"a": None}), r"from_files takes paths of files, not None"),
        (lambda: Corpus.from_manifest(None), r"from_manifest takes the path of a table, not None"),
        (
            lambda: Corpus.from_manifest("m.csv", columns=["id"]),
            r"from_manifest takes columns by what they are, .* not \['id'\]",
        ),
        (lambda: Corpus.from_webdataset(None), r"takes paths of tar files, not None"),
        (lambda: Corpus.from_webdataset(b"a.tar"), r"takes paths of tar files, not b'a.tar'"),
        (lambda: Corpus.from_webdataset([5]), r"takes paths of tar files, not 5"),
        (lambda: Corpus.from_arrays(5, sample_rate=22_050), r"from_arrays takes signals, .* not 5"),
    ],
)
def test_what_is_no_source_of_clips_is_told(make, message):
    with pytest.raises(CorpusError, match=message):
        make()


@pytest.mark.parametrize(
    "ask, message",
    [
        (lambda c: c[:2], r"a clip at each position, such as corpus\[0\], not slice\(.*subset"),
        (lambda c: c["001_boss-theme"], r"not '001_boss-theme'; corpus\.clip\(ID\)"),
        (lambda c: c.windows(lambda s, r: s), r"windows takes a transformation .* as_transform"),
        (lambda c: c.windows(PinkNoise), r"windows takes a transformation .* not <class"),
        (lambda c: c.windows(window_seconds="2"), r"a window takes seconds above 0, not '2'"),
        (lambda c: c.windows(window_seconds=0), r"a window takes seconds above 0, not 0"),
        (lambda c: c.windows(sample_rate="22050"), r"sample_rate takes whole Hz .* not '22050'"),
        (lambda c: c[0].window(float("nan")), r"a window takes seconds above 0, not nan"),
    ],
)
def test_what_a_corpus_cannot_give_is_told(ask, message):
    with pytest.raises(CorpusError, match=message):
        ask(Corpus.bundled().subset(3))


def test_a_position_may_be_numpy_s_and_beyond_the_last_there_is_no_clip():
    corpus = Corpus.bundled().subset(3)
    assert corpus[np.int64(-1)].id == corpus.ids[-1]
    with pytest.raises(IndexError):
        corpus[3]


def test_one_error_names_every_bad_file(folder):
    (folder / "text.wav").write_text("not audio")
    write(folder / "sub" / "empty.flac", np.zeros(0))
    (folder / "zero.mp3").write_bytes(b"")
    with pytest.raises(CorpusError) as caught:
        Corpus.from_directory(folder)
    for name in ("text.wav", "empty.flac", "zero.mp3"):
        assert name in str(caught.value)
    assert not re.search(r"\d\.wav", str(caught.value))


def test_one_error_names_every_bad_clip_found_by_the_check(folder):
    write(folder / "silent.wav", np.zeros(5 * RATE, np.float32))
    _spoil(folder / "nan.wav", np.nan)
    shutil.copy(folder / "0.wav", folder / "copy.wav")
    with pytest.raises(CorpusError, match=r"copy\.wav"):
        Corpus.from_directory(folder)
    (folder / "copy.wav").unlink()
    with pytest.raises(CorpusError) as caught:
        Corpus.from_directory(folder).check_audio()
    assert "'silent.wav'" in str(caught.value)
    assert "'nan.wav'" in str(caught.value)


def test_many_bad_files_are_counted_after_the_first_ten(tmp_path):
    for i in range(25):
        (tmp_path / f"{i:02d}.wav").write_text("not audio")
    with pytest.raises(CorpusError, match=r"09\.wav .*\n  and 15 more$"):
        Corpus.from_directory(tmp_path)


def test_a_file_that_disappears_after_the_corpus_was_built_is_named(folder):
    corpus = Corpus.from_directory(folder)
    (folder / "1.wav").unlink()
    with pytest.raises(CorpusError, match=r"1\.wav"):
        corpus[1]


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda path: path / "nowhere", r"nowhere does not exist"),
        (lambda path: write(path / "a.wav", hiss(0)), r"a\.wav is a file; pass its folder"),
        (lambda path: path, r"holds no audio file \(.*flac.*wav"),
    ],
    ids=["missing folder", "file instead of folder", "folder without audio"],
)
def test_a_folder_that_is_none_is_refused_with_what_to_do(tmp_path, make, message):
    with pytest.raises(CorpusError, match=message):
        Corpus.from_directory(make(tmp_path))


GEOMETRY = [
    ({"sample_rate": 0}, "sample_rate.*not 0"),
    ({"sample_rate": -22_050}, "sample_rate.*not -22050"),
    ({"sample_rate": 22_050.5}, "sample_rate.*not 22050.5"),
    ({"sample_rate": math.nan}, "sample_rate.*not nan"),
    ({"sample_rate": math.inf}, "sample_rate.*not inf"),
    ({"window_seconds": 0.0}, "window_seconds.*not 0"),
    ({"window_seconds": -2.0}, "window_seconds.*not -2"),
    ({"window_seconds": math.nan}, "window_seconds.*not nan"),
    ({"window_seconds": math.inf}, "window_seconds.*not inf"),
    ({"source_seconds": 0.0}, "source_seconds.*0"),
    ({"source_seconds": math.nan}, "source_seconds.*nan"),
    ({"source_seconds": 1.0}, "source_seconds=1 is shorter than window_seconds=2"),
    ({"window_seconds": 4.5}, "source_seconds=4 is shorter than window_seconds=4.5"),
    ({"segments": 0}, "segments must be a whole number of 1 or more, not 0"),
    ({"segments": -3}, "segments must be a whole number of 1 or more, not -3"),
    ({"segments": 2.5}, "segments must be .*not 2.5"),
    ({"segments": "2"}, "segments must be .*not '2'"),
    ({"sample_rate": "22050"}, "sample_rate.*not '22050'"),
    ({"window_seconds": None}, "window_seconds.*not None"),
]


@pytest.mark.parametrize(
    "options, message", GEOMETRY, ids=[str(options) for options, _ in GEOMETRY]
)
def test_a_geometry_that_cannot_be_is_refused(folder, options, message):
    with pytest.raises(CorpusError, match=message):
        Corpus.from_directory(folder, **options)


ROWS = np.stack([hiss(i) for i in range(3)])
BAD_ARRAYS = [
    ("no rows", [], {}, r"no (clips|signals|rows)|empty|got 0"),
    ("integers", (ROWS * 32768).astype(np.int16), {}, r"'clip-000'.*float array.*int16\[88200\]"),
    ("stereo rows", np.stack([ROWS, ROWS], axis=2), {}, r"'clip-000'.*mono.*float32\[88200, 2\]"),
    ("one flat signal", ROWS[0], {}, r"'clip-0+'.*mono.*shape \(n,\)"),
    ("an empty row", [ROWS[0], ROWS[1][:0]], {}, r"'clip-001' holds no samples"),
    ("NaN", [ROWS[0], ROWS[1] * np.nan], {}, r"'clip-001' holds 88200 NaN or infinite"),
    ("a short row", [ROWS[0], ROWS[1][:30_000]], {}, r"'clip-001' is 1\.36 s.*window_seconds"),
    ("a silent row", [ROWS[0], ROWS[1] * 0], {}, r"'clip-001' is silent"),
    ("equal rows", [ROWS[0], ROWS[1], ROWS[0]], {}, r"'clip-000' and 'clip-002'.*remove one"),
    ("repeated ids", ROWS, {"ids": ["a", "b", "a"]}, r"ids must be unique; repeated: 'a'"),
    ("too few ids", ROWS, {"ids": ["a", "b"]}, r"3 signals, but 2 ids"),
    ("too few groups", ROWS, {"groups": ["a", "b"]}, r"3 signals, but 3 ids and 2 groups"),
    ("no rate", ROWS, {"sample_rate": 0}, r"sample_rate takes whole Hz from 1000 on"),
    ("a rate in kHz", ROWS, {"sample_rate": 22.05}, r"such as 22050, not 22\.05"),
    ("a fractional rate", ROWS, {"sample_rate": 0.5}, r"sample_rate takes whole Hz"),
    ("a rate of NaN", ROWS, {"sample_rate": math.nan}, r"sample_rate takes"),
    ("an infinite rate", ROWS, {"sample_rate": math.inf}, r"sample_rate takes"),
    ("no window", ROWS, {"window_seconds": 0.0}, r"window_seconds.*positive, not 0"),
]


@pytest.mark.parametrize(
    "rows, options, message", [row[1:] for row in BAD_ARRAYS], ids=[row[0] for row in BAD_ARRAYS]
)
def test_arrays_that_no_verdict_can_rest_on_are_refused(rows, options, message):
    with pytest.raises(CorpusError, match=message):
        Corpus.from_arrays(rows, **{"sample_rate": RATE, **options})


def test_rows_that_differ_outside_their_windows_only_are_alike():
    row = hiss(0)
    other = row.copy()
    other[:100] = 0.5
    with pytest.raises(CorpusError, match=r"'clip-000' and 'clip-001' have the same content"):
        Corpus.from_arrays([row, other], sample_rate=RATE)


@pytest.mark.parametrize(
    "paths, message",
    [
        (lambda path: [], "empty list"),
        (lambda path: {}, "empty list"),
        (lambda path: [path / "nowhere.wav"], r"nowhere\.wav does not exist"),
        (lambda path: [path / "0.wav", path / "0.wav"], r"0\.wav.*twice|twice.*0\.wav"),
        (lambda path: str(path / "0.wav"), r"0\.wav"),
        (lambda path: [path], r"three is a folder; name the files in it"),
    ],
    ids=["no files", "no mapping", "missing", "twice", "one path for a list", "a folder"],
)
def test_lists_of_files_that_cannot_be_used_are_refused_by_name(folder, paths, message):
    with pytest.raises(CorpusError, match=message):
        Corpus.from_files(paths(folder))


# Clips


@pytest.mark.parametrize(
    "samples, rate, message",
    [
        (np.zeros(10, np.int16), RATE, r"clip 'x'.*float array of shape \(n,\).*int16\[10\]"),
        (np.zeros((2, 10)), RATE, r"clip 'x'.*mono float array.*float64\[2, 10\]"),
        (np.float32(1.0), RATE, r"clip 'x'.*mono float array"),
        (np.zeros(10, complex), RATE, r"clip 'x'.*complex128\[10\]"),
        (["a", "b"], RATE, r"clip 'x'.*mono float array"),
        (np.zeros(0), RATE, r"clip 'x' holds no samples \(zero length\)"),
        (np.r_[np.zeros(RATE), np.nan], RATE, r"clip 'x' holds 1 NaN.*first at 1\.000 s"),
        (np.r_[0.0, -np.inf, np.nan], RATE, r"clip 'x' holds 2 NaN or infinite"),
        (np.zeros(10), 0, r"clip 'x': sample_rate takes whole Hz from 1000 on"),
        (np.zeros(10), -1, r"clip 'x': sample_rate takes whole Hz from 1000 on"),
        (np.zeros(10), math.nan, r"clip 'x': sample_rate takes"),
    ],
)
def test_samples_that_are_no_signal_are_refused_with_the_clips_id(samples, rate, message):
    with pytest.raises(CorpusError, match=message):
        Clip("x", samples, rate)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_a_clip_keeps_a_copy_in_single_precision(dtype):
    given_samples = (0.25 * np.arange(-4, 5)).astype(dtype)
    before = given_samples.copy()
    clip = Clip("x", given_samples, RATE)
    assert clip.samples.dtype == np.float32
    assert given_samples.flags.writeable
    given_samples[0] = 99
    np.testing.assert_array_equal(clip.samples, before.astype(np.float32))


def test_a_clip_cannot_be_changed():
    labels = {"genre": "noise"}
    clip = Clip("x", hiss(0), RATE, labels)
    with pytest.raises(ValueError, match="read-only"):
        clip.samples[0] = 1.0
    with pytest.raises(dataclasses.FrozenInstanceError):
        clip.id = "y"
    labels["genre"] = "other"
    assert clip.labels == {"genre": "noise"}
    window = clip.window(2.0)
    window[:] = 0.0
    assert np.abs(clip.samples).max() > 0


def test_clips_of_a_corpus_cannot_change_it():
    rows = np.stack([hiss(i) for i in range(2)])
    kept = rows.copy()
    corpus = Corpus.from_arrays(rows, sample_rate=RATE)
    rows[:] = 0.0
    corpus.windows()[:] = 0.0
    for clip, row in zip(corpus, kept):
        np.testing.assert_array_equal(clip.samples, row)
        assert not clip.samples.flags.writeable


def test_samples_beyond_full_scale_are_kept():
    clip = Clip("x", np.array([2.5, -3.0]), RATE)
    assert clip.samples.tolist() == [2.5, -3.0]


def test_a_clip_with_other_samples_keeps_everything_else():
    clip = Clip("x", hiss(0), RATE, {"a": "b"}, "track")
    other = clip.with_samples(hiss(1, 1.0))
    assert (other.id, other.sample_rate, other.labels, other.group) == (
        "x",
        RATE,
        {"a": "b"},
        "track",
    )
    assert other.seconds == 1.0
    assert clip.seconds == 4.0


def test_a_pickled_clip_is_the_same_and_as_unchangeable():
    clip = Clip("x", hiss(0), RATE, {"a": "b"}, "track")
    again = pickle.loads(pickle.dumps(clip))
    assert (again.id, again.sample_rate, again.labels, again.group) == (
        "x",
        RATE,
        {"a": "b"},
        "track",
    )
    np.testing.assert_array_equal(again.samples, clip.samples)
    with pytest.raises(ValueError, match="read-only"):
        again.samples[0] = 1.0


@pytest.mark.parametrize("kind", ["bundled", "folder", "arrays"])
def test_a_pickled_corpus_is_the_same(bundled, folder, kind):
    corpus = {
        "bundled": lambda: bundled.subset(3),
        "folder": lambda: Corpus.from_directory(folder, segments=2, source_seconds=2.0),
        "arrays": lambda: Corpus.from_arrays(ROWS, sample_rate=RATE, groups=["a", "a", "b"]),
    }[kind]()
    again = pickle.loads(pickle.dumps(corpus))
    assert again.fingerprint == corpus.fingerprint
    assert again.describe() == corpus.describe()
    for ours, theirs in zip(corpus, again):
        assert (ours.id, ours.group, ours.labels) == (theirs.id, theirs.group, theirs.labels)
        np.testing.assert_array_equal(ours.samples, theirs.samples)


def test_numbers_of_other_types_are_the_same_corpus():
    signals = 0.1 * np.random.default_rng(0).standard_normal((3, 9_000)).astype(np.float32)
    plain = Corpus.from_arrays(
        signals, sample_rate=22_050, ids=["0", "1", "2"], window_seconds=0.25
    )
    for rate in (np.int64(22_050), 22_050.0):
        same = Corpus.from_arrays(
            signals, sample_rate=rate, ids=np.arange(3), window_seconds=np.float32(0.25)
        )
        assert same.fingerprint == plain.fingerprint
        assert type(same[0].sample_rate) is int
    grouped = Corpus.from_arrays(
        signals, sample_rate=22_050, groups=np.array([1, 1, 2]), window_seconds=0.25
    )
    assert grouped.groups == ("1", "1", "2")
    with pytest.raises(CorpusError, match="got None for the id of signal 1; give a text"):
        Corpus.from_arrays(signals, sample_rate=22_050, ids=["a", None, "b"])
    with pytest.raises(CorpusError, match="infinite samples"):
        Clip("loud", np.array([1e39, 0.0]), 22_050)


def test_a_clip_alone_is_in_no_group_of_its_name():
    signals = 0.1 * np.random.default_rng(0).standard_normal((4, 9_000)).astype(np.float32)
    corpus = Corpus.from_arrays(
        signals, sample_rate=22_050, window_seconds=0.25,
        ids=["1", "1 alone", "2", "3"], groups=[None, None, "1", None],
    )  # fmt: skip
    assert corpus.groups == ("1 alone alone", "1 alone", "1", "3")


def test_a_clip_of_another_corpus_is_not_taken_for_one_of_its_id():
    signals = 0.1 * np.random.default_rng(0).standard_normal((3, 9_000)).astype(np.float32)
    options = {"sample_rate": 22_050, "window_seconds": 0.25}
    corpus, other = (Corpus.from_arrays(s, **options) for s in (signals, signals[::-1]))
    assert [corpus.index(clip) for clip in corpus] == [0, 1, 2]
    assert corpus.index(other[1]) == 1  # the same audio
    with pytest.raises(CorpusError, match="has no clip 5"):
        corpus.index(5)
    with pytest.raises(CorpusError, match=r"'clip-000' of corpus .* is another one.*corpus="):
        assert_relative_nearest(MFCCEncoder(), other[0], PinkNoise(40), corpus=corpus)


@pytest.mark.parametrize(
    "labels, said",
    [
        ({"c": {"genre": "folk"}}, "labels of 'c', and no file has that id; ids are 'a', 'b'"),
        ({"a": "folk"}, r"takes labels by clip id, .* not \{'a': 'folk'\}"),
        ([("a", "folk")], "takes labels by clip id"),
    ],
)
def test_labels_of_no_file_are_refused(tmp_path, labels, said):
    files = {"a": tmp_path / "a.wav", "b": tmp_path / "b.wav"}
    with pytest.raises(CorpusError, match=said):
        Corpus.from_files(files, labels=labels)

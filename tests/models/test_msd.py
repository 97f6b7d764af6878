"""MSD as users have it: previews by track, Last.fm's SQLite file, published splits."""

from __future__ import annotations

import json
import os
import sqlite3
from collections import Counter

import lameenc
import numpy as np
import pytest
import soundfile

from reference_models.datasets import open_data
from reference_models.errors import DatasetError

PARTS = {"train": "train", "validation": "valid", "test": "test"}
RATE = 22_050
TAGS = [f"tag {i:02d}" for i in range(60)]


def track_id(number):
    """Return an id as MSD's are: TR, five letters, eleven hexadecimal digits."""
    letters = "".join("ABCDEFGHIJ"[int(digit)] for digit in f"{number:05d}"[::-1])
    return f"TR{letters}128F{number:07X}"


IDS = {
    "train": [track_id(i) for i in range(40)],
    "validation": [track_id(i) for i in range(40, 46)],
    "test": [track_id(i) for i in range(46, 54)],
}
ALL = [id_ for ids in IDS.values() for id_ in ids]
UNTAGGED = IDS["train"][7]


def values_of(number):
    """Return Last.fm's values of a track's tags: the lower a tag's number, the more have it."""
    value = 100 if number < 46 else 5 + number  # 51 to 58 in the test part
    return {
        tag: value
        for j, tag in enumerate(TAGS)
        if number % 20 >= j // 3 and track_id(number) != UNTAGGED
    }


def mp3(pitch):
    """Return 3 s of a tone as MP3."""
    time = np.arange(3 * RATE) / RATE
    encoder = lameenc.Encoder()
    encoder.set_bit_rate(128)
    encoder.set_in_sample_rate(RATE)
    encoder.set_channels(1)
    encoder.silence()
    pcm = (8000 * np.sin(2 * np.pi * pitch * time)).astype(np.int16)
    return bytes(encoder.encode(pcm.tobytes()) + encoder.flush())


def write_tags(path, values):
    """Write tags as Last.fm's ``lastfm_tags.db`` has them."""
    with sqlite3.connect(path) as database:
        database.executescript(
            "CREATE TABLE tids (tid TEXT); CREATE TABLE tags (tag TEXT);"
            "CREATE TABLE tid_tag (tid INT, tag INT, val FLOAT,"
            " FOREIGN KEY(tid) REFERENCES tids(ROWID), FOREIGN KEY(tag) REFERENCES tags(ROWID));"
        )
        tags = sorted({tag for of_track in values.values() for tag in of_track}, reverse=True)
        database.executemany("INSERT INTO tids VALUES (?)", [(tid,) for tid in values])
        database.executemany("INSERT INTO tags VALUES (?)", [(tag,) for tag in tags])
        rows = [
            (i, 1 + tags.index(tag), value)
            for i, of_track in enumerate(values.values(), start=1)
            for tag, value in of_track.items()
        ]
        database.executemany("INSERT INTO tid_tag VALUES (?, ?, ?)", rows)
    database.close()


def write_lists(folder, pattern="{}_x_msd_id.txt", ids=IDS):
    folder.mkdir(exist_ok=True)
    for part, word in PARTS.items():
        (folder / pattern.format(word)).write_text("".join(f"{id_}\n" for id_ in ids[part]))


@pytest.fixture(scope="module")
def audio(tmp_path_factory):
    """Return previews in folders by the letters of their ids; the pitch tells the part."""
    folder = tmp_path_factory.mktemp("previews")
    for j, ids in enumerate(IDS.values()):
        sound = mp3(300 * (1 + j))
        for id_ in ids:
            path = folder / id_[2] / id_[3] / id_[4] / f"{id_}.mp3"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(sound)
    return folder


@pytest.fixture
def msd(tmp_path, audio):
    """Return a root with audio, the tags, and the lists of Choi et al."""
    root = tmp_path / "msd"
    root.mkdir()
    (root / "audio").symlink_to(audio)
    # Last.fm has tracks of no part, with tags that must not count.
    others = {track_id(i): {"of no part": 100} for i in range(900, 990)}
    write_tags(root / "lastfm_tags.db", {**others, **{i: values_of(ALL.index(i)) for i in ALL}})
    write_lists(root)
    return root


def part_of(msd, part, task="ae", **options):
    return open_data("msd", msd, task, part, **options)


def test_previews_are_decoded_with_their_tags(msd):
    data = part_of(msd, "test", "at")
    assert list(data.ids) == list(data.groups) == sorted(IDS["test"])
    example = data[3]
    assert (example.audio.dtype, example.target.dtype) == (np.float32, np.float32)
    assert abs(len(example.audio) - 3 * RATE) < 2000  # MP3 pads to whole frames
    assert np.abs(np.fft.rfft(example.audio, 10 * RATE)).argmax() / 10 == pytest.approx(900, abs=1)
    for i, id_ in enumerate(data.ids):
        has = values_of(ALL.index(id_))
        assert data[i].target.tolist() == [float(tag in has) for tag in data.labels]


def test_the_tags_are_those_that_most_training_tracks_have(msd):
    counts = Counter(tag for id_ in IDS["train"] for tag in values_of(ALL.index(id_)))
    expected = sorted(counts, key=lambda tag: (-counts[tag], tag))[:50]
    for part in PARTS:
        assert part_of(msd, part, "at").labels == expected
    assert part_of(msd, "train").labels == []
    assert part_of(msd, "train")[0].target.shape == (0,)


def test_tracks_without_a_tag_are_encoded_but_not_tagged(msd):
    assert UNTAGGED in part_of(msd, "train").ids
    tagged = part_of(msd, "train", "at")
    assert set(tagged.ids) == set(IDS["train"]) - {UNTAGGED}
    assert all(tagged[i].target.any() for i in range(0, len(tagged), 8))


def test_a_tag_of_a_low_value_does_not_count(msd):
    everything = part_of(msd, "test", "at")
    few = part_of(msd, "test", "at", least_value=55)
    assert set(few.ids) == {track_id(i) for i in (51, 52, 53)}
    assert few.fingerprint != everything.fingerprint
    with pytest.raises(DatasetError, match="0 different tags of a value above 100, not 50"):
        part_of(msd, "test", "at", least_value=100)


@pytest.mark.parametrize("form", ["tsv", "json", "npy", "npy of bytes", "txt of one's own"])
def test_splits_are_read_as_published(msd, form):
    expected = {part: part_of(msd, part).ids for part in PARTS}
    for path in msd.glob("*_x_msd_id.txt"):
        path.unlink()
    folder = msd / "splits"
    folder.mkdir()
    split = None
    if form == "tsv":
        words = {id_: PARTS[part].upper() for part, ids in IDS.items() for id_ in ids}
        words |= {track_id(900): "STUDENT", track_id(901): "NONE"}
        rows = [f"{id_}\t{word}\t660000\n" for id_, word in words.items()]
        (folder / "msd_splits.tsv").write_text("".join(["clip_ids\tsplits\tlength\n", *rows]))
    elif form == "json":
        plain = {f"{word}_track": IDS[part] for part, word in PARTS.items()}
        plain["extra_track"] = [track_id(900)]
        (folder / "ecals_track_split.json").write_text(json.dumps(plain))
    elif form.startswith("npy"):
        for part, word in PARTS.items():
            dtype = "S18" if "bytes" in form else "U18"
            np.save(folder / f"{word}_ids.npy", np.array(IDS[part], dtype=dtype))
    else:
        write_lists(folder, "{}.txt")
        split = folder / "train.txt"
    for part in PARTS:
        assert part_of(msd, part, split=split).ids == expected[part]


def test_audio_lies_in_folders_or_in_one(msd, audio, tmp_path):
    flat = tmp_path / "flat"
    write_lists(flat)
    for path in audio.rglob("*.mp3"):
        os.link(path, flat / path.name.replace(".mp3", ".clip.mp3"))
    for part in PARTS:
        assert part_of(flat, part).fingerprint == part_of(msd, part).fingerprint


def test_missing_and_empty_previews_are_counted(msd, audio, tmp_path):
    (msd / "audio").unlink()
    for path in audio.rglob("*.mp3"):
        os.link(path, msd / path.name)
    first, second = sorted(IDS["test"])[:2]
    (msd / f"{first}.mp3").unlink()
    (msd / f"{second}.mp3").unlink()
    (msd / f"{second}.mp3").touch()
    with pytest.raises(DatasetError) as refused:
        part_of(msd, "test")
    assert f"2 of 8 files of MSD are missing or empty in {msd}" in str(refused.value)
    assert f"the first is {first}; MSD is to be had from http" in str(refused.value)
    assert list(part_of(msd, "test", complete=False).ids) == sorted(IDS["test"])[2:]
    for path in msd.glob("*.mp3"):
        path.unlink()
    with pytest.raises(DatasetError, match="8 of 8 files"):
        part_of(msd, "test", complete=False)


def test_a_short_preview_is_named_when_it_is_decoded(msd, tmp_path):
    (msd / "audio").unlink()
    for id_ in IDS["test"]:
        soundfile.write(msd / f"{id_}.wav", np.zeros(RATE), RATE)
    with pytest.raises(DatasetError, match=r"TR\w+\.wav is of 1\.00 s"):
        part_of(msd, "test")[0]


def test_ones_own_tags_are_taken_in_their_order(msd):
    mine = msd / "50tagList.txt"
    chosen = TAGS[9:59][::-1]
    mine.write_text("\n".join(chosen) + "\n")
    data = part_of(msd, "test", "at", tags=mine)
    assert data.labels == chosen
    has = values_of(ALL.index(data.ids[0]))
    assert data[0].target.tolist() == [float(tag in has) for tag in chosen]
    mine.write_text("\n".join(TAGS[:49]))
    with pytest.raises(DatasetError, match="has 49 different tags on 49 lines, not 50"):
        part_of(msd, "test", "at", tags=mine)
    mine.write_text("\n".join([*TAGS[:49], "Tag 49"]))
    with pytest.raises(DatasetError, match=r"no tag 'Tag 49'; tags are spelled as Last\.fm does"):
        part_of(msd, "test", "at", tags=mine)


def swap(path, old, new):
    path.write_text(path.read_text().replace(old, new))


def both_splits(msd):
    write_lists(msd / "splits")


def no_split(msd):
    for path in msd.glob("*_x_msd_id.txt"):
        path.unlink()


def half_a_split(msd):
    (msd / "valid_x_msd_id.txt").unlink()


def an_empty_list(msd):
    (msd / "valid_x_msd_id.txt").write_text("")


def a_track_in_two_parts(msd):
    swap(msd / "valid_x_msd_id.txt", IDS["validation"][0], IDS["train"][0])


def an_id_of_7digital(msd):
    swap(msd / "test_x_msd_id.txt", IDS["test"][0], "3612242")


def no_tags(msd):
    (msd / "lastfm_tags.db").unlink()


def another_file(msd):
    (msd / "lastfm_tags.db").write_bytes(b"no database" * 1000)


def another_database(msd):
    (msd / "lastfm_tags.db").unlink()
    sqlite3.connect(msd / "lastfm_tags.db").close()


@pytest.mark.parametrize(
    "damage, message",
    [
        (both_splits, r"holds 2: .*train_x_msd_id\.txt.*splits.*name the one to use"),
        (no_split, r"needs one published split .*msd_splits\.tsv.* holds none"),
        (half_a_split, r"split .* cannot be read: .*valid_x_msd_id\.txt"),
        (an_empty_list, "has no track for validation"),
        (a_track_in_two_parts, f"has {IDS['train'][0]} for train and for validation"),
        (an_id_of_7digital, "has '3612242' for test, and MSD's track ids are like TR"),
        (no_tags, r"no .*lastfm_tags\.db; .* http://millionsongdataset\.com/lastfm"),
        (another_file, "is not Last.fm's database of tags, or damaged: file is not a database"),
        (another_database, "is not Last.fm's database of tags, or damaged: no such table"),
    ],
)
def test_what_is_wrong_is_named(msd, damage, message):
    damage(msd)
    with pytest.raises(DatasetError, match=message):
        part_of(msd, "test", "at")


def test_pickles_are_not_run(msd, tmp_path):
    class Bomb:
        def __reduce__(self):
            return (tmp_path.joinpath("run").touch, ())

    np.save(tmp_path / "train_ids.npy", np.array([Bomb()], dtype=object), allow_pickle=True)
    (tmp_path / "filtered_list_train.cP").write_bytes(b"(lp0\n.")
    with pytest.raises(DatasetError, match=r"train_ids\.npy cannot be read: .*pickle"):
        part_of(msd, "train", split=tmp_path / "train_ids.npy")
    with pytest.raises(DatasetError, match=r"pickles are not read: write their ids to text"):
        part_of(msd, "train", split=tmp_path / "filtered_list_train.cP")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "name, text, message",
    [
        ("msd_splits.tsv", "track_id\tsplits\nTRX\tTRAIN\n", "'clip_ids' is missing"),
        ("my_track_split.json", '{"train_track": []}', "'valid_track' is missing"),
        ("my_track_split.json", "{", "cannot be read: Expecting"),
    ],
)
def test_a_table_that_is_none_is_named(msd, name, text, message):
    (msd / name).write_text(text)
    with pytest.raises(DatasetError, match=message):
        part_of(msd, "train", split=msd / name)

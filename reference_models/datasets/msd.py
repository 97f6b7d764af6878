"""Million Song Dataset: previews of tracks, with Last.fm's tags, for auto-encoding and tagging.

Bertin-Mahieux et al. (2011). The audio is not distributed with the dataset, and the tags are a
dataset of their own, http://millionsongdataset.com/lastfm. Lists that split the tracks into parts
are published by those who trained taggers on them; the paper (section 4.3) follows Choi et al.
(2017).
"""

from __future__ import annotations

import csv
import json
import os
import re
import sqlite3
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pytest_nnrel.corpus.audiofile import SUFFIXES
from pytest_nnrel.runtime.progress import progress
from reference_models.datasets.audiofiles import ClipFiles, Provenance
from reference_models.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from reference_models.datasets.examples import TaskData

MSD = Provenance("MSD", ("audio", "tags"), "http://millionsongdataset.com")
TAG_DATABASE = "lastfm_tags.db"
TAG_SOURCE = "http://millionsongdataset.com/lastfm"
#: Tags that are told of a track (paper section 4.3).
TAG_COUNT = 50
#: Last.fm values a tag of a track from 0 to 100. More than this counts, in the split of Choi et al.
LEAST_VALUE = 50.0
#: Files in which splits are published. Of lists, those of the other parts lie beside the first.
SPLITS = ("msd_splits.tsv", "*_track_split.json", "train_x_msd_id.txt", "train_ids.npy")
#: What parts are called there.
_PUBLISHED = {"train": "train", "validation": "valid", "test": "test"}
_TRACK_ID = re.compile(r"TR[A-Z]{5}[0-9A-F]{11}")


def load(
    root: Path,
    task: str,
    part: str,
    *,
    split: Path | None = None,
    tags: Path | None = None,
    least_value: float = LEAST_VALUE,
    complete: bool = True,
) -> TaskData:
    """Return the tracks of a part; for tagging, those of them that have one of the tags.

    Parameters
    ----------
    root : Path
        Holds the audio, named by track (``A/B/C/TRABCDE128F0000000.mp3``, or all in one folder),
        itself or in a folder ``audio``; for tagging, also Last.fm's ``lastfm_tags.db``.
    task : str
        By name; one that asks for tags, or for no more than the audio.
    part : {"train", "validation", "test"}
    split : Path, optional
        The published split: ``msd_splits.tsv`` (Won et al. 2021), an ``*_track_split.json`` (Doh et
        al. 2023), or the list of training tracks, one a line as in ``train_x_msd_id.txt`` (Choi et
        al. 2016) or an array as in ``train_ids.npy`` (Won et al.), beside which are those of
        "valid" and "test". Where omitted, it is looked for in `root` and its folder ``splits``.
    tags : Path, optional
        A text file with the 50 tags, one a line. Where omitted, they are the 50 that most training
        tracks have.
    least_value : float
        A track has the tags that Last.fm values more than this, from 0 to 100.
    complete : bool
        Whether the audio of all tracks of the part must be there.

    Raises
    ------
    DatasetError
        If files are missing or damaged, there is no split or more than one, a track is in two
        parts, there are fewer than 50 tags, or MSD does not have such a part or serve such a task.
    """
    truth = MSD.truth_for(task, part)
    parts = _read_split(_find_split(root) if split is None else split)
    ids, labels, tagged = parts[part], list[str](), dict[str, list[int]]()
    if truth == "tags":
        with _tag_database(root / TAG_DATABASE) as database:
            labels = (
                _most_frequent(database, parts["train"], least_value)
                if tags is None
                else _read_tags(tags)
            )
            tagged = _tags_of(database, ids, labels, least_value)
        ids = [id_ for id_ in ids if id_ in tagged]
    folder = root / "audio" if (root / "audio").is_dir() else root
    path_of = _find_audio(folder, ids)
    missing = [id_ for id_ in ids if id_ not in path_of]
    MSD.check_files(folder, missing, len(ids), complete=complete)
    ids = [id_ for id_ in ids if id_ in path_of]
    targets = np.zeros((len(ids), len(labels)), dtype=np.float32)
    for row, id_ in zip(targets, ids):
        row[tagged.get(id_, [])] = 1.0
    return ClipFiles(ids, ids, labels, [path_of[id_] for id_ in ids], targets)


def _find_split(root: Path) -> Path:
    found = [
        path
        for folder in (root, root / "splits")
        for pattern in SPLITS
        for path in sorted(folder.glob(pattern))
    ]
    if len(found) != 1:
        there = f"holds {len(found)}: {', '.join(map(str, found))}" if found else "holds none"
        raise DatasetError(
            f"MSD needs one published split of its tracks ({', '.join(SPLITS)}), and {root}"
            f" {there}; name the one to use as split"
        )
    return found[0]


def _read_split(path: Path) -> dict[str, list[str]]:
    """Return the ids of each part's tracks, sorted."""
    try:
        parts = _read_parts(path)
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = f"column or key {error} is missing" if isinstance(error, KeyError) else error
        raise DatasetError(f"the split {path} cannot be read: {reason}") from error
    part_of: dict[str, str] = {}
    for part, ids in parts.items():
        if not ids:
            raise DatasetError(f"the split {path} has no track for {part}")
        for id_ in ids:
            if not _TRACK_ID.fullmatch(id_):
                raise DatasetError(
                    f"the split {path} has {id_!r} for {part}, and MSD's track ids are like"
                    " TRYLROL128F931C1A7"
                )
            if part_of.setdefault(id_, part) != part:
                raise DatasetError(f"the split {path} has {id_} for {part_of[id_]} and for {part}")
    return {part: sorted(set(ids)) for part, ids in parts.items()}


def _read_parts(path: Path) -> dict[str, list[str]]:
    """Return what a file of a split, and the lists beside it, have for each part."""
    if path.suffix == ".tsv":
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file, delimiter="\t"))
        return {
            part: [row["clip_ids"] for row in rows if row["splits"] == word.upper()]
            for part, word in _PUBLISHED.items()
        }
    if path.suffix == ".json":
        plain = json.loads(path.read_text(encoding="utf-8"))
        return {part: list(plain[f"{word}_track"]) for part, word in _PUBLISHED.items()}
    if path.suffix not in (".txt", ".npy") or "train" not in path.name:
        raise ValueError(
            "it is none of msd_splits.tsv, *_track_split.json and a list train*.txt or train*.npy"
            " (pickles are not read: write their ids to text files, one a line)"
        )
    beside = {
        part: path.with_name(path.name.replace("train", word, 1))
        for part, word in _PUBLISHED.items()
    }
    return {part: _read_list(of_part) for part, of_part in beside.items()}


def _read_list(path: Path) -> list[str]:
    if path.suffix == ".npy":
        return [str(id_) for id_ in np.load(path, allow_pickle=False).astype(str)]
    return path.read_text(encoding="utf-8").split()


def _find_audio(folder: Path, ids: Iterable[str]) -> dict[str, Path]:
    """Return the file of each track that has one; empty files are none."""
    wanted = set(ids)
    places = [Path(), *sorted({Path(*id_[2:5]) for id_ in wanted})]
    found: dict[str, Path] = {}
    for place in progress(places, len(places), "looking for audio", "folder"):
        if not (folder / place).is_dir():
            continue
        with os.scandir(folder / place) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                id_ = entry.name.partition(".")[0]
                if (
                    id_ in wanted
                    and Path(entry.name).suffix.lower() in SUFFIXES
                    and entry.stat().st_size
                ):
                    found.setdefault(id_, Path(entry.path))
    return found


def _read_tags(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise DatasetError(f"the list of tags {path} cannot be read: {error}") from error
    tags = [line.strip() for line in lines if line.strip()]
    if len(set(tags)) != TAG_COUNT or len(tags) != TAG_COUNT:
        raise DatasetError(
            f"the list of tags {path} has {len(set(tags))} different tags on {len(tags)} lines, not"
            f" {TAG_COUNT}"
        )
    return tags


@contextmanager
def _tag_database(path: Path) -> Iterator[sqlite3.Connection]:
    """Yield a connection to Last.fm's database, which stays as it is."""
    if not path.is_file():
        raise DatasetError(f"there is no {path}; Last.fm's tags are to be had from {TAG_SOURCE}")
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as database:
            database.execute("PRAGMA temp_store = MEMORY")
            database.execute("CREATE TEMPORARY TABLE wanted (number INTEGER PRIMARY KEY, tid TEXT)")
            database.execute(
                "SELECT tids.tid, tags.tag, tid_tag.val FROM tids, tags, tid_tag LIMIT 1"
            )
            yield database
    except sqlite3.Error as error:
        raise DatasetError(
            f"{path} is not Last.fm's database of tags, or damaged: {error}; get it again from"
            f" {TAG_SOURCE}"
        ) from error


def _want(database: sqlite3.Connection, ids: Sequence[str]) -> None:
    """Fill the table of tracks that are asked about."""
    wanted = set(ids)
    database.execute("DELETE FROM wanted")
    database.executemany(
        "INSERT INTO wanted VALUES (?, ?)",
        (row for row in database.execute("SELECT ROWID, tid FROM tids") if row[1] in wanted),
    )


def _most_frequent(
    database: sqlite3.Connection, ids: Sequence[str], least_value: float
) -> list[str]:
    """Return the 50 tags that most of the tracks have, the most frequent first."""
    _want(database, ids)
    rows = database.execute(
        "SELECT tags.tag FROM ("
        " SELECT tid_tag.tag AS number, COUNT(*) AS tracks FROM tid_tag"
        " JOIN wanted ON wanted.number = tid_tag.tid WHERE tid_tag.val > ? GROUP BY tid_tag.tag"
        ") AS counted JOIN tags ON tags.ROWID = counted.number"
        " ORDER BY counted.tracks DESC, tags.tag LIMIT ?",
        (least_value, TAG_COUNT),
    ).fetchall()
    if len(rows) < TAG_COUNT:
        raise DatasetError(
            f"the training tracks have {len(rows)} different tags of a value above"
            f" {least_value:g}, not {TAG_COUNT}; lower least_value or take another split"
        )
    return [tag for (tag,) in rows]


def _tags_of(
    database: sqlite3.Connection, ids: Sequence[str], labels: Sequence[str], least_value: float
) -> dict[str, list[int]]:
    """Return the numbers of its tags for each track that has any."""
    _want(database, ids)
    places = ", ".join("?" * len(labels))
    known = dict(database.execute(f"SELECT tag, ROWID FROM tags WHERE tag IN ({places})", labels))
    if unknown := [tag for tag in labels if tag not in known]:
        raise DatasetError(f"Last.fm has no tag {unknown[0]!r}; tags are spelled as Last.fm does")
    label_of = {known[tag]: i for i, tag in enumerate(labels)}
    tagged: dict[str, list[int]] = {}
    for id_, tag in database.execute(
        "SELECT wanted.tid, tid_tag.tag FROM tid_tag JOIN wanted ON wanted.number = tid_tag.tid"
        f" WHERE tid_tag.val > ? AND tid_tag.tag IN ({places})",
        (least_value, *known.values()),
    ):
        tagged.setdefault(id_, []).append(label_of[tag])
    return tagged

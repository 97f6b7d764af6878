"""The open corpus: music for every task, that anyone can build.

Rendered music (`rendered`) has tags, a leading instrument and, where the lead is sung, the voice by
itself; recorded music (`recorded`) is for the auto-encoder, which needs no truth. Clips are FLAC
files in a folder for each part, and a manifest tells what they are and what they were made with.
`opencorpus_build` makes it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_nnrel.runtime.store import digest
from reference_models.datasets.examples import Example
from reference_models.datasets.recorded import sha256
from reference_models.datasets.rendered import clips
from reference_models.errors import DatasetError
from reference_models.task import task_named

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from reference_models.task import Task

FORMAT = "pytest-nnrel open corpus"
MANIFEST = "manifest.json"
#: Folder of what is there of a corpus that is being built.
UNFINISHED = ".unfinished"
PARTS = clips.PARTS


@dataclass(frozen=True)
class Stored:
    """A file: its path in the corpus, its bytes and their SHA-256."""

    path: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Entry:
    """A clip of the corpus.

    Attributes
    ----------
    id : str
    part : str
        Of `PARTS`.
    block : str
        What it was built with.
    group : str
        The score or track that it is of.
    audio : Stored
    voice : Stored or None
        The voice in it, where the lead is sung.
    instrument : str or None
        Code of the lead; None of recorded music.
    tags : tuple of str
    facts : dict
        What it was made from.
    """

    id: str
    part: str
    block: str
    group: str
    audio: Stored
    voice: Stored | None
    instrument: str | None
    tags: tuple[str, ...]
    facts: dict[str, Any]

    @classmethod
    def of(cls, plain: dict[str, Any]) -> Entry:
        """Return an entry from what `dataclasses.asdict` made of it."""
        voice = plain["voice"]
        return cls(**{
            **plain,
            "audio": Stored(**plain["audio"]),
            "voice": None if voice is None else Stored(**voice),
            "tags": tuple(plain["tags"]),
        })  # fmt: skip

    @property
    def files(self) -> tuple[Stored, ...]:
        """Its files, one or two."""
        return (self.audio,) if self.voice is None else (self.audio, self.voice)


def load(root: Path, task: str, part: str, *, verify: bool = False) -> OpenData:
    """Return a part of the corpus, for one task.

    Parameters
    ----------
    root : Path
    task : str
        By name. Its clips are those that it serves, see `reference_models.task.Task.serves`.
    part : {"train", "validation", "test", "test-font"}
        The last is rendered through a SoundFont that no other part has heard; a corpus that was
        made with one SoundFont has none.
    verify : bool
        Whether files are compared with their checksums; else their sizes count.

    Raises
    ------
    DatasetError
        If there is no such part, no corpus in `root`, or files are missing or were changed.
    TaskError
        If there is no such task.
    """
    of_task = task_named(task)
    if part not in PARTS:
        raise DatasetError(f"there is no part {part!r}; there are {', '.join(PARTS)}")
    entries = [e for e in stored_entries(root) if e.part == part and of_task.serves(e)]
    if not entries and part not in test_parts(root) and part == clips.HELD_OUT_PART:
        raise DatasetError(
            f"the open corpus of {root} has no part {part!r}: it was made with one SoundFont; build"
            " another with Debian's three (data build --soundfonts FOLDER)"
        )
    if not entries:
        raise DatasetError(f"the open corpus of {root} has no clips for {task!r} in part {part!r}")
    files = [file for entry in entries for file in entry.files]
    damaged = [file.path for file in files if not is_there(root, file, verify=verify)]
    if damaged:
        raise DatasetError(
            f"{len(damaged)} of {len(files)} files of {root} are missing or were changed, such as"
            f" {damaged[0]}; delete those that were changed and run data build as before: it makes"
            " what is missing"
        )
    return OpenData(root, of_task, entries)


class OpenData:
    """Clips of one part, for one task: a `TaskData`.

    Attributes
    ----------
    ids, groups, labels, fingerprint
        As in `TaskData`.
    rendered : list of bool
        Of each clip, whether it was rendered from a score; else it was recorded.
    """

    def __init__(self, root: Path, task: Task[Any], entries: Sequence[Entry]) -> None:
        self._root = root
        self._task = task
        self._entries = entries
        self.ids = [entry.id for entry in entries]
        self.groups = [entry.group for entry in entries]
        self.rendered = [entry.instrument is not None for entry in entries]
        self.labels = list(task.labels())
        self.fingerprint = digest(
            FORMAT,
            task.name,
            self.labels,
            [[e.id, [file.sha256 for file in e.files], e.instrument, e.tags] for e in entries],
        )

    def __len__(self) -> int:
        return len(self._entries)

    def __getitem__(self, index: int) -> Example:
        entry = self._entries[index]
        return Example(self._read(entry.audio), self._task.target(entry, self._read))

    def _read(self, file: Stored) -> NDArray[np.float32]:
        import soundfile

        try:
            samples, _ = soundfile.read(self._root / file.path, dtype="float32")
        except (OSError, soundfile.LibsndfileError) as error:
            raise DatasetError(
                f"{self._root / file.path} cannot be read ({error}); delete it and run data build"
                " as before: it makes what is missing"
            ) from error
        return np.asarray(samples, dtype=np.float32)


def test_parts(root: Path) -> tuple[str, ...]:
    """Return the parts that a network is scored on: with the held-out SoundFont where there is."""
    there = {entry.part for entry in stored_entries(root)}
    return ("test", *({clips.HELD_OUT_PART} & there))


def made_with(root: Path) -> dict[str, Any]:
    """Return the settings of a corpus: what it was made with."""
    # Without a word of where parts came from it is of the time when there were Debian's only.
    return {"parts": "debian", **manifest(root)["settings"]}


def manifest(root: Path) -> dict[str, Any]:
    """Return the manifest: what the corpus was made with (settings), its blocks and its clips."""
    try:
        plain: dict[str, Any] = parsed(root / MANIFEST)
        if plain["settings"]["format"] != FORMAT:
            raise ValueError(f"format {plain['settings']['format']!r}")
        if absent := {"blocks", "clips"} - plain.keys():
            raise ValueError(f"it tells no {' and '.join(sorted(absent))}")
    except FileNotFoundError as error:
        begun = (root / UNFINISHED).is_dir()
        raise DatasetError(
            f"{root} holds {'an unfinished' if begun else 'no'} open corpus: there is no"
            f" {MANIFEST}; build it with python -m reference_models data build --out {root}"
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise DatasetError(
            f"{root / MANIFEST} is no manifest of an open corpus: {error}"
        ) from error
    return plain


def stored_entries(root: Path) -> list[Entry]:
    """Return the clips of a corpus."""
    try:
        return [Entry.of(plain) for plain in manifest(root)["clips"]]
    except (KeyError, TypeError) as error:
        raise DatasetError(
            f"{root / MANIFEST} is no manifest of an open corpus: {error}"
        ) from error


def parsed(path: Path) -> Any:  # noqa: ANN401
    """Return what a JSON file holds."""
    return json.loads(path.read_text(encoding="utf-8"))


def is_there(root: Path, file: Stored, *, verify: bool) -> bool:
    """Whether a file has the size, or the checksum, that it was stored with."""
    path = root / file.path
    try:
        same = path.stat().st_size == file.bytes
    except OSError:
        return False
    return same and (not verify or sha256(path) == file.sha256)

"""Audio files below a folder, and what of the folder is passed over."""

from __future__ import annotations

import os
from collections import Counter, deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from pytest_nnrel.corpus import audiofile, ffmpeg, files
from pytest_nnrel.corpus.source import as_path
from pytest_nnrel.errors import CorpusError
from pytest_nnrel.runtime.listing import a_few

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_nnrel.corpus.geometry import Geometry
    from pytest_nnrel.corpus.grouping import GroupRule
    from pytest_nnrel.corpus.source import Gathered

#: What macOS writes beside files on other file systems: no audio, whatever its ending.
_APPLE_DOUBLE = "._"
#: Names that a warning lists of a kind.
_NAMED = 3


@dataclass
class PassedOver:
    """What of a folder is in no clip.

    Attributes
    ----------
    unread : Counter of str
        Endings of audio and films that the extra would read.
    hidden : list of Path
        Audio files whose name begins with a dot.
    dangling : list of Path
        Links to nowhere.
    closed : list of Path
        Folders that may not be read.
    repeated : int
        Links to files and folders that are there already.
    other : Counter of str
        Endings of other files.
    """

    unread: Counter[str] = field(default_factory=Counter)
    hidden: list[Path] = field(default_factory=list)
    dangling: list[Path] = field(default_factory=list)
    closed: list[Path] = field(default_factory=list)
    repeated: int = 0
    other: Counter[str] = field(default_factory=Counter)

    def reasons(self) -> dict[str, int]:
        """Return how many files or folders were passed over, by reason."""
        counts = {
            "needs the extra formats": self.unread.total(),
            "hidden": len(self.hidden),
            "link to nowhere": len(self.dangling),
            "folder that may not be read": len(self.closed),
            "link to what is there already": self.repeated,
            "no audio": self.other.total(),
        }
        return {reason: count for reason, count in counts.items() if count}

    def warning(self) -> str:
        """Return one line on what may have been meant to be in the corpus; empty where nothing."""
        parts = []
        if self.unread:
            endings = ", ".join(f"{n} {ending}" for ending, n in sorted(self.unread.items()))
            parts.append(f"{endings} ({audiofile.EXTRA} reads them)")
        hidden = [path for path in self.hidden if not path.name.startswith(_APPLE_DOUBLE)]
        for kind, paths in (
            ("hidden", hidden),
            ("a link to nowhere", self.dangling),
            ("a folder that may not be read", self.closed),
        ):
            if paths:
                parts.append(f"{kind}: {a_few(paths, _NAMED)}")
        return "; ".join(parts)


def gather(
    path: str | Path,
    name: str | None,
    segments: int,
    groups: GroupRule | None,
    geometry: Geometry,
) -> Gathered:
    """Return the sources of the audio files below a folder; see `Corpus.from_directory`.

    Raises
    ------
    CorpusError
        If it is no folder, or holds no audio, and for files that cannot be used.
    """
    root = as_path(path, "Corpus.from_directory takes the path of a folder")
    if not root.exists():
        raise CorpusError(f"corpus folder {root} does not exist; check the path")
    if not root.is_dir():
        raise CorpusError(f"{root} is a file; pass its folder, or use Corpus.from_files([...])")
    paths, passed = audio_files(root)
    folders = {id_: folder for id_ in paths if (folder := id_.rpartition("/")[0])}
    # One object for all files of a folder: there may be a million.
    labels = {folder: {"folder": folder} for folder in folders.values()}
    gathered = files.gather(
        paths,
        name or root.resolve().name,
        segments,
        geometry,
        labels={id_: labels[folder] for id_, folder in folders.items()},
        groups=groups,
        relative={id_: id_ for id_ in paths},
        origin=str(root),
    )
    warnings = list(gathered.warnings)
    if left_out := passed.warning():
        warnings.append(f"corpus {gathered.name!r}: passed over {left_out}")
    return replace(gathered, passed_over=passed.reasons(), warnings=warnings)


def audio_files(root: Path) -> tuple[dict[str, Path], PassedOver]:
    """Return the audio files below a folder by their path in it, and what was passed over.

    Links are followed, to files and to folders. What several of them lead to is taken once: by its
    own path if it has one below the folder, else by the first link's.

    Parameters
    ----------
    root : Path

    Raises
    ------
    CorpusError
        If there is no audio file.
    """
    passed = PassedOver()
    found: dict[str, Path] = {}
    entered: set[tuple[int, int]] = set()
    seen: set[tuple[int, int]] = set()
    # Folders before links, so that a path of its own goes before a link's.
    folders = deque([(root, "")])
    links: deque[tuple[Path, str]] = deque()
    while folders or links:
        path, name = folders.popleft() if folders else links.popleft()
        try:
            status = path.stat()
            is_folder = path.is_dir()
            entries = sorted(os.scandir(path), key=lambda e: e.name) if is_folder else []
        except FileNotFoundError:
            if _is_audio_name(path) or not path.suffix:
                passed.dangling.append(path)
            continue
        except OSError:  # without permission, or a link to itself
            (passed.dangling if path.is_symlink() else passed.closed).append(path)
            continue
        identity = (status.st_dev, status.st_ino)
        if not is_folder:
            _take(path, name, identity, found, seen, passed)
            continue
        if identity in entered:
            passed.repeated += 1
            continue
        entered.add(identity)
        for entry in entries:
            below = (path / entry.name, f"{name}/{entry.name}" if name else entry.name)
            if entry.is_symlink():
                links.append(below)
            elif entry.is_dir():
                folders.append(below)
            else:
                own = entry.stat()
                _take(*below, (own.st_dev, own.st_ino), found, seen, passed)
    if not found:
        raise CorpusError(_nothing_in(root, passed))
    return dict(sorted(found.items())), passed


def _take(
    path: Path,
    name: str,
    identity: tuple[int, int],
    found: dict[str, Path],
    seen: set[tuple[int, int]],
    passed: PassedOver,
) -> None:
    """Add a file to those found, or to those passed over."""
    ending = path.suffix.lower()
    if not _is_audio_name(path):
        passed.other[ending] += 1
    elif path.name.startswith("."):
        passed.hidden.append(path)
    elif not _is_read(ending):
        passed.unread[ending] += 1
    elif path.is_symlink() and identity in seen:
        passed.repeated += 1
    else:
        seen.add(identity)
        found[name] = path


def _is_audio_name(path: Path) -> bool:
    return path.suffix.lower() in audiofile.SUFFIXES | audiofile.EXTRA_SUFFIXES


def _is_read(ending: str) -> bool:
    return ending in audiofile.SUFFIXES or ffmpeg.reads_extra_formats()


def _nothing_in(root: Path, passed: PassedOver) -> str:
    over = passed.warning()
    return (
        f"corpus folder {root} holds no audio file"
        f" ({', '.join(sorted(s[1:] for s in audiofile.SUFFIXES))}); name one above the audio"
        + (f"; passed over: {over}" if over else "")
    )

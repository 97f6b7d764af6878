"""What decoders of audio files share: formats, facts of a file, and what is said of a bad one."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, TypeVar

import soundfile

from pytest_nnrel.errors import CorpusError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt

    Channels = npt.NDArray[np.float32]  # float32[frames, channels]

T = TypeVar("T")

#: File name endings that libsndfile decodes, as the corpus looks for them.
SUFFIXES = frozenset(
    [
        ".wav",
        ".wave",
        ".bwf",
        ".rf64",
        ".w64",
        ".flac",
        ".ogg",
        ".oga",
        ".mp3",
        ".opus",
        ".aif",
        ".aiff",
        ".aifc",
        ".au",
        ".snd",
        ".caf",
    ]
)
#: Those that the extra ``formats`` adds; of films the first sound track.
EXTRA_SUFFIXES = frozenset(
    {".m4a", ".m4b", ".aac", ".wma", ".ape", ".wv", ".tta", ".ac3", ".amr", ".mp2", ".spx", ".mka"}
    | {".mp4", ".mov", ".3gp", ".wmv", ".asf", ".webm", ".mkv", ".avi", ".flv", ".mpg", ".mpeg"}
    | {".ogv"}
)
EXTRA = 'pip install "pytest-nnrel[formats]"'

REPLACE = "replace the file, or leave it out"


class Stamp(NamedTuple):
    """What the file system says of a file's state. Whoever writes or replaces it moves this."""

    size: int
    modified_ns: int
    changed_ns: int
    inode: int
    device: int

    @classmethod
    def of(cls, file: BinaryIO) -> Stamp:
        """Return the stamp of an open file."""
        return cls.by(os.fstat(file.fileno()))

    @classmethod
    def at(cls, path: str | Path) -> Stamp | None:
        """Return the stamp of what lies at a path; None where that cannot be told."""
        try:
            return cls.by(os.stat(path))
        except OSError:  # to read it will tell why
            return None

    @classmethod
    def by(cls, status: os.stat_result) -> Stamp:
        """Return the stamp of a file by what the file system says of it."""
        return cls(
            status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, status.st_dev
        )


@dataclass(frozen=True)
class Facts:
    """What is known of a file: its length, and whether PyAV is to read it."""

    frames: int
    sample_rate: int
    by_ffmpeg: bool


def translated(path: Path, items: Iterator[T]) -> Iterator[T]:
    """Yield items; what a decoder raises becomes an error that names the file.

    Raises
    ------
    CorpusError
        If the decoder raised.
    """
    try:
        yield from items
    except (soundfile.LibsndfileError, OSError, RuntimeError, ValueError) as error:
        # PyAV's errors are OSErrors or ValueErrors, too.
        raise CorpusError(f"{path} cannot be decoded ({said(error)}); {REPLACE}") from error


def counted(path: Path, frames: int) -> int:
    """Return how many samples a file has.

    Raises
    ------
    CorpusError
        If it has none.
    """
    if frames <= 0:
        raise CorpusError(f"{path} holds no samples (zero length); {REPLACE}")
    return frames


def said(error: Exception) -> str:
    """Return what a decoder said of a file, without the stand-in that it knows the file by."""
    if isinstance(error, soundfile.LibsndfileError):
        return str(error.error_string)
    return str(error)

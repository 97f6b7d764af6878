"""Where clips come from: the stretch of a file, or the array, that each is decoded from."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_nnrel.corpus import decoding
from pytest_nnrel.corpus.decoding import Mix
from pytest_nnrel.errors import CorpusError
from pytest_nnrel.runtime.listing import a_few_lines

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_nnrel.corpus.audio import Samples
    from pytest_nnrel.corpus.geometry import Geometry
    from pytest_nnrel.corpus.hashed import HashedFile
    from pytest_nnrel.corpus.held import HeldStretch

#: Problems that one error lists before it counts the rest.
LISTED = 10


@dataclass(frozen=True, slots=True)
class FileStretch:
    """A stretch of an audio file, in samples of the file's own rate.

    Attributes
    ----------
    file : HashedFile
        As it was when the corpus was built.
    start, frames : int
    """

    file: HashedFile
    start: int
    frames: int

    def load(self) -> Mix:
        """Decode the stretch.

        Raises
        ------
        CorpusError
            If the file cannot be decoded, or is not the one that the corpus was built from.
        """
        with self.file.reopened() as file:
            return decoding.decode_open(self.file.path, file, start=self.start, frames=self.frames)


@dataclass(frozen=True, eq=False)
class InMemory:
    """A signal in memory."""

    samples: Samples
    sample_rate: int

    def load(self) -> Mix:
        """Return the signal."""
        return Mix(self.samples, self.sample_rate, channels_rms=None)


@dataclass(frozen=True, slots=True)
class Source:
    """Where one clip comes from; loading its origin gives its source samples.

    Attributes
    ----------
    id : str
    group : str or None
    labels : mapping
    seconds : float
    own_rate : int
        In Hz.
    content : str
        Digest of all that decides the decoded samples, the id aside.
    origin : FileStretch, HeldStretch or InMemory
    """

    id: str
    group: str | None
    labels: Mapping[str, str]
    seconds: float
    own_rate: int
    content: str
    origin: FileStretch | HeldStretch | InMemory


@dataclass(frozen=True)
class Gathered:
    """What a corpus is made of.

    Attributes
    ----------
    name : str
    sources : sequence of Source
    geometry : Geometry
    origin, segments, grouping, passed_over
        As in `Corpus`.
    warnings : sequence of str
        What is to be told once the corpus is made.
    """

    name: str
    sources: Sequence[Source]
    geometry: Geometry
    origin: str | None = None
    segments: int = 1
    grouping: str | None = None
    passed_over: dict[str, int] = field(default_factory=dict)
    warnings: Sequence[str] = ()


def as_path(given: object, what: str) -> Path:
    """Return a path as it was given, as text or as one of `pathlib`.

    Raises
    ------
    CorpusError
        If it is none; the error begins with `what`, such as ``"Corpus.from_files takes paths"``.
    """
    if not isinstance(given, str | os.PathLike):
        raise CorpusError(f"{what}, not {given!r}")
    return Path(given)


def raise_all(name: str, problems: Sequence[str]) -> None:
    """Raise one error that lists the problems of a corpus, if there are any."""
    if not problems:
        return
    listed = "".join(f"\n  {line}" for line in a_few_lines(problems, LISTED))
    raise CorpusError(f"corpus {name!r} cannot be used:{listed}")

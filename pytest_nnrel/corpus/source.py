"""Where clips come from: the stretch of a file, or the array, that each is decoded from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_nnrel import decoding
from pytest_nnrel.decoding import Mix, Stamp
from pytest_nnrel.errors import CorpusError
from pytest_nnrel.store import digest_of_file

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pytest_nnrel.audio import Samples

#: Problems that one error lists before it counts the rest.
LISTED = 10


@dataclass(frozen=True)
class FileStretch:
    """A stretch of an audio file, in samples of the file's own rate.

    Attributes
    ----------
    path : Path
    start, frames : int
    content : str
        Digest of the whole file when the corpus was built.
    stamp : Stamp
        Of the file at that time: while it stays, the file need not be hashed again.
    """

    path: Path
    start: int
    frames: int
    content: str
    stamp: Stamp

    def load(self) -> Mix:
        """Decode the stretch.

        Raises
        ------
        CorpusError
            If the file cannot be decoded, or is not the one that the corpus was built from: its
            values would be stored under the other's name.
        """
        with decoding.opened(self.path) as file:
            before = Stamp.of(file)
            if before != self.stamp and digest_of_file(file) != self.content:
                raise self._changed()
            mix = decoding.decode_open(self.path, file, start=self.start, frames=self.frames)
            if Stamp.of(file) != before:
                raise self._changed()
        return mix

    def _changed(self) -> CorpusError:
        return CorpusError(
            f"{self.path} has changed since the corpus was built; build it anew, and leave the"
            " files alone while they are measured"
        )


@dataclass(frozen=True, eq=False)
class InMemory:
    """A signal in memory."""

    samples: Samples
    sample_rate: int

    def load(self) -> Mix:
        """Return the signal."""
        from pytest_nnrel.audio import rms

        return Mix(self.samples, self.sample_rate, rms(self.samples))


@dataclass(frozen=True)
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
    origin : FileStretch or InMemory
    """

    id: str
    group: str | None
    labels: Mapping[str, str]
    seconds: float
    own_rate: int
    content: str
    origin: FileStretch | InMemory


def raise_all(name: str, problems: Sequence[str]) -> None:
    """Raise one error that lists the problems of a corpus, if there are any."""
    if not problems:
        return
    listed = "".join(f"\n  {problem}" for problem in problems[:LISTED])
    more = f"\n  and {len(problems) - LISTED} more" if len(problems) > LISTED else ""
    raise CorpusError(f"corpus {name!r} cannot be used:{listed}{more}")

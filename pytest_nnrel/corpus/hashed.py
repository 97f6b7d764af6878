"""Files in the state in which their content was hashed: what is read is what was hashed."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cachetools import LRUCache, cached

from pytest_nnrel.corpus import decoding
from pytest_nnrel.corpus.audiofile import Stamp
from pytest_nnrel.errors import CorpusError
from pytest_nnrel.runtime.store import digest_of_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO


@dataclass(frozen=True, slots=True)
class HashedFile:
    """A file, and the content that values are stored under.

    Attributes
    ----------
    name : str
        Its path: a `Path` would take three times the memory, and there may be millions.
    content : str
        Digest of the whole file.
    stamp : Stamp
        Of the file when it was hashed: while it stays, the file need not be hashed again.
    since : str
        When that was, as messages say it, and what is to be made anew when the file has changed.
    """

    name: str
    content: str
    stamp: Stamp
    since: str

    @property
    def path(self) -> Path:
        return Path(self.name)

    @classmethod
    @contextmanager
    def opened(cls, path: Path, since: str) -> Iterator[tuple[HashedFile, BinaryIO]]:
        """Hash a file, and give it open, for the length of a ``with`` block.

        Raises
        ------
        CorpusError
            If it cannot be opened, or changes within the block.
        """
        with decoding.opened(path) as file:
            stamp = Stamp.of(file)  # before it is read: a change meanwhile is seen
            hashed = cls(str(path), _content(path, file), stamp, since)
            with hashed._unchanged(file):
                yield hashed, file

    @contextmanager
    def reopened(self) -> Iterator[BinaryIO]:
        """Give the file open, in the state in which it was hashed, for a ``with`` block.

        Raises
        ------
        CorpusError
            If it cannot be opened, is another than the one that was hashed, or changes within the
            block: what was read of it would be stored under the other's name.
        """
        with decoding.opened(self.path) as file, self._unchanged(file):
            yield file

    @contextmanager
    def _unchanged(self, file: BinaryIO) -> Iterator[None]:
        before = Stamp.of(file)
        if before != self.stamp and digest_of_file(file) != self.content:
            raise self._changed()
        yield
        if Stamp.of(file) != before:
            raise self._changed()

    def _changed(self) -> CorpusError:
        return CorpusError(
            f"{self.path} has changed since {self.since} anew, and leave the files alone while they"
            " are measured"
        )


@cached(LRUCache(2**14), key=lambda path, file: (path, Stamp.of(file)), lock=threading.Lock())
def _content(path: Path, file: BinaryIO) -> str:
    """Return the digest of a file; of one in the same state it is known already."""
    return digest_of_file(file)

"""Audio that lies within something larger: a row of a dataset, a member of a shard.

Its bytes are read as a whole when they are asked for, and are those that the corpus was built from.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from pytest_nnrel.corpus import decoding
from pytest_nnrel.corpus.audiofile import Stamp
from pytest_nnrel.corpus.files import source_of, upsampled
from pytest_nnrel.corpus.remembered import Looked, Memory, looked_at
from pytest_nnrel.corpus.source import Gathered, Source, raise_all
from pytest_nnrel.errors import CorpusError
from pytest_nnrel.runtime.store import digest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pytest_nnrel.corpus.decoding import Mix
    from pytest_nnrel.corpus.geometry import Geometry

#: What is read in a task.
_BLOCK = 64
#: Of what is in no file, or in one that cannot be told apart.
NO_STAMP = Stamp(0, 0, 0, 0, 0)


class Held(Protocol):
    """Where the bytes of an audio file are."""

    @property
    def key(self) -> str | None:
        """Digest of the place, if the stamp of a file tells whether the same bytes are there."""
        ...

    def stamp(self) -> Stamp | None:
        """Return the stamp of that file; None where it is gone."""
        ...

    def read(self) -> tuple[Path, bytes]:
        """Return what messages call it, whose ending tells the format, and the bytes.

        Raises
        ------
        CorpusError
            If they are not there.
        """
        ...


@dataclass(frozen=True, slots=True)
class HeldStretch:
    """A stretch of audio that lies within something larger, in samples of its own rate.

    Attributes
    ----------
    held : Held
    content : str
        Digest of its bytes when the corpus was built.
    start, frames : int
    """

    held: Held
    content: str
    start: int
    frames: int

    def load(self) -> Mix:
        """Decode the stretch.

        Raises
        ------
        CorpusError
            If it cannot be decoded, or is not what the corpus was built from.
        """
        path, content = self.held.read()
        if digest(content) != self.content:
            raise CorpusError(
                f"{path} has changed since the corpus was built; build it anew, and leave"
                " the audio alone while it is measured"
            )
        return decoding.decode_bytes(path, content, start=self.start, frames=self.frames)


@dataclass(frozen=True, slots=True)
class HeldClip:
    """A clip to be: what is known of it before its audio is looked at."""

    id: str
    group: str | None
    labels: Mapping[str, str]
    held: Held


def gather(name: str, clips: Sequence[HeldClip], geometry: Geometry) -> Gathered:
    """Return the sources of clips, the middle of each one's audio.

    Raises
    ------
    CorpusError
        For audio that cannot be read.
    """
    sources: list[Source] = []
    problems: list[str] = []
    for clip, looked in zip(clips, _look_at([clip.held for clip in clips], geometry, name)):
        if isinstance(looked, str):
            problems.append(looked)
            continue
        origin = HeldStretch(clip.held, looked.content, looked.starts[0], looked.length)
        sources.append(source_of(clip.id, clip.group, clip.labels, looked, origin))
    raise_all(name, problems)
    return Gathered(name, sources, geometry, warnings=upsampled(name, sources, geometry))


def _look_at(held: Sequence[Held], geometry: Geometry, name: str) -> list[Looked | str]:
    """Return what is found of each, or why nothing is."""
    return looked_at(
        held,
        _LookTask(geometry.source_seconds),
        [one.key for one in held],
        lambda at: held[at].stamp(),
        Memory.of(len(held), "held", geometry.source_seconds),
        block=_BLOCK,
        name=name,
        here=True,
    )


@dataclass(frozen=True)
class _LookTask:
    """Looks at a block of what is held, in a thread."""

    source_seconds: float

    def __call__(self, block: Sequence[Held]) -> list[Looked | str]:
        return [self._look(held) for held in block]

    def _look(self, held: Held) -> Looked | str:
        try:
            stamp = held.stamp()  # before it is read: a change meanwhile is seen
            path, content = held.read()
            frames, rate = decoding.probe_bytes(path, content)
        except CorpusError as error:
            return str(error)
        length = min(frames, round(self.source_seconds * rate))
        start = (frames - length) // 2
        return Looked(digest(content), stamp or NO_STAMP, rate, frames, length, (start,))

"""What files hold, as far as clips can be cut from them: on all workers, and remembered.

A file is hashed, its header read and, where several segments are asked for, its silent stretches
are looked for. What was found is kept in the cache for as long as the file stays as it is: a folder
of a million files is opened again by asking the file system of each.
"""

from __future__ import annotations

import math
import os
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from pytest_nnrel.corpus import audio, decoding
from pytest_nnrel.corpus.audiofile import Stamp
from pytest_nnrel.corpus.hashed import HashedFile
from pytest_nnrel.errors import CorpusError
from pytest_nnrel.runtime import settings
from pytest_nnrel.runtime.code import code_version
from pytest_nnrel.runtime.progress import progress
from pytest_nnrel.runtime.store import Store, digest
from pytest_nnrel.runtime.tasks import run_tasks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from pytest_nnrel.corpus.decoding import Mix
    from pytest_nnrel.corpus.geometry import Geometry
    from pytest_nnrel.runtime.shards import Arrays

#: When files of a corpus were hashed, for messages.
_SINCE = "the corpus was built; build it"
#: Files of a task.
_BLOCK = 256
#: Files from which on it pays to remember them.
LEAST_REMEMBERED = 512
#: Age of a file's last change, when it is hashed, from which on its stamp tells the next one: two
#: within a tick of the file system's clock would have the same.
_SETTLED_SECONDS = 3.0
_KIND = "files"


@dataclass(frozen=True, slots=True)
class Looked:
    """What was found of a file.

    Attributes
    ----------
    file : HashedFile
    rate : int
        Its own, in Hz.
    frames, length : int
        Of the file and of a segment, in samples.
    starts : tuple of int
        Of the segments, the audible ones: so many as were asked for, or fewer.
    """

    file: HashedFile
    rate: int
    frames: int
    length: int
    starts: tuple[int, ...]


def look_at(
    paths: Iterable[Path], segments: int, geometry: Geometry, name: str
) -> dict[Path, Looked | str]:
    """Return what is found of files, or why nothing is.

    Parameters
    ----------
    paths : iterable of Path
    segments : int
        Asked of each.
    geometry : Geometry
    name : str
        Of the corpus.
    """
    wanted = list(dict.fromkeys(paths))
    memory = _Memory.of(segments, geometry) if len(wanted) >= LEAST_REMEMBERED else None
    found: dict[Path, Looked | str] = {} if memory is None else dict(memory.recall(wanted))
    missing = [path for path in wanted if path not in found]
    blocks = [missing[first : first + _BLOCK] for first in range(0, len(missing), _BLOCK)]
    task = _LookTask(segments, geometry)
    told = partial(progress, what=f"reading files of {name}")
    looked = run_tasks(task, blocks, jobs=settings.active().jobs, progress=told)
    for block, of_block in zip(blocks, looked):
        found.update(zip(block, of_block))
        if memory is not None:
            memory.keep(one for one in of_block if isinstance(one, Looked))
    return found


@dataclass(frozen=True)
class _LookTask:
    """Looks at a block of files; runs in a thread, process or cluster."""

    segments: int
    geometry: Geometry

    def __call__(self, block: Sequence[Path]) -> list[Looked | str]:
        return [self._look(path) for path in block]

    def _look(self, path: Path) -> Looked | str:
        try:
            # Opened once: a length, silent stretches or a content of another file would cut this
            # one wrong.
            with HashedFile.opened(path, _SINCE) as (hashed, file):
                frames, rate = decoding.probe_open(path, file)
                decode = partial(decoding.decode_open, path, file)
                found = stretches(path, frames, rate, self.segments, self.geometry, decode)
        except CorpusError as error:
            return str(error)
        return Looked(hashed, rate, frames, *found)


def stretches(
    path: Path,
    frames: int,
    rate: int,
    segments: int,
    geometry: Geometry,
    decode: Callable[..., Mix],
) -> tuple[int, tuple[int, ...]]:
    """Return the length of segments of a file, and where they begin, in samples.

    Parameters
    ----------
    path : Path
        What messages call it.
    frames, rate : int
        Of the file.
    segments : int
        Asked for; fewer are found in a file that is too short, or silent in part.
    geometry : Geometry
    decode : callable
        Gives the `Mix` of a stretch, by ``start`` and ``frames``.

    Raises
    ------
    CorpusError
        If it is silent throughout.
    """
    length = min(frames, round(geometry.source_seconds * rate))
    slots = max(1, frames // length)
    first = (frames - slots * length) // 2  # what does not fill a slot is left at both ends
    starts = [first + slot * length for slot in range(slots)]
    if slots == 1:
        return length, tuple(starts)

    def is_audible(slot: int) -> bool:
        mix = decode(start=starts[slot], frames=length)
        window = audio.centre(mix.samples, round(geometry.window_seconds * rate))
        return math.isfinite(audio.loudness(window, rate))

    chosen = _audible(slots, min(segments, slots), is_audible)
    if not chosen:
        raise CorpusError(f"{path} is silent: nothing in it exceeds -70 LUFS; leave it out")
    return length, tuple(starts[slot] for slot in chosen)


def _audible(slots: int, wanted: int, is_audible: Callable[[int], bool]) -> list[int]:
    """Return up to `wanted` of the slots that are not silent, near evenly spread places."""
    places = (np.arange(wanted) + 0.5) * slots / wanted - 0.5
    chosen: set[int] = set()
    silent: set[int] = set()
    for place in places:
        for slot in sorted(range(slots), key=lambda slot: abs(slot - place)):
            if slot in chosen or slot in silent:
                continue
            if is_audible(slot):
                chosen.add(slot)
                break
            silent.add(slot)
    return sorted(chosen)


@dataclass(frozen=True)
class _Memory:
    """What was found of files, in the cache, under their paths.

    Attributes
    ----------
    store : Store
    scope : str
        What, besides the file, it depends on.
    """

    store: Store
    scope: str

    @classmethod
    def of(cls, segments: int, geometry: Geometry) -> _Memory | None:
        """Return the memory in the active settings' cache; None where that keeps nothing."""
        active = settings.active()
        folder = active.cache_dir() if callable(active.cache_dir) else active.cache_dir
        if folder is None:
            return None
        lengths = (
            (geometry.source_seconds, geometry.window_seconds)
            if segments > 1
            else (geometry.source_seconds,)
        )
        scope = digest(_KIND, code_version(), segments, lengths)
        return cls(Store(folder, cap_bytes=active.cache_gib * 2**30), scope)

    def recall(self, paths: Sequence[Path]) -> Iterator[tuple[Path, Looked]]:
        """Yield what was found of those files that are still as they were."""
        for at, entry in self.store.get_of(_KIND, self.scope, list(map(_key, paths))):
            path = paths[at]
            stamp = Stamp(*entry["stamp"].tolist())
            try:
                status = path.stat()
            except OSError:  # the look at it will tell
                continue
            if stamp == Stamp.by(status):
                rate, frames, length, *starts = entry["places"].tolist()
                hashed = HashedFile(path, entry["content"].tobytes().hex(), stamp, _SINCE)
                yield path, Looked(hashed, rate, frames, length, tuple(starts))

    def keep(self, found: Iterable[Looked]) -> None:
        """Remember what was found of files whose last change is long enough ago."""
        settled = time.time_ns() - _SETTLED_SECONDS * 1e9
        entries: dict[str, Arrays] = {
            _key(one.file.path): {
                "stamp": np.array(one.file.stamp, dtype=np.int64),
                "content": np.frombuffer(bytes.fromhex(one.file.content), np.uint8),
                "places": np.array([one.rate, one.frames, one.length, *one.starts], dtype=np.int64),
            }
            for one in found
            if max(one.file.stamp.modified_ns, one.file.stamp.changed_ns) < settled
        }
        if entries:
            self.store.put_of(_KIND, self.scope, entries)


def _key(path: Path) -> str:
    return digest(os.path.abspath(path))

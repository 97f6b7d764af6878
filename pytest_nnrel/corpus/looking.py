"""What files hold, as far as clips can be cut from them: on all workers, and remembered.

A file is hashed, its header read and, where it is longer than a clip, its silent stretches are
looked for. What was found is kept in the cache for as long as the file stays as it is: a folder
of a million files is opened again by asking the file system of each.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pytest_nnrel.corpus import audio, decoding
from pytest_nnrel.corpus.audiofile import Stamp
from pytest_nnrel.corpus.hashed import HashedFile
from pytest_nnrel.corpus.remembered import Looked, Memory, looked_at
from pytest_nnrel.errors import CorpusError
from pytest_nnrel.runtime.store import digest

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path
    from typing import BinaryIO

    from pytest_nnrel.corpus.geometry import Geometry

#: When files of a corpus were hashed, for messages.
SINCE = "the corpus was built; build it"
#: Files of a task.
_BLOCK = 256


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
    lengths = (geometry.source_seconds, geometry.window_seconds)
    looked = looked_at(
        wanted,
        _LookTask(segments, geometry),
        [digest(os.path.abspath(path)) for path in wanted],
        lambda at: Stamp.at(wanted[at]),
        Memory.of(len(wanted), segments, lengths),
        block=_BLOCK,
        name=f"files of {name}",
    )
    return dict(zip(wanted, looked))


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
            with HashedFile.opened(path, SINCE) as (hashed, file):
                total, rate = decoding.probe_open(path, file)
                length = min(total, round(self.geometry.source_seconds * rate))
                slots = max(1, total // length)
                first = (total - slots * length) // 2  # what fills no slot is left at both ends
                starts = [first + slot * length for slot in range(slots)]
                if slots > 1:
                    window = self.geometry.window_seconds
                    starts = _audible(path, file, starts, length, rate, window, self.segments)
        except CorpusError as error:
            return str(error)
        if not starts:
            return f"{path} is silent: nothing in it exceeds -70 LUFS; leave it out"
        return Looked(hashed.content, hashed.stamp, rate, total, length, tuple(starts))


def _audible(
    path: Path,
    file: BinaryIO,
    starts: list[int],
    length: int,
    rate: int,
    window_seconds: float,
    wanted: int,
) -> list[int]:
    """Return up to `wanted` of the slots whose centre is not silent, near evenly spread places."""

    def is_audible(start: int) -> bool:
        mix = decoding.decode_open(path, file, start=start, frames=length)
        window = audio.centre(mix.samples, round(window_seconds * rate))
        if not np.isfinite(window).all():  # which is no silence
            raise CorpusError(
                f"{path} holds NaN or infinite samples from {start / rate:.3f} s on; repair it or"
                " leave it out"
            )
        return math.isfinite(audio.loudness(window, rate))

    wanted = min(wanted, len(starts))
    places = (np.arange(wanted) + 0.5) * len(starts) / wanted - 0.5
    chosen: set[int] = set()
    silent: set[int] = set()
    for place in places:
        for slot in sorted(range(len(starts)), key=lambda slot: abs(slot - place)):
            if slot in chosen or slot in silent:
                continue
            if is_audible(starts[slot]):
                chosen.add(slot)
                break
            silent.add(slot)
    return [starts[slot] for slot in sorted(chosen)]

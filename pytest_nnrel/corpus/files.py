"""Sources from audio files: the middle of each, or segments spread over it."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from pytest_nnrel import audio, decoding
from pytest_nnrel.corpus.source import LISTED, FileStretch, Source
from pytest_nnrel.errors import CorpusError
from pytest_nnrel.hashed import HashedFile
from pytest_nnrel.store import digest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from typing import BinaryIO

#: When files of a corpus were hashed, for messages.
_SINCE = "the corpus was built; build it"


def segments_of(
    id_: str,
    path: Path,
    segments: int,
    source_seconds: float,
    window_seconds: float,
    labels: Mapping[str, str],
    group: str | None = None,
) -> list[Source]:
    """Return the sources of one file: `segments` slots spread evenly, silent ones passed over.

    Without a `group` of its own, several are the file's.

    Raises
    ------
    CorpusError
        If the file cannot be read, or is silent throughout.
    """
    # Opened once: a length, silent stretches or a content of another file would cut this one wrong.
    with HashedFile.opened(path, _SINCE) as (hashed, file):
        total, own_rate = decoding.probe_open(path, file)
        length = min(total, round(source_seconds * own_rate))
        slots = max(1, total // length)
        first = (total - slots * length) // 2  # what does not fill a slot is left at both ends
        starts = [first + slot * length for slot in range(slots)]
        if slots > 1:
            starts = _audible(path, file, starts, length, own_rate, window_seconds, segments)
    if not starts:
        raise CorpusError(f"{path} is silent: nothing in it exceeds -70 LUFS; leave it out")
    return [
        Source(
            id=id_ if segments == 1 else f"{id_}@{start / own_rate:.2f}s",
            group=id_ if group is None and segments > 1 else group,
            labels=labels,
            seconds=length / own_rate,
            own_rate=own_rate,
            content=digest("file", hashed.content, start, length),
            origin=FileStretch(hashed, start, length),
        )
        for start in starts
    ]


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


def distinct_names(paths: Sequence[Path]) -> list[str]:
    """Return file names, with as much of the folder as tells them apart.

    Raises
    ------
    CorpusError
        If a path is there twice.
    """
    for depth in range(1, max((len(path.parts) for path in paths), default=0) + 1):
        names = ["/".join(path.parts[-depth:]) for path in paths]
        if len(set(names)) == len(names):
            return names
    repeated = [str(path) for path, count in Counter(paths).items() if count > 1]
    if repeated:
        raise CorpusError(f"Corpus.from_files got {', '.join(repeated[:LISTED])} twice")
    return []

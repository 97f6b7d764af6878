"""Sources from audio files: the middle of each, or segments spread over it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pytest_nnrel.corpus import audio, decoding, grouping
from pytest_nnrel.corpus.hashed import HashedFile
from pytest_nnrel.corpus.source import LISTED, NAMED, FileStretch, Gathered, Source, raise_all
from pytest_nnrel.errors import CorpusError
from pytest_nnrel.runtime.store import digest

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import BinaryIO

    from pytest_nnrel.corpus.geometry import Geometry
    from pytest_nnrel.corpus.grouping import GroupRule

#: When files of a corpus were hashed, for messages.
_SINCE = "the corpus was built; build it"


def gather(
    files: Mapping[str, Path],
    name: str,
    segments: int,
    geometry: Geometry,
    *,
    labels: Mapping[str, Mapping[str, str]] | None = None,
    groups: GroupRule | None = None,
    relative: Mapping[str, str] | None = None,
    origin: str | None = None,
) -> Gathered:
    """Return the sources of files by id; `relative` has the paths that groups are told by.

    Raises
    ------
    CorpusError
        For segments that are no count, groups that are none, and files that cannot be used; one
        error names them all.
    """
    if not isinstance(segments, Integral) or isinstance(segments, bool) or segments < 1:
        raise CorpusError(f"segments must be a whole number of 1 or more, not {segments!r}")
    group_of: Mapping[str, str | None] = {}
    if groups is not None:
        paths = relative or grouping.below_common_folder(files)
        group_of = grouping.group_of_each(paths, groups, name)
    sources: list[Source] = []
    problems: list[str] = []
    short: list[str] = []
    for id_, path in files.items():
        try:
            found = segments_of(
                id_, path, segments, geometry, (labels or {}).get(id_, {}), group_of.get(id_)
            )
        except CorpusError as error:
            problems.append(str(error))
            continue
        sources += found
        if len(found) < segments:
            short.append(id_)
    raise_all(name, problems)
    warnings = _upsampled(name, sources, geometry)
    if short:
        more = f" and {len(short) - NAMED} more" if len(short) > NAMED else ""
        warnings.append(
            f"corpus {name!r}: fewer than {segments} segments of {geometry.source_seconds:g} s come"
            f" from {len(short)} of {len(files)} files, which are too short or silent in part"
            f" ({', '.join(short[:NAMED])}{more}); the corpus has {len(sources)} clips"
        )
    return Gathered(
        name,
        sources,
        geometry,
        # Words cannot repeat a function: opened again, the groups would be others.
        origin=None if callable(groups) else origin,
        segments=segments,
        grouping=grouping.named(groups),
        warnings=warnings,
    )


def listed(paths: Iterable[str | Path] | Mapping[str, str | Path]) -> dict[str, Path]:
    """Return the files given to `Corpus.from_files`, by id.

    Raises
    ------
    CorpusError
        If it is a single path, or no file is there, or one twice.
    """
    if isinstance(paths, str | Path):
        raise CorpusError(
            f"Corpus.from_files takes a list of files, not {str(paths)!r}; for a folder there"
            " is Corpus.from_directory"
        )
    if isinstance(paths, Mapping):
        files = {id_: Path(path) for id_, path in paths.items()}
    else:
        given = [Path(path) for path in paths]
        files = dict(zip(distinct_names(given), given))
    if not files:
        raise CorpusError("Corpus.from_files got an empty list of files; give two or more")
    return files


def _upsampled(name: str, sources: Sequence[Source], geometry: Geometry) -> list[str]:
    low = [source.own_rate for source in sources if source.own_rate < geometry.sample_rate]
    if not low:
        return []
    return [
        f"corpus {name!r}: {len(low)} of {len(sources)} clips have a lower rate than the corpus's"
        f" {geometry.sample_rate} Hz and hold nothing above half of their own, which sets them"
        f" apart; sample_rate={min(low)} would compare all alike"
    ]


def segments_of(
    id_: str,
    path: Path,
    segments: int,
    geometry: Geometry,
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
        length = min(total, round(geometry.source_seconds * own_rate))
        slots = max(1, total // length)
        first = (total - slots * length) // 2  # what does not fill a slot is left at both ends
        starts = [first + slot * length for slot in range(slots)]
        if slots > 1:
            starts = _audible(
                path, file, starts, length, own_rate, geometry.window_seconds, segments
            )
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

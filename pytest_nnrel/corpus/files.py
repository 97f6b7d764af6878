"""Sources from audio files: the middle of each, or segments spread over it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_nnrel.corpus import grouping
from pytest_nnrel.corpus.hashed import HashedFile
from pytest_nnrel.corpus.looking import SINCE, look_at
from pytest_nnrel.corpus.source import FileStretch, Gathered, Source, as_path, raise_all
from pytest_nnrel.errors import CorpusError
from pytest_nnrel.runtime.listing import a_few
from pytest_nnrel.runtime.scalars import is_whole
from pytest_nnrel.runtime.store import digest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_nnrel.corpus.geometry import Geometry
    from pytest_nnrel.corpus.grouping import GroupRule
    from pytest_nnrel.corpus.held import HeldStretch
    from pytest_nnrel.corpus.remembered import Looked


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
    if not is_whole(segments) or segments < 1:
        raise CorpusError(f"segments must be a whole number of 1 or more, not {segments!r}")
    group_of: Mapping[str, str | None] = {}
    if groups is not None:
        paths = relative or grouping.below_common_folder(files)
        group_of = grouping.group_of_each(paths, groups, name)
    sources: list[Source] = []
    problems: list[str] = []
    short: list[str] = []
    looked_at = look_at(files.values(), segments, geometry, name)
    for id_, path in files.items():
        looked = looked_at[path]
        if isinstance(looked, str):
            problems.append(looked)
            continue
        of_file = (labels or {}).get(id_, {})
        found = sources_of(id_, path, looked, segments, of_file, group_of.get(id_))
        sources += found
        if len(found) < segments:
            short.append(id_)
    raise_all(name, problems)
    warnings = upsampled(name, sources, geometry)
    if short:
        warnings.append(
            f"corpus {name!r}: fewer than {segments} segments of {geometry.source_seconds:g} s come"
            f" from {len(short)} of {len(files)} files, which are too short or silent in part"
            f" ({a_few(short)}); the corpus has {len(sources)} clips"
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
    if isinstance(paths, str | bytes | Path) or not isinstance(paths, Iterable):
        raise CorpusError(
            f"Corpus.from_files takes a list of files, not {paths!r}; for a folder there"
            " is Corpus.from_directory"
        )
    what = "Corpus.from_files takes paths of files"
    if isinstance(paths, Mapping):
        files = {id_: as_path(path, what) for id_, path in paths.items()}
    else:
        given = [as_path(path, what) for path in paths]
        files = dict(zip(distinct_names(given), given))
    if not files:
        raise CorpusError("Corpus.from_files got an empty list of files; give two or more")
    return files


def check_labels(labels: object, files: Mapping[str, Path]) -> None:
    """Refuse labels that are of no file given to `Corpus.from_files`.

    Raises
    ------
    CorpusError
        If they are no mapping of ids to mappings, or an id is none of the files'.
    """
    if labels is None:
        return
    if not isinstance(labels, Mapping) or not all(
        isinstance(of_file, Mapping) for of_file in labels.values()
    ):
        raise CorpusError(
            "Corpus.from_files takes labels by clip id, such as {'song': {'genre': 'folk'}}, not"
            f" {labels!r}"
        )
    if unknown := [id_ for id_ in labels if id_ not in files]:
        raise CorpusError(
            f"Corpus.from_files got labels of {a_few([repr(id_) for id_ in unknown])}, and no file"
            f" has that id; ids are {a_few([repr(id_) for id_ in files])}"
        )


def upsampled(name: str, sources: Sequence[Source], geometry: Geometry) -> list[str]:
    """Say how many clips have a lower rate than the corpus, if any have."""
    low = [source.own_rate for source in sources if source.own_rate < geometry.sample_rate]
    if not low:
        return []
    return [
        f"corpus {name!r}: {len(low)} of {len(sources)} clips have a lower rate than the corpus's"
        f" {geometry.sample_rate} Hz and hold nothing above half of their own, which sets them"
        f" apart; sample_rate={min(low)} would compare all alike"
    ]


def sources_of(
    id_: str,
    path: Path,
    looked: Looked,
    segments: int,
    labels: Mapping[str, str],
    group: str | None = None,
) -> list[Source]:
    """Return the sources of one file. Without a `group` of its own, several are the file's."""
    file = hashed_file(path, looked)
    return [
        source_of(
            id_ if segments == 1 else f"{id_}@{start / looked.rate:.2f}s",
            id_ if group is None and segments > 1 else group,
            labels,
            looked,
            FileStretch(file, start, looked.length),
        )
        for start in looked.starts
    ]


def hashed_file(path: Path, looked: Looked) -> HashedFile:
    """Return a file as it was looked at."""
    return HashedFile(str(path), looked.content, looked.stamp, SINCE)


def source_of(
    id_: str,
    group: str | None,
    labels: Mapping[str, str],
    looked: Looked,
    origin: FileStretch | HeldStretch,
) -> Source:
    """Return the source of a stretch of what was looked at."""
    return Source(
        id=id_,
        group=group,
        labels=labels,
        seconds=origin.frames / looked.rate,
        own_rate=looked.rate,
        content=digest("file", looked.content, origin.start, origin.frames),
        origin=origin,
    )


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
        raise CorpusError(f"Corpus.from_files got {a_few(repeated)} twice")
    return []

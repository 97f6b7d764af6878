"""Tables of clips: CSV and Parquet files."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_nnrel.corpus import files
from pytest_nnrel.corpus.looking import look_at
from pytest_nnrel.corpus.source import FileStretch, Gathered, Source, as_path, raise_all
from pytest_nnrel.errors import CorpusError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_nnrel.corpus.geometry import Geometry
    from pytest_nnrel.corpus.remembered import Looked

    Row = Mapping[str, Any]

#: Endings of tables, on command lines.
SUFFIXES = (".csv", ".tsv", ".parquet")
#: What of a row is no label.
_PATH, _ID, _GROUP, _START = _COLUMNS = ("path", "id", "group", "start")


def is_manifest(origin: str) -> bool:
    """Tell whether words stand for a table."""
    return origin.lower().endswith(SUFFIXES) and not Path(origin).is_dir()


def gather(
    path: str | Path, columns: Mapping[str, str], name: str | None, geometry: Geometry
) -> Gathered:
    """Return the sources of the rows of a table; see `Corpus.from_manifest`.

    Raises
    ------
    CorpusError
        If it cannot be read, and for rows that cannot be used.
    """
    table = as_path(path, "Corpus.from_manifest takes the path of a table")
    if not isinstance(columns, Mapping):
        raise CorpusError(
            "Corpus.from_manifest takes columns by what they are, such as {'id': 'track'}, not"
            f" {columns!r}"
        )
    if unknown := sorted(columns.keys() - set(_COLUMNS)):
        raise CorpusError(
            f"columns names {', '.join(map(repr, unknown))}, but a manifest has"
            f" {', '.join(_COLUMNS)} and labels"
        )
    called = {one: columns.get(one, one) for one in _COLUMNS}
    rows = _rows(table)
    if not rows:
        raise CorpusError(f"manifest {table} has no rows; it needs one for each clip")
    for one in {_PATH, *columns}:
        if called[one] not in rows[0]:
            raise CorpusError(
                f"manifest {table} has no column {called[one]!r} for the {one}; it has"
                f" {', '.join(map(repr, rows[0]))}; columns={{{one!r}: ...}} names another"
            )
    named = name or table.name
    paths = [table.parent / _text(row, called[_PATH]) for row in rows]
    raise_all(
        f"{named}",
        [
            f"row {number}: the path is empty"
            for number, row in enumerate(rows, 1)
            if not _text(row, called[_PATH])
        ],
    )
    looked_at = look_at(paths, 1, geometry, named)
    ids = _ids(rows, paths, called)
    sources: list[Source] = []
    problems: dict[str, None] = {}  # of a file that several rows name it is told once
    for number, (id_, row, file) in enumerate(zip(ids, rows, paths), 1):
        looked = looked_at[file]
        if isinstance(looked, str):
            problems[looked] = None
            continue
        try:
            sources.append(_source(id_, row, file, looked, called, geometry))
        except CorpusError as error:
            problems[f"row {number}: {error}"] = None
    raise_all(named, list(problems))
    return Gathered(
        named,
        sources,
        geometry,
        origin=None if columns else str(table),
        warnings=files.upsampled(named, sources, geometry),
    )


def _rows(table: Path) -> list[dict[str, Any]]:
    if table.suffix.lower() == ".parquet":
        return _rows_of_parquet(table)
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            delimiter = "\t" if table.suffix.lower() == ".tsv" else ","
            return list(csv.DictReader(file, delimiter=delimiter, strict=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CorpusError(
            f"manifest {table} cannot be read as CSV in UTF-8 ({error}); give a table with a"
            " column of paths"
        ) from error


def _rows_of_parquet(table: Path) -> list[dict[str, Any]]:
    try:
        from pyarrow import ArrowException, parquet
    except ImportError as error:
        raise CorpusError(
            f"manifest {table} needs pyarrow: pip install pyarrow; a CSV file does without"
        ) from error
    try:
        return list(parquet.read_table(table).to_pylist())
    except (OSError, ArrowException) as error:
        raise CorpusError(f"manifest {table} cannot be read as Parquet ({error})") from error


def _text(row: Row, column: str) -> str:
    value = row.get(column)
    return "" if value is None else str(value).strip()


def _ids(rows: Sequence[Row], paths: Sequence[Path], called: Mapping[str, str]) -> list[str]:
    """Return the ids that the table gives; else names of files, with the start where it is told."""
    if called[_ID] in rows[0]:
        return [_text(row, called[_ID]) for row in rows]
    distinct = list(dict.fromkeys(paths))
    names = dict(zip(distinct, files.distinct_names(distinct)))
    starts = [_text(row, called[_START]) for row in rows]
    return [names[path] + (f"@{start}s" if start else "") for path, start in zip(paths, starts)]


def _source(
    id_: str, row: Row, file: Path, looked: Looked, called: Mapping[str, str], geometry: Geometry
) -> Source:
    start, length = looked.starts[0], looked.length
    if told := _text(row, called[_START]):
        start = _in_samples(told, file, looked)
        length = min(looked.frames - start, round(geometry.source_seconds * looked.rate))
    labels = {
        column: _text(row, column)
        for column in row
        if column is not None and column not in called.values() and _text(row, column)
    }
    stretch = FileStretch(files.hashed_file(file, looked), start, length)
    return files.source_of(id_, _text(row, called[_GROUP]) or None, labels, looked, stretch)


def _in_samples(told: str, file: Path, looked: Looked) -> int:
    """Return where a clip starts.

    Raises
    ------
    CorpusError
        If that is no time within the file.
    """
    try:
        start = float(told)
    except ValueError:
        start = math.nan
    seconds = looked.frames / looked.rate
    if not 0.0 <= start < seconds:
        raise CorpusError(f"start {told!r} is no time within {file}, which has {seconds:.3g} s")
    return round(start * looked.rate)

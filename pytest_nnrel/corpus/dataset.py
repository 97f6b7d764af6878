"""Datasets of Hugging Face's ``datasets``: rows whose audio is read when it is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_nnrel.corpus import decoding, held
from pytest_nnrel.errors import CorpusError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_nnrel.corpus.audiofile import Stamp
    from pytest_nnrel.corpus.geometry import Geometry
    from pytest_nnrel.corpus.source import Gathered


@dataclass(frozen=True, slots=True)
class Row:
    """The audio of a row.

    Attributes
    ----------
    dataset : datasets.Dataset
        Of one column, in the format of Arrow, which leaves audio as it is.
    row : int
    """

    dataset: Any
    row: int

    @property
    def key(self) -> None:
        """None: no stamp of a file tells whether a dataset holds the same."""

    def stamp(self) -> Stamp | None:
        return None

    def read(self) -> tuple[Path, bytes]:
        cell = self.dataset[self.row].column(0)[0].as_py()
        if not cell or (cell.get("bytes") is None and cell.get("path") is None):
            raise CorpusError(f"row {self.row} has no audio; leave it out (Dataset.filter)")
        path = Path(cell.get("path") or "")
        if cell.get("bytes") is not None:
            return Path(f"row {self.row}") / path.name, bytes(cell["bytes"])
        with decoding.opened(path) as file:
            return path, file.read()


def gather(
    dataset: Any,  # noqa: ANN401
    audio: str,
    id_column: str | None,
    group_column: str | None,
    name: str,
    geometry: Geometry,
) -> Gathered:
    """Return a source for each row; see `Corpus.from_dataset`.

    Raises
    ------
    CorpusError
        If it is no dataset of audio, and for rows that cannot be used.
    """
    undecoded = _undecoded(dataset, audio)
    for column in (id_column, group_column):
        if column is not None and column not in dataset.column_names:
            raise CorpusError(
                f"the dataset has no column {column!r}; it has"
                f" {', '.join(map(repr, dataset.column_names))}"
            )
    if not len(dataset):
        raise CorpusError("the dataset has no rows; give two or more")
    rows = range(len(dataset))
    digits = max(3, len(str(len(rows) - 1)))
    ids = [f"row-{row:0{digits}d}" for row in rows]
    if id_column is not None:
        values = _column(dataset, id_column)
        if None in values:
            raise CorpusError(
                f"row {values.index(None)} of the dataset has no {id_column!r}; give each row one"
            )
        ids = [str(value) for value in values]
    groups = [None] * len(rows) if group_column is None else _texts(dataset, group_column)
    labels: list[dict[str, str]] = [{} for _ in rows]
    for column in _label_columns(dataset, {audio, id_column, group_column}):
        for of_row, text in zip(labels, _texts(dataset, column)):
            if text is not None:
                of_row[column] = text
    clips = [
        held.HeldClip(id_, group, of_row, Row(undecoded, row))
        for row, id_, group, of_row in zip(rows, ids, groups, labels)
    ]
    return held.gather(name, clips, geometry)


def _undecoded(dataset: Any, audio: str) -> Any:  # noqa: ANN401
    """Return the column of audio alone: of others, images may be decoded with each row."""
    try:
        import datasets
    except ImportError as error:
        raise CorpusError(
            "Corpus.from_dataset takes a dataset of Hugging Face's: pip install datasets"
        ) from error
    if isinstance(dataset, datasets.DatasetDict):
        raise CorpusError(
            f"the dataset has the splits {', '.join(map(repr, dataset))}; give one of them"
        )
    if not isinstance(dataset, datasets.Dataset):
        raise CorpusError(
            f"Corpus.from_dataset takes a datasets.Dataset, not {type(dataset).__name__}; of one"
            " that is streamed take rows first: Dataset.from_list(list(streamed.take(1000)))"
        )
    column = dataset.features.get(audio)
    if not isinstance(column, datasets.Audio):
        found = [name for name, of in dataset.features.items() if isinstance(of, datasets.Audio)]
        raise CorpusError(
            f"the dataset has no column of audio {audio!r};"
            + (f" audio={found[0]!r} is one" if found else " cast_column(NAME, Audio()) makes one")
        )
    return _alone(dataset, audio)


def _column(dataset: Any, name: str) -> list[Any]:  # noqa: ANN401
    return list(_alone(dataset, name)[:].column(0).to_pylist())


def _alone(dataset: Any, name: str) -> Any:  # noqa: ANN401
    return dataset.select_columns([name]).with_format("arrow")


def _texts(dataset: Any, name: str) -> list[str | None]:  # noqa: ANN401
    """Return a column's values as text, classes by name.

    Values that are no class, as -1 of a row without one, have none.
    """
    import datasets

    of, values = dataset.features[name], _column(dataset, name)
    if isinstance(of, datasets.ClassLabel):
        return [None if value is None or value < 0 else of.names[value] for value in values]
    return [None if value is None else str(value) for value in values]


def _label_columns(dataset: Any, taken: set[str | None]) -> Iterator[str]:  # noqa: ANN401
    """Yield the names of the columns of text and of classes."""
    import datasets

    for name, of in dataset.features.items():
        is_text = isinstance(of, datasets.Value) and of.dtype in ("string", "large_string")
        if name not in taken and (is_text or isinstance(of, datasets.ClassLabel)):
            yield name

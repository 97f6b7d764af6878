"""Datasets of Hugging Face's ``datasets``: rows whose audio is read when it is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_nnrel.corpus import decoding, files
from pytest_nnrel.corpus.looking import stretches
from pytest_nnrel.corpus.source import Gathered, Source, raise_all
from pytest_nnrel.errors import CorpusError
from pytest_nnrel.runtime.progress import progress
from pytest_nnrel.runtime.store import digest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_nnrel.corpus.decoding import Mix
    from pytest_nnrel.corpus.geometry import Geometry


@dataclass(frozen=True, slots=True)
class DatasetStretch:
    """A stretch of the audio of a row.

    Attributes
    ----------
    dataset : datasets.Dataset
        Whose audio is not decoded.
    column : str
    row : int
    content : str
        Digest of the audio's bytes when the corpus was built.
    start, frames : int
        In samples, at the audio's own rate.
    """

    dataset: Any
    column: str
    row: int
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
        path, content = _audio_of(self.dataset[self.row][self.column], self.row)
        if digest(content) != self.content:
            raise CorpusError(
                f"{path} of row {self.row} has changed since the corpus was built; build it anew,"
                " and leave the dataset alone while it is measured"
            )
        return decoding.decode_bytes(path, content, start=self.start, frames=self.frames)


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
        if column is not None and column not in undecoded.column_names:
            raise CorpusError(
                f"the dataset has no column {column!r}; it has"
                f" {', '.join(map(repr, undecoded.column_names))}"
            )
    labelled = _label_columns(undecoded, {audio, id_column, group_column})
    digits = max(3, len(str(len(undecoded) - 1)))
    sources: list[Source] = []
    problems = []
    rows = progress(undecoded, len(undecoded), f"reading {name}")
    for number, row in enumerate(rows):
        id_ = f"row-{number:0{digits}d}" if id_column is None else str(row[id_column])
        try:
            path, content = _audio_of(row[audio], number)
            frames, rate = decoding.probe_bytes(path, content)
            decode = partial(decoding.decode_bytes, path, content)
            length, (start, *_) = stretches(path, frames, rate, 1, geometry, decode)
        except CorpusError as error:
            problems.append(f"row {number}: {error}")
            continue
        held = digest(content)
        group = None if group_column is None else row[group_column]
        sources.append(
            Source(
                id=id_,
                group=None if group is None else str(group),
                labels={column: text(row[column]) for column, text in labelled
                        if row[column] is not None},
                seconds=length / rate,
                own_rate=rate,
                content=digest("file", held, start, length),
                origin=DatasetStretch(undecoded, audio, number, held, start, length),
            )
        )  # fmt: skip
    raise_all(name, problems)
    if not sources:
        raise CorpusError("the dataset has no rows; give two or more")
    warnings = files.upsampled(name, sources, geometry)
    return Gathered(name, sources, geometry, warnings=warnings)


def _undecoded(dataset: Any, audio: str) -> Any:  # noqa: ANN401
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
    return dataset.cast_column(audio, datasets.Audio(decode=False))


def _label_columns(dataset: Any, taken: set[str | None]) -> list[tuple[str, Any]]:  # noqa: ANN401
    """Return the columns of text and of classes, and what makes text of a value of each."""
    return list(_with_text(dataset, taken))


def _with_text(dataset: Any, taken: set[str | None]) -> Iterator[tuple[str, Any]]:  # noqa: ANN401
    import datasets

    for name, of in dataset.features.items():
        if name in taken:
            continue
        if isinstance(of, datasets.ClassLabel):
            yield name, of.int2str
        elif isinstance(of, datasets.Value) and of.dtype in ("string", "large_string"):
            yield name, str


def _audio_of(cell: Any, row: int) -> tuple[Path, bytes]:  # noqa: ANN401
    """Return what messages call a row's audio, and its bytes.

    Raises
    ------
    CorpusError
        If there are none, or its file cannot be read.
    """
    if not cell or (cell.get("bytes") is None and cell.get("path") is None):
        raise CorpusError("it has no audio; leave it out (Dataset.filter)")
    path = Path(cell.get("path") or f"row {row}")
    if cell.get("bytes") is not None:
        return path, cell["bytes"]
    with decoding.opened(path) as file:
        return path, file.read()

"""What corpora are made of: a folder, files, a manifest, a dataset, arrays, or what comes along."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from pytest_nnrel.corpus import arrays, bundled, files, folder, manifest, mirdata, webdataset
from pytest_nnrel.corpus import dataset as dataset_
from pytest_nnrel.corpus.geometry import SAMPLE_RATE, SOURCE_SECONDS, WINDOW_SECONDS, Geometry
from pytest_nnrel.errors import CorpusWarning

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path
    from typing import Self

    import numpy as np
    import numpy.typing as npt

    from pytest_nnrel.corpus.grouping import GroupRule
    from pytest_nnrel.corpus.soundness import Heard
    from pytest_nnrel.corpus.source import Gathered


class Made(ABC):
    """The ways to make a corpus."""

    @abstractmethod
    def __init__(self, gathered: Gathered) -> None: ...

    @abstractmethod
    def check_audio(self, heard: Sequence[Heard] | None = None) -> tuple[str, ...]:
        """Decode every clip and check what headers cannot tell."""

    @classmethod
    def bundled(cls) -> Self:
        """Return the 134 clips of recorded music that come with the package.

        Four seconds each from 134 tracks of game soundtracks (orchestral, ambient, metal,
        electronic, folk), 22,050 Hz mono, under free licences: see ``ATTRIBUTION.md`` beside them.
        """
        return cls._bundled()

    @classmethod
    def from_directory(
        cls,
        path: str | Path,
        *,
        segments: int = 1,
        groups: GroupRule | None = None,
        name: str | None = None,
        sample_rate: int = SAMPLE_RATE,
        source_seconds: float = SOURCE_SECONDS,
        window_seconds: float = WINDOW_SECONDS,
    ) -> Self:
        """Return the audio files below a folder, in any rate, channel count and nesting.

        Parameters
        ----------
        path : path-like
            Searched recursively for WAV, FLAC, OGG, MP3, Opus, AIFF, AU, CAF and W64 and, with the
            extra ``formats``, for M4A, AAC, WMA, WebM, MP4 and other films. Links are followed,
            once each. A `CorpusWarning` names what else looks like audio and is passed over;
            `passed_over` counts by reason.
        segments : int
            Source segments per file, evenly spread and not overlapping. Silent stretches are passed
            over. Segments of a file are one group. A file that is too short for as many gives
            fewer, which a `CorpusWarning` tells.
        groups : "folder", str or callable, optional
            Which files are of one track: those of one folder; those in whose path below `path`,
            with forward slashes, a regular expression with one group finds the same; or those for
            which a function of that path gives the same. Each file for itself where omitted, or
            where the function gives None.
        name : str, optional
            The folder's name where omitted.
        sample_rate, source_seconds, window_seconds
            See `Corpus`.

        Raises
        ------
        CorpusError
            If the folder is missing or holds no audio, or for any file that cannot be used or is
            in no group; one error names them all.
        """
        geometry = Geometry(sample_rate, source_seconds, window_seconds)
        return cls._told(folder.gather(path, name, segments, groups, geometry))

    @classmethod
    def from_files(
        cls,
        paths: Iterable[str | Path] | Mapping[str, str | Path],
        *,
        labels: Mapping[str, Mapping[str, str]] | None = None,
        segments: int = 1,
        groups: GroupRule | None = None,
        name: str = "files",
        sample_rate: int = SAMPLE_RATE,
        source_seconds: float = SOURCE_SECONDS,
        window_seconds: float = WINDOW_SECONDS,
    ) -> Self:
        """Return a corpus of the files given.

        Parameters
        ----------
        paths : iterable of path-like, or mapping of clip id to path-like
            Without ids, file names serve, with as much of the folder as tells them apart.
        labels : mapping of clip id to mapping, optional
        segments, groups, name, sample_rate, source_seconds, window_seconds
            As in `from_directory`; groups are by the paths below the deepest folder that holds all
            of the files.

        Raises
        ------
        CorpusError
            As `from_directory` does, and for labels of what is no id.
        """
        geometry = Geometry(sample_rate, source_seconds, window_seconds)
        given = files.listed(paths)
        files.check_labels(labels, given)
        return cls._told(
            files.gather(given, name, segments, geometry, labels=labels, groups=groups)
        )

    @classmethod
    def from_manifest(
        cls,
        path: str | Path,
        *,
        columns: Mapping[str, str] | None = None,
        name: str | None = None,
        sample_rate: int = SAMPLE_RATE,
        source_seconds: float = SOURCE_SECONDS,
        window_seconds: float = WINDOW_SECONDS,
    ) -> Self:
        """Return the clips that a table lists, one a row.

        Parameters
        ----------
        path : path-like
            A CSV file, comma- or (``.tsv``) tab-separated, in UTF-8, with names of columns in its
            first row; or a Parquet file (``pip install pyarrow``). Its columns are ``path``, of
            an audio file, from the table's own folder on where it is no absolute one; and, where
            they are there, ``id`` and ``group`` of the clip, and ``start``, where in the file it
            begins, in seconds: the middle of the file is taken where that is empty. All others
            are labels; empty cells are none.
        columns : mapping of str to str, optional
            What the table calls those columns, such as ``{"path": "filename"}``.
        name : str, optional
            The file's name where omitted.
        sample_rate, source_seconds, window_seconds
            See `Corpus`.

        Raises
        ------
        CorpusError
            If the table cannot be read, has no such column or no rows, and for any file or start
            that cannot be used; one error names them all.
        """
        geometry = Geometry(sample_rate, source_seconds, window_seconds)
        return cls._told(manifest.gather(path, columns or {}, name, geometry))

    @classmethod
    def from_dataset(
        cls,
        dataset: Any,  # noqa: ANN401  (of a package that is not required)
        *,
        audio: str = "audio",
        id: str | None = None,
        group: str | None = None,
        name: str = "dataset",
        sample_rate: int = SAMPLE_RATE,
        source_seconds: float = SOURCE_SECONDS,
        window_seconds: float = WINDOW_SECONDS,
    ) -> Self:
        """Return the clips of a dataset of Hugging Face's ``datasets``, one a row.

        Each row's audio is read once, to be told by its content, and decoded when it is asked for.

        Parameters
        ----------
        dataset : datasets.Dataset
            With a column of audio, of files or of bytes. One that is streamed has no rows to
            come back to.
        audio : str
            That column.
        id, group : str, optional
            Columns of ids and of groups. Without ids, rows are ``row-000`` and so on. Groups by a
            column of classes bear the classes' names; a row without a value, or of no class (-1),
            is a group of its own.
        name, sample_rate, source_seconds, window_seconds
            See `Corpus`. Labels are the columns of text and of classes; the middle of each row's
            audio is its source.

        Raises
        ------
        CorpusError
            If it is no such dataset or has no such column, and for any row that cannot be used;
            one error names them all.
        """
        geometry = Geometry(sample_rate, source_seconds, window_seconds)
        return cls._told(dataset_.gather(dataset, audio, id, group, name, geometry))

    @classmethod
    def from_webdataset(
        cls,
        shards: str | Path | Iterable[str | Path],
        *,
        audio: str | None = None,
        group: str | None = None,
        name: str = "webdataset",
        sample_rate: int = SAMPLE_RATE,
        source_seconds: float = SOURCE_SECONDS,
        window_seconds: float = WINDOW_SECONDS,
    ) -> Self:
        """Return the samples of WebDataset shards on disk, whose audio is read where it lies.

        Parameters
        ----------
        shards : path-like, or iterable of path-like
            Tar files, not compressed; ``shard-{000..127}.tar`` stands for all of the range.
        audio : str, optional
            Which member of a sample is its audio, by its ending, such as ``"mix.flac"``; the one
            with the ending of an audio format where omitted.
        group : str, optional
            A label that tells groups.
        name, sample_rate, source_seconds, window_seconds
            See `Corpus`. Ids are the names of samples, with the shard's before them where shards
            share some. Labels are the text and whole numbers of a member ``json``, and the members
            ``cls`` and ``txt``. The middle of each sample's audio is its source.

        Raises
        ------
        CorpusError
            If a shard cannot be read, and for any sample that has no audio, or several, or such
            as cannot be used; one error names them all.
        """
        geometry = Geometry(sample_rate, source_seconds, window_seconds)
        return cls._told(webdataset.gather(shards, audio, group, name, geometry))

    @classmethod
    def from_arrays(
        cls,
        samples: npt.NDArray[np.floating[Any]] | Sequence[npt.NDArray[np.floating[Any]]],
        *,
        sample_rate: int,
        ids: Sequence[str] | None = None,
        groups: Sequence[str | None] | None = None,
        name: str = "arrays",
        window_seconds: float = WINDOW_SECONDS,
    ) -> Self:
        """Return a corpus of signals in memory.

        Parameters
        ----------
        samples : float32[n, samples], or n float arrays of any length
            Full scale at ±1. Each is a source as a whole.
        sample_rate : int
            Their rate, at which they are also transformed and compared, in Hz.
        ids, groups : sequence of str, optional
            One per row; ``clip-000`` and so on, and no groups, where omitted.
        name, window_seconds
            See `Corpus`.

        Raises
        ------
        CorpusError
            For rows that are no finite mono signal, too short, silent or alike.
        """
        corpus = cls(arrays.gather(samples, sample_rate, ids, groups, name, window_seconds))
        corpus.check_audio()
        return corpus

    @classmethod
    def from_mirdata(
        cls,
        name: str,
        data_home: str | Path | None = None,
        *,
        version: str = "default",
        segments: int = 1,
        groups: GroupRule | None = None,
        sample_rate: int = SAMPLE_RATE,
        source_seconds: float = SOURCE_SECONDS,
        window_seconds: float = WINDOW_SECONDS,
    ) -> Self:
        """Return the tracks of a dataset that mirdata knows and that lies on disk.

        Parameters
        ----------
        name : str
            A name of ``mirdata.list_datasets()``.
        data_home : path-like, optional
            Where the dataset lies; mirdata's own default where omitted.
        version : str
            The dataset's version, in mirdata's words.
        segments, groups, sample_rate, source_seconds, window_seconds
            As in `from_files`. Labels are what is plain text of a track's attributes and of the
            dataset's table.

        Raises
        ------
        CorpusError
            If mirdata is not installed, does not know the dataset, or files are missing.
        """
        geometry = Geometry(sample_rate, source_seconds, window_seconds)
        return cls._told(mirdata.gather(name, data_home, version, segments, groups, geometry))

    @classmethod
    def _told(cls, gathered: Gathered) -> Self:
        """Return a corpus, and tell whoever called the method that called this what is odd."""
        corpus = cls(gathered)
        for warning in gathered.warnings:
            warnings.warn(warning, CorpusWarning, stacklevel=3)
        return corpus

    @classmethod
    @lru_cache(maxsize=1)
    def _bundled(cls) -> Self:
        return cls(bundled.gather())

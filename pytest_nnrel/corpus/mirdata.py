"""Datasets that mirdata knows and that lie on disk."""

from __future__ import annotations

import inspect
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_nnrel.corpus import files
from pytest_nnrel.errors import CorpusError

if TYPE_CHECKING:
    from pytest_nnrel.corpus.geometry import Geometry
    from pytest_nnrel.corpus.grouping import GroupRule
    from pytest_nnrel.corpus.source import Gathered

#: What mirdata's tracks read of a dataset's table.
_METADATA = "_track_metadata"
#: What such corpora's names begin with, on command lines and in reports.
PREFIX = "mirdata:"


def gather(
    name: str,
    data_home: str | Path | None,
    version: str,
    segments: int,
    groups: GroupRule | None,
    geometry: Geometry,
) -> Gathered:
    """Return the sources of a dataset's tracks; see `Corpus.from_mirdata`.

    Raises
    ------
    CorpusError
        As `tracks` does, and for files that cannot be used.
    """
    paths, labels = tracks(name, data_home, version)
    origin = PREFIX + (name if version == "default" else f"{name}:{version}")
    return files.gather(
        paths,
        PREFIX + name,
        segments,
        geometry,
        labels=labels,
        groups=groups,
        origin=origin + ("" if data_home is None else f"@{data_home}"),
    )


def tracks(
    name: str, data_home: str | Path | None, version: str
) -> tuple[dict[str, Path], dict[str, dict[str, str]]]:
    """Return the audio files of a dataset, and the labels of its tracks, by track id.

    Parameters
    ----------
    name, data_home, version
        As in `Corpus.from_mirdata`.

    Raises
    ------
    CorpusError
        If mirdata is not installed, does not know the dataset, or it names no audio files.
    """
    try:
        import mirdata
    except ImportError as error:
        raise CorpusError(
            'a mirdata corpus needs mirdata: pip install "pytest-nnrel[mirdata]"'
        ) from error
    try:
        dataset = mirdata.initialize(
            name, data_home=None if data_home is None else str(data_home), version=version
        )
        loaded = dataset.load_tracks()
    except (ValueError, OSError, NotImplementedError) as error:
        raise CorpusError(
            f"mirdata cannot load {name!r} from {data_home or 'its default folder'}: {error}"
        ) from error
    paths = {
        str(id_): Path(track.audio_path)
        for id_, track in loaded.items()
        if getattr(track, "audio_path", None)
    }
    if not paths:
        raise CorpusError(f"mirdata's dataset {name!r} names no audio files; take one that does")
    return paths, {id_: _labels_of(loaded[id_]) for id_ in paths}


def _labels_of(track: Any) -> dict[str, str]:  # noqa: ANN401
    """Return what is said of a track in words: its attributes, and what its metadata tell."""
    told = dict(vars(track))
    for key, member in inspect.getmembers(type(track), lambda member: isinstance(member, property)):
        # Other properties read files: audio, annotations.
        if _METADATA in member.fget.__code__.co_names:
            with suppress(OSError, AttributeError, LookupError, ValueError):  # not there, or broken
                told[key] = getattr(track, key)
    return {
        key: value
        for key, value in told.items()
        if isinstance(value, str) and not key.startswith("_") and not key.endswith("path")
    }


def parsed(origin: str) -> tuple[str, str, str | None]:
    """Return name, version and folder of a dataset."""
    dataset, _, home = origin.removeprefix(PREFIX).partition("@")
    name, _, version = dataset.partition(":")
    return name, version or "default", home or None

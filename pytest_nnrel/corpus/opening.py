"""Corpora by the words that stand for them on command lines and in reports."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_nnrel.corpus import labels, manifest, mirdata
from pytest_nnrel.corpus.bundled import BUNDLED
from pytest_nnrel.corpus.corpus import Corpus
from pytest_nnrel.corpus.geometry import SAMPLE_RATE, SOURCE_SECONDS, WINDOW_SECONDS
from pytest_nnrel.errors import CorpusError, SettingError

if TYPE_CHECKING:
    from collections.abc import Mapping


def open_corpus(
    origin: str,
    *,
    segments: int = 1,
    groups: str | None = None,
    sample_rate: int = SAMPLE_RATE,
    source_seconds: float = SOURCE_SECONDS,
    window_seconds: float = WINDOW_SECONDS,
) -> Corpus:
    """Return the corpus that a word on a command line stands for.

    Parameters
    ----------
    origin : str
        ``bundled``, a folder, a manifest (``.csv``, ``.tsv``, ``.parquet``), or ``mirdata:NAME``,
        ``mirdata:NAME@FOLDER`` or ``mirdata:NAME:VERSION@FOLDER``; after any of these
        ``[LABEL=VALUE]``, see `labels`.
    segments, groups, sample_rate, source_seconds, window_seconds
        As in `Corpus.from_directory`. The bundled clips have the defaults.

    Raises
    ------
    CorpusError
        If there is no such corpus, label or value, or no clip that has it.
    """
    place, wanted = labels.parsed(origin)
    if wanted:
        whole = open_corpus(
            place, segments=segments, groups=groups, sample_rate=sample_rate,
            source_seconds=source_seconds, window_seconds=window_seconds,
        )  # fmt: skip
        found = labels.positions(wanted, [clip.labels for clip in whole.facts], whole.name)
        name = whole.name + origin.removeprefix(place)
        return whole.subset([whole.ids[i] for i in found], name=name)
    geometry = (segments, sample_rate, source_seconds, window_seconds)
    if origin == BUNDLED:
        if groups is not None:
            raise CorpusError(
                f"the bundled clips are each of another track; groups={groups!r} needs a corpus of"
                " your own (--nnrel-corpus=FOLDER)"
            )
        if geometry != (1, SAMPLE_RATE, SOURCE_SECONDS, WINDOW_SECONDS):
            raise CorpusError(
                f"the bundled clips are {SOURCE_SECONDS:g} s at {SAMPLE_RATE:,} Hz, compared over"
                f" {WINDOW_SECONDS:g} s; other lengths and rates need a corpus of your own"
                " (--nnrel-corpus=FOLDER)"
            )
        return Corpus.bundled()
    if origin.startswith(mirdata.PREFIX):
        name, version, home = mirdata.parsed(origin)
        return Corpus.from_mirdata(
            name, home, version=version, segments=segments, groups=groups,
            sample_rate=sample_rate, source_seconds=source_seconds, window_seconds=window_seconds,
        )  # fmt: skip
    if manifest.is_manifest(origin):
        if groups is not None or segments != 1:
            raise CorpusError(
                f"manifest {origin} tells groups and clips itself, by its columns group and start;"
                f" groups={groups!r} and segments={segments!r} are of folders"
            )
        return Corpus.from_manifest(
            origin, sample_rate=sample_rate, source_seconds=source_seconds,
            window_seconds=window_seconds,
        )  # fmt: skip
    return Corpus.from_directory(
        origin, segments=segments, groups=groups, sample_rate=sample_rate,
        source_seconds=source_seconds, window_seconds=window_seconds,
    )  # fmt: skip


def reopen(described: Mapping[str, Any], **geometry: float) -> Corpus:
    """Return the corpus that `Corpus.describe` told of, all of its clips.

    Parameters
    ----------
    described : dict
        Of a corpus that has an origin.
    **geometry
        Rates and lengths that it is to have instead of its own.

    Raises
    ------
    CorpusError
        If it cannot be opened any more.
    """
    own = ("sample_rate", "source_seconds", "window_seconds", "segments")
    groups = described.get("grouping")  # not told by results of 0.1
    return open_corpus(
        described["origin"],
        groups=groups,
        **{name: described[name] for name in own} | geometry,
    )


def as_corpus(given: object) -> Corpus:
    """Return a corpus that was given as one.

    Raises
    ------
    SettingError
        If it is none.
    """
    if not isinstance(given, Corpus):
        raise SettingError(f"corpus must be a Corpus, not {type(given).__name__}")
    return given

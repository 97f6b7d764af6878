"""Sources from signals in memory."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from pytest_nnrel.corpus.clip import Clip
from pytest_nnrel.corpus.geometry import Geometry
from pytest_nnrel.corpus.source import Gathered, InMemory, Source
from pytest_nnrel.errors import CorpusError
from pytest_nnrel.runtime.scalars import is_whole
from pytest_nnrel.runtime.store import digest

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import numpy.typing as npt


def gather(
    samples: npt.NDArray[np.floating[Any]] | Sequence[npt.NDArray[np.floating[Any]]],
    sample_rate: int,
    ids: Sequence[str] | None,
    groups: Sequence[str | None] | None,
    name: str,
    window_seconds: float,
) -> Gathered:
    """Return a source for each signal; see `Corpus.from_arrays`.

    Raises
    ------
    CorpusError
        If there is none, one is no mono signal, or ids or groups are not as many.
    """
    if not isinstance(samples, Iterable):
        raise CorpusError(
            "Corpus.from_arrays takes signals, float32[n, samples] or a list of them, not"
            f" {samples!r}"
        )
    rows = list(samples)
    if not rows:
        raise CorpusError("Corpus.from_arrays got no signals; give two or more")
    if ids is None:
        digits = max(3, len(str(len(rows) - 1)))
        ids = [f"clip-{i:0{digits}d}" for i in range(len(rows))]
    if len(ids) != len(rows) or (groups is not None and len(groups) != len(rows)):
        raise CorpusError(
            f"Corpus.from_arrays got {len(rows)} signals, but {len(ids)} ids"
            + (f" and {len(groups)} groups" if groups is not None else "")
            + "; give one for each signal"
        )
    ids = [_text(id_, "id", place) for place, id_ in enumerate(ids)]
    if groups is not None:
        groups = [
            None if group is None else _text(group, "group", place)
            for place, group in enumerate(groups)
        ]
    clips = [Clip(id_, row, sample_rate) for id_, row in zip(ids, rows)]
    sources = [
        Source(
            id=clip.id,
            group=None if groups is None else groups[i],
            labels={},
            seconds=clip.seconds,
            own_rate=clip.sample_rate,
            content=digest("array", clip.samples, clip.sample_rate),
            origin=InMemory(clip.samples, clip.sample_rate),
        )
        for i, clip in enumerate(clips)
    ]
    longest = max(clip.seconds for clip in clips)
    return Gathered(
        name, sources, Geometry(sample_rate, max(longest, window_seconds), window_seconds)
    )


def _text(given: object, what: str, place: int) -> str:
    """Return an id or a group as text; numbers are theirs.

    Raises
    ------
    CorpusError
        For anything else.
    """
    if isinstance(given, str):
        return str(given)
    if is_whole(given):
        return str(int(given))
    raise CorpusError(
        f"Corpus.from_arrays got {given!r} for the {what} of signal {place}; give a text"
    )

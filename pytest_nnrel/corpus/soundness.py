"""What no corpus may hold: clips that are too short, alike or silent."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

from pytest_nnrel.corpus import audio
from pytest_nnrel.corpus.source import NAMED
from pytest_nnrel.errors import CorpusError
from pytest_nnrel.runtime.store import digest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_nnrel.corpus.clip import Clip
    from pytest_nnrel.corpus.source import Source

_OPPOSITE = "the channels cancel in the mono mix (opposite phase)"
_ONE_CHANNEL = "take one channel of them (soundfile.read(path)[0][:, 0], Corpus.from_arrays)"


def name_problems(sources: Sequence[Source]) -> list[str]:
    """Name the ids that several clips have."""
    repeated = [id_ for id_, n in Counter(source.id for source in sources).items() if n > 1]
    if not repeated:
        return []
    return [f"clip ids must be unique; repeated: {repeated[:NAMED]}; give each its own"]


def length_problems(sources: Sequence[Source], window_seconds: float) -> list[str]:
    """Name the clips that are shorter than the window."""
    return [
        f"clip {s.id!r} is {s.seconds:.3g} s long, shorter than the window of"
        f" {window_seconds:g} s (window_seconds=)"
        for s in sources
        if s.seconds < window_seconds - 0.5 / s.own_rate
    ]


def twin_problems(sources: Sequence[Source]) -> list[str]:
    """Name the clips that are decoded from the same content."""
    first_with: dict[str, str] = {}
    problems = []
    for source in sources:
        twin = first_with.setdefault(source.content, source.id)
        if twin != source.id:
            problems.append(_twin_problem(twin, source.id))
    return problems


def cancelled_text(ids: Sequence[str]) -> str:
    """Say of which clips the mono mix is not what one hears."""
    more = f" and {len(ids) - NAMED} more" if len(ids) > NAMED else ""
    return (
        f"{_OPPOSITE} of {', '.join(ids[:NAMED])}{more}, so that little is left of them;"
        f" {_ONE_CHANNEL}"
    )


def audio_problems(
    sources: Sequence[Source],
    window_seconds: float,
    clip_at: Callable[[int], Clip],
    cancels: Callable[[int], bool],
) -> list[str]:
    """Name the clips that cannot be decoded, whose windows are silent, or the same.

    Parameters
    ----------
    sources : sequence of Source
    window_seconds : float
    clip_at : callable
        Decodes the clip at a position, or raises a CorpusError.
    cancels : callable
        Tells whether the channels of a clip that was decoded cancel in its mono mix.
    """
    problems: list[str] = []
    first_with: dict[str, str] = {}
    for i, source in enumerate(sources):
        try:
            clip = clip_at(i)
        except CorpusError as error:
            problems.append(str(error))
            continue
        window = clip.window(window_seconds)
        if not math.isfinite(audio.loudness(window, clip.sample_rate)):
            problems.append(
                f"clip {source.id!r} is silent: nothing in its centre"
                f" {window_seconds:g} s exceeds -70 LUFS; "
                + (f"{_OPPOSITE}: {_ONE_CHANNEL}" if cancels(i) else "leave it out")
            )
            continue
        twin = first_with.setdefault(digest(window), source.id)
        if twin != source.id:
            problems.append(_twin_problem(twin, source.id))
    return problems


def _twin_problem(first: str, second: str) -> str:
    return (
        f"clips {first!r} and {second!r} have the same content: they tie, and neither can be"
        " nearest; remove one"
    )

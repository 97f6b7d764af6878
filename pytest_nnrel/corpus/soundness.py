"""What no corpus may hold: clips that are too short, alike or silent."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_nnrel.corpus import audio
from pytest_nnrel.errors import CorpusError
from pytest_nnrel.runtime.listing import a_few
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
    named = a_few([repr(id_) for id_ in repeated])
    return [f"clip ids must be unique; repeated: {named}; give each its own"]


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
    return f"{_OPPOSITE} of {a_few(ids)}, so that little is left of them; {_ONE_CHANNEL}"


@dataclass(frozen=True)
class Heard:
    """What decoding tells of a clip.

    Attributes
    ----------
    problem : str
        Why it cannot be used; empty where it can.
    window : str
        Digest of its window.
    cancels : bool
        Whether its channels nearly cancel in the mono mix.
    """

    problem: str = ""
    window: str = ""
    cancels: bool = False


def hear(
    id_: str, decode: Callable[[], Clip], window_seconds: float, cancels: Callable[[], bool]
) -> Heard:
    """Decode a clip, and tell what headers cannot.

    Parameters
    ----------
    id_ : str
    decode : callable
        Gives the clip, or raises a CorpusError.
    window_seconds : float
    cancels : callable
        Tells whether the channels of the clip, once decoded, cancel in its mono mix.
    """
    try:
        clip = decode()
    except CorpusError as error:
        return Heard(str(error))
    window = clip.window(window_seconds)
    if not math.isfinite(audio.loudness(window, clip.sample_rate)):
        return Heard(
            f"clip {id_!r} is silent: nothing in its centre {window_seconds:g} s exceeds -70 LUFS; "
            + (f"{_OPPOSITE}: {_ONE_CHANNEL}" if cancels() else "leave it out")
        )
    return Heard("", digest(window), cancels())


def audio_problems(ids: Sequence[str], heard: Sequence[Heard]) -> list[str]:
    """Name the clips that cannot be decoded, whose windows are silent, or the same."""
    problems: list[str] = []
    first_with: dict[str, str] = {}
    for id_, found in zip(ids, heard):
        if found.problem:
            problems.append(found.problem)
            continue
        twin = first_with.setdefault(found.window, id_)
        if twin != id_:
            problems.append(_twin_problem(twin, id_))
    return problems


def _twin_problem(first: str, second: str) -> str:
    return (
        f"clips {first!r} and {second!r} have the same content: they tie, and neither can be"
        " nearest; remove one"
    )

"""Labels of clips: which there are, and corpora of the clips that have some.

On command lines and in ini files ``NAME[LABEL=VALUE]`` stands for the clips of a corpus whose label
has a value: ``[genre=rock|metal]`` for one of several, ``[genre=rock,year=1999]`` where all are to
hold.
"""

from __future__ import annotations

import difflib
import os
import re
from collections import Counter
from typing import TYPE_CHECKING

from pytest_nnrel.errors import CorpusError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: Labels, and values of each, that an error lists.
_LISTED = 8
#: A corpus, and what its clips are to be.
_FILTERED = re.compile(r"(?P<corpus>.+?)\[(?P<wanted>[^\[\]]*=.*|[^\[\]/\\]*)\]", re.DOTALL)
#: Ends a condition where another begins: values may hold commas.
_NEXT = re.compile(r",(?=[^,=|]+=)")
_EXAMPLE = "such as bundled[licence=MIT|public domain]"


def parsed(origin: str) -> tuple[str, dict[str, str]]:
    """Return the corpus that words stand for, and the values that labels are to have.

    A folder of that very name is a folder.

    Raises
    ------
    CorpusError
        For brackets that hold no conditions.
    """
    found = _FILTERED.fullmatch(origin)
    if found is None or os.path.isdir(origin):
        return origin, {}
    wanted: dict[str, str] = {}
    for condition in _NEXT.split(found["wanted"]):
        label, equals, value = (part.strip() for part in condition.partition("="))
        if not (label and equals and value):
            raise CorpusError(
                f"[{found['wanted']}] must be LABEL=VALUE, with | between values and a comma"
                f" between conditions, {_EXAMPLE}; not {condition!r}"
            )
        if label in wanted:
            raise CorpusError(
                f"the label {label!r} is named twice in [{found['wanted']}]; put | between the"
                f" values that it may have, {_EXAMPLE}"
            )
        wanted[label] = value
    return found["corpus"], wanted


def positions(
    wanted: Mapping[str, str], labels: Sequence[Mapping[str, str]], name: str
) -> list[int]:
    """Return the positions of the clips whose labels have the values that are wanted.

    Parameters
    ----------
    wanted : mapping of str to str
        As `parsed` returns them.
    labels : sequence of mapping
        Of each clip.
    name : str
        Of the corpus.

    Raises
    ------
    CorpusError
        If there is no such label or value, with close ones and those that there are, or no clip of
        which all holds.
    """
    allowed = {label: _allowed(label, value, labels, name) for label, value in wanted.items()}
    found = [
        i
        for i, of_clip in enumerate(labels)
        if all(of_clip.get(label) in values for label, values in allowed.items())
    ]
    if not found:
        raise CorpusError(
            f"no clip of corpus {name!r} has"
            f" {' and '.join(f'{label}={value}' for label, value in wanted.items())}, though there"
            " are clips that have one of these; leave one out"
        )
    return found


def _allowed(
    label: str, value: str, labels: Sequence[Mapping[str, str]], name: str
) -> tuple[str, ...]:
    counts = counted(label, labels, name)
    if value in counts:  # which may hold a | itself
        return (value,)
    values = tuple(part.strip() for part in value.split("|"))
    for part in values:
        if part not in counts:
            raise CorpusError(
                f"no clip of corpus {name!r} has {label}={part}{_close(part, counts)}; values of"
                f" {label}: {_told(counts)}"
            )
    return values


def by_name(labels: Sequence[Mapping[str, str]]) -> dict[str, tuple[str, ...]]:
    """Return each label's value of each clip, empty where it has none."""
    names = dict.fromkeys(name for of_clip in labels for name in of_clip)
    return {name: tuple(str(of_clip.get(name, "")) for of_clip in labels) for name in names}


def counted(label: str, labels: Sequence[Mapping[str, str]], name: str) -> Counter[str]:
    """Return how many clips have each value of a label.

    Raises
    ------
    CorpusError
        If no clip has that label, with close ones and those that there are.
    """
    counts = Counter(of_clip[label] for of_clip in labels if label in of_clip)
    if not counts:
        known = list(dict.fromkeys(known for of_clip in labels for known in of_clip))
        raise CorpusError(
            f"no clip of corpus {name!r} has a label {label!r}{_close(label, known)};"
            f" {told_of(labels)}"
        )
    return counts


def told_of(labels: Sequence[Mapping[str, str]]) -> str:
    """Tell which labels clips have, and the commonest values of each."""
    values: dict[str, Counter[str]] = {}
    for of_clip in labels:
        for label, value in of_clip.items():
            values.setdefault(label, Counter())[value] += 1
    if not values:
        return "its clips have no labels"
    told = [f"\n  {label}: {_told(counts)}" for label, counts in list(values.items())[:_LISTED]]
    return "its labels:" + "".join(told)


def _told(counts: Counter[str]) -> str:
    more = ", ..." if len(counts) > _LISTED else ""
    return ", ".join(f"{value} ({n})" for value, n in counts.most_common(_LISTED)) + more


def _close(word: str, known: Sequence[str] | Counter[str]) -> str:
    close = difflib.get_close_matches(word, list(known), n=3, cutoff=0.5)
    return f"; did you mean {', '.join(close)}?" if close else ""

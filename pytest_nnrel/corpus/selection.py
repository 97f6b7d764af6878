"""Which clips of a corpus are taken: a number of them, some by id, or those of which something
holds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from pytest_nnrel.errors import CorpusError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: Labels, and values of each, that an error lists.
_LISTED = 8


@dataclass(frozen=True)
class ClipFacts:
    """What is known of a clip without decoding it.

    Attributes
    ----------
    id : str
    labels : mapping of str to str
    group : str or None
        None: a group of its own.
    seconds : float
        Length of its source.
    """

    id: str
    labels: Mapping[str, str]
    group: str | None
    seconds: float


#: What `Corpus.subset` takes.
Selection: TypeAlias = int | Iterable[str] | Callable[[ClipFacts], object]


def spread(clips: int, n: int, name: str) -> list[int]:
    """Return positions of `clips` of `n` clips, evenly spread from the first to the last.

    Raises
    ------
    CorpusError
        If there are not as many, or `clips` is below 1.
    """
    if not 1 <= clips <= n:
        raise CorpusError(
            f"{clips} clips asked of corpus {name!r}, which holds {n}; ask for a whole number from"
            f" 1 to {n}"
        )
    return [int(i) for i in np.linspace(0, n - 1, clips).round()]


def meeting(
    predicate: Callable[[ClipFacts], object], facts: Sequence[ClipFacts], name: str
) -> list[int]:
    """Return positions of the clips of which a predicate holds.

    Raises
    ------
    CorpusError
        If it holds of none, or raises; with the labels that there are.
    """
    picked = []
    for i, clip in enumerate(facts):
        try:
            holds = bool(predicate(clip))
        except Exception as error:  # of a function of the user's
            raise CorpusError(
                f"the predicate raised {error!r} at clip {clip.id!r} of corpus {name!r}, which has"
                f" the labels {sorted(clip.labels)}"
            ) from error
        if holds:
            picked.append(i)
    if not picked:
        raise CorpusError(
            f"the predicate holds of none of the {len(facts)} clips of corpus {name!r};"
            f" {_labels_of(facts)}"
        )
    return picked


def _labels_of(facts: Sequence[ClipFacts]) -> str:
    """Tell which labels clips have, and the commonest values of each."""
    values: dict[str, Counter[str]] = {}
    for clip in facts:
        for label, value in clip.labels.items():
            values.setdefault(label, Counter())[value] += 1
    if not values:
        return "its clips have no labels"
    told = []
    for label, counts in list(values.items())[:_LISTED]:
        more = ", ..." if len(counts) > _LISTED else ""
        listed = ", ".join(f"{value} ({n})" for value, n in counts.most_common(_LISTED))
        told.append(f"\n  {label}: {listed}{more}")
    return "its labels:" + "".join(told)

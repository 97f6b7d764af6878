"""Which clips of a corpus are taken: a number of them, some by id, or those of which something
holds.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from pytest_nnrel.corpus import labels
from pytest_nnrel.errors import CorpusError
from pytest_nnrel.runtime.listing import a_few
from pytest_nnrel.runtime.scalars import is_whole

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


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


def picked(selection: Selection, facts: Sequence[ClipFacts], name: str) -> list[int]:
    """Return the positions of the clips that are selected; see `Corpus.subset`.

    Raises
    ------
    CorpusError
        As `Corpus.subset` does.
    """
    if is_whole(selection):
        return spread(int(selection), len(facts), name)
    if callable(selection):
        return meeting(selection, facts, name)
    if isinstance(selection, str) or not isinstance(selection, Iterable):
        raise CorpusError(
            f"Corpus.subset takes a number of clips, a list of ids or a predicate, not"
            f" {selection!r}"
        )
    ids = [clip.id for clip in facts]
    known = {id_: position for position, id_ in enumerate(ids)}
    positions = [known[id_] if id_ in known else position_of(id_, ids, name) for id_ in selection]
    if not positions:
        raise CorpusError(
            f"no clip asked of corpus {name!r}, which holds {len(facts)}; give ids of some"
        )
    repeated = [ids[i] for i, times in Counter(positions).items() if times > 1]
    if repeated:
        raise CorpusError(
            f"corpus {name!r}: {a_few([repr(id_) for id_ in repeated])} asked for more than once;"
            " give each id once"
        )
    return positions


def position_of(clip_id: str, ids: Sequence[str], name: str) -> int:
    """Return the position of an id.

    Raises
    ------
    CorpusError
        If it is none of them; the message proposes close ones.
    """
    try:
        return ids.index(clip_id)
    except ValueError:
        close = difflib.get_close_matches(str(clip_id), ids, n=3, cutoff=0.3)
        raise CorpusError(
            f"corpus {name!r} has no clip {clip_id!r}"
            + (f"; did you mean {', '.join(close)}?" if close else "")
        ) from None


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
            f" {labels.told_of([clip.labels for clip in facts])}"
        )
    return picked

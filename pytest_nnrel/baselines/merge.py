"""Two versions of a baseline into one: by condition and by training, not by lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from pytest_nnrel.baselines.entries import Entry
from pytest_nnrel.baselines.index import Index
from pytest_nnrel.baselines.records import Records, load_baseline
from pytest_nnrel.baselines.trainings import Training
from pytest_nnrel.runtime.files import replace_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

Kind = TypeVar("Kind", bound=Any)
Item = TypeVar("Item", Entry, Training, Index)


def merge_files(base: Path, ours: Path, theirs: Path) -> list[str]:
    """Write what both versions made of a baseline in the place of ours.

    The order is that of git's merge drivers, ``%O %A %B``.

    Parameters
    ----------
    base : Path
        What both come from; empty where they have nothing in common.
    ours, theirs : Path

    Returns
    -------
    list of str
        What both sides changed, each otherwise; if there is any, no file is touched.

    Raises
    ------
    BaselineError
        If one of them is no baseline, or is damaged.
    OSError
        If ours cannot be written; it is left as it was.
    """
    none_yet = base.exists() and not base.read_bytes().strip()
    before = Records() if none_yet else load_baseline(base)
    merged, conflicts = merge(before, load_baseline(ours), load_baseline(theirs))
    if not conflicts:
        replace_text(ours.resolve(), merged.text())
    return conflicts


def merge(base: Records, ours: Records, theirs: Records) -> tuple[Records, list[str]]:
    """Return what both sides made of a baseline, and what they do not agree on.

    What one side alone changed, added or deleted is taken from it; what both made alike, from
    ours. Corpora that no entry is left of go.

    Parameters
    ----------
    base, ours, theirs : Records

    Returns
    -------
    merged : Records
        Without what they do not agree on.
    conflicts : list of str
        A line each.
    """
    sides = (base, ours, theirs)
    conflicts = [
        f"the clips of corpus {fingerprint} differ, though its fingerprint is the same"
        for fingerprint in sorted({f for side in sides for f in side.corpora})
        if len({(c.ids, c.groups) for side in sides if (c := side.corpora.get(fingerprint))}) > 1
    ]
    entries = _settled(sides, lambda side: side.entries, conflicts)
    trainings = _settled(sides, lambda side: side.trainings, conflicts)
    indexes = _settled(sides, lambda side: side.indexes, conflicts)
    used = {key.corpus for keys in (entries, trainings, indexes) for key in keys}
    corpora = {f: clips for f, clips in {**theirs.corpora, **ours.corpora}.items() if f in used}
    return Records(entries, corpora, trainings, indexes), conflicts


def _settled(
    sides: tuple[Records, Records, Records],
    of: Callable[[Records], Mapping[Kind, Item]],
    conflicts: list[str],
) -> dict[Kind, Item]:
    """Return what is to be kept of both sides' items of a kind; append what is disputed."""
    base, ours, theirs = sides
    kept: dict[Kind, Item] = {}
    for key in sorted(of(ours).keys() | of(theirs).keys(), key=str):
        was, here, there = (_content(side, of(side).get(key)) for side in (base, ours, theirs))
        if here not in (was, there) and there != was:
            what = ["deleted" if content is None else "changed" for content in (here, there)]
            conflicts.append(f"{key}: {what[0]} by ours, {what[1]} by theirs")
            continue
        taken = of(theirs if here == was else ours)
        if key in taken:
            kept[key] = taken[key]
    return kept


def _content(records: Records, item: Entry | Training | Index | None) -> dict[str, Any] | None:
    """Return an item as it stands in the file, where no number is unequal to itself.

    The day that a training was added is left out: two branches may add the same.
    """
    if item is None:
        return None
    plain = item.as_dict(records.corpora[item.key.corpus].ids)
    plain.pop("added", None)
    return plain

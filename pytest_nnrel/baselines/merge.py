"""Two versions of a baseline into one: by condition, where a merge by lines would mix them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_nnrel.baselines.records import Clips, Entry, Key, Records, load_baseline
from pytest_nnrel.files import replace_text

if TYPE_CHECKING:
    from pathlib import Path


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
        Without the entries that they do not agree on.
    conflicts : list of str
        A line each.
    """
    sides = (base, ours, theirs)
    conflicts = [
        f"the clips of corpus {fingerprint} differ, though its fingerprint is the same"
        for fingerprint in sorted({f for side in sides for f in side.corpora})
        if len({(c.ids, c.groups) for side in sides if (c := side.corpora.get(fingerprint))}) > 1
    ]
    entries: dict[Key, Entry] = {}
    corpora: dict[str, Clips] = {}
    for key in sorted(ours.entries.keys() | theirs.entries.keys(), key=str):
        was, here, there = (_content(side, key) for side in sides)
        if here not in (was, there) and there != was:
            what = ["deleted" if content is None else "changed" for content in (here, there)]
            conflicts.append(f"{key}: {what[0]} by ours, {what[1]} by theirs")
            continue
        taken = theirs if here == was else ours
        if key in taken.entries:
            entries[key] = taken.entries[key]
            corpora[key.corpus] = taken.corpora[key.corpus]
    return Records(entries, corpora), conflicts


def _content(records: Records, key: Key) -> dict[str, Any] | None:
    """Return an entry as it stands in the file, where no number is unequal to itself."""
    entry = records.entries.get(key)
    return None if entry is None else entry.as_dict(records.corpora[key.corpus].ids)

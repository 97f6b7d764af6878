"""Why what a baseline holds cannot be compared with what was measured now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_nnrel.baselines.entries import Entry
    from pytest_nnrel.baselines.records import Records


def why_stale(entry: Entry, records: Records) -> str | None:
    """Say why a baseline that is there is of no use; None where there is none."""
    same = records.entries.get(entry.key)
    if same is not None and same.recipe != entry.recipe:
        return other_recipe(same.recipe, entry.recipe)
    if same is not None:
        kept, drawn = len(same.replicates), len(entry.replicates)
        return None if kept == drawn else f"it has {kept} replicates, and {drawn} are drawn by now"
    key = entry.key
    alike = [
        other
        for other in records.entries
        if (other.encoder, other.measure, other.distance, other.transform)
        == (key.encoder, key.measure, key.distance, key.transform)
    ]
    for other in alike:
        if other.corpus == key.corpus:
            return f"it was measured with seed {other.seed}, and this run has {key.seed}"
    if alike:
        was = records.corpora[alike[0].corpus]
        return (
            f"it was measured on other clips, groups or windows ({was.name}, {len(was.ids)} clips,"
            f" fingerprint {alike[0].corpus}), and this run has {key.corpus}"
        )
    return None


def other_recipe(before: dict[str, Any] | None, now: dict[str, Any] | None) -> str:
    """Return how values came about then and now, where that differs."""
    then, today = ({"neighbours": "all", **(recipe or {})} for recipe in (before, now))
    changed = [
        f"{name} {then.get(name)} then, {today.get(name)} now"
        for name in sorted({*then, *today})
        if then.get(name) != today.get(name)
    ]
    how = "its clips were transformed otherwise"
    if then["neighbours"] != today["neighbours"]:
        how = "other originals competed: relatives of the own group count as errors, or do not"
    return f"{how} ({'; '.join(changed)})"

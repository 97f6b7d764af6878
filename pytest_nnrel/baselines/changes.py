"""What became of an encoder's conditions since its baseline, and the verdict."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_nnrel.baselines.entries import (
    LISTED,
    VALUE_DECIMALS,
    Clips,
    Entry,
    Key,
    counted,
)
from pytest_nnrel.baselines.stale import other_recipe
from pytest_nnrel.errors import SettingError
from pytest_nnrel.runtime.listing import a_few
from pytest_nnrel.runtime.scalars import is_real
from pytest_nnrel.runtime.store import digest
from pytest_nnrel.statistics import comparison

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy.typing as npt

    from pytest_nnrel.baselines.records import Records
    from pytest_nnrel.statistics.consistency import Matrix

#: What two values of the file may differ by for rounding.
_ROUNDING = 10.0**-VALUE_DECIMALS


@dataclass(frozen=True)
class Change:
    """What became of one condition.

    Attributes
    ----------
    before, after : Entry
    negative, positive : int
        Clips that left their original, and that came back to it.
    p : float
        One-sided: of McNemar's exact test for C_W, or of sign flips where clips share groups; of
        the paired bootstrap for rho.
    adjusted : float
        `p` after Holm's correction for all conditions.
    allowed : float or None
        Drop of the value that is allowed, whatever its significance.
    """

    before: Entry
    after: Entry
    negative: int
    positive: int
    p: float
    adjusted: float
    allowed: float | None

    @property
    def drop(self) -> float:
        """By how much the value fell."""
        return self.before.value - self.after.value

    @property
    def exceeds(self) -> bool:
        """Whether it fell by more than is allowed."""
        # Values are shares of clips: a drop of exactly what is allowed is no excess by rounding.
        return self.allowed is not None and self.drop > self.allowed + _ROUNDING

    @property
    def worse(self) -> bool:
        """Whether this condition on its own is significantly worse, or fell by too much."""
        return self.adjusted <= comparison.SIGNIFICANCE or self.exceeds

    def as_dict(self, clips: Sequence[str], *, named: bool) -> dict[str, Any]:
        """Return the change as builtins, named as worse where the verdict is; clips by ids."""
        key = self.after.key
        both = list(zip(clips, self.before.outcomes, self.after.outcomes))
        return {
            "transform": key.transform,
            "measure": key.measure,
            "distance": key.distance,
            "before": self.before.value,
            "after": self.after.value,
            "lost": [clip for clip, before, after in both if before and not after],
            "won": [clip for clip, before, after in both if after and not before],
            "p": self.p,
            "adjusted": self.adjusted,
            "allowed": self.allowed,
            "worse": self.worse and named,
        }


@dataclass(frozen=True)
class Comparison:
    """An encoder against its baseline, on one corpus.

    Attributes
    ----------
    encoder : str
    corpus : Clips
    changes : tuple of Change
    p_values : dict of str to float
        Omnibus tests over all conditions, one-sided for worse: ``"flips"`` of C_W, ``"rho"``.
        They decide, with Holm's correction where there are both.
    p_margins : float or None
        The same of relative margins, which move before clips flip: a warning, no verdict.
    p_better : float or None
        Of flips the other way.
    """

    encoder: str
    corpus: Clips
    changes: tuple[Change, ...]
    p_values: dict[str, float]
    p_margins: float | None
    p_better: float | None

    @property
    def _adjusted(self) -> list[float]:
        return [float(p) for p in comparison.holm(list(self.p_values.values()))]

    @property
    def undecided(self) -> bool:
        """Whether clips were lost, and there are too few groups of clips for any verdict."""
        lost = any(change.negative for change in self.changes)
        too_few = self.corpus.group_count < comparison.smallest_loss()
        return lost and too_few and not self.worse

    @property
    def worse(self) -> bool:
        """The verdict: significantly worse over all conditions, or one fell by too much."""
        significant = any(p <= comparison.VERDICT_LEVEL for p in self._adjusted)
        return significant or any(change.exceeds for change in self.changes)

    @property
    def verdict(self) -> str:
        """``"worse"``, ``"undecided"``, ``"better"`` or ``"same"``."""
        if self.worse:
            return "worse"
        if self.undecided:
            return "undecided"
        better = self.p_better is not None and self.p_better <= comparison.VERDICT_LEVEL
        return "better" if better else "same"

    @property
    def headline(self) -> str:
        """The verdict in a line."""
        n, k = len(self.corpus.ids), len(self.changes)
        lost = sum(change.negative for change in self.changes)
        won = sum(change.positive for change in self.changes)
        tests = ", ".join(
            f"{name} p = {p:.3g}"
            + (f" ({adjusted:.3g} after Holm)" if len(self.p_values) > 1 else "")
            for (name, p), adjusted in zip(self.p_values.items(), self._adjusted)
        )
        words = {
            "worse": "is worse than",
            "undecided": "cannot be told from",
            "same": "is no worse than",
            "better": "is better than",
        }
        return (
            f"{self.encoder} {words[self.verdict]} its baseline on {self.corpus.name}"
            f" ({n} clips, {counted(k, 'condition')}): {counted(lost, 'flip')} to wrong, {won} to"
            f" right; all together: {tests}"
        )

    def as_dict(self) -> dict[str, Any]:
        """Return the comparison as builtins, for the report."""
        return {
            "question": "same training",
            "corpus": self.corpus.name,
            "clips": len(self.corpus.ids),
            "verdict": self.verdict,
            "headline": self.headline,
            "p_values": dict(self.p_values),
            "p_margins": self.p_margins,
            "changes": [c.as_dict(self.corpus.ids, named=self.worse) for c in self.changes],
        }

    def lines(self) -> list[str]:
        """Return what was found, for people."""
        n, k = len(self.corpus.ids), len(self.changes)
        found = [self.headline]
        if self.p_margins is not None:
            shrank = self.p_margins <= comparison.VERDICT_LEVEL
            found.append(
                f"  margins {'shrank' if shrank else 'did not shrink'} (p = {self.p_margins:.3g})"
                + ("; clips may flip next" if shrank and not self.worse else "")
            )
        ranked = sorted(self.changes, key=lambda c: (not c.worse, c.adjusted, -c.drop))
        named = [change for change in ranked if change.worse or change.drop > 0.0]
        found += [f"  {_describe(change, self.corpus, self.worse)}" for change in named[:LISTED]]
        if len(named) > LISTED:
            found.append(f"  and {counted(len(named) - LISTED, 'more condition')} that fell")
        if self.verdict in ("worse", "undecided"):
            found.append(
                "  asked: is it still the same training, clip by clip? Of an encoder that was"
                " trained anew ask check(encoder, retrained=True), or compare --retrained"
            )
        drop = comparison.describe_drop(n, self.corpus.group_count)
        found.append(
            f"  smallest drop that {n} clips can show: {drop}; to name"
            f" {f'one of {k} conditions' if k > 1 else 'the condition'} it takes"
            f" {comparison.smallest_named_loss(k)}"
        )
        unversioned = {
            c.after.key.transform
            for c in self.changes
            if not (c.after.recipe or {}).keys() - {"neighbours"}
        }
        if unversioned:
            found.append(
                f"  whether {', '.join(sorted(unversioned)[:LISTED])} changed itself cannot be"
                " told: give the function a version"
            )
        return found


def _describe(change: Change, corpus: Clips, worse: bool) -> str:
    key = change.after.key
    symbol = "C_rho" if key.measure == "rho" else "C_W"
    text = (
        f"{key.transform} {symbol} {key.distance}: {change.before.value:.3f} ->"
        f" {change.after.value:.3f}"
    )
    if change.before.outcomes:
        text += f", lost {change.negative}, won {change.positive}"
    text += f", p = {change.p:.3g} ({change.adjusted:.3g} after Holm)"
    if change.exceeds:
        text += f"; a drop of {change.allowed:g} is allowed"
    elif change.worse and worse:
        text += "; worse"
    both = zip(corpus.ids, change.before.outcomes, change.after.outcomes)
    gone = [clip for clip, before, after in both if before and not after]
    if gone:
        text += f"\n    lost: {a_few(gone, LISTED)}"
    return text


def compare(
    before: Iterable[Entry],
    after: Iterable[Entry],
    corpus: Clips,
    *,
    allowed: Mapping[str, float] | float | None = None,
) -> Comparison:
    """Compare an encoder with its baseline, pair by pair.

    Parameters
    ----------
    before, after : iterable of Entry
        Of the same conditions, in the same order, on the same clips.
    corpus : Clips
    allowed : float, or mapping of str to float
        Largest drop of a value, of all conditions or by the transformation's name.

    Returns
    -------
    Comparison
    """
    pairs = list(zip(before, after, strict=True))
    within = [(old, new) for old, new in pairs if old.key.measure == "within"]
    rho = [(old, new) for old, new in pairs if old.key.measure == "rho"]
    p_values: dict[str, float] = {}
    p_margins = p_better = None
    raw: dict[Key, tuple[int, int, float]] = {}
    if within:
        was, is_now = (np.array([entry.outcomes for entry in side]) for side in zip(*within))
        negative, positive = comparison.flips(was, is_now)
        for (_, new), lost, won in zip(within, negative.tolist(), positive.tolist()):
            raw[new.key] = lost, won, comparison.mcnemar(lost, won)
        losses = was.astype(np.float64) - is_now
        if corpus.group_count < len(corpus.ids):  # McNemar's clips would not be independent
            for (_, new), of_condition in zip(within, losses):
                lost, won, _ = raw[new.key]
                raw[new.key] = lost, won, _sign_flips(of_condition[None], corpus)
        p_values["flips"] = _sign_flips(losses, corpus)
        p_better = _sign_flips(-losses, corpus)
        margins = [np.array([entry.margins for entry in side]) for side in zip(*within)]
        p_margins = _sign_flips(margins[0] - margins[1], corpus)
    if rho:
        differences = np.array([_paired(old, new) for old, new in rho])
        known = np.isfinite(differences)
        sums = np.where(known, differences, 0.0).sum(axis=0)
        p_values["rho"] = _bootstrap_p(sums)
        for (_, new), difference in zip(rho, differences):
            raw[new.key] = 0, 0, _bootstrap_p(difference)
    adjusted = comparison.holm([raw[new.key][2] for _, new in pairs])
    changes = tuple(
        Change(old, new, *raw[new.key], adjusted=float(p), allowed=_allowed(allowed, new.key))
        for (old, new), p in zip(pairs, adjusted)
    )
    return Comparison(pairs[0][1].key.encoder, corpus, changes, p_values, p_margins, p_better)


def _sign_flips(losses: npt.NDArray[np.float64], corpus: Clips) -> float:
    # The same comparison gives the same p-value, wherever and in whatever order it is made.
    seed = int(digest("sign flips", corpus.ids), 16)
    return comparison.sign_flip_test(losses, corpus.groups, rng=np.random.default_rng(seed))


def _paired(old: Entry, new: Entry) -> Matrix:
    """Return what rho gained in each sample; a sample that has none any more has fallen to 0."""
    before, after = np.array(old.replicates), np.array(new.replicates)
    return np.asarray(np.where(np.isnan(after), 0.0, after) - before)


def _bootstrap_p(differences: Matrix) -> float:
    """Return how many samples show no loss, as a p-value; those without rho count as none."""
    return float((1 + np.sum(~(differences < 0.0))) / (1 + len(differences)))


def _allowed(allowed: Mapping[str, float] | float | None, key: Key) -> float | None:
    if isinstance(allowed, Mapping):
        return allowed.get(key.transform)
    return allowed


def compare_records(
    old: Records, new: Records, *, max_drop: float | None = None
) -> tuple[list[Comparison], list[str], bool]:
    """Compare all that two files have in common.

    Encoders are paired by name or, where each file has just one, those two.

    Parameters
    ----------
    old, new : Records
    max_drop : float, optional
        As in `Baseline.check`.

    Returns
    -------
    comparisons : list of Comparison
        One for each encoder and corpus.
    notes : list of str
        What could not be paired, and why.
    complete : bool
        Whether all that the old file has was compared.
    """
    drops(max_drop)
    notes = []
    names = [{key.encoder for key in records.entries} for records in (old, new)]
    renamed = {}
    if len(names[0]) == len(names[1]) == 1 and names[0] != names[1]:
        (was,), (is_now,) = names
        renamed[was] = is_now
        notes.append(f"{is_now} is compared with {was}")
    before = {
        replace(key, encoder=renamed.get(key.encoder, key.encoder)): entry
        for key, entry in old.entries.items()
    }
    common: dict[tuple[str, str], list[Key]] = defaultdict(list)
    stale: dict[str, list[Key]] = defaultdict(list)
    for key in sorted(before.keys() & new.entries.keys(), key=lambda key: key.transform):
        if before[key].recipe != new.entries[key].recipe:
            stale[other_recipe(before[key].recipe, new.entries[key].recipe)].append(key)
            continue
        common[key.encoder, key.corpus].append(key)
    comparisons = [
        compare(
            (before[key] for key in keys),
            (new.entries[key] for key in keys),
            new.corpora[corpus],
            allowed=max_drop,
        )
        for (_, corpus), keys in sorted(common.items())
    ]
    for reason, keys in stale.items():
        notes.append(f"{_conditions(keys)} left out: {reason}")
    gone, added = before.keys() - new.entries.keys(), new.entries.keys() - before.keys()
    if gone:
        notes.append(f"{_conditions(gone)} in the old file only")
    if added:
        notes.append(f"{_conditions(added)} in the new file only")
    for which, records in (("old", old), ("new", new)):
        if not records.entries:
            notes.append(f"the {which} file holds no C_W of an encoder")
    if not (comparisons or stale) and old.entries and new.entries:
        notes.append(_why_not(set(before), set(new.entries), old, new))
    return comparisons, notes, not (gone or stale)


def _conditions(keys: Iterable[Key]) -> str:
    return a_few(sorted({f"{key.transform} of {key.encoder}" for key in keys}), LISTED)


def _why_not(before: set[Key], after: set[Key], old: Records, new: Records) -> str:
    """Say what two files that have no condition in common differ in."""
    for name, expected in (
        ("encoder", "name the encoders alike"),
        ("corpus", "measure on the same clips, in the same geometry"),
        ("seed", "use the same --nnrel-seed"),
        ("distance", "measure the same distance"),
        ("transform", "measure the same transformations"),
    ):
        sides = [sorted({getattr(key, name) for key in keys}, key=str) for keys in (before, after)]
        if not set(sides[0]) & set(sides[1]):
            if name == "corpus":
                sides = [
                    [f"{r.corpora[k].name} of {len(r.corpora[k].ids)} clips" for k in side]
                    for r, side in zip((old, new), sides)
                ]
            shown = [", ".join(map(str, side[:LISTED])) for side in sides]
            return f"no {name} is in both: {shown[0]}; {shown[1]}; {expected}"
    return "no condition is in both; measure the same transformations with the same encoders"


def drops(max_drop: Mapping[Any, float] | float | None) -> dict[str, float] | float | None:
    """Return the drops that are allowed, by names of transformations where they are given by it.

    Raises
    ------
    SettingError
        If one is no number from 0 to 2.
    """

    def checked(value: Any) -> float:  # noqa: ANN401
        if not is_real(value) or not 0.0 <= value <= 2.0:
            raise SettingError(
                f"max_drop takes drops of a value, 0 to 1 (of C_rho to 2), not {value!r}"
            )
        return float(value)

    if isinstance(max_drop, Mapping):
        return {str(transform): checked(value) for transform, value in max_drop.items()}
    return None if max_drop is None else checked(max_drop)

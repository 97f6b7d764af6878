"""Whether a recipe got worse: new trainings against those that a file holds of it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_nnrel.baselines.entries import LISTED, counted
from pytest_nnrel.baselines.records import Records, load_trainings
from pytest_nnrel.baselines.stale import other_recipe
from pytest_nnrel.errors import BaselineError, SettingError
from pytest_nnrel.runtime.listing import a_few
from pytest_nnrel.statistics.trainings import FEWEST, compare_trainings, reference

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from pytest_nnrel.baselines.entries import Clips
    from pytest_nnrel.baselines.trainings import Training, TrainingKey
    from pytest_nnrel.statistics.consistency import Flags
    from pytest_nnrel.statistics.trainings import ConditionComparison, TrainingComparison


@dataclass(frozen=True)
class Retraining:
    """New trainings of a recipe against those before, on one corpus.

    Attributes
    ----------
    encoder : str
    corpus : Clips
    distance : str
    transforms : tuple of str
        Conditions, in the order of ``found.conditions``.
    found : TrainingComparison
    """

    encoder: str
    corpus: Clips
    distance: str
    transforms: tuple[str, ...]
    found: TrainingComparison

    @property
    def verdict(self) -> str:
        """``"worse"``, ``"undecided"`` or ``"no worse"``."""
        return self.found.verdict

    @property
    def worse(self) -> bool:
        """Whether the recipe is worse than it was."""
        return self.verdict == "worse"

    @property
    def undecided(self) -> bool:
        """Whether there are too few trainings for a verdict."""
        return self.verdict == "undecided"

    @property
    def headline(self) -> str:
        """The question and its answer in a line."""
        found = self.found
        words = {
            "worse": "is worse than",
            "undecided": "cannot be told from what",
            "no worse": "is no worse than",
        }
        k, m, c, n = found.before, found.after, len(self.transforms), len(self.corpus.ids)
        where = ""
        if self.worse and not found.worse_on_average:
            decisive = sum(condition.decisive for condition in found.conditions)
            where = f" in {counted(decisive, 'condition')}, though not on average,"
        return (
            f"the recipe of {self.encoder} {words[self.verdict]} it was{where} on"
            f" {self.corpus.name}"
            f" ({counted(m, 'new training')} against {k}, {n} clips,"
            f" {counted(c, 'condition')}): drop of mean C_W {found.drop:.3f}{self._evidence()}"
        )

    def _evidence(self) -> str:
        """Return what the verdict on the drop rests on."""
        found = self.found
        if found.before < FEWEST:
            beyond = "more" if self.worse else "no more"
            return (
                f", {beyond} than two trainings of a reference encoder differ by (up to"
                f" {found.smallest_drop:.3f})"
            )
        low, high = found.interval
        return f" ({low:.3f} to {high:.3f} at 90 %), one-sided p = {found.p:.3g}"

    def lines(self) -> list[str]:
        """Return what was found, for people."""
        found = self.found
        lines = [self.headline]
        if self.undecided:
            known = reference()
            lines.append(
                f"  seeds alone move C_W by about {known.spread:.3f} (the reference encoders'"
                f" figure, s.d.); what they do to {self.encoder} one training does not say: add"
                " trainings with --nnrel-add-training, three or more"
            )
        both = list(zip(self.transforms, found.conditions))
        ranked = sorted(both, key=lambda one: (not one[1].worse, one[1].adjusted, -one[1].drop))
        named = [one for one in ranked if one[1].worse or one[1].drop > 0.0]
        lines += [f"  {self._describe(*one)}" for one in named[:LISTED]]
        if len(named) > LISTED:
            lines.append(f"  and {counted(len(named) - LISTED, 'more condition')} that fell")
        spread = f"one training differs from another by {found.spread:.3f} (s.d. of mean C_W); "
        lines.append(
            f"  {spread if found.before >= FEWEST else ''}smallest drop that"
            f" {counted(found.after, 'new training')} against {found.before}"
            f" can show: {found.smallest_drop:.3f}"
        )
        lines.append(
            "  asked: is the recipe worse, whatever the seed? Of an encoder that was exported or"
            " refactored ask check(encoder), or compare without --retrained"
        )
        return lines

    def _describe(self, transform: str, condition: ConditionComparison) -> str:
        text = (
            f"{transform} C_W {self.distance}: {condition.before:.3f} -> {condition.after:.3f},"
            f" p = {condition.p:.3g} ({condition.adjusted:.3g} after Holm)"
        )
        return f"{text}; worse" if condition.worse and self.worse else text

    def as_dict(self) -> dict[str, Any]:
        """Return the comparison as builtins, for the report."""
        return {
            "question": "same recipe",
            "corpus": self.corpus.name,
            "clips": len(self.corpus.ids),
            "verdict": self.verdict,
            "headline": self.headline,
            "p_values": {"trainings": self.found.p},
            "p_margins": None,
            "changes": [
                {
                    "transform": transform,
                    "measure": "within",
                    "distance": self.distance,
                    "before": condition.before,
                    "after": condition.after,
                    "lost": [],
                    "won": [],
                    "p": condition.p,
                    "adjusted": condition.adjusted,
                    "allowed": None,
                    "worse": condition.worse and self.worse,
                }
                for transform, condition in zip(self.transforms, self.found.conditions)
            ],
        }


def judge(before: Sequence[Training], after: Sequence[Training], clips: Clips) -> Retraining:
    """Compare new trainings with those before.

    Parameters
    ----------
    before, after : sequence of Training
        On the same clips; those before have all conditions of those after, see `population`.
    clips : Clips

    Raises
    ------
    BaselineError
        As in `compare_trainings`, and if new trainings are of different conditions.
    """
    transforms = tuple(after[0].entries)
    for training in after:
        if training.entries.keys() != after[0].entries.keys():
            raise BaselineError(
                f"{training} was measured on other transformations than {after[0]}; measure new"
                " trainings of a recipe on one grid"
            )
    grouped = clips.group_count < len(clips.ids)
    found = compare_trainings(
        _outcomes(before, transforms),
        _outcomes(after, transforms),
        clips.groups if grouped else None,
    )
    key = after[0].key
    return Retraining(key.encoder, clips, key.distance, transforms, found)


def _outcomes(trainings: Iterable[Training], transforms: Iterable[str]) -> Flags:
    return np.array([[t.entries[name].outcomes for name in transforms] for t in trainings])


def same_recipe(after: Sequence[Training]) -> None:
    """Refuse new trainings that are not several of one recipe.

    Raises
    ------
    SettingError
        If they have several names, or the same encoder is there twice.
    """
    names = sorted({training.key.encoder for training in after})
    if len(names) > 1:
        raise SettingError(
            f"trainings of one recipe share a name, and these are called {a_few(names, LISTED)};"
            " name them alike: as_encoder(..., name=)"
        )
    fingerprints = [training.key.fingerprint for training in after]
    twice = next((f for f in fingerprints if fingerprints.count(f) > 1), None)
    if twice is not None:
        first = next(t for t in after if t.key.fingerprint == twice)
        raise SettingError(f"{first.key} is given twice; give each training once")


def population(
    records: Records, after: Sequence[Training], *, place: str
) -> tuple[list[Training], list[str]]:
    """Return the trainings that new ones can be compared with, and why others cannot.

    A new one that is there itself is left out: it is compared with the others.

    Parameters
    ----------
    records : Records
    after : sequence of Training
    place : str
        Where the records are from, for the notes.

    Returns
    -------
    before : list of Training
        In the order of the file.
    notes : list of str
    """
    new = {training.key.fingerprint for training in after}
    found: list[Training] = []
    unused: dict[str, list[Training]] = defaultdict(list)
    for key, training in records.trainings.items():
        if key.encoder != after[0].key.encoder or key.fingerprint in new:
            continue
        why = _why_not(training, after[0], records)
        if why is None:
            found.append(training)
        else:
            unused[why].append(training)
    notes = [
        f"{counted(len(those), 'training')} of {after[0].key.encoder} in {place} left out"
        f" ({a_few([str(t) for t in those], LISTED)}): {why}"
        for why, those in unused.items()
    ]
    return found, notes


def _why_not(training: Training, new: Training, records: Records) -> str | None:
    """Say why a training cannot be compared with a new one; None where it can."""
    was, now = training.key, new.key
    if was.corpus != now.corpus:
        clips = records.corpora[was.corpus]
        return (
            f"measured on other clips, groups or windows ({clips.name}, {len(clips.ids)} clips,"
            f" fingerprint {was.corpus}; now {now.corpus})"
        )
    if was.seed != now.seed:
        return f"measured with --nnrel-seed={was.seed}, and this run has {now.seed}"
    if was.distance != now.distance:
        return f"measured by {was.distance}, not {now.distance}"
    missing = [name for name in new.entries if name not in training.entries]
    if missing:
        return f"measured on another grid: without {a_few(missing, LISTED)}"
    for name, entry in new.entries.items():
        if training.entries[name].recipe != entry.recipe:
            return f"of {name}, {other_recipe(training.entries[name].recipe, entry.recipe)}"
    return None


def refuse_known(records: Records, after: Sequence[Training], *, place: str) -> None:
    """Refuse to add a training that is there.

    Raises
    ------
    BaselineError
        If a fingerprint is there under that name with a condition in common, or its outcomes are.
    """
    there = dict(records.trainings)
    for training in after:
        for key, known in there.items():
            shared = known.entries.keys() & training.entries.keys()
            if not shared or replace(key, fingerprint="") != replace(training.key, fingerprint=""):
                continue
            if key.fingerprint == training.key.fingerprint:
                raise BaselineError(
                    f"{known} is in {place} already; a training counts once: add the encoder of"
                    " another training"
                )
            if all(known.entries[n].outcomes == training.entries[n].outcomes for n in shared):
                raise BaselineError(
                    f"{training.key} has the same outcomes as {known} in {place}: it is the same"
                    " training saved otherwise, or the conditions are too easy to tell trainings"
                    " apart; add another training, or measure graver transformations"
                )
        there[training.key] = training


def compare_retrained(old: Sequence[Path], new: Path) -> tuple[list[Retraining], list[str]]:
    """Compare the trainings of a file with those of other files.

    A baseline stands for the trainings that were added to it, or, where there are none, for the one
    that its entries are of; a ``results.json`` for the encoders that its run measured.

    Parameters
    ----------
    old : sequence of Path
    new : Path

    Returns
    -------
    comparisons : list of Retraining
        One for each encoder, corpus, distance and seed of the new file.
    notes : list of str
        What could not be compared, and why.

    Raises
    ------
    BaselineError
        If a file is none of these, or a training is in two of them.
    """
    before = Records()
    for path in old:
        read = load_trainings(path)
        refuse_known(before, list(read.trainings.values()), place="another of these files")
        before = before.merged(read)
    added = load_trainings(new)
    refuse_known(before, list(added.trainings.values()), place="one of the old files")
    groups: dict[TrainingKey, list[Training]] = defaultdict(list)
    for key, training in added.trainings.items():
        groups[replace(key, fingerprint="")].append(training)
    comparisons, notes = [], []
    for key, after in groups.items():
        known, why = population(before, after, place="the old files")
        notes += why
        if known:
            comparisons.append(judge(known, after, added.corpora[key.corpus]))
        else:
            notes.append(f"the old files hold no training of {key.encoder} to compare with")
    if not groups:
        notes.append(f"{new} holds no C_W of an encoder")
    return comparisons, notes

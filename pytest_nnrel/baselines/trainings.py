"""Trainings of one recipe that a baseline file holds, one an item, so that branches merge."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pytest_nnrel.baselines.entries import Entry, namesakes_of
from pytest_nnrel.errors import BaselineError
from pytest_nnrel.runtime.store import digest

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

#: Characters of a fingerprint that messages show.
_SHOWN = 12


@dataclass(frozen=True)
class TrainingKey:
    """What a training is known by, and what its outcomes are of.

    Attributes
    ----------
    encoder : str
        Name that all trainings of the recipe have.
    fingerprint : str
        Of the encoder; where it has none, a digest of its outcomes.
    distance : str
        Latent.
    corpus : str
        Fingerprint of the corpus.
    seed : int
        Of the run: of noise and crops, not of the training.
    """

    encoder: str
    fingerprint: str
    distance: str
    corpus: str
    seed: int

    def __str__(self) -> str:
        return f"training {self.fingerprint[:_SHOWN]} of {self.encoder}"


@dataclass(frozen=True)
class Training:
    """Outcomes of one training of a recipe.

    Attributes
    ----------
    key : TrainingKey
    added : str
        Day that it was added to the file, ``YYYY-MM-DD`` in UTC.
    entries : dict of str to Entry
        By transformation, without margins.
    """

    key: TrainingKey
    added: str
    entries: dict[str, Entry] = field(default_factory=dict)

    @classmethod
    def of(cls, measured: Sequence[Entry]) -> Training:
        """Return the training that measurements of one encoder are of, added today.

        Raises
        ------
        BaselineError
            If a condition is there twice: two encoders share a name, and have no fingerprint.
        """
        one = measured[0]
        transforms = [entry.key.transform for entry in measured]
        twice = next((t for t in transforms if transforms.count(t) > 1), None)
        if twice is not None:
            raise BaselineError(namesakes_of(replace(one.key, transform=twice)))
        outcomes = sorted((entry.key.transform, entry.outcomes) for entry in measured)
        return cls(
            TrainingKey(
                one.key.encoder,
                one.fingerprint or f"outcomes-{digest(outcomes)}",
                one.key.distance,
                one.key.corpus,
                one.key.seed,
            ),
            datetime.now(UTC).date().isoformat(),
            {entry.key.transform: replace(entry, margins=()) for entry in measured},
        )

    def __str__(self) -> str:
        return f"{self.key} (added {self.added})"

    def as_dict(self, clips: Sequence[str]) -> dict[str, Any]:
        """Return the training as builtins; clips that left their original by their ids."""
        return {
            "encoder": self.key.encoder,
            "fingerprint": self.key.fingerprint,
            "added": self.added,
            "distance": self.key.distance,
            "corpus": self.key.corpus,
            "seed": self.key.seed,
            "conditions": [
                {
                    "transform": transform,
                    "recipe": entry.recipe,
                    "value": entry.value,
                    "lost": entry.lost(clips),
                }
                for transform, entry in sorted(self.entries.items())
            ],
        }

    @classmethod
    def from_dict(cls, plain: dict[str, Any], clips: Sequence[str]) -> Training:
        """Return the training that `as_dict` gave."""
        key = TrainingKey(
            plain["encoder"], plain["fingerprint"], plain["distance"], plain["corpus"],
            plain["seed"],
        )  # fmt: skip
        entries = {}
        for one in plain["conditions"]:
            shared = {name: plain[name] for name in ("encoder", "distance", "corpus", "seed")}
            entry = Entry.from_dict(
                {**shared, **one, "measure": "within", "fingerprint": key.fingerprint},
                clips,
                with_margins=False,
            )
            if entry.key.transform in entries:
                raise BaselineError(f"{key} has two entries for {entry.key.transform}")
            entries[entry.key.transform] = entry
        return cls(key, plain["added"], entries)

    def extended(self, other: Training) -> Training:
        """Return both, of other conditions; those that both have must be the same.

        Raises
        ------
        BaselineError
            If they differ on a condition: two encoders share a name and a fingerprint.
        """
        for transform in self.entries.keys() & other.entries.keys():
            if not self.entries[transform].same_as(other.entries[transform]):
                raise BaselineError(namesakes_of(other.entries[transform].key))
        first = min(self.added, other.added)
        return replace(self, added=first, entries=self.entries | other.entries)


Trainings = dict[TrainingKey, Training]


def of_entries(entries: Iterable[Entry]) -> Trainings:
    """Return the trainings that within-space entries are of."""
    found: dict[tuple[object, ...], list[Entry]] = defaultdict(list)
    for entry in entries:
        key = entry.key
        if key.measure == "within":
            place = (key.encoder, key.distance, key.corpus, key.seed, entry.fingerprint)
            found[place].append(entry)
    trainings = [Training.of(of_one) for of_one in found.values()]
    return {training.key: training for training in trainings}


def joined(first: Trainings, second: Trainings) -> Trainings:
    """Return the trainings of both, each once.

    Raises
    ------
    BaselineError
        As in `Training.extended`.
    """
    found = dict(first)
    for key, training in second.items():
        found[key] = found[key].extended(training) if key in found else training
    return found

"""What a baseline keeps of one encoder under one transformation, and the clips that it is of."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_nnrel.measurement import namesakes
from pytest_nnrel.runtime.scalars import is_whole

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pytest_nnrel.measurement import PlainMeasurement

#: Conditions and clips that messages list by name.
LISTED = 8
#: Decimals of margins and replicates in the file.
_DECIMALS = 4
#: Decimals of values in it.
VALUE_DECIMALS = 6


@dataclass(frozen=True)
class Key:
    """What an entry is of. A retrained encoder keeps its name, so that it finds its baseline."""

    encoder: str
    measure: str
    distance: str
    transform: str
    corpus: str
    seed: int

    def __str__(self) -> str:
        return (
            f"{self.transform} of {self.encoder} ({self.measure}, {self.distance}, corpus"
            f" {self.corpus}, seed {self.seed})"
        )


@dataclass(frozen=True)
class Entry:
    """What was measured of one encoder under one transformation.

    Attributes
    ----------
    key : Key
    value : float
    outcomes : tuple of bool
        Per clip, whether the own original is nearest; empty for rho.
    margins : tuple of float
        Per clip, relative, see `Exemplars.relative_margins`; empty for rho.
    replicates : tuple of float
        For rho, its bootstrap; NaN where a sample has none. The same samples for all entries of a
        corpus and seed.
    fingerprint : str or None
        Of the encoder.
    recipe : dict or None
        Engine and versions that made the transformed clips; and ``"neighbours": "others"`` where
        only originals of other groups competed.
    """

    key: Key
    value: float
    outcomes: tuple[bool, ...] = ()
    margins: tuple[float, ...] = ()
    replicates: tuple[float, ...] = ()
    fingerprint: str | None = None
    recipe: dict[str, Any] | None = None

    @classmethod
    def of(cls, plain: PlainMeasurement, replicates: Sequence[float] = ()) -> Entry:
        """Return the entry of a measurement, as plain values."""
        details = plain["details"]
        identity = details["identity"]
        distances = [identity[k] for k in ("audio_distance", "latent_distance") if k in identity]
        pairs = identity.get("pairs", "all")
        margins = details.get("relative_margins", ()) if plain["measure"] == "within" else ()
        return cls(
            Key(
                details["encoder"]["name"],
                plain["measure"],
                " x ".join(distances) + ("" if pairs == "all" else f", {pairs} pairs"),
                details["transform"]["name"],
                identity["corpus"],
                identity["seed"],
            ),
            round(plain["value"], VALUE_DECIMALS),
            tuple(outcome == "1" for outcome in plain["outcomes"]),
            tuple(round(margin, _DECIMALS) for margin in margins),
            tuple(round(float(replicate), _DECIMALS) for replicate in replicates),
            identity["encoder_fingerprint"],
            _recipe_of(plain),
        )

    def as_dict(self, clips: Sequence[str]) -> dict[str, Any]:
        """Return the entry as builtins; clips that left their original by their ids."""
        plain: dict[str, Any] = {
            "encoder": self.key.encoder,
            "measure": self.key.measure,
            "distance": self.key.distance,
            "transform": self.key.transform,
            "corpus": self.key.corpus,
            "seed": self.key.seed,
            "fingerprint": self.fingerprint,
            "recipe": self.recipe,
            "value": self.value,
        }
        if self.outcomes:
            plain["lost"] = self.lost(clips)
            plain["margins"] = _numbers(self.margins)
        if self.replicates:
            plain["replicates"] = _numbers(self.replicates)
        return plain

    def lost(self, clips: Sequence[str]) -> list[str]:
        """Return the clips that left their original."""
        return [clip for clip, kept in zip(clips, self.outcomes) if not kept]

    def same_as(self, other: Entry) -> bool:
        """Tell whether it is of the same outcomes, but for rounding."""
        return (self.outcomes, round(self.value, _DECIMALS)) == (
            other.outcomes,
            round(other.value, _DECIMALS),
        )

    @classmethod
    def from_dict(
        cls, plain: dict[str, Any], clips: Sequence[str], *, with_margins: bool = True
    ) -> Entry:
        """Return the entry that `as_dict` gave."""
        if not isinstance(plain["value"], float | int) or not math.isfinite(plain["value"]):
            raise ValueError(f"value {plain['value']!r}")
        if not is_whole(plain["seed"]):
            raise ValueError(f"seed {plain['seed']!r}")
        if plain["measure"] != "rho" and "lost" not in plain:
            raise ValueError("it does not say which clips are lost")
        lost = set(plain.get("lost", ()))
        unknown = lost - set(clips)
        if unknown:
            raise ValueError(f"clips {sorted(unknown)[:LISTED]} are not of corpus")
        margins = tuple(float(number) for number in plain.get("margins", "").split())
        if "lost" in plain and len(margins) != (len(clips) if with_margins else 0):
            raise ValueError(f"{len(margins)} margins of {len(clips)} clips")
        if not all(map(math.isfinite, margins)):
            raise ValueError("margins that are not finite")
        replicates = tuple(float(number) for number in plain.get("replicates", "").split())
        if plain["measure"] == "rho" and not replicates:
            raise ValueError("it has no replicates")
        share = 1.0 - len(lost) / len(clips)
        if "lost" in plain and abs(plain["value"] - share) > 10.0**-_DECIMALS:
            raise ValueError(f"value {plain['value']}, and {len(lost)} of {len(clips)} clips lost")
        return cls(
            Key(
                plain["encoder"], plain["measure"], plain["distance"], plain["transform"],
                plain["corpus"], plain["seed"],
            ),
            plain["value"],
            tuple(clip not in lost for clip in clips) if "lost" in plain else (),
            margins,
            replicates,
            plain["fingerprint"],
            plain["recipe"],
        )  # fmt: skip


@dataclass(frozen=True)
class Clips:
    """The clips of a corpus, in order, and the groups that they belong to."""

    name: str
    ids: tuple[str, ...]
    groups: tuple[str, ...]

    @property
    def group_count(self) -> int:
        """Groups that clips are exchanged and resampled in."""
        return len(set(self.groups))

    @classmethod
    def of(cls, plain: dict[str, Any]) -> Clips:
        """Return what `recording.record_corpus` took."""
        ids, groups = tuple(plain["clips"]), tuple(plain["groups"])
        if len(ids) != len(groups) or len(set(ids)) != len(ids):
            raise ValueError(f"{len(ids)} clips, {len(set(ids))} ids, {len(groups)} groups")
        return cls(plain["name"], ids, groups)

    def as_dict(self) -> dict[str, Any]:
        """Return the listing as builtins."""
        return {"name": self.name, "clips": list(self.ids), "groups": list(self.groups)}


def counted(number: int, noun: str) -> str:
    """Return a number of things, such as ``1 training`` and ``2 trainings``."""
    return f"{number} {noun}{'s' * (number != 1)}"


def namesakes_of(key: Key) -> str:
    """Return that two things that differ share a name, and what to do."""
    return namesakes(key.encoder, transform=key.transform, distance=key.distance)


def _numbers(values: Iterable[float]) -> str:
    """Return numbers in one line, which JSON's indentation would spread over many."""
    return " ".join("nan" if math.isnan(v) else f"{v:.{_DECIMALS}g}" for v in values)


def _recipe_of(plain: PlainMeasurement) -> dict[str, Any] | None:
    """Return what an entry must have in common with another to be compared with it."""
    details = plain["details"]
    recipe = details["transform"]["recipe"]
    # Absent where clips share no groups, from rho, and from what was written before 0.2.
    if "others" not in details or "neighbours" in details["identity"]:
        return recipe
    return {**(recipe or {}), "neighbours": "others"}

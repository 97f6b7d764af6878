"""Reference encoders as they were measured under the grid `field` on the bundled clips."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from pytest_nnrel.errors import ResultsError
from pytest_nnrel.statistics import intervals

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from importlib.resources.abc import Traversable

    from pytest_nnrel.measurement import EncoderFacts, PlainMeasurement

T = TypeVar("T")

#: Of `EncoderFacts`: what tells the MFCC baseline from an encoder of that name.
MFCC_KIND = "pytest_nnrel.encoders.mfcc.MFCCEncoder"


class StoredCondition(NamedTuple):
    """A condition of the grid, and what it did to the audio."""

    family: str
    severity: float
    magnitude: float
    recipe: str
    damage: Mapping[str, float]


class StoredEncoder(NamedTuple):
    """An encoder: how reports call it, and its ranks by condition, see `Measurement.ranks`."""

    label: str
    ranks: Mapping[str, tuple[int, ...]]

    def rate(self, condition: str) -> tuple[float, float, float]:
        """Return C_W under a condition, and its interval."""
        ranks = self.ranks[condition]
        value = ranks.count(0) / len(ranks)
        return value, *intervals.wilson_interval(value, len(ranks))


@dataclass(frozen=True)
class StoredProfiles:
    """Reference encoders on one corpus.

    Attributes
    ----------
    corpus : str
    fingerprint : str
        Of the corpus.
    clips, seed : int
    conditions : dict of str to StoredCondition
    encoders : dict of str to StoredEncoder
    """

    corpus: str
    fingerprint: str
    clips: int
    seed: int
    conditions: Mapping[str, StoredCondition]
    encoders: Mapping[str, StoredEncoder]

    def beside(
        self, name: str, measurements: Mapping[str, PlainMeasurement]
    ) -> dict[str, PlainMeasurement]:
        """Return what an encoder gave on the clips, and under the conditions, of measurements.

        Parameters
        ----------
        name : str
            Of a stored encoder.
        measurements : dict of str to PlainMeasurement
            C_W of another encoder, by condition.

        Returns
        -------
        dict of str to PlainMeasurement
            Without conditions that were not stored, or that are made otherwise now; empty where
            corpus, seed or neighbours are others.
        """
        encoder = self.encoders[name]
        facts: EncoderFacts = {
            "name": encoder.label,
            "fingerprint": None,
            "sample_rate": 0,
            "window_seconds": 0.0,
            "device": None,
            "assumed": [],
        }
        found: dict[str, PlainMeasurement] = {}
        for condition, measured in measurements.items():
            ranks = encoder.ranks.get(condition)
            if ranks is None or not self._is_of(measured):
                continue
            value, low, high = encoder.rate(condition)
            found[condition] = {
                **measured,
                "value": value,
                "ci": [low, high],
                "outcomes": "".join("01"[rank == 0] for rank in ranks),
                "worst": [],
                "details": {**measured["details"], "encoder": facts, "ranks": list(ranks)},
                "timings": {},
            }
        return found

    def _is_of(self, measured: PlainMeasurement) -> bool:
        identity, transform = measured["details"]["identity"], measured["details"]["transform"]
        return (
            identity["corpus"] == self.fingerprint
            and identity["seed"] == self.seed
            and identity.get("neighbours", "others") == "others"
            and str(transform["recipe"]) == self.conditions[transform["name"]].recipe
        )


@cache
def bundled_profiles() -> StoredProfiles | None:
    """Return the profiles that the package has, if it has them."""
    data = resources.files("pytest_nnrel").joinpath("data")
    return read_profiles(data.joinpath("reference_profiles.json"))


def read_profiles(file: Traversable) -> StoredProfiles | None:
    """Read profiles, as ``scripts/ship_profiles.py`` writes them.

    Parameters
    ----------
    file : Path or Traversable

    Returns
    -------
    StoredProfiles or None
        None where there is no such file.

    Raises
    ------
    ResultsError
        If the file holds something else.
    """
    return read_shipped(file, "profiles", _profiles_of)


def read_shipped(file: Traversable, what: str, of_plain: Callable[[dict[str, Any]], T]) -> T | None:
    """Read what the package has of the reference encoders.

    Parameters
    ----------
    file : Path or Traversable
        JSON.
    what : str
        What it holds, in words.
    of_plain : callable
        Makes it of what stands in the file.

    Returns
    -------
    object or None
        None where there is no such file.

    Raises
    ------
    ResultsError
        If the file holds something else.
    """
    if not file.is_file():
        return None
    try:
        return of_plain(json.loads(file.read_text(encoding="utf-8")))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ResultsError(
            f"{file} holds no {what} of reference encoders ({type(error).__name__}: {error});"
            " install the package again"
        ) from error


def _profiles_of(plain: dict[str, Any]) -> StoredProfiles:
    corpus = plain["corpus"]
    return StoredProfiles(
        corpus["name"],
        corpus["fingerprint"],
        corpus["n"],
        plain["seed"],
        {
            name: StoredCondition(
                one["family"],
                float(one["severity"]),
                float(one["magnitude"]),
                str(one["recipe"]),
                one["damage"],
            )
            for name, one in plain["conditions"].items()
        },
        {
            name: StoredEncoder(
                one["label"],
                {
                    condition: tuple(map(int, ranks.split()))
                    for condition, ranks in one["ranks"].items()
                },
            )
            for name, one in plain["encoders"].items()
        },
    )

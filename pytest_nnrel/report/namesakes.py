"""Measurements that no name tells apart, and that differ: views do not mix them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pytest_nnrel.report.results import kind_of, subject_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_nnrel.measurement import PlainMeasurement


class Place(NamedTuple):
    """What views know a measurement by."""

    subject: str
    corpus: str
    kind: str
    transform: str

    @classmethod
    def of(cls, measured: PlainMeasurement) -> Place:
        """Return the place of a measurement."""
        details = measured["details"]
        return cls(
            subject_of(measured),
            details["corpus"]["fingerprint"],
            kind_of(measured),
            details["transform"]["name"],
        )


def shared_places(measurements: Iterable[PlainMeasurement]) -> set[Place]:
    """Return the places at which two measurements of one seed differ.

    Parameters
    ----------
    measurements : iterable of PlainMeasurement
        Of encoders that `told_apart` told apart, as far as it can.
    """
    first: dict[tuple[Place, object], tuple[object, ...]] = {}
    found = set()
    for measured in measurements:
        place = Place.of(measured)
        outcomes = measured["outcomes"], measured["value"]
        if first.setdefault((place, measured["details"]["identity"].get("seed")), outcomes) != (
            outcomes
        ):
            found.add(place)
    return found

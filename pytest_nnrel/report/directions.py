"""How encoders move along families: how much they tell of severity, and in how many directions."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_nnrel.measurement import PlainMeasurement

#: Measures of displacements: those of R2 first, of which the one with a p is preferred.
_TOLD, _SHARED = ("sensitivity", "directions"), "equivariance"


class Row(NamedTuple):
    """An encoder along a family; numbers that were not measured are empty."""

    encoder: str
    way: str
    clips: int
    r2: str
    p: str
    dimension: str
    shared: str


def rows_of(measurements: Iterable[PlainMeasurement]) -> list[Row]:
    """Return what was measured of displacements, by encoder, then by family."""
    found: dict[tuple[str, ...], dict[str, PlainMeasurement]] = {}
    for measured in measurements:
        if measured["measure"] not in (*_TOLD, _SHARED):
            continue
        details = measured["details"]
        identity = details["identity"]
        place = (
            details["encoder"]["name"],
            details["transform"]["name"],
            identity.get("encoder_fingerprint") or "",
            identity["corpus"],
            str(identity["seed"]),
        )
        found.setdefault(place, {})[measured["measure"]] = measured
    return [_row(place[0], place[1], found[place]) for place in sorted(found)]


def _row(encoder: str, way: str, of: dict[str, PlainMeasurement]) -> Row:
    told = of.get("sensitivity", of.get("directions"))
    any_of = next(iter(of.values()))
    dimension = any_of["details"].get("effective_dimension")
    p = None if told is None else told["details"].get("p")
    return Row(
        encoder,
        way,
        any_of["n"],
        _with_interval(told),
        "" if p is None else f"{p:.3f}",
        "" if dimension is None else f"{dimension:.1f}",
        _with_interval(of.get(_SHARED)),
    )


def _with_interval(measured: PlainMeasurement | None) -> str:
    if measured is None:
        return ""
    low, high = measured["ci"]
    return f"{measured['value']:.2f} [{low:.2f}, {high:.2f}]"

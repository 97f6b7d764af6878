"""Maps of embeddings: originals and their mildest transformations in a plane (paper Fig. 9)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_nnrel.report.results import subject_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pytest_nnrel.measurement import PlainMeasurement

#: Maps of a page.
MAX_MAPS = 12
SIZE, _MARGIN = 300.0, 12.0


class Pair(NamedTuple):
    """A clip: its original at (x, y), transformed at (to_x, to_y), and whether it left."""

    clip: str
    x: float
    y: float
    to_x: float
    to_y: float
    left: bool


@dataclass(frozen=True)
class Map:
    """A drawing of originals, each joined to its transformed clip."""

    encoder: str
    transform: str
    explained: float
    pairs: list[Pair]
    clips: int

    @property
    def left(self) -> int:
        """Clips of the map that left their original."""
        return sum(pair.left for pair in self.pairs)


def maps_of(
    measurements: Mapping[str, PlainMeasurement], corpora: Mapping[str, dict[str, Any]]
) -> list[Map]:
    """Return the maps of a run: one for each encoder and family, of the mildest magnitude.

    Parameters
    ----------
    measurements, corpora : dict
        Of ``results.json``.
    """
    chosen: dict[tuple[object, ...], Map] = {}
    for measured in _mapped(measurements.values()):
        transform = measured["details"]["transform"]
        place = (subject_of(measured), measured["details"]["identity"]["corpus"])
        chosen.setdefault((*place, transform["family"]), _map(measured, corpora))
    return [chosen[place] for place in sorted(chosen, key=str)]


def _mapped(measurements: Iterable[PlainMeasurement]) -> list[PlainMeasurement]:
    having = [m for m in measurements if "map" in m["details"]]
    moved = [m for m in having if m["details"]["transform"]["family"] != "Identity"]
    return sorted(moved, key=_gravity)


def _gravity(measured: PlainMeasurement) -> tuple[float, str]:
    transform = measured["details"]["transform"]
    severity = transform["severity"]
    return float("inf") if severity is None else abs(severity), transform["name"]


def _map(measured: PlainMeasurement, corpora: Mapping[str, dict[str, Any]]) -> Map:
    given = measured["details"]["map"]
    clips = corpora[measured["details"]["identity"]["corpus"]]["clips"]
    wrong = {clip for clip, kept in zip(clips, measured["outcomes"]) if kept == "0"}
    points = [*given["originals"], *given["transformed"]]
    lows = [min(point[axis] for point in points) for axis in (0, 1)]
    spans = [max(point[axis] for point in points) - lows[axis] or 1.0 for axis in (0, 1)]

    def place(point: list[float]) -> tuple[float, float]:
        across, up = ((point[axis] - lows[axis]) / spans[axis] for axis in (0, 1))
        inner = SIZE - 2 * _MARGIN
        return round(_MARGIN + across * inner, 1), round(SIZE - _MARGIN - up * inner, 1)

    return Map(
        subject_of(measured),
        measured["details"]["transform"]["name"],
        sum(given["explained"]),
        [
            Pair(clip, *place(original), *place(transformed), clip in wrong)
            for clip, original, transformed in zip(
                given["clips"], given["originals"], given["transformed"]
            )
        ],
        measured["n"],
    )

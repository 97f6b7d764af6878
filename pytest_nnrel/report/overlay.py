"""Encoders of a run side by side: curves of C_W over damage, scores, and tested differences."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from pytest_nnrel.errors import NNRelError
from pytest_nnrel.profiles.entrants import Run, entrants_of
from pytest_nnrel.profiles.scored import NO_FAMILY, SCALES, damage_on
from pytest_nnrel.profiles.standings import Standings, differences, ranked, shared_conditions
from pytest_nnrel.report.namesakes import Place, shared_places

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_nnrel.profiles.entrants import Entrant
    from pytest_nnrel.profiles.standings import Difference
    from pytest_nnrel.recording import Results
    from pytest_nnrel.report.references import References

#: Encoders that panels can tell apart, by colour and by dashes.
MAX_SERIES = 12
#: Differences that the page lists: those of the likeliest come first.
MAX_DIFFERENCES = 66
#: Drawing, in its own units.
WIDTH, HEIGHT = 300.0, 194.0
LEFT, RIGHT, TOP, BOTTOM = 32.0, 10.0, 14.0, 40.0
#: Labels of the axis of damage, as far as it goes.
_TICKS = {
    "audio": (0.1, 0.5, 1.0, 2.0, 4.0, 8.0),
    "perceived": (0.001, 0.005, 0.01, 0.02, 0.03, 0.05),
}


class Dot(NamedTuple):
    """A measured condition: where, and what a reader is told of it."""

    x: float
    y: float
    text: str


class Series(NamedTuple):
    """An encoder's curve: its place in the legend, points and path."""

    place: int
    dots: list[Dot]
    path: str


class Panel(NamedTuple):
    """A family: curves over damage, and labels of both axes."""

    family: str
    series: list[Series]
    references: list[tuple[str, str]]
    ticks_x: list[tuple[float, str]]
    ticks_y: list[tuple[float, str]]
    text: str


@dataclass(frozen=True)
class Overlay:
    """Encoders on one corpus.

    Attributes
    ----------
    title : str
    names : list of str
        In the order of colours.
    left_out : int
        Encoders for which there is no room, and names that several share that differ.
    scale : str
        What damage is.
    panels : list of Panel
    references : list of str
        Reference encoders that are drawn behind.
    standings : Standings or None
        Scores, where MFCC was measured too, or comes with the package.
    differences : list of Difference
    more : int
        Differences that are not listed.
    """

    title: str
    names: list[str]
    left_out: int
    scale: str
    panels: list[Panel]
    references: list[str]
    standings: Standings | None
    differences: list[Difference]
    more: int


def overlays_of(results: Results, references: References | None) -> list[Overlay]:
    """Return an overlay for each corpus that several encoders were measured on, or one has a score.

    One that is alone has a score where the reference encoders that come with the package were
    measured under its conditions.
    """
    measurements = results["measurements"]
    shared = {(place.subject, place.corpus) for place in shared_places(measurements.values())}
    told = results.copy()
    told["measurements"] = {
        key: one for key, one in measurements.items() if Place.of(one)[:2] not in shared
    }
    try:
        entrants = entrants_of([Run(results["run"]["started"], told)])
    except NNRelError:  # of a version that did not list clips
        return []
    by_setting: dict[object, list[Entrant]] = {}
    for entrant in entrants:
        # Originals as they are, and chains, are in no panel, and make no difference between two.
        kept = {
            name: one
            for name, one in entrant.measurements.items()
            if one["details"]["transform"]["family"] not in NO_FAMILY
        }
        if kept:
            drawn = replace(entrant, measurements=kept)
            by_setting.setdefault(entrant.setting, []).append(drawn)
    overlays = [
        _overlay(
            alike, references, untold=sum(c == alike[0].setting.fingerprint for _, c in shared)
        )
        for alike in by_setting.values()
    ]
    return [
        overlay
        for overlay in overlays
        if overlay.panels
        and (len(overlay.names) > 1 or (overlay.standings and overlay.standings.stored))
    ]


def _overlay(entrants: Sequence[Entrant], references: References | None, *, untold: int) -> Overlay:
    setting = entrants[0].setting
    scale = _scale_of(entrants)
    scored = _scored(entrants, scale)
    if scored is None:
        found = _differences(entrants)
    else:
        order = {profile.encoder: place for place, profile in enumerate(scored.profiles)}
        entrants = sorted(entrants, key=lambda entrant: order[entrant.name])
        found = scored.differences
    shown = entrants[:MAX_SERIES]
    listed = sorted(found, key=lambda one: one.p)
    panels = _panels(shown, scale, references)
    return Overlay(
        f"{setting.clips} clips of {setting.corpus}",
        [entrant.name for entrant in shown],
        len(entrants) - len(shown) + untold,
        SCALES[scale],
        panels,
        list(dict.fromkeys(label for panel in panels for label, _ in panel.references)),
        scored,
        listed[:MAX_DIFFERENCES],
        max(0, len(listed) - MAX_DIFFERENCES),
    )


def _scored(entrants: Sequence[Entrant], scale: str) -> Standings | None:
    try:
        return ranked(entrants, scale=scale)
    except NNRelError:  # without MFCC, or without a condition in common, there are no scores
        return None


def _differences(entrants: Sequence[Entrant]) -> tuple[Difference, ...]:
    try:
        shared, _ = shared_conditions(entrants)
    except NNRelError:  # there is none
        return ()
    return differences(entrants, shared)


def _scale_of(entrants: Sequence[Entrant]) -> str:
    """Return the scale of hearing where all was measured on it, else the audio's."""
    heard = all(
        damage_on(measured, "perceived") is not None
        for entrant in entrants
        for measured in entrant.measurements.values()
    )
    return "perceived" if heard else "audio"


class _Spot(NamedTuple):
    """A condition of an encoder."""

    damage: float
    value: float
    name: str


def _panels(entrants: Sequence[Entrant], scale: str, references: References | None) -> list[Panel]:
    families: dict[str, list[list[_Spot]]] = {}
    severities: dict[str, dict[float, float]] = {}
    for i, entrant in enumerate(entrants):
        for name, measured in entrant.measurements.items():
            transform = measured["details"]["transform"]
            damage = damage_on(measured, scale)
            if damage is None:
                continue
            spots = families.setdefault(transform["family"], [[] for _ in entrants])
            spots[i].append(_Spot(damage, measured["value"], name))
            if transform["severity"] is not None:
                known = severities.setdefault(transform["family"], {})
                known[transform["severity"]] = damage
    if not families:
        return []
    largest = max(s.damage for spots in families.values() for one in spots for s in one)
    axis = _Axis(largest)
    return [
        _panel(
            family, spots, [entrant.name for entrant in entrants], axis, scale,
            _known(references, family, severities.get(family, {}), entrants[0].setting.clips),
        )
        for family, spots in sorted(families.items())
    ]  # fmt: skip


def _known(
    references: References | None, family: str, damages: Mapping[float, float], n: int
) -> list[tuple[str, list[_Spot]]]:
    """Return the reference encoders at the severities of which the damage is known."""
    if references is None:
        return []
    return [
        (
            label,
            [_Spot(damages[p.severity], p.value, label) for p in points if p.severity in damages],
        )
        for label, points in sorted(references.of(family, n).items())
    ]


class _Axis:
    """Damages and values to places; the square root of damage, so that little is seen too."""

    def __init__(self, largest: float) -> None:
        self.largest = largest or 1.0

    def x(self, damage: float) -> float:
        share = (min(damage, self.largest) / self.largest) ** 0.5
        return float(round(LEFT + share * (WIDTH - LEFT - RIGHT), 1))

    def y(self, value: float) -> float:
        return round(HEIGHT - BOTTOM - value * (HEIGHT - BOTTOM - TOP), 1)

    def path(self, spots: Sequence[_Spot]) -> str:
        start = f"{self.x(0.0):g} {self.y(1.0):g}"  # what is not changed is nearest to itself
        rest = [f"{self.x(spot.damage):g} {self.y(spot.value):g}" for spot in _ordered(spots)]
        return "M" + "L".join([start, *rest])


def _ordered(spots: Sequence[_Spot]) -> list[_Spot]:
    return sorted(spots, key=lambda spot: (spot.damage, -spot.value, spot.name))


def _panel(
    family: str,
    spots: Sequence[Sequence[_Spot]],
    names: Sequence[str],
    axis: _Axis,
    scale: str,
    known: Sequence[tuple[str, Sequence[_Spot]]],
) -> Panel:
    series = [
        Series(
            i,
            [
                Dot(
                    axis.x(spot.damage),
                    axis.y(spot.value),
                    f"{names[i]}, {spot.name}: C_W {spot.value:.3f} at damage {spot.damage:.3g}",
                )
                for spot in _ordered(of_encoder)
            ],
            axis.path(of_encoder),
        )
        for i, of_encoder in enumerate(spots)
        if of_encoder
    ]
    least = "; ".join(
        f"{names[one.place]} falls to {min(spot.value for spot in spots[one.place]):.2f}"
        for one in series
    )
    return Panel(
        family,
        series,
        [(label, axis.path(points)) for label, points in known if points],
        [(axis.x(tick), f"{tick:g}") for tick in _TICKS[scale] if tick <= axis.largest],
        [(axis.y(tick), f"{tick:g}") for tick in (0.0, 0.25, 0.5, 0.75, 1.0)],
        f"{family}, C_W over damage: {least}",
    )

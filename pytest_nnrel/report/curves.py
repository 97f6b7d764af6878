"""Measures over the ladder of a family: what a chart shows, and where it lies in the drawing.

The horizontal axis is the severity: it has the identity at 0 for every family, while magnitudes
have it at infinity for noise and bitrates. Its labels are magnitudes. Families without a ladder
are drawn over their magnitudes.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from pytest_nnrel.measurement import MEASURES
from pytest_nnrel.report.findings import Judgement, judgements
from pytest_nnrel.report.results import kind_of, subject_of
from pytest_nnrel.requirement import Requirement

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pytest_nnrel.measurement import Control, CorpusFacts, PlainMeasurement, TransformFacts
    from pytest_nnrel.report.findings import Row
    from pytest_nnrel.report.references import Point, References

#: Measures that are drawn, in the order in which the page has them.
DRAWN = tuple(name for name, measure in MEASURES.items() if measure.drawn)
#: The family that every curve starts from.
_IDENTITY = "Identity"
_NOT_JUDGED = Judgement()
#: Drawing, in its own units.
WIDTH, HEIGHT = 300.0, 194.0
LEFT, RIGHT, TOP, BOTTOM = 32.0, 8.0, 20.0, 40.0
#: Least distance of labels on the horizontal axis.
_LABEL_GAP = 34.0
#: Gap between the identity and the mildest severity, as a share of the range, beyond which the axis
#: is broken, and the share that is left of it.
_LONG_GAP, _BROKEN_GAP = 0.25, 0.1
#: Space left and right of the outermost points.
_INSET = 8.0


class Sample(NamedTuple):
    """A measured value: where, how much, between what, its name, and what was asked of it."""

    x: float
    value: float
    low: float
    high: float
    label: str
    name: str
    outcome: str
    required: Requirement = Requirement()
    #: What the transformation is told apart from, and C_W under it.
    control: Control | None = None


class Mark(NamedTuple):
    """A point of the drawing, with what a reader is told of it."""

    x: float
    y: float
    low: float
    high: float
    outcome: str
    text: str
    sample: Sample


class Tick(NamedTuple):
    """A label of an axis."""

    at: float
    label: str


@dataclass(frozen=True)
class Panel:
    """A chart, ready to be drawn.

    Attributes
    ----------
    title, axis : str
    marks : list of Mark
        The encoder's points, the mildest first.
    line, band, audio_line, audio_band : str
        SVG paths; empty where there is nothing to draw.
    audio_marks : list of Mark
    control_line : str
        Of what the transformation is told apart from; a path.
    control_marks : list of Mark
    references : list of (str, str)
        Label and path.
    ticks_x, ticks_y : list of Tick
    identity : float or None
        Where the identity is marked.
    broken_axis : bool
        Whether the axis between it and the points is cut.
    bounds : list of float
        The heights of what was asked for, where that is the same at all points.
    breaks : list of Tick
        The mildest failures, one in a direction.
    asked : str
        That, in words; empty where it is not one.
    audio, control : dict of str to str
        By name of a condition, what the audio space reached, and what the control, for the table.
    """

    title: str
    axis: str
    marks: list[Mark]
    line: str
    band: str
    audio_line: str
    audio_band: str
    audio_marks: list[Mark]
    control_line: str
    control_marks: list[Mark]
    references: list[tuple[str, str]]
    ticks_x: list[Tick]
    ticks_y: list[Tick]
    identity: float | None
    broken_axis: bool
    bounds: list[float]
    asked: str
    breaks: list[Tick]
    audio: dict[str, str]
    control: dict[str, str]


@dataclass
class Section:
    """The charts of one encoder on one corpus, by measure."""

    encoder: str
    corpus: CorpusFacts
    #: What to bear in mind of the reference encoders.
    note: str = ""
    failed: int = 0
    panels: dict[str, list[Panel]] = field(default_factory=dict)


def sections_of(
    measurements: Mapping[str, PlainMeasurement],
    rows: Iterable[Row],
    references: References | None,
) -> list[Section]:
    """Return the charts of a run, those of encoders that fail most first.

    Parameters
    ----------
    measurements : dict of str to dict
        By key.
    rows : iterable of Row
        Verdicts: they colour points, and tell where an encoder breaks.
    references : References or None
    """
    groups, bounds, about = _grouped(measurements, judgements(rows))
    sections: dict[tuple[str, str], Section] = {}
    for place, group in sorted(groups.items()):
        if place.family == _IDENTITY:
            continue
        details = about[place]["details"]
        section = sections.setdefault(place[:2], Section(place.encoder, details["corpus"]))
        within = about[place]["measure"] == "within"
        if within and references:
            section.note = references.note(place.corpus, competing(about[place]))
        behind = bounds[_heard(about[place])] if within else []
        if details["transform"]["severity"] is not None:  # a ladder, which starts at the identity
            group = [*groups.get(place._replace(family=_IDENTITY), [])[:1], *group]
            unchanged = _Heard(place.corpus, _IDENTITY, "")
            behind = [*(bounds[unchanged][:1] if within else []), *behind]
        known = {}
        if within and references:
            known = references.of(place.family, competing(about[place]))
        panel = _panel(details["transform"], group, behind, known)
        section.panels.setdefault(place.kind, []).append(panel)
        section.failed += sum(mark.outcome == "fails" for mark in panel.marks)
    return sorted(sections.values(), key=lambda section: -section.failed)


def competing(measured: PlainMeasurement) -> int:
    """Return among how many originals a clip's own is looked for, itself among them."""
    others = measured["details"].get("others")
    if others:
        return round(sum(others) / len(others)) + 1
    return measured["details"]["corpus"]["clips"]


class _Heard(NamedTuple):
    """What is heard in a chart: clips under a family, and of an attack who it is on."""

    corpus: str
    family: str
    attacked: str


def _heard(measured: PlainMeasurement) -> _Heard:
    details = measured["details"]
    attacked = details["identity"].get("attacked_as", "")
    return _Heard(details["corpus"]["fingerprint"], details["transform"]["family"], attacked)


class _Place(NamedTuple):
    """What a chart is of, in the order of the page."""

    encoder: str
    corpus: str
    measure: int
    kind: str
    family: str


def _grouped(
    measurements: Mapping[str, PlainMeasurement], judged: Mapping[str, Judgement]
) -> tuple[dict[_Place, list[Sample]], dict[_Heard, list[Sample]], dict[_Place, PlainMeasurement]]:
    """Return samples by chart, the audio space's by corpus and family, and a measurement each."""
    groups: dict[_Place, list[Sample]] = defaultdict(list)
    bounds: dict[_Heard, list[Sample]] = defaultdict(list)
    about: dict[_Place, PlainMeasurement] = {}
    for key, measured in measurements.items():
        details, measure = measured["details"], measured["measure"]
        corpus, family = details["corpus"]["fingerprint"], details["transform"]["family"]
        if (
            details["transform"]["magnitude"] is None
        ):  # of no single magnitude, or of an infinite one
            continue
        if measure == "audio" and details["identity"]["audio_distance"] == "dtw":
            bounds[_heard(measured)].append(_sample(measured))
        if measure in DRAWN:
            order, kind = DRAWN.index(measure), kind_of(measured)
            place = _Place(subject_of(measured), corpus, order, kind, family)
            groups[place].append(_sample(measured, judged.get(key, _NOT_JUDGED)))
            about[place] = measured
    return groups, bounds, about


def _sample(measured: PlainMeasurement, judgement: Judgement = _NOT_JUDGED) -> Sample:
    transform = measured["details"]["transform"]
    magnitude, severity = transform["magnitude"], transform["severity"]
    assert magnitude is not None  # of others there is no chart
    low, high = measured["ci"]
    return Sample(
        magnitude if severity is None else severity,
        measured["value"],
        low,
        high,
        "original" if transform["family"] == _IDENTITY else f"{magnitude:g}",
        transform["name"],
        *judgement,
        measured["details"].get("control"),
    )


def _panel(
    transform: TransformFacts,
    group: Sequence[Sample],
    audio: Sequence[Sample],
    references: Mapping[str, Sequence[Point]],
) -> Panel:
    ladder = transform["severity"] is not None
    beyond = {
        label: [
            Sample(p.severity, p.value, p.low, p.high, f"{p.magnitude:g}", label, "")
            for p in points
        ]
        for label, points in references.items()
    }
    controls = [
        sample._replace(
            value=rate["value"],
            low=rate["ci"][0],
            high=rate["ci"][1],
            name=rate["name"],
            outcome="",
            control=None,
        )
        for sample in group
        if (rate := sample.control)
    ]
    everything = [*group, *audio, *(s for points in beyond.values() for s in points)]
    horizontal = _Horizontal([sample.x for sample in everything], ladder=ladder)
    vertical = _Vertical(min(sample.low for sample in group))
    required = {s.required for s in group if s.required.text and not _is_identity(s)}
    asked = required.pop() if len(required) == 1 else Requirement()
    drawn = _Drawn(horizontal, vertical)
    marks, audio_marks, control_marks = map(drawn.marks, (group, audio, controls))
    unit = f" ({transform['unit']})" if transform["unit"] else ""
    return Panel(
        title=transform["family"],
        axis=f"{transform['family']}{unit}",
        marks=marks,
        line=_line(marks),
        band=_band(marks),
        audio_line=_line(audio_marks),
        audio_band=_band(audio_marks),
        audio_marks=audio_marks,
        control_line=_line(control_marks),
        control_marks=control_marks,
        references=[
            (label, _line(drawn.marks(points))) for label, points in sorted(beyond.items())
        ],
        ticks_x=_labels(marks),
        ticks_y=vertical.ticks(),
        identity=horizontal.at(0.0) if ladder else None,
        broken_axis=horizontal.broken,
        bounds=[vertical.at(b) for b in (asked.low, asked.high) if b is not None],
        asked=asked.text,
        breaks=_breaks(marks),
        audio={sample.name: f"{sample.value:.3f}" for sample in audio},
        control={
            sample.name: f"{sample.control['value']:.3f}" for sample in group if sample.control
        },
    )


class _Horizontal:
    """Severities, or magnitudes, to places; the axis is cut where the identity is far away."""

    def __init__(self, places: Sequence[float], *, ladder: bool) -> None:
        self._low, self._high = min(places), max(places)
        self.broken = False
        self._origin = 0.0
        if ladder:
            away = [place for place in places if place]
            span = max(self._high, 0.0) - min(self._low, 0.0) or 1.0
            gap = min((abs(place) for place in away), default=0.0)
            one_side = self._low >= 0.0 or self._high <= 0.0
            if one_side and away and gap > _LONG_GAP * span:
                self.broken = True
                side = 1.0 if self._high > 0.0 else -1.0
                self._origin = side * (gap - _BROKEN_GAP * max(span - gap, 1.0))
            self._low, self._high = min(self._low, 0.0), max(self._high, 0.0)
            if self.broken:
                self._low = self._origin if self._low == 0.0 else self._low
                self._high = self._origin if self._high == 0.0 else self._high

    def at(self, place: float) -> float:
        if self.broken and place == 0.0:
            place = self._origin
        if self._high == self._low:
            return (LEFT + WIDTH - RIGHT) / 2
        share = (place - self._low) / (self._high - self._low)
        return LEFT + _INSET + share * (WIDTH - LEFT - RIGHT - 2 * _INSET)


class _Vertical:
    """Values to places: from 0 to 1, or from a negative bound of rho."""

    def __init__(self, lowest: float) -> None:
        self._low = 0.0 if lowest >= 0.0 else (-0.5 if lowest >= -0.5 else -1.0)

    def at(self, value: float) -> float:
        share = (min(max(value, self._low), 1.0) - self._low) / (1.0 - self._low)
        return HEIGHT - BOTTOM - share * (HEIGHT - BOTTOM - TOP)

    def ticks(self) -> list[Tick]:
        steps = 4
        values = [self._low + i * (1.0 - self._low) / steps for i in range(steps + 1)]
        return [Tick(self.at(value), f"{value:.3g}") for value in values]


class _Drawn:
    """Samples as marks."""

    def __init__(self, horizontal: _Horizontal, vertical: _Vertical) -> None:
        self._horizontal, self._vertical = horizontal, vertical

    def marks(self, samples: Iterable[Sample]) -> list[Mark]:
        return [self._mark(s) for s in sorted(samples, key=lambda sample: (sample.x, sample.name))]

    def _mark(self, sample: Sample) -> Mark:
        text = f"{sample.name}: {sample.value:.3f} [{sample.low:.3f}, {sample.high:.3f}]"
        at = self._vertical.at
        return Mark(
            round(self._horizontal.at(sample.x), 1),
            round(at(sample.value), 1),
            round(at(sample.low), 1),
            round(at(sample.high), 1),
            sample.outcome,
            text + (f", {sample.outcome}" if sample.outcome else ""),
            sample,
        )


def _joined(marks: Sequence[Mark]) -> bool:
    """Tell whether marks are of one axis, and not of several things at the same place."""
    return 1 < len(marks) == len({mark.sample.x for mark in marks})


def _line(marks: Sequence[Mark]) -> str:
    """Return the path through marks, or none."""
    return "M" + "L".join(f"{mark.x:g} {mark.y:g}" for mark in marks) if _joined(marks) else ""


def _band(marks: Sequence[Mark]) -> str:
    """Return the path round their intervals, or none."""
    if not _joined(marks):
        return ""
    forth = [f"{mark.x:g} {mark.high:g}" for mark in marks]
    back = [f"{mark.x:g} {mark.low:g}" for mark in reversed(marks)]
    return "M" + "L".join([*forth, *back]) + "Z"


def _labels(marks: Sequence[Mark]) -> list[Tick]:
    """Return as many magnitudes as have room, the outermost first; the identity has its own."""
    marks = [mark for mark in marks if not _is_identity(mark.sample)]
    if not marks:
        return []
    outermost = [marks[0], marks[-1]]
    chosen: list[Mark] = []
    for mark in (*outermost, *marks):
        if all(abs(mark.x - other.x) >= _LABEL_GAP for other in chosen):
            chosen.append(mark)
    return [Tick(mark.x, mark.sample.label) for mark in chosen]


def _is_identity(sample: Sample) -> bool:
    return sample.name.startswith(f"{_IDENTITY}(")


def _breaks(marks: Sequence[Mark]) -> list[Tick]:
    """Return the mildest failure in each direction."""
    failing = [mark for mark in marks if mark.outcome == "fails"]
    forth = [mark for mark in failing if mark.sample.x >= 0]
    back = [mark for mark in failing if mark.sample.x < 0]
    mildest = [*forth[:1], *back[-1:]]
    return [Tick(mark.x, f"breaks at {mark.sample.label}") for mark in mildest]


def describe_panel(panel: Panel) -> str:
    """Return a chart in a sentence, for those who do not see it."""
    first, last = panel.marks[0].sample, panel.marks[-1].sample
    broken = "; ".join(tick.label for tick in panel.breaks)
    return (
        f"{panel.axis}: {len(panel.marks)} points from {first.name}, {first.value:.3f}, to"
        f" {last.name}, {last.value:.3f}" + (f"; {broken}" if broken else "")
    )

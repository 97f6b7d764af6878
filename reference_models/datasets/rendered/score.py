"""Composition: from a random generator to the tones of a lead and its accompaniment.

A score is in one of the styles, in any key and mode. Its melody walks on the scale, on chord tones
where beats are strong, in a rhythm, a register and an articulation that are drawn; its chords go
through a progression. The lead is drawn apart from the style, so that neither tells the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from reference_models.datasets.rendered.instruments import INSTRUMENTS, VOICE, Instrument
from reference_models.datasets.rendered.styles import STYLES, Style

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np

    T = TypeVar("T")

STEPS_PER_BEAT = 4
#: When in a beat a swung off-beat eighth begins.
SWUNG = 2 / 3
_MAJOR = (0, 2, 4, 5, 7, 9, 11)
_MINOR = (0, 2, 3, 5, 7, 8, 10)
#: Degrees of the scale that chords are built on, a bar each.
_PROGRESSIONS = (
    (0, 5, 3, 4), (0, 4, 5, 3), (5, 3, 0, 4), (0, 3, 4, 0), (1, 4, 0, 5), (0, 2, 3, 5),
    (0, 3, 0, 4), (0, 1, 4, 0), (3, 4, 2, 5), (0, 0, 3, 3),
)  # fmt: skip
#: Steps between the lead's tones: of a sparse, an ordinary and a busy melody.
_PACES = {
    "sparse": ((8, 0.5), (12, 0.2), (6, 0.3)),
    "even": ((4, 0.5), (2, 0.3), (6, 0.1), (8, 0.1)),
    "busy": ((2, 0.7), (1, 0.15), (4, 0.15)),
}
#: Part of the time to the lead's next tone that a tone is held for.
_HOLDS = {"staccato": 0.3, "ordinary": 0.82, "legato": 1.04}
#: Shortest time that a tone is held for, seconds.
_SHORTEST = 0.05
#: Longest time from a tone of the lead to the next, seconds: two seconds are never without it.
_LONGEST_PACE = 1.2
_MALE_LOWERED = 12


@dataclass(frozen=True)
class Note:
    """A tone: when it begins and ends (s), its key (MIDI) and its velocity (1 to 127)."""

    start: float
    end: float
    key: int
    velocity: int


@dataclass(frozen=True)
class Line:
    """What one instrument plays.

    Attributes
    ----------
    role : {"lead", "chords", "bass", "drums", "percussion"}
    family : str
        Of the chord or bass instrument, the lead's code, or empty.
    program : int or None
        General MIDI; None where it is sung.
    notes : tuple of Note
        In the order of their beginnings.
    """

    role: str
    family: str
    program: int | None
    notes: tuple[Note, ...]


@dataclass(frozen=True)
class Score:
    """A piece of music.

    Attributes
    ----------
    instrument : Instrument
        That leads.
    style : str
    tempo : float
        Beats a minute.
    tonic : int
        0 for C.
    minor, triple, swung, arpeggio : bool
        Mode, bars of three beats, swung eighths, broken chords.
    upbeat : float
        Beats of the first bar that are over when the piece begins.
    articulation : {"staccato", "ordinary", "legato"}
        Of the lead.
    sex : {"female", "male", ""}
        Of a singer.
    lead : Line
    accompaniment : tuple of Line
        One or more.
    """

    instrument: Instrument
    style: str
    tempo: float
    tonic: int
    minor: bool
    triple: bool
    swung: bool
    arpeggio: bool
    upbeat: float
    articulation: str
    sex: str
    lead: Line
    accompaniment: tuple[Line, ...]


def compose(
    rng: np.random.Generator, seconds: float, *, instrument: Instrument | None = None
) -> Score:
    """Compose a score.

    Parameters
    ----------
    rng : numpy.random.Generator
        The score depends on its state alone.
    seconds : float
    instrument : Instrument, optional
        That leads; any, where omitted.
    """
    chosen = instrument or _pick(rng, INSTRUMENTS)
    style = _pick(rng, STYLES)
    plan = _Plan.draw(rng, style, seconds)
    sex = _pick(rng, ("female", "male")) if chosen is VOICE else ""
    articulation = _pick_weighted(rng, {"staccato": 0.2, "ordinary": 0.5, "legato": 0.3})
    lead = _melody(rng, plan, chosen, articulation, lowered=_MALE_LOWERED * (sex == "male"))
    arpeggio = bool(rng.random() < style.arpeggio)
    return Score(
        chosen, style.name, plan.tempo, plan.tonic, plan.minor, plan.triple, plan.swung, arpeggio,
        plan.upbeat, articulation, sex, lead, tuple(_accompaniment(rng, plan, arpeggio=arpeggio)),
    )  # fmt: skip


@dataclass(frozen=True)
class _Plan:
    """What lead and accompaniment have in common: metre, key and chords."""

    style: Style
    seconds: float
    tempo: float
    tonic: int
    minor: bool
    triple: bool
    swung: bool
    progression: tuple[int, ...]
    upbeat: float

    @classmethod
    def draw(cls, rng: np.random.Generator, style: Style, seconds: float) -> _Plan:
        triple = bool(rng.random() < style.triple)
        return cls(
            style, seconds, float(rng.uniform(*style.tempo)), int(rng.integers(12)),
            bool(rng.random() < style.minor), triple, bool(rng.random() < style.swing),
            _pick(rng, _PROGRESSIONS), float(rng.uniform(0, 3 if triple else 4)),
        )  # fmt: skip

    @property
    def bar(self) -> int:
        """Steps in a bar."""
        return STEPS_PER_BEAT * (3 if self.triple else 4)

    @property
    def bars(self) -> int:
        beats = self.seconds * self.tempo / 60 + self.upbeat
        return int(beats * STEPS_PER_BEAT / self.bar) + 1

    def time(self, step: float) -> float:
        """Return when a step is, seconds; off-beat eighths are late where they swing."""
        beat, within = divmod(step / STEPS_PER_BEAT, 1.0)
        if self.swung and within <= 0.5:
            within *= SWUNG / 0.5
        elif self.swung:
            within = 1 - (1 - within) * (1 - SWUNG) / 0.5
        return (beat + within - self.upbeat) * 60 / self.tempo

    def chord(self, bar: int) -> tuple[int, int, int]:
        """Return the degrees of a bar's chord."""
        root = self.progression[bar % len(self.progression)]
        return root, root + 2, root + 4

    def key(self, degree: int, octave: int) -> int:
        """Return the key of a degree of the scale above the tonic of an octave."""
        octaves, within = divmod(degree, 7)
        return 12 * (octave + octaves) + self.tonic + (_MINOR if self.minor else _MAJOR)[within]

    def notes(self, drawn: Iterator[tuple[float, float, int, float]]) -> tuple[Note, ...]:
        """Return those of (step, steps held, key, velocity) that sound in the piece."""
        kept = []
        for step, held, key, velocity in drawn:
            start = max(0.0, self.time(step))
            end = max(self.time(step + held), self.time(step) + _SHORTEST)
            if start < self.seconds and end >= _SHORTEST:
                kept.append(Note(start, end, key, min(127, max(1, round(velocity)))))
        return tuple(sorted(kept, key=lambda note: (note.start, note.key)))


def _melody(
    rng: np.random.Generator, plan: _Plan, instrument: Instrument, articulation: str, *,
    lowered: int,
) -> Line:  # fmt: skip
    """Return the lead's line."""
    lowest, highest = instrument.lowest - lowered, instrument.highest - lowered
    span = min(highest - lowest, 17)
    low = int(rng.integers(lowest, highest - span + 1))
    paces = _PACES[_pick_weighted(rng, {"sparse": 0.25, "even": 0.45, "busy": 0.3})]
    above = int(rng.choice((0, 0, 2, 5, 7))) if instrument.chordal else 0
    loudness, swell = rng.uniform(70, 110), rng.uniform(0, 12)
    hold = _HOLDS[articulation]

    def tones() -> Iterator[tuple[float, float, int, float]]:
        step, degree = 0, int(rng.integers(0, 7))
        longest = max(1, int(_LONGEST_PACE * plan.tempo / 60 * STEPS_PER_BEAT))
        rested = False
        while step < plan.bars * plan.bar:
            drawn = int(rng.choice([p for p, _ in paces], p=[w for _, w in paces]))
            pace = min(drawn, longest)
            degree += int(rng.choice((-3, -2, -1, -1, 0, 1, 1, 2, 3)))
            if step % (2 * STEPS_PER_BEAT) == 0 and rng.random() < 0.7:
                degree = _nearest_chord_tone(degree, plan.chord(step // plan.bar))
            rested = not rested and 2 * pace <= longest and rng.random() < 0.08
            if not rested:
                accent = 8 if step % STEPS_PER_BEAT == 0 else 0
                velocity = loudness + accent + swell * rng.normal()
                for extra in {0, above}:
                    key = _folded(plan.key(degree + extra, 5), low, low + span)
                    yield step, pace * hold, key, velocity
            step += pace

    program = None if not instrument.programs else int(_pick(rng, instrument.programs))
    return Line("lead", instrument.code, program, plan.notes(tones()))


def _accompaniment(rng: np.random.Generator, plan: _Plan, *, arpeggio: bool) -> Iterator[Line]:
    """Yield the other lines; chords play where nothing else would."""
    style = plan.style
    bass = rng.random() < style.bass_chance
    drums = rng.random() < style.drums_chance
    percussion = rng.random() < style.percussion_chance
    if rng.random() < style.chords_chance or not (bass or drums or percussion):
        family, programs = _pick(rng, style.chords)
        tones = plan.notes(_chords(rng, plan, arpeggio=arpeggio))
        yield Line("chords", family, int(_pick(rng, programs)), tones)
    if bass:
        family, programs = _pick(rng, style.basses)
        yield Line("bass", family, int(_pick(rng, programs)), plan.notes(_bass(rng, plan)))
    for role, plays, patterns in (
        ("drums", drums, style.drums),
        ("percussion", percussion, style.percussion),
    ):
        if plays:
            yield Line(role, "", 0, plan.notes(_struck(rng, plan, _pick(rng, patterns))))


def _chords(
    rng: np.random.Generator, plan: _Plan, *, arpeggio: bool
) -> Iterator[tuple[float, float, int, float]]:
    """Yield the chords' tones, in an inversion near the middle of the keyboard."""
    lowest = int(rng.integers(48, 61))
    velocity = rng.uniform(55, 90)
    seventh = rng.random() < (0.7 if plan.style.name in ("jazz", "funk") else 0.15)
    steps = _in_bar(plan, _pick(rng, plan.style.chord_rhythms))
    if arpeggio:
        steps = tuple(range(0, plan.bar, int(_pick(rng, (1, 2, 2)))))
    up_and_down = rng.random() < 0.5
    for bar in range(plan.bars):
        degrees: tuple[int, ...] = plan.chord(bar)
        degrees = (*degrees, degrees[0] + 6) if seventh else degrees
        keys = sorted(_folded(plan.key(d, 4), lowest, lowest + 11) for d in degrees)
        order = keys + keys[-2:0:-1] if up_and_down else keys
        for place, (step, following) in enumerate(_spans(steps, plan.bar)):
            played = [order[place % len(order)]] if arpeggio else keys
            held = (following - step) * (1.0 if arpeggio else plan.style.chord_hold)
            for key in played:
                yield bar * plan.bar + step, held, key, velocity + 4 * rng.normal()


def _bass(rng: np.random.Generator, plan: _Plan) -> Iterator[tuple[float, float, int, float]]:
    """Yield the bass's tones: the root where a bar begins, tones of the chord after it."""
    lowest = int(rng.integers(28, 37))
    velocity = rng.uniform(75, 105)
    moving = rng.random() < 0.6
    steps = _in_bar(plan, _pick(rng, plan.style.bass_rhythms))
    for bar in range(plan.bars):
        for place, (step, following) in enumerate(_spans(steps, plan.bar)):
            degree = _pick(rng, plan.chord(bar)) if moving and place else plan.chord(bar)[0]
            key = _folded(plan.key(degree, 3), lowest, lowest + 11)
            held = (following - step) * 0.9
            yield bar * plan.bar + step, held, key, velocity + 4 * rng.normal()


def _struck(
    rng: np.random.Generator, plan: _Plan, pattern: dict[int, tuple[int, ...]]
) -> Iterator[tuple[float, float, int, float]]:
    """Yield the strokes of a pattern, some of the weak ones left out."""
    velocity = rng.uniform(75, 110)
    for bar in range(plan.bars):
        for drum, steps in pattern.items():
            for step in _in_bar(plan, steps):
                if step % STEPS_PER_BEAT and rng.random() < 0.12:
                    continue
                accent = 6 if step % STEPS_PER_BEAT == 0 else -10
                yield bar * plan.bar + step, 1, drum, velocity + accent + 4 * rng.normal()


def _in_bar(plan: _Plan, steps: Sequence[int]) -> tuple[int, ...]:
    """Return the steps that a bar of three beats has as well."""
    return tuple(step for step in steps if step < plan.bar) or (0,)


def _spans(steps: Sequence[int], bar: int) -> Iterator[tuple[int, int]]:
    """Yield each step with the one after it."""
    yield from zip(steps, (*steps[1:], bar + steps[0]))


def _nearest_chord_tone(degree: int, chord: Sequence[int]) -> int:
    tones = [tone + 7 * octave for tone in chord for octave in range(-3, 4)]
    return min(tones, key=lambda tone: (abs(tone - degree), tone))


def _folded(key: int, low: int, high: int) -> int:
    """Return a key of the same name between two that are an octave or more apart."""
    while key < low:
        key += 12
    while key > high:
        key -= 12
    return key


def _pick(rng: np.random.Generator, choices: Sequence[T]) -> T:
    return choices[int(rng.integers(len(choices)))]


def _pick_weighted(rng: np.random.Generator, weights: dict[str, float]) -> str:
    return str(rng.choice(list(weights), p=list(weights.values())))

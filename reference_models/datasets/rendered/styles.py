"""The styles that scores are composed in: tempo, accompaniment and rhythm of each.

Rhythms are given on a grid of sixteenths, four to a beat: where in the bar something begins.
"""

from __future__ import annotations

from dataclasses import dataclass

#: Families of chord instruments, in General MIDI programs.
CHORDS = {
    "piano": (0, 1, 4, 5),
    "guitar": (24, 25, 26, 27, 29, 30),
    "organ": (16, 17, 18, 19),
    "string": (44, 48, 49),
    "synth": (50, 51, 81, 88, 89, 90, 91),
}
#: Families of bass instruments.
BASSES = {"acoustic": (32, 43), "electric": (33, 34, 36), "synth": (38, 39)}
#: General MIDI's key map of drums.
KICK, RIM, SNARE, CLOSED_HAT, OPEN_HAT, RIDE = 36, 37, 38, 42, 46, 51
TAMBOURINE, HIGH_BONGO, LOW_BONGO, MUTE_CONGA, OPEN_CONGA, CABASA = 54, 60, 61, 62, 63, 69
CLAVES, SHAKER = 75, 70

#: Steps in a bar by what begins there.
Rhythm = dict[int, tuple[int, ...]]


@dataclass(frozen=True)
class Style:
    """How pieces of a style go.

    Attributes
    ----------
    name : str
    tempo : tuple of float
        Slowest and fastest, beats a minute.
    chords, basses : tuple of (str, tuple of int)
        Families, with the programs of them that the style uses.
    chord_rhythms, bass_rhythms : tuple of tuple of int
        Steps in a bar of four beats at which a chord or bass tone begins.
    drums, percussion : tuple of Rhythm
        Patterns by the key of the drum; percussion is struck by hand.
    drums_chance, percussion_chance, bass_chance, chords_chance : float
        That they play at all.
    swing, triple, minor, arpeggio : float
        Chances of swung eighths, of bars of three beats, of the minor mode, of broken chords.
    chord_hold : float
        Part of the time to the next chord that a chord is held for.
    """

    name: str
    tempo: tuple[float, float]
    chords: tuple[tuple[str, tuple[int, ...]], ...]
    basses: tuple[tuple[str, tuple[int, ...]], ...]
    chord_rhythms: tuple[tuple[int, ...], ...]
    bass_rhythms: tuple[tuple[int, ...], ...]
    drums: tuple[Rhythm, ...] = ()
    percussion: tuple[Rhythm, ...] = ()
    drums_chance: float = 0.0
    percussion_chance: float = 0.0
    bass_chance: float = 0.85
    chords_chance: float = 0.92
    swing: float = 0.0
    triple: float = 0.0
    minor: float = 0.4
    arpeggio: float = 0.0
    chord_hold: float = 0.95


_EIGHTHS = (0, 2, 4, 6, 8, 10, 12, 14)
_BEATS = (0, 4, 8, 12)
_BACKBEAT: Rhythm = {KICK: (0, 8), SNARE: (4, 12), CLOSED_HAT: _EIGHTHS}
_DRIVING: Rhythm = {KICK: (0, 6, 8), SNARE: (4, 12), CLOSED_HAT: _EIGHTHS}
_HALF_TIME: Rhythm = {KICK: (0, 10), RIM: (8,), CLOSED_HAT: _BEATS}
_SWINGING: Rhythm = {RIDE: (0, 4, 6, 8, 12, 14), CLOSED_HAT: (4, 12)}
_SWINGING_KICK: Rhythm = {RIDE: (0, 4, 6, 8, 12, 14), SNARE: (10,), KICK: (0,), CLOSED_HAT: (4, 12)}
_FOUR_TO_THE_FLOOR: Rhythm = {KICK: _BEATS, OPEN_HAT: (2, 6, 10, 14), SNARE: (4, 12)}
_SIXTEENTHS: Rhythm = {KICK: _BEATS, CLOSED_HAT: tuple(range(16)), SNARE: (4, 12)}
_ONE_DROP: Rhythm = {KICK: (8,), RIM: (8,), CLOSED_HAT: _EIGHTHS}
_STEPPERS: Rhythm = {KICK: _BEATS, RIM: (4, 12), CLOSED_HAT: (2, 6, 10, 14)}
_FUNKY: Rhythm = {KICK: (0, 3, 10), SNARE: (4, 7, 9, 12, 15), CLOSED_HAT: tuple(range(16))}
_FUNKY_OPEN: Rhythm = {KICK: (0, 2, 7, 10), SNARE: (4, 12), CLOSED_HAT: _EIGHTHS, OPEN_HAT: (14,)}
_SHAKEN: Rhythm = {SHAKER: _EIGHTHS, TAMBOURINE: (4, 12)}
_TUMBAO: Rhythm = {MUTE_CONGA: (0, 2, 4, 8, 10), OPEN_CONGA: (6, 12, 14), CLAVES: (0, 6, 12)}
_BOSSA: Rhythm = {CLAVES: (0, 3, 6, 10, 13), SHAKER: _EIGHTHS, LOW_BONGO: (0, 8)}
_MARTILLO: Rhythm = {HIGH_BONGO: (0, 2, 4, 6, 8, 10, 12), LOW_BONGO: (14,), CABASA: _BEATS}

STYLES = (
    Style(
        "ballad", (58, 84),
        (("piano", (0, 1, 4, 5)), ("string", (48, 49)), ("guitar", (24, 25))),
        (("electric", (33,)), ("acoustic", (32,))),
        ((0,), (0, 8), _EIGHTHS), ((0, 8), (0, 6, 8)),
        drums=(_HALF_TIME, _BACKBEAT), drums_chance=0.5, triple=0.15, arpeggio=0.4,
    ),
    Style(
        "rock", (108, 164),
        (("guitar", (27, 29, 30)), ("organ", (16, 18))),
        (("electric", (33, 34)),),
        (_EIGHTHS, (0, 6, 8, 14), _BEATS), (_EIGHTHS, (0, 6, 8, 14)),
        drums=(_BACKBEAT, _DRIVING), drums_chance=0.97, percussion=(_SHAKEN,),
        percussion_chance=0.1, minor=0.5,
    ),
    Style(
        "jazz", (98, 190),
        (("piano", (0, 1)), ("guitar", (26,)), ("organ", (16, 17))),
        (("acoustic", (32,)),),
        ((0, 6), (6, 14), (0, 6, 10)), (_BEATS,),
        drums=(_SWINGING, _SWINGING_KICK), drums_chance=0.8, swing=0.95, triple=0.1,
        bass_chance=0.95, chord_hold=0.4,
    ),
    Style(
        "electronic", (116, 142),
        (("synth", (81, 88, 89, 90)),),
        (("synth", (38, 39)),),
        ((0,), (2, 6, 10, 14), (0, 3, 6, 8, 11, 14)), ((2, 6, 10, 14), _EIGHTHS, tuple(range(16))),
        drums=(_FOUR_TO_THE_FLOOR, _SIXTEENTHS), drums_chance=0.97, minor=0.65, arpeggio=0.45,
        chord_hold=0.8,
    ),
    Style(
        "folk", (84, 136),
        (("guitar", (24, 25)), ("string", (48,))),
        (("acoustic", (32,)),),
        ((0, 4, 6, 8, 12, 14), _EIGHTHS, _BEATS), ((0, 8),),
        percussion=(_SHAKEN,), percussion_chance=0.4, bass_chance=0.45, triple=0.35, minor=0.35,
        arpeggio=0.5,
    ),
    Style(
        "classical", (58, 132),
        (("string", (48, 49, 44)), ("piano", (0,)), ("organ", (19,))),
        (("acoustic", (43,)),),
        ((0,), (0, 8), _BEATS, _EIGHTHS), ((0, 8), _BEATS),
        bass_chance=0.7, triple=0.35, minor=0.45, arpeggio=0.4,
    ),
    Style(
        "reggae", (66, 94),
        (("guitar", (27,)), ("organ", (16, 18)), ("piano", (0, 4))),
        (("electric", (33, 34)),),
        ((4, 12), (2, 6, 10, 14)), ((0, 3, 6, 10), (0, 6, 8, 14)),
        drums=(_ONE_DROP, _STEPPERS), drums_chance=0.9, percussion=(_MARTILLO,),
        percussion_chance=0.2, chord_hold=0.3, bass_chance=0.95,
    ),
    Style(
        "ambient", (50, 72),
        (("synth", (50, 51, 88, 89, 91)), ("string", (48, 49))),
        (("synth", (39,)),),
        ((0,),), ((0,),),
        bass_chance=0.4, chords_chance=1.0, minor=0.5, arpeggio=0.2, chord_hold=1.0,
    ),
    Style(
        "latin", (94, 140),
        (("piano", (0, 1)), ("guitar", (24,))),
        (("acoustic", (32,)), ("electric", (33,))),
        ((0, 3, 6, 10, 14), (2, 4, 8, 10, 14), (0, 6, 12)), ((0, 6, 12), (6, 12)),
        drums=(_BACKBEAT,), drums_chance=0.25, percussion=(_TUMBAO, _BOSSA, _MARTILLO),
        percussion_chance=0.95, chord_hold=0.6, minor=0.55,
    ),
    Style(
        "funk", (90, 118),
        (("guitar", (26, 27)), ("organ", (16, 17)), ("piano", (4, 5))),
        (("electric", (36, 33)),),
        ((0, 3, 6, 7, 11, 14), (2, 3, 6, 10, 11, 14), (4, 12, 15)),
        ((0, 3, 6, 10, 11), (0, 2, 7, 10)),
        drums=(_FUNKY, _FUNKY_OPEN), drums_chance=0.97, percussion=(_MARTILLO, _SHAKEN),
        percussion_chance=0.3, chord_hold=0.35, bass_chance=0.97, minor=0.6,
    ),
)  # fmt: skip

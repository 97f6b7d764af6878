"""The instruments that lead: the classes of IRMAS, their General MIDI programs and ranges."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Instrument:
    """A class of instruments.

    Attributes
    ----------
    code : str
        As in IRMAS.
    name : str
    programs : tuple of int
        General MIDI, from 0; none for the voice, which is sung.
    lowest, highest : int
        Keys in MIDI that it plays.
    sustained : bool
        Whether its tones last as long as they are held, so that they can swell.
    chordal : bool
        Whether it plays several tones at a time.
    """

    code: str
    name: str
    programs: tuple[int, ...]
    lowest: int
    highest: int
    sustained: bool = True
    chordal: bool = False


#: In the order of IRMAS, which is that of the labels.
INSTRUMENTS = (
    Instrument("cel", "cello", (42,), 38, 66),
    Instrument("cla", "clarinet", (71,), 52, 82),
    Instrument("flu", "flute", (73,), 62, 91),
    Instrument("gac", "acoustic guitar", (24, 25), 45, 76, sustained=False, chordal=True),
    Instrument("gel", "electric guitar", (26, 27, 29, 30), 45, 79, sustained=False, chordal=True),
    Instrument("org", "organ", (16, 17, 18, 19), 45, 82, chordal=True),
    Instrument("pia", "piano", (0, 1, 2), 45, 90, sustained=False, chordal=True),
    Instrument("sax", "saxophone", (64, 65, 66, 67), 46, 78),
    Instrument("tru", "trumpet", (56, 59), 55, 80),
    Instrument("vio", "violin", (40,), 57, 90),
    Instrument("voi", "voice", (), 57, 79),
)
VOICE = INSTRUMENTS[-1]
#: Programs of guitars that are overdriven or distorted.
DISTORTED = frozenset({29, 30})

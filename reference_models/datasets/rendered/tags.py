"""Fifty tags, each a statement that is true of what sounds in the middle two seconds of a clip."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pytest_nnrel.corpus.audio import rms
from reference_models.datasets.rendered.instruments import DISTORTED, INSTRUMENTS
from reference_models.datasets.rendered.score import SWUNG
from reference_models.datasets.rendered.styles import BASSES, CHORDS, STYLES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from reference_models.datasets.rendered.score import Line, Note, Score

SAMPLE_RATE = 22050
WINDOW_SECONDS = 2.0
#: Below the whole, dB, from where on a line counts as not heard.
_HEARD_DB = -35.0
#: Beats a minute below which music is slow, and from which on it is fast.
_SLOW, _FAST = 84.0, 124.0
#: Tones of the lead in two seconds, at most and at least.
_SPARSE, _BUSY = 2, 8
#: Keys, weighted by length, up to which a melody is low, and from which on it is high.
_LOW, _HIGH = 58.0, 73.0
#: Level of the two seconds, dB of full scale.
_QUIET_DB, _LOUD_DB = -27.0, -18.5

LEADS = {instrument.code: f"{instrument.name} lead" for instrument in INSTRUMENTS}
TAGS = (
    *LEADS.values(),
    *(style.name for style in STYLES),
    *(f"{family} chords" for family in CHORDS),
    *(f"{family} bass" for family in BASSES),
    "drums", "hand percussion", "major", "minor", "slow", "moderate tempo", "fast",
    "sparse melody", "busy melody", "low melody", "high melody", "quiet", "loud",
    "female vocals", "male vocals", "staccato", "legato", "distortion", "arpeggio", "swing",
    "triple metre",
)  # fmt: skip


@dataclass(frozen=True)
class Sound:
    """The middle of a clip as it sounds.

    Attributes
    ----------
    stems : mapping of str to float32[samples]
        Its lines by role; they add up to the clip.
    """

    stems: Mapping[str, NDArray[np.float32]]

    @property
    def level(self) -> float:
        """RMS of the mixture."""
        return rms(np.asarray(sum(self.stems.values())))

    def heard(self, role: str) -> bool:
        """Whether a line is loud enough to be heard."""
        return rms(self.stems[role]) > self.level * 10 ** (_HEARD_DB / 20)


def tags_of(score: Score, sound: Sound, seconds: float) -> tuple[str, ...]:
    """Return a clip's tags, in the order of `TAGS`.

    Parameters
    ----------
    score : Score
    sound : Sound
        Of its middle.
    seconds : float
        Length of the score.
    """
    margin = (seconds - WINDOW_SECONDS) / 2
    window = margin, margin + WINDOW_SECONDS
    heard = [line for line in (score.lead, *score.accompaniment) if sound.heard(line.role)]
    true = {*_of_whole(score, heard), *_of_lines(score, heard, window), *_of_lead(score, window)}
    level = 20 * np.log10(max(sound.level, 1e-9))
    if level < _QUIET_DB:
        true.add("quiet")
    elif level > _LOUD_DB:
        true.add("loud")
    return tuple(tag for tag in TAGS if tag in true)


def _of_whole(score: Score, heard: list[Line]) -> Iterator[str]:
    """Yield tags of style, tempo and metre, which more than the lead must tell."""
    if len(heard) > 1:
        yield score.style
        yield (
            "slow" if score.tempo < _SLOW else "fast" if score.tempo >= _FAST else "moderate tempo"
        )
        if score.triple:
            yield "triple metre"


def _of_lines(score: Score, heard: list[Line], window: tuple[float, float]) -> Iterator[str]:
    """Yield tags of the lines that are heard."""
    names = {"drums": "drums", "percussion": "hand percussion"}
    for line in heard:
        tones = [note for note in line.notes if _overlap(note, window) > 0]
        if line.role in ("chords", "bass"):
            yield f"{line.family} {line.role}"
        elif line.role in names and any(window[0] <= note.start < window[1] for note in tones):
            yield names[line.role]
        if line.role == "chords" and score.arpeggio:
            yield "arpeggio"
        if line.program in DISTORTED and line.role in ("lead", "chords"):
            yield "distortion"
        if score.swung and any(_is_late(note, score, window) for note in tones):
            yield "swing"
        if line.role not in names and any(_tells_mode(note, score) for note in tones):
            yield "minor" if score.minor else "major"


def _of_lead(score: Score, window: tuple[float, float]) -> Iterator[str]:
    """Yield tags of the melody."""
    yield LEADS[score.instrument.code]
    if score.sex:
        yield f"{score.sex} vocals"
    begun = {note.start for note in score.lead.notes if window[0] <= note.start < window[1]}
    if len(begun) <= _SPARSE:
        yield "sparse melody"
    elif len(begun) >= _BUSY:
        yield "busy melody"
    if score.articulation != "ordinary":
        yield score.articulation
    lengths = [_overlap(note, window) for note in score.lead.notes]
    key = np.average([note.key for note in score.lead.notes], weights=lengths)
    if key < _LOW:
        yield "low melody"
    elif key >= _HIGH:
        yield "high melody"


def _overlap(note: Note, window: tuple[float, float]) -> float:
    """Return the seconds that a tone is held for in a window."""
    return max(0.0, min(note.end, window[1]) - max(note.start, window[0]))


def _is_late(note: Note, score: Score, window: tuple[float, float]) -> bool:
    """Whether a tone begins in a window on a swung off-beat."""
    within = (note.start * score.tempo / 60 + score.upbeat) % 1
    return window[0] <= note.start < window[1] and bool(np.isclose(within, SWUNG))


def _tells_mode(note: Note, score: Score) -> bool:
    """Whether a tone is a third or sixth of the scale, which only one of the modes has."""
    return (note.key - score.tonic) % 12 in ({3, 8} if score.minor else {4, 9})

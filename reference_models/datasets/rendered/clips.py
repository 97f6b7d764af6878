"""A clip from its number: its score, its sound, and what is true of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_nnrel.corpus.audio import centre, rms
from reference_models.datasets.rendered import voices
from reference_models.datasets.rendered.instruments import INSTRUMENTS, VOICE
from reference_models.datasets.rendered.score import compose
from reference_models.datasets.rendered.tags import SAMPLE_RATE, Sound, tags_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_nnrel.corpus.audio import Samples
    from reference_models.datasets.rendered.instruments import Instrument
    from reference_models.datasets.rendered.score import Score
    from reference_models.datasets.rendered.synthesis import Synthesiser

SECONDS = 4.0
#: Parts in the order that seeds are derived in.
PARTS = ("train", "validation", "test", "test-font")
#: That which is rendered through a SoundFont that no other part has heard.
HELD_OUT_PART = PARTS[-1]
#: Every how many clips the lead is sung.
_SUNG_EVERY = 4
#: Level of the lead over its accompaniment, dB: of instruments, and of voices.
_LEAD_DB, _VOICE_DB = (0.0, 8.0), (-6.0, 6.0)
#: Levels of accompanying lines in relation to each other, dB.
_LINE_DB = {"chords": (-3, 3), "bass": (-4, 3), "drums": (-5, 3), "percussion": (-9, -2)}
#: Level of clips, dB of full scale, and the peak that none has more than.
_CLIP_DB, _PEAK = (-34.0, -12.0), 0.98
_DRY_CHANCE = 0.35
_TUNING_CENTS = 8.0
_SWELLS = 16


@dataclass(frozen=True)
class Clip:
    """A rendered clip.

    Attributes
    ----------
    mixture : float32[samples]
        Mono, 4 s at 22,050 Hz.
    voice : float32[samples] or None
        The sung lead in it; None where the lead is an instrument.
    instrument : str
        The lead's code.
    tags : tuple of str
    facts : dict
        What it was made from, as plain values.
    """

    mixture: Samples
    voice: Samples | None
    instrument: str
    tags: tuple[str, ...]
    facts: dict[str, Any]


def lead_of(index: int) -> Instrument:
    """Return what leads a clip: every fourth is sung, the other classes take turns."""
    if index % _SUNG_EVERY == 0:
        return VOICE
    others = INSTRUMENTS[:-1]
    return others[(index - index // _SUNG_EVERY - 1) % len(others)]


def render_clip(
    seed: int,
    part: str,
    index: int,
    synthesisers: Mapping[str, Synthesiser],
    sung: voices.Voices,
) -> Clip:
    """Render a clip, which depends on nothing but the arguments.

    Parameters
    ----------
    seed : int
        Of the corpus.
    part : str
        Of `PARTS`.
    index : int
        Of the clip in its part.
    synthesisers : mapping of str to Synthesiser
        By the SoundFont's name: the held-out one for part ``test-font``, else those to choose from.
    sung : Voices
    """
    rng = np.random.default_rng([seed, PARTS.index(part), index])
    score = compose(rng, SECONDS, instrument=lead_of(index))
    font = str(rng.choice(sorted(synthesisers)))
    cents = float(rng.normal(0, _TUNING_CENTS))
    if score.lead.program is None:
        lead = voices.sing(score.lead, sung, score.sex, SECONDS, rng, cents=cents)
        over = rng.uniform(*_VOICE_DB)
    else:
        swells = _swells(rng) if score.instrument.sustained else ()
        lead = synthesisers[font].render(score.lead, SECONDS, cents=cents, swells=swells)
        over = rng.uniform(*_LEAD_DB)
    lines = {"lead": lead}
    for line in score.accompaniment:
        rendered = synthesisers[font].render(line, SECONDS, cents=cents)
        lines[line.role] = _at_level(rendered, rng.uniform(*_LINE_DB[line.role]))
    stems = _mixed(lines, over, rng)
    mixture = sum(stems.values(), np.zeros_like(lead))
    sound = Sound({role: centre(stem, 2 * SAMPLE_RATE) for role, stem in stems.items()})
    facts = {**_facts(score), "soundfont": font, "lead_db": round(over, 2)}
    voice = stems["lead"] if score.instrument is VOICE else None
    return Clip(mixture, voice, score.instrument.code, tags_of(score, sound, SECONDS), facts)


def _mixed(lines: dict[str, Samples], over: float, rng: np.random.Generator) -> dict[str, Samples]:
    """Return lines as they sound in the clip: levels, a room, a tone; their sum is the clip."""
    accompaniment = sum(line for role, line in lines.items() if role != "lead")
    level = rms(np.asarray(accompaniment))
    balanced = {
        role: _at_level(line, over) if role == "lead" else line / max(level, 1e-9)
        for role, line in lines.items()
    }
    shaped = _recording(rng)
    sounding = {role: shaped(line) for role, line in balanced.items()}
    mixture = sum(sounding.values(), np.zeros_like(lines["lead"]))
    wanted = 10 ** (rng.uniform(*_CLIP_DB) / 20) / rms(mixture)
    gain = min(wanted, _PEAK / float(np.abs(mixture).max()))
    return {role: (gain * line).astype(np.float32) for role, line in sounding.items()}


def _recording(rng: np.random.Generator) -> Callable[[Samples], Samples]:
    """Return the room and the tone of a recording, which are linear: stems still add up."""
    from pedalboard import HighShelfFilter, LowShelfFilter, Reverb

    size, wet, damping = rng.uniform(0.1, 0.7), rng.uniform(0.05, 0.3), rng.uniform(0.2, 0.9)
    room = Reverb(room_size=size, wet_level=wet, dry_level=0.4, damping=damping)
    dry = rng.random() < _DRY_CHANCE
    low, high = rng.uniform(-4, 4), rng.uniform(-6, 4)
    tone = (LowShelfFilter(200, gain_db=low), HighShelfFilter(4000, gain_db=high))
    effects = tone if dry else (room, *tone)

    def shaped(line: Samples) -> Samples:
        for effect in effects:
            line = effect(line, SAMPLE_RATE)
        return line

    return shaped


def _at_level(line: Samples, db: float) -> Samples:
    """Return a line at a level, dB of an RMS of 1."""
    return (line * (10 ** (db / 20) / max(rms(line), 1e-9))).astype(np.float32)


def _swells(rng: np.random.Generator) -> tuple[float, ...]:
    """Return how a sustained line swells and fades."""
    turns = np.interp(np.arange(_SWELLS), np.linspace(0, _SWELLS - 1, 5), rng.uniform(0.6, 1, 5))
    return tuple(turns.tolist())


def _facts(score: Score) -> dict[str, Any]:
    return {
        "style": score.style,
        "tempo": round(score.tempo, 2),
        "tonic": score.tonic,
        "minor": score.minor,
        "program": score.lead.program,
        "accompaniment": {line.role: line.program for line in score.accompaniment},
    }

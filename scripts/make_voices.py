"""Render a corpus of synthetic speech: 72 clips of the 24 talkers of the ambience (espeak-ng).

A folder for each talker has three files of two sentences in the talker's language, which no other
file has together, dry and equally loud. ``examples/real_encoders/measure.py --speech FOLDER`` takes
each folder as one group, so that a clip's rivals are other talkers.

Run it as ``python scripts/make_voices.py --out FOLDER``.
"""

from __future__ import annotations

import argparse
from itertools import groupby
from pathlib import Path

import make_ambience as ambience
import numpy as np
import soundfile

#: Files of each talker.
FILES = 3
#: Between the two sentences, and before and after both, where a clip of 4 s needs it.
PAUSE_SECONDS, LEAST_SECONDS = 0.2, 4.2


def languages() -> list[list[ambience.Talker]]:
    """Return talkers by language: what stands before the accent in the name of a voice."""

    def language(talker: ambience.Talker) -> str:
        return talker.voice[:2]

    everybody = sorted((one for table in ambience.TABLES for one in table), key=language)
    return [list(group) for _, group in groupby(everybody, key=language)]


def render(program: str, talker: ambience.Talker, text: tuple[str, str]) -> ambience.Samples:
    """Return two sentences of a talker, float64[n] at the ambience's rate and loudness."""
    rng = np.random.default_rng(0)
    pause = np.zeros(round(PAUSE_SECONDS * ambience.SAMPLE_RATE))
    first, second = (
        ambience.speak(program, talker.voice, one, rng, speed=talker.speed, pitch=talker.pitch)
        for one in text
    )
    samples = np.concatenate([pause, first, pause, second, pause])
    lacking = max(0, round(LEAST_SECONDS * ambience.SAMPLE_RATE) - len(samples))
    samples = np.pad(samples, (lacking // 2, lacking - lacking // 2))
    return samples * ambience.db_to_gain(ambience.LOUDNESS_LUFS - ambience.loudness(samples))


def main() -> None:
    """Render all talkers."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, required=True, help="folder for the voices")
    folder = parser.parse_args().out
    program = ambience.require_espeak()
    for talkers in languages():
        sentences = [sentence for talker in talkers for sentence in talker.sentences]
        for number, talker in enumerate(talkers):
            place = folder / talker.voice
            place.mkdir(parents=True, exist_ok=True)
            for file in range(FILES):
                at = number * FILES + file
                text = sentences[at], sentences[(at + 4) % len(sentences)]
                samples = render(program, talker, text)
                soundfile.write(place / f"{file}.flac", samples, int(ambience.SAMPLE_RATE))
        print(f"{len(talkers)} talkers of {talkers[0].voice[:2]}")


if __name__ == "__main__":
    main()

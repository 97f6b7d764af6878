"""Render the voices that `Babble` mixes in: a crowd of synthetic talkers, near and all as loud.

The talkers are those of the ambience, without its room, its glasses and its laughter. All of it is
laid out on a circle of the recording's length, so that the end runs into the start.

Run it as ``python scripts/make_babble.py --out pytest_nnrel/data/babble.ogg``.
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

import make_ambience as ambience
import numpy as np

#: As many as that single words are no longer understood, and as few as that voices are heard.
TALKERS = 6
SECONDS = 12.0
#: Pauses between the sentences of one, mean and deviation.
PAUSE_SECONDS = (0.15, 0.1)


def render(program: str, *, seed: int) -> ambience.Samples:
    """Return the voices, float64[n] at the ambience's sample rate and loudness."""
    rng = np.random.default_rng(seed)
    length = round(SECONDS * ambience.SAMPLE_RATE)
    voices = [table[number % len(table)] for number, table in enumerate(ambience.TABLES)]
    circle = np.zeros(length)
    for talker in voices[:TALKERS]:
        own = np.zeros(length)
        now = float(rng.uniform(0.0, SECONDS))
        end = now + SECONDS
        number = 0
        while now < end:
            sentence = ambience.speak(
                program,
                talker.voice,
                talker.sentences[number % len(talker.sentences)],
                rng,
                speed=talker.speed,
                pitch=talker.pitch,
            )
            ambience.add_at(own, sentence, now)
            now += len(sentence) / ambience.SAMPLE_RATE + max(0.0, rng.normal(*PAUSE_SECONDS))
            number += 1
        circle += own / ambience.rms(own)
    return circle * ambience.db_to_gain(ambience.LOUDNESS_LUFS - ambience.loudness(circle))


def main() -> None:
    """Render, write and report."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("babble.ogg"), help="Ogg Vorbis file")
    parser.add_argument("--seed", type=int, default=0, help="of everything that is drawn")
    arguments = parser.parse_args()
    samples = render(ambience.require_espeak(), seed=arguments.seed)
    ambience.write(arguments.out, samples)
    print(ambience.describe(arguments.out))
    print(f"samples' SHA-256  {hashlib.sha256(samples.tobytes()).hexdigest()} (before encoding)")


if __name__ == "__main__":
    main()

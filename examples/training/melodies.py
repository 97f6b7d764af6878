"""Music to train on, made of nothing: melodies that are played by one of a few instruments."""

from __future__ import annotations

import numpy as np

SAMPLE_RATE = 16_000
SECONDS = 2.0
INSTRUMENTS = 8
_SCALE = (0, 2, 4, 7, 9)


def melodies(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return waveforms, ``float32[count, samples]``, and who plays, ``int64[count]``."""
    rng = np.random.default_rng(seed)
    players = rng.integers(INSTRUMENTS, size=count)
    return np.stack([_melody(player, rng) for player in players]), players


def _melody(player: int, rng: np.random.Generator) -> np.ndarray:
    """Return a melody over a drone, in a key, at a tempo and a loudness of its own."""
    length = round(SECONDS * SAMPLE_RATE)
    tonic = rng.integers(45, 57)
    beat = rng.uniform(0.12, 0.4)
    out = 0.4 * _tone(tonic - 12, SECONDS, player, rng)
    for start in np.arange(0.0, SECONDS - 0.05, beat):
        pitch = tonic + 12 * rng.integers(0, 2) + rng.choice(_SCALE)
        tone = _tone(pitch, min(beat * rng.uniform(0.8, 2.0), SECONDS - start), player, rng)
        first = round(start * SAMPLE_RATE)
        out[first : first + len(tone)] += tone[: length - first]
    return (rng.uniform(0.05, 0.5) * out / np.abs(out).max()).astype(np.float32)


def _tone(pitch: int, seconds: float, player: int, rng: np.random.Generator) -> np.ndarray:
    """Return a tone whose partials and decay are its player's."""
    timbre = np.random.default_rng(player)
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    hertz = 440.0 * 2.0 ** ((pitch - 69) / 12)
    partials = np.arange(1, 9)
    levels = timbre.uniform(0.0, 1.0, len(partials)) / partials ** timbre.uniform(0.3, 1.5)
    levels[partials * hertz > SAMPLE_RATE / 2] = 0.0
    phases = 2 * np.pi * rng.uniform(size=(len(partials), 1))
    waves = np.sin(2 * np.pi * hertz * partials[:, None] * time + phases)
    envelope = np.exp(-timbre.uniform(1.0, 8.0) * time) * np.minimum(time / 0.01, 1.0)
    return levels @ waves * envelope

"""What the paper's engine makes of bundled clips, stored: the command line tool is in no wheel.

``python tests/pyrubberband_output.py`` makes the file anew, where pyrubberband and the binary
``rubberband`` (Debian: rubberband-cli) are; pyrubberband 0.4.0 and Rubber Band 3.1.2 made it.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np

from pytest_nnrel import Corpus
from pytest_nnrel.transforms import PitchShift, TempoShift

FILE = Path(__file__).with_suffix(".npz")
#: Families and magnitudes, up and down, among them the paper's smallest.
CASES = [
    *((PitchShift, semitones) for semitones in (-12, -1, -0.25, 0.25, 2, 6)),
    *((TempoShift, rate) for rate in (0.3, 0.7, 0.98, 1.02, 1.2, 1.5)),
]
#: Every so many samples one is kept; a prime, so that no frame of the engine is hit twice alike.
STEP = 101


def clip(magnitude):
    """Return the bundled clip that is shifted by a magnitude."""
    return list(Corpus.bundled().subset(8))[[2, 5][int(magnitude > 1)]]


def stored(family, magnitude):
    """Return how many samples the engine made, and every `STEP`-th of them, float64[n]."""
    length, *steps = _file()[_name(family, magnitude)]
    return int(length), np.array(steps) / 32768


@cache
def _file():
    with np.load(FILE) as arrays:
        return dict(arrays)


def _name(family, magnitude):
    return f"{family.__name__}({magnitude})"


def _write():
    arrays = {}
    for family, magnitude in CASES:
        made = family(magnitude, engine="pyrubberband").apply_checked(clip(magnitude))
        gain = made.checks["loudness_gain_db"]
        out = made.clip.samples.astype(np.float64) * 10 ** (-gain / 20)
        # The tool writes 16-bit files.
        steps = np.rint(out[::STEP] * 32768).astype(np.int32)
        arrays[_name(family, magnitude)] = np.array([len(out), *steps], np.int32)
    np.savez_compressed(FILE, **arrays)


if __name__ == "__main__":
    _write()

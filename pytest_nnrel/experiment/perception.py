"""Distance of two clips as heard: Zimtohrli, a model of hearing by Google (Apache-2.0)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pytest_nnrel.corpus.audio import resample
from pytest_nnrel.errors import CorpusError, EngineError
from pytest_nnrel.runtime.versions import library_version

if TYPE_CHECKING:
    from pytest_nnrel.corpus import Clip

#: What Zimtohrli hears, in Hz.
SAMPLE_RATE = 48_000
#: Clips shorter than this have too few of its steps (84 a second) to be aligned and compared.
LEAST_SECONDS = 0.25


def check(seconds: float) -> None:
    """Make sure that clips of a length can be compared.

    Raises
    ------
    EngineError
        If zimtohrli is not installed.
    CorpusError
        If they are too short.
    """
    try:
        import zimtohrli  # noqa: F401
    except ImportError as error:
        raise EngineError(
            "damage as perceived needs the zimtohrli package: pip install"
            ' "pytest-nnrel[perception]"; scale="audio" does without'
        ) from error
    if seconds < LEAST_SECONDS:
        raise CorpusError(
            f"clips of {seconds:g} s are too short to compare as heard, which takes"
            f" {LEAST_SECONDS:g} s; use longer ones (source_seconds=), or the scale 'audio'"
        )


def version() -> str:
    """Return what decides its values besides the clips."""
    return f"zimtohrli {library_version('zimtohrli')} at {SAMPLE_RATE} Hz"


def perceived_distance(original: Clip, transformed: Clip) -> float:
    """Return Zimtohrli's distance of a clip from its original.

    It aligns both in time, so that they may be of different lengths.

    Parameters
    ----------
    original, transformed : Clip

    Returns
    -------
    float
        0 for what is the same, some .03 for two pieces of music.
    """
    from zimtohrli import Pyohrli

    first, second = (
        resample(clip.samples, clip.sample_rate, SAMPLE_RATE) for clip in (original, transformed)
    )
    if np.array_equal(first, second):
        return 0.0
    return float(Pyohrli().distance(first, second))

"""Corpora that checks are tried on, and a sink of their own."""

import numpy as np
import pytest

from pytest_nnrel import Corpus
from pytest_nnrel.recording import sink


@pytest.fixture(autouse=True)
def recorded():
    """Keep verdicts from the session's report."""
    with sink("pytest test_encoder.py::test_sane") as opened:
        yield opened


@pytest.fixture(scope="package")
def corpus():
    return Corpus.bundled().subset(8)


@pytest.fixture(scope="package")
def make_short():
    """Return a function that makes clips of half a second at 8 kHz."""

    def make(clips):
        music = Corpus.bundled().subset(clips)
        return Corpus.from_arrays(
            np.stack([clip.window(0.5, sample_rate=8000) for clip in music]),
            sample_rate=8000,
            ids=music.ids,
            window_seconds=0.5,
        )

    return make


@pytest.fixture(scope="package")
def short(make_short):
    """Four of them: for what does not depend on the audio."""
    return make_short(4)

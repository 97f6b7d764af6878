"""Frames of music, which distances are tried on."""

from __future__ import annotations

import pytest

from pytest_nnrel import Corpus, audio_features


@pytest.fixture(scope="session")
def frames():
    """MFCCs of recorded music, 87 x 24 each."""
    corpus = Corpus.bundled().subset(12)
    return [audio_features(clip.with_samples(clip.window(2.0))) for clip in corpus]

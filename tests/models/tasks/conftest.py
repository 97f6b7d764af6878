"""Audio that every task can hear."""

from __future__ import annotations

import pytest

from pytest_nnrel import Identity
from reference_models.evaluation import windows


@pytest.fixture(scope="session")
def music(open_corpus):
    """Return six windows of rendered music: float32[6, 44100]."""
    return windows(open_corpus("at", "test"), Identity(), range(6))

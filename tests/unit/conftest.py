"""What unit tests of encoders share: eight short clips, and settings with a cache of their own."""

from __future__ import annotations

import numpy as np
import pytest

from pytest_nnrel import Corpus
from pytest_nnrel.experiment import stores
from pytest_nnrel.recording import sink
from pytest_nnrel.runtime import settings
from pytest_nnrel.runtime.settings import Settings


@pytest.fixture(scope="module")
def corpus():
    """Eight clips of a second, of which the centre half is compared."""
    music = Corpus.bundled().subset(8)
    return Corpus.from_arrays(
        np.stack([clip.window(1.0) for clip in music]),
        sample_rate=22_050,
        ids=music.ids,
        window_seconds=0.5,
    )


@pytest.fixture
def run(tmp_path):
    """Settings with a cache of their own, active for the length of a test."""
    active = Settings(cache_dir=tmp_path / "cache", jobs=1)
    token = settings.activate(active)
    with sink():  # nothing of this is for the session's report
        yield active
    settings.deactivate(token)
    stores.close_stores(active)

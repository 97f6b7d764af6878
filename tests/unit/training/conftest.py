"""What tests of trainings share: a small encoder, and short clips to measure it on."""

from __future__ import annotations

import numpy as np
import pytest

from pytest_nnrel import Corpus


@pytest.fixture
def network():
    from small_network import Network

    return Network()


@pytest.fixture(scope="module")
def short():
    """Six clips of half a second."""
    music = Corpus.bundled().subset(6)
    return Corpus.from_arrays(
        np.stack([clip.window(0.5) for clip in music]),
        sample_rate=22_050,
        ids=music.ids,
        window_seconds=0.5,
    )

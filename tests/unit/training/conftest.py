"""What tests of trainings share: a small encoder, and settings with a cache of their own."""

from __future__ import annotations

import numpy as np
import pytest

from pytest_nnrel import Corpus
from pytest_nnrel.experiment import stores
from pytest_nnrel.recording import sink
from pytest_nnrel.runtime import settings
from pytest_nnrel.runtime.settings import Settings

torch = pytest.importorskip("torch")


class Network(torch.nn.Module):
    """Filters, batch normalisation, energies, dropout and a linear layer."""

    sample_rate = 22_050

    def __init__(self, seed=0, size=4):
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.filters = torch.nn.Conv1d(1, 8, 64, stride=32)
            self.norm = torch.nn.BatchNorm1d(8)
            self.dropout = torch.nn.Dropout(0.2)
            self.head = torch.nn.Linear(8, size)

    def forward(self, waveforms):
        frames = self.norm(self.filters(waveforms[:, None])).relu()
        return self.head(self.dropout(frames.mean(dim=2)))


@pytest.fixture
def network():
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


@pytest.fixture(scope="module")
def stored_here(tmp_path_factory):
    """Settings with a cache of their own for a whole module, whose measurements go nowhere."""
    active = Settings(cache_dir=tmp_path_factory.mktemp("cache"), jobs=1)
    token = settings.activate(active)
    with sink():
        yield active
    settings.deactivate(token)
    stores.close_stores(active)

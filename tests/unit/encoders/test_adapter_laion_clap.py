"""Models of LAION's CLAP: one with its way of asking for embeddings, and the real class."""

import pytest
from trial import Trial

from pytest_nnrel import as_encoder


def model_of(samples, seed, *, codes=False):
    torch = pytest.importorskip("torch")

    class Module(torch.nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(seed)
            self.model = torch.nn.Linear(samples, 5)

        def get_audio_embedding_from_data(self, x, use_tensor=False):
            assert not use_tensor  # as which audio is not rounded
            out = self.model(torch.from_numpy(x.astype("float32"))).numpy()
            return out.astype(int) if codes else out

    return Module()


def trial(folder, windows):
    torch = pytest.importorskip("torch")
    samples = windows.shape[1]
    model = model_of(samples, 0)

    def bare(batch):
        with torch.no_grad():
            return model.model(torch.from_numpy(batch)).numpy()

    return Trial(model, bare, model_of(samples, 1), model_of(samples, 0, codes=True))


def test_its_configuration_states_the_rate():
    model = model_of(9, 0)
    assert as_encoder(model).sample_rate is None
    model.model_cfg = {"audio_cfg": {"sample_rate": 48_000}}
    assert as_encoder(model).sample_rate == 48_000
    assert as_encoder(model, sample_rate=44_100).sample_rate == 44_100

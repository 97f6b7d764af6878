"""Models of SpeechBrain: one of that shape, and the library's own class with random weights."""

import numpy as np
import pytest
from trial import RATE, Trial

from pytest_nnrel import EncoderError, as_encoder


def model_of(samples, seed, kind=None):
    torch = pytest.importorskip("torch")

    class Classifier(torch.nn.Module):
        device = "cpu"

        def __init__(self):
            super().__init__()
            torch.manual_seed(seed)
            self.layer = torch.nn.Linear(samples, 5)

        def encode_batch(self, wavs, wav_lens):
            assert wav_lens.shape == (len(wavs),)
            return (wav_lens[:, None] * self.layer(wavs.to(self.device)))[:, None].to(kind)

        def forward(self, wavs):
            raise AssertionError("classifies")

    return Classifier()


def trial(folder, windows):
    torch = pytest.importorskip("torch")
    samples = windows.shape[1]
    model = model_of(samples, 0)

    def bare(batch):
        with torch.no_grad():
            return model.layer(torch.from_numpy(batch)).numpy()

    return Trial(model, bare, model_of(samples, 1), model_of(samples, 0, torch.int64))


def test_it_moves_its_input_where_it_is_moved_to(windows):
    model = model_of(windows.shape[1], 0)
    before = as_encoder(model).fingerprint
    with pytest.raises(EncoderError):
        as_encoder(model, device="meta").encode(windows, RATE)
    assert model.device == "meta"
    assert as_encoder(model_of(windows.shape[1], 0)).fingerprint == before


@pytest.fixture(scope="module")
def ecapa():
    """An `EncoderClassifier` around a small ECAPA-TDNN."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("speechbrain")
    from speechbrain.inference.classifiers import EncoderClassifier
    from speechbrain.lobes.features import Fbank
    from speechbrain.lobes.models.ECAPA_TDNN import ECAPA_TDNN
    from speechbrain.processing.features import InputNormalization

    torch.manual_seed(0)
    network = ECAPA_TDNN(
        24, lin_neurons=8, channels=[16] * 4 + [32], attention_channels=8, res2net_scale=2,
        se_channels=8,
    )  # fmt: skip
    modules = {
        "compute_features": Fbank(n_mels=24, sample_rate=RATE),
        "mean_var_norm": InputNormalization(norm_type="sentence", std_norm=False),
        "embedding_model": network,
        "classifier": torch.nn.Linear(8, 3),
    }
    return EncoderClassifier(modules, {"label_encoder": None}, {"device": "cpu"})


@pytest.mark.filterwarnings("default")
def test_the_librarys_own_class(ecapa, windows):
    import torch

    encoder = as_encoder(ecapa)
    assert encoder.sample_rate == RATE
    found = encoder.encode(windows, RATE)
    expected = ecapa.encode_batch(torch.from_numpy(windows))[:, 0].numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    assert encoder.fingerprint is not None
    assert encoder.fingerprint == as_encoder(ecapa).fingerprint

"""Models with MTEB's protocol: one's own, and the library's with random weights."""

import numpy as np
import pytest
from trial import RATE, Trial, bands

from pytest_nnrel import as_encoder


class Model:
    sampling_rate = RATE

    def __init__(self, gain=1.0, kind=float):
        self.gain = gain
        self.kind = kind

    def encode(self, inputs, *, task_metadata, hf_split, hf_subset, prompt_type=None, **kwargs):
        assert task_metadata.modalities == ["audio"]
        found = []
        for rows in inputs:
            for item in rows["audio"]:
                assert item["sampling_rate"] == self.sampling_rate
                found.append(self.gain * bands(item["array"][None])[0])
        return np.stack(found).astype(self.kind)


def trial(folder, windows):
    pytest.importorskip("torch")
    return Trial(Model(), bands, Model(2.0), Model(9, int))


def test_a_method_that_is_named_goes_over_the_protocol(windows):
    class Both(Model):
        def embed(self, batch):
            return bands(batch)

    found = as_encoder(Both(5.0), method="embed").encode(windows, RATE)
    np.testing.assert_array_equal(found, bands(windows).astype(np.float32))


def test_it_is_known_by_the_mode_that_it_is_left_in():
    torch = pytest.importorskip("torch")
    model = Model(torch.nn.Dropout(0.5))
    known = {as_encoder(model).fingerprint}
    model.gain.eval()
    known.add(as_encoder(model).fingerprint)
    assert len(known - {None}) == 2


@pytest.mark.filterwarnings("default")
def test_the_librarys_own_wrapper(windows):
    torch = pytest.importorskip("torch")
    pytest.importorskip("torchaudio")
    pytest.importorskip("mteb")
    import transformers
    from mteb.models.model_implementations.wav2vec2_models import Wav2Vec2AudioWrapper

    torch.manual_seed(0)
    config = transformers.Wav2Vec2Config(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32,
        conv_dim=(16,) * 7,
    )  # fmt: skip
    model = Wav2Vec2AudioWrapper.__new__(Wav2Vec2AudioWrapper)  # which would download one
    model.device = "cpu"
    model.max_audio_length_seconds = None
    model.model = transformers.Wav2Vec2Model(config).eval()
    model.is_ctc_model = False
    model.per_clip = True
    model.feature_extractor = transformers.Wav2Vec2FeatureExtractor()
    model.sampling_rate = model.feature_extractor.sampling_rate

    encoder = as_encoder(model)
    assert encoder.sample_rate == RATE
    expected = as_encoder((model.model, model.feature_extractor))
    np.testing.assert_allclose(
        encoder.encode(windows, RATE), expected.encode(windows, RATE), rtol=1e-4, atol=1e-5
    )
    assert encoder.fingerprint is not None

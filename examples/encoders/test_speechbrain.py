"""A model of SpeechBrain is an encoder as it is, here a small ECAPA-TDNN without a download.

Its `encode_batch` is run, at the rate of its `audio_normalizer`.
"""

import pytest

from pytest_nnrel import MP3, as_encoder, assert_within_consistency

torch = pytest.importorskip("torch")
pytest.importorskip("speechbrain")


@pytest.fixture(scope="module")
def classifier():
    """Yours: `EncoderClassifier.from_hparams("speechbrain/spkrec-ecapa-voxceleb")`."""
    from speechbrain.inference.classifiers import EncoderClassifier
    from speechbrain.lobes.features import Fbank
    from speechbrain.lobes.models.ECAPA_TDNN import ECAPA_TDNN
    from speechbrain.processing.features import InputNormalization

    torch.manual_seed(0)
    modules = {
        "compute_features": Fbank(n_mels=40),
        "mean_var_norm": InputNormalization(norm_type="sentence", std_norm=False),
        "embedding_model": ECAPA_TDNN(40, lin_neurons=32, channels=[32] * 4 + [96]),
        "classifier": torch.nn.Linear(32, 3),
    }
    return EncoderClassifier(modules, {"label_encoder": None})


@pytest.mark.filterwarnings("default")
@pytest.mark.nnrel(clips=10)
def test_a_model(classifier):
    assert_within_consistency(as_encoder(classifier), MP3(kbps=64), min=0.9)

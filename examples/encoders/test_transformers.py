"""Models of Hugging Face's transformers, here made from a configuration instead of downloaded.

A model and its feature extractor or processor, in this order, are an encoder: at the extractor's
rate, on the model's device, known again by weights and settings. The embedding is the model's own
vector, or the mean of its last layer's frames, without those that the extractor has padded.
`output` and `pool` choose another; a pipeline is its model below the head.
"""

import pytest

from pytest_nnrel import MP3, PitchShift, as_encoder, assert_within_consistency

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

TINY = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
RATE = 16_000


@pytest.mark.nnrel(clips=10)
def test_a_model_of_raw_audio():
    torch.manual_seed(0)
    config = transformers.Wav2Vec2Config(**TINY, intermediate_size=64, conv_dim=(32,) * 7)
    model = transformers.Wav2Vec2Model(config)  # yours: .from_pretrained(NAME, revision=REVISION)
    encoder = as_encoder(
        model, sample_rate=RATE, output="last_hidden_state", pool="mean", fingerprint="tiny, seed 0"
    )
    assert_within_consistency(encoder, MP3(kbps=96), min=0.9)


@pytest.fixture(scope="module")
def spectrogram_transformer():
    torch.manual_seed(0)
    shape = {"max_length": 200, "num_mel_bins": 64}  # frames of 10 ms, and bands
    config = transformers.ASTConfig(**TINY, **shape, intermediate_size=64)
    return transformers.ASTModel(config), transformers.ASTFeatureExtractor(**shape)


@pytest.mark.nnrel(clips=10)
def test_a_model_behind_its_feature_extractor(spectrogram_transformer):
    model, extractor = spectrogram_transformer
    assert_within_consistency((model, extractor), PitchShift(semitones=0.25), min=0.9)


@pytest.mark.nnrel(clips=10)
def test_another_output(spectrogram_transformer):
    encoder = as_encoder(
        spectrogram_transformer, output="last_hidden_state", pool="max", pool_axis=1, name="patches"
    )
    assert_within_consistency(encoder, PitchShift(semitones=0.25), min=0.9)


@pytest.mark.nnrel(clips=10)
def test_a_pipeline_without_its_classes():
    torch.manual_seed(0)
    config = transformers.Wav2Vec2Config(**TINY, intermediate_size=64, conv_dim=(32,) * 7)
    pipeline = transformers.pipeline(  # yours: pipeline("audio-classification", NAME)
        "audio-classification",
        model=transformers.Wav2Vec2ForSequenceClassification(config),
        feature_extractor=transformers.Wav2Vec2FeatureExtractor(),
    )
    assert_within_consistency(as_encoder(pipeline), MP3(kbps=96), min=0.9)

"""Models of Hugging Face's transformers, here made from a configuration instead of downloaded.

`output` names the output that is the embedding, `pool` what becomes of its frames. For layers in
between, say `output_hidden_states=True` in the configuration and pass a function, as below. Give
the checkpoint's revision as `fingerprint`, and embeddings are kept between runs.
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


@pytest.mark.nnrel(clips=10)
def test_a_model_behind_its_feature_extractor():
    torch.manual_seed(0)
    shape = {"max_length": 200, "num_mel_bins": 64}  # frames of 10 ms, and bands
    config = transformers.ASTConfig(**TINY, **shape, intermediate_size=64)
    model = transformers.ASTModel(config).eval()
    extractor = transformers.ASTFeatureExtractor(**shape)

    def embed(batch):
        inputs = extractor(list(batch), sampling_rate=RATE, return_tensors="pt")
        with torch.no_grad():
            return model(**inputs).pooler_output

    encoder = as_encoder(embed, sample_rate=extractor.sampling_rate, name="AST")
    assert_within_consistency(encoder, PitchShift(semitones=0.25), min=0.9)

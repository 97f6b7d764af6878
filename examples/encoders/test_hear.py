"""A module with HEAR's common API, by its dotted name or as the module.

Its `load_model()` is called once, its `get_scene_embeddings` embeds at the model's `sample_rate`.
Weights that are not the default: make the model yourself, and pass a function of the audio.
"""

import pytest

from pytest_nnrel import EnvironmentalNoise, PitchShift, as_encoder, assert_within_consistency

torch = pytest.importorskip("torch")


@pytest.mark.nnrel(clips=10)
def test_a_hear_module_by_name():
    assert_within_consistency("hear_log_mel", PitchShift(semitones=0.25), min=0.9)


@pytest.mark.nnrel(clips=10)
def test_weights_of_ones_own():
    import hear_log_mel

    model = hear_log_mel.load_model("weights.pt").eval()

    def embed(audio):
        with torch.no_grad():
            return hear_log_mel.get_scene_embeddings(torch.from_numpy(audio), model)

    encoder = as_encoder(embed, sample_rate=model.sample_rate, name="log-mel of weights.pt")
    assert_within_consistency(encoder, EnvironmentalNoise(snr_db=30), min=0.9)

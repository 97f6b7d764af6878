"""Torch modules behind a front end: models of transformers, made of a small configuration."""

from functools import cache

import numpy as np
import pytest
from trial import RATE, Trial

from pytest_nnrel import EncoderError, as_encoder

TINY = {
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 32,
}
WHISPER = {
    "d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2,
    "decoder_attention_heads": 2, "encoder_ffn_dim": 32, "decoder_ffn_dim": 32, "vocab_size": 9,
    "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 1,
    "num_mel_bins": 16,
}  # fmt: skip
CLAP = {
    "text_config": {**TINY, "vocab_size": 9, "projection_dim": 8},
    "audio_config": {
        "hidden_size": 16, "patch_embeds_hidden_size": 8, "depths": [1, 1], "num_mel_bins": 64,
        "num_attention_heads": [2, 2], "spec_size": 256, "projection_dim": 8,
    },
    "projection_dim": 8,
}  # fmt: skip


def trial(folder, windows):
    torch = pytest.importorskip("torch")

    class Net(torch.nn.Module):
        def __init__(self, seed, kind=None):
            super().__init__()
            torch.manual_seed(seed)
            self.layer = torch.nn.Conv1d(1, 5, windows.shape[1])
            self.dropout = torch.nn.Dropout(0.5)
            self.kind = kind

        def forward(self, waveform, *, gain):
            return gain * self.dropout(self.layer(waveform)[:, :, 0]).to(self.kind)

    def front_end(batch, sample_rate):
        return {"waveform": batch[:, None], "gain": sample_rate / RATE}

    net = Net(0).train()

    def bare(batch):
        with torch.no_grad():
            return net.layer(torch.from_numpy(batch)[:, None])[:, :, 0].numpy()

    return Trial(
        (net, front_end), bare, (Net(1), front_end), (Net(0, torch.int64), lambda batch: {
            "waveform": batch[:, None], "gain": 1})
    )  # fmt: skip


# What front ends of one's own return


def test_a_module_in_a_front_end_is_run_in_its_own_mode_and_known_by_it():
    torch = pytest.importorskip("torch")
    net, dropout = torch.nn.Linear(8, 3), torch.nn.Dropout(0.5)
    encoder = as_encoder((net, lambda audio: dropout(torch.from_numpy(audio))))
    known = []
    for of_net, of_front_end in ((True, True), (False, True), (False, False)):
        net.train(of_net)
        dropout.train(of_front_end)
        known.append(encoder.fingerprint)
    assert known[0] == known[1] != known[2] is not None


def test_a_tuple_is_passed_by_place_and_all_else_as_the_one_argument(windows):
    torch = pytest.importorskip("torch")

    class Takes(torch.nn.Module):
        def forward(self, given, rate=None):
            if isinstance(given, dict):
                given, rate = given["audio"], given["rate"]
            given = torch.stack(given) if isinstance(given, list) else given
            return given.reshape(len(given), -1)[:, :3] + (rate or 0)

    front_ends = {
        "array": (lambda audio: audio[:, None], 0),
        "list": (list, 0),
        "by place": (lambda audio, sr: (audio, sr), RATE),
        "a mapping by place": (lambda audio: ({"audio": audio, "rate": 3},), 3),
    }
    for name, (front_end, added) in front_ends.items():
        found = as_encoder((Takes(), front_end)).encode(windows, RATE)
        np.testing.assert_array_equal(found, windows[:, :3] + np.float32(added), err_msg=name)


def test_weights_of_another_precision_and_their_front_ends_rate(windows):
    torch = pytest.importorskip("torch")
    module = torch.nn.Conv1d(1, 3, 2000).double()
    seen = []

    class FrontEnd:
        sample_rate = 8000

        def __call__(self, audio):
            seen.append(audio.shape)
            return np.concatenate([audio, audio], axis=1)[:, None]

    encoder = as_encoder((module, FrontEnd()), pool="mean", pool_axis=2)
    assert encoder.sample_rate == 8000
    assert encoder.encode(windows, RATE).shape == (6, 3)
    assert seen == [(6, 1000)]


def test_all_that_a_front_end_makes_is_moved_to_the_modules_device(windows):
    torch = pytest.importorskip("torch")
    seen = []

    class Takes(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(1, 1)

        def forward(self, audio, *, mask, name):
            seen.extend([audio[0].device.type, mask.device.type, mask.dtype, name])
            return audio[0]

    def front_end(batch):
        return {"audio": [batch], "mask": torch.ones(6, dtype=torch.int64), "name": "clip"}

    with pytest.raises(EncoderError, match="on device meta, cannot be read"):
        as_encoder((Takes(), front_end), device="meta").encode(windows, RATE)
    assert seen[:4] == ["meta", "meta", torch.int64, "clip"]


def test_the_fingerprint_is_of_weights_and_front_end(windows):
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    module = torch.nn.Linear(2000, 3)

    def loud(gain):
        return as_encoder((module, lambda audio: gain * audio)).fingerprint

    assert None is not loud(1) == loud(1) != loud(2)
    assert as_encoder((module, np.asarray), fingerprint="v1").fingerprint == "v1"


@pytest.mark.parametrize("order", [(0, 1, 1), (1, 0), (0,), (0, 0)])
def test_other_tuples_are_no_encoders(order):
    torch = pytest.importorskip("torch")
    parts = [torch.nn.Linear(2, 2), list]
    with pytest.raises(EncoderError, match=r"tuple is no encoder: pass .*\(model, extractor\)"):
        as_encoder(tuple(parts[i] for i in order))


# Models of transformers


@cache
def library():
    pytest.importorskip("torch")
    return pytest.importorskip("transformers")


@cache
def made(name):
    """A model of a few weights, and its extractor."""
    import torch

    tf = library()
    torch.manual_seed(0)
    extractor = tf.Wav2Vec2FeatureExtractor()
    if name == "wav2vec2":
        config = tf.Wav2Vec2Config(**TINY, conv_dim=(16,) * 7)
        return tf.Wav2Vec2Model(config).eval(), extractor
    if name == "hubert":
        config = tf.HubertConfig(**TINY, conv_dim=(16,) * 7)
        return tf.HubertModel(config).eval(), extractor
    if name == "classifier":
        config = tf.Wav2Vec2Config(**TINY, conv_dim=(16,) * 7, num_labels=3)
        return tf.Wav2Vec2ForSequenceClassification(config).eval(), extractor
    if name == "ast":
        config = tf.ASTConfig(**TINY, max_length=100, num_mel_bins=32)
        extractor = tf.ASTFeatureExtractor(max_length=100, num_mel_bins=32)
        return tf.ASTModel(config).eval(), extractor
    if name == "whisper":
        model = tf.WhisperForConditionalGeneration(tf.WhisperConfig(**WHISPER)).eval()
        return model, tf.WhisperFeatureExtractor(feature_size=16)
    model = tf.ClapModel(tf.ClapConfig(**CLAP)).eval()
    return model, tf.ClapFeatureExtractor(truncation="rand_trunc")


def inputs_of(name, windows):
    _, extractor = made(name)
    rate = extractor.sampling_rate
    return extractor(list(windows), sampling_rate=rate, return_tensors="pt")


def vector(out):
    return getattr(out, "pooler_output", out)  # of transformers 4 it is the vector itself


#: What those who use a model write themselves.
BY_HAND = {
    "wav2vec2": lambda model, inputs: model(**inputs).last_hidden_state.mean(1),
    "hubert": lambda model, inputs: model(**inputs).last_hidden_state.mean(1),
    "ast": lambda model, inputs: model(**inputs).pooler_output,
    # 2,000 samples of 16 kHz are 12.5 of 3,000 steps of 10 ms, and 6 of 1,500 frames of 20 ms.
    "whisper": lambda model, inputs: model.model.encoder(**inputs).last_hidden_state[:, :6].mean(1),
    "clap": lambda model, inputs: vector(model.get_audio_features(**inputs)),
}


@pytest.mark.parametrize("name", BY_HAND)
def test_a_model_with_its_extractor_gives_what_one_writes_by_hand(name, windows):
    import torch

    library()
    model, extractor = made(name)
    encoder = as_encoder((model, extractor))
    rate = extractor.sampling_rate
    assert encoder.sample_rate == rate
    with torch.no_grad():
        expected = BY_HAND[name](model, inputs_of(name, windows)).numpy()
    np.testing.assert_allclose(encoder.encode(windows, rate), expected, rtol=1e-4, atol=1e-6)
    assert encoder.fingerprint is not None
    assert encoder.fingerprint == as_encoder((model, extractor)).fingerprint


def test_an_output_is_named_and_pooled_without_padding(windows):
    import torch

    library()
    model, extractor = made("whisper")
    encoder = as_encoder((model, extractor), output="last_hidden_state", pool="max", pool_axis=1)
    with torch.no_grad():
        frames = model.model.encoder(**inputs_of("whisper", windows)).last_hidden_state
    expected = frames[:, :6].amax(1).numpy()
    np.testing.assert_allclose(encoder.encode(windows, RATE), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    "name, seconds", [("whisper", "30"), ("clap", "10"), ("ast", "1"), ("wav2vec2", None)]
)
def test_what_the_extractor_pads_windows_to_is_told(name, seconds):
    library()
    told = f"what is shorter than {seconds} s is padded to that by its extractor"
    assumed = as_encoder(made(name)).assumptions(22_050)
    assert assumed == ([] if seconds is None else [told])
    assert as_encoder(made(name), window_seconds=30).assumptions(22_050) == []


def test_the_extractors_settings_are_part_of_the_fingerprint():
    tf = library()
    model, extractor = made("wav2vec2")
    other = tf.Wav2Vec2FeatureExtractor(do_normalize=False)
    assert as_encoder((model, other)).fingerprint != as_encoder((model, extractor)).fingerprint


def test_a_processor_is_its_extractor(windows):
    tf = library()
    model, extractor = made("clap")
    processor = tf.ClapProcessor.__new__(tf.ClapProcessor)  # without a tokenizer, which has files
    processor.feature_extractor = extractor
    encoder = as_encoder((model, processor))
    assert encoder.sample_rate == 48_000
    np.testing.assert_array_equal(
        encoder.encode(windows, 48_000), as_encoder((model, extractor)).encode(windows, 48_000)
    )


def test_a_head_is_told_to_be_left_out(windows):
    library()
    model, extractor = made("classifier")
    with pytest.raises(EncoderError, match="returned logits and no embedding; take the model") as e:
        as_encoder((model, extractor)).encode(windows, RATE)
    line = str(e.value).partition("head, ")[2].partition(", or")[0]
    found = eval(line, {"as_encoder": as_encoder, "model": model, "extractor": extractor})
    assert found.encode(windows, RATE).shape == (6, 16)
    logits = as_encoder((model, extractor), output="logits").encode(windows, RATE)
    assert logits.shape == (6, 3)


@pytest.mark.parametrize("task", ["AudioClassificationPipeline", "FeatureExtractionPipeline"])
def test_a_pipeline_is_its_models_body_with_its_extractor(task, windows):
    tf = library()
    model, extractor = made("classifier")
    pipeline = getattr(tf, task)(model=model, feature_extractor=extractor, device="cpu")
    encoder = as_encoder(pipeline, name="body")
    assert encoder.sample_rate == RATE
    expected = as_encoder((model.base_model, extractor), name="body")
    assert encoder.fingerprint == expected.fingerprint
    np.testing.assert_array_equal(encoder.encode(windows, RATE), expected.encode(windows, RATE))


def test_a_checkpoint_gives_the_name():
    library()
    model, extractor = made("hubert")
    assert as_encoder((model, extractor)).name == "HubertModel"
    model.name_or_path = "facebook/hubert-base-ls960"
    assert as_encoder((model, extractor)).name == "facebook/hubert-base-ls960"
    model.name_or_path = "/models/mine"
    assert as_encoder((model, extractor)).name == "mine"
    model.name_or_path = ""


def test_a_rate_that_the_extractor_is_not_made_for_is_refused_by_it(windows):
    library()
    with pytest.raises(EncoderError, match=r"(?s)raised ValueError .*trained using a sampling"):
        as_encoder(made("wav2vec2"), sample_rate=8000).encode(windows, RATE)


def test_frames_that_padding_hides_among_are_refused(windows):
    import torch

    library()
    _, extractor = made("whisper")

    class Body(torch.nn.Module):
        def forward(self, mel):
            return mel

    with pytest.raises(EncoderError, match=r"pads windows, of which 0% is audio.*window_seconds="):
        as_encoder((Body(), extractor), pool="mean").encode(windows, RATE)


# Hidden states


@pytest.mark.parametrize("in_front", [True, False])
def test_a_model_that_gives_hidden_states_is_the_same_one_after_it_has_run(windows, in_front):
    """Versions of transformers add hooks to such models when they first run."""
    tf = library()

    def fresh():
        import torch

        torch.manual_seed(0)
        config = tf.HubertConfig(**TINY, conv_dim=(16,) * 7, output_hidden_states=True)
        return tf.HubertModel(config).train()

    def encoder(model):
        if in_front:
            obj, options = (model, tf.Wav2Vec2FeatureExtractor()), {}
        else:
            obj, options = model, {"sample_rate": RATE}
        return as_encoder(obj, output=[("hidden_states", 0), ("hidden_states", 1)], pool="mean",
                          pool_axis=1, name="hubert", **options)  # fmt: skip

    model = fresh()
    first = encoder(model)
    known = first.fingerprint
    found = first.encode(windows, RATE)
    assert found.shape == (len(windows), 32)
    assert first.fingerprint == known == encoder(model).fingerprint == encoder(fresh()).fingerprint
    np.testing.assert_array_equal(first.layers[1].encode(windows, RATE), found[:, 16:])


def test_a_model_that_gives_none_says_what_to_set(windows):
    with pytest.raises(EncoderError, match=r"set model.config.output_hidden_states = True"):
        as_encoder(made("hubert"), output=("hidden_states", 0), pool="mean").encode(windows, RATE)

"""Several outputs of one object: each an encoder, of one pass."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.overrides import TorchFunctionMode

from pytest_nnrel import (
    Corpus,
    EncoderError,
    PinkNoise,
    PitchShift,
    as_encoder,
    check_encoder,
    within_consistency,
)

FEW = Corpus.bundled().subset(6)


class Net(torch.nn.Module):
    """Two layers on frames."""

    sample_rate = 8_000

    def __init__(self, seed=0):
        super().__init__()
        torch.manual_seed(seed)
        self.first = torch.nn.Conv1d(1, 5, 64, stride=32)  # fewer numbers than clips
        self.second = torch.nn.Conv1d(5, 4, 3)

    def forward(self, audio):
        first = self.first(audio[:, None]).abs()
        second = self.second(first).abs()
        return {"hidden": (first, second), "logits": second.mean(2)}


class Heard(TorchFunctionMode):
    """Counts the windows that come to first layers, and is no state of a model."""

    def __init__(self):
        super().__init__()
        self.windows = 0

    def __torch_function__(self, fn, types, args=(), kwargs=None):
        if fn is torch.conv1d and args[0].shape[1] == 1:
            self.windows += len(args[0])
        return fn(*args, **(kwargs or {}))


OUTPUTS = [("hidden", 0), ("hidden", 1), "logits"]


def alone(model, output):
    pool = {} if output == "logits" else {"pool": "mean", "pool_axis": 2}
    return as_encoder(model, output=output, **pool)


@pytest.fixture
def windows():
    return FEW.windows(sample_rate=8_000)


def test_layers_are_what_each_output_is_alone(windows):
    model = Net()
    layers = as_encoder(model, output=OUTPUTS[:2], pool="mean", pool_axis=2).layers
    assert [layer.name for layer in layers] == ["Net[hidden.0]", "Net[hidden.1]"]
    for layer, output in zip(layers, OUTPUTS):
        expected = alone(model, output).encode(windows, 8_000)
        np.testing.assert_allclose(layer.encode(windows, 8_000), expected, rtol=1e-6)


def test_of_all_of_them_the_embedding_is_one_behind_the_other(windows):
    model = Net()
    whole = as_encoder(model, output=OUTPUTS[:2], pool="mean", pool_axis=2)
    parts = [layer.encode(windows, 8_000) for layer in whole.layers]
    np.testing.assert_allclose(whole.encode(windows, 8_000), np.hstack(parts), rtol=1e-6)
    assert as_encoder(model).layers == ()


def margins(encoder, transform):
    return within_consistency(encoder, transform, corpus=FEW).details["margins"]


def test_measures_are_those_of_each_output_alone_and_the_model_runs_once():
    layers = as_encoder(Net(), output=OUTPUTS[:2], pool="mean", pool_axis=2).layers
    transforms = PinkNoise(12), PitchShift(2)
    with Heard() as heard:
        found = [margins(layer, transform) for transform in transforms for layer in layers]
    assert heard.windows == 3 * len(FEW)  # originals, noise, pitch
    with Heard() as heard:
        expected = [margins(alone(Net(), output), t) for t in transforms for output in OUTPUTS[:2]]
    assert heard.windows >= 6 * len(FEW)
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_what_is_stored_of_one_run_serves_the_next_and_other_weights_do_not():
    def second_of(model):
        return as_encoder(model, output=OUTPUTS[:2], pool="mean", pool_axis=2).layers[1]

    model = Net()
    expected = margins(second_of(model), PinkNoise(12))
    with Heard() as heard:
        assert margins(second_of(Net()), PinkNoise(12)) == expected
    assert heard.windows <= 1  # to know how long each output is
    with torch.no_grad():
        model.second.weight.mul_(-2.0).add_(0.1)
    assert margins(second_of(model), PinkNoise(12)) != expected
    first = as_encoder(model, output=OUTPUTS[:2], pool="mean", pool_axis=2).layers[0]
    np.testing.assert_allclose(
        margins(first, PinkNoise(12)), margins(alone(Net(), OUTPUTS[0]), PinkNoise(12)), rtol=1e-4
    )


def test_fingerprints_tell_outputs_apart():
    layers = as_encoder(Net(), output=OUTPUTS[:2], pool="mean", pool_axis=2).layers
    again = as_encoder(Net(), output=OUTPUTS[:2], pool="mean", pool_axis=2).layers
    assert layers[0].fingerprint != layers[1].fingerprint
    assert [a.fingerprint for a in layers] == [b.fingerprint for b in again]
    given = as_encoder(
        lambda audio: (audio[:, :3], audio[:, 3:9]), output=[0, 1], fingerprint="1"
    ).layers
    assert len({layer.fingerprint for layer in given}) == 2
    unknown = as_encoder(lambda audio: (audio[:, :3], audio[:, 3:9]), output=[0, 1])
    assert unknown.fingerprint is None
    assert unknown.layers[0].fingerprint is None


def test_outputs_that_are_called_alike_are_not_taken_for_each_other():
    def outputs(audio):
        level = np.abs(audio).mean(axis=1, keepdims=True)
        return {"a": {"b": level}, "a.b": np.zeros_like(level)}

    layers = as_encoder(outputs, output=[("a", "b"), "a.b"], fingerprint="1").layers
    assert layers[0].name == layers[1].name
    found = [within_consistency(layer, PinkNoise(40), corpus=FEW) for layer in layers]
    assert found[0].value > found[1].value == 0.0  # all are as near: ties are errors
    told = [one.details["identity"]["encoder_fingerprint"] for one in found]
    assert told == [layer.fingerprint for layer in layers]
    assert told[0] != told[1]


@pytest.mark.parametrize("output", [("hidden", 0), OUTPUTS[:2]])
def test_what_was_found_while_encoding_makes_no_other_encoder(output, windows):
    encoder = as_encoder(Net(), output=output, pool="mean")
    before = encoder.identify()
    encoder.encode(windows, 8_000)  # which finds the axis of time, and lengths
    assert encoder.identify() == before


def test_layers_are_sane():
    whole = as_encoder(Net(), output=OUTPUTS[:2], pool="mean", pool_axis=2)
    for encoder in (whole, *whole.layers):
        assert not check_encoder(encoder, corpus=FEW, checks=["same_twice", "in_place"]).findings


@pytest.mark.parametrize(
    "output, told",
    [
        ([], "one output or more"),
        ([0, 0], "each once"),
        ([True], "a key, an attribute, a number, or a tuple"),
        ([()], "a tuple of these"),
        ([(0, (1,))], "a tuple of these"),
    ],
)
def test_outputs_are_named(output, told):
    with pytest.raises(EncoderError, match=told):
        as_encoder(lambda audio: (audio, audio), output=output)


def test_what_is_not_there_or_no_embedding_is_told(windows):
    with pytest.raises(EncoderError, match=r"has no output 7: it returns a tuple"):
        as_encoder(Net(), output=[("hidden", 7)], pool="mean").layers[0].encode(windows, 8_000)
    with pytest.raises(EncoderError, match="pool over time first"):
        as_encoder(Net(), output=[("hidden", 1), "logits"]).encode(windows, 8_000)


def test_each_layer_is_checked_as_it_would_be_alone(windows):
    """What one layer varies by does not hide that float32 loses the differences of another."""

    def offset(audio):
        level = np.abs(audio).mean(axis=1, keepdims=True).astype(np.float64)
        return 1e3 * level, 1e9 + level

    with pytest.raises(EncoderError, match=r"\[1\]' returned float64 .* are lost in float32"):
        as_encoder(offset, output=[0, 1], name="offset").encode(windows, 8_000)

    def turned(audio):
        return audio[:, :3], audio[:, : len(windows)].T

    with pytest.raises(EncoderError, match="one column per window instead of one row"):
        as_encoder(turned, output=[0, 1]).encode(windows, 8_000)


def test_outputs_keep_their_lengths(windows):
    sizes = iter([3, 4])

    def moody(audio):
        return audio[:, : next(sizes)], audio[:, :2]

    encoder = as_encoder(moody, output=[0, 1])
    encoder.encode(windows, 8_000)
    with pytest.raises(EncoderError, match=r"outputs of \[4, 2\] numbers, and of \[3, 2\] before"):
        encoder.encode(windows, 8_000)

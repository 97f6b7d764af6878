"""Embeddings of models that return several things, or one vector per frame."""

import math
from collections import OrderedDict, namedtuple
from dataclasses import dataclass
from functools import cached_property
from types import SimpleNamespace

import numpy as np
import pytest

from pytest_nnrel import (
    EncoderError,
    TempoShift,
    as_encoder,
    assert_encoder_sane,
    within_consistency,
)

RATE = 22_050
Both = namedtuple("Both", "logits frames")


@dataclass(slots=True)
class Slots:
    """An output without a ``__dict__``."""

    logits: np.ndarray
    frames: np.ndarray


class Computed:
    """An output whose parts are made when they are asked for."""

    def __init__(self, batch):
        self._batch = batch

    @property
    def logits(self):
        return logits(self._batch)

    @cached_property
    def frames(self):
        return frames(self._batch)

    def pooled(self):
        raise AssertionError("a method is no output")


@pytest.fixture(scope="module")
def windows():
    """Seven windows of a quarter of a second, float32[7, 5512]."""
    rng = np.random.default_rng(21)
    return (0.1 * rng.standard_normal((7, 5512))).astype(np.float32)


def frames(batch):
    """Map to the energies of 6 bands of each of 11 frames, float[n, 11, 6]."""
    spectra = np.abs(np.fft.rfft(batch[:, :5500].reshape(len(batch), 11, 500)))
    return np.stack([part.mean(axis=2) for part in np.array_split(spectra, 6, axis=2)], axis=2)


def logits(batch):
    return batch[:, :3]


def pooled_by_hand(batch, pool):
    of_frames = {"mean": lambda values: math.fsum(values) / len(values), "max": max}[pool]
    rows = [[of_frames(list(band)) for band in clip.T] for clip in frames(batch).astype(np.float64)]
    return np.array(rows)


SEVERAL = {
    "dict": (lambda b: {"logits": logits(b), "frames": frames(b)}, "frames"),
    "mapping": (lambda b: OrderedDict(logits=logits(b), frames=frames(b)), "frames"),
    "dict by number": (lambda b: {0: logits(b), 1: frames(b)}, 1),
    "tuple": (lambda b: (logits(b), frames(b)), 1),
    "tuple, other": (lambda b: (frames(b), None), 0),
    "list": (lambda b: [logits(b), frames(b)], 1),
    "named tuple": (lambda b: Both(logits(b), frames(b)), "frames"),
    "named tuple by number": (lambda b: Both(logits(b), frames(b)), 1),
    "slots": (lambda b: Slots(logits(b), frames(b)), "frames"),
    "properties": (lambda b: Computed(b), "frames"),
    "object": (lambda b: SimpleNamespace(logits=logits(b), frames=frames(b)), "frames"),
}


@pytest.mark.parametrize("fn, output", SEVERAL.values(), ids=SEVERAL.keys())
@pytest.mark.parametrize("pool", ["mean", "max"])
def test_an_output_is_chosen_and_pooled(windows, fn, output, pool):
    embeddings = as_encoder(fn, output=output, pool=pool).encode(windows, RATE)
    assert embeddings.dtype == np.float32
    np.testing.assert_allclose(embeddings, pooled_by_hand(windows, pool), rtol=1e-5)


def test_an_output_that_is_a_matrix_is_not_pooled(windows):
    embeddings = as_encoder(SEVERAL["dict"][0], output="logits").encode(windows, RATE)
    np.testing.assert_array_equal(embeddings, logits(windows))


def test_the_only_output_is_pooled(windows):
    embeddings = as_encoder(frames, pool="mean", batch_size=3).encode(windows, RATE)
    np.testing.assert_allclose(embeddings, pooled_by_hand(windows, "mean"), rtol=1e-5)


def test_what_is_asked_of_the_object_is_kept():
    encoder = as_encoder(
        frames, sample_rate=16_000, window_seconds=1.5, batch_size=5, name="mine", pool="max"
    )
    asked = (encoder.name, encoder.sample_rate, encoder.window_seconds, encoder.batch_size)
    assert asked == ("mine", 16_000, 1.5, 5)


# ---------------------------------------------------------------------------------------------
# Which axis is time


def spectrum(batch):
    """Map to ``float[n, frames, 6]``, as many frames as fit."""
    parts = batch[:, : batch.shape[1] // 500 * 500].reshape(len(batch), -1, 500)
    spectra = np.abs(np.fft.rfft(parts))
    return np.stack([part.mean(axis=2) for part in np.array_split(spectra, 6, axis=2)], axis=2)


def padded(batch):
    """Map any length to 20 frames, as models with one length do."""
    return spectrum(np.pad(batch, ((0, 0), (0, 10_000)))[:, :10_000])


def beginning(batch):
    return spectrum(batch[:, :1500])


def padded_or_loud(batch):
    out = padded(batch)
    out[np.abs(batch).max(axis=1) > 0.45] = np.nan
    return out


FOLLOWS_TIME = {
    "as long as the input": spectrum,
    "one length": frames,
    "padded": lambda b: padded(b)[:, :11],
    "its beginning only": beginning,
    "of a batch of seven only": lambda b: spectrum(b.reshape(7, -1)),
    "some not finite": padded_or_loud,
}


@pytest.mark.parametrize("fn", FOLLOWS_TIME.values(), ids=FOLLOWS_TIME.keys())
@pytest.mark.parametrize("pool", ["mean", "max"])
def test_frames_are_pooled_whichever_axis_they_are(windows, fn, pool):
    expected = getattr(np, pool)(fn(windows), axis=1).astype(np.float32)
    for encoder in (
        as_encoder(fn, pool=pool),
        as_encoder(lambda batch: fn(batch).swapaxes(1, 2), pool=pool),
        as_encoder(lambda batch: {"z": fn(batch).swapaxes(1, 2)}, pool=pool, output="z"),
        as_encoder(fn, pool=pool, pool_axis=1),
        as_encoder(lambda batch: fn(batch).swapaxes(1, 2), pool=pool, pool_axis=2),
    ):
        if not np.isfinite(expected).all():
            with pytest.raises(EncoderError, match="NaN or infinite values for 1 of 7"):
                encoder.encode(windows, RATE)
        else:
            np.testing.assert_allclose(encoder.encode(windows, RATE), expected, rtol=1e-6)


def test_frames_of_silence_are_told_from_channels():
    silence = np.zeros((3, 5512), np.float32)
    fn = FOLLOWS_TIME["padded"]
    embeddings = as_encoder(lambda batch: fn(batch).swapaxes(1, 2), pool="mean").encode(silence, 1)
    assert embeddings.shape == (3, 6)


UNTOLD = {
    "every frame hears all": lambda b: padded(b) + padded(b).mean((1, 2), keepdims=True),
    "both axes follow": lambda b: spectrum(b) @ spectrum(b).swapaxes(1, 2),
    "constant": lambda b: np.ones((len(b), 4, 5)),
    "frames first, as many as windows": lambda b: spectrum(b)[:, : len(b)].swapaxes(0, 1),
}


@pytest.mark.parametrize("fn", UNTOLD.values(), ids=UNTOLD.keys())
def test_where_time_cannot_be_told_its_axis_is_to_be_named(windows, fn):
    with pytest.raises(EncoderError, match=r"'fn': neither half a window .* name it: pool_axis=1"):
        as_encoder(fn, name="fn", pool="mean").encode(windows, RATE)
    for axis in (1, 2):
        found = as_encoder(fn, pool="mean", pool_axis=axis).encode(windows, RATE)
        np.testing.assert_allclose(found, fn(windows).mean(axis=axis), rtol=1e-5)


@pytest.mark.parametrize("options", [{"pool": "mean"}, {"pool": "mean", "output": "last"}])
def test_time_is_looked_for_once(windows, options):
    lengths = []

    def fn(batch):
        lengths.append(batch.shape)
        return {"last": spectrum(batch)} if "output" in options else spectrum(batch)

    encoder = as_encoder(fn, batch_size=4, **options)
    encoder.encode(windows, RATE)
    assert lengths == [(4, 5512), (4, 5512), (4, 2756), (3, 5512)]
    encoder.encode(windows, RATE)
    assert lengths[4:] == [(4, 5512), (3, 5512)]


def test_looking_for_time_draws_from_no_global_state(windows):
    torch = pytest.importorskip("torch")
    encoder = as_encoder(
        torch.nn.Sequential(torch.nn.Unflatten(1, (1, -1)), torch.nn.Conv1d(1, 4, 500, 500)),
        pool="mean",
    )
    state, of_torch = np.random.get_state()[1].copy(), torch.get_rng_state()
    assert encoder.encode(windows, RATE).shape == (7, 4)
    np.testing.assert_array_equal(np.random.get_state()[1], state)
    assert torch.equal(torch.get_rng_state(), of_torch)


def test_frames_of_half_precision_are_pooled_in_single(windows):
    def half(batch):
        return (1000.0 + spectrum(batch)).astype(np.float16)

    embeddings = as_encoder(half, pool="mean").encode(windows, RATE)
    expected = half(windows).astype(np.float64).mean(axis=1)
    np.testing.assert_allclose(embeddings, expected, rtol=1e-6)


@pytest.mark.parametrize("way", ["channels last", "channels first"])
def test_pooling_on_music_is_that_of_frames(corpus, run, way):
    def fn(batch):
        return spectrum(batch) if way == "channels last" else spectrum(batch).swapaxes(1, 2)

    by_hand, pooled = (
        within_consistency(encoder, TempoShift(0.9), corpus=corpus)
        for encoder in (lambda batch: spectrum(batch).mean(1), as_encoder(fn, pool="mean"))
    )
    assert pooled.outcomes == by_hand.outcomes
    np.testing.assert_allclose(pooled.details["margins"], by_hand.details["margins"], rtol=1e-4)


# ---------------------------------------------------------------------------------------------
# What cannot be read out

WRONG = {
    "no such key": (SEVERAL["dict"][0], {"output": "z"}, r"no output 'z'.* dict of 'logits', 'fr"),
    "no such place": (SEVERAL["tuple"][0], {"output": 2}, r"no output 2: .*tuple of 0, 1"),
    "from the end": (SEVERAL["tuple"][0], {"output": -1}, r"no output -1: .*tuple of 0, 1"),
    "no such field": (SEVERAL["named tuple"][0], {"output": "z"}, r"Both of 0, 1, 'logits'"),
    "no such attribute": (SEVERAL["object"][0], {"output": "z"}, r"SimpleNamespace of 'logits'"),
    "no such slot": (SEVERAL["slots"][0], {"output": "z"}, r"Slots of 'frames', 'logits'$"),
    "no such property": (
        lambda b: Computed(b),
        {"output": "z"},
        r"a Computed of 'frames', 'logits'$",
    ),
    "a method of an object": (lambda b: Computed(b), {"output": "pooled"}, r"no output 'pooled'"),
    "a method": (SEVERAL["dict"][0], {"output": "keys"}, r"no output 'keys'"),
    "one array": (logits, {"output": 0}, r"no output 0: it returns a ndarray; leave output out"),
    "nothing": (lambda b: None, {"output": 0}, r"no output 0: it returns a NoneType"),
    "one tensor-like": (spectrum, {"output": "z"}, "no output 'z': it returns a ndarray; leave"),
    "frames": (frames, {}, r"\[7, 11, 6\]; pool over time first: as_encoder.*pool=\"mean\""),
    "a matrix": (logits, {"pool": "max"}, r"pool='max' takes .*\[7, 3\]; leave pool out"),
    "four axes": (lambda b: frames(b)[..., None], {"pool": "mean"}, r"not \[7, 11, 6, 1\]$"),
    "no frames": (lambda b: frames(b)[:, :0], {"pool": "mean"}, r"not \[7, 0, 6\]$"),
    "too few": (lambda b: frames(b)[1:], {"pool": "mean"}, r"one row per window, not \[6, 6\]"),
    "codes": (lambda b: frames(b).astype(int), {"pool": "mean"}, r"not int64; .* the layer before"),
    "several": (SEVERAL["dict"][0], {"pool": "mean"}, r"not a dict of 2; .*output=KEY"),
    "several, in a tuple": (SEVERAL["tuple"][0], {"pool": "mean"}, r"a tuple of 2; .*output=0"),
    "text": (lambda b: {"z": "embedding"}, {"output": "z", "pool": "mean"}, "must return a float"),
}


@pytest.mark.parametrize("fn, options, match", WRONG.values(), ids=WRONG.keys())
def test_what_cannot_be_read_out_is_told_with_what_can(windows, fn, options, match):
    with pytest.raises(EncoderError, match=rf"'fn'.*{match}"):
        as_encoder(fn, name="fn", **options).encode(windows, RATE)


@pytest.mark.parametrize(
    "options, match",
    [
        ({"pool": "sum"}, "'frames': pool must be one of mean, max, not 'sum'"),
        ({"pool": [1]}, r"'frames': pool must be one of mean, max, not \[1\]"),
        ({"pool": ""}, "'frames': pool must be one of mean, max, not ''"),
        ({"pool": "mean", "pool_axis": 0}, "'frames': pool_axis is the axis .* not 0"),
        ({"pool": "mean", "pool_axis": 3}, "'frames': pool_axis is the axis .* not 3"),
        ({"pool_axis": 1}, "'frames': pool_axis is .* not 1 without pool"),
        (
            {"output": 1.0},
            "'frames': output must be a key, .* or a tuple of these, not 1.0",
        ),
        ({"output": True}, "'frames': output must be .* not True"),
    ],
)
def test_options_that_cannot_be(options, match):
    with pytest.raises(EncoderError, match=match):
        as_encoder(frames, **options)


@pytest.mark.parametrize("option", [{"pool": "mean"}, {"batch_size": 1}, {"batch_size": 32}])
def test_an_encoder_is_told_what_to_do_where_it_is_made(option):
    encoder = as_encoder(frames)
    assert as_encoder(encoder) is encoder
    assert encoder.batch_size == 32
    with pytest.raises(EncoderError, match="is an encoder already; give the options where"):
        as_encoder(encoder, **option)


def test_frames_that_are_not_finite_are_told_by_their_windows(windows):
    def broken(batch):
        out = frames(batch)
        out[[2, 5], 4, 1] = np.nan, np.inf
        return out

    for pool in ("mean", "max"):
        with pytest.raises(EncoderError, match="NaN or infinite values for 2 of 7") as caught:
            as_encoder(broken, pool=pool).encode(windows, RATE)
        assert caught.value.rows == (2, 5)


# ---------------------------------------------------------------------------------------------
# Torch modules, and how encoders are told apart


@pytest.fixture
def module():
    """A torch module that returns two things, in training mode."""
    torch = pytest.importorskip("torch")

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(12)
            self.layer = torch.nn.Linear(500, 6)
            self.dropout = torch.nn.Dropout(0.5)

        def forward(self, audio):
            parts = audio[:, :5500].reshape(len(audio), 11, 500)
            return self.dropout(self.layer(parts).abs()), parts

    return Net().train()


@pytest.mark.parametrize("pool", ["mean", "max"])
def test_a_torch_module_is_run_as_without(windows, module, pool):
    weight, bias = (part.detach().numpy() for part in module.layer.parameters())
    of_frames = np.abs(windows[:, :5500].reshape(7, 11, 500) @ weight.T + bias)
    embeddings = as_encoder(module, output=0, pool=pool).encode(windows, RATE)
    np.testing.assert_allclose(embeddings, getattr(of_frames, pool)(axis=1), rtol=1e-4, atol=1e-6)
    assert module.training


def test_frames_of_low_precision_are_pooled(windows, module):
    module.eval().bfloat16()

    def encode(batch):
        return module(module.layer.weight.new_tensor(batch))[0]

    expected = as_encoder(lambda b: encode(b).float().mean(1)).encode(windows, RATE)
    np.testing.assert_allclose(as_encoder(encode, pool="mean").encode(windows, RATE), expected)


def test_what_is_read_out_is_part_of_the_fingerprint(module):
    readouts = [
        {},
        {"output": 0},
        {"output": 1},
        {"output": "0"},
        {"pool": "mean"},
        {"pool": "max"},
        {"output": 0, "pool": "mean"},
        {"pool": "mean", "pool_axis": 1},
        {"pool": "mean", "pool_axis": 2},
    ]
    for own in (None, "release 3"):
        encoders = [as_encoder(module, fingerprint=own, **readout) for readout in readouts]
        fingerprints = [encoder.fingerprint for encoder in encoders]
        assert None not in fingerprints
        assert len(set(fingerprints)) == len(readouts)
        assert [encoder.tells_its_state for encoder in encoders] == [own is None] * len(readouts)
    before = as_encoder(module, output=0).fingerprint
    module.layer.bias.data += 1.0
    assert as_encoder(module, output=0).fingerprint != before
    assert as_encoder(frames, pool="mean").fingerprint is None


@pytest.mark.usefixtures("run")
def test_outputs_of_one_object_are_not_taken_for_each_other(corpus):
    def encode(batch):
        constant = np.ones((len(batch), 2), np.float32)
        return {"bands": frames(batch).mean(1), "constant": constant}

    def invert(samples, sample_rate):
        return -samples

    good, useless = (as_encoder(encode, output=name) for name in ("bands", "constant"))
    assert good.name == useless.name
    for _ in range(2):
        assert within_consistency(good, invert, corpus=corpus).value == 1.0
        assert within_consistency(useless, invert, corpus=corpus).value < 1.0


@pytest.mark.usefixtures("run")
def test_the_checks_of_sanity_see_through_it(module, corpus):
    encoder = as_encoder(
        lambda batch: module(module.layer.weight.new_tensor(batch)), output=0, pool="mean"
    )
    with pytest.raises(AssertionError, match="training mode"):
        assert_encoder_sane(encoder, corpus=corpus, checks="training_mode")

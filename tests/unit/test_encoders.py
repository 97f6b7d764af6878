"""Encoders: adapters for users' objects, what they must return, fingerprints, the MFCC baseline."""

import copy
import importlib
import os
import shutil
import subprocess
import sys
import textwrap
import types
import warnings
from functools import partial

import librosa
import numpy as np
import pytest
import soxr

from pytest_nnrel import Corpus, Encoder, EncoderError, MFCCEncoder, as_encoder, within_consistency
from pytest_nnrel.runtime import settings
from pytest_nnrel.runtime.settings import Settings

RATE = 22_050


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch")


@pytest.fixture(scope="module")
def windows():
    """Seven windows of a quarter of a second, float32[7, 5512]."""
    rng = np.random.default_rng(20)
    return (0.1 * rng.standard_normal((7, 5512))).astype(np.float32)


def bands(batch):
    """Encode as the energies of 12 bands."""
    spectra = np.abs(np.fft.rfft(batch))
    return np.stack([part.mean(axis=1) for part in np.array_split(spectra, 12, axis=1)], axis=1)


# ---------------------------------------------------------------------------------------------
# What makes an encoder


def test_a_function_of_the_batch(windows):
    seen = []

    def encode(batch):
        seen.append((batch.dtype, batch.shape))
        return bands(batch)

    embeddings = as_encoder(encode).encode(windows, RATE)
    assert seen == [(np.float32, (7, 5512))]
    assert embeddings.dtype == np.float32
    np.testing.assert_array_equal(embeddings, bands(windows).astype(np.float32), strict=True)


def rate_of_function(batch, sample_rate):
    return np.full((len(batch), 2), sample_rate, np.float64)


class RateOfMethod:
    def encode(self, batch, *, sample_rate):
        return rate_of_function(batch, sample_rate)


class RateOfCall:
    def __call__(self, batch, sample_rate=1):
        return rate_of_function(batch, sample_rate)


@pytest.mark.parametrize(
    "obj",
    [
        pytest.param(rate_of_function, id="function"),
        pytest.param(RateOfMethod(), id="encode"),
        pytest.param(RateOfMethod().encode, id="bound method"),
        pytest.param(RateOfCall(), id="instance"),
        pytest.param(partial(rate_of_function), id="partial"),
        pytest.param(lambda batch, sample_rate: rate_of_function(batch, sample_rate), id="lambda"),
    ],
)
@pytest.mark.parametrize("own, given", [(None, RATE), (16_000, 16_000)])
def test_a_parameter_called_sample_rate_gets_the_rate_of_the_batch(windows, obj, own, given):
    embeddings = as_encoder(obj, sample_rate=own).encode(windows, RATE)
    assert set(embeddings.ravel()) == {given}


def test_other_parameters_keep_their_defaults(windows):
    def encode(batch, gain=2.0, **options):
        assert options == {}
        return gain * bands(batch)

    np.testing.assert_array_equal(
        as_encoder(encode).encode(windows, RATE), (2.0 * bands(windows)).astype(np.float32)
    )


def test_an_object_with_encode_is_preferred_to_its_call(windows):
    class Model:
        def encode(self, batch):
            return bands(batch)

        def __call__(self, batch):
            raise AssertionError("not asked for")

    np.testing.assert_array_equal(
        as_encoder(Model()).encode(windows, RATE), bands(windows).astype(np.float32)
    )


@pytest.mark.parametrize("held", ["subject", "layers", "widths", "_axis"])
def test_a_subclass_of_encoder_is_known_by_whatever_it_holds(held):
    class Mine(Encoder):
        def __init__(self, weights):
            super().__init__("mine", subject=self)
            setattr(self, held, weights)

        def forward(self, batch, sample_rate):
            return batch[:, :4] * getattr(self, held)

    one, same, other = (Mine(np.full(4, gain)) for gain in (1.0, 1.0, 2.0))
    before = one.identify()
    assert before.behaviour.known
    one.encode(np.ones((4, 8), np.float32), RATE)
    assert one.identify() == before == same.identify() != other.identify()


def test_an_encoder_passes_through():
    encoder = as_encoder(bands, name="mine")
    assert as_encoder(encoder) is encoder
    baseline = MFCCEncoder()
    assert as_encoder(baseline) is baseline


def test_a_subclass_of_encoder_is_one(windows):
    class Mine(Encoder):
        def forward(self, batch, sample_rate):
            return bands(batch)

    mine = as_encoder(Mine("mine", subject="mine"))
    assert mine.encode(windows, RATE).shape == (7, 12)
    assert repr(mine) == "Mine('mine')"


class Named:
    name = "my model v2"

    def encode(self, batch):
        return bands(batch)


class Unnamed:
    def encode(self, batch):
        return bands(batch)


@pytest.mark.parametrize(
    "obj, name, expected",
    [
        pytest.param(bands, None, "bands", id="function"),
        pytest.param(bands, "mine", "mine", id="function, name given"),
        pytest.param(Named(), None, "my model v2", id="attribute"),
        pytest.param(Named(), "mine", "mine", id="attribute, name given"),
        pytest.param(Unnamed(), None, "Unnamed", id="class"),
        pytest.param(Unnamed().encode, None, "encode", id="bound method"),
    ],
)
def test_names(obj, name, expected):
    assert as_encoder(obj, name=name).name == expected


class AtItsOwnRate:
    sample_rate = 16_000
    window_seconds = 1.5

    def encode(self, batch):
        return bands(batch)


def test_attributes_are_picked_up():
    encoder = as_encoder(AtItsOwnRate())
    assert (encoder.sample_rate, encoder.window_seconds) == (16_000, 1.5)


def test_arguments_override_attributes():
    encoder = as_encoder(AtItsOwnRate(), sample_rate=8000, window_seconds=0.5)
    assert (encoder.sample_rate, encoder.window_seconds) == (8000, 0.5)


@pytest.mark.parametrize("kind", [np.int64, np.int32, np.float32, np.float64, float])
def test_numbers_of_any_kind_are_picked_up(kind):
    class Model:
        sample_rate = kind(16_000)
        window_seconds = kind(3)

        def encode(self, batch):
            return bands(batch)

    encoder = as_encoder(Model())
    assert (encoder.sample_rate, encoder.window_seconds) == (16_000, 3.0)
    assert (type(encoder.sample_rate), type(encoder.window_seconds)) == (int, float)


@pytest.mark.parametrize("value", [True, "16000", None, [16_000]])
def test_attributes_of_another_kind_are_not_taken_for_a_rate(value):
    class Model:
        sample_rate = value

        def encode(self, batch):
            return bands(batch)

    assert as_encoder(Model()).sample_rate is None


@pytest.mark.parametrize(
    "options, match",
    [
        ({"sample_rate": -1}, "'bands'.*sample_rate takes whole Hz from 1000 on"),
        ({"sample_rate": 22.05}, "'bands'.*such as 22050, not 22.05"),
        ({"sample_rate": 16}, "'bands'.*takes whole Hz"),
        ({"sample_rate": 16000.5}, "'bands'.*takes whole Hz"),
        ({"sample_rate": 0}, "'bands'.*sample_rate takes whole Hz from 1000 on"),
        ({"sample_rate": float("nan")}, "'bands'.*sample_rate takes whole Hz from 1000 on"),
        ({"sample_rate": float("inf")}, "'bands'.*sample_rate takes whole Hz from 1000 on"),
        ({"sample_rate": "16000"}, "'bands'.*sample_rate"),
        ({"window_seconds": -0.5}, "'bands'.*window_seconds must be positive"),
        ({"window_seconds": 0}, "'bands'.*window_seconds must be positive"),
        ({"window_seconds": float("nan")}, "'bands'.*window_seconds must be positive"),
        ({"batch_size": 0}, "'bands'.*batch_size must be 1 or more"),
        ({"batch_size": 2.5}, "'bands'.*batch_size must be 1 or more, a whole number, not 2.5"),
        ({"batch_size": "8"}, "'bands'.*batch_size must be .* not '8'"),
        ({"batch_size": True}, "'bands'.*batch_size must be .* not True"),
        ({"batch_size": -3}, "'bands'.*batch_size must be 1 or more"),
        ({"name": 5}, "encoder 5: name must be text that is not empty, not 5"),
        ({"name": ""}, "name must be text that is not empty, not ''"),
        ({"fingerprint": 3}, "fingerprint must be text that is not empty, not 3"),
        ({"fingerprint": ""}, "fingerprint must be text that is not empty, not ''"),
        ({"fingerprint": 0}, "fingerprint must be text that is not empty, not 0"),
    ],
)
def test_options_that_cannot_be(options, match):
    with pytest.raises(EncoderError, match=match):
        as_encoder(bands, **options)


@pytest.mark.parametrize(
    "obj, match",
    [
        pytest.param(Unnamed, "Unnamed is a class; pass an instance", id="class"),
        pytest.param(MFCCEncoder, "MFCCEncoder is a class; pass an instance", id="our own class"),
        pytest.param(None, "NoneType is no encoder: pass a callable", id="None"),
        pytest.param(3, "int is no encoder: pass a callable", id="number"),
        pytest.param(np.zeros((3, 4)), "ndarray is no encoder: .*npy table", id="array"),
        pytest.param({"model": bands}, "dict is no encoder: pass a callable", id="dict"),
        pytest.param("json", "json has no load_model and no get_scene_embeddings", id="module"),
        pytest.param(types.ModuleType("x"), "x has no load_model", id="empty module"),
        pytest.param("no.such.module", "no.such.module.* can be imported.*npy", id="no module"),
        pytest.param("model.pt", "model.pt.* can be imported.*npy", id="weights"),
        pytest.param("./model.pt", r"\./model.pt.* can be imported.*npy", id="relative path"),
        pytest.param("/models/model.pt", "/models/model.pt.* can be imported", id="path"),
        pytest.param("", "names no module that can be imported", id="empty text"),
    ],
)
def test_what_is_no_encoder(obj, match):
    with pytest.raises(EncoderError, match=match):
        as_encoder(obj)


def test_a_torch_class_is_no_encoder(torch):
    with pytest.raises(EncoderError, match="Linear is a class; pass an instance"):
        as_encoder(torch.nn.Linear)


# ---------------------------------------------------------------------------------------------
# What it is given


@pytest.mark.parametrize(
    "batch_size, expected", [(1, [1] * 7), (3, [3, 3, 1]), (7, [7]), (32, [7])]
)
def test_batches(windows, batch_size, expected):
    sizes = []

    def encode(batch):
        sizes.append(len(batch))
        return bands(batch)

    embeddings = as_encoder(encode, batch_size=batch_size).encode(windows, RATE)
    assert sizes == expected
    np.testing.assert_allclose(embeddings, bands(windows), rtol=1e-6)


@pytest.mark.parametrize("rate", [8000, 16_000, 44_100, 48_000])
def test_windows_are_resampled_to_the_encoders_rate(windows, rate):
    given = []

    def encode(batch):
        given.append(batch.copy())
        return bands(batch)

    as_encoder(encode, sample_rate=rate).encode(windows, RATE)
    (batch,) = given
    assert batch.dtype == np.float32
    assert batch.shape == (7, round(5512 * rate / RATE))
    expected = [soxr.resample(window, RATE, rate, quality="HQ") for window in windows]
    np.testing.assert_array_equal(batch, np.stack(expected))


def test_windows_at_the_encoders_rate_are_left_alone(windows):
    given = []

    def encode(batch):
        given.append(batch.copy())
        return bands(batch)

    as_encoder(encode, sample_rate=RATE).encode(windows, RATE)
    np.testing.assert_array_equal(given[0], windows, strict=True)


@pytest.mark.parametrize("rate", [RATE, 16_000])
def test_the_callers_windows_are_never_changed(windows, rate):
    before = windows.copy()

    def encode(batch):
        embeddings = bands(batch)
        batch *= 0.5
        return embeddings

    with pytest.raises(EncoderError, match=r"'encode' changes its input in place; .* a copy"):
        as_encoder(encode, sample_rate=rate).encode(windows, RATE)
    np.testing.assert_array_equal(windows, before)


def test_a_change_of_one_sample_is_noticed(windows):
    def encode(batch):
        batch[-1, -1] += 1e-3
        return bands(batch)

    with pytest.raises(EncoderError, match="changes its input in place"):
        as_encoder(encode).encode(windows, RATE)


def test_a_change_of_a_torch_module_is_noticed(torch, windows):
    class Normalise(torch.nn.Module):
        def forward(self, x):
            x -= x.mean(1, keepdim=True)
            return x[:, :4]

    with pytest.raises(EncoderError, match="'Normalise' changes its input in place"):
        as_encoder(Normalise()).encode(windows, RATE)


def test_embeddings_are_not_views_of_anything(windows):
    kept = []

    def encode(batch):
        kept.append(batch)
        return batch[:, :4]

    embeddings = as_encoder(encode).encode(windows, RATE)
    before = embeddings.copy()
    kept[0][:] = 7.0
    np.testing.assert_array_equal(embeddings, before)
    embeddings[:] = 9.0
    np.testing.assert_array_equal(windows[:, :4], before)


@pytest.mark.parametrize(
    "given, match",
    [
        pytest.param(np.zeros(5), r"'bands' takes windows of shape \(n, samples\)", id="1-D"),
        pytest.param(np.zeros((2, 1, 5)), r"\(n, samples\).*\[2, 1, 5\]", id="3-D"),
        pytest.param(np.zeros((0, 5)), r"not empty.*\[0, 5\]", id="no windows"),
        pytest.param(np.zeros((2, 0)), r"not empty.*\[2, 0\]", id="no samples"),
    ],
)
def test_windows_that_cannot_be_encoded(given, match):
    with pytest.raises(EncoderError, match=match):
        as_encoder(bands).encode(given, RATE)


# ---------------------------------------------------------------------------------------------
# What it returns

SHAPE = r"'fn' must return a float array of shape \(7, d\)"

NO_EMBEDDINGS = {
    "one vector": (lambda b: np.zeros(7), rf"{SHAPE}, one row per window, not \[7\]"),
    "number": (lambda b: 1.0, rf"{SHAPE}.*one row per window, not \[\]"),
    "3-D": (lambda b: np.zeros((7, 5, 12)), rf"{SHAPE}.*\[7, 5, 12\]; pool over time first"),
    "too many rows": (lambda b: np.zeros((8, 3)), rf"{SHAPE}, one row per window, not \[8, 3\]"),
    "too few rows": (lambda b: np.zeros((6, 3)), rf"{SHAPE}, one row per window, not \[6, 3\]"),
    "transposed": (lambda b: np.zeros((3, 7)), rf"{SHAPE}, one row per window, not \[3, 7\]"),
    "no columns": (lambda b: np.zeros((7, 0)), rf"{SHAPE}, one row per window, not \[7, 0\]"),
    "integers": (lambda b: np.zeros((7, 3), int), rf"{SHAPE}, not int64; .* the layer before"),
    "flags": (lambda b: np.zeros((7, 3), bool), rf"{SHAPE}, not bool; .* the layer before"),
    "complex": (lambda b: np.zeros((7, 3), complex), rf"{SHAPE}, not complex128"),
    "tuple": (lambda b: (bands(b), None), rf"{SHAPE}, not a tuple of 2; .*output=0\)"),
    "list": (lambda b: [bands(b)], rf"{SHAPE}, not a list of 1; .*as_encoder\(lambda"),
    "dict": (lambda b: {"z": bands(b)}, rf"{SHAPE}, not a dict of 1; .*output=KEY\)"),
    "nothing": (lambda b: None, rf"{SHAPE}, not None"),
    "text": (lambda b: "embedding", rf"{SHAPE}, not"),
    "objects": (lambda b: np.full((7, 2), None), rf"{SHAPE}, not object"),
}


@pytest.mark.parametrize("fn, match", NO_EMBEDDINGS.values(), ids=NO_EMBEDDINGS.keys())
def test_what_is_no_embedding_matrix(windows, fn, match):
    with pytest.raises(EncoderError, match=match):
        as_encoder(fn, name="fn").encode(windows, RATE)


def test_the_advice_for_a_dict_works(windows):
    def encode(batch):
        return {"logits": batch[:, :2], "embedding": bands(batch)}

    with pytest.raises(EncoderError) as caught:
        as_encoder(encode).encode(windows, RATE)
    assert "[0]" not in str(caught.value), "a dict has no element 0"
    assert "'embedding'" in str(caught.value), "the keys to choose from"


def test_a_list_of_one_vector_per_window_is_told_to_stack(windows):
    with pytest.raises(EncoderError, match="stack"):
        as_encoder(lambda batch: list(bands(batch)), name="fn").encode(windows, RATE)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("batch_size", [2, 3, 32])
def test_rows_that_are_not_finite_are_named(windows, value, batch_size):
    def encode(batch):
        embeddings = bands(batch)
        embeddings[(batch == marked).all(axis=1), 3] = value
        return embeddings

    marked = windows[5]
    with pytest.raises(
        EncoderError, match=r"'encode' returned NaN or infinite values for 1 of"
    ) as e:
        as_encoder(encode, batch_size=batch_size).encode(windows, RATE)
    assert e.value.rows == (5,)


@pytest.mark.parametrize("offset", [1e6, 1e9, 1e12])
@pytest.mark.parametrize("batch_size", [1, 3, 32])
def test_differences_that_float32_would_lose_are_refused(windows, offset, batch_size):
    def encode(batch):
        return 0.1 * bands(batch).astype(np.float64) + offset

    with pytest.raises(
        EncoderError, match=r"'encode' returned float64 embeddings whose differences are lost in"
    ) as caught:
        as_encoder(encode, batch_size=batch_size).encode(windows, RATE)
    assert "as_encoder(lambda batch: model(batch) - offset)" in str(caught.value)
    mended = as_encoder(lambda audio: encode(audio) - offset, batch_size=batch_size)
    assert mended.encode(windows, RATE).shape == (7, 12)


def test_differences_of_tensors_that_float32_would_lose_are_refused(torch, windows):
    with pytest.raises(EncoderError, match="float64 embeddings whose differences are lost"):
        as_encoder(lambda b: torch.from_numpy(bands(b)).double() + 1e9).encode(windows, RATE)


@pytest.mark.parametrize(
    "fn",
    [
        pytest.param(lambda b: bands(b).astype(np.float64) + 100.0, id="a small offset"),
        pytest.param(lambda b: np.full((len(b), 3), 1e9 / 3), id="no differences"),
        pytest.param(lambda b: np.full((len(b), 3), 1e9 / 3, np.float32), id="float32 itself"),
        pytest.param(lambda b: np.zeros((len(b), 3)), id="zeros"),
        pytest.param(lambda b: np.arange(len(b))[:, None] * 1e30, id="large"),
    ],
)
def test_float64_that_float32_holds_is_accepted(windows, fn):
    assert as_encoder(fn).encode(windows, RATE).dtype == np.float32
    assert as_encoder(fn).encode(windows[:1], RATE).shape[0] == 1


def test_floats_of_ml_dtypes_are_embeddings(windows):
    ml_dtypes = pytest.importorskip("ml_dtypes")
    for dtype in (ml_dtypes.bfloat16, ml_dtypes.float8_e5m2):
        embeddings = as_encoder(lambda b, d=dtype: bands(b).astype(d)).encode(windows, RATE)
        np.testing.assert_array_equal(embeddings, bands(windows).astype(dtype).astype(np.float32))
    with pytest.raises(EncoderError, match="not int4"):
        as_encoder(lambda b: np.zeros((len(b), 2), ml_dtypes.int4)).encode(windows, RATE)


def one_row(batch):
    (window,) = batch
    return bands(window[None])


def one_axis(window):
    if window.ndim != 1:
        raise ValueError("expected a signal")
    return bands(window[None])[0]


@pytest.mark.parametrize(
    "fn, advice, mended",
    [
        (one_row, r"batch_size=1\)$", lambda: as_encoder(one_row, batch_size=1)),
        (
            one_axis,
            r"np.stack\(\[model\(window\) for window in batch\]\)\)$",
            lambda: as_encoder(lambda batch: np.stack([one_axis(window) for window in batch])),
        ),
    ],
)
def test_what_takes_one_window_at_a_time_is_told_what_to_write(windows, fn, advice, mended):
    with pytest.raises(EncoderError, match=rf"it takes one window at a time.*{advice}"):
        as_encoder(fn, pool=None).encode(windows, RATE)
    np.testing.assert_array_equal(mended().encode(windows, RATE), bands(windows).astype(np.float32))


def test_an_error_about_what_windows_hold_is_not_taken_for_one_about_the_batch(windows):
    def encode(batch):
        if (batch == windows[1]).all(axis=1).any():
            raise ValueError("silence")
        return bands(batch)

    for batch_size in (1, 32):
        with pytest.raises(EncoderError, match=r"silence$"):
            as_encoder(encode, batch_size=batch_size).encode(windows, RATE)


def test_outputs_of_one_window_are_told_what_to_write(windows):
    with pytest.raises(EncoderError, match=r"one window at a time: .*batch_size=1\)$"):
        as_encoder(lambda b: bands(b)[:1]).encode(windows, RATE)


def test_one_vector_of_what_no_line_runs_is_told_what_may_do(windows):
    with pytest.raises(EncoderError, match=r"where it takes one window.*batch_size=1.*np.stack"):
        as_encoder(lambda b: bands(b[:, :4000])[0]).encode(windows, RATE)


def test_gradients_that_a_module_needs_are_told_of(torch, windows):
    class Saliency(torch.nn.Module):
        def forward(self, x):
            return torch.autograd.grad((x**2).sum(), x)[0][:, :4]

    with pytest.raises(EncoderError, match=r"needs gradients, .* as_encoder\("):
        as_encoder(Saliency()).encode(windows, RATE)
    model = Saliency()
    mended = as_encoder(lambda audio: model(torch.from_numpy(audio).requires_grad_()))
    np.testing.assert_allclose(mended.encode(windows, RATE), 2 * windows[:, :4], rtol=1e-6)


@pytest.mark.parametrize("make", [lambda: bands, lambda: Named()], ids=["function", "object"])
def test_a_device_for_what_runs_where_it_chooses_is_refused(make):
    with pytest.raises(EncoderError, match="runs where it chooses to, so that device='cuda'"):
        as_encoder(make(), device="cuda")
    token = settings.activate(Settings(device="cpu"))  # which is for encoders that can be moved
    try:
        assert as_encoder(make()).device is None
    finally:
        settings.deactivate(token)


def test_values_beyond_float32_are_not_finite(windows):
    def encode(batch):
        embeddings = bands(batch).astype(np.float64)
        embeddings[2] = 1e300
        return embeddings

    with pytest.raises(EncoderError, match="NaN or infinite values for 1 of 7") as caught:
        as_encoder(encode).encode(windows, RATE)
    assert caught.value.rows == (2,)


def test_widths_must_agree_between_batches(windows):
    def encode(batch):
        return np.zeros((len(batch), 3 + len(batch)), np.float32)

    with pytest.raises(EncoderError, match=r"'encode' .* different lengths .*\[4, 6\]"):
        as_encoder(encode, batch_size=3).encode(windows, RATE)


@pytest.mark.parametrize("batch_size", [7, 32])
def test_a_square_output_whose_columns_are_the_windows_is_refused(windows, batch_size):
    with pytest.raises(EncoderError, match=r"one column per window .* model\(batch\).T"):
        as_encoder(lambda b: bands(b)[:, :7].T, batch_size=batch_size).encode(windows, RATE)
    sizes = []

    def encode(batch):
        sizes.append(len(batch))
        return bands(batch)[:, :7]

    encoder = as_encoder(encode, batch_size=batch_size)
    for _ in range(2):
        encoder.encode(windows, RATE)
    assert sizes == [7, 6, 7], "which is looked for once"


def test_a_square_output_of_one_size_of_batch_is_accepted(windows):
    def encode(batch):
        return bands(batch.reshape(7, 5512))[:, :7]

    assert as_encoder(encode).encode(windows, RATE).shape == (7, 7)


def test_an_encoder_that_raises_is_named_with_what_it_was_given(windows):
    def encode(batch):
        raise KeyError("no such layer")

    with pytest.raises(
        EncoderError, match=r"'encode' raised KeyError on a batch of 7 windows of 5512 samples at"
    ) as caught:
        as_encoder(encode).encode(windows, RATE)
    assert "no such layer" in str(caught.value)
    assert isinstance(caught.value.__cause__, KeyError)


def test_interrupts_are_not_the_encoders_errors(windows):
    def encode(batch):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        as_encoder(encode).encode(windows, RATE)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, ">f4"])
def test_floats_of_any_precision_are_embeddings(windows, dtype):
    embeddings = as_encoder(lambda batch: bands(batch).astype(dtype)).encode(windows, RATE)
    assert embeddings.dtype == np.float32
    np.testing.assert_array_equal(embeddings, bands(windows).astype(dtype).astype(np.float32))


@pytest.mark.usefixtures("run")
def test_a_measurement_names_the_clips_that_are_not_finite(corpus):
    broken = corpus.ids[3]
    marked = corpus[3].window(0.5)

    def encode(batch):
        embeddings = bands(batch)
        embeddings[(batch == marked).all(axis=1)] = np.nan
        return embeddings

    with pytest.raises(EncoderError, match="'encode' returned NaN") as caught:
        within_consistency(encode, lambda samples, rate: -samples, corpus=corpus)
    assert f"clips {broken}" in str(caught.value)
    assert corpus.name in str(caught.value)
    assert not any(id_ in str(caught.value) for id_ in corpus.ids if id_ != broken)


@pytest.mark.usefixtures("run")
def test_a_measurement_names_the_transformation_that_an_encoder_raises_on(corpus):
    def encode(batch):
        if np.abs(batch).max() == 0.0:
            raise ValueError("silence")
        return bands(batch)

    def mute(samples, sample_rate):
        muted = samples.copy()
        muted[len(muted) // 4 : -(len(muted) // 4)] = 0.0
        return muted

    with pytest.raises(EncoderError, match=r"'encode' raised ValueError .* silence \(under mute, "):
        within_consistency(as_encoder(encode, batch_size=1), mute, corpus=corpus)


# ---------------------------------------------------------------------------------------------
# Torch modules

NET = """
import torch

SCALE = 1.0


class Net(torch.nn.Module):
    def __init__(self, gain=1.0, _offset=0.0, table=None):
        super().__init__()
        self.gain = gain
        self._offset = _offset
        self.table = table
        self.layers = torch.nn.Sequential(
            torch.nn.Linear(32, 16), torch.nn.BatchNorm1d(16), torch.nn.ReLU(),
            torch.nn.Dropout(0.5), torch.nn.Linear(16, 6),
        )
        self.register_buffer("shift", torch.zeros(6))
        self.register_buffer("window", torch.ones(32), persistent=False)

    def forward(self, x):
        x = x[:, :3200].reshape(len(x), 100, 32).mean(1) * self.window
        return SCALE * self.gain * self.layers(x) + self.shift + self._offset
"""


@pytest.fixture
def net(torch, tmp_path, monkeypatch):
    """A module file with a network, imported."""
    (tmp_path / "nnrel_test_net.py").write_text(NET)
    monkeypatch.syspath_prepend(tmp_path)
    torch.manual_seed(11)
    module = importlib.import_module("nnrel_test_net")
    yield module
    del sys.modules["nnrel_test_net"]


@pytest.fixture
def reloaded(torch, net, tmp_path):
    """Import the module anew, with other code."""

    def reload(code):
        shutil.rmtree(tmp_path / "__pycache__", ignore_errors=True)
        (tmp_path / "nnrel_test_net.py").write_text(code)
        del sys.modules["nnrel_test_net"]
        torch.manual_seed(11)
        return importlib.import_module("nnrel_test_net")

    return reload


def expected_of(torch, module, windows):
    """Run a copy of a module the way it should be run."""
    module = copy.deepcopy(module).eval()
    with torch.no_grad():
        return module(torch.from_numpy(windows.copy())).float().numpy()


def test_a_torch_module_is_run_in_evaluation_mode(torch, net, windows):
    module = net.Net().train()
    expected = expected_of(torch, module, windows)
    encoder = as_encoder(module)
    for _ in range(2):
        np.testing.assert_allclose(encoder.encode(windows, RATE), expected, rtol=1e-5, atol=1e-6)
    running = module.layers[1]
    assert int(running.num_batches_tracked) == 0
    assert torch.equal(running.running_mean, torch.zeros(16))


def test_the_batch_does_not_matter(net, windows):
    module = net.Net().train()
    one = as_encoder(module, batch_size=1).encode(windows, RATE)
    all_ = as_encoder(module, batch_size=7).encode(windows, RATE)
    np.testing.assert_allclose(one, all_, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("raises", [False, True])
def test_training_flags_are_left_as_they_were(torch, net, windows, raises):
    module = net.Net().train()
    module.layers[1].eval()  # a frozen normalisation
    module.layers[3].p = 0.25
    flags = {name: part.training for name, part in module.named_modules()}
    assert set(flags.values()) == {True, False}
    if raises:
        module.window = torch.ones(31)
        with pytest.raises(EncoderError, match="'Net' raised RuntimeError"):
            as_encoder(module).encode(windows, RATE)
    else:
        as_encoder(module).encode(windows, RATE)
    assert {name: part.training for name, part in module.named_modules()} == flags


def test_no_gradients_are_recorded(torch, windows):
    enabled = []

    class Layer(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.ones(4))

        def forward(self, x):
            enabled.append(torch.is_grad_enabled())
            return x[:, :4] * self.weight

    with torch.enable_grad():
        as_encoder(Layer()).encode(windows, RATE)
        assert torch.is_grad_enabled()
    assert enabled == [False]


def test_gradients_and_low_precision_in_the_output_are_no_obstacle(torch, windows):
    weight = torch.ones(4, requires_grad=True)

    def encode(batch):
        return (torch.from_numpy(batch[:, :4]) * weight).to(torch.bfloat16)

    embeddings = as_encoder(encode).encode(windows, RATE)
    assert embeddings.dtype == np.float32
    np.testing.assert_allclose(embeddings, windows[:, :4], rtol=2**-8)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float64"])
def test_modules_may_return_any_float(torch, windows, dtype):
    class Cast(torch.nn.Module):
        def forward(self, x):
            return x[:, :4].to(getattr(torch, dtype))

    embeddings = as_encoder(Cast()).encode(windows, RATE)
    assert embeddings.dtype == np.float32
    np.testing.assert_allclose(embeddings, windows[:, :4], rtol=2**-8, atol=1e-6)


def test_integer_tensors_are_no_embeddings(torch, windows):
    with pytest.raises(EncoderError, match=r"'fn' must return .* not int64"):
        as_encoder(lambda b: torch.zeros(len(b), 3).long(), name="fn").encode(windows, RATE)


def test_a_tensor_without_data_is_no_embedding(torch, windows):
    def encode(batch):
        return torch.zeros(len(batch), 3, device="meta")

    with pytest.raises(EncoderError, match=r"'encode' must return .* on device meta, cannot be"):
        as_encoder(encode).encode(windows, RATE)


def test_the_device_asked_for(net, torch, windows):
    module = net.Net()
    encoder = as_encoder(module, device="cpu")
    assert encoder.device == "cpu"
    np.testing.assert_allclose(
        encoder.encode(windows, RATE), expected_of(torch, module, windows), rtol=1e-5, atol=1e-6
    )


def test_a_device_of_torchs_is_known_by_its_name(net, torch):
    assert as_encoder(net.Net(), device=torch.device("cuda", 1)).device == "cuda:1"
    encoder = MFCCEncoder(torch.device("cpu"))
    assert (encoder.device, encoder.runs_on) == ("cpu", {"cpu"})


def test_the_device_of_the_run(net):
    token = settings.activate(Settings(device="cpu"))
    try:
        assert as_encoder(net.Net()).device == "cpu"
        assert as_encoder(net.Net(), device="cuda").device == "cuda"
    finally:
        settings.deactivate(token)


@pytest.mark.parametrize("device", ["cuda:99", "no such device"])
def test_a_device_that_is_not_there(net, windows, device):
    with pytest.raises(EncoderError, match="'Net' raised"):
        as_encoder(net.Net(), device=device).encode(windows, RATE)


def test_a_torch_module_with_options_of_its_own(torch, net, windows):
    module = net.Net()
    module.sample_rate = 16_000
    encoder = as_encoder(module, name="net", window_seconds=1.0)
    assert (encoder.name, encoder.sample_rate, encoder.window_seconds) == ("net", 16_000, 1.0)
    resampled = np.stack([soxr.resample(window, RATE, 16_000, quality="HQ") for window in windows])
    np.testing.assert_allclose(
        encoder.encode(windows, RATE), expected_of(torch, module, resampled), rtol=1e-5, atol=1e-6
    )


# ---------------------------------------------------------------------------------------------
# Methods of torch modules


@pytest.fixture
def autoencoder(torch):
    """A torch module whose forward pass is a reconstruction, and ``encode`` the embedding."""

    class Autoencoder(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(16, 5)
            self.dropout = torch.nn.Dropout(0.5)

        def encode(self, x):
            assert not self.training
            assert not torch.is_grad_enabled()
            assert x.dtype == self.layer.weight.dtype
            return self.dropout(self.layer(x[:, :16]))

        def pair(self, x, gain=1.0):
            return gain * self.encode(x), None

        def forward(self, x):
            return self.encode(x) @ self.layer.weight

    torch.manual_seed(13)
    return Autoencoder().train()


def encoded(autoencoder, windows):
    weight, bias = (part.detach().float().numpy() for part in autoencoder.layer.parameters())
    return windows[:, :16] @ weight.T + bias


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda module: as_encoder(module), id="module"),
        pytest.param(lambda module: as_encoder(module, method="encode"), id="named"),
        pytest.param(lambda module: as_encoder(module.encode), id="bound method"),
        pytest.param(lambda module: as_encoder(partial(module.encode)), id="partial"),
        pytest.param(lambda module: as_encoder(module, method="pair", output=0), id="another"),
        pytest.param(lambda module: as_encoder(partial(module.pair, gain=1), output=0), id="bound"),
    ],
)
def test_methods_of_torch_modules_are_run_as_modules_are(autoencoder, windows, make):
    embeddings = make(autoencoder).encode(windows, RATE)
    np.testing.assert_allclose(embeddings, encoded(autoencoder, windows), rtol=1e-4, atol=1e-6)
    assert autoencoder.training
    assert autoencoder.dropout.training


def test_the_forward_pass_of_a_module_with_both_is_asked_for(torch, autoencoder, windows):
    encoder = as_encoder(autoencoder, method="forward")
    assert encoder.encode(windows, RATE).shape == (7, 16)
    assert encoder.assumptions(RATE) == ["22,050 Hz, not stated by the encoder"]
    assumed = as_encoder(autoencoder).assumptions(RATE)
    assert "embeddings by its method encode; it has forward as well" in assumed
    seen = []
    autoencoder.register_forward_hook(lambda *args: seen.append(1))
    encoder.encode(windows, RATE)
    assert seen == [1], "the module is called, so that its hooks run"


def test_an_encode_that_gives_no_embeddings_is_told_of_forward(torch, windows):
    class Codec(torch.nn.Module):
        def encode(self, x):
            return x.long()

        def forward(self, x):
            return x[:, :4]

    with pytest.raises(EncoderError, match=r"not int64; .* method='forward'\) takes its forward"):
        as_encoder(Codec()).encode(windows, RATE)
    with pytest.raises(EncoderError) as caught:
        as_encoder(Codec(), method="encode").encode(windows, RATE)
    assert "forward" not in str(caught.value), "it was asked for"


def test_a_part_called_encode_is_no_method(torch, windows):
    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.encode = torch.nn.Linear(4, 3)

        def forward(self, x):
            return self.encode(x[:, :4])

    encoder = as_encoder(Net())
    assert encoder.encode(windows, RATE).shape == (7, 3)
    assert len(encoder.assumptions(RATE)) == 1


@pytest.mark.filterwarnings("ignore:`torch.jit")  # deprecated, in a category of its version
def test_a_compiled_scripts_encode_is_run(torch, windows):
    class Net(torch.nn.Module):
        def forward(self, x):
            return x

        @torch.jit.export
        def encode(self, x):
            return x[:, :4]

    embeddings = as_encoder(torch.jit.script(Net())).encode(windows, RATE)
    np.testing.assert_array_equal(embeddings, windows[:, :4])


def test_methods_of_one_module_have_fingerprints_of_their_own(torch, net):
    module = net.Net()
    module.eval()
    net.Net.encode = net.Net.double_it = lambda self, x: 2 * self(x)
    encoders = [
        as_encoder(module),
        as_encoder(module, method="forward"),
        as_encoder(module, method="double_it"),
    ]
    fingerprints = [encoder.fingerprint for encoder in encoders]
    assert None not in fingerprints
    assert len(set(fingerprints)) == 3
    for same in (module.encode, partial(module.encode)):
        assert as_encoder(same).fingerprint not in fingerprints[1:]
    before = encoders[0].fingerprint
    module.gain = 2.0
    assert encoders[0].fingerprint != before


def test_a_method_that_takes_arrays_is_told_what_to_write(torch, windows):
    class Model(torch.nn.Module):
        def embed(self, array):
            return torch.from_numpy(array)[:, :4]

    model = Model()
    with pytest.raises(
        EncoderError, match=r"takes arrays: as_encoder\(lambda batch: model.eval\(\).embed"
    ):
        as_encoder(model.embed).encode(windows, RATE)
    embeddings = as_encoder(lambda audio: model.embed(audio)).encode(windows, RATE)
    np.testing.assert_array_equal(embeddings, windows[:, :4])


@pytest.mark.parametrize("dtype", ["float64", "bfloat16", "float16"])
def test_audio_comes_in_the_precision_of_the_weights(torch, autoencoder, windows, dtype):
    autoencoder.to(getattr(torch, dtype))
    encoder = as_encoder(autoencoder)
    np.testing.assert_allclose(
        encoder.encode(windows, RATE), encoded(autoencoder, windows), rtol=0.05, atol=0.01
    )
    assert f"audio in {dtype}, as its weights" in encoder.assumptions(RATE)


def test_audio_for_weights_of_several_precisions_stays_single(torch, windows):
    class Mixed(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("window", torch.ones(4))
            self.layer = torch.nn.Linear(4, 3).bfloat16()

        def forward(self, x):
            assert x.dtype == torch.float32
            return self.layer((x[:, :4] * self.window).bfloat16())

    assert as_encoder(Mixed()).encode(windows, RATE).shape == (7, 3)


@pytest.mark.parametrize("method", ["no_such", 3, "name"])
def test_methods_that_are_not_there(method):
    with pytest.raises(EncoderError, match=f"has no method {method!r}"):
        as_encoder(Named(), method=method)


def test_a_method_of_any_object_may_be_named(windows):
    class Pipeline:
        def transform(self, batch):
            return bands(batch)

    encoder = as_encoder(Pipeline(), method="transform")
    assert encoder.name == "Pipeline"
    np.testing.assert_array_equal(encoder.encode(windows, RATE), bands(windows).astype(np.float32))


def test_tables_and_hear_modules_have_no_method_to_choose(tmp_path):
    for obj in (tmp_path / "table.npy", "json"):
        with pytest.raises(EncoderError, match="method names one of an object's"):
            as_encoder(obj, method="encode")


# ---------------------------------------------------------------------------------------------
# Fingerprints of torch modules


def fingerprint(module):
    return as_encoder(module).fingerprint


def test_the_fingerprint_is_that_of_equal_copies(net):
    module = net.Net(table=[1, None, "a", (2.0, {"k": True})])
    first = fingerprint(module)
    assert first is not None
    assert fingerprint(copy.deepcopy(module)) == first
    twin = net.Net(table=[1, None, "a", (2.0, {"k": True})])
    assert fingerprint(twin) != first  # other random weights
    twin.load_state_dict(module.state_dict())
    assert fingerprint(twin) == first


def test_the_fingerprint_does_not_depend_on_mode_or_use(net, windows):
    module = net.Net()
    first = fingerprint(module.train())
    assert fingerprint(module.eval()) == first
    encoder = as_encoder(module)
    encoder.encode(windows, RATE)
    assert encoder.fingerprint == first


def test_the_fingerprint_depends_on_the_mode_of_what_nobody_evaluates(torch):
    class Hidden(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.seen, self.unseen = torch.nn.Dropout(0.5), [torch.nn.Dropout(0.5)]

        def forward(self, x):
            return self.unseen[0](self.seen(x))[:, :4]

    module = Hidden()
    first = fingerprint(module.train())
    assert fingerprint(module.eval()) == first
    module.unseen[0].eval()
    assert fingerprint(module) not in (None, first)


def test_what_it_is_known_by_does_not_depend_on_its_name(net):
    for obj in (net.Net(), lambda windows: windows[:, :4]):
        one, other = (as_encoder(obj, name=name).identify() for name in ("one", "other"))
        assert one == other


@pytest.mark.parametrize("seed", ["1", "2"])
def test_the_fingerprint_is_the_same_in_every_process(net, tmp_path, seed):
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "import torch, nnrel_test_net\n"
        "from pytest_nnrel import as_encoder\n"
        "torch.manual_seed(5)\n"
        "print(as_encoder(nnrel_test_net.Net(table={'a': [1.5]})).fingerprint)\n"
    )
    elsewhere = subprocess.run(
        [sys.executable, "-c", code, tmp_path],
        env={**os.environ, "PYTHONHASHSEED": seed},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    import torch

    torch.manual_seed(5)
    assert fingerprint(net.Net(table={"a": [1.5]})) == elsewhere


def in_one_weight(module, torch):
    with torch.no_grad():
        module.layers[0].weight[3, 4] += 1e-6


def in_a_buffer(module, torch):
    module.shift[2] = 1.0


def in_a_buffer_that_is_not_saved(module, torch):
    module.window[7] = 0.5


def in_running_statistics(module, torch):
    module.layers[1].running_var[0] = 2.0


def in_an_attribute(module, torch):
    module.gain = 1.5


def in_a_private_attribute(module, torch):
    module._offset = 1.5


def in_a_new_attribute(module, torch):
    module.extra = "x"


def in_the_type_of_an_attribute(module, torch):
    module.gain = 1


def in_the_activation(module, torch):
    module.layers[2] = torch.nn.Tanh()


def in_an_option_of_a_layer(module, torch):
    module.layers[1].eps = 1e-3


def in_an_added_layer(module, torch):
    module.layers.append(torch.nn.ReLU())


def in_precision(module, torch):
    module.layers[4].double()


CHANGES = [
    in_one_weight,
    in_a_buffer,
    in_a_buffer_that_is_not_saved,
    in_running_statistics,
    in_an_attribute,
    in_a_private_attribute,
    in_a_new_attribute,
    in_the_type_of_an_attribute,
    in_the_activation,
    in_an_option_of_a_layer,
    in_an_added_layer,
    in_precision,
]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_the_fingerprint_shows_a_change(torch, net, change):
    module = net.Net()
    encoder = as_encoder(module)
    before = encoder.fingerprint
    change(module, torch)
    assert encoder.fingerprint != before


def arrays(seed):
    return np.random.default_rng(seed).standard_normal(5).astype(np.float32)


@pytest.mark.parametrize(
    "one, other",
    [
        pytest.param(1, 2, id="numbers"),
        pytest.param(1, True, id="number and flag"),
        pytest.param("a", None, id="text and None"),
        pytest.param([1, 2], [2, 1], id="order"),
        pytest.param([1, 2], (1, 2), id="list and tuple"),
        pytest.param([[1], 2], [[1, 2]], id="nesting"),
        pytest.param({"a": 1}, {"a": 2}, id="dicts"),
        pytest.param({"a": 1}, {"b": 1}, id="keys"),
        pytest.param(arrays(0), arrays(1), id="arrays"),
        pytest.param(arrays(0), arrays(0).astype(np.float64), id="types of arrays"),
    ],
)
def test_the_fingerprint_sees_into_attributes(net, one, other):
    module = net.Net(table=one)
    with_one = fingerprint(module)
    module.table = copy.deepcopy(one)
    assert fingerprint(module) == with_one
    module.table = other
    assert fingerprint(module) != with_one


def test_the_fingerprint_sees_tensors_that_are_no_buffers(torch, net):
    module = net.Net(table=torch.tensor([1.0, 2.0]))
    before = fingerprint(module)
    module.table[0] = 3.0
    assert fingerprint(module) != before


def test_the_fingerprint_sees_options_that_a_layers_repr_hides(torch):
    # The same weights, other heads: repr shows neither.
    two, four = (torch.nn.MultiheadAttention(8, heads, batch_first=True) for heads in (2, 4))
    four.load_state_dict(two.state_dict())
    assert fingerprint(two) is None or fingerprint(two) != fingerprint(four)
    first, last = (
        torch.nn.TransformerEncoderLayer(8, 2, 16, norm_first=norm_first, batch_first=True)
        for norm_first in (True, False)
    )
    last.load_state_dict(first.state_dict())
    assert fingerprint(first) is None or fingerprint(first) != fingerprint(last)


def test_the_fingerprint_knows_of_hooks(torch):
    module = torch.nn.Sequential(torch.nn.Linear(4, 4))
    before = fingerprint(module)
    module.register_forward_hook(lambda part, inputs, output: 2 * output)
    assert fingerprint(module) is None or fingerprint(module) != before


def test_the_fingerprint_knows_of_a_forward_put_on_an_instance(torch):
    module = torch.nn.Sequential(torch.nn.Linear(4, 4))
    before = fingerprint(module)
    module.forward = lambda x: x[:, :2]
    assert fingerprint(module) is None or fingerprint(module) != before


@pytest.mark.parametrize(
    "state",
    [
        pytest.param(lambda: iter([1, 2]), id="iterator"),
        pytest.param(lambda: [1, iter([1, 2])], id="iterator in a list"),
        pytest.param(lambda: {"a": {"b": memoryview(b"1")}}, id="foreign memory in a dict"),
        pytest.param(lambda: {sys._getframe()}, id="frame in a set"),
    ],
)
def test_state_that_cannot_be_told_has_no_fingerprint(net, state):
    assert fingerprint(net.Net(table=state())) is None


def test_code_without_a_file_is_told_by_what_it_does(torch):
    found = []
    for end in (2, 2, 3):
        namespace = {"torch": torch, "__name__": "nowhere"}
        exec(
            f"class Net(torch.nn.Module):\n    def forward(self, x): return x[:, :{end}]", namespace
        )
        found.append(fingerprint(namespace["Net"]()))
    assert found[0] == found[1] != found[2]


def test_compiled_scripts_with_other_code_have_other_fingerprints_or_none(torch):
    class Gain(torch.nn.Module):
        def __init__(self, gain: float):
            super().__init__()
            self.gain = gain

        def forward(self, x: torch.Tensor):
            return x[:, :3] * self.gain

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`torch.jit")  # deprecated
        one, two = (torch.jit.script(Gain(gain)) for gain in (1.0, 2.0))
        assert fingerprint(one) is None or fingerprint(one) != fingerprint(two)


@pytest.mark.parametrize(
    "code",
    [
        pytest.param(NET.replace("SCALE = 1.0", "SCALE = 2.0"), id="constant"),
        pytest.param(NET.replace(".mean(1)", ".amax(1)"), id="forward"),
    ],
)
def test_the_fingerprint_shows_changed_code(torch, net, reloaded, code):
    assert code != NET
    before = fingerprint(net.Net())
    assert fingerprint(reloaded(NET).Net()) == before
    assert fingerprint(reloaded(code).Net()) != before


def test_the_fingerprint_shows_changed_code_of_a_base_class(net, reloaded):
    class Child(net.Net):
        pass

    before = fingerprint(Child())

    class Child(reloaded(NET.replace(".mean(1)", ".amax(1)")).Net):
        pass

    assert fingerprint(Child()) != before


def test_a_fingerprint_given_takes_precedence(net):
    module = net.Net()
    assert as_encoder(module, fingerprint="release 3").fingerprint == "release 3"
    module.fingerprint = "its own"
    assert as_encoder(module).fingerprint == "its own"


def test_callables_have_the_fingerprint_they_are_given():
    assert as_encoder(bands).fingerprint is None
    assert as_encoder(bands, fingerprint="1").fingerprint == "1"
    model = Unnamed()
    model.fingerprint = "2"
    assert as_encoder(model).fingerprint == "2"
    model.fingerprint = 2  # no digest
    assert as_encoder(model).fingerprint is None


@pytest.mark.usefixtures("run")
def test_a_module_without_weights_is_refused_by_name(torch, corpus):
    module = torch.nn.Sequential(torch.nn.Linear(11_025, 2, device="meta"))
    with pytest.raises(EncoderError, match="'Sequential'"):
        within_consistency(module, lambda samples, rate: -samples, corpus=corpus)


def test_a_module_that_is_initialised_by_its_first_batch(torch, windows):
    encoder = as_encoder(torch.nn.Sequential(torch.nn.LazyLinear(3)))
    assert encoder.fingerprint is None  # there are no weights yet to tell it by
    assert encoder.encode(windows, RATE).shape == (7, 3)
    assert encoder.fingerprint is not None


def test_sparse_buffers_are_no_obstacle_to_encoding(torch, windows):
    class Bands(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("select", torch.eye(4, 5512).to_sparse())

        def forward(self, x):
            return (self.select @ x.T).T

    encoder = as_encoder(Bands())
    np.testing.assert_allclose(encoder.encode(windows, RATE), windows[:, :4])
    before = encoder.fingerprint  # a digest or None, but no error
    encoder.subject.select = 2 * encoder.subject.select
    assert before is None or encoder.fingerprint != before


# ---------------------------------------------------------------------------------------------
# HEAR modules

HEAR_MODULE = textwrap.dedent(
    '''
    """An encoder with HEAR's common API."""

    import torch

    LOADED = []


    class Model(torch.nn.Module):
        sample_rate = 16_000
        scene_embedding_size = 4

        def __init__(self):
            super().__init__()
            torch.manual_seed(3)
            self.projection = torch.nn.Linear(64, 4)
            self.dropout = torch.nn.Dropout(0.5)


    def load_model(model_file_path=""):
        LOADED.append(model_file_path)
        return Model()


    def get_scene_embeddings(audio, model):
        assert isinstance(audio, torch.Tensor) and audio.dtype == torch.float32
        assert not torch.is_grad_enabled()
        frames = audio[:, : audio.shape[1] // 64 * 64].reshape(len(audio), -1, 64)
        return model.dropout(model.projection(frames.abs().mean(1)))


    def get_timestamp_embeddings(audio, model):
        raise NotImplementedError
    '''
)


@pytest.fixture
def hear(torch, tmp_path, monkeypatch):
    """A package on the path with a HEAR module, imported."""
    package = tmp_path / "nnrel_test_hear"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "model.py").write_text(HEAR_MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module("nnrel_test_hear.model")
    del sys.modules["nnrel_test_hear.model"], sys.modules["nnrel_test_hear"]


@pytest.mark.parametrize("by_name", [False, True])
def test_a_hear_module(torch, hear, windows, by_name):
    encoder = as_encoder("nnrel_test_hear.model" if by_name else hear)
    assert encoder.name == "nnrel_test_hear.model"
    assert encoder.sample_rate == 16_000
    assert encoder.fingerprint is None
    assert hear.LOADED == [""]
    embeddings = encoder.encode(windows, RATE)
    resampled = np.stack([soxr.resample(window, RATE, 16_000, quality="HQ") for window in windows])
    model = hear.Model().eval()
    with torch.no_grad():
        expected = hear.get_scene_embeddings(torch.from_numpy(resampled), model)
    np.testing.assert_allclose(embeddings, expected.numpy(), rtol=1e-5, atol=1e-7)


def test_a_hear_module_with_options(hear, windows):
    encoder = as_encoder(
        hear, name="hear", device="cpu", batch_size=2, window_seconds=0.25, fingerprint="1"
    )
    assert (encoder.name, encoder.batch_size, encoder.fingerprint) == ("hear", 2, "1")
    np.testing.assert_allclose(
        encoder.encode(windows, RATE), as_encoder(hear).encode(windows, RATE), rtol=1e-5, atol=1e-7
    )


def hear_like(**attributes):
    module = types.ModuleType("mine")
    vars(module).update(attributes)
    return module


def test_a_hear_module_whose_model_is_no_torch_module(torch, windows):
    module = hear_like(
        load_model=lambda model_file_path="": types.SimpleNamespace(sample_rate=RATE, gain=2.0),
        get_scene_embeddings=lambda audio, model: model.gain * torch.as_tensor(audio)[:, :3],
    )
    np.testing.assert_array_equal(
        as_encoder(module).encode(windows, RATE), 2.0 * windows[:, :3], strict=True
    )


@pytest.mark.parametrize(
    "attributes, match",
    [
        pytest.param({}, "mine has no load_model and no get_scene_embeddings", id="neither"),
        pytest.param(
            {"load_model": lambda: None}, "mine has no get_scene_embeddings: a HEAR", id="no scenes"
        ),
        pytest.param(
            {"get_scene_embeddings": bands}, "mine has no load_model: a HEAR", id="no loader"
        ),
        pytest.param(
            {"load_model": object, "get_scene_embeddings": bands},
            "the model of HEAR module mine has no sample_rate",
            id="no rate",
        ),
    ],
)
def test_modules_that_are_not_hears(attributes, match):
    with pytest.raises(EncoderError, match=match):
        as_encoder(hear_like(**attributes))


def test_the_output_of_a_hear_module_is_checked(torch, windows):
    module = hear_like(
        load_model=lambda: types.SimpleNamespace(sample_rate=RATE),
        get_scene_embeddings=lambda audio, model: (torch.zeros(len(audio), 3), None),
    )
    with pytest.raises(EncoderError, match=r"'mine' must return .* not a tuple of 2"):
        as_encoder(module).encode(windows, RATE)


# ---------------------------------------------------------------------------------------------
# The MFCC baseline


def mfcc_statistics(window):
    """The paper's section 4.2, one window of 22,050 Hz at a time."""
    coefficients = librosa.feature.mfcc(
        y=window, sr=22_050, n_mfcc=25, n_fft=1024, hop_length=256, n_mels=128
    )
    coefficients = coefficients[1:].astype(np.float64)
    frames = coefficients.shape[1]
    first = np.stack([coefficients[:, t + 1] - coefficients[:, t] for t in range(frames - 1)], 1)
    second = np.stack([first[:, t + 1] - first[:, t] for t in range(frames - 2)], 1)
    series = [coefficients, first, second]
    means = [part.sum(axis=1) / part.shape[1] for part in series]
    deviations = [
        np.sqrt(((part - mean[:, None]) ** 2).sum(axis=1) / (part.shape[1] - 1))
        for part, mean in zip(series, means)
    ]
    return np.concatenate(means + deviations)


@pytest.fixture(scope="module")
def music():
    return np.stack([clip.window(2.0) for clip in Corpus.bundled().subset(3)])


def test_the_mfcc_encoder_is_the_papers(music):
    encoder = MFCCEncoder()
    assert (encoder.name, encoder.sample_rate, encoder.window_seconds) == ("mfcc", 22_050, None)
    embeddings = encoder.encode(music, RATE)
    assert embeddings.shape == (3, 144)
    assert embeddings.dtype == np.float32
    expected = np.stack([mfcc_statistics(window) for window in music])
    np.testing.assert_allclose(embeddings, expected, rtol=1e-4, atol=1e-4)


def test_the_mfcc_encoder_does_not_depend_on_the_batch(music):
    encoder = MFCCEncoder()
    together = encoder.encode(music, RATE)
    apart = np.concatenate([encoder.encode(window[None], RATE) for window in music])
    np.testing.assert_array_equal(together, apart)
    np.testing.assert_array_equal(encoder.encode(music[::-1], RATE), together[::-1])


@pytest.mark.parametrize("rate", [16_000, 44_100])
def test_the_mfcc_encoder_works_at_22050_hz(music, rate):
    at_other_rate = np.stack([soxr.resample(window, RATE, rate, quality="HQ") for window in music])
    back = [soxr.resample(window, rate, RATE, quality="HQ") for window in at_other_rate]
    expected = np.stack([mfcc_statistics(window) for window in back])
    np.testing.assert_allclose(
        MFCCEncoder().encode(at_other_rate, rate), expected, rtol=1e-4, atol=1e-4
    )


def test_the_mfcc_encoder_has_a_fingerprint():
    assert MFCCEncoder().fingerprint is not None
    assert MFCCEncoder().fingerprint == MFCCEncoder().fingerprint

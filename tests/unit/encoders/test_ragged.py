"""Waveforms of several lengths in one batch: what a function of them is given, and must return."""

import numpy as np
import pytest

from pytest_nnrel import EncoderError, as_encoder

RATE = 16_000


def level(audio):
    return np.log(np.abs(audio).mean(axis=1, keepdims=True) + 1e-3)


def levels(waveforms):
    return np.concatenate([level(each[None]) for each in waveforms])


@pytest.fixture
def waveforms():
    rng = np.random.default_rng(4)
    return [rng.standard_normal(length).astype(np.float32) for length in (800, 1600, 1000)]


def test_each_waveform_has_its_embedding(waveforms):
    encoder = as_encoder(level, ragged=levels)
    found = encoder.encode_ragged(waveforms, RATE)
    assert found.dtype == np.float32
    for row, each in zip(found, waveforms):
        np.testing.assert_allclose(row, encoder.encode(each[None], RATE)[0], rtol=1e-6)


def test_it_is_told_the_rate_that_the_encoder_wants(waveforms):
    seen = []

    def told(given, sample_rate):
        seen.append((sample_rate, [len(each) for each in given]))
        return levels(given)

    as_encoder(level, sample_rate=8_000, ragged=told).encode_ragged(waveforms, RATE)
    assert seen == [(8_000, [400, 800, 500])]


def test_outputs_that_are_read_out_have_it_too(waveforms):
    encoder = as_encoder(lambda audio: {"z": level(audio)}, output="z", ragged=levels)
    assert encoder.encode_ragged(waveforms, RATE).shape == (3, 1)


def test_it_is_no_part_of_what_an_encoder_is_known_by():
    plain, with_it = as_encoder(level), as_encoder(level, ragged=levels)
    assert plain.identify().behaviour.digest == with_it.identify().behaviour.digest


@pytest.mark.parametrize(
    "ragged, told",
    [
        (lambda each: levels(each)[:2], r"shape \(3, d\)"),
        (lambda each: levels(each) * np.nan, "NaN or infinite values for 3 of 3"),
        (lambda each: None, "None"),
        (lambda each: 1 / 0, "ragged= raised ZeroDivisionError on a list of 3 waveforms of 800 to"),
        (lambda each: [np.negative(w, out=w) for w in each] and levels(each), "in place"),
    ],
)
def test_what_is_no_embedding_is_refused(ragged, told, waveforms):
    with pytest.raises(EncoderError, match=told):
        as_encoder(level, ragged=ragged).encode_ragged(waveforms, RATE)


def test_an_encoder_that_was_not_told_how_says_so(waveforms):
    with pytest.raises(EncoderError, match=r"as_encoder\(\.\.\., ragged="):
        as_encoder(level, name="mine").encode_ragged(waveforms, RATE)


def test_what_is_no_function_is_refused():
    with pytest.raises(EncoderError, match="ragged must be a function"):
        as_encoder(level, ragged="pad")


def test_an_encoder_cannot_be_told_later():
    with pytest.raises(EncoderError, match="is an encoder already"):
        as_encoder(as_encoder(level), ragged=levels)

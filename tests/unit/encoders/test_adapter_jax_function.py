"""Functions of JAX and modules of Flax."""

from functools import partial

import numpy as np
import pytest
from trial import RATE, Library, Trial

from pytest_nnrel import EncoderError, as_encoder
from pytest_nnrel.identity import behaviour_of

pytestmark = pytest.mark.runtimes
jax = Library("jax")


def weights(seed, samples):
    return np.random.default_rng(seed).standard_normal((samples, 5)).astype(np.float32) / 50


def jitted(windows, seed=0, kind="float32"):
    matrix = jax.numpy.asarray(weights(seed, windows.shape[1]))
    return jax.jit(lambda audio: jax.numpy.tanh(audio @ matrix).astype(kind))


def expected(windows):
    return np.tanh(windows @ weights(0, windows.shape[1]))


def trial(folder, windows):
    codes = jitted(windows, kind="int32")
    return Trial(jitted(windows), expected, jitted(windows, seed=1), codes)


def known(obj):
    return as_encoder(obj, name="one").fingerprint


def test_its_fingerprint_is_of_code_and_of_the_arrays_in_its_closure(windows):
    one = known(jitted(windows))
    assert one is not None
    assert known(jitted(windows)) == one
    assert known(jitted(windows, seed=1)) not in (None, one)
    matrix = jax.numpy.asarray(weights(0, windows.shape[1]))
    assert known(jax.jit(lambda audio: -jax.numpy.tanh(audio @ matrix))) not in (None, one)
    assert as_encoder(jitted(windows), fingerprint="v1").fingerprint == "v1"


def test_parameters_that_a_partial_holds_are_told(windows):
    apply = jax.jit(lambda params, audio: jax.numpy.tanh(audio @ params["w"]))

    def bound(seed):
        return partial(apply, {"w": jax.numpy.asarray(weights(seed, windows.shape[1]))})

    found = as_encoder(bound(0)).encode(windows, RATE)
    np.testing.assert_allclose(found, expected(windows), rtol=1e-4, atol=1e-5)
    assert known(bound(0)) == known(bound(0))
    assert known(bound(0)) not in (None, known(bound(1)))


def test_what_jax_is_set_to_is_told(windows):
    before = behaviour_of(jitted(windows))
    with jax.default_matmul_precision("float32"):
        assert behaviour_of(jitted(windows)) != before
    assert behaviour_of(jitted(windows)) == before


def test_small_floats_and_a_sample_rate(windows):
    def embed(audio, sample_rate):
        return (audio[:, :4] * sample_rate).astype("bfloat16")

    found = as_encoder(jax.jit(embed)).encode(windows, RATE)
    np.testing.assert_allclose(found, RATE * windows[:, :4], rtol=1e-2)


def module_of(windows, seed=0, drop=0.5):
    nnx = pytest.importorskip("flax.nnx")

    class Net(nnx.Module):
        def __init__(self, rngs):
            self.layer = nnx.Linear(windows.shape[1], 5, rngs=rngs)
            self.norm = nnx.BatchNorm(5, rngs=rngs)
            self.dropout = nnx.Dropout(drop, rngs=rngs)

        def __call__(self, audio):
            return self.dropout(self.norm(self.layer(audio)))

        def below(self, audio):
            return self.norm(self.layer(audio))

    return Net(nnx.Rngs(seed))


def test_a_module_of_nnx_is_evaluated_and_left_as_it_was(windows):
    model, evaluated = module_of(windows), module_of(windows)
    evaluated.eval()
    for embeds in (model, model.below):
        encoder = as_encoder(embeds)
        before = encoder.fingerprint
        found = encoder.encode(windows, RATE)
        np.testing.assert_allclose(found, evaluated(windows), rtol=1e-4, atol=1e-5)
        np.testing.assert_array_equal(encoder.encode(windows, RATE), found)
        assert encoder.fingerprint == before is not None
    assert not model.dropout.deterministic
    assert np.ptp(np.asarray(model.norm.mean[...])) == 0, "no statistics were collected"


def test_a_module_of_nnx_is_known_by_its_weights_whatever_its_mode(windows):
    one, same, other = (module_of(windows, seed) for seed in (0, 0, 1))
    same.eval()
    assert known(one) == known(same)
    assert known(one) not in (None, known(other))
    one.layer.kernel[...] = one.layer.kernel[...] + 1
    assert known(one) not in (None, known(same))


def test_a_module_of_linen_with_its_parameters(windows):
    linen = pytest.importorskip("flax.linen")

    class Net(linen.Module):
        @linen.compact
        def __call__(self, audio):
            return linen.Dense(5)(audio)

    def bound(seed):
        return partial(Net().apply, Net().init(jax.random.key(seed), windows))

    found = as_encoder(bound(0)).encode(windows, RATE)
    np.testing.assert_allclose(found, bound(0)(windows), rtol=1e-4, atol=1e-5)
    assert known(bound(0)) == known(bound(0))
    assert known(bound(0)) not in (None, known(bound(1)))


def test_what_jax_raises_is_told(windows):
    with pytest.raises(EncoderError, match=r"raised TypeError on a batch of 6 windows of 900"):
        as_encoder(jitted(windows)).encode(windows[:, :900], RATE)

"""Functions of `jax.jit` and modules of Flax NNX are encoders as they are.

The fingerprint is of the code and of the arrays that a function holds, in its closure or bound by
`functools.partial`, or that a module has. A module is run in evaluation mode.
"""

from functools import partial

import numpy as np
import pytest

from pytest_nnrel import MP3, as_encoder, assert_within_consistency

jax = pytest.importorskip("jax")


def embed(parameters, audio):
    """Map ``float32[n, samples]`` to ``float32[n, 64]``."""
    frames = audio[:, : audio.shape[1] // 512 * 512].reshape(len(audio), -1, 512)
    return jax.numpy.log1p(jax.numpy.abs(frames @ parameters["filters"])).mean(1)


@pytest.mark.nnrel(clips=10)
def test_a_function_and_its_parameters():
    filters = np.random.default_rng(0).standard_normal((512, 64)).astype(np.float32)
    bound = partial(jax.jit(embed), {"filters": jax.numpy.asarray(filters)})
    encoder = as_encoder(bound, sample_rate=16_000, name="random filters")
    assert_within_consistency(encoder, MP3(kbps=64), min=0.9)


@pytest.mark.nnrel(clips=10)
def test_a_module_of_flax():
    nnx = pytest.importorskip("flax.nnx")

    class Conv(nnx.Module):
        sample_rate = 16_000

        def __init__(self, rngs):
            self.filters = nnx.Conv(1, 64, kernel_size=(512,), strides=(256,), rngs=rngs)
            self.dropout = nnx.Dropout(0.5, rngs=rngs)

        def __call__(self, audio):
            frames = jax.numpy.abs(self.filters(audio[:, :, None]))
            return self.dropout(jax.numpy.log1p(frames).mean(1))

    assert_within_consistency(Conv(nnx.Rngs(0)), MP3(kbps=64), min=0.9)

"""A Keras 3 model, on any of its backends, is an encoder as it is.

It is run as in inference and without gradients. Embeddings are kept under a digest of its code,
configuration and weights.
"""

import importlib.util
import os

import pytest

from pytest_nnrel import MP3, as_encoder, assert_within_consistency

if importlib.util.find_spec("torch") is not None:  # or "jax", "tensorflow"
    os.environ.setdefault("KERAS_BACKEND", "torch")
keras = pytest.importorskip("keras")


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [
            keras.Input((None, 1)),
            keras.layers.Conv1D(64, 512, strides=256),
            keras.layers.Lambda(lambda frames: keras.ops.log1p(keras.ops.abs(frames))),
            keras.layers.GlobalAveragePooling1D(),
            keras.layers.BatchNormalization(),
        ],
        name="conv",
    )


@pytest.mark.nnrel(clips=10)
def test_a_model(model):
    assert_within_consistency(as_encoder(model, sample_rate=16_000), MP3(kbps=64), min=0.9)

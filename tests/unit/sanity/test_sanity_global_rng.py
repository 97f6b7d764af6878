"""The check global_rng."""

import random

import defective_encoders as zoo
import numpy as np
import pytest
import torch
from checked import IN_PROCESS

from pytest_nnrel import EncoderError, check_encoder


def own_generator(batch):
    """Project by weights from a generator of its own."""
    embeddings = zoo.log_bands(batch)
    return embeddings @ np.random.default_rng(0).standard_normal((embeddings.shape[1], 24))


CAUGHT = {
    "numpy dither": lambda: zoo.numpy_dither,
    "torch dither": lambda: zoo.torch_dither,
    "seeds the world": lambda: zoo.seeds_the_world,
}
PASSED = {
    "a generator of its own": lambda: own_generator,
}


def test_global_random_states_are_restored(short):
    before = random.getstate(), np.random.get_state()[1].tobytes(), torch.get_rng_state().numpy()

    def encode(batch):
        random.seed(1)
        torch.manual_seed(2)
        return zoo.numpy_dither(batch)

    report = check_encoder(encode, corpus=short, checks=IN_PROCESS)
    (finding,) = [finding for finding in report.findings if finding.check == "global_rng"]
    assert "random state of random, numpy.random, torch" in finding.seen
    assert random.getstate() == before[0]
    assert np.random.get_state()[1].tobytes() == before[1]
    np.testing.assert_array_equal(torch.get_rng_state().numpy(), before[2])


def test_random_states_are_restored_after_an_error(short):
    state = np.random.get_state()[1].tobytes()

    def encode(batch):
        np.random.rand(3)
        raise RuntimeError("always")

    with pytest.raises(EncoderError):
        check_encoder(encode, corpus=short)
    assert np.random.get_state()[1].tobytes() == state

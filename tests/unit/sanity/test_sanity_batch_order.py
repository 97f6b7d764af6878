"""The check batch_order."""

import defective_encoders as zoo
import numpy as np
import pytest

from pytest_nnrel import check_encoder

CAUGHT = {
    "place in batch": lambda: zoo.place_in_batch,
    "recurrent over batch": zoo.RecurrentOverBatch,
}
PASSED = {
    "bands": lambda: zoo.log_bands,
}


@pytest.mark.parametrize("seed", range(6))
def test_another_order_leaves_no_clip_in_its_place(seed, short):
    given = []

    def encode(batch):
        given.append(batch.copy())
        return zoo.log_bands(batch)

    for _ in range(2):
        check_encoder(encode, corpus=short, checks="batch_order", seed=seed)
    first, second, _, again = given
    assert not (first == second).all(axis=1).any()
    np.testing.assert_array_equal(np.sort(first, axis=0), np.sort(second, axis=0))
    np.testing.assert_array_equal(again, second)

"""The check sample_shift."""

import defective_encoders as zoo
import numpy as np

from pytest_nnrel import check_encoder


def raw_samples_pooled(batch):
    """Take levels of raw samples."""
    parts = np.array_split(batch, zoo.BANDS, axis=1)
    return np.stack([np.square(part).mean(axis=1) for part in parts], axis=1)


CAUGHT = {
    "decimated samples": lambda: zoo.decimated_samples,
}
PASSED = {
    "raw samples, pooled": lambda: raw_samples_pooled,
}


def test_one_sample_is_one_sample(corpus):
    given = []

    def encode(batch):
        given.append(batch.copy())
        return zoo.log_bands(batch)

    check_encoder(encode, corpus=corpus, checks="sample_shift")
    np.testing.assert_array_equal(given[1][:, :-1], given[0][:, 1:])

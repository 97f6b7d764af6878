"""The check batch_size."""

import defective_encoders as zoo
import numpy as np
import pytest

from pytest_nnrel import check_encoder
from pytest_nnrel.sanity import spread_of
from pytest_nnrel.sanity.under_test import ROUNDING


def own_peak(batch):
    """Divide each window by its own peak."""
    return zoo.log_bands(batch / np.abs(batch).max(axis=1, keepdims=True))


CAUGHT = {
    "batch peak": lambda: zoo.batch_peak,
    "batch standardised": lambda: zoo.batch_standardised,
    "squeezed": lambda: zoo.squeezed,
}
PASSED = {
    "its own peak": lambda: own_peak,
}


def test_the_size_is_relative_to_the_median_distance_between_clips(corpus):
    embeddings = zoo.log_bands(corpus.windows())
    pairs = [np.linalg.norm(a - b) for i, a in enumerate(embeddings) for b in embeddings[i + 1 :]]

    def moved(batch):
        step = 0.02 * np.median(pairs) if len(batch) == 1 else 0.0
        return np.concatenate([zoo.log_bands(batch), np.full((len(batch), 1), step)], axis=1)

    (finding,) = check_encoder(moved, corpus=corpus, checks="batch_size").findings
    assert finding.size == pytest.approx(0.02, rel=1e-3)
    for calls in (moved, zoo.log_bands):
        assert not check_encoder(calls, corpus=corpus, checks=["batch_order"]).findings


@pytest.mark.parametrize("share, caught", [(0.5, False), (2.0, True)])
def test_rounding_is_tolerated_and_no_more(share, caught, corpus):
    spread = spread_of(zoo.log_bands(corpus.windows()))

    def encode(batch):
        step = share * ROUNDING * spread if len(batch) == 1 else 0.0
        return np.concatenate([zoo.log_bands(batch), np.full((len(batch), 1), step)], axis=1)

    report = check_encoder(encode, corpus=corpus, checks="batch_size")
    assert bool(report.findings) is caught

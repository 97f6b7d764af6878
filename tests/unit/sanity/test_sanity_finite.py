"""The check finite."""

import defective_encoders as zoo
import numpy as np
from checked import IN_PROCESS, found

from pytest_nnrel import check_encoder


def with_a_floor(batch):
    """Take a logarithm with a floor."""
    return zoo.log_bands(batch) + np.log(np.square(batch).mean(axis=1, keepdims=True) + 1e-6)


CAUGHT = {
    "log of zero": lambda: zoo.log_of_zero,
    "standardised samples": lambda: zoo.standardised_samples,
    "root of negative": lambda: zoo.root_of_negative,
}
PASSED = {
    "a floor": lambda: with_a_floor,
}


def test_non_finite_clips_are_named_and_the_rest_is_checked(corpus):
    report = check_encoder(zoo.root_of_negative, corpus=corpus, checks=IN_PROCESS)
    first = report.findings[0]
    assert (first.check, first.size) == ("finite", None)
    assert "for 4 of 8 clips, '" in first.seen
    assert {"same_twice", "batch_size", "gain"} <= set(report.passed)


def test_nan_for_everything_is_one_finding(short):
    report = check_encoder(
        lambda batch: np.full((len(batch), 3), np.nan), corpus=short, checks=IN_PROCESS
    )
    assert found(report) == {"finite"}
    assert "4 of 4 clips" in report.findings[0].seen
    assert set(report.passed) == {"training_mode", "in_place", "global_rng"}
    assert report.skipped["gain"] == "fewer than two clips have finite embeddings"

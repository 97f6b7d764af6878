"""The check gain."""

import defective_encoders as zoo
import numpy as np
from checked import found

from pytest_nnrel import check_encoder


def fine_levels(batch):
    """Tell levels to a thousandth."""
    return zoo.log_bands(batch).round(3)


CAUGHT = {
    "level classes": lambda: zoo.level_classes,
}
PASSED = {
    "levels to a thousandth": lambda: fine_levels,
}


def test_nan_after_a_small_change_is_a_finding_of_that_check(short):
    def encode(batch):
        peaks = [np.abs(window).max() for window in batch]
        embeddings = zoo.log_bands(batch)
        embeddings[np.array(peaks) > limit] = np.inf
        return embeddings

    limit = 1.05 * np.abs(short.windows()).max()
    report = check_encoder(encode, corpus=short, checks=["gain", "int16"])
    assert found(report) == {"gain"}
    assert "NaN or infinite values for 1 or more of 4 clips" in report.findings[0].seen

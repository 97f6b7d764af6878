"""The check collapse."""

import defective_encoders as zoo
import numpy as np

from pytest_nnrel import check_encoder


def few_dimensions(batch):
    """Return two numbers, which differ."""
    return zoo.log_bands(batch)[:, [0, -1]]


CAUGHT = {
    "truncated to integers": lambda: zoo.truncated_to_integers,
    "only level": lambda: zoo.only_level,
    "deaf to quiet clips": lambda: zoo.deaf_to_quiet_clips,
    "dead units": lambda: zoo.dead_units,
}
PASSED = {
    "few dimensions": lambda: few_dimensions,
}


def test_equal_embeddings_leave_nothing_to_compare_with(short):
    report = check_encoder(
        lambda batch: np.ones((len(batch), 3)), corpus=short, checks=["collapse", "gain"]
    )
    assert "all embeddings are equal" in report.findings[0].seen
    assert "no spread to compare with" in report.skipped["gain"]


def test_rank_and_dead_dimensions_are_told_apart(corpus):
    (line,) = check_encoder(zoo.only_level, corpus=corpus, checks="collapse").findings
    assert line.seen == "embeddings of 8 clips in 24 dimensions differ in 1 directions only"
    (dead,) = check_encoder(zoo.dead_units, corpus=corpus, checks="collapse").findings
    assert dead.seen == "496 of 512 dimensions are the same for all clips"

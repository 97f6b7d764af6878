"""The check finite."""

import defective_encoders as zoo
import numpy as np
from checked import IN_PROCESS, found

from pytest_nnrel import check_encoder


def with_a_floor(batch):
    """Take a logarithm with a floor."""
    return zoo.log_bands(batch) + np.log(np.square(batch).mean(axis=1, keepdims=True) + 1e-6)


def normalised(batch):
    """Bring windows to one level, as a library does which then refuses what is not finite."""
    levels = np.sqrt(np.square(batch).mean(axis=1, keepdims=True))
    with np.errstate(all="ignore"):
        batch = batch * (0.1 / levels)
    if not np.isfinite(batch).all():
        raise ValueError("audio buffer is not finite everywhere")
    return zoo.log_bands(batch)


def never_two(batch):
    """Refuse a batch of two, whatever is in it."""
    if len(batch) == 2:
        raise ValueError("two windows")
    return with_a_floor(batch)


CAUGHT = {
    "level of silence": lambda: normalised,
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


def test_an_encoder_that_raises_on_silence_is_a_finding(short):
    report = check_encoder(normalised, corpus=short, checks="finite")
    (finding,) = report.findings
    assert "refuses a window that is silent" in finding.seen
    assert "ValueError" in finding.seen
    assert "audio buffer is not finite everywhere" in finding.seen


def test_an_encoder_that_refuses_two_windows_is_not_accused_of_silence(short):
    report = check_encoder(never_two, corpus=short, checks="finite")
    assert not report.findings
    assert "two windows" in report.skipped["finite"]

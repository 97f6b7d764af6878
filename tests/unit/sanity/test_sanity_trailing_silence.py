"""The check trailing_silence."""

import defective_encoders as zoo

from pytest_nnrel import check_encoder


def mean_frame(batch):
    """Take the mean of all frames."""
    return zoo.log_frames(batch).mean(axis=1)


CAUGHT = {
    "last frame": lambda: zoo.last_frame,
    "attends to silence": lambda: zoo.attends_to_silence,
    "flattened": lambda: zoo.flattened,
}
PASSED = {
    "the mean over frames": lambda: mean_frame,
}


def test_an_encoder_of_one_length_only(short):
    def encode(batch):
        assert batch.shape[1] == 4000, "4000 samples"
        return zoo.log_bands(batch)

    report = check_encoder(encode, corpus=short, checks=["trailing_silence", "gain"])
    assert "refuses such input" in report.skipped["trailing_silence"]
    assert "4000 samples" in report.skipped["trailing_silence"]
    assert report.passed == ("gain",)

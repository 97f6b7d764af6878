"""The check float64."""

import defective_encoders as zoo
import numpy as np

from pytest_nnrel import check_encoder


def float64_throughout(batch):
    """Compute in float64, whatever comes."""
    return zoo.log_bands(batch.astype(np.float64))


CAUGHT = {
    "takes bytes for float32": lambda: zoo.takes_bytes_for_float32,
    "scales by dtype": lambda: zoo.scales_by_dtype,
}
PASSED = {
    "float64 throughout": lambda: float64_throughout,
}


def test_an_encoder_of_float32_only(short):
    report = check_encoder(zoo.LogMelCNN(0), corpus=short, checks="float64")
    assert report.skipped["float64"].startswith("it takes float32 only: ")

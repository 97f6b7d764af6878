"""The check resampler."""

import defective_encoders as zoo

from pytest_nnrel import as_encoder

CAUGHT = {
    "next to Nyquist": lambda: as_encoder(zoo.next_to_nyquist, sample_rate=16_000),
}
PASSED = {
    "the same rate, below": lambda: as_encoder(zoo.log_bands, sample_rate=16_000),
}

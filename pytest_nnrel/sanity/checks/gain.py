"""A small gain."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pytest_nnrel.sanity.check import SanityCheck
from pytest_nnrel.sanity.comparisons import steady

if TYPE_CHECKING:
    from pytest_nnrel.sanity.symptom import Symptom
    from pytest_nnrel.sanity.under_test import EncoderUnderTest

#: Gain in dB, and median displacement by it. Shown: up to 0.22, by CNNs on raw samples.
GAIN_DB = 1.0
GAIN_LIMIT = 0.7


class Gain(SanityCheck):
    """A gain of 1 dB moves the median clip by no more than a share of the spread."""

    name = "gain"
    title = "a gain of 1 dB"
    cause = (
        "a threshold on absolute level, quantisation, integers that wrap around, or a missing"
        " normalisation before a saturating layer"
    )
    order = 100

    def look(self, tested: EncoderUnderTest) -> Symptom | None:
        louder = tested.windows * np.float32(10.0 ** (GAIN_DB / 20.0))
        moved = tested.displacements(tested.encode(louder))
        return steady(moved, GAIN_LIMIT, f"{GAIN_DB:g} dB louder")

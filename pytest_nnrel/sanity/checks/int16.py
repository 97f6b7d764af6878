"""Samples rounded to 16 bits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pytest_nnrel.sanity.check import SanityCheck
from pytest_nnrel.sanity.comparisons import steady

if TYPE_CHECKING:
    from pytest_nnrel.sanity.symptom import Symptom
    from pytest_nnrel.sanity.under_test import EncoderUnderTest

#: Median displacement by rounding to 16 bits. Shown: up to 0.145, by a transformer on a log
#: spectrum with its floor at -160 dB.
INT16_LIMIT = 0.5
_STEPS = 2**15


class Int16(SanityCheck):
    """Rounding to 16 bits, as files hold samples, moves the median clip by no more than a share."""

    name = "int16"
    title = "samples rounded to 16 bits"
    cause = "a logarithm with a floor far below -96 dB, or features of the last bits"
    order = 90

    def look(self, tested: EncoderUnderTest) -> Symptom | None:
        steps = np.round(tested.windows * np.float32(_STEPS))
        rounded = np.clip(steps, -_STEPS, _STEPS - 1) / _STEPS
        moved = tested.displacements(tested.encode(rounded.astype(np.float32)))
        return steady(moved, INT16_LIMIT, "rounded to 16 bits, as files hold it")

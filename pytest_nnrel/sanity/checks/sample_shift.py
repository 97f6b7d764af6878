"""A shift of one sample."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pytest_nnrel.corpus import audio
from pytest_nnrel.sanity.check import SanityCheck
from pytest_nnrel.sanity.comparisons import steady

if TYPE_CHECKING:
    from pytest_nnrel.sanity.symptom import Symptom
    from pytest_nnrel.sanity.under_test import EncoderUnderTest

#: Median displacement by one sample's shift. Shown: up to 0.089, by CNNs on raw samples.
SHIFT_LIMIT = 0.3


class SampleShift(SanityCheck):
    """A window that is cut one sample later moves the median clip by no more than a share."""

    name = "sample_shift"
    title = "a shift of one sample"
    cause = "raw or decimated samples used as features, or phase kept where magnitude was meant"
    order = 110

    def look(self, tested: EncoderUnderTest) -> Symptom | None:
        signals = [
            audio.resample(clip.samples, clip.sample_rate, tested.rate) for clip in tested.clips
        ]
        one_later = [np.append(signal[1:], np.float32(0.0)) for signal in signals]
        moved = tested.displacements(tested.encode(tested.centres(one_later)))
        return steady(moved, SHIFT_LIMIT, "cut one sample later")

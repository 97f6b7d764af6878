"""Another resampler."""

from __future__ import annotations

from typing import TYPE_CHECKING

import soxr

from pytest_nnrel.corpus import audio
from pytest_nnrel.sanity.check import SanityCheck
from pytest_nnrel.sanity.comparisons import steady

if TYPE_CHECKING:
    from pytest_nnrel.sanity.symptom import Symptom
    from pytest_nnrel.sanity.under_test import EncoderUnderTest

#: Median displacement by soxr's VHQ in place of its HQ. Shown: up to 0.112, by a transformer on
#: all bins up to the Nyquist frequency. scipy's `resample_poly`, whose default filter lets some
#: of what aliases through, moves that transformer by 0.82: not for an encoder to answer for.
RESAMPLER_LIMIT = 0.35


class Resampler(SanityCheck):
    """Another quality of resampling moves the median clip by no more than a share of the spread."""

    name = "resampler"
    title = "the choice of resampler"
    cause = (
        "features next to the Nyquist frequency, where resamplers differ, or decimation without a"
        " low-pass filter"
    )
    order = 130

    def look(self, tested: EncoderUnderTest) -> Symptom | None:
        given = [clip.samples for clip in tested.clips]
        from_rate, reference = tested.corpus.sample_rate, tested.embeddings
        if from_rate == tested.rate:  # nothing to resample: from twice the rate back down, then
            from_rate = 2 * tested.rate
            given = [audio.resample(samples, tested.rate, from_rate) for samples in given]
            back = [audio.resample(samples, from_rate, tested.rate) for samples in given]
            reference = tested.encode(tested.centres(back))
        other = [soxr.resample(samples, from_rate, tested.rate, quality="VHQ") for samples in given]
        moved = tested.displacements(tested.encode(tested.centres(other)), reference)
        return steady(
            moved,
            RESAMPLER_LIMIT,
            f"resampled from {from_rate} to {tested.rate} Hz by soxr's VHQ instead of its HQ",
        )

"""Sanity of an encoder: what is broken, told from what is fragile, before anything is measured.

What must not matter at all (the batch, the order, the process) may cost rounding; what must not
matter much (a gain, another resampler) may cost a share of the spread of a corpus, the median
distance between its embeddings, by limits that sound encoders stay well below.

Limits come with what sound encoders show on 32 bundled clips, in windows of 1 s and 2 s: the MFCC
encoder, spectral bands in numpy, log-mel statistics, and with three random seeds each CNNs on log
spectra, on log-mel bands and on raw samples, and transformers on patches of log spectra. Where a
limit is one of medians over clips, so are the figures.
"""

from pytest_nnrel.sanity import checks  # to import a check is to have it
from pytest_nnrel.sanity.battery import (
    Finding,
    SanityReport,
    assert_encoder_sane,
    check_encoder,
    failure_message,
)
from pytest_nnrel.sanity.check import SanityCheck, sanity_checks
from pytest_nnrel.sanity.comparisons import steady, unchanged
from pytest_nnrel.sanity.symptom import Symptom, skip
from pytest_nnrel.sanity.under_test import EncoderUnderTest, spread_of

__all__ = [
    "EncoderUnderTest",
    "Finding",
    "SanityCheck",
    "SanityReport",
    "Symptom",
    "assert_encoder_sane",
    "check_encoder",
    "checks",
    "failure_message",
    "sanity_checks",
    "skip",
    "spread_of",
    "steady",
    "unchanged",
]

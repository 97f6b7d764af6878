"""A measurement that the same suite makes in every kind of thread, event loop and process."""

from encoders import spectrum

from pytest_nnrel import PinkNoise, assert_within_consistency


def measured(snr_db):
    """Return clips and seed, neither of which is the default."""
    found = assert_within_consistency(spectrum, PinkNoise(snr_db), min=0.0)
    return found.n, found.details["identity"]["seed"]

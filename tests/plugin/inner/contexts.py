"""A measurement that the same suite makes in every kind of thread, event loop and process."""

# pytester forgets what a session within a session imported, and numpy's own modules, which SciPy
# loads, cannot be loaded twice.
import scipy.special  # noqa: F401
from encoders import spectrum

from pytest_nnrel import PinkNoise, assert_within_consistency


def measured(snr_db):
    """Return clips and seed, neither of which is the default."""
    found = assert_within_consistency(spectrum, PinkNoise(snr_db), min=0.0)
    return found.n, found.details["identity"]["seed"]

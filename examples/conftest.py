import pytest
from encoder import LogMelEncoder
from hypothesis import settings

from pytest_nnrel import MFCCEncoder

settings.load_profile("nnrel")


@pytest.fixture(scope="session")
def log_mel():
    return LogMelEncoder()


@pytest.fixture(scope="session", params=["log_mel", "mfcc"])
def encoder(request, log_mel):
    """The repository's encoder, and the paper's baseline to compare it with."""
    return {"log_mel": log_mel, "mfcc": MFCCEncoder()}[request.param]

"""Windows that adapters are tried on."""

from __future__ import annotations

import numpy as np
import pytest

RATE = 16_000


@pytest.fixture(scope="session")
def windows():
    """Six windows of an eighth of a second at 16 kHz, float32[6, 2000]."""
    rng = np.random.default_rng(20)
    return (0.1 * rng.standard_normal((6, 2000))).astype(np.float32)

"""What encoding may change outside: random states."""

from __future__ import annotations

import random
import sys

import numpy as np

from pytest_nnrel.runtime.store import digest


def rng_digests() -> dict[str, str]:
    """Return a digest of each global random state; torch's only where it is loaded."""
    digests = {
        "random": digest(random.getstate()),
        "numpy.random": digest(*np.random.get_state()),
    }
    torch = sys.modules.get("torch")
    if torch is not None:
        digests["torch"] = digest(torch.get_rng_state().numpy())
    return digests


def draw_from_global_rngs() -> None:
    """Move each global random state; torch's only where it is loaded."""
    random.random()
    np.random.random()
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.rand(1)

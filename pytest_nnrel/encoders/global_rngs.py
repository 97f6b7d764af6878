"""Global random states, which an encoder may draw from and nobody else may notice."""

from __future__ import annotations

import random
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def global_rngs_seeded(seed: int) -> Iterator[None]:
    """Seed the global random states, so that what is drawn is the same each time; restore them."""
    state, legacy = random.getstate(), np.random.get_state()
    torch = sys.modules.get("torch")
    of_torch = None if torch is None else torch.get_rng_state()
    random.seed(seed)
    np.random.seed(seed)
    if torch is not None:
        torch.default_generator.manual_seed(seed)
    try:
        yield
    finally:
        random.setstate(state)
        np.random.set_state(legacy)
        if torch is not None:
            torch.set_rng_state(of_torch)

"""What encoding may change outside: random states, and modules that are in training mode."""

from __future__ import annotations

import random
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_nnrel.runtime.store import digest

if TYPE_CHECKING:
    from collections.abc import Iterator


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


@contextmanager
def modules_in_training() -> Iterator[list[Any]]:
    """Collect torch modules that run in training mode where that changes their output.

    A hook sees what is run, wherever a callable keeps it, and in the mode that it is run in:
    modules that an encoder holds but does not run, or evaluates properly, are no finding.
    """
    seen: list[Any] = []
    torch = sys.modules.get("torch")
    if torch is None:
        yield seen
        return

    def note(module: Any, _: Any) -> None:  # noqa: ANN401
        if module.training and _depends_on_mode(torch, module):
            seen.append(module)

    handle = torch.nn.modules.module.register_module_forward_pre_hook(note)
    try:
        yield seen
    finally:
        handle.remove()


def _depends_on_mode(torch: Any, module: Any) -> bool:  # noqa: ANN401
    layers = torch.nn.modules
    if isinstance(module, layers.dropout._DropoutNd):
        return bool(module.p > 0)
    if isinstance(module, layers.batchnorm._BatchNorm):
        return module.running_mean is not None  # without, it takes the batch's in either mode
    if isinstance(module, layers.RNNBase | layers.MultiheadAttention):
        return bool(module.dropout > 0)
    return False

"""What differs from row to row of a batch, as a tensor beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor


def column(values: Sequence[float], beside: Tensor) -> Tensor:
    """Return one number a row, of the type and on the device of a batch: ``float[n, 1]``."""
    return torch.tensor(values, dtype=beside.dtype, device=beside.device)[:, None]

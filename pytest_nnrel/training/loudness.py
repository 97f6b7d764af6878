"""Loudness of a batch brought back to its originals', as `Transform.apply` does of a clip."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import torch

from pytest_nnrel.corpus.audio import gating_blocks, integrated_loudness, k_weighting
from pytest_nnrel.training.batched.filters import filtered, impulse_response
from pytest_nnrel.training.batched.rows import column
from pytest_nnrel.transforms.output import LOUDNESS_TOLERANCE, loudness_gain

if TYPE_CHECKING:
    import numpy.typing as npt
    from torch import Tensor


def restore_loudness(transformed: Tensor, originals: Tensor, sample_rate: int) -> Tensor:
    """Bring a batch to the integrated loudness of another, row by row.

    Parameters
    ----------
    transformed, originals : float32[n, samples]
    sample_rate : int
        In Hz.

    Returns
    -------
    float32[n, samples]
        Rows that are silent, or cannot be brought there, are left as they are: a training does not
        end for one of many.
    """
    gains = []
    for before, after in zip(_powers(originals, sample_rate), _powers(transformed, sample_rate)):
        target = integrated_loudness(before)
        gain, deviation = loudness_gain(after, target) if math.isfinite(target) else (0.0, 0.0)
        gains.append(10.0 ** (gain / 20.0) if abs(deviation) <= LOUDNESS_TOLERANCE else 1.0)
    return transformed * column(gains, transformed)


def _powers(waveforms: Tensor, sample_rate: int) -> npt.NDArray[np.float64]:
    """Return the power of each gating block: float64[n, blocks], as `block_powers` does."""
    squares = filtered(waveforms, [_weighting(sample_rate)]).square()
    bounds, size = gating_blocks(waveforms.shape[1], sample_rate)
    sums = [squares[:, first:last].sum(dim=1) for first, last in bounds.tolist()]
    return torch.stack(sums, dim=1).cpu().numpy().astype(np.float64) / size


@lru_cache(maxsize=32)
def _weighting(sample_rate: int) -> npt.NDArray[np.float64]:
    return impulse_response(k_weighting(sample_rate))

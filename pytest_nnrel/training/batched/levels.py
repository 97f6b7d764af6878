"""Gain, clipping and quantisation of a batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from pytest_nnrel.training.batched.rows import column

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Generator, Tensor

    from pytest_nnrel.transforms.field.clipping import Clipping
    from pytest_nnrel.transforms.field.gain import Gain
    from pytest_nnrel.transforms.field.quantization import Quantization
    from pytest_nnrel.transforms.protocol import Identity


def keep(
    waveforms: Tensor, rungs: Sequence[Identity], sample_rate: int, generator: Generator
) -> Tensor:
    """Return waveforms as they are."""
    return waveforms


def amplify(
    waveforms: Tensor, rungs: Sequence[Gain], sample_rate: int, generator: Generator
) -> Tensor:
    """Do as `Gain.render`."""
    return waveforms * column([10.0 ** (rung.db / 20.0) for rung in rungs], waveforms)


def clip(
    waveforms: Tensor, rungs: Sequence[Clipping], sample_rate: int, generator: Generator
) -> Tensor:
    """Do as `Clipping.render`."""
    kept = column([10.0 ** (-rung.db / 20.0) for rung in rungs], waveforms)
    ceilings = _peaks(waveforms) * kept
    return torch.clamp(waveforms, -ceilings, ceilings)


def quantise(
    waveforms: Tensor, rungs: Sequence[Quantization], sample_rate: int, generator: Generator
) -> Tensor:
    """Do as `Quantization.render`."""
    levels = column([2.0**rung.bits for rung in rungs], waveforms)
    steps = 2.0 * _peaks(waveforms) / levels
    half = levels / 2.0
    nearest = torch.clamp(torch.floor(waveforms / steps), -half, half - 1.0)
    return torch.where(steps > 0.0, (nearest + 0.5) * steps, waveforms)  # silence has no step


def _peaks(waveforms: Tensor) -> Tensor:
    return waveforms.abs().amax(dim=1, keepdim=True)

"""Noise added to a batch at a signal-to-noise ratio."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from scipy.fft import next_fast_len

from pytest_nnrel.training.batched.rows import column

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Generator, Tensor

    from pytest_nnrel.transforms.noise import AdditiveNoise


def add_white(
    waveforms: Tensor, rungs: Sequence[AdditiveNoise], sample_rate: int, generator: Generator
) -> Tensor:
    """Do as `WhiteNoise.render`, a silent row kept as it is: it has no ratio to anything."""
    noise = torch.randn(waveforms.shape, generator=generator, device=waveforms.device)
    return _added(waveforms, noise, rungs)


def add_pink(
    waveforms: Tensor, rungs: Sequence[AdditiveNoise], sample_rate: int, generator: Generator
) -> Tensor:
    """Do as `PinkNoise.render`, a silent row kept as it is: it has no ratio to anything."""
    rows, length = waveforms.shape
    size = next_fast_len(length, real=True)
    bins = size // 2 + 1
    parts = torch.randn((rows, bins, 2), generator=generator, device=waveforms.device)
    spectrum = torch.view_as_complex(parts)
    frequencies = torch.arange(bins, device=waveforms.device, dtype=waveforms.dtype)
    frequencies[0] = torch.inf  # without a constant component
    noise = torch.fft.irfft(spectrum / frequencies.sqrt(), n=size)[:, :length]
    return _added(waveforms, noise, rungs)


def _added(waveforms: Tensor, noise: Tensor, rungs: Sequence[AdditiveNoise]) -> Tensor:
    ratios = column([10.0 ** (-rung.snr_db / 20.0) for rung in rungs], waveforms)
    return waveforms + _rms(waveforms) / _rms(noise) * ratios * noise


def _rms(rows: Tensor) -> Tensor:
    return rows.square().mean(dim=1, keepdim=True).sqrt()

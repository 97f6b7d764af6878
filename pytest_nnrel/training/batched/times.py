"""Gaps in a batch, and shifts of it in time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Generator, Tensor

    from pytest_nnrel.transforms.field.dropout import Dropout
    from pytest_nnrel.transforms.field.time_shift import TimeShift


def drop_out(
    waveforms: Tensor, rungs: Sequence[Dropout], sample_rate: int, generator: Generator
) -> Tensor:
    """Do as `Dropout.render`."""
    out = waveforms.clone()
    device = waveforms.device
    for first in range(0, waveforms.shape[1], sample_rate):
        second = out[:, first : first + sample_rate]
        length = second.shape[1]
        gaps = torch.tensor([round(length * rung.ms / 1000.0) for rung in rungs], device=device)[
            :, None
        ]
        chance = torch.rand((len(rungs), 1), generator=generator, device=device)
        starts = torch.minimum((chance * (length - gaps + 1)).long(), length - gaps)
        at = torch.arange(length, device=device)
        second.masked_fill_((at >= starts) & (at < starts + gaps), 0.0)
    return out


def shift(
    waveforms: Tensor, rungs: Sequence[TimeShift], sample_rate: int, generator: Generator
) -> Tensor:
    """Do as `TimeShift.render`."""
    length = waveforms.shape[1]
    later = torch.tensor(
        [round(rung.ms * sample_rate / 1000.0) for rung in rungs], device=waveforms.device
    )[:, None]
    source = torch.arange(length, device=waveforms.device) - later
    moved = waveforms.gather(1, source.clamp(0, length - 1))
    return torch.where((source >= 0) & (source < length), moved, 0.0)

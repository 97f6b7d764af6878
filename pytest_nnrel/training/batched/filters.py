"""Filters of a batch, each row's its own, by products of spectra."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.fft import next_fast_len
from scipy.signal import sos2tf, sosfilt

from pytest_nnrel.transforms.filters import PADDING, one_way

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt
    from torch import Generator, Tensor

    from pytest_nnrel.transforms.field.high_pass import HighPass
    from pytest_nnrel.transforms.field.low_pass import LowPass
    from pytest_nnrel.transforms.field.tilt import Tilt
    from pytest_nnrel.transforms.filters import Floats, Passing

#: An impulse response ends where it has decayed to this.
_DECAYED = 1e-9


def low_pass(
    waveforms: Tensor, rungs: Sequence[LowPass], sample_rate: int, generator: Generator
) -> Tensor:
    """Do as `LowPass.render`."""
    return _cut_off(waveforms, [rung.hz for rung in rungs], sample_rate, "lowpass")


def high_pass(
    waveforms: Tensor, rungs: Sequence[HighPass], sample_rate: int, generator: Generator
) -> Tensor:
    """Do as `HighPass.render`."""
    return _cut_off(waveforms, [rung.hz for rung in rungs], sample_rate, "highpass")


def tilt(
    waveforms: Tensor, rungs: Sequence[Tilt], sample_rate: int, generator: Generator
) -> Tensor:
    """Do as `Tilt.render`."""
    length = waveforms.shape[1]
    size = next_fast_len(2 * length, real=True)
    hertz = np.arange(size // 2 + 1) * (sample_rate / size)
    gains = np.stack([10.0 ** (rung.gain_db(hertz) / 20.0) for rung in rungs])
    spectra = torch.fft.rfft(waveforms, size) * _beside(gains, waveforms)
    out: Tensor = torch.fft.irfft(spectra, size)[:, :length]
    return out


def impulse_response(sections: Floats) -> Floats:
    """Return the impulse response of a stable filter, as long as it takes to decay.

    Parameters
    ----------
    sections : float64[k, 6]
        Second-order sections.

    Returns
    -------
    float64[m]
    """
    _, denominator = sos2tf(sections)
    slowest = np.abs(np.roots(denominator)).max()
    # Poles that nearly coincide decay somewhat later than a single one.
    length = 2 if slowest == 0.0 else math.ceil(1.5 * math.log(_DECAYED) / math.log(slowest))
    impulse = np.zeros(max(length, 2))
    impulse[0] = 1.0
    return np.asarray(sosfilt(sections, impulse), dtype=np.float64)


def filtered(waveforms: Tensor, responses: Sequence[Floats]) -> Tensor:
    """Filter a batch, of which nothing is before its start.

    Parameters
    ----------
    waveforms : float32[n, samples]
    responses : sequence of float64[m]
        Impulse responses, one a row, or one for all.

    Returns
    -------
    float32[n, samples]
    """
    length = waveforms.shape[1]
    longest = max(len(response) for response in responses)
    size = next_fast_len(length + longest, real=True)
    taps = np.stack([np.pad(r, (0, longest - len(r))) for r in responses])
    spectra = torch.fft.rfft(waveforms, size) * torch.fft.rfft(_beside(taps, waveforms), size)
    out: Tensor = torch.fft.irfft(spectra, size)[:, :length]
    return out


def _cut_off(waveforms: Tensor, limits: Sequence[float], sample_rate: int, kind: Passing) -> Tensor:
    """Filter forth and back, as `pytest_nnrel.transforms.filters.cut_off` does with SciPy."""
    padding = min(waveforms.shape[1] - 1, PADDING)
    responses = [_one_way_response(hz, sample_rate, kind) for hz in limits]
    before = 2.0 * waveforms[:, :1] - waveforms[:, 1 : padding + 1].flip(1)
    after = 2.0 * waveforms[:, -1:] - waveforms[:, -padding - 1 : -1].flip(1)
    once = _settled(torch.cat([before, waveforms, after], dim=1), responses)
    twice = _settled(once.flip(1), responses).flip(1)
    return twice[:, padding : twice.shape[1] - padding]


def _settled(waveforms: Tensor, responses: Sequence[Floats]) -> Tensor:
    """Filter a batch that was at its first sample for ever before."""
    longest = max(len(response) for response in responses)
    held = waveforms[:, :1].expand(-1, longest)
    return filtered(torch.cat([held, waveforms], dim=1), responses)[:, longest:]


@lru_cache(maxsize=256)
def _one_way_response(hz: float, sample_rate: int, kind: Passing) -> Floats:
    return impulse_response(one_way(hz, sample_rate, kind))


def _beside(rows: npt.NDArray[np.float64], waveforms: Tensor) -> Tensor:
    return torch.from_numpy(rows).to(waveforms.device, waveforms.dtype)

"""The encoders' front end: decibel spectrograms, their standardisation, and the way back to audio.

Audio is ``float[n, samples]``, mono, at 22,050 Hz. Paper section 4.1. Where the paper is silent its
authors' published code decides, but for one thing: they set the floor of the decibels by the
loudest bin of a whole batch, so that an embedding depended on its batch. Here each clip has its own
floor.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pytest_nnrel.encoders.mfcc import HOP, N_FFT, statistics_tensor

#: In Hz. All encoders work at this rate (paper section 4.1).
SAMPLE_RATE = 22_050
#: What an encoder hears of a clip, in seconds and in samples.
WINDOW_SECONDS = 2.0
WINDOW_SAMPLES = 44_100
#: Frequencies from zero to half the sample rate.
BINS = N_FFT // 2 + 1
#: Frames of a window. The paper's text says 128, which are 1.5 s; its authors' code has these.
FRAMES = 1 + WINDOW_SAMPLES // HOP
#: Range below a clip's loudest bin that counts, in dB.
DYNAMIC_RANGE_DB = 80.0
#: Least power that has decibels: silence is at -100 dB.
LEAST_POWER = 1e-10
#: 24 coefficients and two orders of differences, mean and standard deviation of each.
MFCC_STATISTICS = 24 * 3 * 2
#: A bin that never changes in training divides by this, not by zero.
LEAST_STD = 1e-3


def frame_count(samples: int) -> int:
    """Return how many frames `stft` makes of so many samples."""
    return 1 + samples // HOP


def stft(audio: Tensor) -> Tensor:
    """Return short-time spectra: symmetric Hann window, frames centred on multiples of the hop.

    Beyond its ends a clip is continued by reflection, as the authors' code does.

    Parameters
    ----------
    audio : float[n, samples]
        More than 512 samples each.

    Returns
    -------
    complex[n, 513, 1 + samples // 256]
    """
    if audio.ndim != 2:
        raise ValueError(f"audio must be of shape (n, samples), not {list(audio.shape)}")
    return torch.stft(
        audio, N_FFT, HOP, window=_window(audio), pad_mode="reflect", return_complex=True
    )


def istft(spectrum: Tensor, samples: int) -> Tensor:
    """Return the audio that short-time spectra are of: `stft` undone.

    Parameters
    ----------
    spectrum : complex[n, 513, frames]
    samples : int
        Length of the audio.

    Returns
    -------
    float[n, samples]
    """
    return torch.istft(spectrum, N_FFT, HOP, window=_window(spectrum.real), length=samples)


def decibels(spectrum: Tensor) -> Tensor:
    """Return the power of spectra in dB, not less than 80 dB below each clip's own loudest bin.

    The reference is a power of 1, not the loudest bin: an encoder hears how loud a clip is, as the
    authors' encoders did.

    Parameters
    ----------
    spectrum : complex[n, 513, frames]

    Returns
    -------
    float[n, 513, frames]
        Silence is -100 dB throughout.
    """
    power = torch.view_as_real(spectrum).square().sum(-1)
    level = 10.0 * power.clamp_min(LEAST_POWER).log10()
    return torch.maximum(level, level.amax(dim=(1, 2), keepdim=True) - DYNAMIC_RANGE_DB)


def resynthesise(mixture: Tensor, mask: Tensor) -> Tensor:
    """Return what a mask leaves of a mixture, with the mixture's own phase (paper section 2.1.4).

    Parameters
    ----------
    mixture : float[n, samples]
    mask : float[n, 513, frames]
        Gain of each bin of the mixture's spectrum, from 0 to 1.

    Returns
    -------
    float[n, samples]
    """
    return istft(mask * stft(mixture), mixture.shape[1])


def mfcc_statistics(audio: Tensor) -> Tensor:
    """Return the paper's baseline embedding of audio (section 4.2).

    The same numbers as `pytest_nnrel.MFCCEncoder`, on the audio's device and without gradients.

    Parameters
    ----------
    audio : float[n, samples]

    Returns
    -------
    float32[n, 144]
        Means of 24 MFCCs, of their differences and of the differences' differences, then unbiased
        standard deviations over time in the same order.
    """
    windows = audio.detach().float().cpu().numpy()
    statistics: Tensor = statistics_tensor(windows, SAMPLE_RATE, device=audio.device)
    return statistics.float()


def _window(like: Tensor) -> Tensor:
    return torch.hann_window(N_FFT, periodic=False, dtype=like.dtype, device=like.device)


class RunningStatistics:
    """Mean and standard deviation per bin of values that come batch by batch.

    Batches are merged by the update of Chan, Golub and LeVeque (1979), in float64: sums of squares
    would lose the deviation of values far from zero.
    """

    def __init__(self) -> None:
        self._count = 0
        self._mean: Tensor | None = None
        self._squares: Tensor | None = None

    def update(self, batch: Tensor) -> None:
        """Take in a batch.

        Parameters
        ----------
        batch : float[n, bins] or float[n, bins, frames]
        """
        values = batch.detach().double().transpose(0, 1).flatten(1)
        count = values.shape[1]
        if count == 0:
            return
        mean = values.mean(dim=1)
        squares = (values - mean[:, None]).square().sum(dim=1)
        if self._mean is None or self._squares is None:
            self._count, self._mean, self._squares = count, mean, squares
            return
        total = self._count + count
        apart = mean - self._mean
        self._squares += squares + apart.square() * (self._count * count / total)
        self._mean += apart * (count / total)
        self._count = total

    def result(self) -> tuple[Tensor, Tensor]:
        """Return mean and standard deviation (of the population), float64[bins] each.

        Raises
        ------
        ValueError
            If there were no values, or some were not finite.
        """
        if self._mean is None or self._squares is None:
            raise ValueError("no values to take statistics of")
        if not (self._mean.isfinite() & self._squares.isfinite()).all():
            raise ValueError("values to take statistics of must be finite")
        return self._mean, (self._squares / self._count).sqrt()


class Standardise(nn.Module):
    """Bring every bin to mean 0 and standard deviation 1 over the training set (section 4.1).

    The statistics are buffers: a checkpoint holds them, no optimiser moves them. Until they are
    set, values pass as they are.

    Parameters
    ----------
    bins : int

    Attributes
    ----------
    mean, std : float32[bins]
    """

    mean: Tensor
    std: Tensor

    def __init__(self, bins: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(bins))
        self.register_buffer("std", torch.ones(bins))

    def forward(self, values: Tensor) -> Tensor:
        """Return ``float[n, bins]`` or ``float[n, bins, frames]``, standardised."""
        shape = (-1, *[1] * (values.ndim - 2))
        return (values - self.mean.reshape(shape)) / self.std.reshape(shape)

    def set(self, statistics: RunningStatistics) -> None:
        """Use the statistics taken so far.

        Raises
        ------
        ValueError
            As in `RunningStatistics.result`, or for values of another number of bins.
        """
        mean, std = statistics.result()
        if mean.shape != self.mean.shape:
            raise ValueError(f"statistics of {len(mean)} bins, not of {len(self.mean)}")
        self.mean.copy_(mean)
        self.std.copy_(std.clamp_min(LEAST_STD))


class FrontEnd(nn.Module):
    """What the convolutional encoders are given of audio: standardised decibel spectrograms."""

    def __init__(self) -> None:
        super().__init__()
        self.standardise = Standardise(BINS)

    def raw(self, audio: Tensor) -> Tensor:
        """Return the spectrogram before it is standardised, in dB: ``float[n, 513, frames]``."""
        return decibels(stft(audio))

    def forward(self, audio: Tensor) -> Tensor:
        """Return ``float[n, 513, frames]`` of ``float[n, samples]``."""
        spectrogram: Tensor = self.standardise(self.raw(audio))
        return spectrogram

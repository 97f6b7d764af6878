"""The paper's baseline: statistics of MFCCs (section 4.2)."""

from __future__ import annotations

import inspect
import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_nnrel.distances import mfcc
from pytest_nnrel.encoders.protocol import Encoder
from pytest_nnrel.runtime import settings
from pytest_nnrel.runtime.devices import CPU, torch_device
from pytest_nnrel.runtime.store import digest
from pytest_nnrel.runtime.versions import library_version

if TYPE_CHECKING:
    from pytest_nnrel.corpus.audio import Samples
    from pytest_nnrel.encoders.protocol import Embeddings

#: The encoders' front end: shorter frames than those of the audio distances.
N_FFT = 1024
HOP = 256


class MFCCEncoder(Encoder):
    """Mean and standard deviation of 24 MFCCs and their first and second differences.

    A window becomes 24 x 3 x 2 = 144 numbers: means of the coefficients, of their differences and
    of the differences' differences, then unbiased standard deviations in the same order.

    Parameters
    ----------
    device : str, optional
        Torch device to compute them on; the run's (``--nnrel-device``) where omitted. Without
        either, numpy computes them.

    Raises
    ------
    SettingError
        If there is no such device.
    """

    def __init__(self, device: str | None = None) -> None:
        device = device or settings.active().device
        name = CPU if device is None else str(device)
        self._torch_device = None if name == CPU else torch_device(name)
        sources = [inspect.getsource(sys.modules[__name__]), inspect.getsource(mfcc)]
        super().__init__(
            "mfcc",
            subject="mfcc",
            sample_rate=mfcc.SAMPLE_RATE,
            device=device,
            fingerprint=digest(
                "mfcc", sources, library_version("librosa"), library_version("scipy")
            ),
        )

    def forward(self, batch: Samples, sample_rate: int) -> Any:  # noqa: ANN401
        if self._torch_device is not None:
            return statistics_tensor(batch, sample_rate, device=self._torch_device)
        return np.stack([_statistics(window, sample_rate) for window in batch])

    def forward_traced(self, audio: Any, sample_rate: int) -> Any:  # noqa: ANN401
        device = CPU if self._torch_device is None else self._torch_device
        return statistics_tensor(audio, sample_rate, device=device)


def statistics_tensor(windows: Samples, sample_rate: int, *, device: Any) -> Any:  # noqa: ANN401
    """Return the embeddings of windows as a torch tensor on a device.

    Parameters
    ----------
    windows : float32[n, samples]
        An array, or a tensor that gradients flow to.
    sample_rate : int
        In Hz.
    device : torch.device

    Returns
    -------
    float[n, 144]
    """
    import torch

    frames = mfcc.mfcc_tensor(windows, sample_rate, n_fft=N_FFT, hop=HOP, device=device)
    series = (frames, frames.diff(dim=1), frames.diff(n=2, dim=1))
    means = [part.mean(dim=1) for part in series]
    deviations = [part.std(dim=1, correction=1) for part in series]
    return torch.cat([*means, *deviations], dim=1)


def _statistics(window: Samples, sample_rate: int) -> Embeddings:
    frames = mfcc.mfcc_frames(window, sample_rate, n_fft=N_FFT, hop=HOP).astype(np.float64)
    series = (frames, np.diff(frames, axis=0), np.diff(frames, n=2, axis=0))
    means = [part.mean(axis=0) for part in series]
    deviations = [part.std(axis=0, ddof=1) for part in series]
    return np.asarray(np.concatenate([*means, *deviations]), dtype=np.float32)

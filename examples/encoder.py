"""A small torch encoder: mean and standard deviation of log-mel bands."""

from __future__ import annotations

import librosa
import torch
from torch import Tensor, nn

#: What the encoder wants; pytest-nnrel reads both attributes.
SAMPLE_RATE = 16_000
N_FFT = 1024
HOP = 256
MEL_BANDS = 96


class LogMelEncoder(nn.Module):
    """Map ``float32[n, samples]`` at 16 kHz to ``float32[n, 192]``.

    Band levels are taken relative to the clip's own mean level, so that gain does not matter.
    """

    sample_rate = SAMPLE_RATE

    def __init__(self) -> None:
        super().__init__()
        mel = librosa.filters.mel(sr=SAMPLE_RATE, n_fft=N_FFT, n_mels=MEL_BANDS)
        self.register_buffer("mel", torch.from_numpy(mel))
        self.register_buffer("window", torch.hann_window(N_FFT))

    def forward(self, audio: Tensor) -> Tensor:
        """Return one embedding per row of `audio`."""
        spectrum = torch.stft(audio, N_FFT, HOP, window=self.window, return_complex=True)
        bands = torch.log10(self.mel @ spectrum.abs().square() + 1e-6)
        bands = bands - bands.mean(dim=(1, 2), keepdim=True)
        return torch.cat([bands.mean(dim=2), bands.std(dim=2)], dim=1)

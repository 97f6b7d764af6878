"""The paper's VGG encoder with random weights: what a forward pass costs, and no more."""

from __future__ import annotations

import torch
from torch import Tensor, nn

N_FFT = 1024
HOP = 256
CHANNELS = (16, 32, 64, 128, 256, 256, 256)


class UntrainedVGG(nn.Module):
    """Map ``float32[n, samples]`` at 22,050 Hz to ``float32[n, 256]`` (paper section 4.1)."""

    sample_rate = 22_050

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("window", torch.hann_window(N_FFT, periodic=False))
        blocks: list[nn.Module] = []
        before = 1
        for channels in CHANNELS:
            blocks += [
                nn.Conv2d(before, channels, 3, padding=1, padding_mode="reflect", bias=False),
                nn.BatchNorm2d(channels),
                nn.ReLU(),
                nn.MaxPool2d(2),
            ]
            before = channels
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Sequential(nn.Linear(256, 256), nn.BatchNorm1d(256), nn.ReLU())

    def forward(self, audio: Tensor) -> Tensor:
        """Return one embedding per row of `audio`."""
        spectrum = torch.stft(audio, N_FFT, HOP, window=self.window, return_complex=True).abs()
        decibels = 20.0 * torch.log10(spectrum.clamp_min(1e-8))
        floor = decibels.amax(dim=(1, 2), keepdim=True) - 80.0
        image = (torch.maximum(decibels, floor) / 20.0)[:, None]
        return self.head(self.blocks(image).mean(dim=(2, 3)))


def untrained_vgg() -> UntrainedVGG:
    """Return the network, the same each time."""
    torch.manual_seed(0)
    return UntrainedVGG().eval()

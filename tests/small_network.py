"""A small encoder of torch that tests train."""

from __future__ import annotations

import torch


class Network(torch.nn.Module):
    """Filters, batch normalisation, energies, dropout and a linear layer."""

    sample_rate = 22_050

    def __init__(self, seed=0, size=4):
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.filters = torch.nn.Conv1d(1, 8, 64, stride=32)
            self.norm = torch.nn.BatchNorm1d(8)
            self.dropout = torch.nn.Dropout(0.2)
            self.head = torch.nn.Linear(8, size)

    def forward(self, waveforms):
        frames = self.norm(self.filters(waveforms[:, None])).relu()
        return self.head(self.dropout(frames.mean(dim=2)))

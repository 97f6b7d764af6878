"""Small networks of all tasks, for tests."""

from __future__ import annotations

import torch

from reference_models.task import build

SMALL = {"channels": 4, "max_channels": 16}


def network(task, audio, encoder="vgg"):
    """Return a network of few channels in evaluation mode, its statistics those of some audio."""
    torch.manual_seed(0)
    made = build(task, encoder, **SMALL).eval()
    made.fit_statistics([torch.from_numpy(audio)])
    return made

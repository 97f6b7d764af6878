"""A HEAR module."""

import types

import numpy as np
from trial import RATE, Trial


class Model:
    sample_rate = RATE

    def __init__(self, gain):
        self.gain = gain


def hear_module(gain, kind=float):
    module = types.ModuleType("hear_bands")
    module.load_model = lambda: Model(gain)
    module.get_scene_embeddings = lambda audio, model: (
        model.gain * np.asarray(audio)[:, :4]
    ).astype(kind)
    return module


def trial(folder, windows):
    return Trial(
        hear_module(1.0), lambda batch: batch[:, :4], hear_module(2.0), hear_module(9, int)
    )

"""CREPE, tiny: pitch of one voice (Kim et al., 2018). Its fifth layer, mean over time."""

from importlib.metadata import version

import numpy as np

from pytest_nnrel import as_encoder

FIELD = "music"
PACKAGE = "torchcrepe"
LICENCE = "MIT"
INSTALL = "pip install torchcrepe"


def load():
    import torch
    import torchcrepe

    def embed(audio):
        def one(clip):
            clip = torch.from_numpy(clip)[None]
            with torch.no_grad():
                frames = torchcrepe.embed(clip, 16_000, hop_length=1600, model="tiny")
            return frames.flatten(2).mean(dim=1)[0].numpy()

        return np.stack([one(clip) for clip in audio])

    return as_encoder(embed, sample_rate=16_000, name=PACKAGE, fingerprint=version(PACKAGE))

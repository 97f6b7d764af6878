"""Resemblyzer: who speaks (a GE2E d-vector of 256 numbers, from VoxCeleb and LibriSpeech)."""

from importlib.metadata import version

import numpy as np

from pytest_nnrel import as_encoder

FIELD = "speech"
PACKAGE = "resemblyzer"
LICENCE = "Apache-2.0"
INSTALL = "pip install --no-deps resemblyzer && pip install torch librosa webrtcvad-wheels"


def load():
    from resemblyzer import VoiceEncoder

    model = VoiceEncoder("cpu", verbose=False)
    return as_encoder(
        lambda audio: np.stack([model.embed_utterance(clip) for clip in audio]),
        sample_rate=16_000,
        name=PACKAGE,
        fingerprint=version(PACKAGE),
    )

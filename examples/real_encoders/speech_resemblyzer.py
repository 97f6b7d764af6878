"""Resemblyzer: who speaks (a GE2E d-vector of 256 numbers, from VoxCeleb and LibriSpeech)."""

from importlib.metadata import version

import numpy as np

from pytest_nnrel import as_encoder

FIELD = "speech"
PACKAGE = "resemblyzer"
LICENCE = "Apache-2.0"
INSTALL = "pip install --no-deps resemblyzer && pip install torch librosa webrtcvad-wheels"


def load():
    from resemblyzer import VoiceEncoder, normalize_volume

    model = VoiceEncoder("cpu", verbose=False)

    def embed_one(clip):
        # As the package's own preprocessing does, which also cuts what is no voice. It makes NaN
        # of silence.
        loud = normalize_volume(clip, -30, increase_only=True) if clip.any() else clip
        return model.embed_utterance(loud)

    return as_encoder(
        lambda audio: np.stack([embed_one(clip) for clip in audio]),
        sample_rate=16_000,
        name=PACKAGE,
        fingerprint=version(PACKAGE),
    )

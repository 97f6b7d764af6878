"""Google's speech embedding (Lin et al., 2020), under openWakeWord: 96 numbers, mean over time."""

from importlib.metadata import version

import numpy as np

from pytest_nnrel import as_encoder

FIELD = "speech"
PACKAGE = "pyopen-wakeword"
LICENCE = "Apache-2.0"
INSTALL = "pip install pyopen-wakeword"


def load():
    from pyopen_wakeword import OpenWakeWordFeatures

    model = OpenWakeWordFeatures.from_builtin()

    def embed_one(clip):
        model.reset()
        model.new_audio_samples = 0  # else it goes through eight seconds of silence first
        chunk = np.rint(clip * 32_767).clip(-32_768, 32_767).astype(np.int16)
        return np.mean([one.ravel() for one in model.process_streaming(chunk.tobytes())], axis=0)

    return as_encoder(
        lambda audio: np.stack([embed_one(clip) for clip in audio]),
        sample_rate=16_000,
        name=PACKAGE,
        fingerprint=version(PACKAGE),
    )

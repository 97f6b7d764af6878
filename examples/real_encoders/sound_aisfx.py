"""aiSFX: categories of sound effects (Ma et al., 2022). Its 512-d embedding of 2.3 s."""

from importlib.metadata import version

import numpy as np

from pytest_nnrel import as_encoder

FIELD = "sound events"
PACKAGE = "aisfx"
LICENCE = "MIT"
INSTALL = "pip install --no-deps aisfx && pip install torch librosa"


def load():
    import librosa
    import torch
    from aisfx import inference

    # The package's own reader asks torch for weights alone, and its file holds a dict of names.
    file = inference.get_path_modelWeights()
    weights = torch.load(file, map_location="cpu", weights_only=False)
    model = inference.load_bestModel(*weights, "cpu")

    def embed(audio):
        peak = np.abs(audio).max(axis=1, keepdims=True)
        mel = librosa.feature.melspectrogram(
            y=audio / np.where(peak > 0, peak, 1), sr=44_100, n_fft=2048, hop_length=1024,
            n_mels=96, fmax=22_050, htk=True, norm=1.0,
        )  # fmt: skip
        frames = inference.spectrogram_normalize(np.log10(1e4 * mel + 1)).transpose(0, 2, 1)
        with torch.no_grad():
            return model.get_embedding(torch.from_numpy(frames).float()).numpy()

    return as_encoder(
        embed,
        sample_rate=44_100,
        window_seconds=99 * 1024 / 44_100,
        name=PACKAGE,
        fingerprint=version(PACKAGE),
    )

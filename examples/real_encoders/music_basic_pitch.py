"""basic-pitch: which notes sound (Spotify, 2022). The salience of 264 pitches, mean over time."""

from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from pytest_nnrel import as_encoder

FIELD = "music"
PACKAGE = "basic-pitch"
LICENCE = "Apache-2.0"
INSTALL = "pip install --no-deps basic-pitch && pip install onnxruntime"
SAMPLES = 43_844


def load():
    import onnxruntime

    # The package's own classes want TensorFlow; the network is a file in it.
    folder = Path(find_spec("basic_pitch").origin).parent
    session = onnxruntime.InferenceSession(folder / "saved_models/icassp_2022/nmp.onnx")
    entry, contour = session.get_inputs()[0].name, "StatefulPartitionedCall:0"
    return as_encoder(
        lambda audio: session.run([contour], {entry: audio[:, :, None]})[0].mean(axis=1),
        sample_rate=22_050,
        window_seconds=SAMPLES / 22_050,
        name=PACKAGE,
        fingerprint=version(PACKAGE),
    )

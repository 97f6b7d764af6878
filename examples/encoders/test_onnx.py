"""An ONNX session, whatever framework the model was exported from, is an encoder as it is.

So is the path of the file. The fingerprint is of the model: embeddings are kept between runs until
it changes. A rate in the model's metadata is the one that audio is given at.
"""

import librosa
import numpy as np
import pytest

from pytest_nnrel import MP3, PitchShift, as_encoder, assert_within_consistency

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

GRAPH = """
<ir_version: 10, opset_import: ["" : 18]>
bands (float[n, samples] audio) => (float[n, 80] embedding) {
    channel = Constant <value_ints = [1]> ()
    time = Constant <value_ints = [2]> ()
    quiet = Constant <value_float = 0.0001> ()
    signal = Unsqueeze (audio, channel)
    bands = Conv <strides = [256]> (signal, filters)
    power = ReduceSumSquare <keepdims = 0> (bands, time)
    level = Add (power, quiet)
    embedding = Log (level)
}
"""


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    """Write a filter bank of 80 bands; yours comes from `torch.onnx.export` or the like."""
    graph = onnx.parser.parse_model(GRAPH)
    centres = librosa.mel_frequencies(n_mels=80, fmin=50, fmax=7500)
    filters = np.hanning(512) * np.cos(2 * np.pi * np.outer(centres / 16_000, np.arange(512)))
    weights = filters[:, None].astype(np.float32)
    graph.graph.initializer.append(onnx.numpy_helper.from_array(weights, "filters"))
    onnx.helper.set_model_props(graph, {"sample_rate": "16000"})
    path = tmp_path_factory.mktemp("onnx") / "bands.onnx"
    onnx.save(graph, path)
    return path


@pytest.mark.nnrel(clips=10)
@pytest.mark.parametrize("transform", [PitchShift(semitones=0.25), MP3(kbps=64)], ids=str)
def test_a_file(model, transform):
    assert_within_consistency(model, transform, min=0.9)


@pytest.mark.nnrel(clips=10)
def test_a_session(model):
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    encoder = as_encoder(session, sample_rate=16_000, name="bands on the CPU")
    assert_within_consistency(encoder, MP3(kbps=64), min=0.9)

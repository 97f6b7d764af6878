"""A LiteRT (TensorFlow Lite) model: the path of its file, or an interpreter.

Quantised models get and return floats. The fingerprint is of the model's bytes, which an
interpreter keeps if it was made of them: `Interpreter(model_content=...)`, not of a path.
"""

import numpy as np
import pytest

from pytest_nnrel import MP3, as_encoder, assert_within_consistency

litert = pytest.importorskip("ai_edge_litert.interpreter")

SAMPLES = 16_000


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    """Write windows times a random matrix; yours comes from a converter."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    weights = np.random.default_rng(0).standard_normal((64, SAMPLES)).astype(np.float32)
    shapes = {"audio": [1, SAMPLES], "weights": [64, SAMPLES], "embedding": [1, 64]}
    graph = schema.SubGraphT()
    graph.tensors, graph.inputs, graph.outputs = [], [0], [2]
    for name, shape in shapes.items():
        tensor = schema.TensorT()
        tensor.name, tensor.shape, tensor.buffer = name, shape, int(name == "weights")
        graph.tensors.append(tensor)
    product = schema.OperatorT()
    product.inputs, product.outputs = [0, 1, -1], [2]
    product.builtinOptionsType = schema.BuiltinOptions.FullyConnectedOptions
    product.builtinOptions = schema.FullyConnectedOptionsT()
    graph.operators = [product]
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.FULLY_CONNECTED
    written = schema.ModelT()
    written.version, written.operatorCodes, written.subgraphs = 3, [code], [graph]
    written.buffers = [schema.BufferT(), schema.BufferT()]
    written.buffers[1].data = np.frombuffer(weights.tobytes(), np.uint8)
    builder = flatbuffers.Builder(1024)
    builder.Finish(written.Pack(builder), b"TFL3")
    path = tmp_path_factory.mktemp("litert") / "projection.tflite"
    path.write_bytes(builder.Output())
    return path


@pytest.mark.nnrel(clips=10)
def test_a_file(model):
    encoder = as_encoder(model, sample_rate=16_000)  # its window follows: it takes 16,000 samples
    assert encoder.window_seconds == 1
    assert_within_consistency(encoder, MP3(kbps=64), min=0.9)


@pytest.mark.nnrel(clips=10)
def test_an_interpreter(model):
    interpreter = litert.Interpreter(model_content=model.read_bytes())
    encoder = as_encoder(interpreter, sample_rate=16_000, name="projection")
    assert_within_consistency(encoder, MP3(kbps=64), min=0.9)

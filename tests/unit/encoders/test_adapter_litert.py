"""Interpreters of LiteRT, and paths of models: small ones, written with LiteRT's own schema."""

import numpy as np
import pytest
from trial import RATE, Library, Trial

from pytest_nnrel import EncoderError, as_encoder
from pytest_nnrel.identity import behaviour_of

pytestmark = pytest.mark.runtimes
litert = Library("ai_edge_litert.interpreter")
schema = Library("ai_edge_litert.schema_py_generated")

#: Audio of a quantised model is in steps of this.
STEP = 1 / 128


def weights(seed=0, samples=2000):
    return np.random.default_rng(seed).standard_normal((samples, 5)).astype(np.float32) / 50


def tensor(name, shape, signature, buffer, kind, scale=None):
    made = schema.TensorT()
    made.name, made.shape, made.shapeSignature, made.buffer = name, shape, signature, buffer
    made.type = getattr(schema.TensorType, kind)
    if scale is not None:
        made.quantization = schema.QuantizationParametersT()
        made.quantization.scale, made.quantization.zeroPoint = [scale], [0]
    return made


def packed(subgraph, buffers, code):
    import flatbuffers

    model = schema.ModelT()
    model.version, model.description = 3, "test"
    operator = schema.OperatorCodeT()
    operator.builtinCode = operator.deprecatedBuiltinCode = code
    operator.version = 4 if code == schema.BuiltinOperator.FULLY_CONNECTED else 1
    model.operatorCodes, model.subgraphs, model.buffers = [operator], [subgraph], []
    for content in (b"", *buffers):
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(content, np.uint8) if content else None
        model.buffers.append(buffer)
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def graph_of(tensors, inputs, outputs, operands, options=None):
    operator = schema.OperatorT()
    operator.opcodeIndex, operator.inputs, operator.outputs = 0, operands, outputs
    if options is not None:
        operator.builtinOptionsType = getattr(schema.BuiltinOptions, options)
        operator.builtinOptions = getattr(schema, f"{options}T")()
    graph = schema.SubGraphT()
    graph.tensors, graph.operators = tensors, [operator]
    graph.inputs, graph.outputs = inputs, outputs
    return graph


def model_of(seed=0, samples=2000, batch=-1, quantised=False):
    """Return a product with a matrix of weights, as bytes."""
    matrix = weights(seed, samples).T
    one, kind, scales = max(batch, 1), "FLOAT32", (None, None, None)
    if quantised:
        kind, scales = "INT8", (STEP, np.abs(matrix).max() / 127, 0.02)
        matrix = np.rint(matrix / scales[1]).astype(np.int8)
    tensors = [
        tensor("audio", [one, samples], [batch, samples], 0, kind, scales[0]),
        tensor("w", [5, samples], None, 1, kind, scales[1]),
        tensor("embedding", [one, 5], [batch, 5], 0, kind, scales[2]),
    ]
    graph = graph_of(tensors, [0], [2], [0, 1, -1], "FullyConnectedOptions")
    return packed(graph, [matrix.tobytes()], schema.BuiltinOperator.FULLY_CONNECTED)


def cast_of(shape, given="FLOAT32", returned="INT32"):
    """Return a model that takes numbers of a type and returns them in another."""
    signature = [-1 if length is None else length for length in shape]
    one = [length or 1 for length in shape]
    tensors = [
        tensor("given", one, signature, 0, given),
        tensor("returned", one, signature, 0, returned),
    ]
    return packed(graph_of(tensors, [0], [1], [0]), [], schema.BuiltinOperator.CAST)


def interpreter_of(model):
    return litert.Interpreter(model_content=model)


def trial(folder, windows):
    return Trial(
        interpreter_of(model_of()),
        lambda batch: batch @ weights(),
        interpreter_of(model_of(seed=1)),
        interpreter_of(cast_of([None, windows.shape[1]])),
    )


@pytest.mark.parametrize("batch", [-1, 1, 4])
def test_batches_come_as_they_are_declared_and_the_interpreter_is_left_as_it_was(windows, batch):
    interpreter = interpreter_of(model_of(batch=batch))
    before = interpreter.get_input_details()[0]["shape"].tolist()
    found = as_encoder(interpreter).encode(windows, RATE)
    np.testing.assert_allclose(found, windows @ weights(), rtol=1e-4, atol=1e-5)
    assert interpreter.get_input_details()[0]["shape"].tolist() == before
    interpreter.invoke()


def test_a_quantised_model_gets_and_returns_floats_by_its_scales(windows):
    interpreter = interpreter_of(model_of(quantised=True))
    assert interpreter.get_input_details()[0]["dtype"] == np.int8
    found = as_encoder(interpreter).encode(windows, RATE)
    assert found.dtype == np.float32
    rounded = np.clip(np.rint(windows / STEP), -128, 127) * STEP
    np.testing.assert_allclose(found, rounded @ weights(), atol=0.05)
    np.testing.assert_allclose(found / 0.02, np.rint(found / 0.02), atol=1e-4)


def test_audio_beyond_the_scale_is_clipped_and_does_not_wrap(windows):
    encoder = as_encoder(interpreter_of(model_of(quantised=True)))
    loud = np.sign(windows) * 0.99
    np.testing.assert_allclose(encoder.encode(3 * loud, RATE), encoder.encode(loud, RATE), atol=0.1)


def test_a_path_is_an_interpreter_that_keeps_its_model(tmp_path, windows):
    path = tmp_path / "bands.tflite"
    path.write_bytes(model_of())
    expected = as_encoder(interpreter_of(model_of()), name="bands").fingerprint
    for given in (path, str(path)):
        encoder = as_encoder(given)
        assert (encoder.name, encoder.fingerprint) == ("bands", expected)
        np.testing.assert_allclose(encoder.encode(windows, RATE), windows @ weights(), atol=1e-5)
    opened = as_encoder(litert.Interpreter(str(path)))
    assert opened.fingerprint is None
    assert not opened.identify().behaviour.known
    assert as_encoder(litert.Interpreter(str(path)), fingerprint="v1").fingerprint == "v1"


def test_a_path_of_no_model_is_refused(tmp_path):
    with pytest.raises(EncoderError, match=r"no\.tflite cannot be loaded: FileNotFoundError"):
        as_encoder(tmp_path / "no.tflite")
    (tmp_path / "bad.tflite").write_bytes(b"no model")
    with pytest.raises(EncoderError, match=r"bad\.tflite cannot be loaded: ValueError"):
        as_encoder(str(tmp_path / "bad.tflite"))


def test_a_function_around_an_interpreter_is_told_by_its_model():
    one, same, other = (interpreter_of(model_of(seed=seed)) for seed in (0, 0, 1))
    assert behaviour_of(lambda audio: one).known
    assert behaviour_of(one) == behaviour_of(same)
    assert behaviour_of(one) != behaviour_of(other)


def test_another_length_is_refused_with_the_window_that_fits(windows):
    interpreter = interpreter_of(model_of())
    assert as_encoder(interpreter, sample_rate=RATE).window_seconds == 0.125
    with pytest.raises(
        EncoderError, match=r"takes windows of 2,000 samples, not of 900 .*window_seconds=0\.125"
    ):
        as_encoder(interpreter).encode(windows[:, :900], RATE)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ((lambda: cast_of([None, 9], "INT32")), r"takes given int32\[any, 9\]; expected one input"),
        ((lambda: cast_of([1, 96, 64, 1])), r"takes given float32\[1, 96, 64, 1\]; "),
        ((lambda: cast_of([None, 2, 900])), r"takes given float32\[any, 2, 900\]; "),
    ],
    ids=["integers", "features", "stereo"],
)
def test_what_takes_anything_else_is_refused(model, message):
    with pytest.raises(EncoderError, match=message):
        as_encoder(interpreter_of(model()))

"""Sessions of ONNX Runtime, and paths of models: real ones, of random weights."""

import os

import numpy as np
import pytest
from trial import RATE, Trial

from pytest_nnrel import EncoderError, PinkNoise, as_encoder, within_consistency
from pytest_nnrel.encoders.named import named_encoder
from pytest_nnrel.identity import behaviour_of

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

ONE = "model (float[n, samples] audio) => (float[n, 5] embedding) { embedding = MatMul(audio, w) }"


def model_of(graph=ONE, seed=0, samples=2000, kind=np.float32):
    """Return an ONNX model, with a matrix w where its graph takes one."""
    made = onnx.parser.parse_model(f'<ir_version: 10, opset_import: ["" : 18]>\n{graph}')
    if ", w)" in graph:
        made.graph.initializer.append(
            onnx.numpy_helper.from_array(weights(seed, samples).astype(kind), "w")
        )
    return made


def weights(seed=0, samples=2000):
    return np.random.default_rng(seed).standard_normal((samples, 5)).astype(np.float32) / 50


def session_of(model, **options):
    content = model if isinstance(model, str | os.PathLike) else model.SerializeToString()
    return onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"], **options)


def trial(folder, windows):
    codes = "model (float[n, samples] audio) => (int64[n, samples] c) { c = Cast<to=7>(audio) }"
    return Trial(
        session_of(model_of()),
        lambda batch: batch @ weights(),
        session_of(model_of(seed=1)),
        session_of(model_of(codes)),
    )


@pytest.mark.parametrize(
    ("takes", "body", "kind"),
    [
        ("float[1, 2000]", "e = MatMul(audio, w)", "f4"),
        ("float[4, 2000]", "e = MatMul(audio, w)", "f4"),
        ("float[2000]", "e = MatMul(audio, w)", "f4"),
        ("float[n, 1, samples]", "at = Constant<value_ints=[1]>() s = Squeeze(audio, at)"
         " e = MatMul(s, w)", "f4"),
        ("float[n, samples, 1]", "at = Constant<value_ints=[2]>() s = Squeeze(audio, at)"
         " e = MatMul(s, w)", "f4"),
        ("double[n, samples]", "e = MatMul(audio, w)", "f8"),
        ("float16[n, samples]", "e = MatMul(audio, w)", "f2"),
    ],
    ids=["one", "four", "no batch", "channels first", "channels last", "double", "half"],
)  # fmt: skip
def test_audio_comes_as_it_is_declared(windows, takes, body, kind):
    of = {"f2": "float16", "f4": "float", "f8": "double"}[kind]
    rows = takes.partition("[")[2].partition(",")[0] + ", " if "," in takes else ""
    graph = f"model ({takes} audio) => ({of}[{rows}5] e) {{ {body} }}"
    encoder = as_encoder(session_of(model_of(graph, kind=kind)))
    tolerance = 0.02 if kind == "f2" else 1e-4
    found = encoder.encode(windows, RATE)
    np.testing.assert_allclose(found, windows @ weights(), rtol=tolerance, atol=tolerance)


def test_a_scalar_of_such_a_name_is_the_sample_rate(windows):
    graph = """model (float[n, samples] audio, {} sr) => (float[n, 5] e)
        {{ p = MatMul(audio, w) r = Cast<to=1>(sr) e = Mul(p, r) }}"""
    for kind in ("int64", "int64[1]", "float[1]"):
        encoder = as_encoder(session_of(model_of(graph.format(kind))))
        expected = RATE * (windows @ weights())
        np.testing.assert_allclose(encoder.encode(windows, RATE), expected, rtol=1e-3, atol=1)


def test_of_several_outputs_one_is_named(windows):
    graph = """model (float[1, samples] audio) => (float[1, 5] embedding, float[1, 5] logits)
        { embedding = MatMul(audio, w) logits = Neg(embedding) }"""
    session = session_of(model_of(graph))
    with pytest.raises(EncoderError, match=r"dict of 2; name .*'embedding', 'logits'.*output=KEY"):
        as_encoder(session).encode(windows, RATE)
    found = as_encoder(session, output="logits").encode(windows, RATE)
    np.testing.assert_allclose(found, -(windows @ weights()), rtol=1e-4, atol=1e-5)


def test_its_rate_is_read_from_metadata_and_its_window_follows():
    model = model_of(ONE.replace("samples", "2000"))
    assert as_encoder(session_of(model)).window_seconds is None
    assert as_encoder(session_of(model), sample_rate=8000).window_seconds == 0.25
    onnx.helper.set_model_props(model, {"sampling_rate": "16000", "author": "x"})
    encoder = as_encoder(session_of(model))
    assert (encoder.sample_rate, encoder.window_seconds) == (16_000, 0.125)
    assert as_encoder(session_of(model), window_seconds=1).window_seconds == 1


def test_windows_of_another_length_are_refused_with_those_that_fit(windows):
    session = session_of(model_of(ONE.replace("samples", "2000")))
    short = windows[:, :1500]
    with pytest.raises(
        EncoderError, match=r"takes windows of 2,000 samples, not of 1,500 .*window_seconds=0\.125"
    ):
        as_encoder(session).encode(short, RATE)
    encoder = as_encoder(session, sample_rate=RATE, window_seconds=1)
    with pytest.raises(EncoderError, match=r"not of 1,500 .*window_seconds=0\.125\) gives it so"):
        encoder.encode(short, RATE)


@pytest.mark.parametrize(
    ("takes", "named"),
    [
        ("int64[n, s] a", r"a int64\[any, any\]; .*\{'a': \.\.\.\}"),
        ("string[n] a", r"a string\[any\]; "),
        ("float[n, 2, s] a", r"a float32\[any, 2, any\]; .*\{'a': audio\[:, None\]\}"),
        ("float[n, c, s] a", r"a float32\[any, any, any\]; "),
        ("float[n, 1, 64, 96] a", r"a float32\[any, 1, 64, 96\]; "),
        ("float[n, s] a, int64[k] c", r"audio: .*\{'a': audio, 'c': \.\.\.\}\)\[0\], name=NAME"),
        ("int64[1] sr", r"takes sr int64\[1\]; expected one input of audio"),
    ],
)
def test_what_takes_anything_else_is_refused_with_the_line_that_does(takes, named):
    kind, _, name = takes.partition(", int64[k")[0].rpartition(" ")
    graph = f"model ({takes}) => ({kind} e) {{ e = Identity({name}) }}"
    with pytest.raises(EncoderError, match=named):
        as_encoder(session_of(model_of(graph)), name="mine")


def test_states_begin_as_zeros_in_the_line_that_is_offered(windows):
    """As Silero's and other recurrent networks ask for one, and for the rate as a number."""
    session = session_of(model_of(
        "model (float[2, n, 5] state, float[n, samples] audio, int64 sr) => (float[n, 5] e)"
        " { at = Constant<value_ints=[0]>() s = ReduceSum<keepdims=0>(state, at)"
        "  p = MatMul(audio, w) q = Add(p, s) rate = Cast<to=1>(sr) e = Mul(q, rate) }"
    ))  # fmt: skip
    with pytest.raises(EncoderError) as refused:
        as_encoder(session)
    line = str(refused.value).rpartition("for a state: ")[2]
    encoder = eval(line, {"as_encoder": as_encoder, "np": np, "session": session, "NAME": "mine"})
    expected = RATE * (windows @ weights())
    np.testing.assert_allclose(encoder.encode(windows, RATE), expected, rtol=1e-4)


def test_rows_that_are_not_those_of_the_windows_are_refused(windows):
    graph = """model (float[n, samples] audio) => (float[m, 5] e)
        { axis = Constant<value_ints=[0]>() p = MatMul(audio, w) e = ReduceMean(p, axis) }"""
    with pytest.raises(EncoderError, match=r"shape \(6, d\), one row per window, not \[1, 5\]"):
        as_encoder(session_of(model_of(graph))).encode(windows, RATE)


# Paths


def test_a_path_is_a_session(tmp_path, windows):
    path = tmp_path / "bands.onnx"
    onnx.save(model_of(), path)
    for given in (path, str(path), named_encoder("bands.onnx", tmp_path)):
        encoder = as_encoder(given)
        assert encoder.name == "bands"
        assert encoder.fingerprint == as_encoder(session_of(path)).fingerprint
        np.testing.assert_allclose(encoder.encode(windows, RATE), windows @ weights(), atol=1e-5)
    assert as_encoder(session_of(path)).name == "bands"


def test_a_path_of_no_model_is_refused(tmp_path):
    with pytest.raises(EncoderError, match=r"no\.onnx cannot be loaded: NoSuchFile"):
        as_encoder(tmp_path / "no.onnx")
    (tmp_path / "bad.onnx").write_bytes(b"no model")
    with pytest.raises(EncoderError, match=r"bad\.onnx cannot be loaded: InvalidProtobuf"):
        as_encoder(str(tmp_path / "bad.onnx"))


# Fingerprints


def test_equal_models_are_known_again_however_they_are_loaded_and_sped_up(tmp_path):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    path = tmp_path / "model.onnx"
    onnx.save(model_of(), path)
    sessions = [session_of(path), session_of(path, sess_options=options), session_of(model_of())]
    assert len({as_encoder(session).fingerprint for session in sessions}) == 1
    assert as_encoder(sessions[0], fingerprint="v1").fingerprint == "v1"
    for given in (None, "v1"):  # what is stored is of the options all the same
        executed = [
            as_encoder(s, fingerprint=given).identify().behaviour.executed for s in sessions
        ]
        assert executed[0] == executed[2] != executed[1]


def test_weights_in_a_file_beside_the_model_are_told(tmp_path):
    known = []
    for seed in (0, 0, 1):
        (tmp_path / "parts").mkdir(exist_ok=True)
        path = tmp_path / "model.onnx"
        onnx.save(model_of(seed=seed), path, save_as_external_data=True, location="parts/w.bin")
        session = session_of(path)
        known.append((path.read_bytes(), as_encoder(session).fingerprint))
        (tmp_path / "parts" / "w.bin").unlink()
    assert len({content for content, _ in known}) == 1, "all weights are beside it"
    assert known[0] == known[1] != known[2]
    assert as_encoder(session).fingerprint == known[2][1], "known since it was first looked at"


def test_a_file_that_is_gone_makes_its_session_unknown(tmp_path):
    path = tmp_path / "model.onnx"
    onnx.save(model_of(), path)
    session = session_of(path)
    path.unlink()
    assert as_encoder(session).fingerprint is None


def test_a_file_that_is_written_anew_does_not_rename_a_session(tmp_path, windows):
    path = tmp_path / "model.onnx"
    onnx.save(model_of(), path)
    encoder = as_encoder(session_of(path))
    before = encoder.fingerprint
    onnx.save(model_of(seed=1), path)
    assert encoder.fingerprint == before
    assert as_encoder(path).fingerprint not in (None, before)


def test_a_function_around_a_session_is_told_by_its_model():
    def around(session):
        return lambda audio: session.run(None, {"audio": audio})[0]

    one, same, other = (around(session_of(model_of(seed=seed))) for seed in (0, 0, 1))
    assert behaviour_of(one).known
    assert behaviour_of(one) == behaviour_of(same)
    assert behaviour_of(one) != behaviour_of(other)


@pytest.mark.usefixtures("run")
def test_measures_take_a_session_as_it_is(corpus):
    samples = int(corpus.window_seconds * corpus.sample_rate)
    session = session_of(model_of(samples=samples))
    function = as_encoder(lambda audio: audio @ weights(samples=samples))
    found = within_consistency(session, PinkNoise(snr_db=0), corpus=corpus)
    expected = within_consistency(function, PinkNoise(snr_db=0), corpus=corpus)
    assert found.outcomes == expected.outcomes

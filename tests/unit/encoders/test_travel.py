"""What pickle does not take travels to another process, and embeds there as it did here."""

import pickle

import numpy as np
import pytest

from pytest_nnrel import Corpus, check_encoder
from pytest_nnrel.encoders.travel import packed

torch = pytest.importorskip("torch")

SAMPLES, NUMBERS = 400, 6


@pytest.fixture(scope="module")
def audio():
    return np.random.default_rng(0).standard_normal((3, SAMPLES)).astype(np.float32)


def session(**options):
    """Return a session that projects by 0.5, without weights that would have to be stored."""
    onnx = pytest.importorskip("onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    model = onnx.parser.parse_model(
        '<ir_version: 10, opset_import: ["" : 18]>\n'
        "model (float[n, samples] audio) => (float[n, samples] halves)"
        " { half = Constant<value_float=0.5>() halves = Mul(audio, half) }"
    )
    settled = onnxruntime.SessionOptions()
    for name, value in options.items():
        setattr(settled, name, value)
    return onnxruntime.InferenceSession(
        model.SerializeToString(), settled, providers=["CPUExecutionProvider"]
    )


def halves():
    """Return a closure over a session, as users write one."""
    held = session()
    return lambda batch: held.run(None, {"audio": batch})[0][:, :NUMBERS]


def parametrized():
    torch.manual_seed(0)
    convolution = torch.nn.utils.parametrizations.weight_norm(torch.nn.Conv1d(1, NUMBERS, 9))
    with torch.no_grad():  # so that the weights are not those that it was made with
        convolution.parametrizations.weight.original0.mul_(3.0)
    return torch.nn.Sequential(
        torch.nn.Unflatten(1, (1, SAMPLES)), convolution, torch.nn.ReLU(),
        torch.nn.AdaptiveAvgPool1d(1), torch.nn.Flatten(),
    ).eval()  # fmt: skip


def of_module(module):
    def embed(batch):
        with torch.no_grad():
            return module(torch.from_numpy(batch)).numpy()

    return embed


def scripted():
    return torch.jit.trace(parametrized(), torch.zeros(2, SAMPLES), check_trace=False)


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
@pytest.mark.parametrize(
    "make",
    [halves, lambda: of_module(parametrized()), lambda: of_module(scripted())],
    ids=["onnx", "weight norm", "script"],
)
def test_embeddings_are_the_same_on_the_other_side(make, audio):
    embed = make()
    with pytest.raises((TypeError, RuntimeError, AttributeError, pickle.PicklingError)):
        pickle.dumps(embed)
    np.testing.assert_allclose(pickle.loads(packed(embed))(audio), embed(audio), rtol=1e-6)


def test_what_travelled_is_left_as_it_was(audio):
    module = parametrized()
    before = of_module(module)(audio)
    packed(module)
    assert torch.nn.utils.parametrize.is_parametrized(module[1])
    np.testing.assert_array_equal(of_module(module)(audio), before)


def test_sessions_keep_how_they_run():
    threads = session(intra_op_num_threads=2, log_severity_level=3)
    options = pickle.loads(packed(threads)).get_session_options()
    assert (options.intra_op_num_threads, options.log_severity_level) == (2, 3)
    assert (
        options.graph_optimization_level == threads.get_session_options().graph_optimization_level
    )


def test_the_check_is_made_of_a_session_in_a_closure():
    report = check_encoder(halves(), corpus=Corpus.bundled().subset(4), checks="fresh_process")
    assert report.passed == ("fresh_process",)

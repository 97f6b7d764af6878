"""Sample rates: read where an encoder states one, told where it asks, refused where it differs."""

from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest

from pytest_nnrel import (
    EncoderError,
    as_encoder,
    assert_monotone,
    assert_within_consistency,
    sanity,
    within_consistency,
)
from pytest_nnrel.encoders.rates import RATE_NAMES, stated_rate
from pytest_nnrel.report import results
from pytest_nnrel.report.markdown import summary_text
from pytest_nnrel.report.terminal import summary_lines
from pytest_nnrel.transforms import MP3

RATE = 22_050
UNSTATED = "22,050 Hz, not stated by the encoder"


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch")


@pytest.fixture(scope="module")
def windows():
    rng = np.random.default_rng(22)
    return (0.1 * rng.standard_normal((3, 2205))).astype(np.float32)


def bands(batch):
    spectra = np.abs(np.fft.rfft(batch))
    return np.stack([part.mean(axis=1) for part in np.array_split(spectra, 12, axis=1)], axis=1)


def rows(batch, rate):
    return np.full((len(batch), 2), rate, np.float64)


class Model:
    """An object with ``encode``, and with what it is given as attributes."""

    def __init__(self, **attributes):
        vars(self).update(attributes)

    def encode(self, batch):
        return rows(batch, batch.shape[1])


def test_every_name_of_a_rate_is_read():
    for name in RATE_NAMES:
        assert as_encoder(Model(**{name: 16_000})).sample_rate == 16_000, name


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda t: np.array(16_000), id="0-d array"),
        pytest.param(lambda t: np.array([16_000.0]), id="array of one"),
        pytest.param(lambda t: t.tensor(16_000), id="0-d tensor"),
        pytest.param(lambda t: t.tensor([16_000.0]), id="tensor of one"),
    ],
)
def test_arrays_and_tensors_of_one_number_are_that_number(torch, make):
    encoder = as_encoder(Model(sample_rate=make(torch), window_seconds=np.array(1.5)))
    assert (encoder.sample_rate, encoder.window_seconds) == (16_000, 1.5)


def test_a_buffer_of_a_torch_module_is_read(torch):
    module = torch.nn.Linear(4, 2)
    module.register_buffer("sample_rate", torch.tensor(16_000))
    assert as_encoder(module).sample_rate == 16_000
    assert as_encoder(module.to("meta")).sample_rate is None, "a tensor without data"


@pytest.mark.parametrize(
    "attributes",
    [
        pytest.param({"config": SimpleNamespace(sampling_rate=16_000)}, id="config"),
        pytest.param({"config": {"sample_rate": 16_000}}, id="config, a dict"),
        pytest.param({"cfg": {"sr": 16_000}}, id="cfg"),
        pytest.param({"hparams": SimpleNamespace(sample_rate=16_000)}, id="hparams"),
        pytest.param(
            {"feature_extractor": SimpleNamespace(sampling_rate=16_000)}, id="feature extractor"
        ),
        pytest.param(
            {"processor": SimpleNamespace(feature_extractor=SimpleNamespace(sampling_rate=16_000))},
            id="processor",
        ),
        pytest.param({"sr": 16_000, "config": {"sampling_rate": 16_000}}, id="twice the same"),
        pytest.param({"fs": 3, "sample_rate": 16_000}, id="fs is short for something else"),
    ],
)
def test_rates_of_configurations_are_read(attributes):
    assert as_encoder(Model(**attributes)).sample_rate == 16_000


def test_hugging_face_models_and_extractors_are_read():
    transformers = pytest.importorskip("transformers")
    model = SimpleNamespace(encode=bands, config=transformers.EncodecConfig(sampling_rate=24_000))
    assert as_encoder(model).sample_rate == 24_000
    extractor = transformers.ASTFeatureExtractor(num_mel_bins=64)
    assert as_encoder(Model(feature_extractor=extractor)).sample_rate == 16_000


def test_methods_and_partials_state_the_rate_of_what_they_are_of():
    assert as_encoder(Model(sampling_rate=16_000).encode).sample_rate == 16_000
    fn = partial(partial(rate_by_default, gain=2.0), sr=16_000)
    assert as_encoder(fn).sample_rate == 16_000
    np.testing.assert_array_equal(
        as_encoder(fn).encode(np.zeros((2, 2205), np.float32), RATE), [[16_000, 1600]] * 2
    )


def rate_by_default(batch, gain=1.0, sr=48_000):
    return np.array([[sr, batch.shape[1]]] * len(batch), np.float64)


def test_several_rates_are_refused_by_name():
    with pytest.raises(EncoderError, match="'Model' states several sample rates: sample_rate 16,0"):
        as_encoder(Model(sample_rate=16_000, config={"sampling_rate": 48_000}))
    given = as_encoder(
        Model(sample_rate=16_000, config={"sampling_rate": 48_000}), sample_rate=8000
    )
    assert given.sample_rate == 8000


def test_attributes_that_raise_state_nothing():
    class Raises:
        @property
        def sample_rate(self):
            raise RuntimeError("not loaded yet")

        config = "16000"

        def encode(self, batch):
            return bands(batch)

    assert as_encoder(Raises()).sample_rate is None
    assert stated_rate(object(), "object") is None


# ---------------------------------------------------------------------------------------------
# What a call is told


@pytest.mark.parametrize("name", RATE_NAMES)
@pytest.mark.parametrize("default", ["", "=None", "=1"])
def test_parameters_get_the_rate_of_the_audio_by_their_names(windows, name, default):
    namespace = {"rows": rows}
    exec(f"def fn(batch, *, {name}{default}): return rows(batch, {name})", namespace)
    assert set(as_encoder(namespace["fn"]).encode(windows, RATE).ravel()) == {RATE}
    at_8k = as_encoder(namespace["fn"], sample_rate=8000)
    assert set(at_8k.encode(windows, RATE).ravel()) == {8000}


@pytest.mark.parametrize("asked", [48_000, RATE, 8000])
def test_a_rate_that_is_asked_for_goes_over_a_default(windows, asked):
    embeddings = as_encoder(rate_by_default, sample_rate=asked).encode(windows, RATE)
    assert embeddings.tolist() == [[asked, round(2205 * asked / RATE)]] * 3


def test_a_default_that_contradicts_the_rate_is_refused_with_the_remedy(windows):
    with pytest.raises(
        EncoderError,
        match=r"'rate_by_default' would be given audio at 22,050 Hz, and the default of its"
        r" parameter sr says 48,000 Hz; .*as_encoder\(..., sample_rate=48000\)",
    ):
        as_encoder(rate_by_default).encode(windows, RATE)
    assert as_encoder(rate_by_default).encode(windows, 48_000)[0, 0] == 48_000


def test_a_default_that_contradicts_a_stated_rate_is_refused(windows):
    class Both:
        sample_rate = 16_000

        def encode(self, batch, sample_rate=44_100):
            return rows(batch, sample_rate)

    with pytest.raises(EncoderError, match=r"at 16,000 Hz, and .* sample_rate says 44,100 Hz"):
        as_encoder(Both()).encode(windows, RATE)


def test_a_default_that_cannot_be_passed_by_name_must_agree(windows):
    def fn(batch, sr=16_000, /):
        return rows(batch, sr)

    for rate in (None, 8000):
        with pytest.raises(EncoderError, match="parameter sr says 16,000 Hz"):
            as_encoder(fn, sample_rate=rate).encode(windows, RATE)
    assert set(as_encoder(fn, sample_rate=16_000).encode(windows, RATE).ravel()) == {16_000}


@pytest.fixture
def told(torch):
    """A torch module that returns the rate that it is told."""

    class Told(torch.nn.Module):
        def forward(self, x: torch.Tensor, sample_rate: int = 16_000):
            return torch.full([len(x), 2], float(sample_rate))

    return Told()


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.filterwarnings("ignore:`torch.jit")  # deprecated, in a category of its version
def test_torch_modules_are_told_or_refused_as_functions_are(torch, windows, told, compiled):
    module = torch.jit.script(told) if compiled else told
    with pytest.raises(EncoderError, match=r"parameter sample_rate says 16,000 Hz; .*=16000\)"):
        as_encoder(module).encode(windows, RATE)
    for rate in (16_000, RATE):
        encoder = as_encoder(module, sample_rate=rate)
        assert set(encoder.encode(windows, RATE).ravel()) == {rate}


def test_parts_of_a_torch_module_that_are_made_for_another_rate_are_a_contradiction(torch, windows):
    class Mel(torch.nn.Module):
        sample_rate = 16_000

        def forward(self, x):
            return x[:, :4]

    module = torch.nn.Sequential(Mel(), torch.nn.Linear(4, 2))
    with pytest.raises(EncoderError, match=r"its part 0 \(Mel\) says 16,000 Hz"):
        as_encoder(module).encode(windows, RATE)
    assert as_encoder(module).encode(windows, 16_000).shape == (3, 2)
    assert as_encoder(module, sample_rate=RATE).encode(windows, RATE).shape == (3, 2)
    module.sample_rate = RATE  # which the whole states: it may resample for its part
    assert as_encoder(module).encode(windows, RATE).shape == (3, 2)


@pytest.mark.usefixtures("run")
def test_the_refusal_of_a_measurement_names_the_remedy(corpus, told):
    with pytest.raises(EncoderError, match=r"sample_rate=16000\) resamples .*\(under Identity"):
        within_consistency(told, MP3(128), corpus=corpus)


# ---------------------------------------------------------------------------------------------
# What is said where no rate is stated


def collapsed(batch):
    return np.ones((len(batch), 2), np.float32)


@pytest.mark.usefixtures("run")
@pytest.mark.parametrize(
    "check",
    [
        lambda encoder, corpus: assert_within_consistency(encoder, MP3(64), min=1, corpus=corpus),
        lambda encoder, corpus: assert_monotone(encoder, MP3, min=0.9, steps=3, corpus=corpus),
        lambda encoder, corpus: sanity.assert_encoder_sane(
            encoder, corpus=corpus, checks="collapse"
        ),
    ],
    ids=["assertion", "monotone", "sanity"],
)
def test_messages_say_that_no_rate_was_stated(corpus, check):
    with pytest.raises(AssertionError) as caught:
        check(collapsed, corpus)
    assert UNSTATED in str(caught.value)
    with pytest.raises(AssertionError) as caught:
        check(as_encoder(collapsed, sample_rate=RATE), corpus)
    assert "not stated" not in str(caught.value)


@pytest.mark.usefixtures("run")
def test_reports_say_of_which_encoders_no_rate_was_stated(corpus):
    measured = {
        name: within_consistency(
            as_encoder(bands, name=name, sample_rate=rate), MP3(64), corpus=corpus
        ).as_dict()
        for name, rate in (("a", None), ("b", RATE), ("c", None))
    }
    assert [m["details"]["encoder"]["assumed"] for m in measured.values()] == [
        [UNSTATED], [], [UNSTATED],
    ]  # fmt: skip
    assert results.assumptions_of(measured.values()) == {UNSTATED: ["a", "c"]}
    run = {"command": "pytest", "exit_status": 0}
    found = {"measurements": measured, "tests": [], "run": run}
    assert f"a, c: {UNSTATED}" in summary_lines(found)
    assert f"- `a`, `c`: {UNSTATED}" in summary_text(found).splitlines()


def test_results_that_were_written_without_it_assume_nothing():
    audio = {"details": {}}
    old = {"details": {"encoder": {"name": "a", "fingerprint": None}}}
    assert results.assumptions_of([audio, old]) == {}

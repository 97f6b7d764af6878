"""Exports of a torch module: may each of them query what the module itself embedded?

Each is compared with the module, clip by clip and in both directions, on faintly noisy clips.
"""

import copy
import io
import warnings

import numpy as np
import pytest

from pytest_nnrel import PinkNoise, as_encoder, assert_interchangeable

torch = pytest.importorskip("torch")
RATE = 22_050


class Bands(torch.nn.Module):
    """Levels of a bank of filters and a layer on them; yours is a trained model."""

    def __init__(self):
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        times = torch.arange(512) / RATE
        centres = torch.logspace(2, 3.9, 64)[:, None]
        filters = torch.hann_window(512) * torch.cos(2 * torch.pi * centres * times)
        self.register_buffer("filters", filters[:, None])
        self.layer = torch.nn.Linear(64, 32)
        self.layer.weight.data = torch.randn(32, 64, generator=generator) / 8

    def forward(self, audio):
        bands = torch.nn.functional.conv1d(audio[:, None], self.filters, stride=256)
        return self.layer(torch.log(bands.square().mean(dim=2) + 1e-4))


@pytest.fixture(scope="session")
def module():
    return Bands().eval()


def float16(module):
    """Weights in half the bytes, which inference takes back to float32."""
    return copy.deepcopy(module).half().float()


def int8(module):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torchao's is the successor
        return torch.ao.quantization.quantize_dynamic(copy.deepcopy(module), {torch.nn.Linear})


def compiled(module):
    """By `torch.compile`; its default backend, inductor, needs a C++ compiler, and a minute."""
    return torch.compile(copy.deepcopy(module), backend="aot_eager")


def one_thread(module):
    """As on a machine with another number of threads, which sum in another order."""

    def encode(audio):
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            with torch.no_grad():
                return module(torch.from_numpy(audio)).numpy()
        finally:
            torch.set_num_threads(threads)

    return encode


def onnx(module):
    pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the newer exporter needs onnxscript
        torch.onnx.export(
            module,
            (torch.zeros(2, 2 * RATE),),
            file,
            input_names=["audio"],
            output_names=["embedding"],
            dynamic_axes={"audio": {0: "n"}, "embedding": {0: "n"}},
            dynamo=False,
        )
    session = runtime.InferenceSession(file.getvalue(), providers=["CPUExecutionProvider"])
    return lambda audio: session.run(["embedding"], {"audio": audio.astype(np.float32)})[0]


@pytest.mark.nnrel(clips=10)
@pytest.mark.parametrize("export", [float16, int8, onnx, compiled, one_thread])
def test_an_export_may_query_the_index(module, export):
    exported = as_encoder(export(module), sample_rate=RATE, name=export.__name__)
    original = as_encoder(module, sample_rate=RATE, name="module")
    assert_interchangeable(original, exported, min=1.0, transform=PinkNoise(50))

"""Programs of ``torch.export``: real ones, of a module with what training would do."""

import warnings
from functools import cache

import numpy as np
import pytest
from trial import RATE, Trial

from pytest_nnrel import EncoderError, as_encoder


@cache
def program_of(samples, seed=0, *, codes=False, dynamic=True, dtype=None):
    torch = pytest.importorskip("torch")

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(seed)
            self.layer = torch.nn.Linear(samples, 5)
            self.dropout = torch.nn.Dropout(0.5)
            self.register_buffer("gain", torch.tensor(2.0))

        def forward(self, x):
            out = self.gain * self.dropout(self.layer(x))
            return out.long() if codes else out

    net = Net().eval().to(dtype)
    shapes = {"x": {0: torch.export.Dim("batch")}} if dynamic else None
    example = torch.zeros(3, samples, dtype=dtype)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # of torch's own, about its own future
        return net, torch.export.export(net, (example,), dynamic_shapes=shapes)


def bare(net, batch):
    torch = pytest.importorskip("torch")
    with torch.no_grad():
        return net(torch.from_numpy(batch).to(net.gain.dtype)).float().numpy()


def changeable(samples):
    """Return a program that no other test has."""
    return program_of.__wrapped__(samples)[1]


def trial(folder, windows):
    samples = windows.shape[1]
    net, program = program_of(samples)
    _, other = program_of(samples, seed=1)
    _, codes = program_of(samples, codes=True)
    return Trial(program, lambda batch: bare(net, batch), other, codes)


def test_its_fingerprint_is_that_of_its_graph_and_tensors(windows):
    samples = windows.shape[1]
    _, program = program_of(samples)
    before = as_encoder(program).fingerprint
    assert before is not None
    assert as_encoder(program, fingerprint="v1").fingerprint == "v1"
    again = changeable(samples)
    assert as_encoder(again).fingerprint == before
    again.state_dict["gain"] += 1
    assert as_encoder(again).fingerprint not in (None, before)


def test_an_output_of_it_has_a_fingerprint_too(windows):
    samples = windows.shape[1]
    program, other = (program_of(samples, seed=seed)[1] for seed in (0, 1))
    found = [as_encoder(each, output=[0, 1]).fingerprint for each in (program, program, other)]
    assert found[0] == found[1] != found[2]
    assert len({None, as_encoder(program).fingerprint, as_encoder(program, pool="mean").fingerprint,
                *found}) == 5  # fmt: skip


def test_what_is_changed_of_its_tensors_is_run(windows):
    program = changeable(windows.shape[1])
    encoder = as_encoder(program)
    first = encoder.encode(windows, RATE)
    program.state_dict["gain"] *= 3
    np.testing.assert_allclose(encoder.encode(windows, RATE), 3 * first, rtol=1e-5)


def test_no_gradients_are_recorded_and_its_precision_is_kept(windows):
    torch = pytest.importorskip("torch")
    net, program = program_of(windows.shape[1], dtype=torch.float64)
    encoder = as_encoder(program)
    out = encoder.forward(windows.copy(), RATE)
    assert out.dtype == torch.float64
    assert not out.requires_grad
    np.testing.assert_allclose(encoder.encode(windows, RATE), bare(net, windows), rtol=1e-5)


def test_a_batch_of_one_size_is_asked_for(windows):
    net, program = program_of(windows.shape[1], dynamic=False)
    found = as_encoder(program, batch_size=3).encode(windows, RATE)
    np.testing.assert_allclose(found, bare(net, windows), rtol=1e-4, atol=1e-6)
    with pytest.raises(EncoderError, match=r"raised .*on a batch of 6 windows"):
        as_encoder(program).encode(windows, RATE)

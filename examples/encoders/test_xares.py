"""An encoder for X-ARES: a torch module that states its `sampling_rate`, and returns frames.

`pool="mean"` is what is left to say. X-ARES' own check tells whether the module is one.
"""

import pytest

from pytest_nnrel import MP3, as_encoder, assert_within_consistency

torch = pytest.importorskip("torch")


class ConvEncoder(torch.nn.Module):
    """Frames of a bank of filters; X-ARES wants the name to end in `Encoder`."""

    sampling_rate = 16_000
    output_dim = 64
    hop_size_in_ms = 16

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.filters = torch.nn.Conv1d(1, 64, kernel_size=512, stride=256)

    def forward(self, audio):
        """Map ``float32[n, samples]`` to ``float32[n, frames, 64]``."""
        return self.filters(audio[:, None]).abs().log1p().transpose(1, 2)


@pytest.mark.nnrel(clips=10)
def test_an_encoder():
    assert_within_consistency(as_encoder(ConvEncoder(), pool="mean"), MP3(kbps=64), min=0.9)


@pytest.mark.filterwarnings("default")
def test_it_is_one_of_x_ares():
    checker = pytest.importorskip("xares.audio_encoder_checker")
    assert checker.check_audio_encoder(ConvEncoder())

"""A torch module is an encoder as it is; it may say its rate and window itself.

It is run in evaluation mode and without gradients, on `--nnrel-device`. Embeddings are kept under a
digest of its weights and code, so that a second run encodes nothing.
"""

import pytest

from pytest_nnrel import MP3, as_encoder, assert_within_consistency

torch = pytest.importorskip("torch")


class ConvEncoder(torch.nn.Module):
    sample_rate = 16_000
    window_seconds = 1.5

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.filters = torch.nn.Conv1d(1, 64, kernel_size=512, stride=256)

    def frames(self, audio):
        """Map ``float32[n, samples]`` to ``float32[n, frames, 64]``."""
        return self.filters(audio[:, None]).abs().log1p().transpose(1, 2)

    def forward(self, audio):
        return self.frames(audio).mean(1)


@pytest.mark.nnrel(clips=10)
def test_a_module_by_itself():
    assert_within_consistency(ConvEncoder(), MP3(kbps=64), min=0.9)


@pytest.mark.nnrel(clips=10)
def test_a_module_that_returns_several_outputs_or_frames():
    class WithLogits(ConvEncoder):
        def forward(self, audio):
            frames = self.frames(audio)
            return {"logits": frames.amax(1).sigmoid(), "frames": frames}

    encoder = as_encoder(WithLogits(), output="frames", pool="mean", name="conv frames")
    assert_within_consistency(encoder, MP3(kbps=64), min=0.9)

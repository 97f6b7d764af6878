"""A model of mteb, here a small one with its protocol: `encode` of a loader of audio.

It is passed as it is; the library's own come from `mteb.get_model(NAME)`. It is told of a task of
its own, of the modality audio, and runs where it chooses to.
"""

import numpy as np
import pytest

from pytest_nnrel import MP3, as_encoder, assert_within_consistency

torch = pytest.importorskip("torch")
pytest.importorskip("mteb")


@pytest.fixture(scope="module")
def model():
    from mteb.models.abs_encoder import AbsEncoder

    class Levels(AbsEncoder):
        """Levels of a bank of filters; yours is `mteb.get_model(NAME)`."""

        sampling_rate = 16_000

        def __init__(self):
            torch.manual_seed(0)
            self.filters = torch.nn.Conv1d(1, 64, kernel_size=512, stride=256)

        def encode(self, inputs, *, task_metadata, hf_split, hf_subset, prompt_type=None, **kwargs):
            found = []
            for rows in inputs:
                audio = torch.from_numpy(np.stack([item["array"] for item in rows["audio"]]))
                with torch.no_grad():
                    found.append(self.filters(audio[:, None]).abs().log1p().mean(2))
            return torch.cat(found)

    return Levels()


@pytest.mark.nnrel(clips=10)
def test_a_model(model):
    assert_within_consistency(as_encoder(model), MP3(kbps=64), min=0.9)

from pathlib import Path

import pytest
import torch
from melody_encoder import MelodyEncoder

WEIGHTS = Path(__file__).with_name("encoder.pt")


@pytest.fixture(scope="session")
def encoder():
    """The encoder as `train.py` left it."""
    if not WEIGHTS.exists():
        pytest.skip("there is no encoder.pt yet: python train.py")
    encoder = MelodyEncoder()
    encoder.load_state_dict(torch.load(WEIGHTS, weights_only=True))
    return encoder

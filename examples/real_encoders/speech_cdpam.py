"""CDPAM: how different two recordings of speech sound (Manocha et al., 2021). What it compares."""

from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from pytest_nnrel import as_encoder

FIELD = "speech"
PACKAGE = "cdpam"
LICENCE = "MIT"
INSTALL = "pip install cdpam resampy"


def load():
    import torch
    from cdpam.models import FINnet

    # The package's own reader asks torch for weights alone, which its file is too old for.
    file = Path(find_spec(PACKAGE).origin).parent / "CDPAM_trained/scratchJNDdefault_best_model.pth"
    network = FINnet(encoder_layers=16, encoder_filters=64, input_size=512)
    network.load_state_dict(torch.load(file, map_location="cpu", weights_only=False)["state"])
    network.eval()

    def embed(audio):
        with torch.no_grad():
            _, acoustic, _ = network.base_encoder(torch.from_numpy(audio * 32_768)[:, None])
        return torch.nn.functional.normalize(acoustic, dim=1).numpy()

    return as_encoder(embed, sample_rate=22_050, name=PACKAGE, fingerprint=version(PACKAGE))

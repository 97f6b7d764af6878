"""PESTO: pitch, self-supervised (Riou et al., 2023). Its distribution over pitch, in the mean."""

from importlib.metadata import version

from pytest_nnrel import as_encoder

FIELD = "music"
PACKAGE = "pesto-pitch"
LICENCE = "LGPL-3.0"
INSTALL = "pip install pesto-pitch"


def load():
    from pesto import load_model

    model = load_model("mir-1k_g7", step_size=100.0, sampling_rate=16_000)
    return as_encoder(
        model, sample_rate=16_000, output=3, pool="mean", name=PACKAGE, fingerprint=version(PACKAGE)
    )


def bare():
    import torch
    from pesto import load_model

    model = load_model("mir-1k_g7", step_size=100.0, sampling_rate=16_000).eval()

    def embed(audio):
        with torch.no_grad():
            return model(torch.from_numpy(audio))[3].mean(dim=1).numpy()

    return embed

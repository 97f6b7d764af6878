"""FCPE: pitch of a singing or speaking voice. Its distribution over pitch, mean over time."""

from importlib.metadata import version

from pytest_nnrel import as_encoder

FIELD = "speech"
PACKAGE = "torchfcpe"
LICENCE = "MIT"
INSTALL = "pip install torchfcpe"


def load():
    import torch
    from torchfcpe import spawn_bundled_infer_model

    model = spawn_bundled_infer_model("cpu")

    def embed(audio):
        with torch.no_grad():
            mel = model.wav2mel(torch.from_numpy(audio)[:, :, None], 16_000)
            return model.model(mel).mean(dim=1).numpy()

    return as_encoder(embed, sample_rate=16_000, name=PACKAGE, fingerprint=version(PACKAGE))

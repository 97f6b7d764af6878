"""Silero VAD: whether anybody speaks. State of its recurrent network, mean over 32 ms chunks."""

from importlib.metadata import version

from pytest_nnrel import as_encoder

FIELD = "speech"
PACKAGE = "silero-vad"
LICENCE = "MIT"
INSTALL = "pip install silero-vad onnxruntime"


def load():
    import torch
    from silero_vad import load_silero_vad

    model = load_silero_vad(onnx=True)

    def embed(audio):
        model.reset_states()
        states = []
        for chunk in torch.from_numpy(audio).split(512, dim=1):
            if chunk.shape[1] == 512:
                model(chunk, 16_000)
                states.append(model._state)
        return torch.stack(states).mean(dim=0).transpose(0, 1).flatten(1).numpy()

    return as_encoder(embed, sample_rate=16_000, name=PACKAGE, fingerprint=version(PACKAGE))

"""Whether copies of the AT encoder, and trainings of a small recipe, fit each other's embeddings.

Prints C_W of clips as one hears them among originals as the other does, alone, and what both
encoders lie apart. 40 of the bundled clips; a few minutes on one core.
"""

from __future__ import annotations

import copy
import warnings
from io import BytesIO
from typing import TYPE_CHECKING, Any

import librosa
import numpy as np
import torch

import reference_models
from pytest_nnrel import (
    Corpus,
    PinkNoise,
    PitchShift,
    TempoShift,
    as_encoder,
    equivariance,
    interchangeability,
    noticed_magnitude,
    sensitivity,
)
from reference_models.features import BINS, DYNAMIC_RANGE_DB, HOP, LEAST_POWER, N_FFT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_nnrel import Encoder, Interchangeability

CLIPS = 40
NOISE = PinkNoise(30)


def show(name: str, found: Interchangeability) -> None:
    """Print what was found of two encoders."""
    turned = found.rotated_new
    print(f"{name}: {found}".replace("\n", "; "))
    print(
        f"  alone {found.new.value:.3f}, {found.old.value:.3f}; apart {found.apart['median']:.2g}"
        f" (at most {found.apart['max']:.2g}); turned {turned.value:.3f} in {turned.dimensions}"
        f" dimensions by {turned.fitted_on} clips"
    )


def copies(encoder: Encoder) -> Iterator[tuple[str, Any]]:
    """Yield names and copies of a torch encoder."""
    module = encoder.subject
    yield "float16 weights", copy.deepcopy(module).half().float()
    yield "bfloat16 weights", copy.deepcopy(module).bfloat16().float()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        whole = copy.deepcopy(module)
        yield "int8 layers", torch.ao.quantization.quantize_dynamic(whole, {torch.nn.Linear})
    yield "network in ONNX", in_onnx(module)
    yield "whole in ONNX", whole_in_onnx(module)
    yield "torch.compile, AOTAutograd", torch.compile(copy.deepcopy(module), backend="aot_eager")


def in_onnx(module: Any) -> torch.nn.Module:
    """Return the network behind the front end as a session of onnxruntime, as a module."""

    class Network(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = module.encoder

        def forward(self, spectrogram: torch.Tensor) -> torch.Tensor:
            return self.network.trace(spectrogram).z

    class Behind(torch.nn.Module):
        def forward(self, audio: torch.Tensor) -> torch.Tensor:
            return session(module.front_end(audio))

    with torch.no_grad():
        session = exported(Network(), module.front_end(torch.zeros(2, 2 * 22_050)))
    return Behind()


def whole_in_onnx(module: Any) -> torch.nn.Module:
    """Return the encoder from audio on as a session: its STFT is a convolution there."""

    class Whole(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network, self.standardise = module.encoder, module.front_end.standardise
            turns = (torch.arange(BINS)[:, None] * torch.arange(N_FFT) % N_FFT) / N_FFT
            angles, window = 2 * torch.pi * turns.double(), torch.hann_window(N_FFT, periodic=False)
            basis = torch.cat([window * angles.cos(), window * angles.sin()]).float()
            self.register_buffer("basis", basis[:, None])

        def forward(self, audio: torch.Tensor) -> torch.Tensor:
            ends = (N_FFT // 2, N_FFT // 2)
            padded = torch.nn.functional.pad(audio[:, None], ends, mode="reflect")
            parts = torch.nn.functional.conv1d(padded, self.basis, stride=HOP)
            power = parts[:, :BINS].square() + parts[:, BINS:].square()
            level = 10.0 * power.clamp_min(LEAST_POWER).log10()
            floor = level.amax(dim=(1, 2), keepdim=True) - DYNAMIC_RANGE_DB
            return self.network.trace(self.standardise(torch.maximum(level, floor))).z

    return exported(Whole(), torch.zeros(2, 2 * 22_050))


def exported(module: torch.nn.Module, example: torch.Tensor) -> torch.nn.Module:
    """Return a module as a session of onnxruntime, as a module."""
    import onnxruntime

    class Session(torch.nn.Module):
        def forward(self, given: torch.Tensor) -> torch.Tensor:
            return torch.from_numpy(session.run(["z"], {"x": given.numpy()})[0])

    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        file = BytesIO()
        torch.onnx.export(
            module.eval(), (example,), file, input_names=["x"], output_names=["z"],
            dynamic_axes={"x": {0: "n"}, "z": {0: "n"}}, dynamo=False,
        )  # fmt: skip
    session = onnxruntime.InferenceSession(file.getvalue(), providers=["CPUExecutionProvider"])
    return Session()


def log_mel(windows: Any) -> Any:
    """Return float32[n, bands, frames]."""
    mel = [
        librosa.feature.melspectrogram(y=w, sr=22_050, n_fft=1024, hop_length=512, n_mels=40)
        for w in windows
    ]
    return np.log(np.stack(mel) + 1e-4).astype(np.float32)


def trained(seed: int, audio: Any, epochs: int = 150) -> Encoder:
    """Return an encoder of 16 dimensions that tells excerpts of one clip from those of others."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    mel = log_mel(audio)
    mean, std = mel.mean(), mel.std()
    network = torch.nn.Sequential(
        torch.nn.Conv1d(40, 64, 5), torch.nn.ReLU(), torch.nn.Conv1d(64, 64, 5), torch.nn.ReLU(),
        torch.nn.AdaptiveAvgPool1d(1), torch.nn.Flatten(), torch.nn.Linear(64, 16),
    )  # fmt: skip
    optimiser = torch.optim.Adam(network.parameters(), 1e-3)
    given = torch.from_numpy((mel - mean) / std)
    for _ in range(epochs):
        some = torch.from_numpy(rng.permutation(len(given))[:64])
        starts = rng.integers(0, given.shape[2] - 60, 2)
        views = [given[some][:, :, s : s + 60] + 0.3 * torch.randn(64, 40, 60) for s in starts]
        a, b = (torch.nn.functional.normalize(network(view), dim=1) for view in views)
        loss = torch.nn.functional.cross_entropy(a @ b.T / 0.1, torch.arange(64))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    network.eval()

    def encode(batch: Any) -> Any:
        with torch.no_grad():
            return network(torch.from_numpy((log_mel(batch) - mean) / std)).numpy()

    return as_encoder(encode, name=f"trial {seed}", sample_rate=22_050)


def main() -> None:
    torch.set_num_threads(1)
    music = Corpus.bundled()
    few = music.subset(CLIPS)
    encoder = reference_models.load("at")
    for name, module in copies(encoder):
        other = as_encoder(
            module, name=name, sample_rate=encoder.sample_rate,
            window_seconds=encoder.window_seconds, batch_size=8,
        )  # fmt: skip
        show(name, interchangeability(encoder, other, transform=NOISE, corpus=few))
    show("AT and IR", interchangeability(encoder, reference_models.load("ir"), corpus=few))
    audio = np.stack([clip.window(2.0) for clip in music if clip.id not in set(few.ids)])
    first, *others = (trained(seed, audio) for seed in range(3))
    for other in others:
        found = interchangeability(first, other, transform=PinkNoise(40), corpus=few)
        show(f"{first.name} and {other.name}", found)
    for one in (encoder, reference_models.load("mfcc")):
        for ends in ((PitchShift(-2), PitchShift(2)), (TempoShift(0.7), TempoShift(1.5))):
            told, alike = (
                measure(one, ends, corpus=few) for measure in (sensitivity, equivariance)
            )
            print(
                f"{one.name}, {told.details['transform']['name']}: R2 {told.value:.2f}"
                f" [{told.ci[0]:.2f}, {told.ci[1]:.2f}], p {told.details['p']}; shared"
                f" {alike.value:.2f} [{alike.ci[0]:.2f}, {alike.ci[1]:.2f}]"
            )
    print(noticed_magnitude(encoder, PitchShift, max=0.5, corpus=few, steps=8))


if __name__ == "__main__":
    main()

"""Small recipes to train encoders by, whose trainings differ in their seed alone.

What is trained on is recorded music of other games than the bundled corpus is of.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import librosa
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from pytest_nnrel.runtime.progress import progress
from reference_models.datasets import recorded

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SAMPLE_RATE = 22_050
N_FFT, HOP, MELS = 1024, 512, 64
#: Frames of the 2 s that an encoder hears.
FRAMES = 1 + 2 * SAMPLE_RATE // HOP
#: Clips of 4 s that are taken of a track, evenly spread.
CLIPS_OF_TRACK = 10
BATCH = 64


@dataclass(frozen=True)
class Recipe:
    """How an encoder is trained.

    Attributes
    ----------
    task : {"tracks", "contrast", "reconstruct", "mask"}
    epochs : int
    width : int
        Channels of the first layer; the others follow.
    share : float
        Of the clips.
    front_end : {"log", "power"}
        Mel bands in decibels, or as they come.
    """

    task: str
    epochs: int
    width: int
    share: float = 1.0
    front_end: str = "log"


RECIPES: dict[str, Recipe] = {
    "tracks": Recipe("tracks", 15, 16),
    "contrast": Recipe("contrast", 12, 96),
    "reconstruct": Recipe("reconstruct", 12, 16),
    "mask": Recipe("mask", 12, 96),
}
#: What each recipe is made worse by.
WORSE: dict[str, Callable[[Recipe], Recipe]] = {
    "a third as long": lambda recipe: replace(recipe, epochs=recipe.epochs // 3),
    "a quarter of the clips": lambda recipe: replace(recipe, share=0.25),
    "a quarter as wide": lambda recipe: replace(recipe, width=recipe.width // 4),
    "no logarithm": lambda recipe: replace(recipe, front_end="power"),
}


def recipe_of(name: str, variant: str | None = None) -> Recipe:
    """Return a recipe as it is, or made worse."""
    return RECIPES[name] if variant is None else WORSE[variant](RECIPES[name])


class MelBands(nn.Module):
    """Mel bands of audio: ``float[n, 64, frames]`` of ``float[n, samples]``."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("window", torch.hann_window(N_FFT))
        filters = librosa.filters.mel(sr=SAMPLE_RATE, n_fft=N_FFT, n_mels=MELS)
        self.register_buffer("filters", torch.from_numpy(filters))

    def forward(self, audio: Tensor) -> Tensor:
        spectrum = torch.stft(audio, N_FFT, HOP, window=self.window, return_complex=True)
        return self.filters @ spectrum.abs().square()


class Encoder(nn.Module):
    """Front end, and the network of a task.

    Parameters
    ----------
    recipe : Recipe
    """

    sample_rate = SAMPLE_RATE
    window_seconds = 2.0

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        self.front_end = recipe.front_end
        self.bands = MelBands()
        self.network = _NETWORKS[recipe.task](recipe.width)
        self.register_buffer("mean", torch.zeros(()))
        self.register_buffer("std", torch.ones(()))

    def scale(self, bands: Tensor) -> Tensor:
        """Return mel bands as the network takes them, but for mean and deviation."""
        return torch.log(bands + 1e-5) if self.front_end == "log" else bands

    def embed(self, scaled: Tensor) -> Tensor:
        return self.network((scaled - self.mean) / self.std)

    def forward(self, audio: Tensor) -> Tensor:
        return self.embed(self.scale(self.bands(audio)[..., :FRAMES]))


def _block(inside: int, outside: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(inside, outside, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(outside),
        nn.ReLU(),
    )


class Tracks(nn.Module):
    """Three convolutions over time and frequency, then their mean: ``float[n, 4 * width]``."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.size = 4 * width
        self.blocks = nn.Sequential(
            _block(1, width), _block(width, 2 * width), _block(2 * width, 4 * width)
        )

    def forward(self, bands: Tensor) -> Tensor:
        return self.blocks(bands[:, None]).mean(dim=(2, 3))


class Contrast(nn.Module):
    """Convolutions over time, of which a GRU makes ``float[n, width]``."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.size = width
        self.convolutions = nn.Sequential(
            nn.Conv1d(MELS, width, 5, stride=2, padding=2), nn.GELU(),
            nn.Conv1d(width, width, 5, stride=2, padding=2), nn.GELU(),
        )  # fmt: skip
        self.recurrent = nn.GRU(width, width, batch_first=True)

    def forward(self, bands: Tensor) -> Tensor:
        states, _ = self.recurrent(self.convolutions(bands).transpose(1, 2))
        return states.mean(dim=1)


class Reconstruct(nn.Module):
    """Convolutions, and a bottleneck that keeps time and frequency: ``float[n, 4 * width]``."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.size = 4 * width
        self.blocks = nn.Sequential(_block(1, width), _block(width, width), _block(width, width))
        self.bottleneck = nn.Linear(width * 8 * 11, self.size)

    def forward(self, bands: Tensor) -> Tensor:
        return self.bottleneck(self.blocks(bands[:, None]).flatten(1))


class Mask(nn.Module):
    """A transformer over pieces of time, then their mean: ``float[n, width]``."""

    #: Frames of a piece, and pieces of what an encoder hears.
    frames = 4
    pieces = FRAMES // frames

    def __init__(self, width: int) -> None:
        super().__init__()
        self.size = width
        self.into = nn.Conv1d(MELS, width, self.frames, stride=self.frames)
        self.places = nn.Parameter(0.02 * torch.randn(self.pieces, width))
        self.hidden = nn.Parameter(0.02 * torch.randn(width))
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(
                width, 4, 2 * width, dropout=0.0, activation="gelu", batch_first=True,
                norm_first=True,
            )
            for _ in range(2)
        )  # fmt: skip

    def forward(self, bands: Tensor) -> Tensor:
        return self.states(bands).mean(dim=1)

    def states(self, bands: Tensor, hidden: Tensor | None = None) -> Tensor:
        """Return ``float[n, pieces, width]``, of pieces that are not ``hidden[n, pieces]``."""
        pieces = self.into(bands).transpose(1, 2)
        if hidden is not None:
            pieces = torch.where(hidden[..., None], self.hidden, pieces)
        pieces = pieces + self.places
        for layer in self.layers:
            pieces = layer(pieces)
        return pieces


_NETWORKS: dict[str, Callable[[int], nn.Module]] = {
    "tracks": Tracks, "contrast": Contrast, "reconstruct": Reconstruct, "mask": Mask
}  # fmt: skip


@dataclass(frozen=True)
class Music:
    """Mel bands to train on, float32[n, 64, frames of 4 s], and the track of each."""

    bands: Tensor
    tracks: Tensor

    @classmethod
    def load(cls, collection: Path, prepared: Path) -> Music:
        """Return clips of a collection of recorded music, from `prepared` where it is there."""
        if not prepared.exists():
            cls._prepare(collection, prepared)
        stored = np.load(prepared)
        return cls(torch.from_numpy(stored["bands"]), torch.from_numpy(stored["tracks"]))

    @staticmethod
    def _prepare(collection: Path, prepared: Path) -> None:
        bands, tracks = [], []
        of_audio = MelBands()
        found = recorded.load(collection)
        for number, track in enumerate(progress(found, len(found), "mel bands", "track")):
            clips = [samples for _, samples in recorded.cuts(collection, track, SAMPLE_RATE)]
            places = np.linspace(0, len(clips) - 1, min(len(clips), CLIPS_OF_TRACK))
            for place in np.unique(places.astype(int)):
                bands.append(of_audio(torch.from_numpy(clips[place])[None])[0].numpy())
                tracks.append(number)
        np.savez(prepared, bands=np.stack(bands), tracks=np.array(tracks))

    def part(self, share: float) -> Music:
        """Return a share of the clips, spread over all tracks, the same for every seed."""
        chosen = torch.arange(0, len(self.bands), round(1 / share))
        return Music(self.bands[chosen], self.tracks[chosen])


def train(recipe: Recipe, music: Music, seed: int) -> Encoder:
    """Train an encoder; the seed is of weights, order, crops and augmentation."""
    torch.manual_seed(seed)
    encoder = Encoder(recipe)
    music = music.part(recipe.share)
    scaled = encoder.scale(music.bands)
    encoder.mean.copy_(scaled.mean())
    encoder.std.copy_(scaled.std())
    loss = _LOSSES[recipe.task](encoder, int(music.tracks.max()) + 1)
    batches = len(scaled) // BATCH
    optimiser = torch.optim.Adam(loss.parameters())  # the encoder's among them
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, max_lr=4e-3, total_steps=recipe.epochs * batches
    )
    encoder.train()
    for _ in range(recipe.epochs):
        order = torch.randperm(len(scaled))[: batches * BATCH].reshape(batches, BATCH)
        for chosen in order:
            optimiser.zero_grad()
            loss(scaled[chosen], music.tracks[chosen]).backward()
            optimiser.step()
            schedule.step()
    return encoder.eval()


def _crop(scaled: Tensor) -> Tensor:
    """Return 2 s of each clip, from anywhere in it."""
    starts = torch.randint(scaled.shape[2] - FRAMES + 1, (len(scaled), 1, 1))
    places = (starts + torch.arange(FRAMES)).expand(-1, scaled.shape[1], -1)
    return scaled.gather(2, places)


class _TracksLoss(nn.Module):
    """Cross-entropy of the track that a clip is of."""

    def __init__(self, encoder: Encoder, tracks: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = nn.Linear(encoder.network.size, tracks)

    def forward(self, scaled: Tensor, tracks: Tensor) -> Tensor:
        return functional.cross_entropy(self.head(self.encoder.embed(_crop(scaled))), tracks)


class _ContrastLoss(nn.Module):
    """NT-Xent of two crops of a clip (SimCLR, Chen et al. 2020), lightly augmented."""

    temperature = 0.2

    def __init__(self, encoder: Encoder, tracks: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = nn.Linear(encoder.network.size, 64)

    def forward(self, scaled: Tensor, tracks: Tensor) -> Tensor:
        views = torch.cat([self._augmented(_crop(scaled)) for _ in range(2)])
        projected = functional.normalize(self.head(self.encoder.embed(views)), dim=1)
        similar = projected @ projected.T / self.temperature
        similar.fill_diagonal_(-math.inf)
        n = len(scaled)
        return functional.cross_entropy(similar, torch.arange(2 * n).roll(n))

    def _augmented(self, scaled: Tensor) -> Tensor:
        """Return mel bands a little louder or softer, with a little noise."""
        std = self.encoder.std
        level = torch.randn(len(scaled), 1, 1) * 0.1 * std
        return scaled + level + torch.randn_like(scaled) * 0.1 * std


class _ReconstructLoss(nn.Module):
    """Squared error of the mel bands, from the embedding alone."""

    def __init__(self, encoder: Encoder, tracks: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = nn.Sequential(
            nn.Linear(encoder.network.size, 128), nn.ReLU(), nn.Linear(128, MELS // 4 * 22)
        )

    def forward(self, scaled: Tensor, tracks: Tensor) -> Tensor:
        cropped = _crop(scaled)
        target = (cropped - self.encoder.mean) / self.encoder.std
        target = functional.adaptive_avg_pool2d(target, (MELS // 4, 22)).flatten(1)
        return functional.mse_loss(self.head(self.encoder.embed(cropped)), target)


class _MaskLoss(nn.Module):
    """Squared error of the half of the pieces that are hidden (MAE, He et al. 2022)."""

    def __init__(self, encoder: Encoder, tracks: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = nn.Linear(encoder.network.size, MELS * Mask.frames)

    def forward(self, scaled: Tensor, tracks: Tensor) -> Tensor:
        bands = (_crop(scaled) - self.encoder.mean) / self.encoder.std
        hidden = torch.rand(len(bands), Mask.pieces) < 0.5
        predicted = self.head(self.encoder.network.states(bands, hidden))
        pieces = bands[..., : Mask.pieces * Mask.frames].unflatten(2, (Mask.pieces, Mask.frames))
        target = pieces.transpose(1, 2).flatten(2)
        return functional.mse_loss(predicted[hidden], target[hidden])


_LOSSES: dict[str, Callable[[Encoder, int], nn.Module]] = {
    "tracks": _TracksLoss, "contrast": _ContrastLoss, "reconstruct": _ReconstructLoss,
    "mask": _MaskLoss,
}  # fmt: skip

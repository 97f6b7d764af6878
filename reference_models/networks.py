"""What the paper's networks are made of: one encoder for every task (section 2, table 1).

All networks take audio. A network is an *embedding*, audio to z, and a head, z to the task's
output, which is part of the task (`reference_models.tasks`). ``network.embedding`` alone is what
the consistency of an encoder is measured on: ``pytest_nnrel.as_encoder(network.embedding)``.

Where the authors' published code says more than the paper, or something else:

- Channels start at 16, as in the paper's runs, not at 8, which is the code's default.
- Both decoders of the authors unpool with the encoder's own indices. In the autoencoder these carry
  the places of all maxima past the bottleneck, so z alone does not have to tell the input. It is
  kept as ``decoder="unpooling"``; ``decoder="upsampling"`` is the same without the leak. The
  separator adds the encoder's outputs on purpose, so there the indices give nothing more away.
- Between z and the first map the authors' decoders have a hidden layer of z's width, which the
  paper does not draw.
- The authors pass MFCCs through batch normalisation in every head and, in AE and VS, a ReLU, which
  drops the half below the mean. Here all heads see them standardised by the training set's
  statistics, without a ReLU.
- One mask, of the voice. What it leaves is the accompaniment.
"""

from __future__ import annotations

from itertools import pairwise
from math import prod
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from reference_models.features import (
    BINS,
    FRAMES,
    MFCC_STATISTICS,
    SAMPLE_RATE,
    WINDOW_SECONDS,
    FrontEnd,
    RunningStatistics,
    Standardise,
    mfcc_statistics,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

#: Channels of the first block, their cap, and the length of z.
CHANNELS = 16
MAX_CHANNELS = 256
EMBEDDING = 256
DROPOUT = 0.5


class Encoding(NamedTuple):
    """What an encoder makes of a batch.

    Attributes
    ----------
    z : float[n, d]
    outputs : tuple of float[n, channels, bins, frames]
        Of the blocks, in their order; empty where there are none.
    indices : tuple of int64[n, channels, bins, frames]
        Where in its block's plane each maximum was; of the same shapes as `outputs`.
    """

    z: Tensor
    outputs: tuple[Tensor, ...] = ()
    indices: tuple[Tensor, ...] = ()


def block_widths(
    channels: int = CHANNELS, max_channels: int = MAX_CHANNELS, frames: int = FRAMES
) -> tuple[int, ...]:
    """Return the channels of each block: doubled from one to the next, up to a cap.

    There are as many blocks as it takes to halve one side of a spectrogram to 1: 7 of 513 x 173.
    """
    blocks = min(BINS, frames).bit_length() - 1
    if blocks < 1:
        raise ValueError(f"a spectrogram of {frames} frames cannot be halved")
    return tuple(min(channels << block, max_channels) for block in range(blocks))


def _convolution(before: int, after: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, 3, padding=1, padding_mode="reflect", bias=False),
        nn.BatchNorm2d(after),
        nn.ReLU(inplace=True),
    )


def _in_channels_last(blocks: nn.Module) -> None:
    """Lay weights out so that convolutions take a third less time on a CPU."""
    blocks.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def _dense(before: int, after: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(before, after), nn.BatchNorm1d(after), nn.ReLU(), nn.Dropout(DROPOUT)
    )


class VGGEncoder(nn.Module):
    """The convolutional encoder that all tasks share (paper section 2.2, table 1).

    Blocks of a 3 x 3 convolution with reflected edges, batch normalisation, ReLU and 2 x 2 maximum
    pooling, until one side is 1; the average over what is left; a dense layer.

    Parameters
    ----------
    channels, max_channels : int
        Of the first block, and at most.
    embedding : int
        Length of z.
    frames : int
        Of the spectrograms that it is built for; these decide how many blocks it has.

    Attributes
    ----------
    widths : tuple of int
        Channels of each block.
    """

    def __init__(
        self,
        channels: int = CHANNELS,
        max_channels: int = MAX_CHANNELS,
        embedding: int = EMBEDDING,
        *,
        frames: int = FRAMES,
    ) -> None:
        super().__init__()
        self.widths = block_widths(channels, max_channels, frames)
        self.embedding = embedding
        self.frames = frames
        self.blocks = nn.ModuleList(
            _convolution(before, after) for before, after in pairwise((1, *self.widths))
        )
        _in_channels_last(self.blocks)
        self.projection = _dense(self.widths[-1], embedding)

    def trace(self, spectrogram: Tensor) -> Encoding:
        """Return z with what decoders need beside it.

        Parameters
        ----------
        spectrogram : float[n, 513, frames]
            Standardised.

        Raises
        ------
        ValueError
            If there are too few frames to halve them once per block.
        """
        if spectrogram.shape[2] >> len(self.blocks) == 0:
            raise ValueError(
                f"{spectrogram.shape[2]} frames are too few for {len(self.blocks)} blocks"
            )
        maps = spectrogram.unsqueeze(1)
        outputs, indices = [], []
        for block in self.blocks:
            maps, places = functional.max_pool2d_with_indices(block(maps), (2, 2))
            outputs.append(maps)
            indices.append(places)
        z: Tensor = self.projection(maps.mean(dim=(2, 3)))
        return Encoding(z, tuple(outputs), tuple(indices))

    def forward(self, spectrogram: Tensor) -> Tensor:
        """Return ``float[n, 256]`` of standardised spectrograms, ``float[n, 513, frames]``."""
        return self.trace(spectrogram).z


class Decoder(nn.Module):
    """The mirror of `VGGEncoder`: z to one value for each bin and frame (paper figure 2).

    A dense layer, a linear one up to the size of the encoder's last map, and a block for each of
    the encoder's: up to the size before pooling, 3 x 3 convolution, batch normalisation, ReLU. The
    last block is a convolution only, with bias: its values have no bounds.

    Parameters
    ----------
    embedding : int
        Length of z.
    widths : sequence of int
        Channels of the encoder's blocks.
    frames : int
        That the encoder was built for.
    """

    def __init__(self, embedding: int, widths: Sequence[int], *, frames: int = FRAMES) -> None:
        super().__init__()
        deepest = (widths[-1], BINS >> len(widths), frames >> len(widths))
        self.deepest_frames = deepest[2]
        self.entry = nn.Sequential(
            _dense(embedding, embedding),
            nn.Linear(embedding, prod(deepest)),
            nn.Unflatten(1, deepest),
        )
        self.blocks = nn.ModuleList(
            _convolution(before, after) for before, after in pairwise(reversed(widths))
        )
        self.blocks.append(nn.Conv2d(widths[0], 1, 3, padding=1, padding_mode="reflect"))
        _in_channels_last(self.blocks)

    def forward(
        self,
        z: Tensor,
        frames: int,
        *,
        indices: Sequence[Tensor] = (),
        skips: Sequence[Tensor] = (),
    ) -> Tensor:
        """Return a value for each bin and frame.

        Parameters
        ----------
        z : float[n, d]
        frames : int
            That come out.
        indices : sequence of int64[n, channels, bins, frames]
            Where maxima are put back, from `Encoding`; bilinear upsampling where empty.
        skips : sequence of float[n, channels, bins, frames]
            Added before each block, from `Encoding`; nothing where empty.

        Returns
        -------
        float[n, 513, frames]

        Raises
        ------
        ValueError
            If so many frames do not come to the same deepest map as those it was built for.
        """
        if frames >> len(self.blocks) != self.deepest_frames:
            fewest = self.deepest_frames << len(self.blocks)
            most = (self.deepest_frames + 1 << len(self.blocks)) - 1
            raise ValueError(f"this decoder makes {fewest} to {most} frames, not {frames}")
        maps: Tensor = self.entry(z)
        for level, block in zip(reversed(range(len(self.blocks))), self.blocks):
            size = [BINS >> level, frames >> level]
            if skips:
                maps = maps + skips[level]
            if indices:
                maps = functional.max_unpool2d(maps, indices[level], (2, 2), output_size=size)
            else:
                maps = functional.interpolate(maps, size=size, mode="bilinear", align_corners=True)
            maps = block(maps)
        return maps.squeeze(1)


class AudioEmbedding(nn.Module):
    """Audio to z: what `pytest_nnrel.as_encoder` takes of a network.

    In evaluation mode an embedding depends on its own window only.

    Attributes
    ----------
    sample_rate : int
        In Hz.
    window_seconds : float
    width : int
        Length of z.
    decoder_widths : tuple of int
        Channels of the encoder's blocks that a decoder mirrors.
    frames : int
        Of the spectrograms that a decoder makes.
    """

    sample_rate = SAMPLE_RATE
    window_seconds = WINDOW_SECONDS

    def __init__(self, width: int, decoder_widths: tuple[int, ...], frames: int) -> None:
        super().__init__()
        self.width = width
        self.decoder_widths = decoder_widths
        self.frames = frames

    def trace(self, audio: Tensor) -> Encoding:
        """Return z of ``float[n, samples]`` with what decoders need beside it."""
        raise NotImplementedError

    def forward(self, audio: Tensor) -> Tensor:
        """Return ``float[n, width]`` of ``float[n, samples]``."""
        return self.trace(audio).z

    def code(self, z: Tensor) -> Tensor:
        """Return what heads are given of z: ``float[n, width]``."""
        return z


class VGGEmbedding(AudioEmbedding):
    """Front end, standardisation and convolutional encoder.

    Parameters
    ----------
    encoder : VGGEncoder, optional
        The paper's where omitted.
    """

    def __init__(self, encoder: VGGEncoder | None = None) -> None:
        encoder = encoder or VGGEncoder()
        super().__init__(encoder.embedding, encoder.widths, encoder.frames)
        self.front_end = FrontEnd()
        self.encoder = encoder

    def trace(self, audio: Tensor) -> Encoding:
        """Return z of ``float[n, samples]``, the blocks' outputs and their indices."""
        return self.encoder.trace(self.front_end(audio))


class MFCCEmbedding(AudioEmbedding):
    """The paper's baseline, 144 statistics of MFCCs, with nothing to train (section 4.2).

    z is what `pytest_nnrel.MFCCEncoder` gives, in its own units. Heads see it standardised.

    Parameters
    ----------
    channels, max_channels, frames : int
        Of the encoder whose mirror image the decoders of AE and VS are.
    """

    def __init__(
        self, channels: int = CHANNELS, max_channels: int = MAX_CHANNELS, *, frames: int = FRAMES
    ) -> None:
        super().__init__(MFCC_STATISTICS, block_widths(channels, max_channels, frames), frames)
        self.standardise = Standardise(MFCC_STATISTICS)
        self.dropout = nn.Dropout(DROPOUT)

    def raw(self, audio: Tensor) -> Tensor:
        """Return the statistics before they are standardised: ``float32[n, 144]``."""
        return mfcc_statistics(audio)

    def trace(self, audio: Tensor) -> Encoding:
        """Return z of ``float[n, samples]``; there are no blocks."""
        return Encoding(self.raw(audio))

    def code(self, z: Tensor) -> Tensor:
        """Return z standardised, and in training with half of it dropped, as the encoders' is."""
        code: Tensor = self.dropout(self.standardise(z))
        return code


class TaskNetwork(nn.Module):
    """An embedding with a head for one task.

    Parameters
    ----------
    embedding : AudioEmbedding, optional
        The paper's convolutional one where omitted.
    """

    def __init__(self, embedding: AudioEmbedding | None = None) -> None:
        super().__init__()
        self.embedding = embedding or VGGEmbedding()

    def fit_statistics(self, batches: Iterable[Tensor]) -> None:
        """Take all statistics that standardise values, in one pass over the training set's audio.

        Parameters
        ----------
        batches : iterable of float[n, samples]

        Raises
        ------
        ValueError
            As in `RunningStatistics.result`.
        """
        parts = [p for p in self.modules() if isinstance(p, FrontEnd | MFCCEmbedding)]
        statistics = [RunningStatistics() for _ in parts]
        with torch.no_grad():
            for batch in batches:
                for part, of_part in zip(parts, statistics):
                    of_part.update(part.raw(batch))
        for part, of_part in zip(parts, statistics):
            part.standardise.set(of_part)


class Classifier(TaskNetwork):
    """Logits of classes from z, by one linear layer.

    Parameters
    ----------
    embedding : AudioEmbedding
    classes : int
    """

    def __init__(self, embedding: AudioEmbedding, classes: int) -> None:
        super().__init__(embedding)
        self.head = nn.Linear(self.embedding.width, classes)

    def forward(self, audio: Tensor) -> Tensor:
        """Return ``float[n, classes]`` of ``float[n, samples]``."""
        logits: Tensor = self.head(self.embedding.code(self.embedding(audio)))
        return logits

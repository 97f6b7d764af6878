"""Auto-encoding."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from reference_models.evaluation import Score, batches, outputs
from reference_models.features import FrontEnd, frame_count
from reference_models.networks import AudioEmbedding, Decoder, TaskNetwork, VGGEmbedding
from reference_models.task import Task

if TYPE_CHECKING:
    from collections.abc import Callable

    from reference_models.datasets.examples import Target
    from reference_models.datasets.opencorpus import Entry, Stored
    from reference_models.evaluation import Truth, Windows

    Kind = Literal["unpooling", "upsampling"]


class Autoencoder(TaskNetwork):
    """AE: the standardised spectrogram from z (paper section 2.1.1, equations 1 and 2).

    Parameters
    ----------
    embedding : AudioEmbedding, optional
        The paper's convolutional one where omitted.
    decoder : {"unpooling", "upsampling"}, optional
        ``"unpooling"`` puts maxima back where the encoder found them, as the authors do, and so
        leaks their places past z. ``"upsampling"`` is bilinear and sees nothing but z. Where
        omitted, the authors': the former, and the latter on MFCCs, which have no maxima.

    Raises
    ------
    ValueError
        If there is no such decoder, or MFCCs are to be unpooled.
    """

    def __init__(
        self,
        embedding: AudioEmbedding | None = None,
        *,
        decoder: Kind | None = None,
    ) -> None:
        super().__init__(embedding)
        pools = isinstance(self.embedding, VGGEmbedding)
        kind = decoder or ("unpooling" if pools else "upsampling")
        if kind not in ("unpooling", "upsampling"):
            raise ValueError(f'decoder is "unpooling" or "upsampling", not {kind!r}')
        if kind == "unpooling" and not pools:
            raise ValueError("there is nothing to unpool with: this embedding has no pooling")
        self.kind = kind
        self.decoder = Decoder(
            self.embedding.width, self.embedding.decoder_widths, frames=self.embedding.frames
        )
        if not isinstance(self.embedding, VGGEmbedding):
            self.target_front_end = FrontEnd()  # VGG's own serves else: one tensor, one name

    def forward(self, audio: Tensor) -> Tensor:
        """Return the reconstruction, ``float[n, 513, frames]``, of ``float[n, samples]``."""
        encoding = self.embedding.trace(audio)
        reconstruction: Tensor = self.decoder(
            self.embedding.code(encoding.z),
            frame_count(audio.shape[1]),
            indices=encoding.indices if self.kind == "unpooling" else (),
        )
        return reconstruction

    def target(self, audio: Tensor) -> Tensor:
        """Return what the reconstruction is compared with: the standardised spectrogram."""
        embedding = self.embedding
        if isinstance(embedding, VGGEmbedding):
            spectrogram: Tensor = embedding.front_end(audio)
        else:
            spectrogram = self.target_front_end(audio)
        return spectrogram


class Autoencoding(Task[Autoencoder]):
    """Auto-encoding: the spectrogram from z, which needs no truth."""

    name, label, order = "ae", "AE", 40
    colour, colour_on_dark, marker = "#D55E00", "#f0803a", "v"
    measure, axis = "MSE", "MSE (of the variance)"
    truth = "audio"
    smaller_is_better = True
    of_head = ("decoder",)

    def network(self, embedding: AudioEmbedding, decoder: Kind | None = None) -> Autoencoder:
        return Autoencoder(embedding, decoder=decoder)

    def loss(self, network: Autoencoder, audio: Tensor, target: Tensor) -> Tensor:
        """Return the mean squared error of standardised spectrograms (paper equation 1)."""
        return functional.mse_loss(network(audio), network.target(audio))

    def score(self, network: Autoencoder, audio: Windows, of_audio: Truth) -> Score:
        """Return the mean squared error in units of the training set's variance, bin by bin."""
        from torchmetrics import MeanSquaredError

        error = MeanSquaredError()
        with torch.inference_mode():
            for batch in batches(audio):
                error.update(network(batch), network.target(batch))
        return Score(self.measure, float(error.compute()), len(audio))

    def score_without(self, network: Autoencoder, audio: Windows, of_audio: Truth) -> float:
        """Return the error of the clips' mean spectrogram, which is their variance."""
        target = outputs(network.target, audio)
        return float((target - target.mean(0)).square().mean())

    def serves(self, entry: Entry) -> bool:
        """Tell that every clip is of use, recorded ones too."""
        return True

    def target(self, entry: Entry, read: Callable[[Stored], Windows]) -> Target:
        return np.empty(0, dtype=np.float32)

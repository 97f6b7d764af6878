"""Separation of the singing voice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from pytest_nnrel import Identity, PitchShift, TempoShift
from pytest_nnrel.corpus.audio import rms
from pytest_nnrel.errors import UndefinedMeasureError
from reference_models.errors import DatasetError
from reference_models.evaluation import Score, Truth, outputs, window
from reference_models.features import frame_count, resynthesise, stft
from reference_models.networks import AudioEmbedding, Decoder, TaskNetwork
from reference_models.task import Task

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from pytest_nnrel import Transform
    from reference_models.datasets.examples import Target, TaskData
    from reference_models.datasets.opencorpus import Entry, Stored
    from reference_models.evaluation import Windows

#: A window below this level has no voice, or nothing but voice: no SDR is defined (RMS).
_SILENT = 1e-4
#: These move the true voice with the mixture; noise and codecs leave it as it is (section 3.3).
_MOVES_STEMS = (Identity, PitchShift, TempoShift)


class VoiceSeparator(TaskNetwork):
    """VS: a mask of the singing voice (paper section 2.1.4, equation 7).

    A U-Net: before each of its blocks the decoder adds the output of the encoder's block of that
    size, and puts maxima back where the encoder found them. On MFCCs, which have no blocks, it
    upsamples bilinearly from z alone.
    """

    def __init__(self, embedding: AudioEmbedding | None = None) -> None:
        super().__init__(embedding)
        self.decoder = Decoder(
            self.embedding.width, self.embedding.decoder_widths, frames=self.embedding.frames
        )

    def forward(self, audio: Tensor) -> Tensor:
        """Return the mask of a mixture's magnitudes, of ``float[n, samples]``.

        Returns
        -------
        float[n, 513, frames]
            From 0, no voice, to 1, voice only.
        """
        encoding = self.embedding.trace(audio)
        logits: Tensor = self.decoder(
            self.embedding.code(encoding.z),
            frame_count(audio.shape[1]),
            indices=encoding.indices,
            skips=encoding.outputs,
        )
        return logits.sigmoid()

    def separate(self, audio: Tensor) -> Tensor:
        """Return the voice of mixtures, with the mixture's phase: ``float[n, samples]``."""
        return resynthesise(audio, self(audio))


class VoiceSeparation(Task[VoiceSeparator]):
    """Separation of the singing voice from the accompaniment."""

    name, label, order = "vs", "VS", 30
    colour, colour_on_dark, marker = "#CC79A7", "#dd93bd", "D"
    measure, axis = "SDR", "SDR (dB)"
    truth = "voice"
    transforms_truth = True

    def network(self, embedding: AudioEmbedding) -> VoiceSeparator:
        return VoiceSeparator(embedding)

    def loss(self, network: VoiceSeparator, audio: Tensor, target: Tensor) -> Tensor:
        """Return the mean absolute error of the voice's magnitudes (paper equation 7)."""
        return functional.l1_loss(network(audio) * stft(audio).abs(), stft(target).abs())

    def score(self, network: VoiceSeparator, audio: Windows, of_audio: Truth) -> Score:
        """Return the mean SDR of the voice in dB, which needs voice and accompaniment."""
        return self._mean_sdr(of_audio, outputs(network.separate, audio).numpy())

    def score_without(self, network: VoiceSeparator, audio: Windows, of_audio: Truth) -> float:
        """Return the SDR of the mixture as the voice."""
        return self._mean_sdr(of_audio, audio).value

    def true_of(
        self, data: TaskData, transform: Transform, indices: Sequence[int], *, seed: int = 0
    ) -> Truth:
        """Return the true voice, and what the mixture has besides.

        Pitch and tempo shifts move the true voice, too, by the gain that the mixture's loudness is
        restored with. Noise and MP3 leave it clean: a separator is to find the voice under the
        noise.
        """
        by = transform if isinstance(transform, _MOVES_STEMS) else Identity()
        stems = []
        for name, example in ((data.ids[i], data[i]) for i in indices):
            _, gain = window(name, example.audio, by, seed)
            for stem in (example.target, example.audio - example.target):
                moved, own = window(name, stem.astype(np.float32), by, seed)
                stems.append(moved * np.float32(10.0 ** ((gain - own) / 20.0)))
        return Truth(np.stack(stems[::2]), np.stack(stems[1::2]))

    def serves(self, entry: Entry) -> bool:
        """Tell whether a clip is sung."""
        return entry.voice is not None

    def target(self, entry: Entry, read: Callable[[Stored], Windows]) -> Target:
        if entry.voice is None:
            raise DatasetError(f"clip {entry.id!r} is not sung")
        return read(entry.voice)

    def _mean_sdr(self, of_audio: Truth, estimates: Windows) -> Score:
        assert of_audio.accompaniment is not None
        parts = zip(of_audio.targets, of_audio.accompaniment)
        defined = [min(rms(voice), rms(rest)) >= _SILENT for voice, rest in parts]
        if not any(defined):
            raise UndefinedMeasureError(
                f"{self.measure} needs a clip with voice and accompaniment, and of {len(defined)}"
                " none has both; score it on others"
            )
        ratios = voice_sdr(of_audio.targets[defined], estimates[defined])
        return Score(self.measure, float(ratios.mean()), len(ratios))


def voice_sdr(voices: Windows, estimates: Windows) -> NDArray[np.float64]:
    """Return the voices' signal-to-distortion ratios in dB as BSS Eval v4 defines them.

    A clip is one window of the measure. In v4 all that an estimate has besides the true stem is
    distortion, a filter of it too, so the ratio is that of signal to noise; the filters of 512 taps
    part the distortion into the measure's other ratios. What is made of the accompaniment does
    not count.

    Parameters
    ----------
    voices : float32[n, samples]
        The true stems; not silent.
    estimates : float32[n, samples]
        A silent one has 0 dB.

    Returns
    -------
    float64[n]

    References
    ----------
    Stöter, Liutkus and Ito (2018), The 2018 Signal Separation Evaluation Campaign,
    https://arxiv.org/abs/1804.06267
    """
    from torchmetrics.functional.audio import signal_noise_ratio

    # In double precision, as the measure's own implementation (museval) has it.
    true, found = (torch.from_numpy(x.astype(np.float64)) for x in (voices, estimates))
    ratios: NDArray[np.float64] = signal_noise_ratio(found, true).numpy()
    return ratios

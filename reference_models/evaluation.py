"""How well networks do their tasks: MSE, AUC_C, accuracy and SDR (paper section 3.1, figure 4)."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from pytest_nnrel import Clip, Identity, PitchShift, TempoShift
from pytest_nnrel.corpus.audio import rms
from reference_models.features import SAMPLE_RATE, WINDOW_SAMPLES, WINDOW_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from pytest_nnrel import Transform
    from reference_models.datasets.examples import TaskData
    from reference_models.networks import Autoencoder, TaskNetwork, VoiceSeparator

    Windows = NDArray[np.float32]

#: Names of the measures by task, as in the paper.
MEASURES = {"ae": "MSE", "at": "AUC_C", "ir": "accuracy", "vs": "SDR"}
#: Clips that a network is given at once.
_BATCH = 32
#: A window below this level has no voice, or nothing but voice: no SDR is defined (RMS).
_SILENT = 1e-4
#: These move the true voice with the mixture; noise and codecs leave it as it is (section 3.3).
_MOVES_STEMS = (Identity, PitchShift, TempoShift)


@dataclass(frozen=True)
class Score:
    """How well a network does its task on some clips.

    Attributes
    ----------
    measure : {"MSE", "AUC_C", "accuracy", "SDR"}
        MSE in units of the training set's variance, bin by bin; SDR in dB.
    value : float
    clips : int
        That the measure is defined for: an AUC needs tags that a clip has and tags that it has
        not, an SDR voice and accompaniment.
    """

    measure: str
    value: float
    clips: int


@dataclass(frozen=True)
class Truth:
    """What is true of windows.

    Attributes
    ----------
    targets : NDArray
        As in `reference_models.datasets.examples.Example`, stacked. Of VS: float32[n, 44100], the
        true voice.
    accompaniment : float32[n, 44100] or None
        Of VS: what the mixture has besides.
    """

    targets: NDArray[Any]
    accompaniment: Windows | None = None


def windows(
    data: TaskData, transform: Transform, indices: Sequence[int], *, seed: int = 0
) -> Windows:
    """Return clips of a dataset under a transformation, cut to the centre window.

    Parameters
    ----------
    data : TaskData
    transform : Transform
        `pytest_nnrel.Identity` for the originals.
    indices : sequence of int
        Of the clips.
    seed : int
        Of the noise.

    Returns
    -------
    float32[n, 44100]
    """
    return np.stack([_window(data.ids[i], data[i].audio, transform, seed) for i in indices])


def truth(
    task: str, data: TaskData, transform: Transform, indices: Sequence[int], *, seed: int = 0
) -> Truth:
    """Return what is true of `windows` of the same arguments.

    Pitch and tempo shifts move the true voice, too. Noise and MP3 leave it clean: a separator is
    to find the voice under the noise.
    """
    examples = [(data.ids[i], data[i]) for i in indices]
    if task != "vs":
        return Truth(np.stack([example.target for _, example in examples]))
    by = transform if isinstance(transform, _MOVES_STEMS) else Identity()
    voices = [(name, example.target.astype(np.float32)) for name, example in examples]
    rests = [(name, (e.audio - e.target).astype(np.float32)) for name, e in examples]
    return Truth(
        np.stack([_window(name, voice, by, seed) for name, voice in voices]),
        np.stack([_window(name, rest, by, seed) for name, rest in rests]),
    )


def _window(name: str, samples: Windows, transform: Transform, seed: int) -> Windows:
    """Return the centre window of a transformed signal; silence stays what it is."""
    if not samples.any():
        return samples[:WINDOW_SAMPLES]
    clip = Clip(name, samples, SAMPLE_RATE)
    return transform.apply(clip, seed=seed).window(WINDOW_SECONDS)


def score(network: TaskNetwork, task: str, audio: Windows, of_audio: Truth) -> Score:
    """Return how well a network does its task.

    Parameters
    ----------
    network : TaskNetwork
        In evaluation mode.
    task : {"ae", "at", "ir", "vs"}
    audio : float32[n, 44100]
    of_audio : Truth

    Raises
    ------
    ValueError
        If the measure is defined for none of the clips.
    """
    return _SCORES[task](network, audio, of_audio)


def scores_on(network: TaskNetwork, task: str, data: TaskData) -> dict[str, Any]:
    """Return a network's score on a test set, as plain values.

    Parameters
    ----------
    network : TaskNetwork
    task : {"ae", "at", "ir", "vs"}
    data : TaskData

    Returns
    -------
    dict
        The fields of `Score`, ``dataset``, the data's fingerprint, and ``compared``: what is got
        without a network. MSE: of the mean spectrogram of these clips (their variance). SDR: of the
        mixture as the voice. Else None: chance is known.
    """
    every = range(len(data))
    audio, of_audio = windows(data, Identity(), every), truth(task, data, Identity(), every)
    found = score(network, task, audio, of_audio)
    compared = _UNINFORMED[task](network, audio, of_audio) if task in _UNINFORMED else None
    return {"dataset": data.fingerprint, **asdict(found), "compared": compared}


def outputs(network: Callable[[torch.Tensor], torch.Tensor], audio: Windows) -> torch.Tensor:
    """Return what a network makes of windows, batch by batch, without gradients."""
    with torch.inference_mode():
        return torch.cat([network(batch) for batch in _batches(audio)])


def _batches(audio: Windows) -> Iterator[torch.Tensor]:
    for start in range(0, len(audio), _BATCH):
        yield torch.from_numpy(audio[start : start + _BATCH])


def _squared_error(network: Autoencoder, audio: Windows, _: Truth) -> Score:
    from torchmetrics import MeanSquaredError

    error = MeanSquaredError()
    with torch.inference_mode():
        for batch in _batches(audio):
            error.update(network(batch), network.target(batch))
    return Score("MSE", float(error.compute()), len(audio))


def _area_per_clip(network: TaskNetwork, audio: Windows, of_audio: Truth) -> Score:
    from sklearn.metrics import roc_auc_score

    tags = of_audio.targets.astype(int)
    defined = (tags.min(1) == 0) & (tags.max(1) == 1)
    if not defined.any():
        raise ValueError("no clip has some of the tags and not all of them")
    logits = outputs(network, audio[defined]).numpy()
    area = roc_auc_score(tags[defined], logits, average="samples")
    return Score("AUC_C", float(area), int(defined.sum()))


def _accuracy(network: TaskNetwork, audio: Windows, of_audio: Truth) -> Score:
    from sklearn.metrics import accuracy_score

    chosen = outputs(network, audio).argmax(1).numpy()
    return Score("accuracy", float(accuracy_score(of_audio.targets, chosen)), len(chosen))


def _distortion_ratio(network: VoiceSeparator, audio: Windows, of_audio: Truth) -> Score:
    return _mean_sdr(of_audio, outputs(network.separate, audio).numpy())


def _mean_sdr(of_audio: Truth, estimates: Windows) -> Score:
    assert of_audio.accompaniment is not None
    parts = zip(of_audio.targets, of_audio.accompaniment)
    defined = [min(rms(voice), rms(rest)) >= _SILENT for voice, rest in parts]
    if not any(defined):
        raise ValueError("no clip has voice and accompaniment")
    ratios = voice_sdr(of_audio.targets[defined], estimates[defined])
    return Score("SDR", float(ratios.mean()), len(ratios))


def _variance(network: Autoencoder, audio: Windows, _: Truth) -> float:
    target = outputs(network.target, audio)
    return float((target - target.mean(0)).square().mean())


def _untouched(_: VoiceSeparator, audio: Windows, of_audio: Truth) -> float:
    return _mean_sdr(of_audio, audio).value


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


_SCORES: dict[str, Callable[[Any, Windows, Truth], Score]] = {
    "ae": _squared_error,
    "at": _area_per_clip,
    "ir": _accuracy,
    "vs": _distortion_ratio,
}
_UNINFORMED: dict[str, Callable[[Any, Windows, Truth], float]] = {
    "ae": _variance,
    "vs": _untouched,
}

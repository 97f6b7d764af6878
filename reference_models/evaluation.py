"""How well networks do their tasks: MSE, AUC_C, accuracy and SDR (paper section 3.1, figure 4)."""

from __future__ import annotations

import warnings
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from pytest_nnrel import Clip, Identity, PitchShift, TempoShift
from pytest_nnrel.progress import progress
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
#: The parts of each dataset that a trained network is scored on.
TEST_PARTS = {
    "open": ("test", "test-font"),
    "msd": ("test",),
    "irmas": ("test",),
    "musdb18": ("test",),
}
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
    compared : float or None
        What is got without a network. MSE: of the mean spectrogram of these clips, in each bin
        (their variance). SDR: of the mixture as the voice. Else None: chance is known.
    """

    measure: str
    value: float
    clips: int
    compared: float | None = None


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
    voices = [(name, np.float32(example.target)) for name, example in examples]
    rests = [(name, np.float32(e.audio - e.target)) for name, e in examples]
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
    """
    every = range(len(data))
    found = score(
        network, task, windows(data, Identity(), every), truth(task, data, Identity(), every)
    )
    return {"dataset": data.fingerprint, **asdict(found)}


def outputs(network: Callable[[torch.Tensor], torch.Tensor], audio: Windows) -> torch.Tensor:
    """Return what a network makes of windows, batch by batch, without gradients."""
    with torch.inference_mode():
        return torch.cat([network(batch) for batch in _batches(audio)])


def _batches(audio: Windows) -> Iterator[torch.Tensor]:
    for start in range(0, len(audio), _BATCH):
        yield torch.from_numpy(audio[start : start + _BATCH])


def _squared_error(network: Autoencoder, audio: Windows, _: Truth) -> Score:
    from torchmetrics import MeanSquaredError

    error, spread = MeanSquaredError(), MeanSquaredError()
    mean = outputs(network.target, audio).mean(0)
    with torch.inference_mode():
        for batch in _batches(audio):
            target = network.target(batch)
            error.update(network(batch), target)
            spread.update(mean.expand_as(target).contiguous(), target)
    return Score("MSE", float(error.compute()), len(audio), float(spread.compute()))


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
    assert of_audio.accompaniment is not None
    voices = outputs(network.separate, audio).numpy()
    found, untouched = [], []
    rows = list(zip(audio, of_audio.targets, of_audio.accompaniment, voices))
    for mixture, voice, rest, estimate in progress(rows, len(rows), "SDR", "clip"):
        if min(np.sqrt(np.mean(np.square(part))) for part in (voice, rest)) < _SILENT:
            continue
        found.append(voice_sdr(voice, rest, estimate, mixture - estimate))
        untouched.append(voice_sdr(voice, rest, mixture, mixture))
    if not found:
        raise ValueError("no clip has voice and accompaniment")
    return Score("SDR", float(np.mean(found)), len(found), float(np.mean(untouched)))


def voice_sdr(voice: Windows, rest: Windows, estimate: Windows, estimated_rest: Windows) -> float:
    """Return the voice's signal-to-distortion ratio in dB by BSS Eval v4 (museval).

    A window of 2 s is one frame of the measure.

    Parameters
    ----------
    voice, rest : float32[44100]
        The true stems.
    estimate, estimated_rest : float32[44100]
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of museval's imports
        import museval

    truth, guess = np.stack([voice, rest]), np.stack([estimate, estimated_rest])
    ratios = museval.evaluate(
        truth[:, :, None], guess[:, :, None], win=WINDOW_SAMPLES, hop=WINDOW_SAMPLES
    )[0]
    return float(ratios[0, 0])


_SCORES: dict[str, Callable[[Any, Windows, Truth], Score]] = {
    "ae": _squared_error,
    "at": _area_per_clip,
    "ir": _accuracy,
    "vs": _distortion_ratio,
}

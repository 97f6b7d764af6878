"""How well networks do their tasks: windows, what is true of them, scores (paper section 3.1)."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from pytest_nnrel import Clip, Identity
from pytest_nnrel.errors import UndefinedMeasureError
from reference_models.features import SAMPLE_RATE, WINDOW_SAMPLES, WINDOW_SECONDS
from reference_models.task import task_named

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from pytest_nnrel import Transform
    from reference_models.datasets.examples import TaskData
    from reference_models.networks import TaskNetwork

    Windows = NDArray[np.float32]

#: Clips that a network is given at once.
_BATCH = 32


@dataclass(frozen=True)
class Score:
    """How well a network does its task on some clips.

    Attributes
    ----------
    measure : str
        As `reference_models.task.Task` has it.
    value : float
    clips : int
        That the measure is defined for.

    Raises
    ------
    UndefinedMeasureError
        If the value is not finite.
    """

    measure: str
    value: float
    clips: int

    def __post_init__(self) -> None:
        if not math.isfinite(self.value):
            raise UndefinedMeasureError(
                f"the {self.measure} of {self.clips} clips is {self.value}: the network's output is"
                " not finite, or too large; train it anew with a lower learning rate"
            )


@dataclass(frozen=True)
class Truth:
    """What is true of windows.

    Attributes
    ----------
    targets : NDArray
        As in `reference_models.datasets.examples.Example`, stacked; audio is cut as the windows.
    accompaniment : float32[n, 44100] or None
        Of a voice: what the mixture has besides.
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
    return np.stack([window(data.ids[i], data[i].audio, transform, seed)[0] for i in indices])


def window(name: str, samples: Windows, transform: Transform, seed: int) -> tuple[Windows, float]:
    """Return the centre window of a transformed signal, and the gain that restored its loudness.

    Parameters
    ----------
    name : str
        By which random parts are drawn.
    samples : float32[n]
        Silence stays what it is.
    transform : Transform
    seed : int

    Returns
    -------
    window : float32[44100]
    gain : float
        In dB.
    """
    if not samples.any():
        return samples[:WINDOW_SAMPLES], 0.0
    made = transform.apply_checked(Clip(name, samples, SAMPLE_RATE), seed=seed)
    return made.clip.window(WINDOW_SECONDS), made.checks.get("loudness_gain_db", 0.0)


def scores_on(network: TaskNetwork, task: str, data: TaskData) -> dict[str, Any]:
    """Return a network's score on a test set, as plain values.

    Parameters
    ----------
    network : TaskNetwork
    task : str
        By name.
    data : TaskData

    Returns
    -------
    dict
        The fields of `Score`, ``dataset``, the data's fingerprint, and ``compared``: what is got
        without a network, None where chance is known.
    """
    every, of_task = range(len(data)), task_named(task)
    audio = windows(data, Identity(), every)
    true = of_task.true_of(data, Identity(), every)
    found = of_task.score(network, audio, true)
    compared = of_task.score_without(network, audio, true)
    return {"dataset": data.fingerprint, **asdict(found), "compared": compared}


def outputs(network: Callable[[torch.Tensor], torch.Tensor], audio: Windows) -> torch.Tensor:
    """Return what a network makes of windows, batch by batch, without gradients.

    Raises
    ------
    UndefinedMeasureError
        If that is not finite: what is told of it would be made up.
    """
    with torch.inference_mode():
        found = torch.cat([network(batch) for batch in batches(audio)])
    if not bool(found.isfinite().all()):
        raise UndefinedMeasureError(
            "the network's output is not finite; train it anew with a lower learning rate"
        )
    return found


def batches(audio: Windows) -> Iterator[torch.Tensor]:
    """Yield windows as tensors, as many as a network is given at once: ``float32[n, samples]``."""
    for start in range(0, len(audio), _BATCH):
        yield torch.from_numpy(audio[start : start + _BATCH])

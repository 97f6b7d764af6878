"""What decides a training."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pytest_nnrel.runtime.store import digest
from reference_models.errors import TrainingError

_SCHEDULES = ("constant", "cosine", "plateau")

#: What "plateau" multiplies the learning rate by, and how many times before training ends.
PLATEAU_FACTOR = 0.3
PLATEAU_CUTS = 3


@dataclass(frozen=True)
class Recipe:
    """All that decides what comes out of a training run.

    The defaults are the paper's (section 4.3), but for `epochs`, whose number depends on the task
    there.

    Attributes
    ----------
    task : str
        By name.
    encoder : {"vgg", "mfcc"}
    dataset : str
        By name; see `reference_models.datasets.open_data`.
    trial : int
        From 1. Decides, with `seed`, the initial weights, the clips, and their order.
    seed : int
    epochs : int
        At most.
    epoch_clips : int or None
        How many clips an epoch draws, each at most once; all of them where None.
    fraction : float
        Of the training clips that a trial is given (paper section 4.1: 0.7).
    batch_size : int
    learning_rate, weight_decay : float
        Of Adam with amsgrad, as in the authors' code.
    schedule : {"constant", "cosine", "plateau"}
        Of the learning rate: the paper's; down to zero over `epochs`; or cut each time that a
        quarter of `patience` brings no better validation loss, so that training that ends by
        `patience` has been tried at four rates.
    patience : int
        Epochs without a better validation loss after which training stops.
    precision : str
        Of Lightning's trainer.
    arguments : dict
        Of `reference_models.task.build`.
    """

    task: str
    encoder: str = "vgg"
    dataset: str = "open"
    trial: int = 1
    seed: int = 0
    epochs: int = 200
    epoch_clips: int | None = None
    fraction: float = 0.7
    batch_size: int = 24
    learning_rate: float = 1e-3
    weight_decay: float = 1e-7
    schedule: str = "constant"
    patience: int = 20
    precision: str = "32-true"
    arguments: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.schedule not in _SCHEDULES:
            known = " or ".join(_SCHEDULES)
            raise TrainingError(f"the schedule is {known}, not {self.schedule!r}")
        if not 0 < self.fraction <= 1:
            raise TrainingError(
                f"a trial gets a fraction above 0 and up to 1 of the clips, not {self.fraction}"
            )
        for name in ("trial", "epochs", "epoch_clips", "batch_size", "patience"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise TrainingError(f"{name} must be 1 or more, not {value}")
        if self.encoder == "vgg" and self.batch_size < 2:
            raise TrainingError(
                "batch_size must be 2 or more for vgg, which normalises over the batch, not"
                f" {self.batch_size}"
            )
        if not 0 < self.learning_rate < math.inf:
            raise TrainingError(
                f"learning_rate must be above 0 and finite, not {self.learning_rate}"
            )
        if not 0 <= self.weight_decay < math.inf:
            raise TrainingError(
                f"weight_decay must be 0 or more and finite, not {self.weight_decay}"
            )

    @property
    def name(self) -> str:
        """What a run of it is called: ``at-vgg-1``."""
        return f"{self.task}-{self.encoder}-{self.trial}"

    def random(self, *purpose: object) -> np.random.Generator:
        """Return the generator of one purpose, the same at each call."""
        key = digest("training", self.seed, self.task, self.encoder, self.trial, *purpose)
        return np.random.default_rng(int(key[:16], 16))

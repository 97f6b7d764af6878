"""Instrument recognition."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor, nn
from torch.nn import functional

from reference_models.datasets.rendered.instruments import INSTRUMENTS
from reference_models.evaluation import Score, outputs
from reference_models.networks import AudioEmbedding, TaskNetwork
from reference_models.task import Task

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from reference_models.datasets.examples import Target
    from reference_models.datasets.opencorpus import Entry, Stored
    from reference_models.evaluation import Truth, Windows

_CODES = tuple(instrument.code for instrument in INSTRUMENTS)


class InstrumentClassifier(TaskNetwork):
    """IR: logits of 11 instruments from z (section 2.1.3); a softmax makes them probabilities."""

    def __init__(self, embedding: AudioEmbedding | None = None) -> None:
        super().__init__(embedding)
        self.head = nn.Linear(self.embedding.width, len(_CODES))

    def forward(self, audio: Tensor) -> Tensor:
        """Return ``float[n, 11]`` of ``float[n, samples]``."""
        logits: Tensor = self.head(self.embedding.code(self.embedding(audio)))
        return logits


class InstrumentRecognition(Task[InstrumentClassifier]):
    """Instrument recognition: which of 11 instruments leads."""

    name, label, order = "ir", "IR", 20
    colour, colour_on_dark, marker = "#009E73", "#1cc296", "^"
    measure = axis = "accuracy"
    truth = "instrument"

    def network(self, embedding: AudioEmbedding) -> InstrumentClassifier:
        return InstrumentClassifier(embedding)

    def loss(self, network: InstrumentClassifier, audio: Tensor, target: Tensor) -> Tensor:
        """Return the cross-entropy of the instrument (paper equation 5)."""
        return functional.cross_entropy(network(audio), target)

    def score(self, network: InstrumentClassifier, audio: Windows, of_audio: Truth) -> Score:
        """Return the share of the clips whose instrument is found."""
        from sklearn.metrics import accuracy_score

        chosen = outputs(network, audio).argmax(1).numpy()
        found = float(accuracy_score(of_audio.targets, chosen))
        return Score(self.measure, found, len(chosen))

    def labels(self) -> Sequence[str]:
        return _CODES

    def target(self, entry: Entry, read: Callable[[Stored], Windows]) -> Target:
        return np.array(_CODES.index(entry.instrument or ""), dtype=np.int64)

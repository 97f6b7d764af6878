"""Instrument recognition."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from torch.nn import functional

from reference_models.datasets.rendered.instruments import INSTRUMENTS
from reference_models.evaluation import Score, outputs
from reference_models.networks import Classifier
from reference_models.task import Task

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from reference_models.datasets.examples import Target
    from reference_models.datasets.opencorpus import Entry, Stored
    from reference_models.evaluation import Truth, Windows
    from reference_models.networks import AudioEmbedding

_CODES = tuple(instrument.code for instrument in INSTRUMENTS)


class InstrumentRecognition(Task[Classifier]):
    """Instrument recognition: which of 11 instruments leads (paper section 2.1.3)."""

    name, label, order = "ir", "IR", 20
    colour, colour_on_dark, marker = "#009E73", "#1cc296", "^"
    measure = axis = "accuracy"
    truth = "instrument"

    def network(self, embedding: AudioEmbedding) -> Classifier:
        return Classifier(embedding, len(_CODES))

    def loss(self, network: Classifier, audio: Tensor, target: Tensor) -> Tensor:
        """Return the cross-entropy of the instrument (paper equation 5)."""
        return functional.cross_entropy(network(audio), target)

    def score(self, network: Classifier, audio: Windows, of_audio: Truth) -> Score:
        """Return the share of the clips whose instrument is found."""
        from sklearn.metrics import accuracy_score

        chosen = outputs(network, audio).argmax(1).numpy()
        found = float(accuracy_score(of_audio.targets, chosen))
        return Score(self.measure, found, len(chosen))

    def labels(self) -> Sequence[str]:
        return _CODES

    def target(self, entry: Entry, read: Callable[[Stored], Windows]) -> Target:
        return np.array(_CODES.index(entry.instrument or ""), dtype=np.int64)

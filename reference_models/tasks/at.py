"""Auto-tagging."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor, nn
from torch.nn import functional

from reference_models.datasets.rendered.tags import TAGS
from reference_models.evaluation import Score, outputs
from reference_models.networks import AudioEmbedding, TaskNetwork
from reference_models.task import Task

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from reference_models.datasets.examples import Target
    from reference_models.datasets.opencorpus import Entry, Stored
    from reference_models.evaluation import Truth, Windows


class Tagger(TaskNetwork):
    """AT: logits of 50 tags from z (section 2.1.2); a sigmoid makes them probabilities."""

    def __init__(self, embedding: AudioEmbedding | None = None) -> None:
        super().__init__(embedding)
        self.head = nn.Linear(self.embedding.width, len(TAGS))

    def forward(self, audio: Tensor) -> Tensor:
        """Return ``float[n, 50]`` of ``float[n, samples]``."""
        logits: Tensor = self.head(self.embedding.code(self.embedding(audio)))
        return logits


class Tagging(Task[Tagger]):
    """Auto-tagging: which of 50 tags a clip has."""

    name, label, order = "at", "AT", 10
    colour, colour_on_dark, marker = "#0072B2", "#4aa8e0", "o"
    measure = axis = "AUC_C"
    truth = "tags"

    def network(self, embedding: AudioEmbedding) -> Tagger:
        return Tagger(embedding)

    def loss(self, network: Tagger, audio: Tensor, target: Tensor) -> Tensor:
        """Return the binary cross-entropy of the tags (paper equation 3)."""
        return functional.binary_cross_entropy_with_logits(network(audio), target)

    def score(self, network: Tagger, audio: Windows, of_audio: Truth) -> Score:
        """Return the area under the curve of each clip, averaged.

        An area needs tags that a clip has, and tags that it has not.
        """
        from sklearn.metrics import roc_auc_score

        tags = of_audio.targets.astype(int)
        defined = (tags.min(1) == 0) & (tags.max(1) == 1)
        if not defined.any():
            raise ValueError("no clip has some of the tags and not all of them")
        logits = outputs(network, audio[defined]).numpy()
        area = roc_auc_score(tags[defined], logits, average="samples")
        return Score(self.measure, float(area), int(defined.sum()))

    def labels(self) -> Sequence[str]:
        return TAGS

    def target(self, entry: Entry, read: Callable[[Stored], Windows]) -> Target:
        return np.isin(TAGS, entry.tags).astype(np.float32)

"""Auto-tagging."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from torch.nn import functional

from pytest_nnrel.errors import UndefinedMeasureError
from reference_models.datasets.rendered.tags import TAGS
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


class Tagging(Task[Classifier]):
    """Auto-tagging: which of 50 tags a clip has (paper section 2.1.2)."""

    name, label, order = "at", "AT", 10
    colour, colour_on_dark, marker = "#0072B2", "#4aa8e0", "o"
    measure = axis = "AUC_C"
    truth = "tags"

    def network(self, embedding: AudioEmbedding) -> Classifier:
        return Classifier(embedding, len(TAGS))

    def loss(self, network: Classifier, audio: Tensor, target: Tensor) -> Tensor:
        """Return the binary cross-entropy of the tags (paper equation 3)."""
        return functional.binary_cross_entropy_with_logits(network(audio), target)

    def score(self, network: Classifier, audio: Windows, of_audio: Truth) -> Score:
        """Return the area under the curve of each clip, averaged.

        An area needs tags that a clip has, and tags that it has not.
        """
        from sklearn.metrics import roc_auc_score

        tags = of_audio.targets.astype(int)
        defined = (tags.min(1) == 0) & (tags.max(1) == 1)
        if not defined.any():
            raise UndefinedMeasureError(
                f"{self.measure} needs a clip that has some of the tags and not all of them, and of"
                f" {len(tags)} none has; score it on others"
            )
        logits = outputs(network, audio[defined]).numpy()
        area = roc_auc_score(tags[defined], logits, average="samples")
        return Score(self.measure, float(area), int(defined.sum()))

    def labels(self) -> Sequence[str]:
        return TAGS

    def target(self, entry: Entry, read: Callable[[Stored], Windows]) -> Target:
        return np.isin(TAGS, entry.tags).astype(np.float32)

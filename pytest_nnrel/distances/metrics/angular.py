"""Angle between embeddings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pytest_nnrel.distances.distance import Distance
from pytest_nnrel.distances.metrics.cosine import Cosine

if TYPE_CHECKING:
    from pytest_nnrel.distances.distance import Execution, Matrix


class Angular(Distance):
    """Angle between two embeddings over 180 degrees; undefined where one is zero.

    It ranks as the cosine distance does, and is a metric, which that is not.
    """

    name = "angular"
    space = "latent"
    version = "1"
    leaves_input = True

    def between(self, queries: Matrix, candidates: Matrix, execution: Execution) -> Matrix:
        """Return the angle by half the chord, which does not cancel as the arc cosine does."""
        halves = np.sqrt(0.5 * Cosine().between(queries, candidates, execution))
        return np.asarray(2.0 / np.pi * np.arcsin(np.minimum(halves, 1.0)))

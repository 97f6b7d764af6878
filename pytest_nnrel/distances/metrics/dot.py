"""Negative inner product of embeddings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pytest_nnrel.distances.distance import Distance

if TYPE_CHECKING:
    from pytest_nnrel.distances.distance import Execution, Matrix


class Dot(Distance):
    """Inner product of two embeddings, negated, so that the most alike are the nearest.

    As indices search that are made for maximum inner products. It is no metric: an original of
    great length can be nearer to others than they are to themselves, which is then found.
    """

    name = "dot"
    space = "latent"
    version = "1"
    leaves_input = True
    reflexive = False

    def between(self, queries: Matrix, candidates: Matrix, execution: Execution) -> Matrix:
        # Row by row, so that a product does not depend on what else is asked for.
        with np.errstate(invalid="ignore"):  # of what is infinite, NaN
            return -np.stack([np.sum(query * candidates, axis=1) for query in queries])

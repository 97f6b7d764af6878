"""Correlation distance of embeddings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pytest_nnrel.distances.distance import Distance
from pytest_nnrel.distances.metrics.cosine import Cosine

if TYPE_CHECKING:
    from pytest_nnrel.distances.distance import Execution, Matrix

#: Of the mean, relative: what remains of a constant embedding whose mean is rounded is no variance.
_ROUNDING = 8 * 2.0**-52


class Correlation(Distance):
    """1 less Pearson's correlation of two embeddings' numbers; undefined where one is constant.

    As in representational similarity analysis (Kriegeskorte et al. 2008). Unlike the cosine, it
    passes over an offset that all numbers of an embedding have in common, as after a ReLU.
    """

    name = "correlation"
    space = "latent"
    version = "1"
    leaves_input = True

    def between(self, queries: Matrix, candidates: Matrix, execution: Execution) -> Matrix:
        return Cosine().between(_centred(queries), _centred(candidates), execution)


def _centred(embeddings: Matrix) -> Matrix:
    with np.errstate(invalid="ignore"):  # of what is infinite, NaN
        means = embeddings.mean(axis=1, keepdims=True)
        centred = embeddings - means
    constant = np.abs(centred).max(axis=1, keepdims=True) <= _ROUNDING * np.abs(means)
    return np.where(constant, 0.0, centred)

"""Cosine distance of embeddings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pytest_nnrel.distances.distance import Distance
from pytest_nnrel.distances.metrics.euclidean import Euclidean

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_nnrel.distances.distance import Execution, Matrix

#: Squared chords of unit vectors below this are rounding: the vectors are collinear.
_COLLINEAR = 1e-24


class Cosine(Distance):
    """1 less the cosine of the angle between two embeddings; undefined where one is zero."""

    name = "cosine"
    space = "latent"
    version = "2"
    leaves_input = True
    grain = 2.0 * _COLLINEAR**0.5

    def between(self, queries: Matrix, candidates: Matrix, execution: Execution) -> Matrix:
        """Return 1 - cos, as half the squared chord of the unit vectors, which does not cancel."""
        chords = np.square(Euclidean().between(_unit(queries), _unit(candidates), execution))
        return np.where(chords < _COLLINEAR, 0.0, 0.5 * chords)

    def points(self) -> Callable[[Matrix], Matrix]:
        return _unit


def _unit(embeddings: Matrix) -> Matrix:
    """Return embeddings of unit length, NaN where one is zero."""
    with np.errstate(invalid="ignore"):
        return np.asarray(embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True))

"""Euclidean distance of embeddings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pytest_nnrel.distances.distance import Distance
from pytest_nnrel.runtime.devices import CPU, torch_device

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_nnrel.distances.distance import Execution, Matrix


class Euclidean(Distance):
    """Length of the difference of two embeddings."""

    name = "euclidean"
    space = "latent"
    version = "1"
    leaves_input = True

    def between(self, queries: Matrix, candidates: Matrix, execution: Execution) -> Matrix:
        """Return Euclidean distances in float64, from differences."""
        if execution.device != CPU:
            from pytest_nnrel.distances.on_device import euclidean

            return euclidean(queries, candidates, torch_device(execution.device))
        from scipy.spatial.distance import cdist

        return np.asarray(cdist(queries, candidates, "euclidean"), dtype=np.float64)

    def points(self) -> Callable[[Matrix], Matrix]:
        return np.asarray

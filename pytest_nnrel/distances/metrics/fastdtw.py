"""FastDTW, by the package of that name."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_nnrel.distances.distance import Distance
from pytest_nnrel.runtime.versions import library_version

if TYPE_CHECKING:
    import numpy.typing as npt

    from pytest_nnrel.distances.distance import Execution, Matrix

    Frames = npt.NDArray[np.float32]

#: FastDTW's neighbourhood as the paper's authors call it.
_RADIUS = 1


class FastDTW(Distance):
    """Cost of a warping path that is nearly the cheapest, as the paper's authors computed it."""

    name = "fastdtw"
    space = "audio"
    version = "1"
    leaves_input = True

    def between(self, queries: Any, candidates: Any, execution: Execution) -> Matrix:  # noqa: ANN401
        from joblib import Parallel, delayed

        # Python alone: threads would wait for each other.
        rows = Parallel(n_jobs=execution.jobs, return_as="generator")(
            delayed(_row)(query, candidates) for query in queries
        )
        shown = rows if execution.progress is None else execution.progress(rows, len(queries))
        return np.array(list(shown), dtype=np.float64)

    def missing(self) -> str:
        if find_spec("fastdtw") is not None:
            return ""
        return 'the fastdtw package: pip install "pytest-nnrel[paper]"'

    def recipe(self) -> str:
        return f"{self.version} {library_version('fastdtw')}"


def _row(query: Frames, candidates: list[Frames]) -> list[float]:
    from fastdtw import fastdtw
    from scipy.spatial.distance import euclidean

    return [
        float(fastdtw(query, candidate, radius=_RADIUS, dist=euclidean)[0])
        for candidate in candidates
    ]

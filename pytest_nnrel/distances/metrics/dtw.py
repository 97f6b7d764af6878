"""Dynamic time warping."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_nnrel.distances.alignment import align
from pytest_nnrel.distances.distance import Distance

if TYPE_CHECKING:
    from pytest_nnrel.distances.distance import Execution, Matrix


class DTW(Distance):
    """Cost of the cheapest warping path between two sequences, exact (paper section 3.2)."""

    name = "dtw"
    space = "audio"
    version = "2"
    leaves_input = True
    companions = ("dtw", "simple")

    def between(self, queries: Any, candidates: Any, execution: Execution) -> Matrix:  # noqa: ANN401
        return self.together(queries, candidates, execution)[self.name]

    def together(
        self,
        queries: Any,  # noqa: ANN401
        candidates: Any,  # noqa: ANN401
        execution: Execution,
    ) -> dict[str, Matrix]:
        return align(
            queries,
            candidates,
            jobs=execution.jobs,
            device=execution.device,
            progress=execution.progress,
            folder=execution.folder,
            own=execution.own,
        )

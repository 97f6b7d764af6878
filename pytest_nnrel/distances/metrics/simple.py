"""SiMPle: similarity matrix profile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_nnrel.distances.alignment import SIMPLE_WINDOW
from pytest_nnrel.distances.distance import Distance
from pytest_nnrel.distances.metrics.dtw import DTW
from pytest_nnrel.errors import DistanceError

if TYPE_CHECKING:
    from pytest_nnrel.distances.distance import Execution, Matrix


class SiMPle(Distance):
    """Median over the windows of a query of the distance to the candidate's nearest window.

    Silva et al. 2016, as in the paper's section 3.2.
    """

    name = "simple"
    space = "audio"
    version = "2"
    leaves_input = True
    symmetric = False
    companions = ("dtw", "simple")

    def between(self, queries: Any, candidates: Any, execution: Execution) -> Matrix:  # noqa: ANN401
        return self.together(queries, candidates, execution)[self.name]

    def together(
        self,
        queries: Any,  # noqa: ANN401
        candidates: Any,  # noqa: ANN401
        execution: Execution,
    ) -> dict[str, Matrix]:
        for what, sequences in (("queries", queries), ("candidates", candidates)):
            for i, sequence in enumerate(sequences):
                if len(sequence) < SIMPLE_WINDOW:
                    raise DistanceError(
                        f"{what}[{i}] has {len(sequence)} frames, fewer than SiMPle's window of"
                        f" {SIMPLE_WINDOW} (1.2 s); use longer windows, or 'dtw'",
                        i,
                    )
        return DTW().together(queries, candidates, execution)

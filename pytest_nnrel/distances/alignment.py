"""DTW and SiMPle of every query with every candidate, with the decisions of float64.

The pass over all pairs runs in float32 (`lanes`). Its relative error is bounded by the number of
additions, so whichever originals lie within that bound of the nearest one are compared again in
float64 (`exact`): which original is nearest never depends on the precision.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pytest_nnrel.tasks import run_tasks

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

    from pytest_nnrel.tasks import Progress

    Matrix = npt.NDArray[np.float64]
    Frames = npt.NDArray[np.float32]
    Int64 = npt.NDArray[np.int64]

#: Window of SiMPle in frames (Silva et al. 2016; the paper's section 3.2): 1.16 s.
SIMPLE_WINDOW = 50
#: Queries of a task.
BLOCK = 16
#: Frames are scaled by a power of two, exactly, to lie below this, so that squares neither
#: overflow nor vanish; padding lies far above.
_LARGEST = 2.0**10
_MOST_BITS = 100.0
_PADDING = np.float32(2.0**50)
#: Half a unit in the last place of float32, relative.
_ROUNDING = 2.0**-24


@dataclass(frozen=True)
class Packed:
    """Candidates side by side, `lanes.LANES` to a group, ordered by length.

    Attributes
    ----------
    groups : float32, flat
        Each group as (frame, dimension, lane), padded with frames that are far from any other.
    group_first : int64[g + 1]
    lengths, members : int64[g, LANES]
        Frames of each candidate, and its position; -1 for a lane that is empty.
    """

    groups: Frames
    group_first: Int64
    lengths: Int64
    members: Int64


def pack(candidates: Sequence[Frames]) -> Packed:
    """Lay candidates side by side."""
    from pytest_nnrel.lanes import COLUMNS, LANES

    sizes = np.array([len(candidate) for candidate in candidates])
    order = np.argsort(sizes, kind="stable")
    shape = (-(-len(order) // LANES), LANES)
    lengths, members = np.ones(shape, np.int64), np.full(shape, -1)
    members.flat[: len(order)] = order
    lengths.flat[: len(order)] = sizes[order]
    blocks = []
    for of_group in members:
        present = of_group[of_group >= 0]
        frames = -(-int(sizes[present].max()) // COLUMNS) * COLUMNS
        block = np.full((frames, candidates[0].shape[1], LANES), _PADDING, np.float32)
        for lane, member in enumerate(present):
            block[: sizes[member], :, lane] = candidates[member]
        blocks.append(block.ravel())
    first = np.cumsum([0, *(len(block) for block in blocks)])
    return Packed(np.concatenate(blocks), first, lengths, members)


def align(
    queries: Sequence[Frames],
    candidates: Sequence[Frames],
    *,
    jobs: int | None = None,
    progress: Progress | None = None,
) -> dict[str, Matrix]:
    """Return the DTW costs, and the SiMPle distances where all have frames enough.

    Parameters
    ----------
    queries, candidates : sequences of float32[frames, d]
    jobs : int or None
        Tasks side by side, see `run_tasks`.
    progress : callable, optional
        See `run_tasks`.

    Returns
    -------
    dict of str to float64[n, m]
        ``"dtw"`` and, unless some sequence is shorter than `SIMPLE_WINDOW`, ``"simple"``.
    """
    largest = max(float(np.abs(sequence).max()) for sequence in (*queries, *candidates))
    exponent = np.floor(np.log2(_LARGEST / largest)) if largest > 0.0 else 0.0
    scale = 2.0 ** float(np.clip(exponent, -_MOST_BITS, _MOST_BITS))
    queries = [sequence * np.float32(scale) for sequence in queries]
    candidates = [sequence * np.float32(scale) for sequence in candidates]
    shortest = min(len(sequence) for sequence in (*queries, *candidates))
    window = SIMPLE_WINDOW if shortest >= SIMPLE_WINDOW else 0
    task = _AlignTask(candidates, pack(candidates), window)
    blocks = [queries[i : i + BLOCK] for i in range(0, len(queries), BLOCK)]
    parts = list(run_tasks(task, blocks, jobs=jobs, progress=progress))
    scales = {"dtw": scale, "simple": scale * scale}
    return {
        name: np.concatenate([part[name] for part in parts]) / scales[name] for name in parts[0]
    }


@dataclass(frozen=True)
class _AlignTask:
    """Compares a block of queries with all candidates; runs in a thread, process or cluster."""

    candidates: Sequence[Frames]
    packed: Packed
    window: int

    def __call__(self, queries: Sequence[Frames]) -> dict[str, Matrix]:
        from pytest_nnrel import lanes
        from pytest_nnrel.distances import exact

        first = np.cumsum([0, *(len(query) for query in queries)], dtype=np.int64)
        shape = (len(queries), len(self.candidates))
        warped = np.empty(shape, np.float32)
        joined = np.empty(shape if self.window else (1, 1), np.float32)
        packed = self.packed
        lanes.align(
            np.concatenate(queries).ravel(), first, queries[0].shape[1], packed.groups,
            packed.group_first, packed.lengths, packed.members, self.window, warped, joined,
        )  # fmt: skip

        def warping_cost(query: Frames, candidate: Frames) -> float:
            return exact.warping_cost(
                query.astype(np.float64), np.ascontiguousarray(candidate.T, dtype=np.float64)
            )

        def join_distance(query: Frames, candidate: Frames) -> float:
            return exact.join_distance(
                query.astype(np.float64), candidate.astype(np.float64), self.window
            )

        distances = {"dtw": self._settled(warped, queries, warping_cost)}
        if self.window:
            distances["simple"] = self._settled(joined, queries, join_distance)
        return distances

    def _settled(
        self,
        distances: Frames,
        queries: Sequence[Frames],
        of_pair: Callable[[Frames, Frames], float],
    ) -> Matrix:
        """Return the distances in float64, computed anew where the nearest is contested."""
        settled = distances.astype(np.float64)
        longest = max(len(candidate) for candidate in self.candidates)
        for row, query in zip(settled, queries):
            # Frames summed along a path or window, dimensions of each, and the square root: each
            # addition of numbers that are not negative adds at most one rounding. Twice, as both
            # the nearest and its rival may be off.
            additions = len(query) + longest + query.shape[1] + 4
            bound = row.min() * (1.0 + 2.0 * 2.0 * additions * _ROUNDING)
            contested = np.flatnonzero(row <= bound)
            if len(contested) > 1:
                row[contested] = [of_pair(query, self.candidates[c]) for c in contested]
        return settled

"""DTW and SiMPle of every query with every candidate, with the decisions of float64.

The pass over all pairs runs in float32 (`lanes`). Its relative error is bounded by the number of
additions, so whichever originals lie within that bound of the nearest one, or of the own one, are
compared again in float64 (`exact`): which is nearest, and which are nearer than the own, never
depends on the precision, nor does it where originals of the own group do not compete.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pytest_nnrel.runtime.devices import CPU, torch_device
from pytest_nnrel.runtime.handed import Handed, handed
from pytest_nnrel.runtime.tasks import run_tasks

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import numpy.typing as npt

    from pytest_nnrel.runtime.tasks import Progress

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
_MOST_BITS = 120.0
_PADDING = np.float32(2.0**50)
#: Half a unit in the last place of float32, relative.
_ROUNDING = 2.0**-24
#: Distance of frames that a device takes for zero at most, relative to their length (the square
#: root of `on_device.ROUNDING`).
_TAKEN_FOR_ZERO = 2.0**-23


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
    from pytest_nnrel.kernels.lanes import COLUMNS, LANES

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
    device: str = CPU,
    progress: Progress | None = None,
    folder: Path | None = None,
    own: Sequence[int] | None = None,
) -> dict[str, Matrix]:
    """Return the DTW costs, and the SiMPle distances where all have frames enough.

    Parameters
    ----------
    queries, candidates : sequences of float32[frames, d]
    jobs : int or None
        Tasks side by side, see `run_tasks`.
    device : str
        ``"cpu"``, or a torch device.
    progress : callable, optional
        See `run_tasks`.
    folder : Path, optional
        Where tasks in other processes find the candidates; sent with each task where omitted.
    own : sequence of int, optional
        Of each query, the candidate that others are compared with.

    Returns
    -------
    dict of str to float64[n, m]
        ``"dtw"`` and, unless some sequence is shorter than `SIMPLE_WINDOW`, ``"simple"``.

    Raises
    ------
    SettingError
        If the device is not there.
    """
    largest = max(float(np.abs(sequence).max()) for sequence in (*queries, *candidates))
    exponent = np.floor(np.log2(_LARGEST / largest)) if largest > 0.0 else 0.0
    scale = 2.0 ** float(np.clip(exponent, -_MOST_BITS, _MOST_BITS))
    queries = [sequence * np.float32(scale) for sequence in queries]
    candidates = [sequence * np.float32(scale) for sequence in candidates]
    shortest = min(len(sequence) for sequence in (*queries, *candidates))
    window = SIMPLE_WINDOW if shortest >= SIMPLE_WINDOW else 0
    raw = (
        _on_processor(queries, candidates, window, jobs, progress, folder)
        if device == CPU
        else _on_device(queries, candidates, window, device, progress)
    )
    scales = {"dtw": scale, "simple": scale * scale}
    return {
        name: _settled(distances, queries, candidates, _OF_PAIR[name], own) / scales[name]
        for name, distances in raw.items()
    }


def _on_processor(
    queries: Sequence[Frames],
    candidates: Sequence[Frames],
    window: int,
    jobs: int | None,
    progress: Progress | None,
    folder: Path | None = None,
) -> dict[str, Matrix]:
    task = _AlignTask(len(candidates), pack(candidates), window)
    blocks = [queries[i : i + BLOCK] for i in range(0, len(queries), BLOCK)]
    path = None if folder is None else folder / uuid.uuid4().hex
    with handed(task, path, "the candidates") as shared:
        parts = list(run_tasks(_SharedTask(shared), blocks, jobs=jobs, progress=progress))
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _on_device(
    queries: Sequence[Frames],
    candidates: Sequence[Frames],
    window: int,
    device: str,
    progress: Progress | None,
) -> dict[str, Matrix]:
    from pytest_nnrel.distances import on_device

    found = on_device.align(queries, candidates, window, torch_device(device), progress)
    for row in np.flatnonzero(
        np.isnan(found["dtw"]).any(axis=1)
    ).tolist():  # too long for the device
        columns = np.flatnonzero(np.isnan(found["dtw"][row])).tolist()
        rest = _on_processor([queries[row]], [candidates[c] for c in columns], window, None, None)
        for name, distances in rest.items():
            found[name][row, columns] = distances[0]
    return found


@dataclass(frozen=True)
class _AlignTask:
    """Compares a block of queries with all candidates; runs in a thread, process or cluster."""

    candidates: int
    packed: Packed
    window: int

    def __call__(self, queries: Sequence[Frames]) -> dict[str, Matrix]:
        from pytest_nnrel.kernels import lanes

        first = np.cumsum([0, *(len(query) for query in queries)], dtype=np.int64)
        shape = (len(queries), self.candidates)
        warped = np.empty(shape, np.float32)
        joined = np.empty(shape if self.window else (1, 1), np.float32)
        packed = self.packed
        lanes.align(
            np.concatenate(queries).ravel(), first, queries[0].shape[1], packed.groups,
            packed.group_first, packed.lengths, packed.members, self.window, warped, joined,
        )  # fmt: skip
        both = {"dtw": warped, "simple": joined} if self.window else {"dtw": warped}
        return {name: distances.astype(np.float64) for name, distances in both.items()}


@dataclass(frozen=True)
class _SharedTask:
    """The same task for many blocks, of which all processes share one."""

    task: Handed[_AlignTask]

    def __call__(self, queries: Sequence[Frames]) -> dict[str, Matrix]:
        return self.task.value(queries)


def _warping_cost(query: Frames, candidate: Frames) -> float:
    from pytest_nnrel.distances import exact

    return exact.warping_cost(
        query.astype(np.float64), np.ascontiguousarray(candidate.T, dtype=np.float64)
    )


def _join_distance(query: Frames, candidate: Frames) -> float:
    from pytest_nnrel.distances import exact

    return exact.join_distance(
        query.astype(np.float64), candidate.astype(np.float64), SIMPLE_WINDOW
    )


_OF_PAIR = {"dtw": _warping_cost, "simple": _join_distance}


def _settled(
    distances: Matrix,
    queries: Sequence[Frames],
    candidates: Sequence[Frames],
    of_pair: Callable[[Frames, Frames], float],
    own: Sequence[int] | None,
) -> Matrix:
    """Compute anew, in float64, what competes with the nearest candidate and with the own one."""
    # Frames summed along a path or window, dimensions of each, and the square root: each addition
    # of numbers that are not negative adds at most one rounding. Twice, as both the nearest and
    # its rival may be off. What a device takes for zero comes once for each frame.
    dimensions = queries[0].shape[1]
    longest = max(len(candidate) for candidate in candidates)
    additions = np.array([len(query) for query in queries]) + longest + dimensions + 6
    zero = _TAKEN_FOR_ZERO * _LARGEST * np.sqrt(2.0 * dimensions)

    def rivals(of: Matrix) -> npt.NDArray[np.bool_]:
        most = of * (1.0 + 4.0 * additions * _ROUNDING) + additions * zero
        least = of * (1.0 - 4.0 * additions * _ROUNDING) - additions * zero
        return np.asarray((least[:, None] <= distances) & (distances <= most[:, None]))

    contested = [rivals(distances.min(axis=1))]
    if own is not None:
        contested.append(rivals(distances[np.arange(len(distances)), own]))
    # One that nothing comes near is the nearest, whatever its last digits are.
    anew = np.any([found & (found.sum(axis=1) > 1)[:, None] for found in contested], axis=0)
    for row in np.flatnonzero(anew.any(axis=1)).tolist():
        columns = np.flatnonzero(anew[row]).tolist()
        distances[row, columns] = [of_pair(queries[row], candidates[c]) for c in columns]
    return distances

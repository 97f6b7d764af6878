"""Distances by torch, on a GPU: the numbers of the CPU to 1e-5, and its decisions.

Squared frame distances of many pairs come from one matrix product. It runs in float64, where the
product of two float32 numbers is exact: in float32 ``|a|^2 + |b|^2 - 2ab`` would cancel. What is
left of it between equal frames is known, and taken for zero. DTW then goes along antidiagonals, a
step for all pairs at once; SiMPle doubles windows, adding only. Per cell of a pair some 180 bytes
move, which is what decides the time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from pytest_nnrel.runtime.tasks import Progress

    Matrix = npt.NDArray[np.float64]
    Frames = npt.NDArray[np.float32]

#: Squared distances below this share of the largest squared length are what rounding may leave of
#: zero.
ROUNDING = 64 * 2.0**-52
#: Cells of a tile: pairs times frames times frames; a GPU with more memory takes more.
_CELLS = 2**25
#: Bytes that a cell takes while both distances are computed.
_BYTES_PER_CELL = 40
#: Share of the free memory that a tile may take.
_SHARE = 0.5
#: Elements of the differences of embeddings at a time.
_DIFFERENCES = 2**25


def align(
    queries: Sequence[Frames],
    candidates: Sequence[Frames],
    window: int,
    device: Any,  # noqa: ANN401
    progress: Progress | None = None,
) -> dict[str, Matrix]:
    """Return DTW costs and, for a window above 0, SiMPle distances of all pairs.

    Parameters
    ----------
    queries, candidates : sequences of float32[frames, d]
        Those of one length are compared together: few different lengths are fast.
    window : int
        Of SiMPle, in frames.
    device : torch.device
    progress : callable, optional
        See `run_tasks`.

    Returns
    -------
    dict of str to float64[n, m]
        Where a pair is too long for the device's memory, NaN.
    """
    import torch

    shape = (len(queries), len(candidates))
    found = {name: np.full(shape, np.nan) for name in (("dtw", "simple") if window else ("dtw",))}
    cells = _CELLS
    if device.type == "cuda":
        free = torch.cuda.mem_get_info(device)[0]
        cells = max(cells, int(_SHARE * free / _BYTES_PER_CELL))
    tiles = []
    for rows in _of_one_length(queries):
        for columns in _of_one_length(candidates):
            size = len(queries[rows[0]]) * len(candidates[columns[0]])
            pairs = cells // size
            width = min(len(columns), pairs)
            if width == 0:
                continue
            height = pairs // width
            tiles += [
                (rows[i : i + height], columns[j : j + width])
                for i in range(0, len(rows), height)
                for j in range(0, len(columns), width)
            ]
    for rows, columns in tiles if progress is None else progress(tiles, len(tiles)):
        a, b = (
            torch.from_numpy(np.stack([of[i] for i in chosen])).to(device)
            for of, chosen in ((queries, rows), (candidates, columns))
        )
        squared = _squared_distances(a, b)
        place = np.ix_(rows, columns)
        found["dtw"][place] = _warping_costs(squared).cpu().numpy()
        if window:
            found["simple"][place] = _join_distances(squared, window).cpu().numpy()
    return found


def _of_one_length(sequences: Sequence[Frames]) -> list[npt.NDArray[np.intp]]:
    lengths = np.array([len(sequence) for sequence in sequences])
    return [np.flatnonzero(lengths == length) for length in np.unique(lengths)]


def _squared_distances(a: Any, b: Any) -> Any:  # noqa: ANN401
    """Return the squared distances of frames ``a[q, i]`` and ``b[c, j]``, float32[i, q, j, c]."""
    import torch

    n, m = a.shape[1], b.shape[1]
    left = a.double().transpose(0, 1).reshape(n * len(a), -1)
    right = b.double().transpose(0, 1).reshape(m * len(b), -1)
    of_left, of_right = left.square().sum(1), right.square().sum(1)
    squared = torch.addmm(of_left[:, None] + of_right[None], left, right.T, alpha=-2.0).float()
    torch.threshold_(squared, ROUNDING * float(of_left.max() + of_right.max()), 0.0)
    return squared.reshape(n, len(a), m, len(b))


def _warping_costs(squared: Any) -> Any:  # noqa: ANN401
    """Return the cost of the cheapest path of each pair, [q, c]."""
    import torch

    n, queries, m, candidates = squared.shape
    step = squared.stride()
    # Row i + 1 is cell (i, d - i) of antidiagonal d; what was never written stays infinite.
    before, last, out = (
        torch.full((n + 1, queries, candidates), float("inf"), device=squared.device)
        for _ in range(3)
    )
    last[1] = squared[0, :, 0].sqrt()
    for d in range(1, n + m - 1):
        low, high = max(0, d - m + 1), min(n - 1, d) + 1
        local = squared.as_strided(
            (high - low, queries, candidates),
            (step[0] - step[2], step[1], step[3]),
            squared.storage_offset() + low * step[0] + (d - low) * step[2],
        )
        cells = out[low + 1 : high + 1]
        torch.minimum(last[low:high], last[low + 1 : high + 1], out=cells)
        torch.minimum(cells, before[low:high], out=cells)
        cells.add_(local.sqrt())
        before, last, out = last, out, before
    return last[n]


def _join_distances(squared: Any, window: int) -> Any:  # noqa: ANN401
    """Return the median over windows of the distance to the nearest window, [q, c]."""
    # Sums along diagonals of 1, 2, 4, ... cells; those that make up the window are added.
    length, covered, total, doubled = 1, 0, None, squared
    while True:
        if window & length:
            part = doubled[covered:, :, covered:]
            total = part if total is None else _overlap_sum(total, part)
            covered += length
        if covered == window:
            break
        doubled = _overlap_sum(doubled, doubled[length:, :, length:])
        length *= 2
    profile = total.amin(dim=2)  # type: ignore[union-attr]
    ordered = profile.sort(dim=0).values
    middle = len(ordered) // 2
    if len(ordered) % 2:
        return ordered[middle]
    return 0.5 * (ordered[middle - 1] + ordered[middle])


def _overlap_sum(x: Any, y: Any) -> Any:  # noqa: ANN401
    """Return the sum where both have cells."""
    n, m = min(x.shape[0], y.shape[0]), min(x.shape[2], y.shape[2])
    return x[:n, :, :m] + y[:n, :, :m]


# ---------------------------------------------------------------------------------------------
# Embeddings


def euclidean(queries: Matrix, candidates: Matrix, device: Any) -> Matrix:  # noqa: ANN401
    """Return Euclidean distances of ``float64[n, d]`` and ``float64[m, d]``, from differences."""
    import torch

    a, b = (torch.from_numpy(vectors).to(device) for vectors in (queries, candidates))
    rows = max(1, _DIFFERENCES // b.numel())
    parts = [(a[i : i + rows, None] - b[None]).square().sum(2) for i in range(0, len(a), rows)]
    return np.asarray(torch.cat(parts).sqrt().cpu().numpy(), dtype=np.float64)

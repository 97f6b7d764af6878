"""Looking through matrix products for what rounding leaves open, one row after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_nnrel.kernels.compilation import compiled

if TYPE_CHECKING:
    import numpy.typing as npt

    Float32 = npt.NDArray[np.float32]
    Int64 = npt.NDArray[np.int64]

#: Columns that are looked at together, which a processor does many at a time.
_STRETCH = 128
#: Share of a squared distance that float64 and the rounding of limits may err by.
SLACK = 1e-9
#: Below any limit.
_NOTHING = np.float32(-np.inf)


@compiled
def limit_of(upper: float, square: float, least: float) -> Any:  # noqa: ANN401
    """Return below what lower bounds compete with the least upper bound, float32.

    All are squared distances less the square of the row's own vector.
    """
    limit = upper + SLACK * max(upper + square, 0.0) + least
    return np.float32(limit + abs(limit) * 2.0**-22)


@compiled
def look_through(
    products: Float32,
    first: int,
    squares: Float32,
    lengths: Float32,
    errors: Float32,
    row_errors: Float32,
    row_squares: Any,  # noqa: ANN401
    least: float,
    own: Float32,
    related: Int64,
    nearest: Float32,
    nearer: Int64,
    relative_nearer: Any,  # noqa: ANN401
    number: Int64,
    columns: Any,  # noqa: ANN401
    lower_bounds: Float32,
    is_open: Any,  # noqa: ANN401
) -> None:
    """Take a block of products into account, in place.

    Parameters
    ----------
    products : float32[k, m]
        Of k rows with the m columns from `first` on.
    first : int
    squares, lengths, errors : float32[m]
        Of columns: squared length, length, and by how much a squared distance errs at most,
        besides what is proportional to both lengths.
    row_errors : float32[k]
        By how much it errs, for each unit of a column's length.
    row_squares : float64[k]
    least : float
        Squared distances below this are not told apart.
    own : float32[k, 2]
        Bounds of the squared distance to the own original, less the square of the row.
    related : int64[k, 2]
        From which column on, and up to which, they do not compete.
    nearest : float32[k]
        Least upper bound of the others so far.
    nearer : int64[k]
        Others that are nearer than the own one, beyond doubt.
    relative_nearer : bool[k]
        Whether a relative is, beyond doubt.
    number : int64[k]
        Columns listed; above the width of the lists, a row has too many, and is passed over.
    columns, lower_bounds, is_open : int32[k, c], float32[k, c], bool[k, c]
        Those that may be nearest, or of which it is open whether they are nearer than the own.
    """
    room = columns.shape[1]
    two = np.float32(2.0)
    last = first + products.shape[1]
    for row in range(len(products)):
        if number[row] > room:
            continue
        of_row = products[row]
        per_length = row_errors[row]
        low, high = own[row, 0], own[row, 1]
        for part in range(3):
            # Before the relatives, the relatives, after them.
            begin = first if part == 0 else related[row, part - 1]
            end = last if part == 2 else related[row, part]
            begin, end = max(begin, first) - first, min(end, last) - first
            competes = part != 1
            limit = _NOTHING
            if competes:
                limit = limit_of(nearest[row], row_squares[row], least)
            for start in range(begin, end, _STRETCH):
                stop = min(start + _STRETCH, end)
                # Slices from 0 on, and counts as wide as the numbers: else it is done one by one.
                doubled, square = of_row[start:stop], squares[start:stop]
                length, rest = lengths[start:stop], errors[start:stop]
                # Most are far from both limits, which is told first.
                highest, near = max(high, limit), np.int32(0)
                for j in range(len(doubled)):
                    squared = square[j] - two * doubled[j]
                    error = per_length * length[j] + rest[j]
                    near = np.int32(near | np.int32(squared - error <= highest))
                if near == 0:
                    continue
                sure, within, candidates = np.int32(0), np.int32(0), np.int32(0)
                for j in range(len(doubled)):
                    squared = square[j] - two * doubled[j]
                    error = per_length * length[j] + rest[j]
                    sure = np.int32(sure + np.int32(squared + error < low))
                    within = np.int32(within + np.int32(squared - error <= high))
                    candidates = np.int32(candidates + np.int32(squared - error <= limit))
                if competes:
                    nearer[row] += sure
                elif sure:
                    relative_nearer[row] = True
                if within == sure and candidates == 0:
                    continue
                for j in range(len(doubled)):
                    squared = square[j] - two * doubled[j]
                    error = per_length * length[j] + rest[j]
                    lower, upper = squared - error, squared + error
                    open_ = lower <= high and not upper < low
                    if open_ or lower <= limit:
                        place = number[row]
                        number[row] += 1
                        if place == room:
                            break
                        columns[row, place] = first + start + j
                        lower_bounds[row, place] = lower
                        is_open[row, place] = open_
                    if competes and upper < nearest[row]:
                        nearest[row] = upper
                        limit = limit_of(upper, row_squares[row], least)
                if number[row] > room:
                    break
            if number[row] > room:
                break

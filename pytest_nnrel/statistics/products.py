"""Exemplars where distances grow with Euclidean ones, without all distances.

Of a row only the own distance, the nearest other and the number of those nearer count. Products of
matrices in float32 tell squared distances but for rounding, which is bounded; what a bound leaves
open, some pairs of each row, is decided by the distance itself. So the outcome is that of all
distances, number by number.

Notes
-----
With u = 2^-24, a sum of d products errs by at most d u / (1 - d u) times the sum of their absolute
values, in whatever order it is taken (Higham 2002, section 3.1), and that sum by Cauchy and Schwarz
is at most the product of both lengths. Vectors are centred first: a common offset would lengthen
them, and the bound with them.
"""

from __future__ import annotations

import math
from contextlib import nullcontext
from dataclasses import dataclass, fields
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_nnrel.runtime.blas import one_thread
from pytest_nnrel.runtime.tasks import run_tasks
from pytest_nnrel.statistics.consistency import (
    Exemplars,
    exemplars_among,
    is_farther,
    members_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

    from pytest_nnrel.statistics.consistency import Flags, Matrix

    Indices = npt.NDArray[np.intp]
    Float32 = npt.NDArray[np.float32]

#: Rows and columns of a block of products.
_ROWS, _COLUMNS = 512, 2048
#: Numbers of vectors that are centred at a time.
_NUMBERS = 2**20
#: Rounding of float32, relative.
_U = 2.0**-24
#: Products shorter than this have a bound that tells something.
_MOST_DIMENSIONS = 2**20
#: Numbers above are taken for infinite: squares of what is `_REACH` times as large may be.
_LARGEST = 1e140
#: Distances below may be of squares that have underflown.
_LEAST = 1e-145
#: How much longer than originals a query may be to be compared by products.
_REACH = 2.0**20
#: Columns that a row may leave open: at least, as a share of all, and at most.
_ROOM = 64, 1 / 16, 2048
#: Pairs that are compared at a time, times the square root of their dimensions. All others of their
#: rows and columns are computed with them, which costs as much as a call where they are so many.
_PAIRS = 160
#: Pairs whose embeddings are gathered at a time.
_GATHERED = 1536
#: Distances that are computed at a time, where all of a row are.
_DISTANCES = 2**22


@dataclass(frozen=True)
class Compared:
    """Clips and originals, by what a distance grows with and by the distance itself.

    Attributes
    ----------
    queries, originals : float[k, d], float[n, d]
        Embeddings.
    points : callable
        Of embeddings, returns vectors with whose Euclidean distance the distance grows.
    between : callable
        Of embeddings of clips and of originals, returns their distances, float64[k, n].
    grain : float
        Euclidean distances below which the distance may be 0.

    Notes
    -----
    Both callables take float64, and what they return of a row, or pair, is the same number by
    number, whatever others are asked for.
    """

    queries: npt.NDArray[np.floating[Any]]
    originals: npt.NDArray[np.floating[Any]]
    points: Callable[[Matrix], Matrix]
    between: Callable[[Matrix, Matrix], Matrix]
    grain: float = 0.0

    def of_queries(self, rows: Indices) -> Matrix:
        """Return the vectors of some clips, by position."""
        return self.points(self.queries[rows].astype(np.float64))

    def of_originals(self, columns: Indices) -> Matrix:
        """Return the vectors of some originals, by position."""
        return self.points(self.originals[columns].astype(np.float64))

    def all_of(self, rows: Indices) -> Matrix:
        """Return the distances of some clips to all originals, float64[k, n]."""
        return self.between(
            self.queries[rows].astype(np.float64), self.originals.astype(np.float64)
        )

    def of_pairs(self, rows: Indices, columns: Indices) -> Matrix:
        """Return the distance of each clip to its original, both by position, float64[m]."""
        found = np.empty(len(rows))
        step = max(4, round(_PAIRS / math.sqrt(self.originals.shape[1])))
        for first in range(0, len(rows), _GATHERED):
            some = slice(first, min(first + _GATHERED, len(rows)))
            left = self.queries[rows[some]].astype(np.float64)
            right = self.originals[columns[some]].astype(np.float64)
            of_some = found[some]
            for i in range(0, len(of_some), step):
                few = slice(i, i + step)
                of_some[few] = self.between(left[few], right[few]).diagonal()
        return found


def exemplars_by_products(
    compared: Compared,
    own: Indices,
    groups: Sequence[str] | None = None,
    *,
    jobs: int | None = 1,
) -> Exemplars:
    """Return what `consistency.exemplars` does of all distances.

    Parameters
    ----------
    compared : Compared
    own, groups
        As in `consistency.exemplars`.
    jobs : int, optional
        Threads; with one, matrix products have their own.

    Returns
    -------
    Exemplars

    Raises
    ------
    TooFewClipsError
        If nothing competes with a clip.
    """
    member = members_of(len(compared.originals), groups)
    blocks = [slice(i, min(i + _ROWS, len(own))) for i in range(0, len(own), _ROWS)]
    with nullcontext() if jobs == 1 else one_thread():
        columns = _Columns.of(compared, member, jobs)
        task = partial(_exemplars_of, compared, columns, member, own)
        return Exemplars.joined(list(run_tasks(task, blocks, jobs=jobs, here=True)))


@dataclass(frozen=True)
class _Columns:
    """Originals in float32, centred and scaled, those of a group one after the other.

    Attributes
    ----------
    order : int[n]
        Position of each column among the originals.
    first, last : int[groups]
        From which column on those of a group are, and up to which.
    vectors : float32[n, d]
    squares, lengths, errors : float32[n]
        See `kernels.shortlist.look_through`.
    usual : bool[n]
        Whether it can be compared by products.
    centre : float64[d]
    scale : float
        A power of 2.
    """

    order: Indices
    first: Indices
    last: Indices
    vectors: Float32
    squares: Float32
    lengths: Float32
    errors: Float32
    usual: Flags
    centre: Matrix
    scale: float

    @classmethod
    def of(cls, compared: Compared, member: Indices, jobs: int | None) -> _Columns:
        n = len(member)
        order = np.argsort(member, kind="stable")
        d = compared.of_originals(order[:1]).shape[1]
        step = max(1, _NUMBERS // d)
        blocks = [slice(i, min(i + step, n)) for i in range(0, n, step)]
        usual = np.zeros(n, bool)

        def look_at(block: slice) -> tuple[Matrix, float, float]:
            vectors = compared.of_originals(order[block])
            lows, highs = vectors.min(axis=1), vectors.max(axis=1)
            with np.errstate(invalid="ignore"):
                usual[block] = within = (lows >= -_LARGEST) & (highs <= _LARGEST)
            if not within.all():
                vectors, lows, highs = vectors[within], lows[within], highs[within]
            return vectors.sum(axis=0), lows.min(initial=np.inf), highs.max(initial=-np.inf)

        totals, lows, highs = zip(*run_tasks(look_at, blocks, jobs=jobs, here=True))
        low, high = min(lows), max(highs)
        centre = np.sum(totals, axis=0) / max(int(usual.sum()), 1)
        reach = max(float(high - centre.min()), float(centre.max() - low), 0.0)
        scale = 2.0 ** math.ceil(math.log2(reach)) if reach > 0.0 else 1.0
        made = np.zeros((n, d), np.float32)
        squares = np.zeros(n)

        def make(block: slice) -> None:
            vectors = compared.of_originals(order[block])
            if not usual[block].all():
                vectors[~usual[block]] = centre
            vectors -= centre
            vectors /= scale
            squares[block] = np.einsum("ij,ij->i", vectors, vectors)
            made[block] = vectors

        for _ in run_tasks(make, blocks, jobs=jobs, here=True):
            pass
        # Of what cannot be compared by products, all is open.
        errors = np.where(usual, 6.3 * _U * squares + d * 2.0**-100, 1e30)
        counts = np.bincount(member)
        last = np.cumsum(counts)
        return cls(
            order,
            last - counts,
            last,
            made,
            squares.astype(np.float32),
            (np.sqrt(squares) * (1.0 + 4.0 * _U)).astype(np.float32),
            errors.astype(np.float32),
            usual,
            centre,
            scale,
        )


def _are_within(vectors: Matrix, most: float) -> Flags:
    """Tell of which vectors no number is larger, or NaN."""
    with np.errstate(invalid="ignore"):
        return np.asarray((vectors.max(axis=1) <= most) & (vectors.min(axis=1) >= -most))


def _exemplars_of(
    compared: Compared, columns: _Columns, member: Indices, own: Indices, block: slice
) -> Exemplars:
    """Return the exemplars of a block of rows."""
    rows, of_rows = np.arange(block.start, block.stop), own[block]
    listed = _listed(compared, columns, member, rows, of_rows)
    to_own = compared.of_pairs(rows, of_rows)
    place, column, open_ = listed.pairs()
    original = columns.order[column]
    distances = compared.of_pairs(rows[place], original)
    competes = member[original] != member[of_rows][place]
    nearer = ~is_farther(distances, to_own[place])
    comparable = np.where(competes & ~np.isnan(distances), distances, np.inf)
    # By row, then distance, then position: the first of each row is its nearest.
    order = np.lexsort((original, comparable, place))
    found, begins = np.unique(place[order], return_index=True)
    best = order[begins]
    neighbour, nearest = np.zeros(len(rows), np.intp), np.full(len(rows), np.inf)
    neighbour[found], nearest[found] = original[best], comparable[best]
    sizes = np.bincount(member)[member[of_rows]]
    non_finite = np.zeros(len(rows), bool)
    non_finite[place[competes & ~np.isfinite(distances)]] = True
    related = listed.relative_nearer.copy()
    related[place[~competes & open_ & nearer]] = True
    among = Exemplars(
        own=to_own,
        neighbour=neighbour,
        nearest=nearest,
        non_finite=non_finite,
        ranks=listed.nearer + np.bincount(place[competes & open_ & nearer], minlength=len(rows)),
        others=len(member) - sizes,
        relative_nearer=related,
    )
    whole = np.flatnonzero(listed.passed_over | ~np.isfinite(to_own) | ~np.isfinite(nearest))
    if not len(whole):
        return among
    step = max(1, _DISTANCES // len(member))
    for i in range(0, len(whole), step):
        some = whole[i : i + step]
        part = exemplars_among(compared.all_of(rows[some]), of_rows[some], member)
        for f in fields(Exemplars):
            getattr(among, f.name)[some] = getattr(part, f.name)
    return among


@dataclass(frozen=True)
class _Listed:
    """What products tell of a block of rows, see `kernels.shortlist.look_through`."""

    own: Indices
    limits: Float32
    nearer: npt.NDArray[np.int64]
    relative_nearer: Flags
    number: npt.NDArray[np.int64]
    columns: npt.NDArray[np.int32]
    lower_bounds: Float32
    is_open: Flags

    @property
    def passed_over(self) -> Flags:
        """Of which rows all distances are needed."""
        return np.asarray(self.number > self.columns.shape[1])

    def pairs(self) -> tuple[Indices, Indices, Flags]:
        """Return rows and columns to compare, and whether it is open which is nearer."""
        number = np.where(self.passed_over, 0, self.number)
        width = int(number.max(initial=0))
        place, slot = np.nonzero(np.arange(width) < number[:, None])
        column, open_ = self.columns[place, slot].astype(np.intp), self.is_open[place, slot]
        # Limits fell since most were listed.
        kept = open_ | (self.lower_bounds[place, slot] <= self.limits[place])
        kept &= column != self.own[place]
        return place[kept], column[kept], open_[kept]


def _listed(
    compared: Compared, columns: _Columns, member: Indices, rows: Indices, of_rows: Indices
) -> _Listed:
    from pytest_nnrel.kernels import shortlist

    n, d = columns.vectors.shape
    position = np.empty(n, np.intp)
    position[columns.order] = np.arange(n)
    own = position[of_rows]
    vectors = compared.of_queries(rows)
    with np.errstate(invalid="ignore", over="ignore"):
        apart = vectors - compared.of_originals(of_rows)
        apart /= columns.scale
        vectors -= columns.centre
        vectors /= columns.scale
    usual = _are_within(vectors, _REACH) & columns.usual[own] & (d < _MOST_DIMENSIONS)
    if not usual.all():
        vectors[~usual] = apart[~usual] = 0.0
    squares, to_own = (np.einsum("ij,ij->i", v, v) for v in (vectors, apart))
    coarse = max(compared.grain, _LEAST) / columns.scale
    least = coarse * coarse  # infinite where scale is as small: then all is open
    low = to_own * (1.0 - shortlist.SLACK) - least - squares
    high = to_own * (1.0 + shortlist.SLACK) + least - squares
    bounds = np.stack([low - np.abs(low) * 4.0 * _U, high + np.abs(high) * 4.0 * _U], axis=1)
    with np.errstate(over="ignore"):
        bounds = bounds.astype(np.float32)
    gamma = d * _U / (1.0 - d * _U) if d < _MOST_DIMENSIONS else 0.0
    per_length = np.sqrt(squares) * (2.0 * gamma + 16.0 * _U) * 1.05
    least_room, share, most_room = _ROOM
    room = min(max(least_room, int(n * share)), most_room, n)
    k = len(rows)
    of_group = member[of_rows]
    nearest = np.full(k, np.inf, np.float32)
    listed = _Listed(
        own,
        nearest,
        np.zeros(k, np.int64),
        np.zeros(k, bool),
        np.where(usual, 0, room + 1),
        np.empty((k, room), np.int32),
        np.empty((k, room), np.float32),
        np.empty((k, room), bool),
    )
    narrow, products = vectors.astype(np.float32), np.empty((k, _COLUMNS), np.float32)
    for first in range(0, n, _COLUMNS):
        some = slice(first, min(first + _COLUMNS, n))
        of_block = products[:, : some.stop - first]
        np.matmul(narrow, columns.vectors[some].T, out=of_block)
        shortlist.look_through(
            of_block, first, columns.squares[some], columns.lengths[some], columns.errors[some],
            per_length.astype(np.float32), squares, least, bounds,
            np.stack([columns.first[of_group], columns.last[of_group]], axis=1), nearest,
            listed.nearer, listed.relative_nearer, listed.number, listed.columns,
            listed.lower_bounds, listed.is_open,
        )  # fmt: skip
    for row in range(k):
        nearest[row] = shortlist.limit_of(nearest[row], squares[row], least)
    return listed

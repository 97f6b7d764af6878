"""Between-space consistency by rank, C_rho (paper eq. 11), and its bootstrap over clips.

Conventions
-----------
Distances are those of `consistency`, as a matrix or in blocks of rows. All pairs of a space are
ranked once, exactly, with ties at their mean rank; rho is exact too.

The bootstrap draws clips, never pairs, as pairs share clips: a pair counts as often as both its
clips were drawn, together. Ranks then are cumulated weights. They are cumulated over `BINS` bins of
equal count instead of over all pairs, with an error of about ``BINS ** -2``, and for several
replicates at a time (`lanes`), so that each visit of a pair serves them all. Up to `BINS` pairs
have a bin each, and the replicates are exact.

Of pairs that are too many, a sample is ranked (`sampled`): each clip, and each original, is in as
many. What drawing pairs adds to the error is in the bootstrap too, and not less than it is: where a
pair is seen once, drawing both its clips shakes it by more than drawing the pair would (Owen 2007,
"The pigeonhole bootstrap").
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from pytest_nnrel.errors import DistanceError, StorageError, UndefinedMeasureError
from pytest_nnrel.runtime.tasks import run_tasks
from pytest_nnrel.statistics.consistency import as_blocks, validate

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy.typing as npt

    from pytest_nnrel.runtime.tasks import Progress
    from pytest_nnrel.statistics.consistency import Distances, Matrix
    from pytest_nnrel.statistics.sample import Sample

    Integers = npt.NDArray[np.unsignedinteger[Any]]
    Float32 = npt.NDArray[np.float32]

Pairs = Literal["all", "own", "distinct", "sampled"]
#: All but ``"sampled"``, which ranks some of all.
PAIRS: tuple[Pairs, ...] = ("all", "own", "distinct")

#: Rank bins of the bootstrap.
BINS = 4096
#: Pairs that are ranked in memory; more of them on disk.
_IN_MEMORY = 2**25
#: Pairs of a block of rows.
_BLOCK = 2**20


@dataclass(frozen=True)
class Ranks:
    """The ranks of all pairs of a space.

    Attributes
    ----------
    doubled : unsigned[rows, n]
        Twice the mean rank of each pair, less 1, a whole number from 1 to ``2 * count - 1``. On
        disk where there are many. For own pairs there is one row.
    count : int
        Pairs that are ranked.
    pairs : {"all", "own", "distinct", "sampled"}
        Which they are; of ``"distinct"`` ones the diagonal is not ranked.
    folder : Path or None
        Where what is derived of them goes, if it is too much for memory.
    sample : Sample or None
        Of ``"sampled"`` ones, which those of a row are.
    """

    doubled: Integers
    count: int
    pairs: Pairs
    folder: Path | None = None
    sample: Sample | None = None

    def blocks(self) -> Iterator[tuple[int, Integers]]:
        """Yield the first row of each block, and its ranks."""
        step = _rows_of_a_block(self.doubled.shape[1])
        for first in range(0, len(self.doubled), step):
            yield first, self.doubled[first : first + step]

    def bins(self, bins: int) -> npt.NDArray[np.uint16]:
        """Return the bin of each pair, uint16[rows, n], in memory or on disk."""
        out = _empty(self.doubled.shape, np.uint16, self.folder)
        for first, block in self.blocks():
            spread = block.astype(np.uint64) * np.uint64(bins) // np.uint64(2 * self.count)
            out[first : first + len(block)] = spread
        return out


def rank_pairs(
    distances: Distances, *, pairs: Pairs = "all", space: str = "", folder: Path | None = None
) -> Ranks:
    """Rank the distances of a space, ties at their mean rank.

    Parameters
    ----------
    distances : float64[n, n], or its blocks of rows
    pairs : {"all", "own", "distinct"}
        Which distances are compared: all n x n (the authors' code), only those of transformed
        clips to their own originals (n), or all but those (n x n - n), which on untransformed
        clips is the paper's Fig. 13.
    space : str
        For messages.
    folder : Path, optional
        Where ranks of more pairs than memory should hold are kept, in files without a name that
        vanish with the ranks; the system's temporary folder where omitted.

    Raises
    ------
    UndefinedMeasureError
        If the distances are all equal, or not finite.
    StorageError
        If the disk has no room for the ranks of many pairs.
    """
    validate(distances)
    if pairs not in PAIRS:
        raise DistanceError(f"pairs must be one of {', '.join(PAIRS)}, not {pairs!r}")
    n = distances.shape[1]
    count = {"all": n * n, "own": n, "distinct": n * n - n}[pairs]
    values = _empty((count,), np.float64, folder)
    filled = 0
    for first, block in _row_blocks(distances):
        part = block[_considered(block, first, pairs)]
        values[filled : filled + len(part)] = part
        filled += len(part)
    finite = sum(int(np.isfinite(part).sum()) for part in _stretches(values))
    _require_finite(finite, count, space)
    doubled = _empty((1, n) if pairs == "own" else (n, n), np.min_scalar_type(2 * count), folder)
    if count <= _IN_MEMORY:
        order = np.argsort(values)
        ordered = values[order]
        _fill(doubled, 0, pairs, _doubled_ranks(order, ordered, ordered))
    else:
        values.sort()
        ordered = values
        for first, block in _row_blocks(distances):
            part = block[_considered(block, first, pairs)]
            order = np.argsort(part)  # neighbours are looked up together, which caches reward
            _fill(doubled, first, pairs, _doubled_ranks(order, part[order], ordered))
    _require_unequal(ordered, space)
    return Ranks(doubled, count, pairs, folder)


def rank_sample(sample: Sample, distances: Matrix, *, space: str = "") -> Ranks:
    """Rank the distances of a sample of pairs, ties at their mean rank.

    Parameters
    ----------
    sample : Sample
    distances : float64[n, m]
        Of each of its rows to the originals of the row's block.
    space : str
        For messages.

    Raises
    ------
    UndefinedMeasureError
        As `rank_pairs`.
    """
    values = distances.ravel()
    finite = int(np.isfinite(values).sum())
    _require_finite(finite, len(values), space)
    order = np.argsort(values)
    ordered = values[order]
    _require_unequal(ordered, space)
    ranks = _doubled_ranks(order, ordered, ordered).reshape(distances.shape)
    return Ranks(ranks, len(values), "sampled", sample=sample)


def _require_finite(finite: int, count: int, space: str) -> None:
    if finite < count:
        raise UndefinedMeasureError(
            f"rho is undefined: {count - finite} of {count} {space} distances are not finite;"
            " assert_encoder_sane tells of NaN and overflow, and no clip may hold them"
        )


def _require_unequal(ordered: Matrix, space: str) -> None:
    if ordered[0] == ordered[-1]:
        raise UndefinedMeasureError(
            f"rho is undefined: all {len(ordered)} {space} distances are equal ({ordered[0]:g}); an"
            " encoder must tell clips apart (assert_encoder_sane), and clips must differ"
        )


def _doubled_ranks(order: npt.NDArray[np.intp], part: Matrix, ordered: Matrix) -> Integers:
    """Return twice the mean ranks less 1 of values that `order` sorts to `part`."""
    ranks = np.empty(len(part), np.min_scalar_type(2 * len(ordered)))
    ranks[order] = np.searchsorted(ordered, part, "left") + np.searchsorted(ordered, part, "right")
    return ranks


def _fill(doubled: Integers, first: int, pairs: Pairs, ranks: Integers) -> None:
    """Put the ranks of the pairs that count into their places, from row `first` on."""
    if pairs == "own":
        doubled[0, first : first + len(ranks)] = ranks
        return
    rows = doubled[first : first + -(-len(ranks) // (doubled.shape[1] - (pairs == "distinct")))]
    rows[_considered(rows, first, pairs)] = ranks


def rank_agreement(audio: Ranks, latent: Ranks) -> float:
    """Return C_rho (paper eq. 11): Spearman's rho between the distances of both spaces.

    Parameters
    ----------
    audio, latent : Ranks
        Of the same clips and pairs.

    Returns
    -------
    float
    """
    _validate_alike(audio, latent)
    sums = np.zeros(3)
    for (first, a), (_, z) in zip(audio.blocks(), latent.blocks()):
        keep = _considered(a, first, "all" if audio.pairs == "own" else audio.pairs)
        # Twice a mean rank less 1 has the mean `count`, exactly.
        x = a[keep].astype(np.float64) - audio.count
        y = z[keep].astype(np.float64) - audio.count
        sums += (x @ y, x @ x, y @ y)
    return float(sums[0] / math.sqrt(sums[1] * sums[2]))


@dataclass(frozen=True)
class Resampled:
    """The ranks of a space in bootstrap samples of its clips; see `resample`.

    Attributes
    ----------
    ranked : Ranks
    bins : uint16[rows, n]
        Bin of each pair.
    weights : float32[parts, n, lanes]
        How often each clip was drawn in each sample, of which `lanes` make a part.
    ranks : float32[parts, bins, lanes]
        Of each bin in each sample.
    spread : float64[parts, lanes]
        Sum of their squares over all pairs.
    samples : int
        Lanes that are used, of all parts.
    """

    ranked: Ranks
    bins: npt.NDArray[np.uint16]
    weights: Float32
    ranks: Float32
    spread: Matrix
    samples: int

    @property
    def nbytes(self) -> int:
        """Bytes that it holds, besides the ranks of the pairs."""
        own = (self.bins, self.weights, self.ranks, self.spread)
        return sum(array.nbytes for array in own)


def resample(
    ranked: Ranks,
    drawn: npt.NDArray[np.int32],
    *,
    jobs: int | None = 1,
    progress: Progress | None = None,
) -> Resampled:
    """Rank the distances of a space anew in bootstrap samples of its clips.

    Serves every space that this one is compared with in the same samples.

    Parameters
    ----------
    ranked : Ranks
    drawn : int32[samples, n]
        How often each clip is drawn, see `intervals.drawn`.
    jobs : int or None
        Tasks side by side, see `run_tasks`; the result does not depend on it.
    progress : callable, optional
        See `run_tasks`.
    """
    from pytest_nnrel.kernels.lanes import LANES

    samples, n = drawn.shape
    weights = np.zeros((-(-samples // LANES), n, LANES), np.float32)
    for part, of_part in enumerate(weights):
        some = drawn[part * LANES : (part + 1) * LANES]
        of_part[:, : len(some)] = some.T
    count = min(BINS, ranked.count)
    bins = ranked.bins(count)
    task = _CountTask(bins, count, ranked)
    done = list(run_tasks(task, list(weights), jobs=jobs, progress=progress, here=True))
    ranks, spread = (np.stack(values) for values in zip(*done))
    return Resampled(ranked, bins, weights, ranks, spread, samples)


def rank_agreement_replicates(
    audio: Resampled,
    latent: Resampled,
    *,
    jobs: int | None = 1,
    progress: Progress | None = None,
) -> Matrix:
    """Return bootstrap replicates of C_rho.

    Parameters
    ----------
    audio, latent : Resampled
        Of the same clips, pairs and samples.
    jobs, progress
        As in `resample`.

    Returns
    -------
    float64[samples]
        NaN for a replicate in which the distances of a space are all equal.
    """
    _validate_alike(audio.ranked, latent.ranked)
    if not np.array_equal(audio.weights, latent.weights):
        raise DistanceError("audio and latent distances were resampled differently")
    task = _ProductTask(audio, latent)
    parts = range(len(audio.weights))
    products = np.stack(list(run_tasks(task, parts, jobs=jobs, progress=progress, here=True)))
    with np.errstate(invalid="ignore", divide="ignore"):
        rho = (products / np.sqrt(audio.spread * latent.spread)).ravel()[: audio.samples]
    return np.where(np.isfinite(rho), rho, np.nan)


def _weighted_blocks(weights: Float32, ranked: Ranks) -> Iterator[tuple[slice, Float32, Float32]]:
    """Yield blocks of rows, with the weights of their rows and of their columns."""
    if ranked.sample is not None:
        for part, clips, columns in ranked.sample.blocks():
            yield part, weights[clips].ravel(), weights[columns].ravel()
        return
    rows = np.ones_like(weights[:1]) if ranked.pairs == "own" else weights
    of_columns = weights.ravel()
    step = _rows_of_a_block(len(weights))
    for first in range(0, len(rows), step):
        part = slice(first, first + step)
        yield part, rows[part].ravel(), of_columns


@dataclass(frozen=True)
class _CountTask:
    """Ranks the bins of a space in some samples, in a thread."""

    of_pairs: npt.NDArray[np.uint16]
    bins: int
    ranked: Ranks

    def __call__(self, weights: Float32) -> tuple[Float32, Matrix]:
        from pytest_nnrel.kernels import lanes

        distinct = self.ranked.pairs == "distinct"
        counts = np.zeros((self.bins, lanes.LANES))
        for part, of_rows, columns in _weighted_blocks(weights, self.ranked):
            some = np.zeros(counts.size, np.float32)  # few enough to be counted exactly
            lanes.count(self.of_pairs[part], part.start, of_rows, columns, distinct, some)
            counts += some.reshape(counts.shape)
        total = np.maximum(counts.sum(axis=0), 1.0)  # of no weight: a lane that is not used
        middle = (np.cumsum(counts, axis=0) - 0.5 * counts) / total - 0.5
        ranks = middle.astype(np.float32)
        return ranks, np.sum(counts * np.square(ranks, dtype=np.float64), axis=0)


@dataclass(frozen=True)
class _ProductTask:
    """Sums the products of both spaces' ranks in some samples, in a thread."""

    audio: Resampled
    latent: Resampled

    def __call__(self, index: int) -> Matrix:
        from pytest_nnrel.kernels import lanes

        ranked = self.audio.ranked
        x, y = self.audio.ranks[index].ravel(), self.latent.ranks[index].ravel()
        products = np.zeros(lanes.LANES)
        for part, of_rows, columns in _weighted_blocks(self.audio.weights[index], ranked):
            lanes.sum_products(
                self.audio.bins[part], self.latent.bins[part], part.start, of_rows, columns,
                ranked.pairs == "distinct", x, y, products,
            )  # fmt: skip
        return products


def _validate_alike(audio: Ranks, latent: Ranks) -> None:
    if audio.doubled.shape != latent.doubled.shape or audio.pairs != latent.pairs:
        raise DistanceError(
            f"audio and latent distances are of different clips or pairs:"
            f" {audio.doubled.shape} {audio.pairs}, {latent.doubled.shape} {latent.pairs}"
        )


def _considered(block: npt.NDArray[Any], first: int, pairs: Pairs) -> npt.NDArray[np.bool_]:
    """Tell which pairs count, bool[k, n], of a block that begins at row `first`."""
    own = np.equal.outer(np.arange(first, first + len(block)), np.arange(block.shape[1]))
    if pairs in ("all", "sampled"):
        return np.ones(block.shape, dtype=bool)
    return np.asarray(own if pairs == "own" else ~own)


def _row_blocks(distances: Distances) -> Iterator[tuple[int, Matrix]]:
    first = 0
    for block in as_blocks(distances):
        step = _rows_of_a_block(block.shape[1])
        for start in range(0, len(block), step):
            rows = block[start : start + step]
            yield first, rows
            first += len(rows)


def _rows_of_a_block(n: int) -> int:
    return max(1, _BLOCK // n)


def _stretches(values: Matrix) -> Iterator[Matrix]:
    return (values[i : i + _BLOCK] for i in range(0, len(values), _BLOCK))


def _empty(shape: tuple[int, ...], dtype: npt.DTypeLike, folder: Path | None) -> npt.NDArray[Any]:
    """Return an array in memory or, of many elements, in a file that vanishes with it."""
    if math.prod(shape) <= _IN_MEMORY:
        return np.empty(shape, dtype)
    import tempfile

    size = math.prod(shape) * np.dtype(dtype).itemsize
    try:
        with tempfile.TemporaryFile(dir=folder) as file:  # the mapping keeps it while it lives
            if hasattr(os, "posix_fallocate"):  # writing to a full disk through a mapping kills
                os.posix_fallocate(file.fileno(), 0, size)
            return np.memmap(file, dtype=np.dtype(dtype), mode="w+", shape=shape)
    except OSError as error:
        raise StorageError(
            f"ranks of {math.prod(shape):,} pairs need {size / 2**30:.1f} GiB in"
            f" {folder or tempfile.gettempdir()}, which cannot be had"
            f" ({error.strerror or error}); free space there, choose another folder with"
            " --nnrel-cache=DIR, or measure fewer clips"
        ) from error

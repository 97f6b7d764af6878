"""Pairs of transformed clips and originals that stand for all of them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from pytest_nnrel.statistics.consistency import Matrix
    from pytest_nnrel.statistics.ranks import Ranks

    Indices = npt.NDArray[np.int64]

#: Pairs of a sample, at least.
SAMPLED = 2**22
#: Clips that are compared with the same originals: as many as DTW takes at a time.
_ROWS = 16
#: Originals to a clip, at least.
_COLUMNS = 64
#: Rounds in which blocks and originals are fitted in turn, which are nearly balanced.
_ROUNDS = 20


@dataclass(frozen=True)
class Sample:
    """Which originals each transformed clip is compared with.

    Attributes
    ----------
    rows : int64[n]
        All clips, in the order in which they are in blocks of `_ROWS`.
    columns : int64[blocks, m]
        Originals of each block.
    """

    rows: Indices
    columns: Indices

    @property
    def n(self) -> int:
        """How many clips there are."""
        return len(self.rows)

    @property
    def pairs(self) -> int:
        """How many there are."""
        return self.n * int(self.columns.shape[1])

    def blocks(self) -> Iterator[tuple[slice, Indices, Indices]]:
        """Yield the places of each block among the rows, its clips and its originals."""
        for number, columns in enumerate(self.columns):
            part = slice(number * _ROWS, min((number + 1) * _ROWS, self.n))
            yield part, self.rows[part], columns


def sampled(n: int, rng: np.random.Generator) -> Sample | None:
    """Draw pairs of n transformed clips and n originals, or None where all are few enough.

    Each clip has as many originals, and each original as many blocks of clips, to within one. Clips
    are in blocks at random: neighbours in a corpus are alike, and would have their originals alike.
    """
    if n * n <= SAMPLED:
        return None
    width = min(n, max(_COLUMNS, -(-SAMPLED // n)))
    blocks = -(-n // _ROWS)
    rows, order = rng.permutation(n), rng.permutation(n)
    # One round of all originals after another: those of a block are distinct.
    places = np.arange(blocks * width) % n
    return Sample(rows, order[places].reshape(blocks, width))


def sampling_error(audio: Ranks, latent: Ranks) -> float:
    """Return the standard error that drawing pairs, not clips, adds to C_rho.

    Parameters
    ----------
    audio, latent : Ranks
        Of the pairs of one sample.

    Notes
    -----
    C_rho moves with a pair as by its influence. What in that is a clip's, or an original's, adds no
    error: all clips are in the sample with as many pairs, and all originals in as many blocks.
    What is left belongs to both, and is independent from one original of a block to the next. Where
    originals are in one or two blocks, what is their own cannot be told, and counts as error.
    """
    sample = audio.sample
    assert sample is not None
    width = sample.columns.shape[1]
    found = _influences(audio, latent)
    starts = [part.start for part, _, _ in sample.blocks()]
    rows = np.diff([*starts, sample.n])[:, None]
    cells = np.add.reduceat(found, starts, axis=0) / rows
    originals, times = np.unique(sample.columns, return_counts=True)
    place = np.searchsorted(originals, sample.columns)
    left = cells.size - len(cells)
    if left >= 2 * len(originals):
        left -= len(originals) - 1
        for _ in range(_ROUNDS):
            cells -= cells.mean(axis=1, keepdims=True)
            own = np.bincount(place.ravel(), weights=cells.ravel()) / times
            cells -= own[place]
    cells -= cells.mean(axis=1, keepdims=True)
    spread = float(np.square(cells * rows).sum()) * cells.size / left
    return math.sqrt(spread * (1.0 - width / sample.n)) / sample.pairs


def _influences(audio: Ranks, latent: Ranks) -> Matrix:
    """Return by how much C_rho grows with each pair, but for a constant, times the pairs.

    A rank is a sum of comparisons with all pairs: a pair counts by its own ranks, and by those of
    others that it moves.
    """
    x, y = (one.doubled.astype(np.float64) - one.count for one in (audio, latent))
    scale = audio.count / math.sqrt(np.vdot(x, x) * np.vdot(y, y))
    return np.asarray((x * y + _moved(audio, y) + _moved(latent, x)) * scale)


def _moved(ranked: Ranks, others: Matrix) -> Matrix:
    """Return, for each pair, the sum of what is above it less the sum of what is below."""
    at = np.bincount(ranked.doubled.ravel(), weights=others.ravel(), minlength=2 * ranked.count)
    return np.asarray((at.sum() + at - 2.0 * at.cumsum())[ranked.doubled])

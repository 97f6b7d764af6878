"""Pairs of transformed clips and originals that stand for all of them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from pytest_nnrel.statistics.ranks import Ranks

#: Pairs of a sample, at least.
SAMPLED = 2**22
#: Rows that are compared with the same originals, and originals to a row, at least.
_ROWS = 64
#: Parts of a sample whose values tell its error.
_FOLDS = 16


@dataclass(frozen=True)
class Sample:
    """Which originals each transformed clip is compared with.

    Attributes
    ----------
    n : int
        Clips.
    columns : int64[blocks, m]
        Originals of each block of `_ROWS` clips, in the order of the corpus.
    """

    n: int
    columns: npt.NDArray[np.int64]

    @property
    def pairs(self) -> int:
        """How many there are."""
        return self.n * int(self.columns.shape[1])

    def blocks(self) -> Iterator[tuple[slice, npt.NDArray[np.int64]]]:
        """Yield rows and columns of each block."""
        for number, columns in enumerate(self.columns):
            yield slice(number * _ROWS, min((number + 1) * _ROWS, self.n)), columns


def sampled(n: int, rng: np.random.Generator) -> Sample | None:
    """Draw pairs of n transformed clips and n originals, or None where all are few enough.

    Each clip has as many originals, and each original as many blocks of clips, to within one.
    """
    if n * n <= SAMPLED:
        return None
    width = min(n, -(-max(_ROWS, -(-SAMPLED // n)) // _FOLDS) * _FOLDS)
    blocks = -(-n // _ROWS)
    order = rng.permutation(n)
    # One round of all originals after another: those of a block are distinct.
    places = np.arange(blocks * width) % n
    return Sample(n, order[places].reshape(blocks, width))


def sampling_error(audio: Ranks, latent: Ranks) -> float:
    """Return the standard error that drawing pairs, not clips, adds to C_rho.

    By the spread of the values of parts of the sample, in each of which every clip is.

    Parameters
    ----------
    audio, latent : Ranks
        Of the same sample.
    """
    parts = []
    for fold in range(_FOLDS):
        x, y = (
            ranked.doubled[:, fold::_FOLDS].astype(np.float64) - ranked.count
            for ranked in (audio, latent)
        )
        parts.append(np.vdot(x, y) / math.sqrt(np.vdot(x, x) * np.vdot(y, y)))
    return float(np.std(parts, ddof=1) / math.sqrt(_FOLDS))

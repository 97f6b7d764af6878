"""Whether one space is another, turned: orthogonal Procrustes, fitted on half of the clips."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from pytest_nnrel.statistics.consistency import Flags, Matrix

    Floats = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Rotation:
    """A shift, a rotation (or reflection) and one factor: what keeps all neighbourhoods.

    Attributes
    ----------
    matrix : float64[d, d]
        Orthogonal; embeddings are rows, which it is multiplied with from the right.
    factor : float
    centre, target_centre : float64[d]
    """

    matrix: Matrix
    factor: float
    centre: Matrix
    target_centre: Matrix

    def apply(self, embeddings: Floats) -> Matrix:
        """Return embeddings, float[n, d], in the target's space, float64[n, d]."""
        return np.asarray(
            self.factor * (embeddings - self.centre) @ self.matrix + self.target_centre
        )


def fit_rotation(source: Floats, target: Floats) -> Rotation:
    """Return the rotation that brings embeddings nearest to others (Schoenemann 1966).

    Parameters
    ----------
    source, target : float[n, d]
        Embeddings of the same clips, in order.

    Returns
    -------
    Rotation
        Of least squared distance; its factor is 0 where `source` is constant.
    """
    from scipy.linalg import orthogonal_procrustes

    given, wanted = source.astype(np.float64), target.astype(np.float64)
    centre, target_centre = given.mean(axis=0), wanted.mean(axis=0)
    given, wanted = given - centre, wanted - target_centre
    matrix, aligned = orthogonal_procrustes(given, wanted)
    size = float(np.sum(given**2))
    return Rotation(matrix, float(aligned) / size if size else 0.0, centre, target_centre)


def halves(groups: Sequence[str], rng: np.random.Generator) -> Flags:
    """Return which clips are of the first of two halves, bool[n]: groups are of one half."""
    _, member = np.unique(np.asarray(groups), return_inverse=True)
    count = int(member.max()) + 1
    chosen = np.zeros(count, dtype=bool)
    chosen[rng.permutation(count)[: count // 2]] = True
    return np.asarray(chosen[member])


def rotated(
    queries: Floats, source: Floats, target: Floats, first: Flags
) -> tuple[Matrix, tuple[float, float]]:
    """Return queries in the target's space, each half by the rotation fitted on the other.

    Parameters
    ----------
    queries : float[n, d]
        In the source's space, one per clip.
    source, target : float[n, d]
        Embeddings of the clips in both spaces, which is fitted.
    first : bool[n]
        Clips of one half.

    Returns
    -------
    queries : float64[n, d]
    factors : (float, float)
        Of both rotations.
    """
    turned = np.empty(queries.shape)
    factors = []
    for judged in (first, ~first):
        rotation = fit_rotation(source[~judged], target[~judged])
        turned[judged] = rotation.apply(queries[judged])
        factors.append(rotation.factor)
    return turned, (factors[0], factors[1])

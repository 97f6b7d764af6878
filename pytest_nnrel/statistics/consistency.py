"""The paper's measures as pure functions of distance matrices.

Conventions
-----------
A distance matrix ``D`` is float64[n, n]: row p is a *transformed* clip, column q an *original*, in
the same order, so that the diagonal holds the distance of each transformed clip to its own
original. Where it is too large for memory, it comes in blocks of rows (`Blocks`). All functions
reject matrices of another shape, and those of fewer than two clips.

A distance that is not finite, or a tie, is an error of the exemplar (delta = 1): whoever cannot
say that the original is nearest does not say it.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np

from pytest_nnrel.errors import DistanceError, TooFewClipsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import numpy.typing as npt

    Matrix = npt.NDArray[np.float64]
    Flags = npt.NDArray[np.bool_]

#: Two distances whose relative difference is below this are a tie: rounding, not nearness.
TIE_TOLERANCE = 1e-12


class Blocks(Protocol):
    """Distances that are made, or read, block of rows by block whenever they are walked through."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of all rows together."""

    def __iter__(self) -> Iterator[Matrix]:
        """Yield float64[k, n], in order."""


Distances: TypeAlias = "Matrix | Blocks"


def as_blocks(distances: Distances) -> Iterable[Matrix]:
    """Return the blocks of rows; a matrix is one."""
    return (distances,) if isinstance(distances, np.ndarray) else distances


def validate(distances: Distances) -> None:
    """Check that a matrix can carry a verdict.

    Raises
    ------
    DistanceError
        If it is not square.
    TooFewClipsError
        If it has fewer than two clips.
    """
    if len(distances.shape) != 2 or distances.shape[0] != distances.shape[1]:
        raise DistanceError(
            f"expected distances of n transformed clips to n originals, not {distances.shape}"
        )
    _validate_originals(distances.shape[1])


def _validate_originals(n: int) -> None:
    if n < 2:
        raise TooFewClipsError(
            f"{n} clip is no corpus: with fewer than 2 there is no other original to be nearer to,"
            " and no verdict"
        )


@dataclass(frozen=True)
class Exemplars:
    """What the distances of transformed clips to all originals say of each of them.

    The *others* are the originals that compete with the own one: all but it or, where groups are
    told, those of other groups. A clip of the same track is a relative too.

    Attributes
    ----------
    own : float64[k]
        Distance to the own original.
    neighbour : int[k]
        Nearest other original, the first of them where several are equally near. NaN counts as
        infinitely far.
    nearest : float64[k]
        Distance to it.
    non_finite : bool[k]
        Whether the distance to the own original, or to any other, is not finite.
    ranks : int[k]
        How many others are nearer than the own original. As in `errors`, one that is as near, or
        whose distance is not finite, counts as nearer, so that a rank of 0 is no error.
    others : int[k]
        How many there are.
    relative_nearer : bool[k]
        Whether an original of the own group that does not compete is as near as the own, or nearer.
    """

    own: Matrix
    neighbour: npt.NDArray[np.intp]
    nearest: Matrix
    non_finite: Flags
    ranks: npt.NDArray[np.intp]
    others: npt.NDArray[np.intp]
    relative_nearer: Flags

    @classmethod
    def joined(cls, parts: Sequence[Exemplars]) -> Exemplars:
        """Return the exemplars of blocks of rows as those of all."""
        return cls(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(cls)))

    @property
    def margins(self) -> Matrix:
        """By how much the own original is nearer than the nearest other, float64[k]."""
        with np.errstate(invalid="ignore"):  # inf - inf, which is an error of the exemplar anyway
            return np.asarray(self.nearest - self.own, dtype=np.float64)

    @property
    def relative_margins(self) -> Matrix:
        """Margins over the sum of both distances' sizes, from -1 to 1, float64[k].

        Unlike margins they do not change with the scale of a space, so that encoders can be
        compared. Where both distances are 0 it is 0, and -1 where one is not finite.
        """
        with np.errstate(invalid="ignore", divide="ignore"):
            # Distances may be negative, as inner products are.
            share = self.margins / (np.abs(self.nearest) + np.abs(self.own))
        share = np.where(np.isnan(share), 0.0, share)
        return np.where(self.non_finite, -1.0, share)

    @property
    def ties(self) -> Flags:
        """Whether another original is as near as the own, bool[k]."""
        with np.errstate(invalid="ignore"):
            return np.asarray(np.abs(self.margins) <= TIE_TOLERANCE * np.abs(self.own))

    @property
    def errors(self) -> Flags:
        """Delta (paper eq. 9), bool[k]: False iff the own original is nearer than every other.

        Ties, and distances that are not finite, are errors.
        """
        return np.asarray(~(self.margins > 0.0) | self.ties | self.non_finite)


def exemplars(
    distances: Distances,
    own: npt.NDArray[np.intp] | None = None,
    groups: Sequence[str] | None = None,
) -> Exemplars:
    """Look up each transformed clip's own original and its nearest other one.

    Parameters
    ----------
    distances : float64[k, n], or its blocks of rows
        Of k transformed clips to all n originals.
    own : int[k], optional
        Columns of the own originals; on the diagonal of a square where omitted.
    groups : sequence of str, optional
        One per original: those of one group do not compete with each other. Where omitted all do,
        which is eq. 9 to the letter.

    Returns
    -------
    Exemplars

    Raises
    ------
    TooFewClipsError
        If nothing competes with a clip: all are of its group.
    """
    if own is None:
        validate(distances)
        own = np.arange(distances.shape[0])
    member = members_of(distances.shape[1], groups)
    parts = []
    first = 0
    for block in as_blocks(distances):
        parts.append(exemplars_among(block, own[first : first + len(block)], member))
        first += len(block)
    return Exemplars.joined(parts)


def members_of(n: int, groups: Sequence[str] | None) -> npt.NDArray[np.intp]:
    """Return the number of each original's group, int[n]; each is its own where none are told.

    Raises
    ------
    TooFewClipsError
        If nothing competes with a clip.
    """
    _validate_originals(n)
    if groups is None:
        return np.arange(n)
    _, member = np.unique(np.asarray(groups), return_inverse=True)
    if member.max() == 0:
        raise TooFewClipsError(
            f"all {n} clips are of one group, {groups[0]!r}: there is no other original to be"
            " nearer to, and no verdict; add tracks, or pass neighbours='all'"
        )
    return np.asarray(member, dtype=np.intp)


def exemplars_among(
    distances: Matrix, own: npt.NDArray[np.intp], member: npt.NDArray[np.intp]
) -> Exemplars:
    """Look up the exemplars of a block of rows.

    Parameters
    ----------
    distances : float64[k, n]
    own : int[k]
    member : int[n]
        See `members_of`.

    Returns
    -------
    Exemplars
    """
    rows = np.arange(len(distances))
    competes = member[None, :] != member[own][:, None]
    others = np.where(competes & ~np.isnan(distances), distances, np.inf)
    neighbour = np.argmin(others, axis=1)
    # Where all others are infinitely far, argmin picks the first original, whichever that is.
    neighbour = np.where(competes[rows, neighbour], neighbour, np.argmax(competes, axis=1))
    to_own = distances[rows, own]
    farther = is_farther(distances, to_own[:, None])
    relatives = ~competes
    relatives[rows, own] = False
    return Exemplars(
        own=to_own,
        neighbour=neighbour,
        nearest=others[rows, neighbour],
        non_finite=np.asarray(
            (competes & ~np.isfinite(distances)).any(axis=1) | ~np.isfinite(to_own)
        ),
        ranks=np.asarray(np.sum(competes & ~farther, axis=1)),
        others=np.asarray(np.sum(competes, axis=1)),
        relative_nearer=np.asarray((relatives & ~farther).any(axis=1)),
    )


def is_farther(distances: Matrix, own: Matrix) -> Flags:
    """Tell where a distance is beyond the own one, by more than a tie; not where not finite."""
    with np.errstate(invalid="ignore"):
        beyond = distances - own
        farther = np.isfinite(beyond) & (beyond > 0.0)
        return np.asarray(farther & (beyond > TIE_TOLERANCE * np.abs(own)))


def within_consistency(rows: Exemplars) -> float:
    """Return C_W (paper eq. 10): the share of transformed clips whose own original is nearest."""
    return float(np.mean(~rows.errors))


def chances_among(ranks: npt.NDArray[np.intp], others: npt.NDArray[np.intp], n: int) -> Matrix:
    """Return how likely each transformed clip's own original is the nearest of n.

    The n - 1 others are drawn from all that compete, without return; the chance that none of
    those nearer is among them is hypergeometric. The mean is C_W (paper eq. 10) as it is among n
    clips, averaged over all choices of n.

    Parameters
    ----------
    ranks : int[k]
        See `Exemplars`.
    others : int[k]
        That the ranks are among, see `Exemplars`.
    n : int
        From 2 to one more than the fewest others.

    Returns
    -------
    float64[k]

    Raises
    ------
    TooFewClipsError
        If there are not as many, or `n` is below 2.
    """
    if not 2 <= n <= int(others.min()) + 1:
        raise TooFewClipsError(
            f"C_W among {n} clips does not follow from ranks among {int(others.min())} others; ask"
            f" for a whole number from 2 to {int(others.min()) + 1}"
        )
    chances = np.empty(len(ranks))
    for count in np.unique(others):
        nearer = np.arange(count)
        # Each further original that is nearer must be one of those not drawn. At 0 it stays.
        factors = np.maximum(count - n + 1 - nearer, 0) / (count - nearer)
        among = np.concatenate([[1.0], np.cumprod(factors)])
        of_count = others == count
        chances[of_count] = among[ranks[of_count]]
    return chances


def agreements(audio: Exemplars, latent: Exemplars) -> Flags:
    """Tell for which clips both spaces make the same exemplar error or none, bool[n].

    Their mean is C_acc (paper eq. 12).

    Raises
    ------
    DistanceError
        If they are of different clips.
    """
    if len(audio.own) != len(latent.own):
        raise DistanceError(
            f"audio and latent distances are of different clips: {len(audio.own)},"
            f" {len(latent.own)}"
        )
    return np.asarray(audio.errors == latent.errors)


def monotonicity(distances: Matrix) -> Matrix:
    """Return how far distances grow with severity: Spearman's rho of each clip, float64[n].

    Parameters
    ----------
    distances : float64[rungs, n]
        Of each transformed clip to its own original, from the mildest rung to the gravest.

    Returns
    -------
    float64[n]
        1 where graver is always further (the paper's assumption ii, section 3.1); 0 where the
        distances are all equal or one is not finite, which says nothing of severity.

    Raises
    ------
    DistanceError
        If there are fewer than three rungs.
    """
    from scipy.stats import rankdata

    rungs, _ = distances.shape
    if rungs < 3:
        raise DistanceError(f"rho of severity and distance takes 3 rungs or more, not {rungs}")
    finite = np.isfinite(distances).all(axis=0)
    ranks = rankdata(np.where(finite, distances, 0.0), axis=0)
    ranks -= (rungs + 1) / 2
    severity = np.arange(rungs) - (rungs - 1) / 2
    spread = np.sqrt(np.sum(ranks**2, axis=0) * np.sum(severity**2))
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(spread > 0.0, severity @ ranks / spread, 0.0))


@dataclass(frozen=True)
class Plane:
    """The plane in which embeddings are spread most.

    Attributes
    ----------
    centre : float64[d]
    axes : float64[k, d]
        Of unit length, k at most 2.
    explained : float64[k]
        Share of the variance along each.
    """

    centre: Matrix
    axes: Matrix
    explained: Matrix

    def place(self, embeddings: npt.NDArray[np.floating[Any]]) -> Matrix:
        """Return where embeddings, float[n, d], lie in the plane, float64[n, 2]."""
        placed = np.zeros((len(embeddings), 2))
        placed[:, : len(self.axes)] = (embeddings - self.centre) @ self.axes.T
        return placed


def principal_plane(embeddings: npt.NDArray[np.floating[Any]]) -> Plane:
    """Return the plane of the two first principal components of embeddings, float[n, d].

    Of each axis the largest entry is positive, so that equal embeddings give equal planes.
    """
    given = np.asarray(embeddings, dtype=np.float64)
    centre = given.mean(axis=0)
    _, spreads, rows = np.linalg.svd(given - centre, full_matrices=False)
    axes = rows[:2]
    largest = np.abs(axes).argmax(axis=1)
    axes = axes * np.sign(axes[np.arange(len(axes)), largest])[:, None]
    variance = spreads**2
    total = float(variance.sum())
    return Plane(centre, axes, variance[:2] / total if total else np.zeros(len(axes)))

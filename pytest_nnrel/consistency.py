"""The paper's measures as pure functions of distance matrices.

Conventions
-----------
A distance matrix ``D`` is float64[n, n]: row p is a *transformed* clip, column q an *original*, in
the same order, so that the diagonal holds the distance of each transformed clip to its own
original. All functions reject matrices of another shape, and those of fewer than two clips.

A distance that is not finite, or a tie, is an error of the exemplar (delta = 1): whoever cannot
say that the original is nearest does not say it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from pytest_nnrel.errors import DistanceError, TooFewClipsError, UndefinedMeasureError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    Matrix = npt.NDArray[np.float64]
    Flags = npt.NDArray[np.bool_]

#: Coverage of every interval.
CONFIDENCE = 0.95
#: Replicates of every bootstrap, as in the paper (section 5).
REPLICATES = 1000
#: Two distances whose relative difference is below this are a tie: rounding, not nearness.
TIE_TOLERANCE = 1e-12

Pairs = Literal["all", "own", "distinct"]
PAIRS: tuple[Pairs, ...] = ("all", "own", "distinct")


def validate(distances: Matrix) -> None:
    """Check that a matrix can carry a verdict.

    Raises
    ------
    DistanceError
        If it is not square.
    TooFewClipsError
        If it has fewer than two clips.
    """
    if distances.ndim != 2 or distances.shape[0] != distances.shape[1]:
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

    Attributes
    ----------
    own : float64[k]
        Distance to the own original.
    neighbour : int[k]
        Nearest *other* original, the first of them where several are equally near. NaN counts as
        infinitely far.
    nearest : float64[k]
        Distance to it.
    non_finite : bool[k]
        Whether any of the distances is not finite.
    """

    own: Matrix
    neighbour: npt.NDArray[np.intp]
    nearest: Matrix
    non_finite: Flags

    @property
    def margins(self) -> Matrix:
        """By how much the own original is nearer than the nearest other, float64[k]."""
        with np.errstate(invalid="ignore"):  # inf - inf, which is an error of the exemplar anyway
            return np.asarray(self.nearest - self.own, dtype=np.float64)

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


def exemplars(distances: Matrix, own: npt.NDArray[np.intp] | None = None) -> Exemplars:
    """Look up every transformed clip's own original and its nearest other one.

    Parameters
    ----------
    distances : float64[k, n]
        Of k transformed clips to all n originals.
    own : int[k], optional
        Column of each clip's own original; the diagonal of a square matrix where omitted.

    Returns
    -------
    Exemplars
    """
    if own is None:
        validate(distances)
        own = np.arange(len(distances))
    _validate_originals(distances.shape[1])
    rows = np.arange(len(distances))
    others = np.where(np.isnan(distances), np.inf, distances)
    others[rows, own] = np.inf
    neighbour = np.argmin(others, axis=1)
    # Where every other distance is infinite, argmin may have picked the own original.
    neighbour = np.where(neighbour == own, (own + 1) % distances.shape[1], neighbour)
    return Exemplars(
        own=distances[rows, own],
        neighbour=neighbour,
        nearest=others[rows, neighbour],
        non_finite=np.asarray(~np.isfinite(distances).all(axis=1)),
    )


def within_consistency(distances: Matrix) -> float:
    """Return C_W (paper eq. 10): the share of transformed clips whose own original is nearest."""
    return float(np.mean(~exemplars(distances).errors))


def agreements(audio: Matrix, latent: Matrix) -> Flags:
    """Tell for which clips both spaces make the same exemplar error or none, bool[n].

    Their mean is C_acc (paper eq. 12).
    """
    _validate_pair(audio, latent)
    return np.asarray(exemplars(audio).errors == exemplars(latent).errors)


def rank_agreement(audio: Matrix, latent: Matrix, *, pairs: Pairs = "all") -> float:
    """Return C_rho (paper eq. 11): Spearman's rho between the distances of both spaces.

    Parameters
    ----------
    audio, latent : float64[n, n]
    pairs : {"all", "own", "distinct"}
        Which distances are compared: all n x n (the authors' code), only those of transformed
        clips to their own originals (n), or all but those (n x n - n), which on untransformed
        clips is the paper's Fig. 13.

    Returns
    -------
    float

    Raises
    ------
    UndefinedMeasureError
        If the distances of a space are all equal, or not finite.
    """
    weights = np.ones(len(audio), dtype=np.float64)
    ranking = _Ranking(audio, latent, pairs)
    return ranking.correlation(weights)


def rank_agreement_replicates(
    audio: Matrix,
    latent: Matrix,
    groups: Sequence[str],
    *,
    pairs: Pairs = "all",
    rng: np.random.Generator,
    replicates: int = REPLICATES,
) -> Matrix:
    """Return bootstrap replicates of C_rho, drawn over groups of clips.

    Pairs share clips, so whole clips are drawn, each in its rows and its columns; clips of a group
    are drawn together.

    Parameters
    ----------
    audio, latent : float64[n, n]
    groups : sequence of str
        One per clip.
    pairs : {"all", "own", "distinct"}
    rng : Generator
    replicates : int

    Returns
    -------
    float64[replicates]
        NaN for a replicate in which the distances of a space are all equal.
    """
    ranking = _Ranking(audio, latent, pairs)
    values = np.empty(replicates)
    for i in range(replicates):
        try:
            values[i] = ranking.correlation(_drawn(groups, rng))
        except UndefinedMeasureError:
            values[i] = np.nan
    return values


def proportion_replicates(
    outcomes: Flags,
    groups: Sequence[str],
    *,
    rng: np.random.Generator,
    replicates: int = REPLICATES,
) -> Matrix:
    """Return bootstrap replicates of a proportion, drawn over groups of clips.

    Parameters
    ----------
    outcomes : bool[n]
    groups : sequence of str
    rng : Generator
    replicates : int

    Returns
    -------
    float64[replicates]
    """
    values = np.empty(replicates)
    for i in range(replicates):
        weights = _drawn(groups, rng)
        values[i] = weights @ outcomes / weights.sum()
    return values


def percentile_interval(replicates: Matrix) -> tuple[float, float]:
    """Return the 95 % percentile interval of bootstrap replicates, NaN among them left out.

    Raises
    ------
    UndefinedMeasureError
        If no replicate has a value.
    """
    defined = replicates[np.isfinite(replicates)]
    if len(defined) == 0:
        raise UndefinedMeasureError("no bootstrap replicate has a value; there are too few clips")
    tail = (1.0 - CONFIDENCE) / 2.0
    low, high = np.quantile(defined, [tail, 1.0 - tail])
    return float(low), float(high)


def wilson_interval(successes: int, n: int) -> tuple[float, float]:
    """Return the 95 % score interval of a proportion (Wilson 1927).

    Parameters
    ----------
    successes, n : int

    Returns
    -------
    low, high : float
        Never of zero width, unlike a bootstrap of clips that all pass.
    """
    from scipy.special import ndtri

    z = float(ndtri(0.5 + CONFIDENCE / 2.0))
    share = successes / n
    centre = share + z * z / (2 * n)
    half = z * math.sqrt(share * (1.0 - share) / n + z * z / (4 * n * n))
    low, high = (centre - half) / (1 + z * z / n), (centre + half) / (1 + z * z / n)
    return (0.0 if successes == 0 else low), (1.0 if successes == n else high)


def clips_to_decide(share: float, minimum: float, *, limit: int = 1_000_000) -> int | None:
    """Return how many clips would put `minimum` outside the Wilson interval at this share.

    Parameters
    ----------
    share, minimum : float
    limit : int
        Give up here.

    Returns
    -------
    int or None
        None where no number below `limit` would do, as when both are equal.
    """

    def decides(n: int) -> bool:
        low, high = wilson_interval(round(share * n), n)
        return low >= minimum or high < minimum

    if share == minimum or not decides(limit):
        return None
    low, high = 1, limit
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if decides(middle) else (middle, high)
    return high


class _Ranking:
    """Both spaces' distances in sorted order, so that a weighted rho costs no sorting.

    Drawing a clip w times is to give each of its pairs that weight: ranks with ties are then
    cumulated weights, which is exactly Spearman's rho of the resampled matrix.
    """

    def __init__(self, audio: Matrix, latent: Matrix, pairs: Pairs) -> None:
        _validate_pair(audio, latent)
        if pairs not in PAIRS:
            raise DistanceError(f"pairs must be one of {', '.join(PAIRS)}, not {pairs!r}")
        n = len(audio)
        if pairs == "own":
            self._rows = self._columns = np.arange(n)
        else:
            keep = np.ones((n, n), dtype=bool) if pairs == "all" else ~np.eye(n, dtype=bool)
            self._rows, self._columns = np.nonzero(keep)
        self._own = pairs == "own"
        self._spaces = []
        for name, distances in (("audio", audio), ("latent", latent)):
            values = distances[self._rows, self._columns]
            if not np.isfinite(values).all():
                raise UndefinedMeasureError(
                    f"rho is undefined: {int((~np.isfinite(values)).sum())} of {values.size}"
                    f" {name} distances are not finite"
                )
            if values.min() == values.max():
                raise UndefinedMeasureError(
                    f"rho is undefined: all {values.size} {name} distances are equal"
                    f" ({values.min():g})"
                )
            _, level = np.unique(values, return_inverse=True)
            self._spaces.append((level, int(level.max()) + 1))

    def correlation(self, clip_weights: Matrix) -> float:
        """Return Spearman's rho where clip i counts ``clip_weights[i]`` times."""
        if self._own:
            weights = clip_weights
        else:
            weights = clip_weights[self._rows] * clip_weights[self._columns]
        ranks = []
        for level, levels in self._spaces:
            counts = np.bincount(level, weights=weights, minlength=levels)
            middle = np.cumsum(counts) - 0.5 * counts
            ranks.append(middle[level])
        total = weights.sum()
        x, y = (rank - (weights @ rank) / total for rank in ranks)
        variance = float((weights @ (x * x)) * (weights @ (y * y)))
        if not variance > 0.0:
            raise UndefinedMeasureError("rho is undefined: all distances drawn are equal")
        return float((weights @ (x * y)) / math.sqrt(variance))


def _validate_pair(audio: Matrix, latent: Matrix) -> None:
    validate(audio)
    validate(latent)
    if audio.shape != latent.shape:
        raise DistanceError(
            f"audio and latent distances are of different clips: {audio.shape}, {latent.shape}"
        )


def _drawn(groups: Sequence[str], rng: np.random.Generator) -> npt.NDArray[Any]:
    """Return how often each clip is drawn when its groups are drawn with replacement."""
    _, member = np.unique(np.asarray(groups), return_inverse=True)
    count = int(member.max()) + 1
    drawn = np.bincount(rng.integers(count, size=count), minlength=count)
    return drawn[member].astype(np.float64)

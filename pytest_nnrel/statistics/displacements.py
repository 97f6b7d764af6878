"""What displacements of embeddings say of severity, and whether clips move alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_nnrel.errors import TooFewClipsError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from pytest_nnrel.statistics.consistency import Flags, Matrix

    Floats = npt.NDArray[np.floating[Any]]

#: Folds of the cross-validation, over clips or groups.
FOLDS = 5
#: Permutations of severities, and as many choices of the groups that they are turned round in.
PERMUTATIONS = 199
#: Penalties that ridge regression chooses from, as shares of the sum of all squares: from next to
#: nothing to what tells nothing but the mean.
_PENALTIES = 10.0 ** np.arange(-7, 2)
#: The one where too few folds are left to choose by.
_UNCHOSEN = 4


@dataclass(frozen=True)
class Predicted:
    """How well severity is told from displacements of clips that were not learnt from.

    Attributes
    ----------
    r2 : float64[n]
        Share of the variance of severity that is told, of each clip; below 0 where the mean
        severity would tell more.
    p : float
        How often severities that are permuted within groups are told as well, or better, or such
        as are turned round in half of the groups, whichever is more often.
    """

    r2: Matrix
    p: float


def predict_severity(
    displacements: Floats,
    severities: Sequence[float],
    groups: Sequence[str],
    rng: np.random.Generator,
) -> Predicted:
    """Tell signed severities from displacements by ridge regression, cross-validated over groups.

    Groups are cut into folds. Of each, all clips at all severities are told by a regression on the
    clips of the others (Hoerl and Kennard 1970), whose penalty is the one that is best among those,
    told fold by fold too. The same is done of severities that are permuted, alike for all clips of
    a group: what says nothing of severity does not tell them apart. And of severities whose sign is
    turned in groups at random: where each clip moves its own way, they are told as well, though the
    order of a clip's own ones is plain from its displacements.

    Parameters
    ----------
    displacements : float[rungs, n, d]
        Of each clip at each severity, from its original.
    severities : sequence of float
        One per rung, two or more.
    groups : sequence of str
        One per clip.
    rng : numpy.random.Generator
        Of folds and permutations.

    Returns
    -------
    Predicted
        Of 0, with p 1, where nothing moves.

    Raises
    ------
    TooFewClipsError
        If there are fewer than two groups.
    """
    member, count = _members(groups)
    if not displacements.any():
        return Predicted(np.zeros(len(member)), 1.0)
    wanted = _standardised(severities)
    in_order = np.tile(np.arange(len(wanted)), (count, 1))
    permuted = [wanted[rng.permuted(in_order, axis=1)] for _ in range(PERMUTATIONS)]
    fold_of = _folds(member, count, rng)
    signs = rng.choice((-1.0, 1.0), (PERMUTATIONS, count, 1))
    of_groups = [wanted[in_order], *permuted, *(signs * wanted)]
    # [n, rungs, 1 + permutations + signs]: all of a clip are neighbours in what follows
    targets = np.stack([one[member] for one in of_groups], axis=2)
    r2 = _r2_of_others(displacements, targets, fold_of)
    means = r2.mean(axis=0)
    # All signs turned are told exactly as none, up to rounding.
    as_good = means[1:].reshape(2, PERMUTATIONS) >= means[0] - 1e-9
    return Predicted(r2[:, 0], (1 + int(as_good.sum(axis=1).max())) / (1 + PERMUTATIONS))


def told_by_others(
    displacements: Floats,
    severities: Sequence[float],
    groups: Sequence[str],
    rng: np.random.Generator,
) -> Matrix:
    """Tell signed severities as `predict_severity` does, without asking whether it is by chance.

    Parameters
    ----------
    displacements, severities, groups, rng
        As there.

    Returns
    -------
    float64[n]
        R2 of each clip.

    Raises
    ------
    TooFewClipsError
        If there are fewer than two groups.
    """
    member, count = _members(groups)
    if not displacements.any():
        return np.zeros(len(member))
    targets = np.broadcast_to(
        _standardised(severities)[None, :, None], (len(member), len(severities), 1)
    )
    return _r2_of_others(displacements, targets, _folds(member, count, rng))[:, 0]


def effective_dimension(displacements: Floats) -> float:
    """Return how many directions clips are displaced in: the participation ratio of their squares.

    Parameters
    ----------
    displacements : float[rungs, n, d]

    Returns
    -------
    float
        1 where all move along one line, d where all directions have the same share, 0 where
        nothing moves.
    """
    rows = displacements.reshape(-1, displacements.shape[2]).astype(np.float64)
    squares = np.linalg.svd(rows, compute_uv=False) ** 2
    total = float(squares.sum())
    return total**2 / float((squares**2).sum()) if total else 0.0


def _members(groups: Sequence[str]) -> tuple[npt.NDArray[np.intp], int]:
    """Return the group of each clip as a number, and how many groups there are."""
    _, member = np.unique(np.asarray(groups), return_inverse=True)
    count = int(member.max()) + 1
    if count < 2:
        raise TooFewClipsError(
            f"severity is told of tracks that were not learnt from, and {len(member)} clips are of"
            f" {count} group; add clips of others"
        )
    return member, count


def _standardised(severities: Sequence[float]) -> Matrix:
    wanted = np.asarray(severities, dtype=np.float64)
    return np.asarray((wanted - wanted.mean()) / wanted.std())


def _folds(
    member: npt.NDArray[np.intp], count: int, rng: np.random.Generator
) -> npt.NDArray[np.intp]:
    """Return the fold of each clip: groups are of one."""
    return np.asarray((rng.permutation(count) % min(FOLDS, count))[member])


def _r2_of_others(displacements: Floats, targets: Matrix, fold_of: npt.NDArray[np.intp]) -> Matrix:
    """Return R2 of each clip and target, float64[n, t], by regressions on clips of other folds."""
    moved = np.swapaxes(displacements, 0, 1).astype(np.float64)
    folds = int(fold_of.max()) + 1
    errors = np.empty((len(fold_of), targets.shape[2]))
    for fold in range(folds):
        held = fold_of == fold
        inner = [other for other in range(folds) if other != fold and folds > 2]
        missed = np.zeros((len(_PENALTIES), targets.shape[2]))
        for other in inner:
            learnt = ~held & (fold_of != other)
            missed += _missed(moved, targets, learnt, fold_of == other).sum(axis=1)
        best = missed.argmin(axis=0) if inner else np.full(targets.shape[2], _UNCHOSEN)
        of_penalties = _missed(moved, targets, ~held, held)
        errors[held] = of_penalties[best, :, np.arange(len(best))].T
    return np.asarray(1.0 - errors)


def _missed(moved: Matrix, targets: Matrix, learnt: Flags, told: Flags) -> Matrix:
    """Return the mean squared error of each penalty, clip and target, from a regression on others.

    Parameters
    ----------
    moved : float64[n, rungs, d]
    targets : float64[n, rungs, t]
        Of mean 0 in each clip, so that they need no constant.
    learnt, told : bool[n]
        Clips that are learnt from, and told.

    Returns
    -------
    float64[penalties, k, t]
        Of the k clips that are told.
    """
    known, wanted = (values[learnt].reshape(-1, values.shape[2]) for values in (moved, targets))
    asked = moved[told].reshape(-1, moved.shape[2])
    centre = known.mean(axis=0)
    left, spreads, right = np.linalg.svd(known - centre, full_matrices=False)
    projected, turned = left.T @ wanted, (asked - centre) @ right.T
    squares = spreads**2
    total = float(squares.sum())
    missed = []
    for penalty in _PENALTIES:
        with np.errstate(divide="ignore", invalid="ignore"):
            shrunk = np.where(squares > 0.0, spreads / (squares + penalty * total), 0.0)
        told_of = (turned * shrunk) @ projected
        of_rungs = (told_of.reshape(targets[told].shape) - targets[told]) ** 2
        missed.append(of_rungs.mean(axis=1))
    return np.stack(missed)


def shared_displacement(displacements: Floats, groups: Sequence[str]) -> Matrix:
    """Return which share of its displacement a clip has in common with the clips of other groups.

    At each rung the displacement of a clip is told by the mean of those of the other groups, and
    the squared error is taken from the mean square of all clips there.

    Parameters
    ----------
    displacements : float[rungs, n, d]
        Of each clip at each severity, from its original.
    groups : sequence of str
        One per clip.

    Returns
    -------
    float64[n]
        Of each clip, the mean over rungs; their mean is 1 where all clips move alike, and
        `shared_by_chance` where they move in directions that have nothing in common. Rungs at which
        nothing moves count 0.

    Raises
    ------
    TooFewClipsError
        If there are fewer than two groups.
    """
    _, member, clips = np.unique(np.asarray(groups), return_inverse=True, return_counts=True)
    n = len(member)
    if len(clips) < 2:
        raise TooFewClipsError(
            f"a clip is told by those of other groups, and all {n} are of one; add clips of others"
        )
    shares = []
    for rung in displacements.astype(np.float64):
        of_groups = np.zeros((len(clips), rung.shape[1]))
        np.add.at(of_groups, member, rung)
        others = (rung.sum(axis=0) - of_groups[member]) / (n - clips[member])[:, None]
        size = float(np.mean(np.sum(rung**2, axis=1)))
        left = np.sum((rung - others) ** 2, axis=1)
        own = np.sum(rung**2, axis=1)
        shares.append((own - left) / size if size else np.zeros(n))
    return np.asarray(np.mean(shares, axis=0))


def shared_by_chance(groups: Sequence[str]) -> float:
    """Return what `shared_displacement` is on average where clips move with nothing in common.

    The mean of m displacements of independent directions is 1 / m as large as one, squared, and of
    no use to another.
    """
    _, member, clips = np.unique(np.asarray(groups), return_inverse=True, return_counts=True)
    return -float(np.mean(1.0 / (len(member) - clips[member])))

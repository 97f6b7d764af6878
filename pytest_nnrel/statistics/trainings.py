"""Whether a recipe got worse: new trainings against those before, on the same clips.

Conventions
-----------
Outcomes are bool[trainings, conditions, n]: whether the own original is nearest, of the same clips
in the same order in all trainings. What is compared is C_W, the mean of outcomes over clips, and
*mean* C_W, its mean over conditions. A drop is positive where the new trainings are worse. Tests
are one-sided at 5 %: only getting worse counts. So intervals are two one-sided bounds of 95 %, an
interval of 90 %: its lower end is above 0 just where the test finds a loss, and its upper end is
what drop cannot be excluded where it finds none.

Which variance counts
---------------------
The question is whether the recipe has another expected C_W, on these clips, than it had. The clips
are the same before and after, so that how hard they are cancels, and their sampling has no place in
the error of a drop. What remains is what a training's seed does: to all clips together, to a
condition, to a clip. All of it is in the variance of C_W between trainings, which judges a drop.

Few trainings tell little of it: of three, the variance has two degrees of freedom. So it is shrunk
(a moderated t, Smyth 2004) towards what is known of it otherwise: the variance that C_W would have
if clips, or groups of them, flipped on their own. That is seen in the same trainings, at many more
degrees of freedom. Seeds do more than that, as what is good for one clip is good for others: how
many times more was taken from recipes that were trained many times (``data/trainings.json``).
All conditions count alike: weights find no more (``benchmarks/README.md``).
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from pytest_nnrel.errors import BaselineError
from pytest_nnrel.statistics.comparison import SIGNIFICANCE, holm

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from pytest_nnrel.statistics.consistency import Flags, Matrix

Verdict: TypeAlias = Literal["worse", "no worse", "undecided"]

#: Level, after Holm, at which a condition makes a recipe worse whatever the others did.
DECISIVE = 0.01
#: Trainings before that a verdict takes: one alone says nothing of what seeds do.
FEWEST = 2


@dataclass(frozen=True)
class Prior:
    """What reference recipes tell of the variance between trainings.

    Attributes
    ----------
    ratio : float
        Variance of C_W between trainings, in units of what it would be if clips flipped on their
        own.
    degrees : float
        Degrees of freedom that this is worth.
    """

    ratio: float
    degrees: float


@dataclass(frozen=True)
class Reference:
    """What is known of trainings of other recipes.

    Attributes
    ----------
    mean, condition : Prior
        Of mean C_W over conditions, and of C_W in one.
    spread : float
        Standard deviation of mean C_W between trainings of the reference encoders, over all four.
    degrees : float
        Degrees of freedom of `spread`.
    largest_drop : float
        Largest difference of mean C_W between two trainings of one of them.
    """

    mean: Prior
    condition: Prior
    spread: float
    degrees: float
    largest_drop: float


@lru_cache(maxsize=1)
def reference() -> Reference:
    """Return what comes with the package; its file tells where the figures are from."""
    path = resources.files("pytest_nnrel") / "data" / "trainings.json"
    plain = json.loads(path.read_text(encoding="utf-8"))
    encoders = plain["reference_encoders"]
    return Reference(
        Prior(**plain["prior"]["mean"]),
        Prior(**plain["prior"]["condition"]),
        encoders["spread"],
        encoders["degrees"],
        encoders["largest_drop"],
    )


@dataclass(frozen=True)
class ConditionComparison:
    """What became of C_W in one condition.

    Attributes
    ----------
    before, after : float
        Means over trainings.
    drop : float
    interval : (float, float)
        Of the drop at 90 %, one-sided at 95 % each: 0 or above where `p` is significant on its own.
    p : float
        One-sided.
    adjusted : float
        `p` after Holm's correction for all conditions, which decides.
    smallest_drop : float
        From which on `p` is significant on its own.
    """

    before: float
    after: float
    drop: float
    interval: tuple[float, float]
    p: float
    adjusted: float
    smallest_drop: float

    @property
    def worse(self) -> bool:
        """Whether this condition on its own is significantly worse."""
        return self.adjusted <= SIGNIFICANCE

    @property
    def decisive(self) -> bool:
        """Whether the recipe is worse by this condition alone."""
        return self.adjusted <= DECISIVE


@dataclass(frozen=True)
class TrainingComparison:
    """New trainings of a recipe against those before.

    Attributes
    ----------
    p : float
        One-sided, of mean C_W over the conditions. With one training before, by the spread of the
        reference encoders, as `interval` is; neither decides then.
    drop : float
        Of mean C_W.
    interval : (float, float)
        Of the drop between the recipes at 90 %, one-sided at 95 % each: with several trainings
        before, it excludes 0 from below just where they are `worse_on_average`.
    smallest_drop : float
        Smallest drop of mean C_W that so many trainings can show: from which on it is "worse".
    spread : float
        Standard deviation of mean C_W between trainings, as estimated.
    before, after : int
        Trainings.
    conditions : tuple of ConditionComparison
        In the order of the outcomes.
    """

    p: float
    drop: float
    interval: tuple[float, float]
    smallest_drop: float
    spread: float
    before: int
    after: int
    conditions: tuple[ConditionComparison, ...]

    @property
    def verdict(self) -> Verdict:
        """``"worse"`` by mean C_W (5 %), or by a condition alone (1 %, after Holm).

        ``"undecided"`` where one training before is all there is, and there is no such drop.
        """
        several = self.before >= FEWEST
        if self.worse_on_average or (several and any(one.decisive for one in self.conditions)):
            return "worse"
        return "no worse" if several else "undecided"

    @property
    def worse_on_average(self) -> bool:
        """Whether they are worse by mean C_W over the conditions."""
        return self.drop > self.smallest_drop if self.before < FEWEST else self.p <= SIGNIFICANCE


def compare_trainings(
    before: Flags, after: Flags, groups: Sequence[str] | None = None
) -> TrainingComparison:
    """Tell whether a recipe got worse, from outcomes of trainings before and after.

    Parameters
    ----------
    before : bool[k, conditions, n]
        Outcomes of trainings of the recipe as it was.
    after : bool[conditions, n] or bool[m, conditions, n]
        Of one training, or several, of the recipe as it is, on the same clips and conditions.
    groups : sequence of str, optional
        One per clip: clips of a group, such as a track, flip together. Each its own where omitted.

    Returns
    -------
    TrainingComparison

    Raises
    ------
    BaselineError
        If the outcomes are not boolean, of other shapes than these, or of different conditions or
        clips; if a training is there twice, by its outcomes; if groups are not one per clip, or all
        clips are of one.
    """
    was, now = _validated(before, after)
    member = _members(groups, was.shape[2])
    known = reference()
    conditions = Drops.of(was, now, member, known.condition).conditions()
    if len(was) < FEWEST:
        overall = Drops.of_reference(was.mean(axis=(1, 2)), now.mean(axis=(1, 2)), known)
        smallest = known.largest_drop
    else:
        overall = Drops.of_mean(was, now, member, known.mean)
        smallest = float(overall.smallest)
    low, high = overall.interval
    return TrainingComparison(
        p=float(overall.p),
        drop=float(overall.drop),
        interval=(float(low), float(high)),
        smallest_drop=smallest,
        spread=math.sqrt(overall.variance),
        before=len(was),
        after=len(now),
        conditions=conditions,
    )


def _validated(before: Flags, after: Flags) -> tuple[Flags, Flags]:
    """Return outcomes as bool[k, conditions, n] and bool[m, conditions, n]."""
    for name, outcomes in (("before", before), ("after", after)):
        if not isinstance(outcomes, np.ndarray) or outcomes.dtype != np.bool_:
            found = getattr(outcomes, "dtype", type(outcomes).__name__)
            raise BaselineError(
                f"{name} takes outcomes, a numpy array of bool that is True where the own original"
                f" is nearest, not {found}; a distance that is NaN is an outcome that is False"
            )
    if before.ndim != 3 or after.ndim not in (2, 3):
        raise BaselineError(
            "expected outcomes before of shape (trainings, conditions, clips), and after of that or"
            f" (conditions, clips), not {before.shape} and {after.shape}"
        )
    after = after[None] if after.ndim == 2 else after
    if before.shape[1:] != after.shape[1:]:
        raise BaselineError(
            f"before are outcomes in {before.shape[1]} conditions of {before.shape[2]} clips, after"
            f" in {after.shape[1]} of {after.shape[2]}: of other grids or corpora; measure all"
            " trainings in the same conditions on the same clips"
        )
    if 0 in before.shape or 0 in after.shape or before.shape[2] < 2:
        raise BaselineError(
            f"outcomes of {before.shape} and {after.shape} (trainings, conditions, clips) tell"
            " nothing; it takes a training on each side, a condition and two clips"
        )
    _refuse_twins(before, after)
    return before, after


def _refuse_twins(before: Flags, after: Flags) -> None:
    """Refuse a training that is there twice: it would pass for one that varies little."""
    seen: dict[bytes, str] = {}
    for name, outcomes in (("before", before), ("after", after)):
        for number, training in enumerate(outcomes):
            here = f"{name}[{number}]"
            first = seen.setdefault(np.packbits(training).tobytes(), here)
            if first != here:
                raise BaselineError(
                    f"{first} and {here} have the same outcomes: they are one training, or training"
                    " is deterministic and says nothing of what seeds do, or the conditions are too"
                    " easy to tell trainings apart; give each training once, train with other"
                    " seeds, or measure graver transformations"
                )


def _members(groups: Sequence[str] | None, n: int) -> npt.NDArray[np.intp]:
    """Return the number of each clip's group, int[n]."""
    if groups is None:
        return np.arange(n)
    if len(groups) != n:
        raise BaselineError(f"{len(groups)} groups of {n} clips; give one for each clip")
    names, member = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    if len(names) < 2:
        raise BaselineError(
            f"all {n} clips are of one group, {str(names[0])!r}: they may all move together, and"
            " tell as much as one clip; measure clips of several tracks"
        )
    return member


def _variance(before: Matrix, after: Matrix) -> Matrix:
    """Return variances between trainings of one side, pooled; over the first axis.

    Of two trainings there is but that between the sides.
    """
    alone = len(before) + len(after) == 2
    sides = [np.concatenate([before, after])] if alone else [before, after]
    squares = sum(np.sum((side - side.mean(axis=0)) ** 2, axis=0) for side in sides)
    return np.asarray(squares / sum(len(side) - 1 for side in sides))


def _flip_variance(before: Matrix, after: Matrix, member: npt.NDArray[np.intp]) -> Matrix:
    """Return the variance of C_W if groups of clips flipped on their own, float64[...].

    Of outcomes, or their means over conditions, float64[trainings, ..., n].
    """
    flips = _variance(*(_of_groups(side, member) for side in (before, after)))
    return np.asarray(flips.sum(axis=-1) / before.shape[-1] ** 2)


def variance_ratio(outcomes: Flags, of: Literal["mean", "condition"]) -> float:
    """Return what a `Prior` is made of: the variance between trainings, in its units.

    Parameters
    ----------
    outcomes : bool[trainings, conditions, n]
        Of many trainings of one recipe.
    of : {"mean", "condition"}
        Of mean C_W over conditions, or of C_W in conditions, over all of them.
    """
    found = outcomes.mean(axis=1) if of == "mean" else outcomes.astype(float)
    unit = _flip_variance(found, found[:1], np.arange(outcomes.shape[2]))
    return float(found.mean(axis=-1).var(axis=0, ddof=1).sum() / unit.sum())


def _of_groups(outcomes: Matrix, member: npt.NDArray[np.intp]) -> Matrix:
    """Return sums over the clips of each group, float64[..., groups], of float64[..., n]."""
    order = np.argsort(member, kind="stable")
    starts = np.searchsorted(member[order], np.arange(int(member.max()) + 1))
    return np.asarray(np.add.reduceat(outcomes[..., order], starts, axis=-1))


@dataclass(frozen=True)
class Drops:
    """Drops of one mean or several, and what they are judged by.

    Attributes
    ----------
    before, after : float64[...]
        Means over trainings.
    variance : float64[...]
        Between trainings.
    error : float64[...]
        Standard errors of the drops.
    degrees : float
        Of freedom, of the variance.
    """

    before: Matrix
    after: Matrix
    variance: Matrix
    error: Matrix
    degrees: float

    @classmethod
    def of(cls, before: Flags, after: Flags, member: npt.NDArray[np.intp], prior: Prior) -> Drops:
        """Return drops in each condition.

        Parameters
        ----------
        before, after : bool[k, conditions, n], bool[m, conditions, n]
        member : int[n]
            Group of each clip.
        prior : Prior
        """
        was, now = before.astype(float), after.astype(float)
        # A training moves a condition by a clip at least, seen or not.
        unit = np.maximum(_flip_variance(was, now, member), before.shape[2] ** -2.0)
        return cls._shrunk(was.mean(axis=2), now.mean(axis=2), unit, prior)

    @classmethod
    def of_mean(
        cls, before: Flags, after: Flags, member: npt.NDArray[np.intp], prior: Prior
    ) -> Drops:
        """Return the drop of the mean over conditions, see `of`."""
        was, now = before.mean(axis=1), after.mean(axis=1)
        # By an outcome at least: flips in one clip, or group, may cancel each other.
        least = float(before[0].size) ** -2
        unit = np.maximum(_flip_variance(was, now, member), least)
        return cls._shrunk(was.mean(axis=1), now.mean(axis=1), unit, prior)

    @classmethod
    def _shrunk(cls, before: Matrix, after: Matrix, unit: Matrix, prior: Prior) -> Drops:
        """Return drops from [k, ...] to [m, ...], their variance shrunk towards the prior's."""
        own = len(before) + len(after) - 2
        squares = sum(np.sum((side - side.mean(axis=0)) ** 2, axis=0) for side in (before, after))
        degrees = prior.degrees + own
        variance = (prior.degrees * prior.ratio * unit + squares) / degrees
        error = np.sqrt(variance * (1 / len(before) + 1 / len(after)))
        return cls(before.mean(axis=0), after.mean(axis=0), variance, error, degrees)

    @classmethod
    def of_reference(cls, before: Matrix, after: Matrix, known: Reference) -> Drops:
        """Return the drop, judged by what seeds do to the reference encoders."""
        variance = np.asarray(known.spread**2)
        error = np.sqrt(variance * (1 / len(before) + 1 / len(after)))
        return cls(before.mean(axis=0), after.mean(axis=0), variance, error, known.degrees)

    @property
    def drop(self) -> Matrix:
        return np.asarray(self.before - self.after)

    @property
    def p(self) -> Matrix:
        """One-sided."""
        from scipy.stats import t

        return np.asarray(t.sf(self.drop / self.error, self.degrees))

    @property
    def interval(self) -> tuple[Matrix, Matrix]:
        """Of one-sided bounds, each at the level of the test."""
        return self.drop - self.smallest, self.drop + self.smallest

    @property
    def smallest(self) -> Matrix:
        """Smallest drops that are significant."""
        from scipy.stats import t

        return np.asarray(t.isf(SIGNIFICANCE, self.degrees) * self.error)

    def conditions(self) -> tuple[ConditionComparison, ...]:
        """Return the drops as those of conditions that are tested together."""
        columns = (
            self.before, self.after, self.drop, *self.interval, self.p, holm(self.p.tolist()),
            self.smallest,
        )  # fmt: skip
        return tuple(
            ConditionComparison(before, after, drop, (low, high), p, adjusted, smallest)
            for before, after, drop, low, high, p, adjusted, smallest in zip(
                *(column.tolist() for column in columns)
            )
        )

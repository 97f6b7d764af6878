"""The additive model that the paper's analysis rests on (sections 5.1 to 5.3).

Value ~ factors and their interactions, plus a spline of the magnitude for every combination of the
factors' levels. The splines are natural cubic ones of fixed degrees of freedom, fitted by least
squares: unlike a penalised smooth they leave F tests exact, and their size follows from the number
of conditions alone. Each is centred over the conditions of its combination, so that the factors
keep the means over them.
"""

from __future__ import annotations

import itertools
import math
import sys
from collections import defaultdict
from dataclasses import dataclass
from functools import lru_cache
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Any

import numpy as np
import statsmodels.api as sm  # type: ignore[import-untyped, unused-ignore]
from patsy import build_design_matrices, dmatrix  # type: ignore[import-untyped, unused-ignore]
from scipy.interpolate import CubicSpline
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped, unused-ignore]

from reference_models.errors import ReproductionError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

#: Most degrees of freedom of a spline. The paper's residual degrees of freedom leave 6 for each on
#: average (1974 values, 25 combinations, 1793 of residual: section 5.2).
SPLINE_DF = 6
#: Least variance that is more than rounding, in units of the values' mean square.
_ROUNDING = 1e-20


@dataclass(frozen=True)
class Observation:
    """A value under one condition.

    Attributes
    ----------
    levels : tuple of str
        One of each factor, in their order.
    trial : int
    magnitude : float
        On any axis that is the same for all observations of a combination.
    value : float
    """

    levels: tuple[str, ...]
    trial: int
    magnitude: float
    value: float


@dataclass(frozen=True)
class Estimate:
    """An estimated marginal mean, or a difference of two.

    Attributes
    ----------
    levels : tuple of str
        What it is the mean of.
    mean : float
    error : float
        Its standard error, from the model's residuals (see `GAM.error_term`).
    low, high : float
        95 % confidence interval, by Student's t on the residual degrees of freedom.
    trials : int
        Trainings with all the conditions.
    trial_error : float or None
        Standard error of the mean over trials as a sample of trainings, from their own means
        alone; None with less than two.
    """

    levels: tuple[str, ...]
    mean: float
    error: float
    low: float
    high: float
    trials: int
    trial_error: float | None


@dataclass(frozen=True)
class Effect:
    """A row of the analysis of variance.

    Attributes
    ----------
    term : str
        A factor, or factors joined by colons.
    f : float
    df, df_error : int
    p : float
        Where it is too small for a float, the smallest that is not 0.
    """

    term: str
    f: float
    df: int
    df_error: int
    p: float


class GAM:
    """A fitted model. See `fit`.

    Attributes
    ----------
    levels : dict of str to tuple of str
        By factor.
    r_squared : float
    df_error : int
        Residual degrees of freedom.
    """

    def __init__(
        self, observations: Sequence[Observation], factors: Sequence[str], *, what: str
    ) -> None:
        self.levels = {
            factor: tuple(dict.fromkeys(o.levels[position] for o in observations))
            for position, factor in enumerate(factors)
        }
        self._cells = _cells(observations, self.levels, what)
        self._observations = observations
        self._parametric = dmatrix(
            _formula(self.levels), self._columns([o.levels for o in observations])
        )
        (reference,) = build_design_matrices(
            [self._parametric.design_info], self._columns(list(self._cells))
        )
        self._reference = dict(zip(self._cells, np.asarray(reference)))
        design = np.hstack([self._parametric, _splines(observations, self._cells.values())])
        values = np.array([o.value for o in observations])
        if len(values) <= design.shape[1]:
            raise ReproductionError(
                f"{what}: {len(values)} values are too few for a model of {design.shape[1]}"
                " parameters; measure more magnitudes"
            )
        # The matrices are small: threads bring nothing, and on a busy machine they wait in vain.
        with threadpool_limits(1, user_api="blas"):
            self._fit: Any = sm.OLS(values, design).fit(method="qr")
        if self._fit.mse_resid <= _ROUNDING * np.mean(values**2):
            raise ReproductionError(
                f"{what}: the values do not scatter, so that nothing can be tested; measure more"
                " clips or magnitudes"
            )
        self.r_squared = float(self._fit.rsquared)
        self.df_error = int(self._fit.df_resid)

    @property
    def error_term(self) -> str:
        """What the residuals are made of, in a sentence."""
        counts = sorted({len(self._trial_means([cell])) for cell in self._cells})
        scatter = "the scatter of conditions about their curves"
        if counts == [1]:
            return (
                f"The error is {scatter}, of one training of each encoder: it says nothing of how"
                " another training would come out."
            )
        number = " to ".join(str(count) for count in dict.fromkeys((counts[0], counts[-1])))
        return (
            f"The error pools {scatter} and the differences between trainings ({number} of an"
            " encoder), as if values of one training were independent, which the paper does too;"
            " the error over trainings alone stands beside it."
        )

    def effects(self) -> list[Effect]:
        """Return the analysis of variance on the marginal means (type III)."""
        found = []
        for term, columns in self._parametric.design_info.term_name_slices.items():
            if term == "Intercept":
                continue
            restriction = np.eye(len(self._fit.params))[columns]
            test = self._fit.f_test(restriction)
            name = term.replace("C(", "").replace(", Sum)", "")
            p = max(float(test.pvalue), sys.float_info.min)
            found.append(Effect(name, float(test.fvalue), len(restriction), self.df_error, p))
        return found

    def means(self, *factors: str) -> list[Estimate]:
        """Return the estimated marginal means of all combinations of some factors' levels.

        They are means over the conditions of each combination of all factors, and over these
        combinations, each weighing the same.
        """
        return [
            self.mean(**dict(zip(factors, levels)))
            for levels in itertools.product(*(self.levels[factor] for factor in factors))
        ]

    def mean(self, **fixed: str) -> Estimate:
        """Return the estimated marginal mean of one level of some factors.

        Raises
        ------
        ReproductionError
            If a factor has no such level here.
        """
        cells = self._within(fixed)
        means = self._trial_means(cells)
        error = stdev(means) / math.sqrt(len(means)) if len(means) > 1 else None
        return self._estimate(tuple(fixed.values()), self._weights(cells), len(means), error)

    def contrast(self, first: dict[str, str], second: dict[str, str]) -> Estimate:
        """Return the difference of two marginal means, the first less the second.

        Raises
        ------
        ReproductionError
            If a factor has no such level here.
        """
        upper, lower = self.mean(**first), self.mean(**second)
        weights = self._weights(self._within(first)) - self._weights(self._within(second))
        error = None
        if upper.trial_error is not None and lower.trial_error is not None:
            error = math.hypot(upper.trial_error, lower.trial_error)
        trials = min(upper.trials, lower.trials)
        return self._estimate((*upper.levels, *lower.levels), weights, trials, error)

    def _estimate(
        self,
        levels: tuple[str, ...],
        weights: NDArray[np.float64],
        trials: int,
        trial_error: float | None,
    ) -> Estimate:
        test = self._fit.t_test(weights)
        low, high = np.ravel(test.conf_int(alpha=0.05))
        return Estimate(
            levels,
            float(np.squeeze(test.effect)),
            float(np.squeeze(test.sd)),
            float(low),
            float(high),
            trials,
            trial_error,
        )

    def _within(self, fixed: dict[str, str]) -> list[tuple[str, ...]]:
        for factor, level in fixed.items():
            if level not in self.levels[factor]:
                raise ReproductionError(f"nothing was measured of {factor} {level!r}")
        return [
            cell
            for cell in self._cells
            if all(dict(zip(self.levels, cell))[factor] == fixed[factor] for factor in fixed)
        ]

    def _weights(self, cells: list[tuple[str, ...]]) -> NDArray[np.float64]:
        """Weights of the parameters in the mean of cells; the centred splines have none."""
        mean = np.mean([self._reference[cell] for cell in cells], axis=0)
        return np.pad(mean, (0, len(self._fit.params) - len(mean)))

    def _columns(self, rows: Sequence[tuple[str, ...]]) -> dict[str, list[str]]:
        return {factor: [row[i] for row in rows] for i, factor in enumerate(self.levels)}

    def _trial_means(self, cells: list[tuple[str, ...]]) -> list[float]:
        """Return the mean over cells of each trial that has them all."""
        means: defaultdict[int, list[float]] = defaultdict(list)
        for cell in cells:
            by_trial: defaultdict[int, list[float]] = defaultdict(list)
            for index in self._cells[cell]:
                observation = self._observations[index]
                by_trial[observation.trial].append(observation.value)
            for trial, values in by_trial.items():
                means[trial].append(fmean(values))
        return [fmean(own) for own in means.values() if len(own) == len(cells)]


def fit(observations: Iterable[Observation], factors: Sequence[str], *, what: str) -> GAM:
    """Fit the model, with the interactions of two factors.

    Parameters
    ----------
    observations : iterable of Observation
    factors : sequence of str
        Names of the observations' levels.
    what : str
        What the values are, for errors.

    Returns
    -------
    GAM

    Raises
    ------
    ReproductionError
        If there are no observations, none of some combination of levels, too few, or if they do
        not scatter.
    """
    ordered = sorted(observations, key=lambda o: (o.levels, o.trial, o.magnitude))
    if not ordered:
        raise ReproductionError(f"{what}: nothing was measured")
    return _fitted(tuple(ordered), tuple(factors), what)


@lru_cache(maxsize=16)  # tables, claims and figures ask for the same eleven models
def _fitted(observations: tuple[Observation, ...], factors: tuple[str, ...], what: str) -> GAM:
    return GAM(observations, factors, what=what)


def _formula(levels: dict[str, tuple[str, ...]]) -> str:
    """Sum-to-zero contrasts, so that each term is tested at the mean of the others."""
    varying = [f"C({factor}, Sum)" for factor, names in levels.items() if len(names) > 1]
    return f"({' + '.join(varying)})**2" if varying else "1"


def _cells(
    observations: Sequence[Observation], levels: dict[str, tuple[str, ...]], what: str
) -> dict[tuple[str, ...], list[int]]:
    """Return the positions of the observations of each combination of levels."""
    cells: dict[tuple[str, ...], list[int]] = {
        cell: [] for cell in itertools.product(*levels.values())
    }
    for position, observation in enumerate(observations):
        cells[observation.levels].append(position)
    empty = [" under ".join(cell) for cell, positions in cells.items() if not positions]
    if empty:
        raise ReproductionError(
            f"{what}: nothing was measured of {', '.join(empty)}; the model needs every"
            f" combination of {' and '.join(levels)}"
        )
    return cells


def _splines(
    observations: Sequence[Observation], cells: Iterable[list[int]]
) -> NDArray[np.float64]:
    blocks = [np.empty((len(observations), 0))]
    for positions in cells:
        magnitudes = np.array([observations[position].magnitude for position in positions])
        conditions, which = np.unique(magnitudes, return_inverse=True)
        basis = _spline_basis(conditions)
        block = np.zeros((len(observations), basis.shape[1]))
        block[positions] = basis[which]
        blocks.append(block)
    return np.hstack(blocks)


def _spline_basis(conditions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return natural cubic splines at distinct magnitudes, each of mean 0 over them.

    Half of the conditions' degrees of freedom at most, so that even one training leaves an error.
    """
    df = min(SPLINE_DF, (len(conditions) - 1) // 2)
    if df == 0:
        return np.empty((len(conditions), 0))
    knots = np.quantile(conditions, np.linspace(0.0, 1.0, df + 1))
    cardinal = CubicSpline(knots, np.eye(df + 1), bc_type="natural")(conditions)
    # The columns add up to 1: without their means, one of them follows from the others.
    basis: NDArray[np.float64] = (cardinal - cardinal.mean(axis=0))[:, 1:]
    return basis

"""The paper's analysis of results, and its tables with the paper's numbers beside ours.

Magnitudes are put on one axis as the severity divided by the gravest severity of its family and
direction in the results at hand: from 0, the identity, to 1 and, where a family has two
directions, to -1. The families' severities are not comparable with each other (section 6.5 of the
paper), and the model does not compare them: it has a spline for each.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from statistics import fmean, pstdev
from typing import TYPE_CHECKING, TypeVar

from pytest_nnrel.runtime.progress import progress
from reference_models.errors import ReproductionError
from reference_models.paper import gam, targets
from reference_models.paper.results import (
    AUDIO_DISTANCES,
    ENCODERS,
    LATENT_DISTANCES,
    ORIGINAL,
    PAPER_TASKS,
    TRANSFORMATIONS,
    Consistency,
    Performance,
    select,
)
from reference_models.paper.targets import NAMES, PERFORMANCE, Variant
from reference_models.task import task_named

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from reference_models.paper.gam import GAM, Effect, Observation
    from reference_models.paper.results import OriginalsRank, Results
    from reference_models.paper.targets import FTest

Row = TypeVar("Row", Consistency, Performance)

#: The ten consistencies that the paper analyses, by measure: each has a model of its own.
VARIANTS = {
    "within": tuple(Variant("within", "", latent) for latent in LATENT_DISTANCES),
    **{
        measure: tuple(
            Variant(measure, audio, latent)
            for audio in AUDIO_DISTANCES
            for latent in LATENT_DISTANCES
        )
        for measure in ("accuracy", "rho")
    },
}
NETWORKS = ("mfcc", "vgg")

Cell = str | float | None


@dataclass(frozen=True)
class Table:
    """A table for readers.

    Attributes
    ----------
    title : str
    columns : tuple of str
    rows : tuple of tuple
        Texts, numbers, or None where the paper gives no number or none was measured.
    note : str
        How to read it, and what is missing.
    place : str
        Where the paper has it.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str
    place: str


def consistency_rows(results: Results, variant: Variant) -> list[Consistency]:
    """Return what was measured of a consistency of the paper's encoders, or of the audio space.

    Raises
    ------
    ReproductionError
        If nothing was.
    """
    found = select(results.consistency, **variant._asdict())
    rows = [row for row in found if row.encoder in ("", *ENCODERS)]
    if not rows:
        raise ReproductionError(f"{variant} was not measured; run reproduce with all distances")
    return rows


def originals_rows(results: Results, variant: Variant, encoder: str) -> list[OriginalsRank]:
    """Return what was measured of the originals alone, by the distances of a variant."""
    audio, latent = variant.audio_distance, variant.latent_distance
    return select(results.originals, encoder=encoder, audio_distance=audio, latent_distance=latent)


def consistency_model(results: Results, variant: Variant) -> GAM:
    """Fit the paper's model of a consistency (sections 5.2 and 5.3).

    Value ~ encoder x transformation, with a spline of the magnitude for every combination.

    Parameters
    ----------
    results : Results
    variant : Variant
        One of `VARIANTS`.

    Returns
    -------
    GAM
        Of the factors ``encoder`` and ``transformation``.

    Raises
    ------
    ReproductionError
        If it was not measured for every encoder under every transformation, or too little.
    """
    rows = consistency_rows(results, variant)
    observations = _observations(rows, lambda row: (row.encoder, row.transformation))
    return gam.fit(observations, ("encoder", "transformation"), what=str(variant))


def performance_model(results: Results) -> GAM:
    """Fit the paper's model of the task performance, standardised (section 5.1).

    Value ~ task, encoder, transformation and the interactions of two, with a spline of the
    magnitude for every combination of the three.

    Returns
    -------
    GAM
        Of the factors ``task``, ``encoder`` and ``transformation``.

    Raises
    ------
    ReproductionError
        If it was not measured for both encoders in every task under every transformation.
    """
    rows = [row for row in standardised_performance(results) if row.transformation != ORIGINAL]
    observations = _observations(rows, lambda row: (row.task, row.encoder, row.transformation))
    return gam.fit(observations, ("task", "encoder", "transformation"), what=str(PERFORMANCE))


def standardised_performance(results: Results) -> list[Performance]:
    """Return performances in the paper's tasks, in standard deviations, the greater the better.

    As the paper has it (section 5.1): less the mean and divided by the standard deviation of the
    task's scores under transformations, of all encoders and trials; the MSE is reversed. Scores
    of the originals are on the same scale, and do not shape it.

    Raises
    ------
    ReproductionError
        If none were measured, or those of a task are all the same.
    """
    by_task: defaultdict[str, list[Performance]] = defaultdict(list)
    for row in (row for row in results.performance if row.task in PAPER_TASKS):
        better = -row.value if task_named(row.task).smaller_is_better else row.value
        by_task[row.task].append(replace(row, measure="standardised", value=better))
    if not by_task:
        raise ReproductionError("no task performance was measured; run reproduce with it")
    standardised = []
    for task, rows in by_task.items():
        values = [row.value for row in rows if row.transformation != ORIGINAL]
        spread = pstdev(values) if values else 0.0
        if spread == 0.0:
            raise ReproductionError(
                f"the scores of task {task!r} do not differ between transformations: nothing to"
                " standardise them by"
            )
        mean = fmean(values)
        standardised += [replace(row, value=(row.value - mean) / spread) for row in rows]
    return standardised


def tables(results: Results) -> list[Table]:
    """Return the paper's numbers with ours beside them, and our further estimates.

    Every number of `targets` is there; what was not measured has None beside it, and the note
    says so.
    """
    models = _Models(results)
    return [
        _performance_means(models),
        *(_encoder_means(models, measure) for measure in VARIANTS),
        *(_transformation_means(models, measure) for measure in VARIANTS),
        _tests(models),
        _fits(models),
    ]


_MEANS = (
    "paper", "paper s.e.", "here", "here s.e.", "95 % low", "95 % high", "trials",
    "s.e. over trials",
)  # fmt: skip
_PLACES = {
    "within": "section 5.2, Fig. 8",
    "accuracy": "section 5.3.1, Fig. 11",
    "rho": "section 5.3.2, Fig. 11",
}
_ALL = (PERFORMANCE, *(variant for variants in VARIANTS.values() for variant in variants))
_ON_GRID = (
    "Ours are means over all magnitudes of the grid, each transformation weighing the same; the"
    " paper does not tell at which magnitudes it took its own."
)


def _observations(
    rows: Sequence[Row], levels: Callable[[Row], tuple[str, ...]]
) -> Iterable[Observation]:
    gravest: defaultdict[tuple[str, bool], int] = defaultdict(lambda: 1)
    for row in rows:
        along = row.transformation, row.severity > 0
        gravest[along] = max(gravest[along], abs(row.severity))
    return [
        gam.Observation(
            levels(row),
            row.trial,
            row.severity / gravest[row.transformation, row.severity > 0],
            row.value,
        )
        for row in rows
    ]


class _Models:
    """The models that results are enough for, and why they are not for the others."""

    def __init__(self, results: Results) -> None:
        self.fitted: dict[Variant, GAM] = {}
        self._missing: dict[Variant, str] = {}
        for variant in progress(_ALL, len(_ALL), "models", "model"):
            try:
                self.fitted[variant] = (
                    performance_model(results)
                    if variant == PERFORMANCE
                    else consistency_model(results, variant)
                )
            except ReproductionError as error:
                self._missing[variant] = str(error)

    def means(self, variant: Variant, **fixed: str) -> tuple[Cell, ...]:
        """Return the cells of an estimated marginal mean, without the paper's."""
        model = self.fitted.get(variant)
        if model is None or any(level not in model.levels[f] for f, level in fixed.items()):
            return (None,) * 6
        e = model.mean(**fixed)
        return e.mean, e.error, e.low, e.high, e.trials, e.trial_error

    def note(self, variants: Sequence[Variant], text: str) -> str:
        """Add to a text what the errors are made of, what is missing, and why."""
        errors = dict.fromkeys(self.fitted[v].error_term for v in variants if v in self.fitted)
        missing = dict.fromkeys(
            f"Missing: {self._missing[v]}." for v in variants if v in self._missing
        )
        return " ".join([text, *errors, *missing]).strip()


def _performance_means(models: _Models) -> Table:
    rows: list[tuple[Cell, ...]] = [
        (NAMES[e], "all", *_reported(PERFORMANCE, e), *models.means(PERFORMANCE, encoder=e))
        for e in NETWORKS
    ]
    rows += [
        (NAMES[name], NAMES[task], None, None, *models.means(PERFORMANCE, encoder=name, task=task))
        for task in PAPER_TASKS
        for name in NETWORKS
    ]
    text = f"In standard deviations within each task, MSE reversed. {_ON_GRID}"
    return Table(
        "Task performance: estimated marginal means",
        ("encoder", "task", *_MEANS),
        tuple(rows),
        models.note([PERFORMANCE], text),
        "section 5.1, Fig. 5",
    )


def _encoder_means(models: _Models, measure: str) -> Table:
    rows = [
        (str(variant), NAMES[name], *_reported(variant, name), *models.means(variant, encoder=name))
        for variant in VARIANTS[measure]
        for name in ENCODERS
    ]
    return Table(
        f"{targets.SYMBOLS[measure]}: estimated marginal means",
        ("measure", "encoder", *_MEANS),
        tuple(rows),
        models.note(VARIANTS[measure], _ON_GRID),
        _PLACES[measure],
    )


def _transformation_means(models: _Models, measure: str) -> Table:
    rows = [
        (
            str(variant),
            NAMES[name],
            *(
                cell
                for family in TRANSFORMATIONS
                for cell in models.means(variant, encoder=name, transformation=family)[:2]
            ),
        )
        for variant in VARIANTS[measure]
        for name in ENCODERS
    ]
    columns = [column for family in TRANSFORMATIONS for column in (family, f"{family} s.e.")]
    return Table(
        f"{targets.SYMBOLS[measure]}: estimated marginal means by transformation",
        ("measure", "encoder", *columns),
        tuple(rows),
        models.note(VARIANTS[measure], "The paper shows these as curves alone."),
        "Fig. 7" if measure == "within" else "Fig. 10",
    )


def _tests(models: _Models) -> Table:
    variants = tuple(dict.fromkeys(test.variant for test in targets.TESTS))
    rows: list[tuple[Cell, ...]] = []
    for variant in variants:
        reported = {t.term: t for t in targets.TESTS if t.variant == variant}
        model = models.fitted.get(variant)
        found = {effect.term: effect for effect in model.effects()} if model else {}
        for term in dict.fromkeys([*reported, *found]):
            paper, here = _f_and_df(reported.get(term)), _f_and_df(found.get(term))
            p = found[term].p if term in found else None
            rows.append((str(variant), term.replace(":", " x "), *paper, *here, p))
    text = (
        "F is in units of the residuals, which shrink as clips and trials grow: compare the order"
        " of effects, not their size."
    )
    return Table(
        "Analysis of variance on the marginal means",
        ("measure", "term", "paper F", "paper df", "here F", "here df", "here p"),
        tuple(rows),
        models.note(variants, text),
        "sections 5.1 to 5.3",
    )


def _fits(models: _Models) -> Table:
    reported = {fit.variant: fit.r_squared for fit in targets.FITS}
    rows: list[tuple[Cell, ...]] = []
    for variant in _ALL:
        model = models.fitted.get(variant)
        rows.append((str(variant), reported.get(variant), model.r_squared if model else None))
    return Table(
        "Variance explained by the models",
        ("measure", "paper R²", "here R²"),
        tuple(rows),
        models.note(_ALL, ""),
        "sections 5.1 to 5.3",
    )


def _reported(variant: Variant, encoder: str) -> tuple[Cell, Cell]:
    for mean in targets.MEANS:
        if (mean.variant, mean.encoder) == (variant, encoder):
            return mean.value, mean.error
    return None, None


def _f_and_df(test: FTest | Effect | None) -> tuple[Cell, Cell]:
    return (None, None) if test is None else (test.f, f"{test.df}, {test.df_error}")

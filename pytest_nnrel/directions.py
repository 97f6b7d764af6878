"""Displacements of embeddings along a family of transformations, and what they say of severity."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pytest_nnrel.experiment.facts import WORST, facts_of
from pytest_nnrel.experiment.spaces import mean_over_clips
from pytest_nnrel.measurement import Measurement
from pytest_nnrel.statistics.displacements import effective_dimension, told_by_others

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_nnrel.experiment.embedding import Embedded
    from pytest_nnrel.experiment.study import Study
    from pytest_nnrel.statistics.consistency import Matrix
    from pytest_nnrel.transforms import Transform


@dataclass(frozen=True, eq=False)
class Displaced:
    """Clips of a study, at some rungs of a family, as displacements of their embeddings.

    Attributes
    ----------
    rungs : tuple of Transform
        By severity, without the identity.
    displacements : float32[rungs, n, d]
    last : Embedded
        At the last rung.
    """

    rungs: tuple[Transform, ...]
    displacements: Matrix
    last: Embedded

    @classmethod
    def of(cls, embedded: Sequence[Embedded]) -> Displaced:
        """Return the displacements of clips that were embedded at rungs of one family."""
        by_severity = sorted(embedded, key=_severity)
        return cls(
            tuple(one.rendered.question.condition for one in by_severity),
            np.stack([one.queries - one.originals for one in by_severity]),
            by_severity[-1],
        )

    @property
    def study(self) -> Study:
        return self.last.listener.study

    @property
    def severities(self) -> list[float]:
        return [float(rung.severity or 0.0) for rung in self.rungs]

    @property
    def groups(self) -> tuple[str, ...]:
        return self.study.corpus.groups

    def measurement(self, measure: str, of_clips: Matrix, *, chance: float) -> Measurement:
        """Return the mean of what each clip has, float64[n], as a measurement of all rungs."""
        details = facts_of(self.last.rendered, self.last)
        # Of the way there, not of its end: no point of a curve over magnitudes.
        details["transform"]["name"] = details["transform"]["asked"] = way(self.rungs)
        details["transform"]["magnitude"] = None
        details["identity"]["transform"] = way(self.rungs)
        details["identity"]["rungs"] = [rung.name for rung in self.rungs]
        details["chance"] = chance
        details["per_clip"] = of_clips.tolist()
        details["effective_dimension"] = effective_dimension(self.displacements)
        ids = self.study.corpus.ids
        details["misfits"] = [
            {"id": ids[i], "value": float(of_clips[i])}
            for i in np.argsort(of_clips, kind="stable")[:WORST]
        ]
        value, ci = mean_over_clips(self.study, of_clips)
        watch = self.last.rendered.question.watch
        return Measurement(measure, value, ci, len(ids), (), (), details, watch.seconds)


def way(rungs: Sequence[Transform]) -> str:
    """Return rungs in words, from the gravest downward to the gravest upward."""
    first, last = rungs[0], rungs[-1]
    if (first.severity or 0.0) < 0.0 < (last.severity or 0.0):
        return f"from {first.name} to {last.name}"
    gravest = last if (last.severity or 0.0) > 0.0 else first
    return f"up to {gravest.name}"


def directions(embedded: Sequence[Embedded]) -> Measurement | None:
    """Measure how well severity is told along the best direction of displacements.

    As Deng et al. (2025) do, but of clips that the direction was not found on, and by ridge
    regression; ``details["effective_dimension"]`` is how many directions clips are displaced in.

    Parameters
    ----------
    embedded : sequence of Embedded
        The clips at conditions of one family.

    Returns
    -------
    Measurement or None
        None where there are fewer than two severities, or clips of two groups.
    """
    ladder = [one for one in embedded if _severity(one)]
    if len({_severity(one) for one in ladder}) < max(2, len(ladder)):
        return None
    moved = Displaced.of(ladder)
    if len(set(moved.groups)) < 2:
        return None
    r2 = told_by_others(
        moved.displacements, moved.severities, moved.groups, moved.study.rng("severities")
    )
    return moved.measurement("directions", r2, chance=0.0)


def _severity(embedded: Embedded) -> float:
    """Return the severity of a condition; 0 of one that stands on no ladder."""
    severity = float(embedded.rendered.question.condition.severity or 0.0)
    return severity if math.isfinite(severity) else 0.0

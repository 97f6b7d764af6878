"""The smallest magnitude that breaks an encoder, by grid and bisection over a family's ladder.

The grid finds breaks that heal at graver magnitudes (*pockets*) as long as they are as wide as one
of its steps; bisection finds the rung. All clips are measured at each rung that is visited, so that
the breaks of single clips come from the same evaluations, as intervals between neighbouring rungs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pytest_nnrel import recording
from pytest_nnrel.breaks import (
    Break,
    BreakingMagnitude,
    ClipBreak,
    describe,
    has_fallen,
    interval_of_break,
)
from pytest_nnrel.distances import resolve_distance
from pytest_nnrel.encoders import as_encoder
from pytest_nnrel.experiment.attacks import question_to
from pytest_nnrel.experiment.embedding import embed
from pytest_nnrel.experiment.recognition import recognise
from pytest_nnrel.experiment.rendering import render
from pytest_nnrel.failures import failure_message
from pytest_nnrel.measures import study_on, within
from pytest_nnrel.recording import Verdict, record_measurement, record_verdict
from pytest_nnrel.requirement import Requirement, check_steps
from pytest_nnrel.runtime.progress import progress
from pytest_nnrel.transforms import Transform, as_transform, ladder
from pytest_nnrel.transforms.grids import evenly

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_nnrel.corpus import Corpus
    from pytest_nnrel.distances import Distance, Metric
    from pytest_nnrel.encoders.protocol import EncoderLike
    from pytest_nnrel.experiment.encoding import Listener
    from pytest_nnrel.experiment.study import Neighbours
    from pytest_nnrel.measurement import Measurement
    from pytest_nnrel.transforms.protocol import TransformLike

#: Steps of the grid, from the identity to the end of the ladder.
GRID_STEPS = 16


def breaking_magnitude(
    encoder: EncoderLike,
    family: type[Transform] | Transform,
    *,
    min: float,
    corpus: Corpus | None = None,
    distance: Metric = "euclidean",
    neighbours: Neighbours = "others",
    steps: int = GRID_STEPS,
    seed: int | None = None,
) -> BreakingMagnitude:
    """Find the smallest severity at which C_W is below a minimum, in each direction alone.

    Parameters
    ----------
    encoder : Encoder, or anything that `as_encoder` takes
    family : class, or Transform
        A class such as ``PitchShift`` is searched as far as the paper goes (Table 1); a
        transformation such as ``PitchShift(semitones=3)`` in its direction, as far as it does,
        with its options.
    min : float
        Least C_W (paper eq. 10), from 0 to 1.
    corpus : Corpus, optional
        The run's where omitted; outside pytest, the bundled one.
    distance : str or callable
        ``"euclidean"``, ``"cosine"``, or one's own.
    neighbours : {"others", "all"}
        As in `within_consistency`.
    steps : int
        Of the grid. Breaks that heal within less than a step may be missed.
    seed : int, optional
        The run's where omitted.

    Returns
    -------
    BreakingMagnitude
        From at most ``steps + 1 + ceil(log2(rungs / steps))`` evaluations of the corpus in a
        direction.

    Raises
    ------
    SettingError
        If `min` or `steps` is out of bounds.
    MagnitudeError
        If `family` is none, or has no ladder.
    NNRelError
        If it cannot be measured.
    """
    required = Requirement.of(min=min)
    return _found(encoder, family, required, corpus, distance, neighbours, steps, seed)


def noticed_magnitude(
    encoder: EncoderLike,
    family: type[Transform] | Transform,
    *,
    max: float,
    corpus: Corpus | None = None,
    distance: Metric = "euclidean",
    neighbours: Neighbours = "others",
    steps: int = GRID_STEPS,
    seed: int | None = None,
) -> BreakingMagnitude:
    """Find the smallest severity that brings C_W down to a value, in each direction alone.

    It is the mildest that an encoder notices which must not be invariant to it.

    Parameters
    ----------
    encoder, family, corpus, distance, neighbours, steps, seed
        As in `breaking_magnitude`.
    max : float
        Largest C_W (paper eq. 10) at which a transformation counts as noticed, from 0 to 1, with
        ties as kept, as in `assert_within_consistency`.

    Returns
    -------
    BreakingMagnitude
        Its magnitude is None where none is noticed.

    Raises
    ------
    SettingError
        If `max` or `steps` is out of bounds.
    MagnitudeError
        If `family` is none, or has no ladder.
    NNRelError
        If it cannot be measured.
    """
    required = Requirement.of(max=max)
    return _found(encoder, family, required, corpus, distance, neighbours, steps, seed)


def assert_unbroken_until(
    encoder: EncoderLike,
    transform: TransformLike,
    *,
    min: float,
    corpus: Corpus | None = None,
    distance: Metric = "euclidean",
    neighbours: Neighbours = "others",
    steps: int = GRID_STEPS,
    seed: int | None = None,
) -> BreakingMagnitude:
    """Assert that no magnitude from the identity to `transform` brings C_W below a minimum.

    Parameters
    ----------
    encoder
        As in `breaking_magnitude`.
    transform : Transform
        Such as ``PitchShift(semitones=2)``: all rungs from none up to it, itself among them.
    min, corpus, distance, neighbours, steps, seed
        As in `breaking_magnitude`.

    Returns
    -------
    BreakingMagnitude

    Raises
    ------
    AssertionError
        If a magnitude that was measured breaks it; the mildest is found by bisection.
    NNRelError
        If it cannot be measured.
    """
    __tracebackhide__ = True
    assertion = "assert_unbroken_until"
    with recording.errors_recorded(assertion):
        found = breaking_magnitude(
            encoder, as_transform(transform), min=min, corpus=corpus, distance=distance,
            neighbours=neighbours, steps=steps, seed=seed,
        )  # fmt: skip
        (along,) = found.directions.values()
        covers = tuple(measurement.as_dict() for measurement in along.measured.values())
        if along.at is None:
            closest = sorted(along.measured.values(), key=lambda m: m.value)[0]
            record_verdict(Verdict(assertion, "holds", min, closest.as_dict(), covers=covers))
            return found
        broken = along.measured[along.at]
        lines = failure_message(broken, Requirement(low=min), "fails", recording.reproduction())
        message = "\n".join(
            [f"{found.encoder} breaks before {transform}", *describe(along), "", lines]
        )
        record_verdict(Verdict(assertion, "fails", min, broken.as_dict(), message, covers=covers))
    raise AssertionError(message)


def _found(
    encoder: EncoderLike,
    family: type[Transform] | Transform,
    required: Requirement,
    corpus: Corpus | None,
    distance: Metric,
    neighbours: Neighbours,
    steps: int,
    seed: int | None,
) -> BreakingMagnitude:
    check_steps(steps, 1)
    study = study_on(corpus, seed, neighbours)
    known, compared = as_encoder(encoder), resolve_distance(distance, "latent")
    listener = recognise(known, study)
    directions = {
        direction: _search(listener, rungs, compared, required, steps)
        for direction, rungs in ladder(family, study.corpus.sample_rate).items()
    }
    name = family.name if isinstance(family, Transform) else family.__name__
    return BreakingMagnitude(known.name, name, directions)


def _search(
    listener: Listener,
    rungs: tuple[Transform, ...],
    distance: Distance,
    required: Requirement,
    steps: int,
) -> Break:
    study = listener.study
    measured: dict[int, Measurement] = {}

    def breaks(position: int) -> bool:
        if position not in measured:
            rendered = render(question_to(listener, rungs[position], distance))
            measured[position] = within(embed(listener, rendered), distance)
            record_measurement(measured[position])
        return has_fallen(measured[position], required)

    last = len(rungs) - 1
    grid = evenly(last, steps)
    what = f"{listener.encoder.name} up to {rungs[-1].name}"
    broken = [position for position in progress(grid, len(grid), what, "rung") if breaks(position)]
    at = None
    if broken:
        at = broken[0]
        holds = max((position for position in grid if position < at), default=at - 1)
        while at - holds > 1:
            middle = (holds + at) // 2
            holds, at = (holds, middle) if breaks(middle) else (middle, at)
    measured = dict(sorted(measured.items()))
    return Break(
        rungs,
        measured,
        required,
        at,
        interval_of_break(measured, required),
        _clip_breaks(study.corpus.ids, rungs, measured),
    )


def _clip_breaks(
    ids: Sequence[str], rungs: tuple[Transform, ...], measured: dict[int, Measurement]
) -> tuple[ClipBreak, ...]:
    positions = list(measured)
    found = []
    for clip, holds in zip(ids, np.array([m.outcomes for m in measured.values()]).T):
        if holds.all():
            found.append(ClipBreak(clip, rungs[positions[-1]], None, heals=False))
            continue
        first = int(np.argmin(holds))
        before = None if first == 0 else rungs[positions[first - 1]]
        heals = bool(holds[first:].any())
        found.append(ClipBreak(clip, before, rungs[positions[first]], heals))
    return tuple(found)

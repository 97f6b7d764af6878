"""Whether an encoder tells how much a clip was transformed, and moves all clips alike.

What a model is for it must not be invariant to: of a shift of key, a key model must tell which.
Both questions are asked of displacements, the embedding of a transformed clip less that of its
original, so that what the clip is plays no part.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_nnrel.assertions import asked, judge
from pytest_nnrel.directions import Displaced, way
from pytest_nnrel.encoders import as_encoder
from pytest_nnrel.errors import MagnitudeError
from pytest_nnrel.experiment.attacks import question_to
from pytest_nnrel.experiment.embedding import embed
from pytest_nnrel.experiment.recognition import recognise
from pytest_nnrel.experiment.rendering import render
from pytest_nnrel.failures import too_few_clips
from pytest_nnrel.measurement import MEASURES
from pytest_nnrel.measures import study_on
from pytest_nnrel.recording import record_measurement
from pytest_nnrel.requirement import Requirement, check_steps
from pytest_nnrel.runtime.progress import progress
from pytest_nnrel.statistics.displacements import (
    predict_severity,
    shared_by_chance,
    shared_displacement,
)
from pytest_nnrel.transforms import Identity, Transform, ladder
from pytest_nnrel.transforms.grids import evenly

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TypeAlias

    from pytest_nnrel import recording
    from pytest_nnrel.corpus import Corpus
    from pytest_nnrel.encoders.protocol import EncoderLike
    from pytest_nnrel.measurement import Measurement

    #: A family's class, a transformation to go as far as, or one in each direction.
    Ladders: TypeAlias = type[Transform] | Transform | Sequence[Transform]

#: Rungs of each direction.
STEPS = 4


def sensitivity(
    encoder: EncoderLike,
    family: Ladders,
    *,
    corpus: Corpus | None = None,
    steps: int = STEPS,
    seed: int | None = None,
) -> Measurement:
    """Measure how well the signed severity is told from displacements of other clips.

    Each clip is transformed at evenly spaced rungs of each direction. Ridge regression learns the
    severity from the displacements of some clips, and tells it of the others: it holds for music
    that was not learnt from. Folds are over clips or groups.

    Parameters
    ----------
    encoder : Encoder, or anything that `as_encoder` takes
    family : class, Transform, or sequence of Transform
        A class such as ``PitchShift`` goes both ways, as far as the paper does (Table 1);
        ``PitchShift(semitones=2)`` goes its own way, as far as it does; and
        ``(PitchShift(-2), PitchShift(2))`` goes both ways as far.
    corpus : Corpus, optional
        The run's where omitted; outside pytest, the bundled one.
    steps : int
        Rungs of each direction, at least 2; fewer where its ladder has fewer.
    seed : int, optional
        The run's where omitted.

    Returns
    -------
    Measurement
        `value` is R2 of severities that were told, at most 1; 0 is what their mean would tell.
        `ci` is of a mean over clips or groups, with what was learnt as it is. ``details["p"]`` is
        how often permuted severities are told as well, or such as are turned round in half of the
        clips (see `predict_severity`); ``details["per_clip"]`` is R2 of each clip.

    Raises
    ------
    SettingError
        If `steps` is below 2.
    MagnitudeError
        If `family` is none, or there are fewer than two rungs.
    TooFewClipsError
        If all clips are of one group.
    NNRelError
        If it cannot be measured.
    """
    moved = _displaced(encoder, family, corpus, steps, seed)
    told = predict_severity(
        moved.displacements, moved.severities, moved.groups, moved.study.rng("severities")
    )
    measurement = moved.measurement("sensitivity", told.r2, chance=0.0)
    measurement.details["p"] = told.p
    record_measurement(measurement)
    return measurement


def equivariance(
    encoder: EncoderLike,
    family: Ladders,
    *,
    corpus: Corpus | None = None,
    steps: int = STEPS,
    seed: int | None = None,
) -> Measurement:
    """Measure how alike the same severity moves all clips.

    At each rung the displacement of a clip is told by the mean displacement of the clips of other
    groups; the share of the squared displacement that this explains is averaged over clips, then
    rungs.

    Parameters
    ----------
    encoder, family, corpus, seed
        As in `sensitivity`.
    steps : int
        Rungs of each direction, at least 1.

    Returns
    -------
    Measurement
        `value` is 1 where all clips move alike. ``details["chance"]``, just below 0, is where they
        move in directions that have nothing in common; an encoder that moves none has 0. `ci` is
        of a mean over clips or groups.

    Raises
    ------
    SettingError
        If `steps` is below 1.
    MagnitudeError
        If `family` is none.
    TooFewClipsError
        If all clips are of one group.
    NNRelError
        If it cannot be measured.
    """
    moved = _displaced(encoder, family, corpus, steps, seed, least=1)
    shares = shared_displacement(moved.displacements, moved.groups)
    chance = shared_by_chance(moved.groups)
    measurement = moved.measurement("equivariance", shares, chance=chance)
    record_measurement(measurement)
    return measurement


def assert_sensitive(
    encoder: EncoderLike,
    family: Ladders,
    *,
    min: float,
    corpus: Corpus | None = None,
    steps: int = STEPS,
    confident: bool = False,
    seed: int | None = None,
) -> Measurement:
    """Assert that an encoder tells how much clips were transformed, and in which direction.

    Parameters
    ----------
    encoder, family, corpus, steps, seed
        As in `sensitivity`.
    min : float
        Least R2 of the severity, from 0 to 1.
    confident : bool
        Judge by the 95 % interval instead of the value; what permuted severities reach as well in
        5 % of the cases is then undecided too.

    Returns
    -------
    Measurement

    Raises
    ------
    AssertionError
        If R2 is below `min`, or undecided.
    NNRelError
        If it cannot be measured.
    """
    __tracebackhide__ = True
    required = asked("assert_sensitive", min=min)
    return judge(
        "assert_sensitive",
        lambda: sensitivity(encoder, family, corpus=corpus, steps=steps, seed=seed),
        required,
        confident,
        message_of=_failure_message,
    )


def assert_equivariant(
    encoder: EncoderLike,
    family: Ladders,
    *,
    min: float,
    corpus: Corpus | None = None,
    steps: int = STEPS,
    confident: bool = False,
    seed: int | None = None,
) -> Measurement:
    """Assert that the same severity moves all clips the same way.

    Parameters
    ----------
    encoder, family, corpus, steps, seed
        As in `equivariance`.
    min : float
        Least share of the displacement that clips have in common, from 0 to 1.
    confident : bool
        Judge by the 95 % interval instead of the value.

    Returns
    -------
    Measurement

    Raises
    ------
    AssertionError
        If the share is below `min`, or undecided.
    NNRelError
        If it cannot be measured.
    """
    __tracebackhide__ = True
    required = asked("assert_equivariant", min=min)
    return judge(
        "assert_equivariant",
        lambda: equivariance(encoder, family, corpus=corpus, steps=steps, seed=seed),
        required,
        confident,
        message_of=_failure_message,
    )


def _displaced(
    encoder: EncoderLike,
    family: Ladders,
    corpus: Corpus | None,
    steps: int,
    seed: int | None,
    least: int = 2,
) -> Displaced:
    check_steps(steps, least)
    study = study_on(corpus, seed)
    rungs = _rungs(family, study.corpus.sample_rate, steps)
    if len(rungs) < least:
        raise MagnitudeError(
            f"{rungs[-1].name} is the only rung besides the identity; to tell severities apart"
            f" takes {least} or more"
        )
    listener = recognise(as_encoder(encoder), study)
    what = f"{listener.encoder.name}: {way(rungs)}"
    return Displaced.of(
        [
            embed(listener, render(question_to(listener, rung)))
            for rung in progress(rungs, len(rungs), what, "rung")
        ]
    )


def _rungs(family: Ladders, sample_rate: int, steps: int) -> tuple[Transform, ...]:
    """Return evenly spaced rungs of each direction, without the identity, by severity."""
    ends: Sequence[type[Transform] | Transform]
    ends = family if isinstance(family, list | tuple) else [family]  # type: ignore[list-item]
    if len({end if isinstance(end, type) else type(end) for end in ends}) != 1:
        raise MagnitudeError(
            f"{family!r} is of no one family: pass a class such as PitchShift, or transformations"
            " of one, such as (PitchShift(-2), PitchShift(2))"
        )
    found: dict[float, Transform] = {}
    for end in ends:
        for direction in ladder(end, sample_rate).values():
            beyond = [rung for rung in direction if not isinstance(rung, Identity)]
            chosen = (beyond[place - 1] for place in evenly(len(beyond), steps)[1:])
            found |= {float(rung.severity or 0.0): rung for rung in chosen}
    return tuple(found[severity] for severity in sorted(found))


#: What a measure says where it is too low, and where it is undecided; what clips are listed by.
_SAID = {
    "sensitivity": (
        "how much clips were transformed is not told",
        "whether it is told how much clips were transformed",
        "least told clips", "R2",
    ),
    "equivariance": (
        "the same severity moves clips unlike",
        "whether the same severity moves clips alike",
        "clips least like others", "share",
    ),
}  # fmt: skip


def _failure_message(
    measurement: Measurement, required: Requirement, outcome: recording.Outcome, reproduction: str
) -> str:
    details = measurement.details
    failing, unclear, title, column = _SAID[measurement.measure]
    said = failing if outcome == "fails" else f"{unclear} cannot be decided"
    symbol = MEASURES[measurement.measure].symbol
    interval = f"95 % CI [{measurement.ci[0]:.3f}, {measurement.ci[1]:.3f}]"
    bound = required.at_issue(measurement)
    if outcome == "fails":
        compared = f"{required.missed_by(measurement)} ({interval}, n = {measurement.n})"
    elif measurement.ci[0] >= bound:
        compared = (
            f"({interval}), but permuted severities reach that with p = {details['p']:.3f}: too few"
            f" clips (n = {measurement.n}) to tell"
        )
    else:
        compared = f"but its {interval} holds {bound:g}: {too_few_clips(measurement, bound)}"
    width = max(len(clip["id"]) for clip in details["misfits"])
    p = f", permuted severities p = {details['p']:.3f}" if "p" in details else ""
    return "\n".join(
        [
            f"{details['encoder']['name']}: {said}: {symbol} = {measurement.value:.3f} {compared},"
            f" {details['transform']['name']}",
            "",
            f"  chance     {details['chance']:.3f}{p}",
            f"  rungs      {', '.join(details['identity']['rungs'])}",
            f"  corpus     {details['corpus']['name']}: {details['corpus']['clips']} clips",
            *(f"  assumed    {assumption}" for assumption in details["encoder"]["assumed"]),
            "",
            f"{title}:",
            f"  {'clip':<{width}}  {column:>6}",
            *(f"  {clip['id']:<{width}}  {clip['value']:>6.2f}" for clip in details["misfits"]),
            "",
            "redo:    " + (reproduction or "the same call with seed="
                           f"{details['identity']['seed']}"),
        ]
    )  # fmt: skip

"""Assertions for tests, and the texts that they fail with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_nnrel import measures, recording
from pytest_nnrel.distances import resolve_distance
from pytest_nnrel.encoders import as_encoder
from pytest_nnrel.errors import SettingError
from pytest_nnrel.experiment.attacks import aimed
from pytest_nnrel.experiment.embedding import embed
from pytest_nnrel.experiment.recognition import recognise
from pytest_nnrel.experiment.rendering import render
from pytest_nnrel.experiment.study import question
from pytest_nnrel.failures import failure_message
from pytest_nnrel.measurement import MEASURES
from pytest_nnrel.recording import Verdict, record_verdict
from pytest_nnrel.requirement import Requirement
from pytest_nnrel.runtime.scalars import is_one_of
from pytest_nnrel.transforms import as_transform

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_nnrel.corpus import (
        Clip,
        Corpus,
    )
    from pytest_nnrel.distances import Metric
    from pytest_nnrel.encoders.protocol import EncoderLike
    from pytest_nnrel.experiment.study import Neighbours
    from pytest_nnrel.measurement import Measurement
    from pytest_nnrel.statistics.ranks import Pairs
    from pytest_nnrel.transforms.protocol import TransformLike


def assert_within_consistency(
    encoder: EncoderLike,
    transform: TransformLike,
    *,
    min: float | None = None,
    max: float | None = None,
    between: tuple[float, float] | None = None,
    distance: Metric = "euclidean",
    neighbours: Neighbours = "others",
    corpus: Corpus | None = None,
    confident: bool = False,
    seed: int | None = None,
) -> Measurement:
    """Assert that an encoder keeps transformed clips nearest to their own originals, or does not.

    Parameters
    ----------
    encoder : Encoder, or anything that `as_encoder` takes
    transform : Transform, or anything that `as_transform` takes
    min : float, optional
        Least C_W (paper eq. 10), from 0 to 1. One of `min`, `max` and `between` is asked for.
    max : float, optional
        Largest C_W, of what an encoder must notice: not below chance.
    between : (float, float), optional
        Least and largest C_W.
    distance : str or callable
        ``"euclidean"``, ``"cosine"``, or one's own.
    neighbours : {"others", "all"}
        Which originals compete with a clip's own: in a grouped corpus those of other groups, as
        clips of one track are relatives; or all, which is eq. 9 to the letter.
    corpus : Corpus, optional
        The run's where omitted; outside pytest, the bundled one.
    confident : bool
        Judge by the 95 % interval instead of the value. An interval that holds a bound of what is
        asked fails as undecided, and says how many clips would decide.
    seed : int, optional
        The run's where omitted.

    Returns
    -------
    Measurement

    Raises
    ------
    AssertionError
        If C_W is not as asked, or undecided.
    NNRelError
        If it cannot be measured.
    """
    __tracebackhide__ = True
    required = asked("assert_within_consistency", min=min, max=max, between=between)
    return judge(
        "assert_within_consistency",
        lambda: measures.within_consistency(
            encoder, transform, corpus=corpus, distance=distance, neighbours=neighbours, seed=seed
        ),
        required,
        confident,
    )


def assert_between_consistency(
    encoder: EncoderLike,
    transform: TransformLike,
    *,
    min: float,
    measure: str = "rho",
    audio_distance: Metric = "dtw",
    latent_distance: Metric = "euclidean",
    pairs: Pairs = "all",
    neighbours: Neighbours = "others",
    corpus: Corpus | None = None,
    confident: bool = False,
    seed: int | None = None,
) -> Measurement:
    """Assert that an encoder's distances agree with those of the audio.

    Parameters
    ----------
    encoder, transform, neighbours, corpus, confident, seed
        As in `assert_within_consistency`.
    min : float
        Least C_rho (paper eq. 11), from -1 to 1, or C_acc (eq. 12), from 0 to 1.
    measure : {"rho", "accuracy"}
    audio_distance, latent_distance : str or callable
    pairs : {"all", "own", "distinct", "sampled"}
        See `between_consistency`.

    Returns
    -------
    Measurement

    Raises
    ------
    AssertionError
        If the measure is below `min`, or undecided.
    NNRelError
        If it cannot be measured.
    """
    __tracebackhide__ = True
    lowest = MEASURES[measure].lowest if is_one_of(measure, MEASURES) else 0.0
    required = asked("assert_between_consistency", min=min, lowest=lowest)
    return judge(
        "assert_between_consistency",
        lambda: measures.between_consistency(
            encoder,
            transform,
            corpus=corpus,
            measure=measure,
            audio_distance=audio_distance,
            latent_distance=latent_distance,
            pairs=pairs,
            neighbours=neighbours,
            seed=seed,
        ),
        required,
        confident,
    )


def assert_relative_nearest(
    encoder: EncoderLike,
    clip: Clip | str,
    transform: TransformLike,
    *,
    distance: Metric = "euclidean",
    neighbours: Neighbours = "others",
    corpus: Corpus | None = None,
    seed: int | None = None,
) -> Measurement:
    """Assert that one transformed clip is nearer to its original than to any other (eq. 9).

    Parameters
    ----------
    encoder
        As in `assert_within_consistency`.
    clip : Clip or str
        A clip of the corpus, or its id.
    transform, distance, neighbours, corpus, seed
        As in `assert_within_consistency`.

    Returns
    -------
    Measurement
        Of value 1.

    Raises
    ------
    AssertionError
        If another original is as near or nearer.
    NNRelError
        If it cannot be measured.
    """
    __tracebackhide__ = True

    def measure() -> Measurement:
        study = measures.study_on(corpus, seed, neighbours)
        known, compared = as_encoder(encoder), resolve_distance(distance, "latent")
        listener = recognise(known, study)
        asked = aimed(question(study, as_transform(transform)), listener, compared)
        rendered = render(asked, [study.corpus.index(clip)])
        measurement = measures.nearest(embed(listener, rendered), compared)
        recording.record_measurement(measurement)
        return measurement

    return judge("assert_relative_nearest", measure, Requirement(low=1.0), confident=False)


def asked(
    assertion: str,
    *,
    min: float | None = None,
    max: float | None = None,
    between: tuple[float, float] | None = None,
    lowest: float = 0.0,
) -> Requirement:
    """Return what an assertion asks for; what it cannot ask for is refused, and is its verdict."""
    __tracebackhide__ = True
    with recording.errors_recorded(assertion):
        return Requirement.of(min=min, max=max, between=between, lowest=lowest)


def judge(
    assertion: str,
    measure: Callable[[], Measurement],
    required: Requirement,
    confident: bool,
    *,
    message_of: Callable[[Measurement, Requirement, recording.Outcome, str], str] | None = None,
) -> Measurement:
    """Measure, record the verdict, and raise where it does not hold: what assertions share."""
    __tracebackhide__ = True
    with recording.errors_recorded(assertion, required.low, required.high):
        measurement = measure()
        _check_chance(required, measurement)
        outcome = required.outcome(measurement, confident=confident)
        message = ""
        if outcome != "holds":
            describe = message_of or failure_message
            message = describe(measurement, required, outcome, recording.reproduction())
        record_verdict(
            Verdict(
                assertion, outcome, required.low, measurement.as_dict(), message,
                maximum=required.high,
            )
        )  # fmt: skip
    if message:
        raise AssertionError(message)
    return measurement


def _check_chance(required: Requirement, measurement: Measurement) -> None:
    """Refuse a largest value that an encoder which hears nothing would be above."""
    chance = measurement.details.get("chance", 0.0)
    if required.high is not None and required.high < chance:
        raise SettingError(
            f"max = {required.high:g} is below chance, {chance:.3g} among {measurement.n} clips:"
            " an encoder that hears nothing is above it; ask for at least that, or add clips"
        )

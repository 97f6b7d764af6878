"""Assertions for tests, and the texts that they fail with."""

from __future__ import annotations

import math
import shlex
from typing import TYPE_CHECKING

from pytest_nnrel import measures, recording
from pytest_nnrel.corpus import (
    BUNDLED,
    SAMPLE_RATE,
    SOURCE_SECONDS,
    WINDOW_SECONDS,
    Clip,
    Corpus,
)
from pytest_nnrel.distances import resolve_distance
from pytest_nnrel.encoders import as_encoder
from pytest_nnrel.errors import MagnitudeError, SettingError
from pytest_nnrel.experiment.embedding import embed
from pytest_nnrel.experiment.noise_scale import as_noise
from pytest_nnrel.experiment.recognition import recognise
from pytest_nnrel.experiment.rendering import render
from pytest_nnrel.experiment.study import question
from pytest_nnrel.measurement import MEASURES
from pytest_nnrel.recording import Verdict, record_verdict
from pytest_nnrel.requirement import Requirement
from pytest_nnrel.statistics import intervals
from pytest_nnrel.transforms import as_transform, modules_of, parse_transform

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_nnrel.distances import Metric
    from pytest_nnrel.encoders.protocol import EncoderLike
    from pytest_nnrel.experiment.study import Neighbours
    from pytest_nnrel.measurement import CorpusFacts, Measurement, Rates
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
    pairs : {"all", "own", "distinct"}
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
    lowest = MEASURES[measure].lowest if measure in MEASURES else 0.0
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
    clip_id = clip.id if isinstance(clip, Clip) else clip

    def measure() -> Measurement:
        study = measures.study_on(corpus, seed, neighbours)
        asked = question(study, as_transform(transform))
        known, compared = as_encoder(encoder), resolve_distance(distance, "latent")
        rendered = render(asked, [study.corpus.index(clip_id)])
        measurement = measures.nearest(embed(recognise(known, study), rendered), compared)
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


def failure_message(
    measurement: Measurement, required: Requirement, outcome: recording.Outcome, reproduction: str
) -> str:
    """Return what an assertion prints: what was measured, which clips, how to hear and redo it."""
    details = measurement.details
    lines = [_headline(measurement, required, outcome), ""]
    if required.high is not None:
        lines.append(f"  {'asked':<10} {required.text}")
    lines += [f"  {name:<10} {value}" for name, value in _facts(measurement)]
    too_high = required.high is not None and measurement.value > required.high
    lines += ["", *_worst_clips(measurement, too_high=too_high), "", *_hearing(measurement)]
    if reproduction:
        lines += ["", f"redo:    {reproduction}"]
    else:
        lines += ["", f"redo:    the same call with seed={details['identity']['seed']}"]
    return "\n".join(lines)


def _headline(measurement: Measurement, required: Requirement, outcome: recording.Outcome) -> str:
    symbol = MEASURES[measurement.measure].symbol
    name = measurement.details["transform"]["name"]
    encoder = measurement.details["encoder"]["name"]
    if measurement.measure == "exemplar":
        worst = measurement.worst[0]
        return f"{encoder}: {worst['id']} under {name} is not nearest to its own original"
    interval = f"95 % CI [{measurement.ci[0]:.3f}, {measurement.ci[1]:.3f}]"
    if outcome == "undecided":
        bound = required.at_issue(measurement)
        return (
            f"{encoder}: {symbol} = {measurement.value:.3f} under {name}, but {interval} holds"
            f" {bound:g}: {too_few_clips(measurement, bound)}"
        )
    return (
        f"{encoder}: {symbol} = {measurement.value:.3f} {required.missed_by(measurement.value)}"
        f" under {name} ({interval}, n = {measurement.n})"
    )


def too_few_clips(measurement: Measurement, minimum: float) -> str:
    """Return that an interval is too wide to decide, and how many clips would do."""
    value, n = measurement.value, measurement.n
    if measurement.outcomes:
        effective = measurement.details.get("effective_clips", n)
        needed = intervals.clips_to_decide(value, minimum, per_clip=effective / n)
    else:
        needed = intervals.clips_to_narrow(value, measurement.ci, minimum, n)
    enough = (
        f"about {needed:,} clips would decide at this value"
        if needed
        else "more clips would narrow the interval"
    )
    return f"too few clips (n = {n}) to tell; {enough}"


def _facts(measurement: Measurement) -> list[tuple[str, str]]:
    details = measurement.details
    identity, transform, corpus = details["identity"], details["transform"], details["corpus"]
    distances = {"latent": identity.get("latent_distance"), "audio": identity.get("audio_distance")}
    named = [f"{name} ({space} space)" for space, name in distances.items() if name]
    facts = [("distance", ", ".join(named))]
    if "pairs" in identity:
        facts.append(("pairs", identity["pairs"]))
    facts.append(("corpus", f"{corpus['name']}: {_clips(corpus)}, chance {_chance(measurement)}"))
    if "encoder" in details:
        facts += [("assumed", assumption) for assumption in details["encoder"]["assumed"]]
    for scale in ("audio", "perceived"):
        told = details.get("damage", {}).get(scale)
        if told and (likened := as_noise(transform["family"], scale, told["median"])):
            facts.append(("damage", likened))
    if transform["asked"] != transform["name"]:
        facts.append(("alias", f"{transform['asked']} is {transform['name']} at this sample rate"))
    if "within" in details:
        rates = details["within"]
        facts.append(
            (
                "within",
                f"C_W audio {rates['audio']['value']:.3f}, latent {rates['latent']['value']:.3f}"
                + (" (two spaces that fail together agree)" if _both_fail(rates) else ""),
            )
        )
    if details.get("ties"):
        facts.append(("ties", f"{details['ties']} clips are as near to another original: errors"))
    if details.get("non_finite"):
        facts.append(
            ("not finite", f"{details['non_finite']} clips have a NaN or infinite distance: errors")
        )
    if details.get("relative_nearer"):
        facts.append(("relatives", relatives_text(measurement)))
    unchanged = transform.get("unchanged")
    if unchanged:
        facts.append(
            (
                "unchanged",
                f"{unchanged['clips']} of {unchanged['of']} clips came back as they were, and"
                " count as nearest to themselves",
            )
        )
    padding = transform.get("zero_padding")
    if padding:
        facts.append(
            (
                "padding",
                f"{padding['clips']} clips fell short of the window by up to"
                f" {padding['max_seconds']:.2f} s and were padded with zeros; use longer sources",
            )
        )
    return facts


def _clips(corpus: CorpusFacts) -> str:
    grouped = corpus["groups"] < corpus["clips"]
    return f"{corpus['clips']} clips" + (f" of {corpus['groups']} groups" if grouped else "")


def _chance(measurement: Measurement) -> str:
    """Return how often a clip's own original is nearest by chance."""
    others = measurement.details.get("others")
    if others is None:
        return f"{1 / measurement.details['corpus']['clips']:.3g}"
    return f"{sum(1 / (1 + count) for count in others) / len(others):.3g}"


def relatives_text(measurement: Measurement) -> str:
    """Return how many clips are nearer to a relative than to their original, and what it means."""
    count = measurement.details["relative_nearer"]
    return (
        f"{count} clips are as near, or nearer, to another clip of their own group: a relative, and"
        " no error (neighbours='all' counts them)"
    )


def _both_fail(rates: Rates) -> bool:
    return bool(rates["audio"]["value"] < 0.5 and rates["latent"]["value"] < 0.5)


def _worst_clips(measurement: Measurement, *, too_high: bool) -> list[str]:
    left = sum(not outcome for outcome in measurement.outcomes)
    kinds = {
        "accuracy": f"the spaces disagree on {left} of {measurement.n} clips; latent space, worst",
        "rho": "latent space, worst clips",
    }
    title = kinds.get(measurement.measure, f"{left} of {measurement.n} left their original; worst")
    if too_high:
        title = f"{measurement.n - left} of {measurement.n} are nearest to their original; farthest"
    width = max(len(clip["id"]) for clip in measurement.worst)
    rows = [f"{title}:", f"  {'clip':<{width}}  to its own  to another  nearest other original"]
    rows += [
        f"  {clip['id']:<{width}}  {_number(clip['own_distance']):>10}"
        f"  {_number(clip['neighbour_distance']):>10}  {clip['neighbour']}"
        for clip in measurement.worst
    ]
    return rows


def _number(value: float | None) -> str:
    return "not finite" if value is None or not math.isfinite(value) else f"{value:.5g}"


def _hearing(measurement: Measurement) -> list[str]:
    clip = measurement.worst[0]
    transform = measurement.details["transform"]["name"]
    corpus = measurement.details["corpus"]
    origin, modules = corpus["origin"], []
    try:
        modules = modules_of(parse_transform(transform))
    except MagnitudeError:
        origin = None
    if origin is None:
        return [
            "listen:  write transform.apply(corpus[corpus.index(ID)]).samples with soundfile, for"
            f" ID {clip['id']!r}"
        ]
    command = ["python", "-m", "pytest_nnrel", "show", clip["id"], "--transform", transform]
    for module in modules:
        command += ["--import", module]
    command += ["--against", clip["neighbour"]]
    options = {
        "corpus": (origin, BUNDLED),
        "sample-rate": (corpus["sample_rate"], SAMPLE_RATE),
        "source-seconds": (corpus["source_seconds"], SOURCE_SECONDS),
        "window-seconds": (corpus["window_seconds"], WINDOW_SECONDS),
        "segments": (corpus["segments"], 1),
    }
    for option, (value, default) in options.items():
        if value != default:
            command += [f"--{option}", str(value)]
    if measurement.details["identity"]["seed"]:
        command += ["--seed", str(measurement.details["identity"]["seed"])]
    return [f"listen:  {shlex.join(command)}"]

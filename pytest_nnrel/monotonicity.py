"""Whether graver is further: the paper's assumption (ii), that distance grows with magnitude."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pytest_nnrel import recording
from pytest_nnrel.assertions import asked
from pytest_nnrel.distances import resolve_distance
from pytest_nnrel.encoders import as_encoder
from pytest_nnrel.errors import MagnitudeError
from pytest_nnrel.experiment.attacks import question_to
from pytest_nnrel.experiment.embedding import embed
from pytest_nnrel.experiment.facts import WORST, facts_of
from pytest_nnrel.experiment.recognition import recognise
from pytest_nnrel.experiment.rendering import render
from pytest_nnrel.experiment.spaces import (
    audio_space,
    exemplars_of,
    latent_space,
    mean_over_clips,
)
from pytest_nnrel.failures import too_few_clips
from pytest_nnrel.measurement import Measurement
from pytest_nnrel.measures import study_on
from pytest_nnrel.recording import Verdict, record_measurement, record_verdict
from pytest_nnrel.requirement import check_steps
from pytest_nnrel.runtime.progress import progress
from pytest_nnrel.statistics import consistency
from pytest_nnrel.transforms import Transform, ladder
from pytest_nnrel.transforms.grids import evenly

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_nnrel.corpus import Corpus
    from pytest_nnrel.distances import Distance, Metric
    from pytest_nnrel.encoders.protocol import EncoderLike
    from pytest_nnrel.experiment.encoding import Listener
    from pytest_nnrel.experiment.study import Neighbours

#: Steps from the identity to the end of the ladder.
STEPS = 8


def monotonicity(
    encoder: EncoderLike,
    family: type[Transform] | Transform,
    *,
    corpus: Corpus | None = None,
    distance: Metric = "euclidean",
    audio_distance: Metric = "dtw",
    neighbours: Neighbours = "others",
    steps: int = STEPS,
    seed: int | None = None,
) -> tuple[Measurement, ...]:
    """Measure how strictly distance grows with severity, in each direction of a family.

    Each clip is transformed at evenly spaced rungs from the identity outward; Spearman's rho of
    the rungs and the distances to its original is taken, and averaged over clips.

    Parameters
    ----------
    encoder : Encoder, or anything that `as_encoder` takes
    family : class, or Transform
        As in `breaking_magnitude`.
    corpus : Corpus, optional
        The run's where omitted; outside pytest, the bundled one.
    distance : str or callable
        Latent: ``"euclidean"``, ``"cosine"``, or one's own.
    audio_distance : str or callable
        ``"dtw"``, ``"simple"``, ``"fastdtw"``, or one's own.
    neighbours : {"others", "all"}
        As in `within_consistency`. Distances are to the own original: it matters to attacks, which
        seek another, and ``"all"`` is for clips that are all of one group.
    steps : int
        At least 2; fewer where the ladder has fewer rungs.
    seed : int, optional
        The run's where omitted.

    Returns
    -------
    tuple of Measurement
        One per direction. `value` is the mean rho over clips, 1 where graver is always further;
        `ci` accounts for groups. Details hold the rho of each clip, the clips with the least, the
        rungs, and the same of audio space, which tells what can be expected.

    Raises
    ------
    SettingError
        If `steps` is below 2.
    MagnitudeError
        If `family` is none, or has fewer than two rungs besides the identity.
    NNRelError
        If it cannot be measured.
    """
    check_steps(steps, 2)
    study = study_on(corpus, seed, neighbours)
    known = as_encoder(encoder)
    latent = resolve_distance(distance, "latent")
    audio = resolve_distance(audio_distance, "audio")
    listener = recognise(known, study)
    found = []
    for rungs in ladder(family, study.corpus.sample_rate).values():
        if len(rungs) < 3:
            raise MagnitudeError(
                f"up to {rungs[-1].name} there are {len(rungs)} rungs with the identity; rho of"
                " severity and distance takes 3 or more"
            )
        chosen = [rungs[position] for position in evenly(len(rungs) - 1, steps)]
        found.append(_measure(listener, chosen, latent, audio))
        record_measurement(found[-1])
    return tuple(found)


def assert_monotone(
    encoder: EncoderLike,
    family: type[Transform] | Transform,
    *,
    min: float = 0.9,
    corpus: Corpus | None = None,
    distance: Metric = "euclidean",
    audio_distance: Metric = "dtw",
    neighbours: Neighbours = "others",
    steps: int = STEPS,
    confident: bool = False,
    seed: int | None = None,
) -> tuple[Measurement, ...]:
    """Assert that graver is further from the original (the paper's assumption ii).

    Parameters
    ----------
    encoder, family, corpus, distance, audio_distance, neighbours, steps, seed
        As in `monotonicity`.
    min : float
        Least mean rho in any direction, from -1 to 1.
    confident : bool
        Judge by the 95 % interval instead of the value.

    Returns
    -------
    tuple of Measurement
        One per direction.

    Raises
    ------
    AssertionError
        If a direction is below `min`, or undecided.
    NNRelError
        If it cannot be measured.
    """
    __tracebackhide__ = True
    assertion = "assert_monotone"
    required = asked(assertion, min=min, lowest=-1.0)
    with recording.errors_recorded(assertion, min):
        found = monotonicity(
            encoder, family, corpus=corpus, distance=distance, audio_distance=audio_distance,
            neighbours=neighbours, steps=steps, seed=seed,
        )  # fmt: skip
        messages = []
        for measurement in found:
            outcome = required.outcome(measurement, confident=confident)
            message = "" if outcome == "holds" else _failure_message(measurement, min, outcome)
            record_verdict(Verdict(assertion, outcome, min, measurement.as_dict(), message))
            messages += [message] if message else []
    if messages:
        raise AssertionError("\n\n".join(messages))
    return found


def _measure(
    listener: Listener,
    rungs: Sequence[Transform],
    distance: Distance,
    audio_distance: Distance,
) -> Measurement:
    study, latent, audio = listener.study, [], []
    what = f"{listener.encoder.name} up to {rungs[-1].name}"
    for rung in progress(rungs, len(rungs), what, "rung"):
        embedded = embed(listener, render(question_to(listener, rung, distance)))
        latent.append(exemplars_of(latent_space(embedded, distance)).own)
        audio.append(exemplars_of(audio_space(embedded.rendered, audio_distance)).own)
    of_clips = consistency.monotonicity(np.stack(latent))
    in_audio = consistency.monotonicity(np.stack(audio))
    details = facts_of(embedded.rendered, embedded, audio=audio_distance, latent=distance)
    # It is about the way there, not about the end: no point of a curve over magnitudes.
    way = f"up to {rungs[-1].name}"
    details["transform"]["name"] = details["transform"]["asked"] = way
    details["transform"]["magnitude"] = None
    details["identity"]["rungs"] = [rung.name for rung in rungs]
    ids = study.corpus.ids
    details["chance"] = 0.0
    details["per_clip"] = of_clips.tolist()
    details["least"] = [
        {"id": ids[i], "rho": float(of_clips[i]), "audio_rho": float(in_audio[i])}
        for i in np.argsort(of_clips, kind="stable")[:WORST]
    ]
    expected, between = mean_over_clips(study, in_audio, least=-1.0)
    details["audio"] = {"value": expected, "ci": list(between)}
    value, ci = mean_over_clips(study, of_clips, least=-1.0)
    return Measurement("monotone", value, ci, len(ids), (), (), details)


def _failure_message(measurement: Measurement, minimum: float, outcome: recording.Outcome) -> str:
    details = measurement.details
    low, high = measurement.ci
    audio = details["audio"]
    said, compared = (
        ("whether graver is further cannot be decided",
         f", but its 95 % CI [{low:.3f}, {high:.3f}] holds {minimum:g}:"
         f" {too_few_clips(measurement, minimum)}")
        if outcome == "undecided"
        else ("graver is not further",
              f" < {minimum:g} (95 % CI [{low:.3f}, {high:.3f}], n = {measurement.n})")
    )  # fmt: skip
    width = max(len(clip["id"]) for clip in details["least"])
    return "\n".join(
        [
            f"{details['encoder']['name']}: {said}: mean rho of severity and"
            f" distance = {measurement.value:.3f} {details['transform']['name']}{compared}",
            "",
            f"  audio      {audio['value']:.3f} [{audio['ci'][0]:.3f}, {audio['ci'][1]:.3f}] in"
            " audio space: what can be expected",
            f"  rungs      {', '.join(details['identity']['rungs'])}",
            f"  corpus     {details['corpus']['name']}: {details['corpus']['clips']} clips",
            *(f"  assumed    {assumption}" for assumption in details["encoder"]["assumed"]),
            "",
            "least monotone clips:",
            f"  {'clip':<{width}}    rho  in audio space",
            *(
                f"  {clip['id']:<{width}}  {clip['rho']:>5.2f}  {clip['audio_rho']:>5.2f}"
                for clip in details["least"]
            ),
            "",
            "redo:    " + (recording.reproduction() or "the same call with seed="
                           f"{details['identity']['seed']}"),
        ]
    )  # fmt: skip

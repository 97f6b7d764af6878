"""The measures: what is asked is settled here, sent through the stages, and becomes a measurement.

This is the only place that reads the settings of the run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

import numpy as np

from pytest_nnrel.audit import Audit, audit
from pytest_nnrel.corpus import Clip, Corpus, as_corpus
from pytest_nnrel.distances import resolve_distance
from pytest_nnrel.encoders import as_encoder
from pytest_nnrel.errors import SettingError
from pytest_nnrel.experiment.attacks import aimed
from pytest_nnrel.experiment.embedding import embed
from pytest_nnrel.experiment.facts import add_qualities, facts_of, map_of, worst_of
from pytest_nnrel.experiment.recognition import recognise
from pytest_nnrel.experiment.rendering import render
from pytest_nnrel.experiment.sampled import sample_of, sampled_rho
from pytest_nnrel.experiment.spaces import (
    audio_space,
    exemplars_of,
    latent_space,
    ranks_of,
    rho_replicates,
)
from pytest_nnrel.experiment.study import Neighbours, question, study_of
from pytest_nnrel.measurement import Clips, Measurement
from pytest_nnrel.recording import record_audit, record_measurement
from pytest_nnrel.runtime import settings
from pytest_nnrel.statistics import consistency, intervals, ranks
from pytest_nnrel.transforms import as_transform

if TYPE_CHECKING:
    import numpy.typing as npt

    from pytest_nnrel.distances import Distance, Metric
    from pytest_nnrel.encoders.protocol import EncoderLike
    from pytest_nnrel.experiment.embedding import Embedded
    from pytest_nnrel.experiment.rendering import Rendered
    from pytest_nnrel.experiment.spaces import Space
    from pytest_nnrel.experiment.study import Study
    from pytest_nnrel.measurement import Details, Rate
    from pytest_nnrel.statistics.consistency import Exemplars, Matrix
    from pytest_nnrel.statistics.ranks import Pairs
    from pytest_nnrel.statistics.sample import Sample
    from pytest_nnrel.transforms.protocol import TransformLike


def within_consistency(
    encoder: EncoderLike,
    transform: TransformLike,
    *,
    corpus: Corpus | None = None,
    distance: Metric = "euclidean",
    neighbours: Neighbours = "others",
    seed: int | None = None,
) -> Measurement:
    """Measure C_W in latent space (paper eq. 10): how often the own original is nearest.

    Parameters
    ----------
    encoder : Encoder, or anything that `as_encoder` takes
    transform : Transform, or anything that `as_transform` takes
    corpus : Corpus, optional
        The run's where omitted; outside pytest, the bundled one.
    distance : str or callable
        ``"euclidean"``, ``"cosine"``, or one's own.
    neighbours : {"others", "all"}
        Which originals compete with a clip's own: in a grouped corpus those of other groups, as
        clips of one track are relatives; or all, which is eq. 9 to the letter.
    seed : int, optional
        The run's where omitted.

    Returns
    -------
    Measurement
        Its `ci` is Wilson's; ``details["bootstrap_ci"]`` is drawn over clips or groups.

    Raises
    ------
    TooFewClipsError
        If the corpus has fewer than two clips.
    NNRelError
        If corpus, transformation or encoder fail.
    """
    study = study_on(corpus, seed, neighbours)
    asked = question(study, as_transform(transform))
    known, compared = as_encoder(encoder), resolve_distance(distance, "latent")
    with asked.watch("embedding"):
        listener = recognise(known, study)
        asked = aimed(asked, listener, compared)
    embedded = embed(listener, render(asked))
    measurement = within(embedded, compared)
    reported = settings.active().audio_bound
    if reported:
        measurement.details["map"] = map_of(embedded)
    record_measurement(measurement)
    if reported and len(study.corpus) <= settings.ALL_PAIRS_UNASKED:
        rendered = render(asked.timed_apart)
        record_measurement(audio(rendered, resolve_distance("dtw", "audio")))
        record_audit(study.corpus.fingerprint, audit(study).as_dict())
    return measurement


def audio_consistency(
    transform: TransformLike,
    *,
    corpus: Corpus | None = None,
    distance: Metric = "dtw",
    neighbours: Neighbours = "others",
    seed: int | None = None,
    encoder: EncoderLike | None = None,
) -> Measurement:
    """Measure C_W in audio space (paper eq. 10), a weak upper bound of what encoders can reach.

    Parameters
    ----------
    transform : Transform, or anything that `as_transform` takes
    corpus, neighbours, seed
        As in `within_consistency`.
    distance : str or callable
        ``"dtw"``, ``"simple"``, ``"fastdtw"``, or one's own.
    encoder : Encoder, or anything that `as_encoder` takes, optional
        That an attack is on, where it names none; other transformations need none.

    Returns
    -------
    Measurement
    """
    asked = question(study_on(corpus, seed, neighbours), as_transform(transform))
    listener = None if encoder is None else recognise(as_encoder(encoder), asked.study)
    asked = aimed(asked, listener, resolve_distance("euclidean", "latent"))
    measurement = audio(render(asked), resolve_distance(distance, "audio"))
    record_measurement(measurement)
    return measurement


def between_consistency(
    encoder: EncoderLike,
    transform: TransformLike,
    *,
    corpus: Corpus | None = None,
    measure: str = "rho",
    audio_distance: Metric = "dtw",
    latent_distance: Metric = "euclidean",
    pairs: Pairs = "all",
    neighbours: Neighbours = "others",
    seed: int | None = None,
) -> Measurement:
    """Measure how far audio and latent space agree (paper eqs. 11 and 12).

    Parameters
    ----------
    encoder, transform, corpus, neighbours, seed
        As in `within_consistency`; neighbours do not matter for rho.
    measure : {"rho", "accuracy"}
        Spearman's rho between the distances of both spaces (C_rho), or the share of clips on
        which both make the same exemplar error or none (C_acc).
    audio_distance, latent_distance : str or callable
    pairs : {"all", "own", "distinct", "sampled"}
        For rho: all N x N pairs of a transformed clip and an original, as the authors' code has
        it; own pairs only; all but own pairs, which with `Identity` is the paper's Fig. 13; or, of
        more than 4,194,304 pairs (2,048 clips), a sample of about as many, each clip in as many.
        ``details["sampled"]`` then tells how many, and the standard error that this adds; `ci`
        holds it too.

    Returns
    -------
    Measurement
        ``details["within"]`` holds C_W of both spaces, unless pairs are sampled: two spaces that
        fail together agree too.

    Raises
    ------
    UndefinedMeasureError
        If rho has no value, such as for an encoder that gives one embedding for all clips.
    """
    if measure not in ("rho", "accuracy"):
        raise SettingError(f"measure must be 'rho' or 'accuracy', not {measure!r}")
    if pairs not in get_args(ranks.Pairs):
        kinds = ", ".join(get_args(ranks.Pairs))
        raise SettingError(f"pairs must be one of {kinds}, not {pairs!r}")
    asked = question(study_on(corpus, seed, neighbours), as_transform(transform))
    known = as_encoder(encoder)
    in_audio = resolve_distance(audio_distance, "audio")
    latent = resolve_distance(latent_distance, "latent")
    with asked.watch("embedding"):
        listener = recognise(known, asked.study)
        asked = aimed(asked, listener, latent)
    embedded = embed(listener, render(asked))
    measurement = between(embedded, measure, in_audio, latent, pairs)
    record_measurement(measurement)
    return measurement


def transformed_clip(
    clip: Clip | str,
    transform: TransformLike,
    encoder: EncoderLike | None = None,
    *,
    corpus: Corpus | None = None,
    distance: Metric = "euclidean",
    neighbours: Neighbours = "others",
    seed: int | None = None,
) -> Clip:
    """Return a clip as measures have it under a transformation: from the cache where it is there.

    Parameters
    ----------
    clip : Clip or str
        A clip of the corpus, or its id.
    transform : Transform, or anything that `as_transform` takes
    encoder : Encoder, or anything that `as_encoder` takes, optional
        That an attack is on; other transformations need none.
    corpus, distance, neighbours, seed
        As in `within_consistency`.

    Returns
    -------
    Clip

    Raises
    ------
    CorpusError
        If the corpus has no such clip, or another one of its id.
    NNRelError
        If it cannot be transformed.
    """
    study = study_on(corpus, seed, neighbours)
    asked = question(study, as_transform(transform))
    listener = None if encoder is None else recognise(as_encoder(encoder), study)
    asked = aimed(asked, listener, resolve_distance(distance, "latent"))
    index = study.corpus.index(clip)
    rendered = render(asked, [index])
    rendered.make([index])
    (transformed,) = rendered.clips([index])
    return transformed


def audit_corpus(corpus: Corpus | None = None) -> Audit:
    """Look for recordings that are in a corpus twice, and for clips that are not what they seem.

    Parameters
    ----------
    corpus : Corpus, optional
        The run's where omitted; outside pytest, the bundled one.

    Returns
    -------
    Audit
        Near-twins with what they cost, silence, clipping, DC offset and cut-off frequencies.

    Raises
    ------
    NNRelError
        If the corpus cannot be measured.
    """
    return audit(study_on(corpus))


def run_corpus() -> Corpus:
    """Return the run's corpus; outside pytest, the bundled one."""
    chosen = settings.active().corpus
    return Corpus.bundled() if chosen is None else as_corpus(chosen())


def study_on(
    corpus: Corpus | None = None, seed: int | None = None, neighbours: Neighbours = "others"
) -> Study:
    """Return the study of a corpus, the run's where omitted, under the active settings."""
    if neighbours not in get_args(Neighbours):
        raise SettingError(
            f"neighbours must be 'others' (of other groups) or 'all', not {neighbours!r}"
        )
    seed = settings.seed_or_own(seed)
    corpus = run_corpus() if corpus is None else as_corpus(corpus)
    return study_of(corpus, seed, settings.active(), neighbours)


# ---------------------------------------------------------------------------------------------
# Measurements of what the stages hand down


def within(embedded: Embedded, distance: Distance) -> Measurement:
    """Measure C_W in latent space; beside it that of what the transformation is told apart from."""
    measurement = _in_latent_space("within", embedded, distance)
    control = embedded.rendered.question.control
    if control is not None:
        beside = embed(embedded.listener, render(control, embedded.rendered.indices))
        rate = _rate_of(exemplars_of(latent_space(beside, distance)), control.study)
        measurement.details["control"] = {"name": control.condition.name, **rate}
    return measurement


def across(embedded: Embedded, distance: Distance) -> Measurement:
    """Measure C_W of clips as one encoder hears them among originals as another does."""
    return _in_latent_space("across", embedded, distance)


def audio(rendered: Rendered, distance: Distance) -> Measurement:
    """Measure C_W in audio space."""
    space = audio_space(rendered, distance)
    return _proportion("audio", space, facts_of(rendered, audio=distance), rendered)


def between(
    embedded: Embedded,
    measure: str,
    audio_distance: Distance,
    latent_distance: Distance,
    pairs: Pairs,
) -> Measurement:
    """Measure C_acc or C_rho."""
    rendered = embedded.rendered
    watch = rendered.question.watch
    in_audio = audio_space(rendered, audio_distance)
    latent = latent_space(embedded, latent_distance)
    details = facts_of(rendered, embedded, audio=audio_distance, latent=latent_distance)
    if measure == "rho" and pairs == "sampled":
        sample = sample_of(rendered.question.study)
        if sample is not None:
            spaces = (in_audio, audio_distance), (latent, latent_distance)
            return _sampled(embedded, *spaces, sample, details)
        pairs = "all"
    with watch("distances"):
        rows = exemplars_of(in_audio), exemplars_of(latent)
    rates = [_rate_of(of_space, in_audio.study) for of_space in rows]
    details["within"] = {"audio": rates[0], "latent": rates[1]}
    if measure == "accuracy":
        agreed = consistency.agreements(*rows)
        value = float(np.mean(agreed))
        measurement = _measurement("accuracy", value, agreed, latent, rows[1], details, rendered)
        # What spaces would agree on that have these rates and nothing in common.
        a, b = rates[0]["value"], rates[1]["value"]
        details["chance"] = a * b + (1 - a) * (1 - b)
        return measurement
    details["identity"]["pairs"] = pairs
    details["chance"] = 0.0
    with watch("ranks"):
        ranked = ranks_of(in_audio, pairs), ranks_of(latent, pairs)
        value = ranks.rank_agreement(*ranked)
    with watch("bootstrap"):
        replicates = rho_replicates(in_audio, latent, pairs)
        groups = len(set(rendered.question.study.corpus.groups))
        ci = intervals.correlation_interval(value, replicates, groups, ranked[0].count)
    details["undefined_replicates"] = int(np.isnan(replicates).sum())
    n = len(rendered.question.study.corpus)
    worst = worst_of(latent, rows[1])
    return Measurement("rho", value, ci, n, (), worst, details, watch.seconds)


def _sampled(
    embedded: Embedded,
    audio: tuple[Space, Distance],
    latent: tuple[Space, Distance],
    sample: Sample,
    details: Details,
) -> Measurement:
    """Measure C_rho of some pairs. C_W in audio space, which needs all, is not told beside it."""
    watch, corpus = embedded.rendered.question.watch, embedded.rendered.question.study.corpus
    with watch("ranks"):
        found = sampled_rho(embedded, audio, latent, sample)
    details["identity"]["pairs"] = "sampled"
    details["chance"] = 0.0
    details["sampled"] = {"pairs": found.pairs, "of": len(corpus) ** 2, "error": found.error}
    details["undefined_replicates"] = int(np.isnan(found.replicates).sum())
    groups = len(set(corpus.groups))
    ci = intervals.correlation_interval(found.value, found.replicates, groups, found.pairs)
    worst = worst_of(latent[0], exemplars_of(latent[0]))
    return Measurement("rho", found.value, ci, len(corpus), (), worst, details, watch.seconds)


def replicates_of_rho(embedded: Embedded, distance: Distance) -> Matrix:
    """Return the bootstrap of C_rho over all pairs beside DTW, float64[replicates]."""
    in_audio = audio_space(embedded.rendered, resolve_distance("dtw", "audio"))
    return rho_replicates(in_audio, latent_space(embedded, distance), "all")


def nearest(embedded: Embedded, distance: Distance) -> Measurement:
    """Measure delta of the one clip that was rendered (paper eq. 9)."""
    space = latent_space(embedded, distance)
    rows = exemplars_of(space)
    details = facts_of(embedded.rendered, embedded, latent=distance)
    details["identity"]["clip"] = space.study.corpus.ids[space.indices[0]]
    add_qualities(details, space, rows)
    value = consistency.within_consistency(rows)
    worst, seconds = worst_of(space, rows), embedded.rendered.question.watch.seconds
    return Measurement(
        "exemplar", value, (value, value), 1, (bool(value),), worst, details, seconds
    )


def _in_latent_space(measure: str, embedded: Embedded, distance: Distance) -> Measurement:
    space = latent_space(embedded, distance)
    details = facts_of(embedded.rendered, embedded, latent=distance)
    return _proportion(measure, space, details, embedded.rendered)


def _proportion(measure: str, space: Space, details: Details, rendered: Rendered) -> Measurement:
    with rendered.question.watch("distances"):
        rows = exemplars_of(space)
    value = consistency.within_consistency(rows)
    return _measurement(measure, value, ~rows.errors, space, rows, details, rendered)


def _measurement(
    measure: str,
    value: float,
    outcomes: npt.NDArray[np.bool_],
    space: Space,
    rows: Exemplars,
    details: Details,
    rendered: Rendered,
) -> Measurement:
    study = space.study
    watch, n = rendered.question.watch, len(outcomes)
    with watch("bootstrap"):
        replicates = intervals.resampled_proportion(
            outcomes, study.corpus.groups, study.rng("proportion"), intervals.REPLICATES
        )
    add_qualities(details, space, rows)
    if study.is_grouped:
        details["effective_clips"] = intervals.effective_clips(outcomes, study.corpus.groups)
    details["bootstrap_ci"] = list(intervals.percentile_interval(replicates))
    return Measurement(
        measure,
        value,
        intervals.proportion_interval(outcomes, study.corpus.groups),
        n,
        tuple(bool(outcome) for outcome in outcomes),
        worst_of(space, rows),
        details,
        watch.seconds,
        Clips(study.corpus.groups, study.corpus.labels),
    )


def _rate_of(rows: Exemplars, study: Study) -> Rate:
    ci = intervals.proportion_interval(~rows.errors, study.corpus.groups)
    return {"value": consistency.within_consistency(rows), "ci": list(ci)}

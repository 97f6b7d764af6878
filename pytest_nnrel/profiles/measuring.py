"""Measuring a profile, and asserting one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, get_args

from pytest_nnrel import measures, recording
from pytest_nnrel.directions import directions
from pytest_nnrel.distances import resolve_distance
from pytest_nnrel.encoders import MFCCEncoder, as_encoder
from pytest_nnrel.errors import SettingError
from pytest_nnrel.experiment.attacks import question_to
from pytest_nnrel.experiment.embedding import embed
from pytest_nnrel.experiment.recognition import recognise
from pytest_nnrel.experiment.rendering import render
from pytest_nnrel.profiles.scored import Profile, Profiled, profile_of
from pytest_nnrel.recording import Verdict, record_measurement, record_verdict
from pytest_nnrel.runtime.progress import progress
from pytest_nnrel.runtime.scalars import is_real
from pytest_nnrel.runtime.settings import Scale
from pytest_nnrel.transforms import conditions
from pytest_nnrel.transforms.grids import transforms_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_nnrel.corpus import Corpus
    from pytest_nnrel.distances import Distance, Metric
    from pytest_nnrel.encoders.protocol import EncoderLike
    from pytest_nnrel.experiment.embedding import Embedded
    from pytest_nnrel.experiment.study import Neighbours
    from pytest_nnrel.measurement import Measurement, PlainMeasurement
    from pytest_nnrel.statistics.consistency import Matrix
    from pytest_nnrel.transforms import Transform
    from pytest_nnrel.transforms.protocol import TransformLike


def profile(
    encoder: EncoderLike,
    grid: str | Iterable[TransformLike] = "field",
    *,
    corpus: Corpus | None = None,
    measure: Profiled = "within",
    distance: Metric = "euclidean",
    scale: Scale = "audio",
    neighbours: Neighbours = "others",
    seed: int | None = None,
) -> Profile:
    """Measure an encoder under a grid, beside the MFCC baseline on the same clips.

    Parameters
    ----------
    encoder : Encoder, or anything that `as_encoder` takes
    grid : str or iterable of Transform
        ``"field"``, ``"paper"``, ``"quick"``, a family's name, or transformations of families.
    corpus : Corpus, optional
        The run's where omitted; outside pytest, the bundled one.
    measure : {"within", "accuracy", "rho"}
        C_W in latent space (paper eq. 10), or C_acc (eq. 12) or C_rho (eq. 11) beside DTW.
    distance : str or callable
        Of the encoder's latent space: ``"euclidean"``, ``"cosine"``, or one's own. MFCC's is
        Euclidean, as in the paper.
    scale : {"audio", "perceived"}
        Of damage: the audio's distance to its original by DTW, over that to the nearest other
        original; or Zimtohrli's, a model of hearing (extra ``perception``).
    neighbours, seed
        As in `within_consistency`.

    Returns
    -------
    Profile
        The report has how far severity is told from the displacements of each family, too.

    Raises
    ------
    SettingError
        If there is no such grid, measure or scale.
    UndefinedMeasureError
        If the grid has no transformation of a family.
    EngineError
        If the scale needs what is not installed.
    NNRelError
        If it cannot be measured.
    """
    for given, name, kind in ((measure, "measure", Profiled), (scale, "scale", Scale)):
        if given not in get_args(kind):
            known = " or ".join(map(repr, get_args(kind)))
            raise SettingError(f"{name} must be {known}, not {given!r}")
    study = replace(measures.study_on(corpus, seed, neighbours), scale=scale)
    settled = list(conditions(transforms_of(grid), study.corpus.sample_rate))
    sides = [
        (recognise(as_encoder(encoder), study), resolve_distance(distance, "latent")),
        (recognise(MFCCEncoder(), study), resolve_distance("euclidean", "latent")),
    ]
    found: list[dict[str, PlainMeasurement]] = [{}, {}]
    replicates: list[dict[str, Matrix]] = [{}, {}]
    ladders: dict[type[Transform], list[Embedded]] = {}
    what = f"profile of {sides[0][0].encoder.name}"
    for condition in progress(settled, len(settled), what, "condition"):
        # Attacks are on the encoder; the baseline hears what they made.
        rendered = render(question_to(sides[0][0], condition, sides[0][1]))
        for side, (listener, compared) in enumerate(sides):
            embedded = embed(listener, rendered)
            measured = _measure(embedded, measure, compared)
            record_measurement(measured)
            found[side][condition.name] = measured.as_dict()
            if measure == "rho":
                replicates[side][condition.name] = measures.replicates_of_rho(embedded, compared)
            if side == 0:
                ladders.setdefault(type(condition), []).append(embedded)
    for ladder in ladders.values():
        along = directions(ladder)
        if along is not None:
            record_measurement(along)
    return profile_of(
        *found,
        groups=study.corpus.groups,
        scale=scale,
        seed=study.seed,
        replicates=(replicates[0], replicates[1]) if measure == "rho" else None,
    )


def _measure(embedded: Embedded, measure: Profiled, distance: Distance) -> Measurement:
    if measure == "within":
        return measures.within(embedded, distance)
    in_audio = resolve_distance("dtw", "audio")
    return measures.between(embedded, measure, in_audio, distance, "all")


def assert_profile(
    encoder: EncoderLike,
    grid: str | Iterable[TransformLike] = "field",
    *,
    max: float = 1.0,
    families: Mapping[str, float] | None = None,
    confident: bool = False,
    corpus: Corpus | None = None,
    measure: Profiled = "within",
    distance: Metric = "euclidean",
    scale: Scale = "audio",
    neighbours: Neighbours = "others",
    seed: int | None = None,
) -> Profile:
    """Assert that an encoder makes no more errors than the MFCC baseline, over all families.

    Parameters
    ----------
    encoder, grid, corpus, measure, distance, scale, neighbours, seed
        As in `profile`.
    max : float
        Greatest score: 1 is as many errors as MFCC, half as many in every family score 0.5.
    families : dict of str to float, optional
        Greatest relative error of single families, such as ``{"PitchShift": 0.5}``.
    confident : bool
        Judge by 95 % intervals instead of values: one that holds its bound fails as undecided.

    Returns
    -------
    Profile

    Raises
    ------
    AssertionError
        If the score or a family is above its bound, or undecided.
    SettingError
        If a bound is no positive number, or a family is not in the grid.
    NNRelError
        If it cannot be measured.
    """
    __tracebackhide__ = True
    assertion = "assert_profile"
    with recording.errors_recorded(assertion):
        if families is not None and not isinstance(families, Mapping):
            raise SettingError(
                "families takes bounds by name, such as {'PitchShift': 0.5}, not"
                f" {type(families).__name__}"
            )
        bounds = dict(families or {})
        grid = transforms_of(grid)
        known = dict.fromkeys(type(transform).__name__ for transform in grid)
        if missing := [name for name in bounds if name not in known]:
            raise SettingError(
                f"families bounds {', '.join(map(str, missing))}, and the grid has none of that"
                f" name; it has {', '.join(known)}"
            )
        for what, bound in (("max", max), *bounds.items()):
            if not is_real(bound) or not 0.0 < bound < float("inf"):
                raise SettingError(f"{what} must be bounded by a number above 0, not {bound!r}")
        found = profile(
            encoder, grid, corpus=corpus, measure=measure, distance=distance, scale=scale,
            neighbours=neighbours, seed=seed,
        )  # fmt: skip
        judged = [("score", found.score, found.ci, max)]
        for name, bound in bounds.items():
            one = found.family(name)
            judged.append((name, one.relative, one.ci, bound))
        outcomes = {
            what: (_outcome(value, ci, bound, confident), value, ci, bound)
            for what, value, ci, bound in judged
        }
        failures = [
            f"{what} = {value:.3f}"
            + (f" > {bound:g}" if outcome == "fails" else f", too close to {bound:g} to tell")
            + f" (95 % CI [{ci[0]:.3f}, {ci[1]:.3f}])"
            for what, (outcome, value, ci, bound) in outcomes.items()
            if outcome != "holds"
        ]
        message = ""
        if failures:
            redo = recording.reproduction() or "the same call with the same seed"
            message = "\n".join(
                [f"{found.encoder}: {'; '.join(failures)}", "", str(found), "", f"redo:    {redo}"]
            )
        said = {outcome for outcome, *_ in outcomes.values()}
        gravest: recording.Outcome = "holds"
        if said != {"holds"}:
            gravest = "fails" if "fails" in said else "undecided"
        record_verdict(
            Verdict(
                assertion, gravest, None, None, message,
                subject=found.encoder,
                headline=f"score {found.score:.3f} [{found.ci[0]:.3f}, {found.ci[1]:.3f}],"
                f" at most {max:g}",
            )
        )  # fmt: skip
    if message:
        raise AssertionError(message)
    return found


def _outcome(
    value: float, ci: tuple[float, float], bound: float, confident: bool
) -> recording.Outcome:
    if not confident:
        return "holds" if value <= bound else "fails"
    if ci[1] <= bound:
        return "holds"
    return "fails" if ci[0] > bound else "undecided"

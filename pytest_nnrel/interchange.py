"""Whether a new encoder may query the index of an old one, and the other way round.

C_W does not change when a space is rotated: an export or a retraining can be as consistent as it
was, and yet none of its embeddings be near those that are stored. So the clips are embedded by one
encoder and the originals by the other.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from pytest_nnrel import recording
from pytest_nnrel.assertions import asked
from pytest_nnrel.distances import pairwise_distances, resolve_distance
from pytest_nnrel.encoders import as_encoder
from pytest_nnrel.errors import EmbeddingSizeError, SettingError
from pytest_nnrel.experiment.attacks import question_to
from pytest_nnrel.experiment.blocks import spread
from pytest_nnrel.experiment.embedding import embed
from pytest_nnrel.experiment.recognition import recognise
from pytest_nnrel.experiment.rendering import render
from pytest_nnrel.experiment.spaces import exemplars_of, latent_space
from pytest_nnrel.failures import failure_message
from pytest_nnrel.measures import across, study_on, within
from pytest_nnrel.recording import Verdict, record_measurement, record_verdict
from pytest_nnrel.statistics import consistency, intervals, rotation
from pytest_nnrel.transforms import Identity, as_transform

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_nnrel.corpus import Corpus
    from pytest_nnrel.distances import Distance, Metric
    from pytest_nnrel.encoders.protocol import EncoderLike
    from pytest_nnrel.experiment.embedding import Embedded
    from pytest_nnrel.experiment.study import Neighbours
    from pytest_nnrel.measurement import Apart, Measurement
    from pytest_nnrel.requirement import Requirement
    from pytest_nnrel.transforms.protocol import TransformLike

#: Whose embeddings of transformed clips are looked up in the other's index.
Queries = Literal["both", "new", "old"]
#: Originals whose distances give the spread of a corpus, evenly spread over it.
_SPREAD_OF = 500
_ASSERTION = "assert_interchangeable"


@dataclass(frozen=True)
class Rotated:
    """Queries after the rotation that fits them to the index, each half of the clips by the other.

    Attributes
    ----------
    value : float
        C_W of the queries, turned, among the originals of the index.
    ci : (float, float)
        95 % interval.
    fitted_on : int
        Clips of the smaller half.
    dimensions : int
    factor : float
        That embeddings are multiplied with, mean of both halves.
    """

    value: float
    ci: tuple[float, float]
    fitted_on: int
    dimensions: int
    factor: float

    def text(self, required: Requirement) -> str:
        """Return whether a rotation would mend what does not fit."""
        scale = "" if abs(self.factor - 1.0) < 0.05 else f", times {self.factor:.3g},"
        found = (
            f"fitted on half of the clips{scale} it gives C_W = {self.value:.3f} on the other half"
            f" (95 % CI [{self.ci[0]:.3f}, {self.ci[1]:.3f}])"
        )
        if required.met_by(self.value):
            return f"a rotation would mend it: {found}; or embed the index anew"
        if self.fitted_on <= self.dimensions:
            return (
                f"too few clips to tell whether a rotation would: {self.fitted_on} do not determine"
                f" one of {self.dimensions} dimensions; {found}"
            )
        return f"no rotation mends it: {found}; embed the index anew"


@dataclass(frozen=True)
class Interchangeability:
    """How two encoders fit each other's embeddings.

    Attributes
    ----------
    new_among_old : Measurement or None
        C_W of clips as the new encoder hears them among originals as the old one does; None where
        it was not asked for.
    old_among_new : Measurement or None
        The reverse.
    new, old : Measurement or None
        C_W of each encoder alone; None where its clips were not asked for.
    rotated_new, rotated_old : Rotated or None
        The same queries, turned; None where the clips are too few, or of one group.
    """

    new_among_old: Measurement | None
    old_among_new: Measurement | None
    new: Measurement | None
    old: Measurement | None
    rotated_new: Rotated | None
    rotated_old: Rotated | None

    @property
    def measurements(self) -> tuple[Measurement, ...]:
        """Both directions, or the one that was asked for."""
        return tuple(m for m in (self.new_among_old, self.old_among_new) if m is not None)

    @property
    def value(self) -> float:
        """C_W of the direction that fits worse."""
        return min(measurement.value for measurement in self.measurements)

    @property
    def apart(self) -> Apart:
        """How far apart both embeddings of an original lie, in spreads of the corpus."""
        return self.measurements[0].details["apart"]

    def __str__(self) -> str:
        return "\n".join(
            f"{m.details['encoder']['name']} among originals by {m.details['index']['name']}:"
            f" C_W = {m.value:.3f} [{m.ci[0]:.3f}, {m.ci[1]:.3f}]"
            for m in self.measurements
        )


def interchangeability(
    old: EncoderLike,
    new: EncoderLike,
    *,
    transform: TransformLike | None = None,
    queries: Queries = "both",
    distance: Metric = "euclidean",
    neighbours: Neighbours = "others",
    corpus: Corpus | None = None,
    seed: int | None = None,
) -> Interchangeability:
    """Measure how often a clip finds its own original among those that another encoder embedded.

    Parameters
    ----------
    old, new : Encoder, or anything that `as_encoder` takes
        Also a table of stored embeddings, the index: of originals alone it has no queries, so that
        with a `transform` it takes ``queries="new"``. Rows of other clips are passed over.
    transform : Transform, optional
        What queries went through. The clips as they are where omitted.
    queries : {"both", "new", "old"}
        Whose clips are looked up in the other's originals.
    distance : str or callable
        ``"euclidean"``, ``"cosine"``, or one's own.
    neighbours, corpus, seed
        As in `within_consistency`.

    Returns
    -------
    Interchangeability

    Raises
    ------
    EmbeddingSizeError
        If their embeddings have different lengths.
    NNRelError
        If it cannot be measured, such as a table that lacks clips of the corpus.
    """
    if queries not in get_args(Queries):
        raise SettingError(f"queries must be 'both', 'new' or 'old', not {queries!r}")
    study = study_on(corpus, seed, neighbours)
    condition = as_transform(Identity() if transform is None else transform)
    known = {"old": as_encoder(old), "new": as_encoder(new)}
    compared = resolve_distance(distance, "latent")
    listeners = {name: recognise(encoder, study) for name, encoder in known.items()}
    embedded = {
        name: embed(
            listener,
            render(question_to(listener, condition, compared))
            if queries in ("both", name)
            else listener.originals,
        )
        for name, listener in listeners.items()
    }
    found: dict[str, tuple[Measurement, Measurement, Rotated | None]] = {}
    for name, other in (("new", "old"), ("old", "new")):
        if queries not in ("both", name):
            continue
        one, index = embedded[name], embedded[other]
        crossed = one.among(index)
        measurement = across(crossed, compared)
        measurement.details["apart"] = _apart(one, crossed, compared)
        alone = within(one, compared)
        record_measurement(alone)
        record_measurement(measurement)
        found[name] = measurement, alone, _rotated(one, crossed, compared)
    new_among, new_alone, new_turned = found.get("new", (None, None, None))
    old_among, old_alone, old_turned = found.get("old", (None, None, None))
    return Interchangeability(new_among, old_among, new_alone, old_alone, new_turned, old_turned)


def assert_interchangeable(
    old: EncoderLike,
    new: EncoderLike,
    *,
    min: float,
    transform: TransformLike | None = None,
    queries: Queries = "both",
    distance: Metric = "euclidean",
    neighbours: Neighbours = "others",
    corpus: Corpus | None = None,
    confident: bool = False,
    seed: int | None = None,
) -> Interchangeability:
    """Assert that a new encoder may query the index of an old one, and the other way round.

    Parameters
    ----------
    old, new, transform, queries, distance, neighbours, corpus, seed
        As in `interchangeability`.
    min : float
        Least C_W (paper eq. 10) of each direction, from 0 to 1.
    confident : bool
        Judge by the 95 % interval, as in `assert_within_consistency`.

    Returns
    -------
    Interchangeability

    Raises
    ------
    AssertionError
        If a direction is below `min`, or undecided, or if their embeddings have different lengths.
        Where both encoders are consistent alone it says whether a rotation would mend it.
    NNRelError
        If it cannot be measured.
    """
    __tracebackhide__ = True
    required = asked(_ASSERTION, min=min)
    messages = []
    with recording.errors_recorded(_ASSERTION, min):
        try:
            found = interchangeability(
                old, new, transform=transform, queries=queries, distance=distance,
                neighbours=neighbours, corpus=corpus, seed=seed,
            )  # fmt: skip
        except EmbeddingSizeError as error:
            headline = f"not interchangeable: {error}"
            record_verdict(
                Verdict(
                    _ASSERTION, "fails", min, None, headline,
                    subject=as_encoder(new).name, headline=headline,
                )
            )  # fmt: skip
            raise AssertionError(headline) from None
        for measurement, alone, other, turned in _directions(found):
            outcome = required.outcome(measurement, confident=confident)
            message = ""
            if outcome != "holds":
                shown = failure_message(measurement, required, outcome, recording.reproduction())
                first, _, rest = shown.partition("\n")
                facts = _facts(required, measurement, alone, other, turned)
                message = "\n".join([first, "", *facts, rest.removeprefix("\n")])
            record_verdict(Verdict(_ASSERTION, outcome, min, measurement.as_dict(), message))
            messages += [message] if message else []
    if messages:
        raise AssertionError("\n\n".join(messages))
    return found


def _directions(
    found: Interchangeability,
) -> Iterator[tuple[Measurement, Measurement | None, Measurement | None, Rotated | None]]:
    if found.new_among_old is not None:
        yield found.new_among_old, found.new, found.old, found.rotated_new
    if found.old_among_new is not None:
        yield found.old_among_new, found.old, found.new, found.rotated_old


def _facts(
    required: Requirement,
    measurement: Measurement,
    alone: Measurement | None,
    other: Measurement | None,
    turned: Rotated | None,
) -> list[str]:
    """Return whether the encoders fall short alone, how far apart they are, what would mend it."""
    apart = measurement.details["apart"]
    known = [m for m in (alone, other) if m is not None]
    told = ", ".join(f"{m.details['encoder']['name']} {m.value:.3f}" for m in known)
    index = measurement.details["index"]["name"]
    facts = {"index": f"originals by {index}"}
    if apart["median"] is not None and apart["max"] is not None:
        facts["apart"] = (
            f"both embeddings of an original are {apart['median']:.3g} spreads of the corpus"
            f" apart, at most {apart['max']:.3g}"
        )
    elif apart["spread"] == 0.0:
        facts["apart"] = "all originals of the index are the same"
    if not all(required.holds(m) for m in known):
        facts["alone"] = f"C_W {told}: one falls short by itself, see assert_within_consistency"
    elif required.holds(measurement):
        facts["alone"] = f"C_W {told}: consistent"
    else:
        facts["alone"] = f"C_W {told}: consistent, but their spaces do not fit"
        if turned is not None:
            facts["mend"] = turned.text(required)
    return [f"  {name:<10} {fact}" for name, fact in facts.items()]


def _apart(one: Embedded, crossed: Embedded, distance: Distance) -> Apart:
    """Return how far both embeddings of an original lie apart, in spreads of the corpus."""
    originals = replace(crossed, rendered=one.listener.originals, queries=one.originals)
    own = exemplars_of(latent_space(originals, distance)).own
    some = crossed.originals[spread(len(crossed.originals), _SPREAD_OF)]
    among = pairwise_distances(some, some, distance)[~np.eye(len(some), dtype=bool)]
    typical = float(np.median(among))
    known = typical > 0.0
    return {
        "spread": typical,
        "median": float(np.median(own)) / typical if known else None,
        "max": float(np.max(own)) / typical if known else None,
    }


def _rotated(one: Embedded, crossed: Embedded, distance: Distance) -> Rotated | None:
    """Return C_W of queries that are turned to fit the index; None where no half can be fitted."""
    study = one.listener.study
    groups = study.corpus.groups
    first = rotation.halves(groups, study.rng("halves"))
    smaller = int(min(first.sum(), (~first).sum()))
    if smaller < 2:
        return None
    turned, factors = rotation.rotated(crossed.queries, one.originals, crossed.originals, first)
    space = latent_space(replace(crossed, queries=turned.astype(np.float32)), distance)
    rows = exemplars_of(space)
    return Rotated(
        consistency.within_consistency(rows),
        intervals.proportion_interval(~rows.errors, groups),
        smaller,
        turned.shape[1],
        float(np.mean(factors)),
    )

"""What was measured, as typed plain values. Standard library only.

A measurement is made of builtins that JSON can hold, so that tests, processes, reports and files
see the same; the types here say what each of them is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NotRequired, TypedDict

from pytest_nnrel.errors import CorpusError, UndefinedMeasureError

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Measure:
    """How a measure is called, and what it says of a clip.

    Attributes
    ----------
    symbol : str
    lost, kept : str
        What outcomes say of a clip, False and True; empty where there is none of each clip.
    lowest : float
        Least value.
    drawn : bool
        Whether the report draws it over magnitudes.
    """

    symbol: str
    lost: str = ""
    kept: str = ""
    lowest: float = 0.0
    drawn: bool = False


#: Measures by name, in the order in which pages show them.
MEASURES = {
    "within": Measure("C_W", "lost", "nearest", drawn=True),
    "audio": Measure("C_W audio", "lost", "nearest"),
    "accuracy": Measure("C_acc", "disagree", "agree", drawn=True),
    "rho": Measure("C_rho", lowest=-1.0, drawn=True),
    "across": Measure("C_W across", "lost", "nearest"),
    "exemplar": Measure("1 - delta", "lost", "nearest"),
    "monotone": Measure("monotonicity", lowest=-1.0),
    "sensitivity": Measure("R2 of severity"),
    "equivariance": Measure("shared displacement"),
}


class IdentityFacts(TypedDict):
    """What a measurement is known by, along with its measure."""

    corpus: str
    transform: str
    seed: int
    #: Whether names alone tell encoder, transformation or distance.
    named_only: bool
    audio_distance: NotRequired[str]
    latent_distance: NotRequired[str]
    encoder: NotRequired[str]
    encoder_fingerprint: NotRequired[str | None]
    encoder_sample_rate: NotRequired[int | None]
    encoder_window_seconds: NotRequired[float | None]
    #: Encoder of the originals, where it is not that of the clips.
    index: NotRequired[str]
    index_fingerprint: NotRequired[str | None]
    pairs: NotRequired[str]
    #: ``"all"`` where relatives of the own group compete, in a corpus that has any.
    neighbours: NotRequired[str]
    clip: NotRequired[str]
    rungs: NotRequired[list[str]]


class CorpusFacts(TypedDict):
    """The corpus, see `Corpus.describe`."""

    name: str
    fingerprint: str
    clips: int
    groups: int
    sample_rate: int
    source_seconds: float
    window_seconds: float
    origin: str | None
    segments: int
    grouping: str | None
    passed_over: dict[str, int]


class Range(TypedDict):
    """Of something that was verified on each clip."""

    min: float
    max: float


class Unchanged(TypedDict):
    """Clips that came back as they were."""

    clips: int
    of: int


class Padding(TypedDict):
    """Clips that were shorter than the window."""

    clips: int
    max_seconds: float


class TransformFacts(TypedDict):
    """The condition, and what was asked where that is an alias of it."""

    name: str
    family: str
    symbol: str
    magnitude: float | None
    unit: str
    identity: float
    severity: float | None
    asked: str
    recipe: dict[str, object] | None
    #: Range of each thing that the transformation verified on the clips.
    checks: dict[str, Range]
    unchanged: NotRequired[Unchanged]
    zero_padding: NotRequired[Padding]


class EncoderFacts(TypedDict):
    """The encoder, and what was taken for granted of it."""

    name: str
    fingerprint: str | None
    sample_rate: int
    window_seconds: float
    device: str | None
    assumed: list[str]


class Rate(TypedDict):
    """A value with its 95 % interval."""

    value: float
    ci: list[float]


class Rates(TypedDict):
    """C_W of both spaces."""

    audio: Rate
    latent: Rate


class Least(TypedDict):
    """A clip for which graver is not further."""

    id: str
    rho: float
    audio_rho: float


class Misfit(TypedDict):
    """A clip of which severity is told least, or that moves least like the others."""

    id: str
    value: float


class Map(TypedDict):
    """Clips in the plane of the originals' principal axes."""

    clips: list[str]
    originals: list[list[float]]
    transformed: list[list[float]]
    explained: list[float]


class WorstClip(TypedDict):
    """A clip that is far from its original, against the nearest other."""

    id: str
    #: Distances are None where they are not finite, in plain measurements.
    own_distance: float | None
    neighbour: str
    neighbour_distance: float | None
    originals_distance: float | None


class Apart(TypedDict):
    """How far apart two embeddings of one clip lie, in spreads of the corpus."""

    #: Median distance of two originals in the index.
    spread: float
    #: Distance of both embeddings of an original over the spread; None where that is 0.
    median: float | None
    max: float | None


class Details(TypedDict):
    """What identifies and qualifies a value."""

    identity: IdentityFacts
    corpus: CorpusFacts
    transform: TransformFacts
    encoder: NotRequired[EncoderFacts]
    index: NotRequired[EncoderFacts]
    apart: NotRequired[Apart]
    chance: NotRequired[float]
    margins: NotRequired[list[float]]
    relative_margins: NotRequired[list[float]]
    ranks: NotRequired[list[int]]
    #: Originals that compete with each clip's own, where groups are told; else all but it.
    others: NotRequired[list[int]]
    #: Clips that a relative of their own group is nearer to than their original, or as near.
    relative_nearer: NotRequired[int]
    ties: NotRequired[int]
    non_finite: NotRequired[int]
    bootstrap_ci: NotRequired[list[float]]
    #: What the clips are worth where they share groups, see `intervals.effective_clips`.
    effective_clips: NotRequired[float]
    within: NotRequired[Rates]
    undefined_replicates: NotRequired[int]
    map: NotRequired[Map]
    per_clip: NotRequired[list[float]]
    least: NotRequired[list[Least]]
    misfits: NotRequired[list[Misfit]]
    #: How often permuted severities are told as well.
    p: NotRequired[float]
    audio: NotRequired[Rate]


class PlainMeasurement(TypedDict):
    """A measurement as JSON holds it, `Measurement.as_dict`."""

    measure: str
    value: float
    ci: list[float]
    n: int
    outcomes: str
    worst: list[WorstClip]
    details: Details
    timings: dict[str, float]


@dataclass(frozen=True)
class AmongClips:
    """C_W as it would be among fewer clips, see `Measurement.at`.

    Attributes
    ----------
    n : int
        Clips.
    value : float
    ci : (float, float)
        95 % interval, over the clips measured or their groups: Wilson's, of as many outcomes as
        the chances of the clips are worth.
    """

    n: int
    value: float
    ci: tuple[float, float]


@dataclass(frozen=True)
class Measurement:
    """A measured consistency.

    Parameters
    ----------
    measure : str
        ``"within"``, ``"audio"``, ``"accuracy"``, ``"rho"``, ``"across"``, ``"exemplar"``,
        ``"monotone"``, ``"sensitivity"`` or ``"equivariance"``.
    value : float
    ci : (float, float)
        95 % interval: Wilson's for proportions, of as many clips as those of groups are worth;
        for rho, Student's of Fisher's z, whose error is bootstrapped over clips or groups.
    n : int
        Clips.
    outcomes : tuple of bool
        Per clip, in the corpus's order: whether the own original is nearest; for ``"accuracy"``,
        whether both spaces agree; empty for ``"rho"``.
    worst : tuple of WorstClip
        The clips that fared worst: id, distance to the own original, nearest other original, its
        distance.
    details : Details
        Everything that identifies and qualifies the value, as plain values: under ``"identity"``
        what was measured, and beside it corpus, encoder, transformation, chance level, margins,
        ties and checks.
    timings : dict of str to float
        Seconds by stage. They vary from run to run; the rest does not.
    """

    measure: str
    value: float
    ci: tuple[float, float]
    n: int
    outcomes: tuple[bool, ...]
    worst: tuple[WorstClip, ...]
    details: Details
    timings: dict[str, float] = field(default_factory=dict)

    @property
    def ranks(self) -> tuple[int, ...]:
        """How many originals are nearer than its own, per clip in the corpus's order.

        One that is as near counts as nearer, as it does in the measure (paper eq. 9). Of the latent
        space for ``"accuracy"``; empty for ``"rho"``, and for what was measured before 0.2.
        """
        return tuple(self.details.get("ranks", ()))

    @property
    def mean_rank(self) -> float:
        """Share of the other originals that are nearer than the own one, mean over clips.

        0 is best, about .5 is chance. Unlike C_W it does not depend on the number of clips.

        Raises
        ------
        UndefinedMeasureError
            If there are no ranks of all clips, as for ``"rho"`` and ``"exemplar"``.
        """
        others = self.details.get("others", self.n * [self.n - 1])
        shares = (rank / count for rank, count in zip(self._ranks_of_all(), others))
        return sum(shares) / self.n

    def at(self, n: int, *, groups: Sequence[str] | None = None) -> AmongClips:
        """Return C_W as it would be among n clips of the corpus, the mean over all choices of n.

        It is exact: the chance that none of n - 1 others, drawn without return, is nearer than the
        own original follows from the clip's rank. Where clips share groups, the others are of other
        groups than the clip, as in the measurement. So corpora of different sizes can be compared.

        Parameters
        ----------
        n : int
            From 2 to the number of clips measured; less where clips share groups, by the relatives
            that do not compete.
        groups : sequence of str, optional
            `Corpus.groups`, which the interval is over; needed where clips share one.

        Returns
        -------
        AmongClips

        Raises
        ------
        UndefinedMeasureError
            If the measure is no C_W.
        TooFewClipsError
            If fewer than `n` clips were measured, or `n` is below 2.
        CorpusError
            If clips share groups, which are not given, or are of another corpus.
        """
        import numpy as np

        from pytest_nnrel.statistics import consistency, intervals

        if self.measure not in ("within", "audio"):
            raise UndefinedMeasureError(
                f"at(n) is of C_W ('within', 'audio'); what ranks say of {self.measure!r} among"
                " fewer clips is not defined"
            )
        ranks = np.asarray(self._ranks_of_all(), dtype=np.intp)
        others = np.asarray(self.details.get("others", self.n * [self.n - 1]), dtype=np.intp)
        chances = consistency.chances_among(ranks, others, n)
        count = self.details["corpus"]["groups"]
        if groups is None and count == self.n:
            groups = [str(clip) for clip in range(self.n)]
        if groups is None or len(groups) != self.n or len(set(groups)) != count:
            given = "none are given" if groups is None else f"{len(set(groups))} are given"
            raise CorpusError(
                f"{self.n} clips of {count} groups were measured, and {given}; the interval is over"
                " groups: pass groups=corpus.groups"
            )
        return AmongClips(n, float(chances.mean()), intervals.proportion_interval(chances, groups))

    def _ranks_of_all(self) -> tuple[int, ...]:
        if len(self.ranks) != self.n or self.n < 2:
            raise UndefinedMeasureError(
                f"{len(self.ranks)} ranks of {self.n} clips are known of this measurement"
                f" ({self.measure!r}); they come with C_W of a corpus, from version 0.2 on"
            )
        return self.ranks

    def as_dict(self) -> PlainMeasurement:
        """Return the measurement as builtins that JSON can hold; no NaN among them."""
        return {
            "measure": self.measure,
            "value": float(self.value),
            "ci": [float(bound) for bound in self.ci],
            "n": int(self.n),
            "outcomes": "".join("1" if outcome else "0" for outcome in self.outcomes),
            "worst": _finite(self.worst),
            "details": _finite(self.details),
            "timings": dict(self.timings),
        }

    @classmethod
    def from_dict(cls, plain: PlainMeasurement) -> Measurement:
        """Return the measurement that `as_dict` gave."""
        return cls(
            measure=plain["measure"],
            value=plain["value"],
            ci=(plain["ci"][0], plain["ci"][1]),
            n=plain["n"],
            outcomes=tuple(outcome == "1" for outcome in plain["outcomes"]),
            worst=tuple(plain["worst"]),
            details=plain["details"],
            timings=plain["timings"],
        )


def _finite(value: Any) -> Any:  # noqa: ANN401
    """Return builtins, with None for floats that are not finite."""
    if hasattr(value, "tolist"):  # of numpy, which is not imported here
        value = value.tolist()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value

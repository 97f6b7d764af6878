"""What measurements hold, as typed plain values: the types say what each of them is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NotRequired, TypedDict


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
    "directions": Measure("R2 along a direction"),
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
    #: The encoder that an attack is on, and what it is known by.
    attacked: NotRequired[str]
    attacked_as: NotRequired[str]
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
    #: Its class; what was measured before 0.2 does not tell.
    kind: NotRequired[str]


class Rate(TypedDict):
    """A value with its 95 % interval."""

    value: float
    ci: list[float]


class Control(Rate):
    """C_W under what a transformation is told apart from, such as noise of the same energy."""

    name: str


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


class Damage(TypedDict):
    """How much a transformation changed the clips, on one scale."""

    median: float
    quartiles: list[float]
    per_clip: list[float]


class Sampled(TypedDict):
    """Pairs that were compared, of how many, and the standard error that this adds."""

    pairs: int
    of: int
    error: float


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
    #: Originals without a finite distance to themselves, where most clips have one that is not.
    undefined_originals: NotRequired[list[str]]
    bootstrap_ci: NotRequired[list[float]]
    #: What the clips are worth where they share groups, see `intervals.effective_clips`.
    effective_clips: NotRequired[float]
    within: NotRequired[Rates]
    #: Of transformations that have one.
    control: NotRequired[Control]
    #: Of rho, where not all pairs were compared.
    sampled: NotRequired[Sampled]
    undefined_replicates: NotRequired[int]
    map: NotRequired[Map]
    per_clip: NotRequired[list[float]]
    least: NotRequired[list[Least]]
    misfits: NotRequired[list[Misfit]]
    #: Directions that clips are displaced in, of measurements over several rungs.
    effective_dimension: NotRequired[float]
    #: How often permuted severities are told as well.
    p: NotRequired[float]
    audio: NotRequired[Rate]
    #: By scale, of measurements of a whole corpus, see `damage_of`.
    damage: NotRequired[dict[str, Damage]]


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

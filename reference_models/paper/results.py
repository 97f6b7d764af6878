"""What a reproduction measured, as rows of plain values, and the file that keeps them."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pytest_nnrel.runtime.files import replace_text
from reference_models.errors import ReproductionError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

#: What a folder of results has.
RESULTS = "reproduction.json"
#: What `reproduce` gave at scale "small" on the bundled corpus: what the claims are judged by, of
#: the networks that were trained briefly; and what it gave of those that were trained longer.
MEASURED = Path(__file__).with_name("measured") / "small.json"
MEASURED_LONG = MEASURED.with_name("long.json")
FORMAT = "pytest-nnrel reproduction"
VERSION = 1
#: The paper's tasks, in the order of its tables: what figures and claims compare, others do not
#: change. And its encoders.
PAPER_TASKS = ("at", "ir", "vs", "ae")
ENCODERS = ("mfcc", *PAPER_TASKS)
#: The paper's abbreviations of the families (section 3.3), and of no transformation at all.
TRANSFORMATIONS = ("PS", "TS", "PN", "EN", "MP")
ORIGINAL = "OG"
AUDIO_DISTANCES = ("dtw", "simple")
LATENT_DISTANCES = ("euclidean", "cosine")


@dataclass(frozen=True)
class Consistency:
    """A consistency under one transformation at one magnitude.

    Attributes
    ----------
    encoder : str
        One of `ENCODERS`; empty for the audio space alone.
    trial : int
        Which training of the encoder; 0 where nothing is trained.
    transformation : str
        One of `TRANSFORMATIONS`.
    magnitude : float
        In the family's unit: semitones, rate, dB SNR, kb/s.
    severity : int
        Rung of the family's ladder, 0 the identity; signed for pitch and tempo.
    smallest : bool
        Whether it is among the paper's smallest magnitudes of the family.
    measure : {"within", "accuracy", "rho"}
        C_W (equation 10), C_acc (12), C_rho (11).
    audio_distance : {"", "dtw", "simple"}
        Empty for C_W in a latent space.
    latent_distance : {"", "euclidean", "cosine"}
        Empty for C_W in the audio space.
    value, low, high : float
        With its 95 % confidence interval.
    clips : int
    """

    encoder: str
    trial: int
    transformation: str
    magnitude: float
    severity: int
    smallest: bool
    measure: str
    audio_distance: str
    latent_distance: str
    value: float
    low: float
    high: float
    clips: int


@dataclass(frozen=True)
class OriginalsRank:
    """C_rho of the originals alone, over all pairs of them (Fig. 13)."""

    encoder: str
    trial: int
    audio_distance: str
    latent_distance: str
    value: float
    low: float
    high: float
    clips: int


@dataclass(frozen=True)
class Performance:
    """How well a network does its task under a transformation (Fig. 4).

    Attributes
    ----------
    task : str
        By name.
    encoder : {"vgg", "mfcc"}
    trial : int
    transformation : str
        One of `TRANSFORMATIONS`, or `ORIGINAL`.
    magnitude : float
        0 for `ORIGINAL`.
    severity : int
    measure : str
        As `reference_models.task.Task` has it.
    value : float
    clips : int
    """

    task: str
    encoder: str
    trial: int
    transformation: str
    magnitude: float
    severity: int
    smallest: bool
    measure: str
    value: float
    clips: int


@dataclass(frozen=True)
class MapPoint:
    """A clip in a two-dimensional map of an encoder's embeddings by t-SNE (Figs. 9 and 14).

    Attributes
    ----------
    encoder : str
    trial : int
    clip : str
    transformation : str
        `ORIGINAL`, or at its smallest magnitude.
    x, y : float
    vocal_db : float or None
        Level of the voice in the clip, RMS in dB of full scale, where it is known (Fig. 14).
    """

    encoder: str
    trial: int
    clip: str
    transformation: str
    x: float
    y: float
    vocal_db: float | None = None


@dataclass
class Results:
    """A whole reproduction.

    Attributes
    ----------
    scale : str
    corpus : dict
        Of the consistencies: name, clips, fingerprint, description.
    encoders : dict
        Cards of the checkpoints by name and trial, ``"at-1"``.
    consistency, originals, performance, maps, vocal_maps : list
        `maps` are of the transformed corpus (Fig. 9), `vocal_maps` of VS clips (Fig. 14).
    provenance : dict
        Command, versions, engines, seed, time.
    """

    scale: str
    corpus: dict[str, Any]
    encoders: dict[str, Any] = field(default_factory=dict)
    consistency: list[Consistency] = field(default_factory=list)
    originals: list[OriginalsRank] = field(default_factory=list)
    performance: list[Performance] = field(default_factory=list)
    maps: list[MapPoint] = field(default_factory=list)
    vocal_maps: list[MapPoint] = field(default_factory=list)
    provenance: dict[str, Any] = field(default_factory=dict)

    def save(self, path: Path) -> None:
        """Write all of it as JSON."""
        plain = {"format": FORMAT, "version": VERSION, **asdict(self)}
        replace_text(path, json.dumps(plain, allow_nan=False, ensure_ascii=False) + "\n")


Row = TypeVar("Row", Consistency, OriginalsRank, Performance, MapPoint)


def select(rows: Iterable[Row], **wanted: str | int) -> list[Row]:
    """Return the rows that have all these values."""
    return [row for row in rows if all(getattr(row, k) == v for k, v in wanted.items())]


_ROWS = {
    "consistency": Consistency,
    "originals": OriginalsRank,
    "performance": Performance,
    "maps": MapPoint,
    "vocal_maps": MapPoint,
}
#: Those that are of the corpus of `Results.corpus`; the others are of the tasks' test clips.
_OF_CORPUS = ("consistency", "originals", "maps")


def load(path: Path) -> Results:
    """Return what `Results.save` wrote.

    Raises
    ------
    ReproductionError
        If it is missing, or nothing that this version reads.
    """
    try:
        plain: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        found = plain.pop("format"), plain.pop("version")
        if found != (FORMAT, VERSION):
            raise ValueError(f"it is {found[0]!r}, version {found[1]!r}")
        rows: dict[str, Any] = {
            name: [row(**r) for r in plain.pop(name)] for name, row in _ROWS.items()
        }
        return Results(**plain, **rows)
    except FileNotFoundError as error:
        raise ReproductionError(
            f"there is no {path}; run python -m reference_models reproduce"
        ) from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ReproductionError(
            f"{path} holds no results of a reproduction of version {VERSION}: {error}"
        ) from error


def joined(parts: Sequence[Results]) -> Results:
    """Return one reproduction of parts that were measured in runs of their own.

    Parameters
    ----------
    parts : sequence of Results
        Each kind of row is taken from the first of them that has any.

    Raises
    ------
    ReproductionError
        If what is taken is of different scales, of different corpora, or of different checkpoints
        under one name.
    """
    sources = {name: part for name in _ROWS for part in reversed(parts) if getattr(part, name)}
    used = [part for part in parts if any(part is source for source in sources.values())]
    used = used or list(parts[:1])
    of_corpus = [sources[name].corpus for name in _OF_CORPUS if name in sources]
    encoders = _in_common(used, of_corpus)
    return Results(
        used[0].scale,
        (of_corpus or [used[0].corpus])[0],
        encoders,
        **{name: getattr(source, name) for name, source in sources.items()},
        provenance=_provenance(used),
    )


def beside(path: Path, measured: Results, rows: Sequence[str]) -> list[Results]:
    """Return what a file of results has beside what is measured now, to be joined with that.

    Parameters
    ----------
    path : Path
    measured : Results
        With scale, corpus and encoders of what is measured.
    rows : sequence of str
        The kinds of rows that are.

    Returns
    -------
    list of Results
        None where the file is not there, or has nothing else.

    Raises
    ------
    ReproductionError
        If the file cannot be read, or the rest is of another scale, corpus, or of other checkpoints
        under one name.
    """
    if not path.exists():
        return []
    measured_now: dict[str, Any] = {name: [] for name in rows}
    there = replace(load(path), **measured_now)
    kept = [name for name in _ROWS if getattr(there, name)]
    if not kept:
        return []
    of_corpus = not set(_OF_CORPUS).isdisjoint(kept)
    _in_common([measured, there], [measured.corpus, there.corpus] if of_corpus else [])
    return [there]


def _in_common(parts: Sequence[Results], corpora: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the encoders of parts that are of one reproduction, and raise where they are not."""
    _agree("scale", [part.scale for part in parts])
    _agree("corpus", [" ".join(str(c.get(k)) for k in ("name", "fingerprint")) for c in corpora])
    encoders: dict[str, Any] = {}
    for part in parts:
        for name, card in part.encoders.items():
            known = encoders.setdefault(name, card)
            _agree(f"checkpoint {name}", [f"SHA-256 {c.get('sha256')}" for c in (known, card)])
    return encoders


def _agree(what: str, values: Sequence[str]) -> None:
    if len(set(values)) > 1:
        raise ReproductionError(
            f"these results are not of one reproduction: {what} is"
            f" {' and '.join(sorted(set(values)))}; leave one of them out, or run reproduce again,"
            " into another folder"
        )


def _provenance(parts: Sequence[Results]) -> dict[str, Any]:
    """Return what is known of the runs: once where they say the same, else one after another."""
    names = dict.fromkeys(name for part in parts for name in part.provenance)
    told = {name: [v for part in parts for v in _told(part.provenance.get(name))] for name in names}
    return {
        name: values[0] if all(value == values[0] for value in values) else values
        for name, values in told.items()
    }


def _told(value: Any) -> list[Any]:  # noqa: ANN401
    """Return what each run says, where a part comes from several."""
    return value if isinstance(value, list) else [value]

"""Entries of a baseline, and the files that hold them."""

from __future__ import annotations

import json
import math
import re
import tempfile
from dataclasses import astuple, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_nnrel.errors import BaselineError
from pytest_nnrel.files import replace_text
from pytest_nnrel.settings import default_cache_dir
from pytest_nnrel.store import Store, digest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from pytest_nnrel.measurement import PlainMeasurement
    from pytest_nnrel.recording import Results

FORMAT = "pytest-nnrel baseline"
#: Merges two versions of a baseline, condition by condition.
MERGE = "python -m pytest_nnrel baseline merge BASE OURS THEIRS"
#: Raised whenever a reader of the old schema would misread the new one.
SCHEMA_VERSION = 1
#: Conditions and clips that messages list by name.
LISTED = 8
#: Decimals of margins and replicates in the file.
_DECIMALS = 4
#: Decimals of values in it.
VALUE_DECIMALS = 6
#: What git and others write into a file that they could not merge, at the start of lines.
_CONFLICT = re.compile(r"^(<{7,}|\|{7,}|={7,}|>{7,})(?= |$)", re.MULTILINE)


@dataclass(frozen=True)
class Key:
    """What an entry is of. A retrained encoder keeps its name, so that it finds its baseline."""

    encoder: str
    measure: str
    distance: str
    transform: str
    corpus: str
    seed: int

    def __str__(self) -> str:
        return (
            f"{self.transform} of {self.encoder} ({self.measure}, {self.distance}, corpus"
            f" {self.corpus}, seed {self.seed})"
        )


@dataclass(frozen=True)
class Entry:
    """What was measured of one encoder under one transformation.

    Attributes
    ----------
    key : Key
    value : float
    outcomes : tuple of bool
        Per clip, whether the own original is nearest; empty for rho.
    margins : tuple of float
        Per clip, relative, see `Exemplars.relative_margins`; empty for rho.
    replicates : tuple of float
        For rho, its bootstrap; NaN where a sample has none. The same samples for all entries of a
        corpus and seed.
    fingerprint : str or None
        Of the encoder.
    recipe : dict or None
        Engine and versions that made the transformed clips; and ``"neighbours": "others"`` where
        only originals of other groups competed.
    """

    key: Key
    value: float
    outcomes: tuple[bool, ...] = ()
    margins: tuple[float, ...] = ()
    replicates: tuple[float, ...] = ()
    fingerprint: str | None = None
    recipe: dict[str, Any] | None = None

    @classmethod
    def of(cls, plain: PlainMeasurement, replicates: Sequence[float] = ()) -> Entry:
        """Return the entry of a measurement, as plain values."""
        details = plain["details"]
        identity = details["identity"]
        distances = [identity[k] for k in ("audio_distance", "latent_distance") if k in identity]
        pairs = identity.get("pairs", "all")
        margins = details.get("relative_margins", ()) if plain["measure"] == "within" else ()
        return cls(
            Key(
                details["encoder"]["name"],
                plain["measure"],
                " x ".join(distances) + ("" if pairs == "all" else f", {pairs} pairs"),
                details["transform"]["name"],
                identity["corpus"],
                identity["seed"],
            ),
            round(plain["value"], VALUE_DECIMALS),
            tuple(outcome == "1" for outcome in plain["outcomes"]),
            tuple(round(margin, _DECIMALS) for margin in margins),
            tuple(round(float(replicate), _DECIMALS) for replicate in replicates),
            identity["encoder_fingerprint"],
            _recipe_of(plain),
        )

    def as_dict(self, clips: Sequence[str]) -> dict[str, Any]:
        """Return the entry as builtins; clips that left their original by their ids."""
        plain: dict[str, Any] = {
            "encoder": self.key.encoder,
            "measure": self.key.measure,
            "distance": self.key.distance,
            "transform": self.key.transform,
            "corpus": self.key.corpus,
            "seed": self.key.seed,
            "fingerprint": self.fingerprint,
            "recipe": self.recipe,
            "value": self.value,
        }
        if self.outcomes:
            plain["lost"] = [clip for clip, kept in zip(clips, self.outcomes) if not kept]
            plain["margins"] = _numbers(self.margins)
        if self.replicates:
            plain["replicates"] = _numbers(self.replicates)
        return plain

    def same_as(self, other: Entry) -> bool:
        """Tell whether it is of the same outcomes, but for rounding."""
        return (self.outcomes, round(self.value, _DECIMALS)) == (
            other.outcomes,
            round(other.value, _DECIMALS),
        )

    @classmethod
    def from_dict(cls, plain: dict[str, Any], clips: Sequence[str]) -> Entry:
        """Return the entry that `as_dict` gave."""
        if not isinstance(plain["value"], float | int) or not math.isfinite(plain["value"]):
            raise ValueError(f"value {plain['value']!r}")
        lost = set(plain.get("lost", ()))
        unknown = lost - set(clips)
        if unknown:
            raise ValueError(f"clips {sorted(unknown)[:LISTED]} are not of corpus")
        margins = tuple(float(number) for number in plain.get("margins", "").split())
        if "lost" in plain and len(margins) != len(clips):
            raise ValueError(f"{len(margins)} margins of {len(clips)} clips")
        if not all(map(math.isfinite, margins)):
            raise ValueError("margins that are not finite")
        share = 1.0 - len(lost) / len(clips)
        if "lost" in plain and abs(plain["value"] - share) > 10.0**-_DECIMALS:
            raise ValueError(f"value {plain['value']}, and {len(lost)} of {len(clips)} clips lost")
        return cls(
            Key(
                plain["encoder"], plain["measure"], plain["distance"], plain["transform"],
                plain["corpus"], plain["seed"],
            ),
            plain["value"],
            tuple(clip not in lost for clip in clips) if "lost" in plain else (),
            margins,
            tuple(float(number) for number in plain.get("replicates", "").split()),
            plain["fingerprint"],
            plain["recipe"],
        )  # fmt: skip


@dataclass(frozen=True)
class Clips:
    """The clips of a corpus, in order, and the groups that they belong to."""

    name: str
    ids: tuple[str, ...]
    groups: tuple[str, ...]

    @property
    def group_count(self) -> int:
        """Groups that clips are exchanged and resampled in."""
        return len(set(self.groups))

    @classmethod
    def of(cls, plain: dict[str, Any]) -> Clips:
        """Return what `recording.record_corpus` took."""
        ids, groups = tuple(plain["clips"]), tuple(plain["groups"])
        if len(ids) != len(groups) or len(set(ids)) != len(ids):
            raise ValueError(f"{len(ids)} clips, {len(set(ids))} ids, {len(groups)} groups")
        return cls(plain["name"], ids, groups)

    def as_dict(self) -> dict[str, Any]:
        """Return the listing as builtins."""
        return {"name": self.name, "clips": list(self.ids), "groups": list(self.groups)}


@dataclass(frozen=True)
class Records:
    """Entries by key, and the corpora that they are of."""

    entries: dict[Key, Entry] = field(default_factory=dict)
    corpora: dict[str, Clips] = field(default_factory=dict)

    def merged(self, newer: Records) -> Records:
        """Return both, the newer's where both have an entry."""
        return Records(self.entries | newer.entries, self.corpora | newer.corpora)

    def joined(self, other: Records) -> Records:
        """Return both, of one run.

        Raises
        ------
        BaselineError
            If they differ on an entry: two encoders, or distances, share a name.
        """
        for key in self.entries.keys() & other.entries.keys():
            if not self.entries[key].same_as(other.entries[key]):
                raise BaselineError(namesakes(key))
        return self.merged(other)

    def as_dict(self) -> dict[str, Any]:
        """Return the content of a baseline file."""
        ordered = sorted(self.entries.items(), key=lambda item: list(map(str, astuple(item[0]))))
        return {
            "format": FORMAT,
            "schema_version": SCHEMA_VERSION,
            "corpora": {k: clips.as_dict() for k, clips in sorted(self.corpora.items())},
            "entries": [entry.as_dict(self.corpora[key.corpus].ids) for key, entry in ordered],
        }

    @classmethod
    def of_baseline(cls, plain: dict[str, Any]) -> Records:
        """Return the content of a baseline file."""
        corpora = {k: Clips.of(listing) for k, listing in plain["corpora"].items()}
        entries: dict[Key, Entry] = {}
        for one in plain["entries"]:
            entry = Entry.from_dict(one, corpora[one["corpus"]].ids)
            if entry.key in entries:  # which of them counted would hang on their order
                raise BaselineError(
                    f"two entries for {entry.key}, as a merge by lines leaves them: take out the"
                    f" one that is wrong, or merge both sides anew with {MERGE}"
                )
            entries[entry.key] = entry
        return cls(entries, corpora)

    @classmethod
    def of_results(cls, plain: Results) -> Records:
        """Return the within-space measurements of a ``results.json``; of rho it has no samples."""
        corpora = {k: Clips.of(listing) for k, listing in plain.get("corpora", {}).items()}
        measured = [
            m
            for m in plain["measurements"].values()
            # Under the other reading of eq. 9, a value is not what baselines hold.
            if m["measure"] == "within" and "neighbours" not in m["details"]["identity"]
        ]
        found = cls({}, corpora)
        for one in measured:
            entry = Entry.of(one)
            clips = corpora.get(entry.key.corpus)
            if clips is None:
                raise ValueError(f"the clips of {entry.key} are not listed")
            if len(entry.outcomes) != len(clips.ids):
                raise ValueError(
                    f"{entry.key} has {len(entry.outcomes)} outcomes of {len(clips.ids)} clips"
                )
            found = found.joined(cls({entry.key: entry}))
        return found

    def text(self) -> str:
        """Return the text of a baseline file."""
        return json.dumps(self.as_dict(), indent=1, ensure_ascii=False) + "\n"


def listed(names: Sequence[str]) -> str:
    """Return names in a line, those beyond the first few as a number."""
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return f"{', '.join(names[:LISTED])}{more}"


def namesakes(key: Key) -> str:
    """Return that two things that differ share a name, and what to do."""
    return (
        f"{key.transform}, {key.distance}: two encoders called {key.encoder!r}, or two distances of"
        " one name, gave different outcomes in one run; name them apart: as_encoder(..., name=)"
    )


def load_records(path: Path) -> Records:
    """Read a baseline, or the measurements of a ``results.json``.

    Raises
    ------
    BaselineError
        If the file is missing, neither of them, damaged, or of another schema.
    """
    return _load(path)[1]


def _load(path: Path) -> tuple[str, Records]:
    """Return the format of a file, and what it holds."""
    text = _text_of(path)
    try:
        plain = json.loads(text, object_pairs_hook=_once_each)
    except BaselineError as error:
        raise BaselineError(f"{path}: {error}") from error
    except ValueError as error:
        raise BaselineError(
            f"{path} is no JSON: {error}; restore it from version control"
        ) from error
    named = str(plain.get("format")) if isinstance(plain, dict) else ""
    readers: dict[str, Callable[[Any], Records]] = {
        FORMAT: Records.of_baseline, "pytest-nnrel results": Records.of_results
    }  # fmt: skip
    if named not in readers:
        raise BaselineError(
            f"{path} is neither a baseline nor the results of pytest-nnrel; name another file"
        )
    if plain.get("schema_version") != SCHEMA_VERSION:
        raise BaselineError(
            f"{path} has schema version {plain.get('schema_version')}, and this pytest-nnrel reads"
            f" {SCHEMA_VERSION}; use the version that wrote it, or write it anew"
        )
    try:
        return named, readers[named](plain)
    except BaselineError as error:
        raise BaselineError(f"{path}: {error}") from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BaselineError(
            f"{path} was changed or damaged: {type(error).__name__} {error}; restore it from"
            " version control, or run the tests again"
        ) from error


def _text_of(path: Path) -> str:
    """Return the text of a file, unless it is one that waits for a merge to be settled."""
    try:
        text = path.read_text(encoding="utf-8-sig")  # some editors begin with a byte order mark
    except OSError as error:
        raise BaselineError(
            f"{path} cannot be read: {error.strerror or error}; name a baseline or the results.json"
            " of a run"
        ) from error
    except UnicodeDecodeError as error:
        raise BaselineError(
            f"{path} is no UTF-8: byte {error.object[error.start]:#04x} at {error.start}; save it"
            " as UTF-8, or restore it from version control"
        ) from error
    marker = _CONFLICT.search(text)
    if marker is not None:
        line = text.count("\n", 0, marker.start()) + 1
        raise BaselineError(
            f"{path} is an unresolved merge: line {line} is the conflict marker"
            f" {marker.group()}; take one side whole (git checkout --ours, or --theirs), or"
            f" merge both with {MERGE}"
        )
    return text


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a JSON object, which a merge by lines can leave with two values of one name."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise BaselineError(
            f"{twice!r} stands twice in one object, as a merge by lines leaves it: take out the one"
            f" that is wrong, or merge both sides anew with {MERGE}"
        )
    return found


def load_baseline(path: Path) -> Records:
    """Read a baseline, and nothing else.

    Raises
    ------
    BaselineError
        As `load_records`, and for the results of a run.
    """
    named, records = _load(path)
    if named != FORMAT:
        raise BaselineError(
            f"{path} holds the results of a run and is no baseline; name another file with"
            " --nnrel-baseline"
        )
    return records


def write_baseline(path: Path, newer: Records) -> None:
    """Merge entries into a baseline; those of other conditions stay as they are.

    Raises
    ------
    BaselineError
        If the file is there and no baseline; it is left as it is.
    OSError
        If it cannot be written; it is left as it was.
    """
    path = path.resolve()  # of a link, what it leads to is written
    # Not beside the file, where the lock would lie about in the repository: in the cache, whose
    # `clear` takes it away.
    locks = Store(default_cache_dir())
    if locks.folder() is None:
        locks = Store(Path(tempfile.gettempdir()) / "pytest-nnrel")
    with locks.lock(digest(str(path))):
        kept = load_baseline(path) if path.exists() else Records()
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_text(path, kept.merged(newer).text())


def _recipe_of(plain: PlainMeasurement) -> dict[str, Any] | None:
    """Return what an entry must have in common with another to be compared with it."""
    details = plain["details"]
    recipe = details["transform"]["recipe"]
    # Absent where clips share no groups, from rho, and from what was written before 0.2.
    if "others" not in details or "neighbours" in details["identity"]:
        return recipe
    return {**(recipe or {}), "neighbours": "others"}


def _numbers(values: Iterable[float]) -> str:
    """Return numbers in one line, which JSON's indentation would spread over many."""
    return " ".join("nan" if math.isnan(v) else f"{v:.{_DECIMALS}g}" for v in values)

"""Entries and trainings of a baseline, and the files that hold them."""

from __future__ import annotations

import json
import re
import tempfile
from dataclasses import astuple, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pytest_nnrel.baselines import trainings
from pytest_nnrel.baselines.entries import Clips, Entry, Key, namesakes_of
from pytest_nnrel.baselines.index import Index, IndexKey
from pytest_nnrel.baselines.trainings import Training, Trainings
from pytest_nnrel.errors import BaselineError
from pytest_nnrel.runtime.files import replace_text
from pytest_nnrel.runtime.settings import default_cache_dir
from pytest_nnrel.runtime.store import Store, digest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from pytest_nnrel.recording import Results

Kept = TypeVar("Kept", Entry, Training, Index)

FORMAT = "pytest-nnrel baseline"
#: Merges two versions of a baseline, condition by condition.
MERGE = "python -m pytest_nnrel baseline merge BASE OURS THEIRS"
#: Raised whenever a reader of the old schema would misread the new one.
SCHEMA_VERSION = 1
#: What git and others write into a file that they could not merge, at the start of lines.
_CONFLICT = re.compile(r"^(<{7,}|\|{7,}|={7,}|>{7,})(?= |$)", re.MULTILINE)


@dataclass(frozen=True)
class Records:
    """Entries, trainings and indexes by key, and the corpora that they are of."""

    entries: dict[Key, Entry] = field(default_factory=dict)
    corpora: dict[str, Clips] = field(default_factory=dict)
    trainings: Trainings = field(default_factory=dict)
    indexes: dict[IndexKey, Index] = field(default_factory=dict)

    @property
    def summary(self) -> str:
        """What it holds, in words."""
        counted = [(len(self.entries), "entry", "entries"),
                   (len(self.trainings), "training", "trainings"),
                   (len(self.indexes), "index", "indexes")]  # fmt: skip
        return " and ".join(f"{n} {one if n == 1 else more}" for n, one, more in counted if n)

    def merged(self, newer: Records) -> Records:
        """Return both, the newer's where both have an entry.

        Raises
        ------
        BaselineError
            If they differ on a condition of one training.
        """
        return Records(
            self.entries | newer.entries,
            self.corpora | newer.corpora,
            trainings.joined(self.trainings, newer.trainings),
            self.indexes | newer.indexes,
        )

    def joined(self, other: Records) -> Records:
        """Return both, of one run.

        Raises
        ------
        BaselineError
            If they differ on an entry: two encoders, or distances, share a name.
        """
        for key in self.entries.keys() & other.entries.keys():
            if not self.entries[key].same_as(other.entries[key]):
                raise BaselineError(namesakes_of(key))
        return self.merged(other)

    def as_dict(self) -> dict[str, Any]:
        """Return the content of a baseline file."""
        ordered = sorted(self.entries.items(), key=lambda item: list(map(str, astuple(item[0]))))
        plain: dict[str, Any] = {
            "format": FORMAT,
            "schema_version": SCHEMA_VERSION,
            "corpora": {k: clips.as_dict() for k, clips in sorted(self.corpora.items())},
            "entries": [entry.as_dict(self.corpora[key.corpus].ids) for key, entry in ordered],
        }
        if self.trainings:
            plain["trainings"] = [
                self.trainings[key].as_dict(self.corpora[key.corpus].ids)
                for key in sorted(self.trainings, key=lambda key: list(map(str, astuple(key))))
            ]
        if self.indexes:
            plain["indexes"] = [
                self.indexes[key].as_dict(self.corpora[key.corpus].ids)
                for key in sorted(self.indexes, key=str)
            ]
        return plain

    @classmethod
    def of_baseline(cls, plain: dict[str, Any]) -> Records:
        """Return the content of a baseline file."""
        corpora = {k: Clips.of(listing) for k, listing in plain["corpora"].items()}

        def listed(
            stated: Iterable[dict[str, Any]],
            of_kind: Callable[[dict[str, Any], Sequence[str]], Kept],
        ) -> list[Kept]:
            return [of_kind(one, corpora[one["corpus"]].ids) for one in stated]

        return cls(
            _by_key(listed(plain["entries"], Entry.from_dict)),
            corpora,
            _by_key(listed(plain.get("trainings", ()), Training.from_dict)),
            _by_key(listed(plain.get("indexes", ()), Index.from_dict)),
        )

    @classmethod
    def of_results(cls, plain: Results) -> Records:
        """Return the within-space measurements of a ``results.json``; of rho it has no samples."""
        corpora, entries = _measured(plain)
        found = cls({}, corpora)
        for entry in entries:
            found = found.joined(cls({entry.key: entry}))
        return found

    @classmethod
    def trainings_of_results(cls, plain: Results) -> Records:
        """Return the encoders of a ``results.json`` as trainings, those of one name apart."""
        corpora, entries = _measured(plain)
        return cls({}, corpora, trainings.of_entries(entries))

    @property
    def as_trainings(self) -> Records:
        """The trainings, or where there are none, what entries are of as such."""
        if self.trainings:
            return self
        return Records({}, self.corpora, trainings.of_entries(self.entries.values()))

    def text(self) -> str:
        """Return the text of a baseline file."""
        return json.dumps(self.as_dict(), indent=1, ensure_ascii=False) + "\n"


def _by_key(things: Iterable[Kept]) -> dict[Any, Kept]:
    """Return things by their keys; which of two with one key counted would hang on their order."""
    found: dict[Any, Kept] = {}
    for thing in things:
        if thing.key in found:
            raise BaselineError(
                f"{thing.key} stands there twice, as a merge by lines leaves it: take out the one"
                f" that is wrong, or merge both sides anew with {MERGE}"
            )
        found[thing.key] = thing
    return found


def _measured(plain: Results) -> tuple[dict[str, Clips], list[Entry]]:
    """Return the corpora of a ``results.json``, and entries of its within-space measurements."""
    corpora = {k: Clips.of(listing) for k, listing in plain.get("corpora", {}).items()}
    entries = []
    for one in plain["measurements"].values():
        # Under the other reading of eq. 9, a value is not what baselines hold.
        if one["measure"] != "within" or "neighbours" in one["details"]["identity"]:
            continue
        entry = Entry.of(one)
        clips = corpora.get(entry.key.corpus)
        if clips is None:
            raise ValueError(f"the clips of {entry.key} are not listed")
        if len(entry.outcomes) != len(clips.ids):
            raise ValueError(
                f"{entry.key} has {len(entry.outcomes)} outcomes of {len(clips.ids)} clips"
            )
        entries.append(entry)
    return corpora, entries


def load_records(path: Path) -> Records:
    """Read a baseline, or the measurements of a ``results.json``.

    Raises
    ------
    BaselineError
        If the file is missing, neither of them, damaged, or of another schema.
    """
    return _load(path)[1]


def load_trainings(path: Path) -> Records:
    """Read the trainings of a baseline, or of a ``results.json`` each encoder as one.

    A baseline that no training was added to stands for the one that its entries are of.

    Raises
    ------
    BaselineError
        As `load_records`.
    """
    return _load(path, Records.trainings_of_results)[1].as_trainings


def _load(
    path: Path, of_results: Callable[[Results], Records] = Records.of_results
) -> tuple[str, Records]:
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
        FORMAT: Records.of_baseline, "pytest-nnrel results": of_results
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

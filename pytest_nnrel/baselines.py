"""Baselines: outcomes of an earlier encoder on the same clips, and whether a new one is worse.

A baseline is a JSON file that a person can read and diff: for each encoder, distance,
transformation and corpus, the clips that left their original and how clear each case was. What a
run measures is paired with it clip by clip. One test over all conditions together decides, so that
many conditions do not bring many false alarms; tests of single conditions only name them.
"""

from __future__ import annotations

import json
import math
import os
import tempfile
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import astuple, dataclass, field, replace
from functools import cached_property
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_nnrel import comparison, recording, settings
from pytest_nnrel.encoders import as_encoder
from pytest_nnrel.errors import BaselineError, NNRelError, SettingError
from pytest_nnrel.experiment import experiment_on
from pytest_nnrel.recording import Verdict, record_measurement, record_verdict
from pytest_nnrel.store import digest
from pytest_nnrel.transforms import Identity, Transform, as_transform, quick_grid

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy.typing as npt

    from pytest_nnrel.consistency import Flags, Matrix
    from pytest_nnrel.corpus import Corpus
    from pytest_nnrel.distances import Metric
    from pytest_nnrel.ranks import Pairs

FORMAT = "pytest-nnrel baseline"
#: Raised whenever a reader of the old schema would misread the new one.
SCHEMA_VERSION = 1
#: Decimals of margins and replicates in the file.
_DECIMALS = 4
#: Decimals of values, and what two of them may differ by for that.
_VALUE_DECIMALS = 6
_ROUNDING = 1e-6
#: Conditions and clips that messages list by name.
_LISTED = 8


@dataclass(frozen=True)
class Key:
    """What an entry is of. A retrained encoder keeps its name, so that it finds its baseline."""

    encoder: str
    measure: str
    distance: str
    transform: str
    corpus: str
    seed: int


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
        Engine and versions that made the transformed clips.
    """

    key: Key
    value: float
    outcomes: tuple[bool, ...] = ()
    margins: tuple[float, ...] = ()
    replicates: tuple[float, ...] = ()
    fingerprint: str | None = None
    recipe: dict[str, Any] | None = None

    @classmethod
    def of(cls, plain: dict[str, Any], replicates: Sequence[float] = ()) -> Entry:
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
            plain["value"],
            tuple(outcome == "1" for outcome in plain["outcomes"]),
            tuple(round(margin, _DECIMALS) for margin in margins),
            tuple(round(float(replicate), _DECIMALS) for replicate in replicates),
            identity["encoder_fingerprint"],
            details["transform"]["recipe"],
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
            "value": round(self.value, _VALUE_DECIMALS),
        }
        if self.outcomes:
            plain["lost"] = [clip for clip, kept in zip(clips, self.outcomes) if not kept]
            plain["margins"] = _numbers(self.margins)
        if self.replicates:
            plain["replicates"] = _numbers(self.replicates)
        return plain

    @classmethod
    def from_dict(cls, plain: dict[str, Any], clips: Sequence[str]) -> Entry:
        """Return the entry that `as_dict` gave."""
        lost = set(plain.get("lost", ()))
        unknown = lost - set(clips)
        if unknown:
            raise ValueError(f"clips {sorted(unknown)[:_LISTED]} are not of corpus")
        margins = tuple(float(number) for number in plain.get("margins", "").split())
        if "lost" in plain and len(margins) != len(clips):
            raise ValueError(f"{len(margins)} margins of {len(clips)} clips")
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

    @classmethod
    def of(cls, plain: dict[str, Any]) -> Clips:
        """Return what `recording.record_corpus` took."""
        return cls(plain["name"], tuple(plain["clips"]), tuple(plain["groups"]))

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
        entries = [Entry.from_dict(e, corpora[e["corpus"]].ids) for e in plain["entries"]]
        return cls({entry.key: entry for entry in entries}, corpora)

    @classmethod
    def of_results(cls, plain: dict[str, Any]) -> Records:
        """Return the within-space measurements of a ``results.json``; of rho it has no samples."""
        corpora = {k: Clips.of(listing) for k, listing in plain.get("corpora", {}).items()}
        measured = [m for m in plain["measurements"].values() if m["measure"] == "within"]
        entries = [Entry.of(m) for m in measured if m["details"]["identity"]["corpus"] in corpora]
        return cls({entry.key: entry for entry in entries}, corpora)


# ---------------------------------------------------------------------------------------------
# Comparison


@dataclass(frozen=True)
class Change:
    """What became of one condition.

    Attributes
    ----------
    before, after : Entry
    negative, positive : int
        Clips that left their original, and that came back to it.
    p : float
        One-sided: of McNemar's exact test for C_W, of the paired bootstrap for rho.
    adjusted : float
        `p` after Holm's correction for all conditions.
    allowed : float or None
        Drop of the value that is allowed, whatever its significance.
    """

    before: Entry
    after: Entry
    negative: int
    positive: int
    p: float
    adjusted: float
    allowed: float | None

    @property
    def drop(self) -> float:
        """By how much the value fell."""
        return self.before.value - self.after.value

    @property
    def exceeds(self) -> bool:
        """Whether it fell by more than is allowed."""
        # Values are shares of clips: a drop of exactly what is allowed is no excess by rounding.
        return self.allowed is not None and self.drop > self.allowed + _ROUNDING

    @property
    def worse(self) -> bool:
        """Whether this condition on its own is significantly worse, or fell by too much."""
        return self.adjusted <= comparison.SIGNIFICANCE or self.exceeds


@dataclass(frozen=True)
class Comparison:
    """An encoder against its baseline, on one corpus.

    Attributes
    ----------
    encoder : str
    corpus : Clips
    changes : tuple of Change
    p_values : dict of str to float
        Omnibus tests over all conditions, one-sided for worse: ``"flips"`` of C_W, ``"rho"``.
        They decide, with Holm's correction where there are both.
    p_margins : float or None
        The same of relative margins, which move before clips flip: a warning, no verdict.
    p_better : float or None
        Of flips the other way.
    """

    encoder: str
    corpus: Clips
    changes: tuple[Change, ...]
    p_values: dict[str, float]
    p_margins: float | None
    p_better: float | None

    @property
    def worse(self) -> bool:
        """The verdict: significantly worse over all conditions, or one fell by too much."""
        adjusted = comparison.holm(list(self.p_values.values()))
        significant = bool((adjusted <= comparison.VERDICT_LEVEL).any())
        return significant or any(change.exceeds for change in self.changes)

    @property
    def verdict(self) -> str:
        """``"worse"``, ``"better"`` or ``"same"``."""
        if self.worse:
            return "worse"
        better = self.p_better is not None and self.p_better <= comparison.VERDICT_LEVEL
        return "better" if better else "same"

    @property
    def headline(self) -> str:
        """The verdict in a line."""
        n, k = len(self.corpus.ids), len(self.changes)
        lost = sum(change.negative for change in self.changes)
        won = sum(change.positive for change in self.changes)
        tests = ", ".join(f"{name} p = {p:.3g}" for name, p in self.p_values.items())
        words = {"worse": "is worse than", "same": "is no worse than", "better": "is better than"}
        return (
            f"{self.encoder} {words[self.verdict]} its baseline on {self.corpus.name}"
            f" ({n} clips, {k} condition{'s' * (k != 1)}): {lost} flips to wrong, {won} to right;"
            f" all together: {tests}"
        )

    def lines(self) -> list[str]:
        """Return what was found, for people."""
        n, k = len(self.corpus.ids), len(self.changes)
        found = [self.headline]
        if self.p_margins is not None:
            shrank = self.p_margins <= comparison.VERDICT_LEVEL
            found.append(
                f"  margins {'shrank' if shrank else 'did not shrink'} (p = {self.p_margins:.3g})"
                + ("; clips may flip next" if shrank and not self.worse else "")
            )
        ranked = sorted(self.changes, key=lambda c: (not c.worse, c.adjusted, -c.drop))
        named = [change for change in ranked if change.worse or change.drop > 0.0]
        found += [f"  {_describe(change, self.corpus)}" for change in named[:_LISTED]]
        if len(named) > _LISTED:
            found.append(f"  and {len(named) - _LISTED} more conditions that fell")
        found.append(f"  smallest drop that {n} clips can show: {comparison.describe_drop(n, k)}")
        return found


def _describe(change: Change, corpus: Clips) -> str:
    key = change.after.key
    symbol = "C_rho" if key.measure == "rho" else "C_W"
    text = (
        f"{key.transform} {symbol} {key.distance}: {change.before.value:.3f} ->"
        f" {change.after.value:.3f}"
    )
    if change.before.outcomes:
        text += f", lost {change.negative}, won {change.positive}"
    text += f", p = {change.p:.3g} ({change.adjusted:.3g} after Holm)"
    if change.exceeds:
        text += f"; a drop of {change.allowed:g} is allowed"
    elif change.worse:
        text += "; worse"
    both = zip(corpus.ids, change.before.outcomes, change.after.outcomes)
    gone = [clip for clip, before, after in both if before and not after]
    if gone:
        more = f" and {len(gone) - _LISTED} more" if len(gone) > _LISTED else ""
        text += f"\n    lost: {', '.join(gone[:_LISTED])}{more}"
    return text


def compare(
    before: Iterable[Entry],
    after: Iterable[Entry],
    corpus: Clips,
    *,
    allowed: Mapping[str, float] | float | None = None,
) -> Comparison:
    """Compare an encoder with its baseline, pair by pair.

    Parameters
    ----------
    before, after : iterable of Entry
        Of the same conditions, in the same order, on the same clips.
    corpus : Clips
    allowed : float, or mapping of str to float
        Largest drop of a value, of all conditions or by the transformation's name.

    Returns
    -------
    Comparison
    """
    pairs = list(zip(before, after, strict=True))
    within = [(old, new) for old, new in pairs if old.key.measure == "within"]
    rho = [(old, new) for old, new in pairs if old.key.measure == "rho"]
    p_values: dict[str, float] = {}
    p_margins = p_better = None
    raw: dict[Key, tuple[int, int, float]] = {}
    if within:
        was, is_now = _flags(old for old, _ in within), _flags(new for _, new in within)
        negative, positive = comparison.flips(was, is_now)
        for (_, new), lost, won in zip(within, negative.tolist(), positive.tolist()):
            raw[new.key] = lost, won, comparison.mcnemar(lost, won)
        losses = was.astype(np.float64) - is_now
        p_values["flips"] = _sign_flips(losses, corpus)
        p_better = _sign_flips(-losses, corpus)
        margins = [np.array([entry.margins for entry in side]) for side in zip(*within)]
        p_margins = _sign_flips(margins[0] - margins[1], corpus)
    if rho:
        differences = np.array([np.subtract(new.replicates, old.replicates) for old, new in rho])
        p_values["rho"] = _bootstrap_p(differences.mean(axis=0))
        for (_, new), difference in zip(rho, differences):
            raw[new.key] = 0, 0, _bootstrap_p(difference)
    adjusted = comparison.holm([raw[new.key][2] for _, new in pairs])
    changes = tuple(
        Change(old, new, *raw[new.key], adjusted=float(p), allowed=_allowed(allowed, new.key))
        for (old, new), p in zip(pairs, adjusted)
    )
    return Comparison(pairs[0][1].key.encoder, corpus, changes, p_values, p_margins, p_better)


def _flags(entries: Iterable[Entry]) -> Flags:
    return np.array([entry.outcomes for entry in entries], dtype=bool)


def _sign_flips(losses: npt.NDArray[np.float64], corpus: Clips) -> float:
    # The same comparison gives the same p-value, wherever and in whatever order it is made.
    seed = int(digest("sign flips", corpus.ids), 16)
    return comparison.sign_flip_test(losses, corpus.groups, rng=np.random.default_rng(seed))


def _bootstrap_p(differences: Matrix) -> float:
    """Return how many samples show no loss, as a p-value; those without rho count as none."""
    return float((1 + np.sum(~(differences < 0.0))) / (1 + len(differences)))


def _allowed(allowed: Mapping[str, float] | float | None, key: Key) -> float | None:
    if isinstance(allowed, Mapping):
        return allowed.get(key.transform)
    return allowed


def compare_records(
    old: Records, new: Records, *, max_drop: float | None = None
) -> tuple[list[Comparison], list[str]]:
    """Compare all that two files have in common.

    Encoders are paired by name or, where either file has just one, those two.

    Parameters
    ----------
    old, new : Records
    max_drop : float, optional
        As in `Baseline.check`.

    Returns
    -------
    comparisons : list of Comparison
        One for each encoder and corpus.
    notes : list of str
        What could not be paired, and why.
    """
    _drops(max_drop)
    notes = []
    names = [{key.encoder for key in records.entries} for records in (old, new)]
    renamed = {}
    if len(names[0]) == len(names[1]) == 1 and names[0] != names[1]:
        (was,), (is_now,) = names
        renamed[was] = is_now
        notes.append(f"{is_now} is compared with {was}")
    before = {
        replace(key, encoder=renamed.get(key.encoder, key.encoder)): entry
        for key, entry in old.entries.items()
    }
    common: dict[tuple[str, str], list[Key]] = defaultdict(list)
    stale = 0
    for key in sorted(before.keys() & new.entries.keys(), key=lambda key: key.transform):
        if before[key].recipe != new.entries[key].recipe:
            stale += 1
            continue
        common[key.encoder, key.corpus].append(key)
    comparisons = [
        compare(
            (before[key] for key in keys),
            (new.entries[key] for key in keys),
            new.corpora[corpus],
            allowed=max_drop,
        )
        for (_, corpus), keys in sorted(common.items())
    ]
    if stale:
        notes.append(f"{stale} conditions were made by other engines or versions, and left out")
    for what, missing in (
        ("the old file only", before.keys() - new.entries.keys()),
        ("the new file only", new.entries.keys() - before.keys()),
    ):
        if missing:
            notes.append(f"{len(missing)} conditions are in {what}")
    if not comparisons and old.entries and new.entries:
        notes.append(_why_not(set(before), set(new.entries), old, new))
    return comparisons, notes


def _why_not(before: set[Key], after: set[Key], old: Records, new: Records) -> str:
    """Say what two files that have no condition in common differ in."""
    for name, expected in (
        ("encoder", "name the encoders alike"),
        ("corpus", "measure on the same clips, in the same geometry"),
        ("seed", "use the same --nnrel-seed"),
        ("distance", "measure the same distance"),
        ("transform", "measure the same transformations"),
    ):
        sides = [sorted({getattr(key, name) for key in keys}, key=str) for keys in (before, after)]
        if not set(sides[0]) & set(sides[1]):
            if name == "corpus":
                sides = [
                    [f"{r.corpora[k].name} of {len(r.corpora[k].ids)} clips" for k in side]
                    for r, side in zip((old, new), sides)
                ]
            shown = [", ".join(map(str, side[:_LISTED])) for side in sides]
            return f"no {name} is in both: {shown[0]}; {shown[1]}; {expected}"
    return "no condition is in both; measure the same transformations with the same encoders"


# ---------------------------------------------------------------------------------------------
# Files


def load_records(path: Path) -> Records:
    """Read a baseline, or the measurements of a ``results.json``.

    Raises
    ------
    BaselineError
        If the file is missing, neither of them, damaged, or of another schema.
    """
    try:
        plain = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BaselineError(f"{path} cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise BaselineError(
            f"{path} is no JSON: {error}; restore it from version control"
        ) from error
    named = plain.get("format") if isinstance(plain, dict) else None
    readers = {FORMAT: Records.of_baseline, "pytest-nnrel results": Records.of_results}
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
        return readers[named](plain)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BaselineError(
            f"{path} was changed or damaged: {type(error).__name__} {error}; restore it from"
            " version control"
        ) from error


def write_baseline(path: Path, newer: Records) -> None:
    """Merge entries into a baseline; those of other conditions stay as they are.

    Raises
    ------
    BaselineError
        If the file is there and no baseline; it is left as it is.
    OSError
        If it cannot be written; it is left as it was.
    """
    from filelock import FileLock

    # Not beside the file, where it would lie about in the repository.
    lock = Path(tempfile.gettempdir()) / f"pytest-nnrel-{digest(str(path.resolve()))}.lock"
    with FileLock(lock):
        kept = load_records(path) if path.exists() else Records()
        text = json.dumps(kept.merged(newer).as_dict(), indent=1, ensure_ascii=False) + "\n"
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".tmp")
        try:
            with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
                file.write(text)
            Path(temporary).chmod(0o644)
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise


def _numbers(values: Iterable[float]) -> str:
    """Return numbers in one line, which JSON's indentation would spread over many."""
    return " ".join("nan" if math.isnan(v) else f"{v:.{_DECIMALS}g}" for v in values)


# ---------------------------------------------------------------------------------------------
# The fixture


class Baseline:
    """The baseline of a run: the fixture ``nnrel_baseline``.

    Parameters
    ----------
    path : Path
        ``--nnrel-baseline``.
    update : bool
        ``--nnrel-update-baseline``: what is measured replaces what is there.
    """

    def __init__(self, path: Path, *, update: bool = False) -> None:
        self.path = path
        self.update = update

    @cached_property
    def records(self) -> Records:
        """What the file held when it was first asked for."""
        return load_records(self.path) if self.path.exists() else Records()

    def check(
        self,
        encoder: Any,  # noqa: ANN401
        transforms: Iterable[Any] | None = None,
        *,
        distance: Metric = "euclidean",
        rho: bool = False,
        audio_distance: Metric = "dtw",
        max_drop: Mapping[Any, float] | float | None = None,
        corpus: Corpus | None = None,
        seed: int | None = None,
    ) -> Comparison | None:
        """Assert that an encoder is no worse than its baseline.

        C_W of all conditions is compared clip by clip. One test over all conditions decides:
        whole clips, or groups, are exchanged at random (sign flips, one-sided at 4 %). McNemar's
        exact test with Holm's correction names the conditions. Conditions without an entry are
        written to the file when the run ends, and the test fails saying so.

        Parameters
        ----------
        encoder : Encoder, or anything that `as_encoder` takes
            Known by its name.
        transforms : iterable of Transform, optional
            The run's grid (``--nnrel-grid``) where omitted.
        distance : str or callable
            Latent: ``"euclidean"``, ``"cosine"``, or one's own.
        rho : bool
            Compare C_rho too, by a paired bootstrap over clips or groups; both verdicts then
            share the 4 %.
        audio_distance : str or callable
            For rho.
        max_drop : float, or mapping of Transform or str to float
            Largest drop of a value that is allowed, of all conditions or of some; larger ones
            fail, significant or not.
        corpus : Corpus, optional
            The run's where omitted.
        seed : int, optional
            The run's where omitted.

        Returns
        -------
        Comparison or None
            None where the baseline is updated and had nothing to compare with.

        Raises
        ------
        AssertionError
            If the encoder is worse, or its baseline is missing, stale or incomplete.
        BaselineError
            If the file is no baseline.
        NNRelError
            If it cannot be measured.
        """
        __tracebackhide__ = True
        try:
            allowed = _drops(max_drop)
            chosen = _chosen(transforms)
            experiment = experiment_on(corpus, seed)
            settled = as_encoder(encoder)
            clips = Clips.of(experiment.listing())
            conditions = dict.fromkeys(t.condition(experiment.corpus.sample_rate) for t in chosen)
            unknown = sorted(set(allowed) - _names(chosen)) if isinstance(allowed, dict) else []
            if unknown:
                raise SettingError(
                    f"max_drop names {', '.join(unknown)}, which is not among the transformations"
                )
            measured: list[Entry] = []
            covers = []
            for condition in conditions:
                within = experiment.within(settled, condition, distance)
                record_measurement(within)
                covers.append(within.as_dict())
                measured.append(Entry.of(covers[-1]))
                if rho:
                    pairs: Pairs = "distinct" if isinstance(condition, Identity) else "all"
                    agreement = experiment.between(
                        settled, condition, "rho", audio_distance, distance, pairs
                    )
                    record_measurement(agreement)
                    covers.append(agreement.as_dict())
                    replicates = experiment.rho_replicates(
                        settled, condition, audio_distance, distance, pairs
                    )
                    measured.append(Entry.of(covers[-1], replicates.tolist()))
            records = self.records
        except NNRelError as error:
            record_verdict(Verdict(_ASSERTION, "error", None, None, str(error)))
            raise
        return self._judge(measured, tuple(covers), records, clips, allowed)

    def _judge(
        self,
        measured: list[Entry],
        covers: tuple[dict[str, Any], ...],
        records: Records,
        clips: Clips,
        allowed: Mapping[str, float] | float | None,
    ) -> Comparison | None:
        __tracebackhide__ = True
        fresh = [e for e in measured if e.key in records.entries
                 and records.entries[e.key].recipe == e.recipe]  # fmt: skip
        others = [e for e in measured if e not in fresh]
        stale = {e.key: why for e in others if (why := _why_stale(e, records)) is not None}
        missing = [e for e in others if e.key not in stale]
        found = None
        if fresh:
            found = compare((records.entries[e.key] for e in fresh), fresh, clips, allowed=allowed)
        written = measured if self.update else missing
        if written:
            newer = Records({e.key: e for e in written}, {written[0].key.corpus: clips})
            # In a test run the controller writes, once, when all tests are over.
            if not recording.record_baseline(str(self.path), newer.as_dict()):
                write_baseline(self.path, newer)
        lines = []
        if found is not None and found.worse:
            lines += found.lines()
        if missing:
            transforms = list(dict.fromkeys(e.key.transform for e in missing))
            names = ", ".join(transforms[:_LISTED])
            more = f" and {len(transforms) - _LISTED} more" if len(transforms) > _LISTED else ""
            lines.append(
                f"{missing[0].key.encoder} has no baseline for {len(missing)} of {len(measured)}"
                f" conditions ({names}{more}): they are written to {self.path} when the run ends;"
                " look at the file, commit it, and run again"
            )
        for reason in dict.fromkeys(stale.values()):
            keys = [key.transform for key, why in stale.items() if why == reason]
            lines.append(
                f"the baseline of {measured[0].key.encoder} in {self.path} is stale for"
                f" {len(keys)} of {len(measured)} conditions: {reason}; if that is meant, write it"
                " anew with --nnrel-update-baseline"
            )
        if self.update:
            lines = []
        elif lines and found is not None and not found.worse:
            lines += ["", "Compared with what is there:", *found.lines()]
        redo = recording.reproduction()
        message = "\n".join([*lines, *(["", f"redo:    {redo}"] if redo else [])]) if lines else ""
        name = measured[0].key.encoder
        if found is not None:
            headline = found.headline
        elif written:
            headline = f"{name}: baseline of {len(written)} conditions written to {self.path}"
        else:
            headline = f"{name}: its baseline in {self.path} is stale"
        record_verdict(
            Verdict(
                _ASSERTION,
                "fails" if lines else "holds",
                None,
                None,
                message,
                subject=name,
                headline=headline,
                covers=covers,
            )
        )
        if lines:
            raise AssertionError(message)
        return found


_ASSERTION = "nnrel_baseline.check"


def _chosen(transforms: Iterable[Any] | None) -> list[Transform]:
    if transforms is None:
        grid = settings.active().grid
        return list(quick_grid() if grid is None else grid())
    if isinstance(transforms, Transform | str | Mapping):
        raise SettingError(f"transforms takes a list of transformations, not {transforms!r}")
    chosen = [as_transform(transform) for transform in transforms]
    if not chosen:
        raise SettingError("transforms takes a list of transformations, not an empty one")
    return chosen


def _names(chosen: Iterable[Transform]) -> set[str]:
    return {transform.name for transform in chosen}


def _drops(max_drop: Mapping[Any, float] | float | None) -> dict[str, float] | float | None:
    def checked(value: Any) -> float:  # noqa: ANN401
        number = isinstance(value, Real) and not isinstance(value, bool)
        if not number or not 0.0 <= value <= 2.0:
            raise SettingError(f"max_drop takes drops of a value from 0 on, not {value!r}")
        return float(value)

    if isinstance(max_drop, Mapping):
        return {str(transform): checked(value) for transform, value in max_drop.items()}
    return None if max_drop is None else checked(max_drop)


def _why_stale(entry: Entry, records: Records) -> str | None:
    """Say why a baseline that is there is of no use; None where there is none."""
    same = records.entries.get(entry.key)
    if same is not None:
        return _other_recipe(same.recipe, entry.recipe)
    key = entry.key
    alike = [
        other
        for other in records.entries
        if (other.encoder, other.measure, other.distance, other.transform)
        == (key.encoder, key.measure, key.distance, key.transform)
    ]
    for other in alike:
        if other.corpus == key.corpus:
            return f"it was measured with seed {other.seed}, and this run has {key.seed}"
    if alike:
        was = records.corpora[alike[0].corpus]
        return (
            f"it was measured on other audio ({was.name}, {len(was.ids)} clips, fingerprint"
            f" {alike[0].corpus}), and this run has {key.corpus}"
        )
    return None


def _other_recipe(before: dict[str, Any] | None, now: dict[str, Any] | None) -> str:
    names = sorted({*(before or {}), *(now or {})})
    changed = [
        f"{name} {(before or {}).get(name)} then, {(now or {}).get(name)} now"
        for name in names
        if (before or {}).get(name) != (now or {}).get(name)
    ]
    return f"its clips were transformed otherwise ({'; '.join(changed)})"

"""The fixture ``nnrel_baseline``: measures, compares, and has what is missing written."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pytest_nnrel import recording, settings
from pytest_nnrel.baselines.changes import Comparison, compare, drops, other_recipe
from pytest_nnrel.baselines.entries import Clips, Entry, Key, listed, namesakes
from pytest_nnrel.baselines.records import Records, load_baseline, write_baseline
from pytest_nnrel.encoders import as_encoder
from pytest_nnrel.errors import BaselineError, SettingError
from pytest_nnrel.experiment import experiment_on
from pytest_nnrel.recording import Verdict, record_measurement, record_verdict
from pytest_nnrel.transforms import Identity, Transform, as_transform, quick_grid

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from pytest_nnrel.corpus import Corpus
    from pytest_nnrel.distances import Metric
    from pytest_nnrel.ranks import Pairs

_ASSERTION = "nnrel_baseline.check"


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
        self._seen: dict[Key, Entry] = {}

    def __repr__(self) -> str:
        return f"Baseline({str(self.path)!r})"

    @cached_property
    def records(self) -> Records:
        """What the file held when it was first asked for."""
        return load_baseline(self.path) if self.path.exists() else Records()

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
        written to the file when the run ends, and the test fails saying so. Where clips were lost
        and there are too few groups of clips to tell, it fails as undecided.

        Error rates are over clips: an encoder that another seed made worse on this music is worse.

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
        with recording.errors_recorded(_ASSERTION):
            allowed = drops(max_drop)
            chosen = _chosen(transforms)
            experiment = experiment_on(corpus, seed)
            settled = as_encoder(encoder)
            clips = Clips.of(experiment.listing())
            conditions = dict.fromkeys(t.condition(experiment.corpus.sample_rate) for t in chosen)
            allowed = _of_conditions(allowed, chosen, experiment.corpus.sample_rate)
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
            self._check_namesakes(measured)
            records = self.records
        return self._judge(measured, tuple(covers), records, clips, allowed)

    def _check_namesakes(self, measured: list[Entry]) -> None:
        """Refuse another encoder, or distance, under a name that was measured in this run."""
        for entry in measured:
            if not entry.same_as(self._seen.setdefault(entry.key, entry)):
                raise BaselineError(namesakes(entry.key))

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
        if found is not None and found.verdict in ("worse", "undecided"):
            lines += found.lines()
        if found is not None and found.verdict == "worse":
            lines.append("  if that is meant, write it anew with --nnrel-update-baseline")
        if missing:
            transforms = list(dict.fromkeys(e.key.transform for e in missing))
            lines.append(
                f"{missing[0].key.encoder} has no baseline for {len(missing)} of {len(measured)}"
                f" conditions ({listed(transforms)}): they are written to {self.path} when the run"
                " ends; look at the file, commit it, and run again"
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
        elif lines and found is not None and found.verdict in ("same", "better"):
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
                _outcome(found, lines),
                None,
                None,
                message,
                subject=name,
                headline=headline,
                covers=covers,
                comparison=None if found is None else found.as_dict(),
            )
        )
        if lines:
            raise AssertionError(message)
        return found


def _outcome(found: Comparison | None, lines: list[str]) -> recording.Outcome:
    if not lines:
        return "holds"
    undecided = found is not None and found.undecided
    return "undecided" if undecided else "fails"


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


def _of_conditions(
    allowed: dict[str, float] | float | None, chosen: Iterable[Transform], sample_rate: int
) -> dict[str, float] | float | None:
    """Return the drops that are allowed by names of conditions; of aliases, the smallest."""
    if not isinstance(allowed, dict):
        return allowed
    names: dict[str, str] = {}
    for transform in chosen:
        condition = transform.condition(sample_rate).name
        names[transform.name] = names[condition] = condition
    unknown = sorted(allowed.keys() - names.keys())
    if unknown:
        raise SettingError(
            f"max_drop names {', '.join(unknown)}, which is not among the transformations:"
            f" {listed(sorted(names))}"
        )
    found: dict[str, float] = {}
    for name, drop in allowed.items():
        found[names[name]] = min(drop, found.get(names[name], drop))
    return found


def _why_stale(entry: Entry, records: Records) -> str | None:
    """Say why a baseline that is there is of no use; None where there is none."""
    same = records.entries.get(entry.key)
    if same is not None:
        return other_recipe(same.recipe, entry.recipe)
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
            f"it was measured on other clips, groups or windows ({was.name}, {len(was.ids)} clips,"
            f" fingerprint {alike[0].corpus}), and this run has {key.corpus}"
        )
    return None

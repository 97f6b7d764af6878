"""The fixture ``nnrel_baseline``: measures, compares, and has what is missing written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from pytest_nnrel import recording
from pytest_nnrel.baselines.changes import Comparison, compare, drops
from pytest_nnrel.baselines.entries import LISTED, Clips, Entry
from pytest_nnrel.baselines.index import Index, IndexKey, index_of, misfit
from pytest_nnrel.baselines.records import Records, load_baseline, write_baseline
from pytest_nnrel.baselines.retrainings import (
    Retraining,
    judge,
    population,
    refuse_known,
    same_recipe,
)
from pytest_nnrel.baselines.seen import Seen
from pytest_nnrel.baselines.stale import why_stale
from pytest_nnrel.baselines.trainings import Training
from pytest_nnrel.distances import resolve_distance
from pytest_nnrel.encoders import as_encoder
from pytest_nnrel.errors import SettingError
from pytest_nnrel.experiment.attacks import question_to
from pytest_nnrel.experiment.embedding import embed
from pytest_nnrel.experiment.recognition import recognise
from pytest_nnrel.experiment.rendering import render
from pytest_nnrel.experiment.spaces import audio_space, latent_space, rho_replicates
from pytest_nnrel.experiment.study import listing
from pytest_nnrel.measures import between, study_on, within
from pytest_nnrel.recording import Verdict, record_measurement, record_verdict
from pytest_nnrel.runtime import settings
from pytest_nnrel.runtime.listing import a_few
from pytest_nnrel.transforms import Identity, Transform, as_transform, quick_grid

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pytest_nnrel.corpus import Corpus
    from pytest_nnrel.distances import Distance, Metric
    from pytest_nnrel.encoders import Encoder
    from pytest_nnrel.encoders.protocol import EncoderLike
    from pytest_nnrel.experiment.encoding import Listener
    from pytest_nnrel.experiment.study import Study
    from pytest_nnrel.measurement import PlainMeasurement
    from pytest_nnrel.statistics.ranks import Pairs
    from pytest_nnrel.transforms.protocol import TransformLike

_ASSERTION = "nnrel_baseline.check"
_TRAININGS_STAY = (
    "--nnrel-update-baseline leaves trainings as they are; --nnrel-add-training adds to them"
)


class Baseline:
    """The baseline of a run: the fixture ``nnrel_baseline``.

    Parameters
    ----------
    path : Path
        ``--nnrel-baseline``.
    update : bool
        ``--nnrel-update-baseline``: what is measured replaces what is there of it. Trainings stay.
    add_training : bool
        ``--nnrel-add-training``: encoders that are checked with ``retrained=True`` are added to the
        trainings that are there.
    """

    def __init__(self, path: Path, *, update: bool = False, add_training: bool = False) -> None:
        self.path = path
        self.update = update
        self.add_training = add_training
        self._seen = Seen()

    def __repr__(self) -> str:
        return f"Baseline({str(self.path)!r})"

    @cached_property
    def records(self) -> Records:
        """What the file held when it was first asked for."""
        return load_baseline(self.path) if self.path.exists() else Records()

    def check(
        self,
        encoder: EncoderLike,
        transforms: Iterable[TransformLike] | None = None,
        *,
        retrained: bool = False,
        distance: Metric = "euclidean",
        rho: bool = False,
        audio_distance: Metric = "dtw",
        max_drop: Mapping[Any, float] | float | None = None,
        index: bool = False,
        corpus: Corpus | None = None,
        seed: int | None = None,
    ) -> Comparison | Retraining | None:
        """Assert that an encoder is no worse than its baseline, or its recipe than it was.

        These are two questions. *Is it the same training*, exported, quantised, refactored, on
        another library? Then its clips are compared with themselves. *Is it the same recipe*,
        trained again (``retrained=True``)? Then a clip-wise test would take the seed's doing for a
        loss, and the encoder is compared with several trainings of the recipe instead.

        Of the same training, C_W of all conditions is compared clip by clip. One test over all
        conditions decides: whole clips, or groups, are exchanged at random (sign flips, one-sided
        at 4 %). McNemar's exact test with Holm's correction names them. Those without an entry are
        written to the file when the run ends, and the test fails saying so. Where clips were lost
        and there are too few groups of clips to tell, it fails as undecided.

        Of the same recipe, mean C_W over the conditions is compared with that of the trainings that
        the file holds of this name (``--nnrel-add-training`` adds them), see `compare_trainings`.
        Fewer than two of them leave it undecided, which fails. An encoder that is one of them is
        compared with the others.

        Parameters
        ----------
        encoder : Encoder, or anything that `as_encoder` takes, or a list of them
            Known by its name. A list is of several new trainings of one recipe.
        transforms : iterable of Transform, optional
            The run's grid (``--nnrel-grid``) where omitted.
        retrained : bool
            Whether it was trained anew, so that the recipe is what is judged.
        distance : str or callable
            Latent: ``"euclidean"``, ``"cosine"``, or one's own.
        rho : bool
            Compare C_rho too, by a paired bootstrap over clips or groups; both verdicts then
            share the 4 %. Not of retrainings.
        audio_distance : str or callable
            For rho.
        max_drop : float, or mapping of Transform or str to float
            Largest drop of a value that is allowed, of all conditions or of some; larger ones
            fail, significant or not. Not of retrainings.
        index : bool
            Keep the embeddings of a few originals too, and fail where one of them is nearer to
            another original than to its own, as the encoder embeds all of them now: what is stored
            of it elsewhere must fit. Not of retrainings.
        corpus : Corpus, optional
            The run's where omitted.
        seed : int, optional
            The run's where omitted.

        Returns
        -------
        Comparison, Retraining or None
            None where the baseline is updated, or trainings are added, and there was nothing to
            compare with.

        Raises
        ------
        AssertionError
            If the encoder or its recipe is worse, or its baseline is missing, stale or incomplete.
        BaselineError
            If the file is no baseline, or holds the training that is to be added.
        NNRelError
            If it cannot be measured.
        """
        __tracebackhide__ = True
        with recording.errors_recorded(_ASSERTION):
            encoders = _encoders(encoder, retrained=retrained)
            if retrained and (rho or index or max_drop is not None):
                raise SettingError(
                    "rho, index and max_drop are of the same training, clip by clip; leave them out"
                    " with retrained=True"
                )
            allowed = drops(max_drop)
            chosen = _chosen(transforms)
            study = study_on(corpus, seed)
            clips = Clips.of(listing(study.corpus))
            rate = study.corpus.sample_rate
            conditions = list(dict.fromkeys(t.condition(rate) for t in chosen))
            allowed = _of_conditions(allowed, chosen, rate)
            latent = resolve_distance(distance, "latent")
            measure = partial(
                _measured,
                study,
                conditions=conditions,
                latent=latent,
                audio=resolve_distance(audio_distance, "audio") if rho else None,
            )
            measured = [measure(one) for one in encoders]
            if retrained:
                return self._judge_recipe(measured, self.records, clips)
            self._seen.check(measured[0].entries)
            return self._judge(measured[0], self.records, clips, allowed, latent if index else None)

    def _write(self, newer: Records) -> None:
        """Merge entries or trainings into the file."""
        # In a test run the controller writes, once, when all tests are over.
        if not recording.record_baseline(str(self.path), newer.as_dict()):
            write_baseline(self.path, newer)

    def _judge_recipe(
        self, measured: Sequence[_Measured], records: Records, clips: Clips
    ) -> Retraining | None:
        """Compare new trainings with those of the file, or add them to it."""
        __tracebackhide__ = True
        with recording.errors_recorded(_ASSERTION):
            after = [Training.of(one.entries) for one in measured]
            same_recipe(after)
            if self.add_training:
                refuse_known(records, after, place=str(self.path))
            before, notes = population(records, after, place=str(self.path))
            found = judge(before, after, clips) if before else None
        name = after[0].key.encoder
        stay = [_TRAININGS_STAY] if self.update and not self.add_training else []
        if self.add_training:
            trainings = {training.key: training for training in after}
            self._write(Records({}, {after[0].key.corpus: clips}, trainings))
        lines = []
        if found is not None and found.verdict != "no worse":
            lines += found.lines()
        if not before:
            lines.append(
                f"{self.path} holds no training of {name} to compare with: run the tests of each"
                " training that counts with --nnrel-add-training, three of them or more"
            )
        if lines:
            lines += [f"  {note}" for note in [*notes, *stay]]
        if self.add_training:
            lines = []
        headline = (
            found.headline
            if found is not None
            else f"{name}: no training of its recipe in {self.path} to compare with"
        )
        headline = "; ".join([headline, *stay])
        covers = tuple(cover for one in measured for cover in one.covers)
        _record(name, headline, found, lines, covers)
        if lines:
            raise AssertionError(_message(lines))
        return found

    def _judge(
        self,
        measurements: _Measured,
        records: Records,
        clips: Clips,
        allowed: Mapping[str, float] | float | None,
        index_distance: Distance | None,
    ) -> Comparison | None:
        __tracebackhide__ = True
        measured, covers = measurements.entries, measurements.covers
        stale = {e.key: why for e in measured if (why := why_stale(e, records)) is not None}
        fresh = [e for e in measured if e.key in records.entries and e.key not in stale]
        missing = [e for e in measured if e not in fresh and e.key not in stale]
        found = None
        if fresh:
            found = compare((records.entries[e.key] for e in fresh), fresh, clips, allowed=allowed)
        written = measured if self.update else missing
        indexes: dict[IndexKey, Index] = {}
        unfit: list[str] = []
        if index_distance is not None:
            index = index_of(measurements.listener, index_distance)
            kept = records.indexes.get(index.key)
            if kept is None or self.update:
                indexes[index.key] = index
            else:
                unfit = misfit(kept, measurements.listener, index_distance)
        if written or indexes:
            corpora = {measured[0].key.corpus: clips}
            self._write(Records({e.key: e for e in written}, corpora, {}, indexes))
        lines = list(unfit)
        if indexes:
            lines.append(
                f"{measured[0].key.encoder} has no index in the baseline: embeddings of a few"
                f" originals are written to {self.path} when the run ends; commit it, and run again"
            )
        if found is not None and found.verdict in ("worse", "undecided"):
            lines += found.lines()
        if found is not None and found.verdict == "worse":
            lines.append("  if that is meant, write it anew with --nnrel-update-baseline")
        if missing:
            transforms = list(dict.fromkeys(e.key.transform for e in missing))
            lines.append(
                f"{missing[0].key.encoder} has no baseline for {len(missing)} of {len(measured)}"
                f" conditions ({a_few(transforms, LISTED)}): they are written to {self.path} when"
                " the run ends; look at the file, commit it, and run again"
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
        name = measured[0].key.encoder
        if found is not None:
            headline = found.headline
        elif written:
            headline = f"{name}: baseline of {len(written)} conditions written to {self.path}"
        else:
            headline = f"{name}: its baseline in {self.path} is stale"
        _record(name, unfit[0] if unfit else headline, found, lines, covers, failed=bool(unfit))
        if lines:
            raise AssertionError(_message(lines))
        return found


@dataclass(frozen=True)
class _Measured:
    """Measurements of one encoder: as entries, and as verdicts cover them."""

    listener: Listener
    entries: list[Entry]
    covers: tuple[PlainMeasurement, ...]


def _measured(
    study: Study,
    encoder: Encoder,
    *,
    conditions: Iterable[Transform],
    latent: Distance,
    audio: Distance | None,
) -> _Measured:
    """Measure C_W of all conditions, and C_rho where there is an audio distance for it."""
    entries: list[Entry] = []
    covers: list[PlainMeasurement] = []
    listener = recognise(encoder, study)
    for condition in conditions:
        embedded = embed(listener, render(question_to(listener, condition, latent)))
        measurement = within(embedded, latent)
        record_measurement(measurement)
        covers.append(measurement.as_dict())
        entries.append(Entry.of(covers[-1]))
        if audio is not None:
            pairs: Pairs = "distinct" if isinstance(condition, Identity) else "all"
            agreement = between(embedded, "rho", audio, latent, pairs)
            record_measurement(agreement)
            covers.append(agreement.as_dict())
            replicates = rho_replicates(
                audio_space(embedded.rendered, audio), latent_space(embedded, latent), pairs
            )
            entries.append(Entry.of(covers[-1], replicates.tolist()))
    return _Measured(listener, entries, tuple(covers))


def _encoders(encoder: Any, *, retrained: bool) -> list[Encoder]:  # noqa: ANN401
    """Return the encoders that are checked: one, or several trainings of one recipe."""
    if not isinstance(encoder, list | tuple):
        return [as_encoder(encoder)]
    if not retrained:
        raise SettingError(
            "check takes one encoder; several are trainings of one recipe: retrained=True"
        )
    if not encoder:
        raise SettingError("retrained=True takes an encoder or several, not an empty list")
    return [as_encoder(one) for one in encoder]


def _message(lines: list[str]) -> str:
    redo = recording.reproduction()
    return "\n".join([*lines, *(["", f"redo:    {redo}"] if redo else [])])


def _record(
    name: str,
    headline: str,
    found: Comparison | Retraining | None,
    lines: list[str],
    covers: tuple[PlainMeasurement, ...],
    *,
    failed: bool = False,
) -> None:
    """Record a verdict, of which `lines` is the message; none where it holds."""
    outcome: recording.Outcome = "holds"
    if lines:
        undecided = found is not None and found.undecided and not failed
        outcome = "undecided" if undecided else "fails"
    record_verdict(
        Verdict(
            _ASSERTION,
            outcome,
            None,
            None,
            _message(lines) if lines else "",
            subject=name,
            headline=headline,
            covers=covers,
            comparison=None if found is None else found.as_dict(),
        )
    )


def _chosen(transforms: Iterable[TransformLike] | None) -> list[Transform]:
    if transforms is None:
        grid = settings.active().grid
        return [as_transform(transform) for transform in (grid or quick_grid)()]
    listed = isinstance(transforms, Iterable) and not isinstance(transforms, Transform)
    if not listed or isinstance(transforms, str | Mapping):
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
            f" {a_few(sorted(names), LISTED)}"
        )
    found: dict[str, float] = {}
    for name, drop in allowed.items():
        found[names[name]] = min(drop, found.get(names[name], drop))
    return found

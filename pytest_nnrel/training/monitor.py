"""C_W of an encoder in training, epoch by epoch: what became better, and when to stop."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Any

import torch

from pytest_nnrel import measures
from pytest_nnrel.distances import resolve_distance
from pytest_nnrel.encoders import as_encoder
from pytest_nnrel.encoders.calls import Call
from pytest_nnrel.encoders.global_rngs import global_rngs_seeded
from pytest_nnrel.errors import SettingError, TrainingError
from pytest_nnrel.runtime.files import replace_text
from pytest_nnrel.runtime.progress import progress
from pytest_nnrel.runtime.scalars import is_real
from pytest_nnrel.training.checks import path_given, refused_in_training, whole_number
from pytest_nnrel.transforms import conditions
from pytest_nnrel.transforms.grids import transforms_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from pytest_nnrel.corpus import Corpus
    from pytest_nnrel.distances import Metric
    from pytest_nnrel.encoders import Encoder
    from pytest_nnrel.encoders.protocol import EncoderLike
    from pytest_nnrel.transforms.protocol import TransformLike

_FORMAT = "pytest-nnrel monitor 1"
#: Before the names of metrics.
_PREFIX = "nnrel"
#: Of an epoch, what follows from others and from the monitor's settings: no state keeps it.
_JUDGED = ("is_best", "stop")


@dataclass(frozen=True)
class EpochConsistency:
    """C_W of an encoder after an epoch.

    Attributes
    ----------
    epoch : int
    mean : float
        Over all conditions.
    families : dict of str to float
        Mean of each family's conditions.
    conditions : dict of str to float
        By the names of the transformations.
    is_best : bool
        Whether no epoch before had as large a mean.
    stop : bool
        Whether the monitor's patience has come to its end.
    """

    epoch: int
    mean: float
    families: dict[str, float]
    conditions: dict[str, float]
    is_best: bool
    stop: bool

    def metrics(self, name: str | None = None) -> dict[str, float]:
        """Return what loggers take: ``nnrel/mean``, and ``nnrel/FAMILY`` of each family.

        Parameters
        ----------
        name : str, optional
            Of the monitor: ``nnrel/NAME/mean`` and so on.
        """
        under = _PREFIX if name is None else f"{_PREFIX}/{name}"
        return {
            f"{under}/{of}": value for of, value in {"mean": self.mean, **self.families}.items()
        }


class ConsistencyMonitor:
    """Measures C_W of an encoder while it is trained, and changes nothing of the training.

    Parameters
    ----------
    corpus : Corpus, optional
        The run's where omitted; outside pytest, the bundled one. Not what is trained on.
    grid : str or iterable of Transform
        As of `profile`: ``"quick"``, ``"imperceptible"``, ``"field"``, ``"paper"``, a family's
        name, or transformations.
    clips : int, optional
        Measure on so many clips of the corpus, evenly spread.
    every : int
        Epochs from one measurement to the next: of 5, epochs 0, 5, 10 and so on are measured.
    patience : int, optional
        How many measurements without a gain end the training; none does where omitted.
    least_gain : float
        By how much the mean C_W has to pass the best to be a gain.
    distance : str or callable
        As of `within_consistency`.
    seed : int, optional
        The run's where omitted.
    log : path-like, optional
        A JSON file that holds what was measured, rewritten after each epoch. A monitor that finds
        it goes on from it, such as after an interruption.
    name : str, optional
        Under which its callback logs, ``nnrel/NAME/mean`` in place of ``nnrel/mean``: each of
        several monitors of one training needs a name of its own.

    Attributes
    ----------
    name : str or None
    records : list of EpochConsistency
        What was measured, by epoch.

    Raises
    ------
    SettingError
        If there is no such grid, or an option cannot be.
    CorpusError
        If the corpus has not as many clips.
    DistanceError
        If there is no such distance of embeddings.
    TrainingError
        If the log is of another corpus, grid, distance or seed, or cannot be read.
    """

    def __init__(
        self,
        corpus: Corpus | None = None,
        grid: str | Iterable[TransformLike] = "quick",
        *,
        clips: int | None = None,
        every: int = 1,
        patience: int | None = None,
        least_gain: float = 0.0,
        distance: Metric = "euclidean",
        seed: int | None = None,
        log: str | Path | None = None,
        name: str | None = None,
    ) -> None:
        if name is not None and (not isinstance(name, str) or not name):
            raise SettingError(f"name takes a text that is not empty, not {name!r}")
        self.name = name
        self._every = whole_number("every", every, 1)
        self._patience = None if patience is None else whole_number("patience", patience, 1)
        if not is_real(least_gain) or not 0.0 <= least_gain < 1.0:
            raise SettingError(f"least_gain takes a number from 0 to 1, not {least_gain!r}")
        self._least_gain = least_gain
        study = measures.study_on(corpus, seed)
        self._corpus = study.corpus if clips is None else study.corpus.subset(clips)
        self._seed = study.seed
        resolve_distance(distance, "latent")  # told before the first epoch is trained
        self._distance = distance
        self._conditions = tuple(conditions(transforms_of(grid), self._corpus.sample_rate))
        if not self._conditions:
            raise SettingError("the grid of a monitor must hold a transformation, and is empty")
        names = [condition.name for condition in self._conditions]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise SettingError(
                f"the grid of a monitor holds several transformations called {', '.join(twice)}:"
                " what is logged of them could not be told apart; give them names of their own, or"
                " a monitor each"
            )
        self.records: list[EpochConsistency] = []
        self._log = None if log is None else path_given("log", log)
        if self._log is not None and self._log.exists():
            self._read(self._log)

    def __repr__(self) -> str:
        return (
            f"ConsistencyMonitor({self._corpus!r}, {len(self._conditions)} conditions,"
            f" {len(self.records)} epochs measured)"
        )

    @property
    def best(self) -> EpochConsistency | None:
        """The epoch of the largest mean, the first of several; None before there is one."""
        return max(self.records, key=lambda record: record.mean, default=None)

    @property
    def latest(self) -> EpochConsistency | None:
        """What was measured last; None before that."""
        return self.records[-1] if self.records else None

    def measure(self, encoder: EncoderLike, *, epoch: int) -> EpochConsistency | None:
        """Measure an encoder after an epoch, if it is one of every so many.

        Modules are evaluated meanwhile, and left in the mode that they were found in; global random
        states, of Python, NumPy and torch, are left as they were.

        Parameters
        ----------
        encoder : Encoder, or anything that `as_encoder` takes
            The module in training, or a method of it. What `as_encoder` returned before a training
            is measured as it is now.
        epoch : int
            From 0 on. What was measured of it and of later ones before is forgotten, as of a
            training that went on from a checkpoint.

        Returns
        -------
        EpochConsistency or None
            None where the epoch is not measured.

        Raises
        ------
        TrainingError
            If a function or an object is given that runs a module in training mode.
        NNRelError
            If it cannot be measured.
        """
        epoch = whole_number("epoch", epoch, 0)
        before = [record for record in self.records if record.epoch < epoch]
        if epoch % self._every:
            self.records = before
            return None
        with _global_rngs_kept(), refused_in_training(encoder):
            known = _where_it_is(encoder)
            values = {
                condition.name: measures.within_consistency(
                    known,
                    condition,
                    corpus=self._corpus,
                    distance=self._distance,
                    seed=self._seed,
                ).value
                for condition in progress(
                    self._conditions, len(self._conditions), f"C_W of {known.name}", "condition"
                )
            }
        self.records = [*before, self._judged(epoch, values, before)]
        if self._log is not None:
            self._write(self._log)
        return self.records[-1]

    def _judged(
        self, epoch: int, values: dict[str, float], before: list[EpochConsistency]
    ) -> EpochConsistency:
        by_family: dict[str, list[float]] = {}
        for condition in self._conditions:
            by_family.setdefault(type(condition).__name__, []).append(values[condition.name])
        mean = fmean(values.values())
        means = [record.mean for record in before]
        return EpochConsistency(
            epoch,
            mean,
            {name: fmean(of_family) for name, of_family in by_family.items()},
            values,
            is_best=not means or mean > max(means),
            stop=self._patience is not None
            and self._without_gain([*means, mean]) >= self._patience,
        )

    def _without_gain(self, means: list[float]) -> int:
        """Return how many measurements there were since the last gain."""
        best, since = means[0], 0
        for mean in means[1:]:
            since += 1
            if mean > best + self._least_gain:
                best, since = mean, 0
        return since

    def state_dict(self) -> dict[str, Any]:
        """Return what was measured, as plain values, for a checkpoint."""
        told = {
            "corpus": self._corpus.fingerprint,
            "conditions": [condition.name for condition in self._conditions],
            "distance": self._distance if isinstance(self._distance, str) else "one's own",
            "seed": self._seed,
        }
        records = [
            {name: value for name, value in asdict(record).items() if name not in _JUDGED}
            for record in self.records
        ]
        return {"format": _FORMAT, **told, "records": records}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` returned; patience and least gain are this monitor's own.

        Raises
        ------
        TrainingError
            If that was of another corpus, grid, distance or seed, or is no such state.
        """
        if not isinstance(state, dict):
            raise TrainingError(f"a monitor goes on from what state_dict returned, not {state!r}")
        ours = {**self.state_dict(), "records": None}
        theirs = {**dict.fromkeys(ours), **state, "records": None}
        differing = [name for name in ours if ours[name] != theirs[name]]
        if differing:
            raise TrainingError(
                f"what was measured before is of other {' and '.join(differing)}, and cannot be"
                " compared; give the monitor the same ones, or another log"
            )
        records: list[EpochConsistency] = []
        try:
            for record in state["records"]:
                epoch = whole_number("epoch", record["epoch"], 0)
                records.append(self._judged(epoch, record["conditions"], records))
        except (KeyError, TypeError, ValueError) as error:
            raise TrainingError(
                f"what was measured before is damaged ({type(error).__name__} {error}); begin anew,"
                " without it"
            ) from error
        self.records = records

    def callback(self, encoder: str | Callable[[Any], EncoderLike] | None = None) -> Any:  # noqa: ANN401
        """Return a callback of Lightning that measures at the end of training epochs.

        It logs `EpochConsistency.metrics`, so that ``EarlyStopping(monitor="nnrel/mean",
        mode="max")`` and ``ModelCheckpoint`` can use them; it comes before them in the list of
        callbacks. With `patience` it ends the training itself. Epochs that are not measured log
        what was measured last.

        Parameters
        ----------
        encoder : str or callable, optional
            The name of the module's attribute that is the encoder, or what gives it from the
            module; the module itself where omitted.

        Returns
        -------
        lightning.pytorch.Callback

        Raises
        ------
        ImportError
            If Lightning is not installed.
        """
        from pytest_nnrel.training.lightning import callback_of

        return callback_of(self, encoder)

    def _read(self, log: Path) -> None:
        try:
            state = json.loads(log.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise TrainingError(
                f"{log} is no log of a monitor, or is damaged ({error}); give another path"
            ) from error
        try:
            self.load_state_dict(state)
        except TrainingError as error:
            raise TrainingError(f"{log}: {error}") from error

    def _write(self, log: Path) -> None:
        log.parent.mkdir(parents=True, exist_ok=True)
        replace_text(log, json.dumps(self.state_dict(), indent=2))


def _where_it_is(encoder: EncoderLike) -> Encoder:
    """Return an encoder that leaves a module in training on its device, whatever the run's is."""
    module = Call(encoder, None).module if callable(encoder) else None
    if module is None:
        return as_encoder(encoder)
    return as_encoder(encoder, device=next((str(p.device) for p in module.parameters()), None))


@contextmanager
def _global_rngs_kept() -> Iterator[None]:
    """Leave the global random states, of devices too, as they are found."""
    in_use = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
    devices = range(torch.cuda.device_count()) if in_use else ()
    with torch.random.fork_rng(devices), global_rngs_seeded(0):
        yield

"""Measurements as plain values, and the sink that collects them. Standard library only.

Whatever measures or judges records here, in whatever thread or event loop. The plugin opens a sink
for the run and one for each test, and takes what they hold to the report: what no single test is
known to have made is the run's. What processes of the run record is handed back to it. Outside a
run, without an open sink, nothing is kept.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from pytest_nnrel import handover, settings
from pytest_nnrel.errors import CorpusError, NNRelError, UndefinedMeasureError
from pytest_nnrel.scopes import Scopes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

Outcome = Literal["holds", "fails", "undecided", "error"]
#: Significant digits to which two measurements of the same thing agree, wherever they were made.
_DIGITS = 6


@dataclass(frozen=True)
class AmongClips:
    """C_W as it would be among fewer clips, see `Measurement.at`.

    Attributes
    ----------
    n : int
        Clips.
    value : float
    ci : (float, float)
        95 % bootstrap interval, over the clips measured or their groups.
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
        ``"within"``, ``"audio"``, ``"accuracy"``, ``"rho"``, ``"exemplar"`` or ``"monotone"``.
    value : float
    ci : (float, float)
        95 % interval: Wilson's for proportions, percentile bootstrap for rho.
    n : int
        Clips.
    outcomes : tuple of bool
        Per clip, in the corpus's order: whether the own original is nearest; for ``"accuracy"``,
        whether both spaces agree; empty for ``"rho"``.
    worst : tuple of dict
        The clips that fared worst: id, distance to the own original, nearest other original, its
        distance.
    details : dict
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
    outcomes: tuple[bool, ...] = ()
    worst: tuple[dict[str, Any], ...] = ()
    details: dict[str, Any] = field(default_factory=dict)
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
        return sum(self._ranks_of_all()) / self.n / (self.n - 1)

    def at(self, n: int, *, groups: Sequence[str] | None = None) -> AmongClips:
        """Return C_W as it would be among n clips of the corpus, the mean over all choices of n.

        It is exact: the chance that none of n - 1 others, drawn without return, is nearer than the
        own original follows from the clip's rank. So corpora of different sizes can be compared.

        Parameters
        ----------
        n : int
            From 2 to the number of clips measured.
        groups : sequence of str, optional
            `Corpus.groups`, over which the interval is bootstrapped; needed where clips share one.

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

        from pytest_nnrel import consistency

        if self.measure not in ("within", "audio"):
            raise UndefinedMeasureError(
                f"at(n) is of C_W ('within', 'audio'); what ranks say of {self.measure!r} among"
                " fewer clips is not defined"
            )
        ranks = np.asarray(self._ranks_of_all(), dtype=np.intp)
        chances = consistency.chances_among(ranks, self.n, n)
        count = self.details["corpus"]["groups"]
        if groups is None and count == self.n:
            groups = [str(clip) for clip in range(self.n)]
        if groups is None or len(groups) != self.n or len(set(groups)) != count:
            given = "none are given" if groups is None else f"{len(set(groups))} are given"
            raise CorpusError(
                f"{self.n} clips of {count} groups were measured, and {given}; the interval is over"
                " groups: pass groups=corpus.groups"
            )
        rng = np.random.default_rng(self.details["identity"]["seed"])
        interval = consistency.interval_of_mean(chances, groups, rng)
        return AmongClips(n, float(chances.mean()), interval)

    def _ranks_of_all(self) -> tuple[int, ...]:
        if len(self.ranks) != self.n or self.n < 2:
            raise UndefinedMeasureError(
                f"{len(self.ranks)} ranks of {self.n} clips are known of this measurement"
                f" ({self.measure!r}); they come with C_W of a corpus, from version 0.2 on"
            )
        return self.ranks

    def as_dict(self) -> dict[str, Any]:
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
    def from_dict(cls, plain: dict[str, Any]) -> Measurement:
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


@dataclass(frozen=True)
class Verdict:
    """What an assertion said of a measurement.

    Parameters
    ----------
    assertion : str
        Name of the assertion.
    outcome : {"holds", "fails", "undecided", "error"}
    minimum : float or None
        Least value that was asked for.
    measurement : dict or None
        The measurement, as plain values; None where there is none, because of an error.
    message : str
        What the assertion printed; empty where it held.
    subject : str
        Name of the encoder, where the measurement does not tell it.
    headline : str
        What was found, in a line, where it is not the value of one measurement.
    covers : tuple of dict
        Measurements that it rests on, where there are several, as plain values.
    comparison : dict or None
        What became of each condition since a baseline, where there is one, as plain values.
    """

    assertion: str
    outcome: Outcome
    minimum: float | None
    measurement: dict[str, Any] | None
    message: str = ""
    subject: str = ""
    headline: str = ""
    covers: tuple[dict[str, Any], ...] = ()
    comparison: dict[str, Any] | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the verdict as builtins, its measurements by their keys."""
        plain = {
            "assertion": self.assertion,
            "outcome": self.outcome,
            "minimum": None if self.minimum is None else float(self.minimum),
            "measurement": None if self.measurement is None else measurement_key(self.measurement),
            "message": self.message,
            "subject": self.subject,
            "headline": self.headline,
            "covers": [measurement_key(covered) for covered in self.covers],
        }
        return plain if self.comparison is None else {**plain, "comparison": self.comparison}


@dataclass
class Sink:
    """Measurements by key, and verdicts in the order in which they were given.

    Parameters
    ----------
    reproduction : str
        Command that runs what is recorded again, for failure messages.
    """

    reproduction: str = ""
    measurements: dict[str, dict[str, Any]] = field(default_factory=dict)
    verdicts: list[dict[str, Any]] = field(default_factory=list)
    #: Clips and groups of the corpora that measurements are of, by fingerprint.
    corpora: dict[str, dict[str, Any]] = field(default_factory=dict)
    #: Content for baseline files, by their paths.
    baselines: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    _changing: threading.Lock = field(default_factory=threading.Lock, repr=False)
    #: A process that is forked has a copy, which nobody takes to the report.
    _process: int = field(default_factory=os.getpid, repr=False)

    def as_dict(self) -> dict[str, Any]:
        """Return the content as builtins, which travel between processes."""
        return {
            "measurements": self.measurements,
            "verdicts": self.verdicts,
            "corpora": self.corpora,
            "baselines": self.baselines,
        }

    def add(self, content: dict[str, Any]) -> None:
        """Keep what another sink held: `as_dict`."""
        with self._changing:
            self.measurements |= content["measurements"]
            self.verdicts += content["verdicts"]
            self.corpora |= content["corpora"]
            self.baselines += content["baselines"]

    def take(self) -> dict[str, Any]:
        """Return the content, and start anew."""
        with self._changing:
            content = self.as_dict()
            self.measurements, self.verdicts, self.corpora, self.baselines = {}, [], {}, []
        return content

    @property
    def is_here(self) -> bool:
        """Whether it was opened in this process."""
        return self._process == os.getpid()


_SCOPES: Scopes[Sink] = Scopes("pytest_nnrel_sink")


@contextmanager
def sink(reproduction: str = "", *, shared: bool = False) -> Iterator[Sink]:
    """Collect what is recorded while the context is open; `shared` where it is a run's."""
    opened = Sink(reproduction)
    scope = _SCOPES.enter(opened, shared=shared)
    try:
        yield opened
    finally:
        _SCOPES.leave(scope)


def take_back(contents: Iterable[dict[str, Any]], run: Sink) -> None:
    """Keep what processes of a run recorded, which has a sink: it is of its one test, or of none.

    Nobody can know which of several tests it is of.
    """
    current = _SCOPES.within(run) or run
    for content in contents:
        current.add(content)


def _record(**content: Any) -> bool:  # noqa: ANN401
    """Keep content of a sink, and tell whether there is one that takes it."""
    whole = {**Sink().as_dict(), **content}
    current = _SCOPES.current()
    if current is None or not current.is_here:
        return handover.hand_back(whole)
    current.add(whole)
    return True


def record_measurement(measurement: Measurement) -> None:
    """Keep a measurement, if a sink is open."""
    plain = measurement.as_dict()
    _record(measurements={measurement_key(plain): plain})


def record_verdict(verdict: Verdict) -> None:
    """Keep a verdict, if a sink is open."""
    _record(verdicts=[verdict.as_dict()])


@contextmanager
def errors_recorded(assertion: str, minimum: float | None = None) -> Iterator[None]:
    """Keep an error of ours that is raised in the context as the verdict of an assertion.

    All of the context is of the test, and the run, that it began in, as far as known: a thread that
    outlives its test makes no verdict of the next one's.
    """
    with settings.held(), _SCOPES.held():
        try:
            yield
        except NNRelError as error:
            record_verdict(Verdict(assertion, "error", minimum, None, str(error)))
            raise


def record_corpus(fingerprint: str, listing: dict[str, Any]) -> None:
    """Keep the clips and groups of a corpus, if a sink is open."""
    _record(corpora={fingerprint: listing})


def record_baseline(path: str, content: dict[str, Any]) -> bool:
    """Keep content for a baseline file, to be merged into it; tell whether a sink took it."""
    return _record(baselines=[(path, content)])


def reproduction() -> str:
    """Return the command that runs the current test again; empty outside a test."""
    current = _SCOPES.current()
    return "" if current is None else current.reproduction


def measurement_key(plain: dict[str, Any]) -> str:
    """Return a digest of what was measured: the same in every process and run.

    Where names alone identify encoder, transformation or distance, namesakes are told apart by
    what was measured.
    """
    identity = plain["details"]["identity"]
    content = [plain["measure"], identity]
    if identity["named_only"]:
        content += [_rounded(plain["value"]), _rounded(plain["worst"])]
    encoded = json.dumps(content, sort_keys=True).encode()
    return hashlib.blake2b(encoded, digest_size=8).hexdigest()


def _rounded(value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, float):
        return float(f"{value:.{_DIGITS}g}")
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    return [_rounded(item) for item in value] if isinstance(value, list) else value


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

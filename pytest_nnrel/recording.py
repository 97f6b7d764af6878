"""Measurements as plain values, and the sink that collects them. Standard library only.

Whatever measures or judges records here, in whatever thread or event loop. The plugin opens a sink
for the run and one for each test, and takes what they hold to the report: what no single test is
known to have made is the run's. What processes of the run record is handed back to it. Outside a
run, without an open sink, nothing is kept.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NotRequired, TypedDict

from pytest_nnrel.errors import NNRelError
from pytest_nnrel.runtime import handover, settings
from pytest_nnrel.runtime.scopes import Scopes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pytest_nnrel.measurement import Measurement, PlainMeasurement

Outcome = Literal["holds", "fails", "undecided", "error"]
#: Significant digits to which two measurements of the same thing agree, wherever they were made.
_DIGITS = 6


class PlainVerdict(TypedDict):
    """A verdict as JSON holds it, `Verdict.as_dict`, and the command that gives it again."""

    assertion: str
    outcome: str
    minimum: float | None
    measurement: str | None
    message: str
    redo: str
    subject: str
    headline: str
    covers: list[str]
    maximum: NotRequired[float]
    comparison: NotRequired[dict[str, Any]]


class PlainTest(TypedDict):
    """A test, what became of it, and what it said."""

    test: str
    outcome: str
    verdicts: list[PlainVerdict]
    examples: NotRequired[list[str]]
    passed_over: NotRequired[list[str | None]]


class Results(TypedDict):
    """The content of ``results.json``."""

    format: str
    schema_version: int
    settings: dict[str, Any]
    run: dict[str, Any]
    environment: dict[str, str]
    corpora: dict[str, dict[str, Any]]
    audits: NotRequired[dict[str, dict[str, Any]]]
    measurements: dict[str, PlainMeasurement]
    tests: list[PlainTest]


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
    measurement : PlainMeasurement or None
        None where there is none, because of an error.
    message : str
        What the assertion printed; empty where it held.
    subject : str
        Name of the encoder, where the measurement does not tell it.
    headline : str
        What was found, in a line, where it is not the value of one measurement.
    covers : tuple of PlainMeasurement
        Measurements that it rests on, where there are several.
    comparison : dict or None
        What became of each condition since a baseline, where there is one, as plain values.
    maximum : float or None
        Largest value that was asked for.
    """

    assertion: str
    outcome: Outcome
    minimum: float | None
    measurement: PlainMeasurement | None
    message: str = ""
    subject: str = ""
    headline: str = ""
    covers: tuple[PlainMeasurement, ...] = ()
    comparison: dict[str, Any] | None = None
    maximum: float | None = None

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
        if self.maximum is not None:
            plain["maximum"] = float(self.maximum)
        return plain if self.comparison is None else {**plain, "comparison": self.comparison}


class Attempt:
    """One time that a test is run; it counts until the test is run again.

    Attributes
    ----------
    counts : bool
    """

    def __init__(self) -> None:
        self.counts = True


@dataclass
class Sink:
    """Measurements by key, and verdicts in the order in which they were given.

    Attributes
    ----------
    reproduction : str
        Command that runs what is recorded again, for failure messages.
    attempt : Attempt
        That is being made.
    """

    reproduction: str = ""
    attempt: Attempt = field(default_factory=Attempt)
    measurements: dict[str, PlainMeasurement] = field(default_factory=dict)
    verdicts: list[dict[str, Any]] = field(default_factory=list)
    #: Clips and groups of the corpora that measurements are of, by fingerprint.
    corpora: dict[str, dict[str, Any]] = field(default_factory=dict)
    #: What is odd in them, by fingerprint.
    audits: dict[str, dict[str, Any]] = field(default_factory=dict)
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
            "audits": self.audits,
            "baselines": self.baselines,
        }

    def add(self, content: dict[str, Any]) -> None:
        """Keep what another sink held: `as_dict`."""
        with self._changing:
            self.measurements |= content["measurements"]
            self.verdicts += content["verdicts"]
            self.corpora |= content["corpora"]
            self.audits |= content["audits"]
            self.baselines += content["baselines"]

    def take(self) -> dict[str, Any]:
        """Return the content, and start anew."""
        with self._changing:
            content = self.as_dict()
            self.measurements, self.verdicts, self.baselines = {}, [], []
            self.corpora, self.audits = {}, {}
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
    """Keep a verdict, if a sink is open, and unless it holds the command that gives it again."""
    redo = "" if verdict.outcome == "holds" else reproduction()
    _record(verdicts=[{**verdict.as_dict(), "redo": redo}])


@contextmanager
def errors_recorded(
    assertion: str, minimum: float | None = None, maximum: float | None = None
) -> Iterator[None]:
    """Keep an error of ours that is raised in the context as the verdict of an assertion.

    All of the context is of the test, and the run, that it began in, as far as known: a thread that
    outlives its test makes no verdict of the next one's.
    """
    with settings.held(), _SCOPES.held():
        try:
            yield
        except NNRelError as error:
            record_verdict(Verdict(assertion, "error", minimum, None, str(error), maximum=maximum))
            raise


def record_corpus(fingerprint: str, listing: dict[str, Any]) -> None:
    """Keep the clips and groups of a corpus, if a sink is open."""
    _record(corpora={fingerprint: listing})


def record_audit(fingerprint: str, audit: dict[str, Any]) -> None:
    """Keep what is odd in a corpus, if a sink is open."""
    _record(audits={fingerprint: audit})


def record_baseline(path: str, content: dict[str, Any]) -> bool:
    """Keep content for a baseline file, to be merged into it; tell whether a sink took it."""
    return _record(baselines=[(path, content)])


def begin_anew() -> None:
    """Have what the current test did before count no more: it is run, or run again."""
    current = _SCOPES.current()
    if current is not None:
        current.attempt.counts = False
        current.attempt = Attempt()


def attempt() -> Attempt:
    """Return the attempt of the current test; outside a test, one that counts."""
    current = _SCOPES.current()
    return Attempt() if current is None else current.attempt


def reproduction() -> str:
    """Return the command that runs the current test again; empty outside a test."""
    current = _SCOPES.current()
    return "" if current is None else current.reproduction


def measurement_key(plain: PlainMeasurement) -> str:
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

"""What the plugin keeps of a session, from its options."""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import uuid4
from weakref import WeakKeyDictionary

from pytest_nnrel import recording
from pytest_nnrel.plugin import options
from pytest_nnrel.plugin.corpora import CorpusOf, GridOf, NamedCorpus, part_of
from pytest_nnrel.runtime.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from pytest_nnrel.corpus import Corpus
    from pytest_nnrel.runtime.handover import Handover


@dataclass
class Run:
    """What the plugin keeps of a session."""

    settings: Settings
    corpus: NamedCorpus
    grid: str
    report: Path | None
    baseline: Path
    update_baseline: bool
    add_training: bool
    requirements: Path | None
    started: float = field(default_factory=time.time)
    #: The way to and from processes that the session starts.
    handover: Handover = field(init=False)
    #: Whole corpora of the project's own fixtures, by what the run takes of them.
    wholes: WeakKeyDictionary[Corpus, Corpus] = field(default_factory=WeakKeyDictionary)
    #: Whether the project brings its own corpus, to any test.
    by_fixture: bool = False
    #: Holds what no single test is known to have recorded.
    sink: recording.Sink = field(default_factory=recording.Sink)
    #: What is in force for the length of the session.
    scopes: ExitStack = field(default_factory=ExitStack)
    #: Held by a thread that asks for a fixture: pytest sets them up in one at a time.
    asking: threading.RLock = field(default_factory=threading.RLock)

    @classmethod
    def of(cls, config: pytest.Config) -> Run:
        """Return the session's settings, command line over ini over defaults.

        Raises
        ------
        SettingError
            For a value that an option cannot take.
        """
        values = {option.name: options.value(config, option) for option in options.OPTIONS}
        report = options.value(config, options.REPORT)
        geometry = {
            "sample_rate": options.number(values, "sample-rate", int, 1),
            "source_seconds": options.number(values, "source-seconds", float, 0.0),
            "window_seconds": options.number(values, "window-seconds", float, 0.0),
            "segments": options.number(values, "segments", int, 1),
            "groups": values["groups"],
        }
        grid = str(values["grid"])
        options.check_grid(grid)
        return cls(
            settings=Settings(
                seed=options.number(values, "seed", int, 0) or 0,
                cache_dir=options.cache_dir(values["cache"]),
                cache_gib=options.number(values, "cache-gib", float, 0.0),
                jobs=options.number(values, "jobs", int, 1) or options.fair_share(config),
                device=values["device"],
                progress=None,
                audio_bound=bool(report),
                damage=options.scale(str(values["damage"])),
                run=uuid4().hex,
                corpus=CorpusOf(config),
                grid=GridOf(grid),
            ),
            corpus=NamedCorpus(
                str(values["corpus"]),
                {key: value for key, value in geometry.items() if value is not None},
                options.number(values, "clips", int, 2),
            ),
            grid=grid,
            report=None if report is None else options.report_dir(report),
            baseline=options.baseline_file(config, values["baseline"]),
            update_baseline=options.switched_on(config, "update-baseline"),
            add_training=options.switched_on(config, "add-training"),
            requirements=options.resolved(values["requirements"]),
        )

    def fewer(self, corpus: Corpus) -> Corpus:
        """Return what the run takes of a corpus of the project's own."""
        part = part_of(corpus, None, self.corpus.clips)
        if part is not corpus:
            self.wholes[part] = corpus
        return part

    def whole_of(self, corpus: Corpus) -> Corpus:
        """Return the whole of what the run takes of a corpus."""
        if corpus in self.wholes:
            return self.wholes[corpus]
        return self.corpus.whole() if self.corpus.is_open_as(corpus) else corpus

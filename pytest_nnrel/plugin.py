"""The pytest plugin: options, marker, fixtures, and the way from a test to the report.

Standard library and pytest only at import: installed, the plugin costs an unrelated run nothing.
"""

from __future__ import annotations

import os
import shlex
import sys
import threading
import time
import warnings
from collections.abc import Iterable
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial, reduce
from numbers import Integral
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn, TextIO

import pytest

from pytest_nnrel import handover, recording, settings
from pytest_nnrel.errors import CorpusError, NNRelError, SettingError, TransformError
from pytest_nnrel.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from pytest_nnrel.baselines import Baseline
    from pytest_nnrel.corpus import Corpus
    from pytest_nnrel.handover import Handover
    from pytest_nnrel.report.results import Collector
    from pytest_nnrel.transforms import Transform

_MARK = "nnrel"
_MARK_ARGUMENTS = ("corpus", "grid", "seed", "clips")
_MARK_HELP = (
    f"{_MARK}(corpus=None, grid=None, seed=None, clips=None): set these for what a test measures:"
    " corpus, a Corpus, 'bundled', a folder or 'mirdata:NAME'; grid, 'quick', 'imperceptible',"
    " 'paper', 'field', a family's name or a list of transformations, which nnrel_transform runs"
    " through; seed; and clips, how many of the corpus. What is left out is the run's"
    " (--nnrel-corpus and so on)."
)
#: Name of the folder that --nnrel-report writes to when it names none.
_REPORT_DIR = "nnrel-report"
#: Fixture that projects override to bring their own corpus.
_CORPUS = "nnrel_corpus"
#: Name of the file of nnrel_baseline where none is named.
_BASELINE = "nnrel-baseline.json"
_OFF = "off"
#: Attribute of a test report that carries what a test recorded, from workers to the controller.
_CARRIED = "nnrel"
#: Where GitHub Actions has the file whose Markdown it shows on the page of a run.
_STEP_SUMMARY = "GITHUB_STEP_SUMMARY"


@dataclass(frozen=True)
class _Option:
    name: str
    help: str
    default: str | None = None
    metavar: str = "VALUE"
    on_command_line: bool = True

    @property
    def ini(self) -> str:
        return f"nnrel_{self.name.replace('-', '_')}"

    @property
    def dest(self) -> str:
        return self.ini


_REPORT = _Option("report", f"write a report to DIR (default: {_REPORT_DIR})", None, "DIR")
#: Help is a line each on a terminal of 80 columns.
_OPTIONS = (
    _Option("corpus", "audio: bundled (default), FOLDER, mirdata:NAME[@FOLDER]", "bundled",
            "CORPUS"),
    _Option("clips", "only N clips of it, evenly spread (default: all)", None, "N"),
    _Option(
        "grid",
        "quick (default), imperceptible, paper, field, a family",
        "quick",
        "GRID",
    ),
    _Option("seed", "of noise, crops and bootstraps (default: 0)", "0", "SEED"),
    _Option("cache", "kept between runs, or off (default: the user's cache)", None, "DIR"),
    _Option("cache-gib", "size that the cache is cut back to (default: 10 GiB)",
            str(settings.DEFAULT_CACHE_GIB), "GIB", on_command_line=False),
    _Option("jobs", "tasks side by side (default: the cores of a worker)", None, "N"),
    _Option("device", "torch device, such as cuda (default: cpu)", None, "DEVICE"),
    _Option("sample-rate", "of clips of a folder, in Hz (default: 22050)", None, "HZ",
            on_command_line=False),
    _Option("source-seconds", "transformed of clips of a folder (default: 4)", None, "SECONDS",
            on_command_line=False),
    _Option("window-seconds", "compared of clips of a folder (default: 2)", None, "SECONDS",
            on_command_line=False),
    _Option("baseline", f"outcomes to compare with (default: {_BASELINE})", None, "FILE"),
    _Option("segments", "clips of each file of a folder (default: 1)", None, "N",
            on_command_line=False),
    _Option("groups", 'files of one track: "folder", or a regular expression with one group',
            None, "RULE", on_command_line=False),
)  # fmt: skip


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("nnrel", "consistency of audio encoders (pytest-nnrel)")
    group.addoption(
        "--nnrel-report",
        dest="nnrel_report",
        nargs="?",
        const=_REPORT_DIR,
        default=None,
        metavar="DIR",
        help=_REPORT.help,
    )
    group.addoption(
        "--nnrel-update-baseline",
        dest="nnrel_update_baseline",
        action="store_true",
        default=None,
        help="write the baseline anew from this run (default: compare)",
    )
    parser.addini("nnrel_update_baseline", "as --nnrel-update-baseline", type="bool", default=False)
    group.addoption(
        "--nnrel-add-training",
        dest="nnrel_add_training",
        action="store_true",
        default=None,
        help="add retrained encoders to it (default: judge them)",
    )
    parser.addini("nnrel_add_training", "as --nnrel-add-training", type="bool", default=False)
    parser.addini("nnrel_report", "as --nnrel-report=DIR", default=None)
    for option in _OPTIONS:
        if option.on_command_line:
            group.addoption(
                f"--nnrel-{option.name}",
                dest=option.dest,
                default=None,
                metavar=option.metavar,
                help=option.help,
            )
        in_ini = f"as --nnrel-{option.name}" if option.on_command_line else option.help
        parser.addini(option.ini, in_ini, default=None)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", _MARK_HELP)
    try:
        config.stash[_RUN] = run = _Run.of(config)
    except SettingError as error:
        raise pytest.UsageError(str(error)) from error
    run.handover = run.scopes.enter_context(handover.opened())
    run.sink = run.scopes.enter_context(recording.sink(shared=True))
    run.scopes.callback(settings.deactivate, settings.activate(run.settings, shared=True))
    run.handover.hand_down(settings.pickled())
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Reporter(config, run), "nnrel-reporter")


def pytest_unconfigure(config: pytest.Config) -> None:
    run = config.stash.get(_RUN, None)
    if run is not None:
        run.scopes.close()
        if "pytest_nnrel.experiment" in sys.modules:
            sys.modules["pytest_nnrel.experiment"].close_stores(run.settings)


# ---------------------------------------------------------------------------------------------
# Options


@dataclass
class _Run:
    """What the plugin keeps of a session."""

    settings: Settings
    corpus: _NamedCorpus
    grid: str
    report: Path | None
    baseline: Path
    update_baseline: bool
    add_training: bool
    started: float = field(default_factory=time.time)
    #: The way to and from processes that the session starts.
    handover: Handover = field(init=False)
    #: Whether the project brings its own corpus, to any test.
    by_fixture: bool = False
    #: Holds what no single test is known to have recorded.
    sink: recording.Sink = field(default_factory=recording.Sink)
    #: What is in force for the length of the session.
    scopes: ExitStack = field(default_factory=ExitStack)
    #: Held by a thread that asks for a fixture: pytest sets them up in one at a time.
    asking: threading.RLock = field(default_factory=threading.RLock)

    @classmethod
    def of(cls, config: pytest.Config) -> _Run:
        """Return the session's settings, command line over ini over defaults.

        Raises
        ------
        SettingError
            For a value that an option cannot take.
        """
        values = {option.name: _value(config, option) for option in _OPTIONS}
        report = _value(config, _REPORT)
        geometry = {
            "sample_rate": _number(values, "sample-rate", int, 1),
            "source_seconds": _number(values, "source-seconds", float, 0.0),
            "window_seconds": _number(values, "window-seconds", float, 0.0),
            "segments": _number(values, "segments", int, 1),
            "groups": values["groups"],
        }
        grid = str(values["grid"])
        _check_grid(grid)
        return cls(
            settings=Settings(
                seed=_number(values, "seed", int, 0) or 0,
                cache_dir=_cache_dir(config, values["cache"]),
                cache_gib=_number(values, "cache-gib", float, 0.0),
                jobs=_number(values, "jobs", int, 1) or _fair_share(config),
                device=values["device"],
                progress=None,
                audio_bound=bool(report),
                corpus=_CorpusOf(config),
                grid=_GridOf(grid),
            ),
            corpus=_NamedCorpus(
                str(values["corpus"]),
                {key: value for key, value in geometry.items() if value is not None},
                _number(values, "clips", int, 2),
            ),
            grid=grid,
            report=None if report is None else _report_dir(config, report),
            baseline=_baseline_file(config, values["baseline"]),
            update_baseline=bool(
                config.getoption("nnrel_update_baseline", None)
                or config.getini("nnrel_update_baseline")
            ),
            add_training=bool(
                config.getoption("nnrel_add_training", None) or config.getini("nnrel_add_training")
            ),
        )


@dataclass(frozen=True, eq=False)
class _NamedCorpus:
    """A corpus by its name, which can be opened in any process."""

    name: str
    geometry: dict[str, Any]
    clips: int | None = None
    _opened: list[Corpus] = field(default_factory=list, init=False, repr=False)

    def __call__(self) -> Corpus:
        if not self._opened:
            self._opened.append(self._open())
        return self._opened[0]

    def __reduce__(self) -> tuple[type[_NamedCorpus], tuple[object, ...]]:
        # Processes open it themselves.
        return _NamedCorpus, (self.name, self.geometry, self.clips)

    def called(self, name: str) -> _NamedCorpus:
        """Return another in the same geometry, whole."""
        return replace(self, name=name, clips=None)

    def _open(self) -> Corpus:
        from pytest_nnrel.corpus import open_corpus

        try:
            corpus = open_corpus(self.name, **self.geometry)
        except CorpusError as error:
            raise CorpusError(f"nnrel corpus {self.name}: {error}") from error
        return _clips_of(corpus, self.clips)


def _clips_of(corpus: Corpus, clips: int | None) -> Corpus:
    if clips is None or clips == len(corpus):
        return corpus
    try:
        return corpus.subset(clips)
    except CorpusError as error:
        raise CorpusError(f"nnrel clips: {error}") from error


@dataclass(frozen=True, eq=False)
class _CorpusOf:
    """The corpus of a test, by its marks; where none is known, the run's.

    What is pickled, for processes that the run starts, opens the same one there, or refuses.
    """

    config: pytest.Config
    item: pytest.Item | None = None
    marked: Corpus | str | os.PathLike[str] | None = None
    clips: int | None = None

    def __call__(self) -> Corpus:
        if self.marked is None:
            corpus = self._of_run()
        elif isinstance(self.marked, str | os.PathLike):
            corpus = self.config.stash[_RUN].corpus.called(os.fspath(self.marked))()
        else:
            corpus = self.marked
        return _clips_of(corpus, self.clips)

    def _of_run(self) -> Corpus:
        run = self.config.stash[_RUN]
        # Through the fixture, so that a project's own nnrel_corpus is what every assertion takes.
        request = getattr(self.item, "_request", None)
        if request:
            with run.asking, warnings.catch_warnings():
                # Whoever first measures when a test is over is served too.
                warnings.simplefilter("ignore", pytest.PytestDeprecationWarning)
                return request.getfixturevalue(_CORPUS)  # type: ignore[no-any-return]
        if self._by_fixture():
            raise SettingError(f"which {_CORPUS} of the project's is meant is known in a test only,"
                               " and this is measured outside of one, or in a thread while several"
                               " tests run; pass corpus=")  # fmt: skip
        return run.corpus()

    def _by_fixture(self) -> bool:
        """Tell whether the project gives the corpus, to the test; where none is known, to any."""
        if self.item is None:
            return self.config.stash[_RUN].by_fixture
        return _is_parameter(self.item) or _is_overridden(self.item)

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        named = self.config.stash[_RUN].corpus
        if self.marked is None and not self._by_fixture():
            return _InAnotherProcess, (replace(named), self.clips)
        if isinstance(self.marked, str | os.PathLike):
            return _InAnotherProcess, (named.called(os.fspath(self.marked)), self.clips)
        source = f"the fixture {_CORPUS}" if self.marked is None else f"a mark of {_MARK}"
        return partial, (_not_there, f"corpus is an object, of {source}", "corpus=")


@dataclass(frozen=True, eq=False)
class _InAnotherProcess:
    """A corpus by its name, and how many clips of that."""

    corpus: _NamedCorpus
    clips: int | None

    def __call__(self) -> Corpus:
        return _clips_of(self.corpus(), self.clips)


@dataclass(frozen=True, eq=False)
class _GridOf:
    """The grid of a test, or the run's; pickled it is there if it has a name, or refuses."""

    choice: object

    def __call__(self) -> tuple[Transform, ...]:
        return _grid_of(self.choice)

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        if isinstance(self.choice, str):
            return _GridOf, (self.choice,)
        return partial, (_not_there, f"grid is a list, of a mark of {_MARK}", "transforms=")


def _is_parameter(item: pytest.Item) -> bool:
    return _CORPUS in getattr(getattr(item, "callspec", None), "params", ())


def _is_overridden(node: pytest.Item | pytest.Collector) -> bool:
    """Tell whether tests see another fixture of the corpus than ours."""
    fixtures = node.session._fixturemanager
    return len(fixtures.getfixturedefs(_CORPUS, node) or ()) > 1


def _not_there(what: str, argument: str) -> NoReturn:
    raise SettingError(
        f"this process was started by a test run whose {what}, and is not handed to other"
        f" processes; pass {argument}"
    )


_RUN = pytest.StashKey[_Run]()
_ITEM_SINK = pytest.StashKey[recording.Sink]()
#: What the phases of a test recorded.
_RECORDED = pytest.StashKey[list[dict[str, Any]]]()


def _value(config: pytest.Config, option: _Option) -> str | None:
    given = config.getoption(option.dest, None) if option.on_command_line else None
    in_ini = given is None
    if in_ini:
        given = config.getini(option.ini)
    if given in (None, ""):
        return option.default
    named = str(given)
    if option.name == "cache" and named == "0":  # the word for "none" elsewhere
        raise SettingError("nnrel cache: 0 is the name of a folder here; write 'off', or ./0")
    if option.metavar in ("DIR", "FILE") and named != _OFF:
        return _anchored(config, named, in_ini=in_ini)
    if option.name == "corpus" and in_ini and named != "bundled" and ":" not in named:
        return _anchored(config, named, in_ini=True)
    return named


def _number(
    values: dict[str, str | None], name: str, kind: type[int] | type[float], least: float
) -> Any:  # noqa: ANN401
    text = values[name]
    if text is None:
        return None
    try:
        number = kind(text)
    except ValueError:
        number = None
    if number is None or not least <= number < float("inf"):
        whole = "a whole number" if kind is int else "a number"
        raise SettingError(f"nnrel {name}: expected {whole} of {least:g} or more, not {text!r}")
    return number


def _check_grid(name: str) -> None:
    from pytest_nnrel.transforms import grid

    try:
        grid(name)
    except SettingError as error:
        raise SettingError(f"nnrel grid: {error}") from error


def _cache_dir(config: pytest.Config, value: str | None) -> Path | Callable[[], Path] | None:
    if value == _OFF:
        return None
    if value is None:
        return settings.default_cache_dir
    folder = Path(value)
    if folder.exists() and not folder.is_dir():
        raise SettingError(f"nnrel cache: {folder} is a file, not a folder; name another, or 'off'")
    return folder


def _report_dir(config: pytest.Config, value: str) -> Path:
    if "::" in value:
        raise SettingError(
            f"nnrel report: {value} is a test; write --nnrel-report after the tests, or"
            " --nnrel-report=DIR"
        )
    folder = Path(value)
    foreign = folder.exists() and (
        not folder.is_dir() or (any(folder.iterdir()) and not (folder / "results.json").exists())
    )
    if foreign:
        raise SettingError(
            f"nnrel report: {folder} exists and is no report; write --nnrel-report=DIR with a new"
            f" folder, or --nnrel-report after the tests to write to {_REPORT_DIR}"
        )
    return folder


def _baseline_file(config: pytest.Config, value: str | None) -> Path:
    path = config.rootpath / _BASELINE if value is None else Path(value)
    if path.is_dir():
        raise SettingError(
            f"nnrel baseline: {path} is a folder, not a file; name a JSON file in it"
        )
    return path


def _anchored(config: pytest.Config, value: str, *, in_ini: bool) -> str:
    """Return a folder as a path that holds anywhere: relative to the ini file, or to the caller."""
    base = config.inipath.parent if in_ini and config.inipath else config.invocation_params.dir
    return str(base / Path(value).expanduser())


def _fair_share(config: pytest.Config) -> int:
    workers = getattr(config, "workerinput", {}).get("workercount", 1)
    return max(1, settings.available_cores() // int(workers))


# ---------------------------------------------------------------------------------------------
# Marker, fixtures, parametrisation


def _mark_of(item: pytest.Item) -> dict[str, Any]:
    """Return the arguments of a test's nnrel marks, the closest first to count."""
    arguments: dict[str, Any] = {}
    for mark in item.iter_markers(_MARK):
        _check_mark(mark)
        for name, value in mark.kwargs.items():
            if value is not None:
                arguments.setdefault(name, value)
    return arguments


def _check_mark(mark: pytest.Mark) -> None:
    unknown = [name for name in mark.kwargs if name not in _MARK_ARGUMENTS]
    if mark.args or unknown:
        odd = ", ".join([*map(repr, mark.args), *unknown])
        raise SettingError(
            f"@pytest.mark.{_MARK} takes {', '.join(f'{name}=' for name in _MARK_ARGUMENTS)} only,"
            f" not {odd}"
        )
    for name, least in (("seed", 0), ("clips", 2)):
        value = mark.kwargs.get(name)
        if value is None:
            continue
        if not isinstance(value, Integral) or isinstance(value, bool) or value < least:
            raise SettingError(
                f"@pytest.mark.{_MARK}({name}=...) takes a whole number of {least} or more, not"
                f" {value!r}"
            )
    corpus = mark.kwargs.get("corpus")
    if corpus is not None and not isinstance(corpus, str | os.PathLike):
        from pytest_nnrel.corpus import Corpus

        if not isinstance(corpus, Corpus):
            raise SettingError(
                f"@pytest.mark.{_MARK}(corpus=...) takes a Corpus, 'bundled', a folder or"
                f" 'mirdata:NAME', not {corpus!r}"
            )


def _grid_of(choice: object) -> tuple[Transform, ...]:
    from pytest_nnrel.transforms import as_transform, grid

    if isinstance(choice, str):
        return grid(choice)
    expected = f"@pytest.mark.{_MARK}(grid=...) takes a grid's name or a list of transformations"
    if not isinstance(choice, Iterable):
        raise SettingError(f"{expected}, not {choice!r}")
    try:
        transforms = tuple(as_transform(transform) for transform in choice)
    except TransformError as error:
        raise SettingError(f"{expected}: {error}") from error
    if not transforms:
        raise SettingError(f"{expected}, not an empty one")
    return transforms


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "nnrel_transform" not in metafunc.fixturenames:
        return
    run = metafunc.config.stash[_RUN]
    choice: object = run.grid
    try:
        for mark in reversed(list(metafunc.definition.iter_markers(_MARK))):
            _check_mark(mark)
            given = mark.kwargs.get("grid")
            choice = choice if given is None else given
        transforms = _grid_of(choice)
    except NNRelError as error:
        # One test's mistake is no reason to run none: it fails when it is set up.
        problem = f"{metafunc.definition.nodeid}: {error}"
        metafunc.parametrize("nnrel_transform", [problem], ids=["grid"], indirect=True)
        return
    metafunc.parametrize(
        "nnrel_transform",
        # With the test's id, as tests with marks of their own may measure on another corpus.
        [(transform, transforms, metafunc.definition.nodeid) for transform in transforms],
        ids=[transform.name for transform in transforms],
        indirect=True,
        scope="session",
    )


def pytest_collection_finish(session: pytest.Session) -> None:
    run = session.config.stash[_RUN]
    places = dict.fromkeys(item.parent for item in session.items)
    run.by_fixture = any(place is not None and _is_overridden(place) for place in places) or any(
        map(_is_parameter, session.items)
    )
    run.handover.hand_down(settings.pickled())


@pytest.fixture(scope="session")
def nnrel_corpus(request: pytest.FixtureRequest) -> Corpus:
    """Corpus of the run (--nnrel-corpus, --nnrel-clips). Override it to bring your own."""
    return request.config.stash[_RUN].corpus()


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(
    fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
) -> Generator[None, object, object]:
    """Let --nnrel-clips reach the corpus of a project's own nnrel_corpus.

    A corpus that holds fewer is small enough as it is: the option is of a run, which may have
    several of such fixtures.
    """
    value = yield
    if fixturedef.argname != _CORPUS or fixturedef.cached_result is None:
        return value
    from pytest_nnrel.corpus import Corpus

    if not isinstance(value, Corpus):  # who measures says so
        return value
    most = request.config.stash[_RUN].corpus.clips
    fewer = value if most is None or most >= len(value) else _clips_of(value, most)
    fixturedef.cached_result = (fewer, fixturedef.cached_result[1], None)
    return fewer


@pytest.fixture(scope="session")
def nnrel_baseline(request: pytest.FixtureRequest) -> Baseline:
    """Baseline of the run (--nnrel-baseline): `check(encoder)` fails where it got worse."""
    from pytest_nnrel.baselines import Baseline

    run = request.config.stash[_RUN]
    return Baseline(run.baseline, update=run.update_baseline, add_training=run.add_training)


@pytest.fixture(scope="session")
def nnrel_transform(request: pytest.FixtureRequest) -> Transform:
    """Transformation of the run's grid (--nnrel-grid): the test runs once for each of them.

    Magnitudes that are the same at the corpus's sample rate, such as MP3 above the codec's limit,
    are one condition: the first runs, the others are skipped and say which it was.
    """
    from pytest_nnrel.experiment import run_corpus

    if isinstance(request.param, str):  # what is wrong with the grid
        pytest.fail(request.param, pytrace=False)
    transform, transforms, _ = request.param
    rate = run_corpus().sample_rate  # of the test's own marks, if it has any
    condition = transform.condition(rate)
    first = next(other for other in transforms if other.condition(rate) == condition)
    if first is not transform:
        pytest.skip(f"{transform.name} is {condition.name} at {rate:,} Hz, as {first.name} is")
    return transform  # type: ignore[no-any-return]


# ---------------------------------------------------------------------------------------------
# Running


def _item_settings(item: pytest.Item, run: _Run) -> Settings:
    """Return the run's settings, with what the test's marks change."""
    arguments = _mark_of(item)
    return replace(
        run.settings,
        corpus=_CorpusOf(item.config, item, arguments.get("corpus"), arguments.get("clips")),
        seed=arguments.get("seed", run.settings.seed),
        grid=_GridOf(arguments.get("grid", run.grid)),
        progress=_progress_stream(item.config),
    )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    run = item.config.stash[_RUN]
    try:
        active = _item_settings(item, run)
    except SettingError as error:
        item.stash[_MARK_PROBLEM] = str(error)
        active = run.settings
    scope = settings.activate(active)
    try:
        run.handover.hand_down(settings.pickled())
        with recording.sink(_reproduction(item, run)) as sink:
            item.stash[_ITEM_SINK] = sink
            return (yield)
    finally:
        run.sink.add(sink.take())  # what came when the last phase had been reported
        settings.deactivate(scope)
        run.handover.hand_down(settings.pickled())


_MARK_PROBLEM = pytest.StashKey[str]()


def pytest_runtest_setup(item: pytest.Item) -> None:
    problem = item.stash.get(_MARK_PROBLEM, None)
    if problem is not None:
        pytest.fail(problem, pytrace=False)


def _reproduction(item: pytest.Item, run: _Run) -> str:
    # Node ids are relative to pytest's root, arguments to where it was called.
    within = item.nodeid.partition("::")[2]
    place = os.path.relpath(item.path, item.config.invocation_params.dir)
    command = ["pytest", f"{place}::{within}"]
    for option in _OPTIONS:
        if option.name in ("corpus", "clips", "grid", "seed"):
            value = item.config.getoption(option.dest, None)
            if value is not None:
                command.append(f"--nnrel-{option.name}={value}")
    return shlex.join(command)


def _progress_stream(config: pytest.Config) -> TextIO | None:
    """Return the terminal that pytest writes to, for progress bars; None where there is none."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or not reporter.isatty:
        return None
    capture = config.pluginmanager.get_plugin("capturemanager")
    return _TerminalStream(reporter, capture)  # type: ignore[return-value]  # what tqdm needs


class _TerminalStream:
    """Pytest's terminal as a file that can be written to while tests run, and are captured."""

    encoding = "utf-8"

    def __init__(self, reporter: pytest.TerminalReporter, capture: Any) -> None:  # noqa: ANN401
        self._reporter = reporter
        self._capture = capture

    def write(self, text: str) -> None:
        # As pytest's own live logging does.
        lifted = self._capture.global_and_fixture_disabled() if self._capture else nullcontext()
        with lifted:
            self._reporter.ensure_newline()
            self._reporter.write(text, flush=True)

    def flush(self) -> None:
        """Nothing is held back."""

    def isatty(self) -> bool:
        return True


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    recording.take_back(item.config.stash[_RUN].handover.handed_back())
    sink = item.stash.get(_ITEM_SINK, None)
    content = None
    recorded = item.stash.setdefault(_RECORDED, [])
    if call.when == "setup" and recorded:  # a rerun replaces the run before
        recorded.clear()
        _set_properties(item, recorded)
    if sink is not None and (sink.measurements or sink.verdicts):
        content = sink.take()
        if call.when == "call" and call.excinfo is not None:
            _keep_examples(item, call.excinfo.value, content)
        recorded.append(content)
        _set_properties(item, recorded)
    if call.excinfo is not None and isinstance(call.excinfo.value, NNRelError):
        _hide_own_frames(item, call.excinfo)
    report = yield
    if content is not None:
        setattr(report, _CARRIED, content)
    return report


def _hide_own_frames(item: pytest.Item, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
    """Show where a test went wrong, not where the package noticed; ``--full-trace`` shows both."""
    own = __name__.partition(".")[0]
    shown = None
    for entry in reversed(list(_frames(excinfo.tb))):
        if str(entry.tb_frame.f_globals.get("__name__")).partition(".")[0] != own:
            shown = TracebackType(shown, entry.tb_frame, entry.tb_lasti, entry.tb_lineno)
    if shown is not None and not item.config.getoption("fulltrace"):
        excinfo.traceback = type(excinfo.traceback)(shown)


def _frames(entry: TracebackType | None) -> Generator[TracebackType, None, None]:
    while entry is not None:
        yield entry
        entry = entry.tb_next


def _set_properties(item: pytest.Item, recorded: list[dict[str, Any]]) -> None:
    """Give JUnit XML what a test recorded up to now: it takes the properties of the last phase."""
    from pytest_nnrel.report.junit import is_ours, properties_of

    others = [pair for pair in item.user_properties if not is_ours(pair[0])]
    item.user_properties[:] = [*others, *properties_of(recorded)]


def _keep_examples(item: pytest.Item, error: BaseException, content: dict[str, Any]) -> None:
    """Print how to keep what Hypothesis ended at, and report that instead of the way there."""
    test = getattr(item, "function", None)
    if test is None or not getattr(test, "is_hypothesis_test", False):
        return
    from pytest_nnrel.examples import example_lines, final_verdicts

    content["examples"] = example_lines(error, test)
    for line in content["examples"]:
        error.add_note(f"keep it:  {line}")
    content["verdicts"], passed_over = final_verdicts(content["verdicts"], error)
    content["passed_over"] = [verdict["measurement"] for verdict in passed_over]


def pytest_sessionfinish(session: pytest.Session) -> None:
    run = session.config.stash[_RUN]
    recording.take_back(run.handover.handed_back())
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput[_CARRIED] = run.sink.take()


# ---------------------------------------------------------------------------------------------
# Reporting: the controller, or the only process, collects and writes


class _Reporter:
    """Collects what tests recorded, writes the report and the summary. Not there in workers."""

    def __init__(self, config: pytest.Config, run: _Run) -> None:
        self._config = config
        self._run = run
        self._collector: Collector | None = None
        self._problem: str | None = None
        self._notes: list[str] = []
        self._written: dict[str, str] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        carried = getattr(report, _CARRIED, None)
        crashed = report.when not in ("setup", "call", "teardown")  # xdist lost the worker
        if self._collector is not None or carried is not None or crashed:
            outcome = "crashed" if crashed else report.outcome
            self._collected().add(report.nodeid, report.when or "", outcome, carried)

    def _collected(self) -> Collector:
        if self._collector is None:
            from pytest_nnrel.report.results import Collector

            self._collector = Collector()
        return self._collector

    def _collect_outside(self, process: str, content: dict[str, Any] | None) -> None:
        """Take what a process recorded of no test, if anything."""
        if content and (content["measurements"] or content["verdicts"]):
            from pytest_nnrel.report.results import NO_TEST

            held = all(verdict["outcome"] == "holds" for verdict in content["verdicts"])
            self._collected().add(NO_TEST, process, "passed" if held else "failed", content)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:  # noqa: ANN401  # of xdist
        # A worker that crashed has none.
        output = getattr(node, "workeroutput", {})
        self._collect_outside(node.gateway.id, output.get(_CARRIED))

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        self._collect_outside("", self._run.sink.take())
        self._write_baselines(session)
        if self._run.report is None or self._config.option.collectonly:
            return
        from pytest_nnrel.report import write_report

        results = self._collected().results(self._about(int(exitstatus)))
        try:
            write_report(self._run.report, results)
            self._write_summary(self._run.report, results)
        except OSError as error:  # hooks do not raise: say it, and fail the run
            self._problem = f"the report could not be written to {self._run.report}: {error}"
            session.exitstatus = pytest.ExitCode.INTERNAL_ERROR

    def _write_summary(self, folder: Path, results: dict[str, Any]) -> None:
        from pytest_nnrel.report import markdown

        text = markdown.summary_text(results)
        markdown.write_summary(folder, text)
        page = os.environ.get(_STEP_SUMMARY)
        if page:
            try:
                markdown.append_step_summary(Path(page), text)
            except OSError as error:  # the report has it all: no reason to fail the run
                self._notes.append(
                    f"the summary could not be appended to ${_STEP_SUMMARY}: {error}"
                )

    def _write_baselines(self, session: pytest.Session) -> None:
        contents = [] if self._collector is None else self._collector.baselines()
        if not contents:
            return
        from pytest_nnrel.baselines import Records, write_baseline

        by_path: dict[str, list[Records]] = {}
        for path, content in contents:
            by_path.setdefault(path, []).append(Records.of_baseline(content))
        for path, parts in by_path.items():
            try:
                records = reduce(Records.joined, parts)
                write_baseline(Path(path), records)
            except (OSError, NNRelError) as error:
                self._problem = f"the baseline could not be written to {path}: {error}"
                session.exitstatus = pytest.ExitCode.INTERNAL_ERROR
            else:
                self._written[path] = records.summary

    def _about(self, exit_status: int) -> dict[str, Any]:
        run, invocation = self._run, self._config.invocation_params
        workers = getattr(self._config.option, "numprocesses", None)
        return {
            "settings": {
                "corpus": run.corpus.name,
                "clips": run.corpus.clips,
                "grid": run.grid,
                "seed": run.settings.seed,
                **run.corpus.geometry,
            },
            "run": {
                "command": shlex.join(["pytest", *map(str, invocation.args)]),
                "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(run.started)),
                "seconds": time.time() - run.started,
                "workers": workers or 0,
                "exit_status": exit_status,
            },
        }

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        lines: list[str] = []
        if self._collector is not None:
            from pytest_nnrel.report.terminal import summary_lines

            lines = summary_lines(self._collector.results(self._about(0)))
        lines += [f"baseline: {what} written to {path}" for path, what in self._written.items()]
        lines += self._notes
        if self._problem is not None:
            lines.append(self._problem)
        elif self._run.report is not None:
            lines.append(f"report: {self._run.report / 'index.html'}")
        if lines:
            terminalreporter.write_sep("=", "nnrel")
            for line in lines:
                terminalreporter.write_line(line)

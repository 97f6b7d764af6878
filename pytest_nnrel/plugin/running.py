"""Around each test: its settings in force, and what it records carried to the report."""

from __future__ import annotations

import os
import shlex
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Any

import pytest

from pytest_nnrel import recording
from pytest_nnrel.errors import NNRelError, SettingError
from pytest_nnrel.plugin.corpora import CorpusOf, GridOf
from pytest_nnrel.plugin.marker import mark_of
from pytest_nnrel.plugin.options import OPTIONS, REQUIREMENTS
from pytest_nnrel.plugin.stash import (
    CARRIED,
    ITEM_SINK,
    LASTING,
    MARK_PROBLEM,
    RECORDED,
    RUN,
    Lasting,
)
from pytest_nnrel.plugin.terminal import progress_stream
from pytest_nnrel.runtime import settings

if TYPE_CHECKING:
    from collections.abc import Generator

    from pytest_nnrel.plugin.run import Run
    from pytest_nnrel.recording import Sink
    from pytest_nnrel.runtime.settings import Settings


def _item_settings(item: pytest.Item, run: Run) -> Settings:
    """Return the run's settings, with what the test's marks change."""
    arguments = mark_of(item)
    return replace(
        run.settings,
        corpus=CorpusOf(item.config, item, arguments.get("corpus"), arguments.get("clips")),
        seed=arguments.get("seed", run.settings.seed),
        grid=GridOf(arguments.get("grid", run.grid)),
        progress=progress_stream(item.config),
    )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    run = item.config.stash[RUN]
    try:
        active = _item_settings(item, run)
    except SettingError as error:
        item.stash[MARK_PROBLEM] = str(error)
        active = run.settings
    scope = settings.activate(active)
    try:
        run.handover.hand_down(settings.pickled(run.settings))
        with recording.sink(_reproduction(item, run)) as sink:
            item.stash[ITEM_SINK] = sink
            item.stash[LASTING] = Lasting()
            return (yield)
    finally:
        run.sink.add(sink.take())  # what came when the last phase had been reported
        settings.deactivate(scope)
        run.handover.hand_down(settings.pickled(run.settings))


def pytest_runtest_setup(item: pytest.Item) -> None:
    problem = item.stash.get(MARK_PROBLEM, None)
    if problem is not None:
        pytest.fail(problem, pytrace=False)


def _reproduction(item: pytest.Item, run: Run) -> str:
    # Node ids are relative to pytest's root, arguments to where it was called.
    within = item.nodeid.partition("::")[2]
    place = os.path.relpath(item.path, item.config.invocation_params.dir)
    command = ["pytest", f"{place}::{within}"]
    for option in OPTIONS:
        of_run = option.name in ("corpus", "clips", "grid", "seed", "device", "baseline")
        if of_run or (option is REQUIREMENTS and item.path.resolve() == run.requirements):
            value = item.config.getoption(option.dest, None)
            if value is not None:
                command.append(f"--nnrel-{option.name}={value}")
    return shlex.join(command)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    run = item.config.stash[RUN]
    recording.take_back(run.handover.handed_back(), run.sink)
    sink = item.stash.get(ITEM_SINK, None)
    content = None
    recorded = item.stash.setdefault(RECORDED, [])
    if call.when == "setup" and recorded:  # a rerun replaces the run before
        recorded.clear()
        item.stash[LASTING].start_anew()
        _set_properties(item, recorded)
    if sink is not None:
        _join(sink, item.stash[LASTING].take())
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
        setattr(report, CARRIED, content)
    return report


def _join(sink: Sink, contents: list[dict[str, Any]]) -> None:
    """Put into a sink what was recorded before what it holds."""
    if contents:
        later = sink.take()
        for content in [*contents, later]:
            sink.add(content)


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

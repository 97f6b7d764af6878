"""From the start of a session to its end: settings in force, and what is handed to processes."""

from __future__ import annotations

import sys

import pytest

from pytest_nnrel import recording
from pytest_nnrel.errors import SettingError
from pytest_nnrel.plugin.corpora import is_overridden, is_parameter
from pytest_nnrel.plugin.marker import MARK_HELP
from pytest_nnrel.plugin.reporter import Reporter
from pytest_nnrel.plugin.required import add_to_arguments
from pytest_nnrel.plugin.run import Run
from pytest_nnrel.plugin.stash import CARRIED, RUN
from pytest_nnrel.runtime import handover, settings


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", MARK_HELP)
    try:
        config.stash[RUN] = run = Run.of(config)
        if run.requirements is not None:
            add_to_arguments(config, run.requirements)
    except SettingError as error:
        raise pytest.UsageError(str(error)) from error
    run.handover = run.scopes.enter_context(handover.opened())
    run.sink = run.scopes.enter_context(recording.sink(shared=True))
    run.scopes.callback(settings.deactivate, settings.activate(run.settings, shared=True))
    run.handover.hand_down(settings.pickled(run.settings))
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Reporter(config, run), "nnrel-reporter")


def pytest_unconfigure(config: pytest.Config) -> None:
    run = config.stash.get(RUN, None)
    if run is not None:
        run.scopes.close()
        if "pytest_nnrel.experiment.stores" in sys.modules:
            sys.modules["pytest_nnrel.experiment.stores"].close_stores(run.settings)


def pytest_collection_finish(session: pytest.Session) -> None:
    run = session.config.stash[RUN]
    places = dict.fromkeys(item.parent for item in session.items)
    run.by_fixture = any(place is not None and is_overridden(place) for place in places) or any(
        map(is_parameter, session.items)
    )
    run.handover.hand_down(settings.pickled(run.settings))


def pytest_runtest_logstart() -> None:
    # Where a test is run again, once more: within the one protocol of the test.
    recording.begin_anew()


def pytest_sessionfinish(session: pytest.Session) -> None:
    run = session.config.stash[RUN]
    recording.take_back(run.handover.handed_back(), run.sink)
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput[CARRIED] = run.sink.take()

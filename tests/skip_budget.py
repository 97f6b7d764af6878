"""Skips are a budget: what a test needs comes from pip, and few tests need what cannot.

The hooks fail a run in which more tests are skipped; under xdist the controller counts.
"""

from __future__ import annotations

import pytest

#: For what no package brings: users who are not root, private mounts, a browser, a GPU.
MOST_SKIPPED = 10


def _over_budget(config):
    """Return how many tests were skipped, where these are too many; otherwise 0."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    skipped = len(reporter.stats.get("skipped", ())) if reporter else 0
    return skipped if skipped > MOST_SKIPPED else 0


def pytest_sessionfinish(session):
    if session.exitstatus == pytest.ExitCode.OK and _over_budget(session.config):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter, config):
    if skipped := _over_budget(config):
        terminalreporter.write_line(
            f"ERROR: {skipped} tests were skipped, and {MOST_SKIPPED} is the most: install"
            " '.[all]', which has what tests need; mark those that need a binary"
            " @pytest.mark.binaries",
            red=True,
        )

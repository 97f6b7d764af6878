"""A run in which more tests are skipped than the budget allows fails and says so."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from skip_budget import MOST_SKIPPED

TESTS = """
import pytest

@pytest.mark.parametrize("number", range({skipped}))
def test_skipped(number):
    pytest.skip("no wheel mends it")

def test_passing():
    pass
"""


@pytest.fixture
def skipping(inner, mode):
    """Return a function that runs one test that passes and some that are skipped."""
    modes = {"plain": (), "n0": ("-n0",), "n2": ("-n2",)}

    def run(skipped):
        inner.write(
            conftest="from skip_budget import pytest_sessionfinish, pytest_terminal_summary",
            test_some=TESTS.format(skipped=skipped),
        )
        path = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
        return inner.execute("pytest", "-pno:hypothesispytest", *modes[mode], PYTHONPATH=path)

    return run


def test_a_run_within_the_budget_passes(skipping):
    done = skipping(MOST_SKIPPED)
    assert done.returncode == 0, done.stdout
    assert f"1 passed, {MOST_SKIPPED} skipped" in done.stdout
    assert "is the most" not in done.stdout


def test_a_run_beyond_the_budget_fails_and_says_what_to_do(skipping):
    done = skipping(MOST_SKIPPED + 1)
    assert done.returncode == 1, done.stdout
    said = f"ERROR: {MOST_SKIPPED + 1} tests were skipped, and {MOST_SKIPPED} is the most: install"
    assert said in done.stdout

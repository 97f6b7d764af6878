"""`examples/training`, run whole as its user would: a test fails, a training cures the encoder."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_nnrel.runtime import handover

REPOSITORY = Path(__file__).parents[1] / "examples" / "training"


@pytest.fixture
def run(tmp_path):
    """Return what runs Python in a copy of the repository, and what it printed."""
    folder = tmp_path / "repository"
    shutil.copytree(REPOSITORY, folder, ignore=shutil.ignore_patterns("*.pt", "*.json", "__*"))
    # Of a run of its own, as for its user, and not of this one.
    variables = {
        **{name: value for name, value in os.environ.items() if name != handover.VARIABLE},
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "OMP_NUM_THREADS": "1",
    }

    def python(*arguments):
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=folder, env=variables, capture_output=True, text=True, check=False,
        )  # fmt: skip
        return done.returncode, done.stdout + done.stderr

    return python


def failures_of(run, *arguments):
    """Run the tests of the repository; return the outcomes of those that failed."""
    code, printed = run("-m", "pytest", "-pno:cacheprovider", "--rootdir=.", "-rf", *arguments)
    assert code in (0, 1), printed
    return re.findall(r"^FAILED test_melody_encoder\.py::(\w+)", printed, re.MULTILINE)


@pytest.mark.exhaustive
def test_a_fragile_encoder_is_cured(run):
    pytest.importorskip("torch")
    code, printed = run("train.py")
    assert code == 0, printed
    release = "test_not_worse_than_last_release"
    failed = failures_of(run)
    assert failed.count(release) == 1  # the baseline is written, to be looked at
    assert failed.count("test_clips_are_found_again") >= 2
    assert release not in failures_of(run)

    code, printed = run("train.py", "--consistency", "10")
    assert code == 0, printed
    assert failures_of(run) == []
    assert failures_of(run, "--nnrel-update-baseline") == []
    assert failures_of(run) == []

    code, printed = run("train.py")  # and back: the release is worse than the last
    assert code == 0, printed
    assert release in failures_of(run)

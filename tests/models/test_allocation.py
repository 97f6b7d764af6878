"""What is freed is kept: the system does not have to clear the same memory again and again."""

from __future__ import annotations

import subprocess
import sys

import pytest

#: Takes, fills and frees 64 MB eight times, and prints how often the system had to give a page.
STEPS = """
import resource, sys
import numpy as np
from reference_models.allocation import keep_freed_memory

if sys.argv[1] == "keep" and not keep_freed_memory():
    sys.exit("not this C library")
np.ones(8_000_000)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(8):
    np.ones(8_000_000)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def pages(choice):
    run = subprocess.run(
        [sys.executable, "-c", STEPS, choice], capture_output=True, text=True, check=False
    )
    if "not this C library" in run.stderr:
        pytest.skip("the C library is not glibc")
    assert run.returncode == 0, run.stderr
    return int(run.stdout)


def test_memory_is_given_once():
    assert pages("keep") * 4 < pages("return")

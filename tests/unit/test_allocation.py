"""What is freed is kept: the system does not have to clear the same memory again and again."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

#: Encodes, and then takes, fills and frees 64 MB eight times; prints how often the system had to
#: give a page.
STEPS = """
import ctypes, resource, sys
import numpy as np
from pytest_nnrel import as_encoder

if not hasattr(ctypes.CDLL(None), "mallopt"):
    sys.exit("not this C library")
if sys.argv[1] == "encode":
    as_encoder(lambda windows: windows[:, :4], name="first").encode(np.ones((2, 9)), 8000)
np.ones(8_000_000)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(8):
    np.ones(8_000_000)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def pages(choice, **variables):
    own = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    run = subprocess.run(
        [sys.executable, "-c", STEPS, choice],
        capture_output=True, text=True, check=False, env=own | variables,
    )  # fmt: skip
    if "not this C library" in run.stderr:
        pytest.skip("the C library is not glibc")
    assert run.returncode == 0, run.stderr
    return int(run.stdout)


def test_after_an_encoder_was_run_memory_is_given_once():
    assert pages("encode") * 4 < pages("nothing")


def test_whoever_tells_the_c_library_otherwise_is_obeyed():
    assert pages("encode", MALLOC_ARENA_MAX="2") > 4 * pages("encode")

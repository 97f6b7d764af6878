"""Time a test suite on the bundled corpus: cold, with a warm cache, and what pytest's start costs.

    python benchmarks/suite.py

The suite asks for C_W of the MFCC encoder under each transformation of the quick grid. The cold run
starts without a cache, but with compiled kernels; the first run ever adds some seconds for those.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path
from statistics import median

from tables import machine, print_table

SUITE = """
    import pytest
    from pytest_nnrel import MFCCEncoder, assert_within_consistency

    @pytest.fixture(scope="session")
    def encoder():
        return MFCCEncoder()

    def test_grid(encoder, nnrel_transform):
        assert_within_consistency(encoder, nnrel_transform, min=0.1)
"""
WITHOUT = "def test_nothing():\n    pass\n"


def run(folder: Path, *options: str) -> float:
    """Return the wall time of a pytest run that passes."""
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    elapsed = time.perf_counter() - started
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    return elapsed


def main() -> None:
    """Time, and print the table."""
    rows = []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "test_suite.py").write_text(textwrap.dedent(SUITE), encoding="utf-8")
        run(folder, f"--nnrel-cache={folder / 'compiled'}", "--nnrel-clips=4")
        for report in ((), ("--nnrel-report=report",)):
            cold, warm = [], []
            for i in range(3):
                cache = f"--nnrel-cache={folder / f'cache-{len(report)}-{i}'}"
                cold.append(run(folder, cache, *report))
                warm.append(run(folder, cache, *report))
            name = "with the report" if report else "11 tests, 134 clips"
            rows.append([name, median(cold), median(warm)])
        (folder / "test_suite.py").write_text(WITHOUT, encoding="utf-8")
        starts = {"with the plugin": [], "without": []}
        for _ in range(7):
            starts["with the plugin"].append(run(folder))
            starts["without"].append(run(folder, "-p", "no:nnrel"))
    print_table("A suite on the bundled corpus", ["", "cold, seconds", "warm, seconds"], rows)
    print_table(
        "pytest with one empty test",
        ["", "milliseconds"],
        [[name, median(times) * 1e3] for name, times in starts.items()],
    )
    print(f"\nmedians of 3 and 7 runs; {machine()}")


if __name__ == "__main__":
    main()

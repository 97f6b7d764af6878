"""Baselines: outcomes of an earlier encoder on the same clips, and whether a new one is worse.

A baseline is a JSON file that a person can read and diff: for each encoder, distance,
transformation and corpus, the clips that left their original and how clear each case was. What a
run measures is paired with it clip by clip. One test over all conditions together decides, so that
many conditions do not bring many false alarms; tests of single conditions only name them.
"""

from pytest_nnrel.baselines.changes import Change, Comparison, compare, compare_records
from pytest_nnrel.baselines.check import Baseline
from pytest_nnrel.baselines.entries import Clips, Entry, Key
from pytest_nnrel.baselines.merge import merge, merge_files
from pytest_nnrel.baselines.records import (
    Records,
    load_baseline,
    load_records,
    write_baseline,
)

__all__ = [
    "Baseline", "Change", "Clips", "Comparison", "Entry", "Key", "Records", "compare",
    "compare_records", "load_baseline", "load_records", "merge", "merge_files", "write_baseline",
]  # fmt: skip

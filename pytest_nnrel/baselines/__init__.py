"""Baselines: outcomes of an earlier encoder on the same clips, and whether a new one is worse.

A baseline is a JSON file that a person can read and diff: for each encoder, distance,
transformation and corpus, the clips that left their original and how clear each case was. What a
run measures is paired with it clip by clip. One test over all conditions together decides, so that
many conditions do not bring many false alarms; tests of single conditions only name them.

That is of one training. Of a recipe the file holds several, and a new one is compared with those.
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
from pytest_nnrel.baselines.retrainings import Retraining, compare_retrained
from pytest_nnrel.baselines.trainings import Training, TrainingKey

__all__ = [
    "Baseline", "Change", "Clips", "Comparison", "Entry", "Key", "Records",
    "Retraining", "Training", "TrainingKey", "compare", "compare_records", "compare_retrained",
    "load_baseline", "load_records", "merge", "merge_files", "write_baseline",
]  # fmt: skip

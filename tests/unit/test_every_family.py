"""What holds of every family that there is, whoever wrote it: each test runs over all of them."""

from __future__ import annotations

from pathlib import Path

import pytest_nnrel
from pytest_nnrel.transforms import families

ROOT = Path(pytest_nnrel.__file__).parents[1]
ALL = list(families().values())

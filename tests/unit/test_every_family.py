"""What holds of every family that there is, whoever wrote it: each test runs over all of them."""

from __future__ import annotations

from pathlib import Path

import pytest_nnrel
from pytest_nnrel.transforms import families

SCRIPTS = Path(__file__).parents[2] / "scripts"
ALL = list(families().values())

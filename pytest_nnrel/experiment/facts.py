"""What identifies and qualifies a measurement, as plain values."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pytest_nnrel.experiment.damage import damage_of

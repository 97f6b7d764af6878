"""What counts as a number where a user gives one: Python's, NumPy's, and no truth value."""

from __future__ import annotations

import math
from numbers import Integral, Real
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import TypeGuard


def is_real(value: object) -> TypeGuard[float]:
    """Tell whether a value is a real number; NaN and the infinities are, `True` is none."""
    return isinstance(value, Real) and not isinstance(value, bool)


def is_positive(value: object) -> TypeGuard[float]:
    """Tell whether a value is a number above 0, and finite."""
    return is_real(value) and 0 < value < math.inf


def is_whole(value: object) -> TypeGuard[int]:
    """Tell whether a value is of a type of whole numbers; 2.0 and `True` are not."""
    return isinstance(value, Integral) and not isinstance(value, bool)

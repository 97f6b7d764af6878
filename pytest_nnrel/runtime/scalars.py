"""What counts as a number where a user gives one, of Python's and NumPy's types; and as a name."""

from __future__ import annotations

import math
from numbers import Integral, Real
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Container
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


def is_one_of(value: object, names: Container[str]) -> TypeGuard[str]:
    """Tell whether a value is one of some names; what cannot be hashed, as a list, is none."""
    return isinstance(value, str) and value in names

"""Magnitudes that are the same at a corpus's sample rate: one condition, which one test is of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_nnrel.transforms import Transform


def skip_alias(transform: Transform, transforms: Iterable[Transform], rate: int) -> None:
    """Skip the test of a transformation that an earlier one of its list is at this rate."""
    condition = transform.condition(rate)
    first = next(other for other in transforms if other.condition(rate) == condition)
    if first is not transform:
        pytest.skip(f"{transform.name} is {condition.name} at {rate:,} Hz, as {first.name} is")

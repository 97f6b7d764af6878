"""Ladders of severities: the magnitudes of a family, from its identity outward."""

from __future__ import annotations

import math
from bisect import bisect_left
from itertools import pairwise
from typing import TYPE_CHECKING

from pytest_nnrel.runtime.scalars import is_real

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Digits that magnitudes of rungs and severities between them are rounded to.
_DIGITS = 6


def even_steps(first: float, last: float, step: float) -> tuple[float, ...]:
    """Return evenly spaced magnitudes, both ends among them.

    Parameters
    ----------
    first, last : float
    step : float
        Negative where `last` is below `first`.
    """
    count = round((last - first) / step) + 1
    return tuple(round(first + i * step, _DIGITS) for i in range(count))


def severity_of(
    magnitude: float,
    identity: float,
    ladder: Sequence[float],
    negative_ladder: Sequence[float],
) -> float:
    """Return where a magnitude is on a ladder, linear between two rungs.

    Parameters
    ----------
    magnitude : float
        Within the bounds of the ladder.
    identity : float
    ladder, negative_ladder : sequence of float
        Magnitudes of severities 1, 2, ... and of -1, -2, ...
    """
    if magnitude == identity:
        return 0.0
    upward = _grows(ladder, identity) == (magnitude > identity)
    rungs = ladder if upward else negative_ladder
    sign = 1.0 if magnitude > identity else -1.0
    at = bisect_left(rungs, sign * magnitude, key=lambda rung: sign * rung)
    if rungs[at] == magnitude:  # which also spares the rung next to an infinite identity
        severity = at + 1.0
    else:
        before = rungs[at - 1] if at else identity
        severity = round(at + (magnitude - before) / (rungs[at] - before), _DIGITS)
    return severity if upward else -severity


def bounds_of(
    identity: float, ladder: Sequence[float], negative_ladder: Sequence[float]
) -> tuple[float, float]:
    """Return the smallest and the largest magnitude of a ladder, the identity if it is finite."""
    reached = [*ladder, *negative_ladder, *([identity] if math.isfinite(identity) else [])]
    return float(min(reached)), float(max(reached))


def ladder_problem(identity: object, ladder: object, negative_ladder: object) -> str:
    """Say what is wrong with a ladder; nothing where it starts at the identity and goes away."""
    if not is_real(identity) or math.isnan(identity):
        return f"identity must be the magnitude that changes nothing, a number, not {identity!r}"
    start = float(identity)
    for name, rungs in (("ladder", ladder), ("negative_ladder", negative_ladder)):
        if not isinstance(rungs, tuple) or not all(map(_is_finite, rungs)):
            return f"{name} must be a tuple of finite magnitudes, not {rungs!r}"
        if start in rungs:
            return (
                f"{name} holds {start:g}, the identity, which is severity 0 by itself; start at the"
                " mildest magnitude that changes something"
            )
        for before, after in pairwise((start, *rungs)):
            if before == after or (after > before) != _grows(rungs, start):
                return (
                    f"{name} must lead away from the identity, {start:g}, step by step, and"
                    f" {after:g} follows {before:g}"
                )
    if negative_ladder and _grows(ladder, start) == _grows(negative_ladder, start):  # type: ignore[arg-type]
        return "ladder and negative_ladder must lead to different sides of the identity"
    return ""


def _grows(rungs: Sequence[float], identity: float) -> bool:
    return rungs[0] > identity


def _is_finite(value: object) -> bool:
    return is_real(value) and math.isfinite(value)

"""The rungs of a family within bounds, from which strategies draw."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from hypothesis.errors import InvalidArgument

from pytest_nnrel.errors import NNRelError
from pytest_nnrel.runtime.scalars import is_real, is_whole
from pytest_nnrel.transforms import Identity
from pytest_nnrel.transforms.grids import reach
from pytest_nnrel.transforms.ladders import severity_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_nnrel.transforms import Transform

#: Bounds are met to this part of a rung, so that 0.3 is six rungs of 0.05.
_ROUNDING = 1e-6
#: Severity of a chain whose steps are all as strong as their bounds allow.
FULL_SEVERITY = 100


@dataclass(frozen=True)
class Ladder:
    """The rungs of a family between two severities, both among them."""

    family: type[Transform]
    first: int
    last: int
    options: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def between(cls, family: type[Transform], low: float, high: float) -> Ladder:
        """Return the rungs between two severities.

        Raises
        ------
        InvalidArgument
            If there are none, or these are not the family's.
        """
        rungs = family.severities()
        bounds = f"{family.__name__} between severities {low:g} and {high:g}"
        if not (math.isfinite(low) and math.isfinite(high)):
            raise InvalidArgument(f"{bounds}: bounds must be finite")
        first, last = math.ceil(low - _ROUNDING), math.floor(high + _ROUNDING)
        if first > last:
            raise InvalidArgument(
                f"{bounds}: there is no rung; the bounds are out of order or narrow"
            )
        if first < rungs[0] or last > rungs[-1]:
            raise InvalidArgument(f"{bounds}: the family has severities {rungs[0]} to {rungs[-1]}")
        if first == last == 0:
            raise InvalidArgument(f"{bounds}: there is no rung but the identity")
        return cls(family, first, last)

    def __str__(self) -> str:
        return f"{self.family.__name__} between severities {self.first} and {self.last}"

    @property
    def holds_identity(self) -> bool:
        """Whether the identity is among the rungs."""
        return self.first <= 0 <= self.last

    @property
    def directions(self) -> tuple[int, ...]:
        """Signs of the severities other than 0, upward first."""
        return (1,) * (self.last > 0) + (-1,) * (self.first < 0)

    def on(self, severity: int) -> Transform:
        """Return the rung of a severity."""
        transform = self.family.from_severity(severity)
        if isinstance(transform, Identity) or not self.options:
            return transform
        return replace(transform, **self.options)  # type: ignore[type-var]  # a dataclass

    def at(self, percent: int, direction: int) -> Transform:
        """Return the rung so far from the mildest to the strongest, and never the identity."""
        nearest, strongest = (self.first, self.last) if direction > 0 else (-self.last, -self.first)
        mildest = max(nearest, 0)
        # Whole numbers, halves upward, so that no rung hangs on how a float is rounded.
        way = (2 * percent * (strongest - mildest) + FULL_SEVERITY) // (2 * FULL_SEVERITY)
        return self.on(direction * max(mildest + way, 1))


def ladder_of(
    family: type[Transform],
    low: float | None,
    high: float | None,
    options: Mapping[str, Any],
) -> Ladder:
    """Return the rungs of any family between two magnitudes."""
    given = {name: bound for name, bound in (("min", low), ("max", high)) if bound is not None}
    check_numbers(**given)
    at: dict[str, float] = dict(zip(("downward", "upward"), reach(family)))
    rises = family.ladder[0] > family.identity
    for name, bound in given.items():
        least, most = family.bounds
        if bound != family.identity and not least <= bound <= most:
            raise InvalidArgument(
                f"{name}={bound!r}: {family.__name__} has {least:g} to {most:g} {family.unit}"
            )
        side = "upward" if (name == "max") == rises else "downward"
        at[side] = severity_of(bound, family.identity, family.ladder, family.negative_ladder)
    ladder = replace(Ladder.between(family, at["downward"], at["upward"]), options=options)
    try:
        ladder.on(ladder.first or ladder.last)
    except (TypeError, NNRelError) as error:
        raise InvalidArgument(f"{family.__name__}: {error}") from error
    return ladder


def check_numbers(**bounds: object) -> None:
    """Check that bounds are numbers.

    Raises
    ------
    InvalidArgument
        If one is not, naming it.
    """
    for name, value in bounds.items():
        if not is_real(value):
            raise InvalidArgument(f"{name}={value!r} is no number")


def check_whole(**numbers: object) -> None:
    """Check that numbers are whole ones.

    Raises
    ------
    InvalidArgument
        If one is not, naming it.
    """
    for name, value in numbers.items():
        if not is_whole(value):
            raise InvalidArgument(f"{name}={value!r} is no whole number")

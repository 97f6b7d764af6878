"""What is asked of a value: at least so much, at most so much, or between both. Standard library.

An encoder must keep what does not matter to it, and must not keep what it is for: a key model that
does not notice a shift of pitch is as wrong as one that notices MP3.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pytest_nnrel.errors import SettingError
from pytest_nnrel.runtime.scalars import is_real, is_whole

if TYPE_CHECKING:
    from pytest_nnrel.measurement import Measurement

Judged = Literal["holds", "fails", "undecided"]
#: Probability that chance does as well, above which an interval decides nothing (`details["p"]`).
LEVEL = 0.05


@dataclass(frozen=True)
class Requirement:
    """What is asked of a value.

    Attributes
    ----------
    low, high : float or None
        Least and largest value that holds; None where that side is open.
    """

    low: float | None = None
    high: float | None = None

    @classmethod
    def of(
        cls,
        *,
        min: object = None,
        max: object = None,
        between: object = None,
        lowest: float = 0.0,
    ) -> Requirement:
        """Return the one requirement of an assertion's arguments.

        Parameters
        ----------
        min, max : float, optional
        between : (float, float), optional
        lowest : float
            Least value of the measure; the largest is 1.

        Raises
        ------
        SettingError
            If it is not exactly one of them, or a bound that no value could tell from another.
        """
        given = {
            name: value
            for name, value in {"min": min, "max": max, "between": between}.items()
            if value is not None
        }
        if len(given) != 1:
            raise SettingError(
                f"one of min, max and between is asked for, not {' and '.join(given)}"
                if given
                else f"min must lie between {lowest:g} and 1, not None; or ask for max=, or for"
                " between=(low, high)"
            )
        if between is None:
            ((name, value),) = given.items()
            check_bound(name, value, lowest)
            return cls(low=value) if name == "min" else cls(high=value)  # type: ignore[arg-type]
        if not isinstance(between, tuple | list) or len(between) != 2:
            raise SettingError(f"between takes two values, (low, high), not {between!r}")
        for bound in between:
            check_bound("between", bound, lowest)
        if not between[0] < between[1]:
            raise SettingError(f"between takes (low, high), the lower first, not {between!r}")
        return cls(*map(float, between))

    def met_by(self, value: float) -> bool:
        """Tell whether a value is as asked."""
        return (self.low is None or value >= self.low) and (self.high is None or value <= self.high)

    def holds(self, measurement: Measurement) -> bool:
        """Tell whether a measurement is as asked, by its value, as `outcome` has it."""
        return self.outcome(measurement, confident=False) == "holds"

    def outcome(self, measurement: Measurement, *, confident: bool) -> Judged:
        """Return whether a measurement is as asked, by its value or by its interval.

        A largest value holds only where it does with ties as kept: an encoder that puts all clips
        at one place has noticed nothing, though none is nearest to its own original.
        """
        if self.high is not None and measurement.value <= self.high < at_most(measurement):
            return "fails"
        if not confident:
            return "holds" if self.met_by(measurement.value) else "fails"
        low, high = measurement.ci
        if self.met_by(low) and self.met_by(high):
            return "undecided" if measurement.details.get("p", 0.0) > LEVEL else "holds"
        beyond = (self.low is not None and high < self.low) or (
            self.high is not None and low > self.high
        )
        return "fails" if beyond else "undecided"

    def at_issue(self, measurement: Measurement) -> float:
        """Return the bound that a value is beyond, or nearest to where it is beyond none."""
        bounds = [bound for bound in (self.low, self.high) if bound is not None]
        return sorted(bounds, key=lambda bound: abs(bound - measurement.value))[0]

    def missed_by(self, measurement: Measurement) -> str:
        """Return how a value that is not as asked compares with the bound that it is beyond."""
        value = measurement.value
        if self.low is not None and value < self.low:
            return f"< {self.low:g}"
        if self.high is not None and value <= self.high:
            return f"({at_most(measurement):.3f} with ties as kept) > {self.high:g}"
        return f"> {self.high:g}"

    @property
    def text(self) -> str:
        """What is asked: a bare number is the least value."""
        return asked_text(self.low, self.high)

    def spare(self, value: float) -> float:
        """Return how far a value is within the requirement; negative where it is beyond it."""
        below = float("inf") if self.low is None else value - self.low
        above = float("inf") if self.high is None else self.high - value
        return min(below, above)


def at_most(measurement: Measurement) -> float:
    """Return a value with all as kept that no distance tells from others: ties, NaN."""
    details = measurement.details
    untold = details.get("ties", 0) + details.get("non_finite", 0)
    # In whole clips: a sum of rounded shares may exceed a bound that it is equal to.
    kept = round(measurement.value * measurement.n)
    return (kept + untold) / measurement.n if untold else measurement.value


def asked_text(low: float | None, high: float | None) -> str:
    """Return what is asked of a value; empty where nothing is."""
    if high is None:
        return "" if low is None else f"{low:g}"
    return f"at most {high:g}" if low is None else f"{low:g} to {high:g}"


def check_bound(name: str, bound: Any, lowest: float) -> None:  # noqa: ANN401
    """Refuse a bound that no value could tell from another."""
    if not is_real(bound) or not lowest <= bound <= 1.0:  # the latter also for NaN
        raise SettingError(f"{name} must lie between {lowest:g} and 1, not {bound!r}")


def check_steps(steps: int, least: int) -> None:
    """Refuse what is no number of steps along a ladder."""
    if not is_whole(steps) or steps < least:
        raise SettingError(f"steps must be a whole number of {least} or more, not {steps!r}")

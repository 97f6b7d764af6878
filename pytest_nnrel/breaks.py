"""Where an encoder breaks in a family, or notices it: what the search finds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_nnrel.requirement import at_most
from pytest_nnrel.transforms import Identity, Transform

if TYPE_CHECKING:
    from pytest_nnrel.measurement import Measurement
    from pytest_nnrel.requirement import Requirement


@dataclass(frozen=True)
class Pocket:
    """Rungs that break an encoder although a graver one does not.

    Attributes
    ----------
    first, last : Transform
        The mildest and the gravest of them that were measured.
    heals_at : Transform
        The next rung that was measured, which holds.
    """

    first: Transform
    last: Transform
    heals_at: Transform


@dataclass(frozen=True)
class ClipBreak:
    """Where a clip leaves its original, as far as the rungs that were measured tell.

    Attributes
    ----------
    clip : str
        Its id.
    holds_at : Transform or None
        The rung below the break, at which its original is nearest; None if it never is.
    fails_at : Transform or None
        The mildest rung at which it is not; None if it always is.
    heals : bool
        Whether the original is nearest again at a graver rung.
    """

    clip: str
    holds_at: Transform | None
    fails_at: Transform | None
    heals: bool


@dataclass(frozen=True)
class Break:
    """Where an encoder breaks in one direction of a family, or notices it.

    Attributes
    ----------
    rungs : tuple of Transform
        All conditions of the direction, from the identity outward.
    measured : dict of int to Measurement
        By position in `rungs`, in order.
    required : Requirement
        Least C_W, below which it breaks; or largest, from which down it notices.
    at : int or None
        Position of the mildest rung that breaks it or is noticed; the rung before it is not. None
        if no rung that was measured is.
    interval : tuple of int and (int or None)
        Positions that the mildest such rung lies between: the mildest that may be one by the 95 %
        intervals of C_W, and the mildest that surely is, rounded outward to rungs that were
        measured; None for an end beyond the ladder.
    clips : tuple of ClipBreak
        In the corpus's order.
    """

    rungs: tuple[Transform, ...]
    measured: dict[int, Measurement]
    required: Requirement
    at: int | None
    interval: tuple[int | None, int | None]
    clips: tuple[ClipBreak, ...]

    @property
    def transform(self) -> Transform | None:
        """The mildest transformation that breaks the encoder, or that it notices; None if none."""
        return None if self.at is None else self.rungs[self.at]

    @property
    def severity(self) -> float | None:
        """Its severity."""
        return None if self.transform is None else self.transform.severity

    @property
    def magnitude(self) -> float | None:
        """Its magnitude, in the family's unit."""
        return None if self.at is None else self._magnitude(self.at)

    @property
    def ci(self) -> tuple[float | None, float | None]:
        """Magnitudes of `interval`, the smaller first; None for an end beyond the ladder."""
        mildest, gravest = (None if end is None else self._magnitude(end) for end in self.interval)
        falls = self._magnitude(len(self.rungs) - 1) < self._magnitude(0)
        return (gravest, mildest) if falls else (mildest, gravest)

    @property
    def curve(self) -> tuple[tuple[float, float, tuple[float, float]], ...]:
        """Magnitude, C_W and its interval at each rung that was measured."""
        return tuple((self._magnitude(i), m.value, m.ci) for i, m in self.measured.items())

    @property
    def pockets(self) -> tuple[Pocket, ...]:
        """Breaks that heal."""
        found: list[Pocket] = []
        failing: list[int] = []
        for position, measurement in self.measured.items():
            if has_fallen(measurement, self.required):
                failing.append(position)
            elif failing:
                first, last = self.rungs[failing[0]], self.rungs[failing[-1]]
                found.append(Pocket(first, last, self.rungs[position]))
                failing = []
        return tuple(found)

    def _magnitude(self, position: int) -> float:
        rung = self.rungs[position]
        # The identity of the family, not that of `Identity`, which has no axis.
        return self.rungs[-1].identity if isinstance(rung, Identity) else rung.magnitude


@dataclass(frozen=True)
class BreakingMagnitude:
    """Where an encoder breaks, in each direction of a family.

    Severity, magnitude and so on are those of the direction that breaks at the fewest rungs from
    the identity, upward of two that break as soon.

    Attributes
    ----------
    encoder, family : str
    directions : dict of int to Break
        1 for growing severities, -1 for falling ones.
    """

    encoder: str
    family: str
    directions: dict[int, Break]

    @property
    def nearest(self) -> Break:
        """The direction that breaks first."""
        return min(
            (self.directions[d] for d in sorted(self.directions, reverse=True)),
            key=lambda b: math.inf if b.severity is None else abs(b.severity),
        )

    @property
    def severity(self) -> float | None:
        """Severity of the mildest transformation that does so; None if none does."""
        return self.nearest.severity

    @property
    def magnitude(self) -> float | None:
        """Its magnitude, in the family's unit."""
        return self.nearest.magnitude

    @property
    def ci(self) -> tuple[float | None, float | None]:
        """95 % interval of that magnitude; see `Break.interval`."""
        return self.nearest.ci

    @property
    def curve(self) -> tuple[tuple[float, float, tuple[float, float]], ...]:
        """Magnitude, C_W and its interval at each rung that was measured in that direction."""
        return self.nearest.curve

    @property
    def pockets(self) -> tuple[Pocket, ...]:
        """Breaks that heal, in all directions."""
        return tuple(pocket for b in self.directions.values() for pocket in b.pockets)

    @property
    def per_clip(self) -> tuple[ClipBreak, ...]:
        """Where each clip leaves its original, in that direction."""
        return self.nearest.clips

    def __str__(self) -> str:
        return "\n".join(
            [f"{self.encoder} under {self.family}:"]
            + [f"  {line}" for b in self.directions.values() for line in describe(b)]
        )


def describe(found: Break) -> list[str]:
    """Return what was found in one direction, in a few lines."""
    end = found.rungs[-1]
    unit = f" {end.unit}" if end.unit else ""
    notices = found.required.high is not None
    bound = found.required.high if notices else found.required.low
    if found.at is None:
        beyond = f"above {bound:g}" if notices else f"{bound:g} or more"
        if any(_counts_ties(m, found.required) for m in found.measured.values()):
            beyond += " with ties as kept"
        lines = [f"C_W is {beyond} at all {len(found.measured)} rungs measured, up to {end.name}"]
    elif found.at == 0:
        lines = [
            f"C_W = {found.measured[0].value:.3f} {'<=' if notices else '<'} {bound:g} without any"
            " transformation: see assert_encoder_sane"
        ]
    else:
        ends = ["beyond the ladder" if end is None else f"{end:g}" for end in found.ci]
        interval = f"95 % CI [{', '.join(ends)}]{unit}"
        before = found.measured[found.at - 1]
        by_ties = _counts_ties(before, found.required)
        ties = f" ({at_most(before):.3f} with ties as kept)" if by_ties else ""
        lines = [
            f"{'notices' if notices else 'breaks at'} {found.rungs[found.at].name} ({interval}):"
            f" C_W = {found.measured[found.at].value:.3f} {'<=' if notices else '<'} {bound:g};"
            f" {found.rungs[found.at - 1].name} {'is not noticed' if notices else 'holds'} with"
            f" {before.value:.3f}{ties}"
        ]
    what = "are noticed" if notices else "break it"
    kept = "is not" if notices else "holds"
    lines += [
        f"heals: {pocket.first.name} to {pocket.last.name} {what}, {pocket.heals_at.name} {kept}"
        for pocket in found.pockets
    ]
    lines.append(
        "curve: " + ", ".join(f"{magnitude:g} {value:.3f}" for magnitude, value, _ in found.curve)
    )
    return lines


def _counts_ties(measurement: Measurement, required: Requirement) -> bool:
    """Tell whether it is by its ties that a rung is not noticed."""
    return required.met_by(measurement.value) and not required.holds(measurement)


def has_fallen(measurement: Measurement, required: Requirement) -> bool:
    """Tell whether C_W is so low that the encoder breaks, or notices, as a test would have it."""
    return required.holds(measurement) == (required.high is not None)


def interval_of_break(
    measured: dict[int, Measurement], required: Requirement
) -> tuple[int | None, int | None]:
    """Return the positions that the break lies between, by the intervals of C_W at the rungs."""
    positions = list(measured)
    falls, stands = ("fails", "holds") if required.high is None else ("holds", "fails")
    judged = [required.outcome(m, confident=True) for m in measured.values()]
    may = [i for i, outcome in enumerate(judged) if outcome != stands]
    surely = [position for position, outcome in zip(positions, judged) if outcome == falls]
    if not may:
        return None, None
    # The break lies above the last rung that was measured and surely holds.
    low = 0 if may[0] == 0 else positions[may[0] - 1] + 1
    return low, surely[0] if surely else None

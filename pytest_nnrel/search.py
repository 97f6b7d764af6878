"""The smallest magnitude that breaks an encoder, by grid and bisection over a family's ladder.

The grid finds breaks that heal at graver magnitudes (*pockets*) as long as they are as wide as one
of its steps; bisection finds the rung. All clips are measured at each rung that is visited, so that
the breaks of single clips come from the same evaluations, as intervals between neighbouring rungs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pytest_nnrel import recording
from pytest_nnrel.assertions import failure_message
from pytest_nnrel.distances import resolve_distance
from pytest_nnrel.encoders import as_encoder
from pytest_nnrel.experiment.embedding import embed
from pytest_nnrel.experiment.recognition import recognise
from pytest_nnrel.experiment.rendering import render
from pytest_nnrel.experiment.study import question
from pytest_nnrel.measures import study_on, within
from pytest_nnrel.recording import Verdict, record_measurement, record_verdict
from pytest_nnrel.requirement import Requirement, check_steps
from pytest_nnrel.runtime.progress import progress
from pytest_nnrel.transforms import Identity, Transform, as_transform, ladder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_nnrel.corpus import Corpus
    from pytest_nnrel.distances import Distance, Metric
    from pytest_nnrel.encoders.protocol import EncoderLike
    from pytest_nnrel.experiment.encoding import Listener
    from pytest_nnrel.measurement import Measurement
    from pytest_nnrel.transforms.protocol import TransformLike

#: Steps of the grid, from the identity to the end of the ladder.
GRID_STEPS = 16


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
    """Where an encoder breaks in one direction of a family.

    Attributes
    ----------
    rungs : tuple of Transform
        All conditions of the direction, from the identity outward.
    measured : dict of int to Measurement
        By position in `rungs`, in order.
    minimum : float
    at : int or None
        Position of the mildest rung that is below the minimum; the rung before it holds. None if
        no rung that was measured is.
    interval : tuple of int and (int or None)
        Positions that the mildest such rung lies between: the mildest that may be below the minimum
        by the 95 % intervals of C_W, and the mildest that surely is, rounded outward to rungs that
        were measured; None for an end beyond the ladder.
    clips : tuple of ClipBreak
        In the corpus's order.
    """

    rungs: tuple[Transform, ...]
    measured: dict[int, Measurement]
    minimum: float
    at: int | None
    interval: tuple[int | None, int | None]
    clips: tuple[ClipBreak, ...]

    @property
    def transform(self) -> Transform | None:
        """The mildest transformation that breaks the encoder; None if none does."""
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
            if measurement.value < self.minimum:
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
        """Severity of the mildest transformation that breaks the encoder; None if none does."""
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


def breaking_magnitude(
    encoder: EncoderLike,
    family: type[Transform] | Transform,
    *,
    min: float,
    corpus: Corpus | None = None,
    distance: Metric = "euclidean",
    steps: int = GRID_STEPS,
    seed: int | None = None,
) -> BreakingMagnitude:
    """Find the smallest severity at which C_W is below a minimum, in each direction alone.

    Parameters
    ----------
    encoder : Encoder, or anything that `as_encoder` takes
    family : class, or Transform
        A class such as ``PitchShift`` is searched as far as the paper goes (Table 1); a
        transformation such as ``PitchShift(semitones=3)`` in its direction, as far as it does,
        with its options.
    min : float
        Least C_W (paper eq. 10), from 0 to 1.
    corpus : Corpus, optional
        The run's where omitted; outside pytest, the bundled one.
    distance : str or callable
        ``"euclidean"``, ``"cosine"``, or one's own.
    steps : int
        Of the grid. Breaks that heal within less than a step may be missed.
    seed : int, optional
        The run's where omitted.

    Returns
    -------
    BreakingMagnitude
        From at most ``steps + 1 + ceil(log2(rungs / steps))`` evaluations of the corpus in a
        direction.

    Raises
    ------
    SettingError
        If `min` or `steps` is out of bounds.
    MagnitudeError
        If `family` is none, or has no ladder.
    NNRelError
        If it cannot be measured.
    """
    Requirement.of(min=min)
    check_steps(steps, 1)
    study = study_on(corpus, seed)
    known, compared = as_encoder(encoder), resolve_distance(distance, "latent")
    listener = recognise(known, study)
    directions = {
        direction: _search(listener, rungs, compared, min, steps)
        for direction, rungs in ladder(family, study.corpus.sample_rate).items()
    }
    name = family.name if isinstance(family, Transform) else family.__name__
    return BreakingMagnitude(known.name, name, directions)


def assert_unbroken_until(
    encoder: EncoderLike,
    transform: TransformLike,
    *,
    min: float,
    corpus: Corpus | None = None,
    distance: Metric = "euclidean",
    steps: int = GRID_STEPS,
    seed: int | None = None,
) -> BreakingMagnitude:
    """Assert that no magnitude from the identity to `transform` brings C_W below a minimum.

    Parameters
    ----------
    encoder
        As in `breaking_magnitude`.
    transform : Transform
        Such as ``PitchShift(semitones=2)``: all rungs from none up to it, itself among them.
    min, corpus, distance, steps, seed
        As in `breaking_magnitude`.

    Returns
    -------
    BreakingMagnitude

    Raises
    ------
    AssertionError
        If a magnitude that was measured breaks it; the mildest is found by bisection.
    NNRelError
        If it cannot be measured.
    """
    __tracebackhide__ = True
    assertion = "assert_unbroken_until"
    with recording.errors_recorded(assertion):
        found = breaking_magnitude(
            encoder, as_transform(transform), min=min, corpus=corpus, distance=distance,
            steps=steps, seed=seed,
        )  # fmt: skip
        (along,) = found.directions.values()
        covers = tuple(measurement.as_dict() for measurement in along.measured.values())
        if along.at is None:
            closest = sorted(along.measured.values(), key=lambda m: m.value)[0]
            record_verdict(Verdict(assertion, "holds", min, closest.as_dict(), covers=covers))
            return found
        broken = along.measured[along.at]
        lines = failure_message(broken, Requirement(low=min), "fails", recording.reproduction())
        message = "\n".join(
            [f"{found.encoder} breaks before {transform}", *describe(along), "", lines]
        )
        record_verdict(Verdict(assertion, "fails", min, broken.as_dict(), message, covers=covers))
    raise AssertionError(message)


def describe(found: Break) -> list[str]:
    """Return what was found in one direction, in a few lines."""
    end = found.rungs[-1]
    unit = f" {end.unit}" if end.unit else ""
    if found.at is None:
        lines = [f"C_W is {found.minimum:g} or more at all {len(found.measured)} rungs measured,"
                 f" up to {end.name}"]  # fmt: skip
    elif found.at == 0:
        lines = [
            f"C_W = {found.measured[0].value:.3f} < {found.minimum:g} without any transformation:"
            " see assert_encoder_sane"
        ]
    else:
        ends = ["beyond the ladder" if end is None else f"{end:g}" for end in found.ci]
        interval = f"95 % CI [{', '.join(ends)}]{unit}"
        lines = [
            f"breaks at {found.rungs[found.at].name} ({interval}): C_W ="
            f" {found.measured[found.at].value:.3f} < {found.minimum:g};"
            f" {found.rungs[found.at - 1].name} holds with {found.measured[found.at - 1].value:.3f}"
        ]
    lines += [
        f"heals: {pocket.first.name} to {pocket.last.name} break it, {pocket.heals_at.name} holds"
        for pocket in found.pockets
    ]
    lines.append(
        "curve: " + ", ".join(f"{magnitude:g} {value:.3f}" for magnitude, value, _ in found.curve)
    )
    return lines


def _search(
    listener: Listener,
    rungs: tuple[Transform, ...],
    distance: Distance,
    minimum: float,
    steps: int,
) -> Break:
    study = listener.study
    measured: dict[int, Measurement] = {}

    def breaks(position: int) -> bool:
        if position not in measured:
            rendered = render(question(study, rungs[position]))
            measured[position] = within(embed(listener, rendered), distance)
            record_measurement(measured[position])
        return measured[position].value < minimum

    last = len(rungs) - 1
    step = -(-last // steps)
    grid = sorted({*range(0, last, step), last})
    what = f"{listener.encoder.name} up to {rungs[-1].name}"
    broken = [position for position in progress(grid, len(grid), what, "rung") if breaks(position)]
    at = None
    if broken:
        at = broken[0]
        holds = max((position for position in grid if position < at), default=at - 1)
        while at - holds > 1:
            middle = (holds + at) // 2
            holds, at = (holds, middle) if breaks(middle) else (middle, at)
    measured = dict(sorted(measured.items()))
    return Break(
        rungs,
        measured,
        minimum,
        at,
        interval_of_break(measured, minimum),
        _clip_breaks(study.corpus.ids, rungs, measured),
    )


def interval_of_break(
    measured: dict[int, Measurement], minimum: float
) -> tuple[int | None, int | None]:
    """Return the positions that the break lies between, by the intervals of C_W at the rungs."""
    positions = list(measured)
    may = [i for i, m in enumerate(measured.values()) if m.ci[0] < minimum]
    surely = [position for position, m in measured.items() if m.ci[1] < minimum]
    if not may:
        return None, None
    # The break lies above the last rung that was measured and surely holds.
    low = 0 if may[0] == 0 else positions[may[0] - 1] + 1
    return low, surely[0] if surely else None


def _clip_breaks(
    ids: Sequence[str], rungs: tuple[Transform, ...], measured: dict[int, Measurement]
) -> tuple[ClipBreak, ...]:
    positions = list(measured)
    found = []
    for clip, holds in zip(ids, np.array([m.outcomes for m in measured.values()]).T):
        if holds.all():
            found.append(ClipBreak(clip, rungs[positions[-1]], None, heals=False))
            continue
        first = int(np.argmin(holds))
        before = None if first == 0 else rungs[positions[first - 1]]
        heals = bool(holds[first:].any())
        found.append(ClipBreak(clip, before, rungs[positions[first]], heals))
    return tuple(found)

"""The grids of magnitudes: the paper's, its imperceptible ones, a quick one, and the field's."""

from __future__ import annotations

import ast
import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

from pytest_nnrel.errors import MagnitudeError, SettingError
from pytest_nnrel.runtime.registry import is_abstract
from pytest_nnrel.transforms import field
from pytest_nnrel.transforms.adapters import Chain, as_transform
from pytest_nnrel.transforms.mp3 import MP3
from pytest_nnrel.transforms.noise import EnvironmentalNoise, PinkNoise
from pytest_nnrel.transforms.protocol import Identity, Transform
from pytest_nnrel.transforms.registry import families, family_named
from pytest_nnrel.transforms.rubberband import PitchShift, TempoShift

if TYPE_CHECKING:
    from pytest_nnrel.transforms.protocol import TransformLike

#: Magnitudes of the paper's Table 1.
_PITCHES = (0.25, 0.5, 0.75, 1, 2, 4, 6, 8, 10, 12)
_TEMPI = (
    0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.92, 0.94, 0.96, 0.98,
    1.02, 1.04, 1.06, 1.08, 1.1, 1.2, 1.3, 1.4, 1.5,
)  # fmt: skip
_SNRS = (
    -15, -10, -6, -3, 3, 6, 9, 12, 15, 18, 21, 24, 27, 27.5, 28, 28.5, 29, 29.5, 30,
)  # fmt: skip
_BITRATES = (8, 16, 24, 32, 40, 48, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)

PAPER_FAMILIES: tuple[type[Transform], ...] = (
    PitchShift,
    TempoShift,
    PinkNoise,
    EnvironmentalNoise,
    MP3,
)


def paper_grid() -> tuple[Transform, ...]:
    """Return the paper's 94 magnitudes (Table 1).

    At 22,050 Hz they are 90 conditions: see `conditions`.
    """
    return (
        *(PitchShift(s) for s in sorted((*_PITCHES, *(-p for p in _PITCHES)))),
        *(TempoShift(rate) for rate in _TEMPI),
        *(PinkNoise(snr) for snr in _SNRS),
        *(EnvironmentalNoise(snr) for snr in _SNRS),
        *(MP3(kbps) for kbps in _BITRATES),
    )


def imperceptible() -> tuple[Transform, ...]:
    """Return the paper's smallest magnitudes, hardly audible (section 5.4.1): 7 of them."""
    return (
        PitchShift(-0.25),
        PitchShift(0.25),
        TempoShift(0.98),
        TempoShift(1.02),
        PinkNoise(30),
        EnvironmentalNoise(30),
        MP3(192),
    )


def quick_grid() -> tuple[Transform, ...]:
    """Return 11 magnitudes, from hardly audible to plain, for runs in a minute."""
    return (
        PitchShift(-0.25),
        PitchShift(0.25),
        PitchShift(2),
        TempoShift(0.7),
        TempoShift(0.98),
        TempoShift(1.5),
        PinkNoise(30),
        PinkNoise(12),
        EnvironmentalNoise(12),
        MP3(64),
        MP3(16),
    )


def field_grid() -> tuple[Transform, ...]:
    """Return the field's families at three magnitudes each: hardly audible, plain, grave."""
    return tuple(transform for name in field.__all__ for transform in _points(families()[name]))


GRIDS = {
    "quick": quick_grid,
    "imperceptible": imperceptible,
    "paper": paper_grid,
    "field": field_grid,
}


def grid(name: str) -> tuple[Transform, ...]:
    """Return a grid by its name, or the points of the family of that name: its own or the paper's.

    Raises
    ------
    SettingError
        If there is none of that name, or the family has no points.
    """
    if name in GRIDS:
        return GRIDS[name]()
    family = family_named(name)
    if family is None:
        raise SettingError(
            f"the grid must be one of {', '.join(GRIDS)} or a family with points, such as"
            f" PinkNoise, not {name!r}"
        )
    points = _points(family)
    if not points:
        raise SettingError(f"{name} is no grid: the family declares no points")
    return points


def transforms_of(given: str | Iterable[TransformLike]) -> tuple[Transform, ...]:
    """Return the transformations of a grid that a user gave, by name or one by one.

    Raises
    ------
    SettingError
        If it is neither; for a name, as in `grid`.
    TransformError
        If one of them is no transformation.
    """
    if isinstance(given, str):
        return grid(given)
    if isinstance(given, type) or not isinstance(given, Iterable):
        raise SettingError(
            "transformations are a list, such as [PinkNoise(12), MP3(64)], or a grid's name, such"
            f" as 'quick' or 'PinkNoise', not {given!r}"
        )
    return tuple(map(as_transform, given))


def _points(family: type[Transform]) -> tuple[Transform, ...]:
    declared = tuple(family(point) for point in family.points)  # type: ignore[call-arg]
    return declared or tuple(point for point in paper_grid() if type(point) is family)


def conditions(
    transforms: Iterable[Transform], sample_rate: int
) -> dict[Transform, list[Transform]]:
    """Return the conditions that magnitudes come down to at a sample rate.

    Parameters
    ----------
    transforms : iterable of Transform
    sample_rate : int
        In Hz.

    Returns
    -------
    dict of Transform to list of Transform
        Each condition, in the order of `transforms`, with the magnitudes that stand for it.
    """
    merged: dict[Transform, list[Transform]] = {}
    for transform in transforms:
        merged.setdefault(transform.condition(sample_rate), []).append(transform)
    return merged


def ladder(
    family: type[Transform] | Transform, sample_rate: int
) -> dict[int, tuple[Transform, ...]]:
    """Return the rungs of a family in each of its directions, from the identity outward.

    Parameters
    ----------
    family : class, or Transform
        Of a class: all directions, as far as the paper goes (Table 1), or as far as the ladder of
        a family that the paper does not have. Of a transformation: its own direction, options
        kept, as far as it goes.
    sample_rate : int
        In Hz. Rungs that are the same condition there are one; of a class, those that do not
        apply there are left out.

    Returns
    -------
    dict of int to tuple of Transform
        By direction, 1 or -1: conditions, `Identity` first.

    Raises
    ------
    MagnitudeError
        If there are no rungs, or none that changes anything at that rate.
    """
    if isinstance(family, Transform):
        severity = family.severity
        kind = type(family)
        if not severity:
            raise MagnitudeError(f"{family} changes nothing: it has no rungs below it")
        ends: list[float] = [] if math.isnan(severity) else [severity]
    elif isinstance(family, type) and issubclass(family, Transform) and not is_abstract(family):
        kind = family
        ends = list(reach(family))
    else:
        raise MagnitudeError(
            f"{family!r} is no family: pass a class such as PitchShift, or a transformation such as"
            " PitchShift(semitones=2) to go as far as it does"
        )
    to_rung = family.on_rung if isinstance(family, Transform) else family.from_severity
    rungs = {}
    for end in ends:
        if end:
            direction = 1 if end > 0 else -1
            steps = [to_rung(direction * step) for step in range(int(abs(end)) + 1)]
            if not isinstance(family, Transform):  # what is asked for by itself says why it is not
                steps = [step for step in steps if step.applies_at(sample_rate)]
            elif end != int(end):
                steps.append(family)  # it is between two rungs
            distinct = dict.fromkeys(step.condition(sample_rate) for step in steps)
            if len(distinct) > 1:
                rungs[direction] = tuple(distinct)
    if any(ends) and not rungs:
        raise MagnitudeError(
            f"{family if isinstance(family, Transform) else kind.__name__} changes nothing at"
            f" {sample_rate:,} Hz: there are no rungs to go along"
        )
    if not rungs:
        raise MagnitudeError(
            f"{family if isinstance(family, Transform) else kind.__name__} has no ladder of"
            " severities to go along; pytest_nnrel.family makes one of an effect or a function"
        )
    return rungs


def evenly(last: int, steps: int) -> list[int]:
    """Return places along a ladder, from 0 to `last`: in so many steps, as even as rungs allow.

    Parameters
    ----------
    last, steps : int
        Of fewer rungs than steps, all.
    """
    import numpy as np

    places = np.linspace(0, last, min(steps, last) + 1).round().astype(int)
    return [int(place) for place in np.unique(places)]


def reach(family: type[Transform]) -> tuple[int, int]:
    """Return the severities that a family is followed to, downward and upward.

    As far as the paper goes (Table 1); of a family that it does not have, the ladder's ends.
    """
    severities = [int(t.severity) for t in paper_grid() if type(t) is family]
    rungs = family.severities()
    return (min(0, *severities), max(0, *severities)) if severities else (rungs[0], rungs[-1])


def parse_transform(text: str) -> Transform:
    """Return the transformation that a name such as ``PitchShift(semitones=2)`` stands for.

    Parameters
    ----------
    text : str
        A call of a family, with literal arguments; chains may nest.

    Raises
    ------
    MagnitudeError
        If `text` is no such call, or the magnitude is out of bounds.
    """
    try:
        if not isinstance(text, str):
            raise TypeError("not text")
        return _from_call(ast.parse(text.strip(), mode="eval").body)
    except (SyntaxError, ValueError, TypeError) as error:
        if isinstance(error, MagnitudeError):
            raise
        known = ", ".join(sorted({**families(), **_SINGLE_POINTS}))
        raise MagnitudeError(
            f"{text!r} is no transformation: expected a call such as PitchShift(semitones=2), of"
            f" {known}"
        ) from error


_SINGLE_POINTS: dict[str, type[Transform]] = {"Identity": Identity, "Chain": Chain}


def _from_call(node: ast.expr) -> Transform:
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
        raise ValueError("not a call")
    family = _SINGLE_POINTS.get(node.func.id) or family_named(node.func.id)
    if family is None:
        raise ValueError("not a family")
    if family is Chain and not node.keywords:
        return Chain(*(_from_call(argument) for argument in node.args))
    positional = [ast.literal_eval(argument) for argument in node.args]
    named = {str(k.arg): ast.literal_eval(k.value) for k in node.keywords}
    return family(*positional, **named)

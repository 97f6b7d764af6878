"""A trial of a family of transformations: whether it does what a family promises."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from pytest_nnrel.distances import audio_features, pairwise_distances
from pytest_nnrel.errors import CorpusError, FamilyError, MagnitudeError, NNRelError
from pytest_nnrel.transforms import Identity, Transform, families, parse_transform

if TYPE_CHECKING:
    import numpy.typing as npt

    from pytest_nnrel.corpus import Clip

    Matrix = npt.NDArray[np.float64]

#: Clips of the bundled corpus that a family is tried on.
CLIPS = 3
#: Rungs that are tried in each direction, the mildest and the gravest among them.
RUNGS = 5
#: Least rank correlation of severity and damage, over those rungs.
LEAST_ORDER = 0.8


def check_family(family: type[Transform], *, clips: Iterable[Clip] | None = None) -> None:
    """Try a family on a few clips: ladder, names, bounds, determinism, output, growing damage.

    Damage is the mean distance from the original, in audio space by DTW or sample by sample,
    whichever has the better order.

    Parameters
    ----------
    family : class
    clips : iterable of Clip, optional
        Three of the bundled corpus where omitted.

    Raises
    ------
    FamilyError
        If it is no family, or does something else than a family promises; all of it is told.
    CorpusError
        If there is no clip to try it on.
    """
    if family not in families().values():
        raise FamilyError(
            f"{family!r} is no family: pass a class that subclasses pytest_nnrel.Transform and"
            " declares a ladder"
        )
    tried = _tried(clips)
    problems = _bounds_problems(family)
    for rungs in _directions(family):
        try:
            steps = [family.from_severity(rung) for rung in rungs]
            problems += [p for rung, step in zip(rungs, steps) for p in _name_problems(rung, step)]
            # A rung may be beyond what a sample rate holds, such as a limit above all frequencies.
            steps = [s for s in steps if all(_changes(s, clip) for clip in tried)]
            damages = [[_damage(step, clip, problems) for clip in tried] for step in steps]
        except (TypeError, NNRelError) as error:
            problems.append(str(error))
            continue
        problems += _order_problems(steps, np.array(damages))
    if problems:
        listed = "".join(f"\n  - {problem}" for problem in dict.fromkeys(problems))
        raise FamilyError(f"{family.__name__} is not what a family promises:{listed}")


def _tried(clips: Iterable[Clip] | None) -> list[Clip]:
    """Return the clips that a family is tried on.

    Raises
    ------
    CorpusError
        If there are none.
    """
    from pytest_nnrel.corpus import Corpus
    from pytest_nnrel.corpus.clip import as_clip

    given = Corpus.bundled().subset(CLIPS) if clips is None else clips
    tried = [as_clip(c, "check_family") for c in given] if isinstance(given, Iterable) else []
    if not tried:
        raise CorpusError(
            f"check_family tries a family on a list of clips, one at least, not on {given!r}; leave"
            " clips out for three of the bundled corpus"
        )
    return tried


def _changes(step: Transform, clip: Clip) -> bool:
    return not isinstance(step.condition(clip.sample_rate), Identity)


def _directions(family: type[Transform]) -> list[list[int]]:
    """Return a few severities in each direction, from the mildest to the gravest."""
    lengths = {1: len(family.ladder), -1: len(family.negative_ladder)}
    return [
        [direction * int(rung) for rung in np.unique(np.linspace(1, length, RUNGS).round())]
        for direction, length in lengths.items()
        if length
    ]


def _bounds_problems(family: type[Transform]) -> list[str]:
    low, high = family.bounds
    problems = []
    for magnitude in (low - 1.0, high + 1.0, math.nan):
        try:
            family(magnitude)  # type: ignore[call-arg]
        except MagnitudeError:
            continue
        except (TypeError, NNRelError) as error:
            return [str(error)]
        problems.append(
            f"it takes {magnitude:g}, out of its bounds, {low:g} to {high:g}; a __post_init__ of"
            " its own must call super().__post_init__()"
        )
    return problems


def _name_problems(rung: int, step: Transform) -> list[str]:
    problems = []
    if step.severity != rung:
        problems.append(f"{step.name}, made for severity {rung}, has severity {step.severity:g}")
    try:
        again = parse_transform(step.name)
    except MagnitudeError as error:
        return [*problems, f"its name does not make it again: {error}"]
    if again != step:
        problems.append(f"the name {step.name} makes {again!r} in the place of {step!r}")
    return problems


def _damage(step: Transform, clip: Clip, problems: list[str]) -> tuple[float, float]:
    """Return distances from the original in audio space and of samples, noting what differs."""
    once = step.apply(clip, seed=0)
    python_state, numpy_state = random.getstate(), np.random.get_state()
    try:
        random.seed(1)  # a second time, with other numbers from the global generators
        np.random.seed(1)
        again = step.apply(clip, seed=0)
    finally:
        random.setstate(python_state)
        np.random.set_state(numpy_state)
    if not np.array_equal(once.samples, again.samples):
        problems.append(
            f"{step.name} is not deterministic: twice the same clip and seed gave different"
            " samples; draw from rng alone, and keep no state"
        )
    apart = pairwise_distances([audio_features(once)], [audio_features(clip)])[0, 0]
    length = min(len(once.samples), len(clip.samples))
    error = once.samples[:length].astype(np.float64) - clip.samples[:length]
    return float(apart), math.sqrt(float(np.mean(error**2)))


def _order_problems(steps: list[Transform], damages: Matrix) -> list[str]:
    """Say where the mean damage of ``float64[rungs, clips, 2]`` does not grow with severity."""
    means = damages.mean(axis=1)
    problems = [
        f"{step.name} changes nothing: only severity 0 may"
        for step, of_clips in zip(steps, damages)
        if not of_clips.any()
    ]
    if len(steps) < 3:
        return problems
    ranks = np.argsort(np.argsort(means, axis=0), axis=0)
    orders = [np.corrcoef(np.arange(len(steps)), ranks[:, kind])[0, 1] for kind in range(2)]
    if max(orders) < LEAST_ORDER:
        shown = ", ".join(
            f"{step.magnitude:g} {mean:.3g}" for step, mean in zip(steps, means[:, 0])
        )
        problems.append(
            f"graver is not further from the original (distance in audio space: {shown}); order"
            " the ladder by damage"
        )
    return problems

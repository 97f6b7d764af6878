"""Transformations made of other things: functions, chains, and whatever else transforms audio."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from pytest_nnrel.errors import MagnitudeError, TransformError
from pytest_nnrel.transforms.engines import Audiomentation, Board
from pytest_nnrel.transforms.protocol import Identity, Transform, Transformed
from pytest_nnrel.transforms.single import Adapter, SinglePoint

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

    from pytest_nnrel.corpus import Clip
    from pytest_nnrel.corpus.audio import Samples
    from pytest_nnrel.identity import Behaviour
    from pytest_nnrel.transforms.adversarial import Aim, AimAt
    from pytest_nnrel.transforms.output import Checks
    from pytest_nnrel.transforms.protocol import TransformLike


@dataclass(frozen=True)
class FunctionTransform(Adapter):
    """A transformation by a function of one's own.

    Parameters
    ----------
    name : str
        Name in reports. Give different magnitudes of one function different names.
    fn : callable
        ``fn(samples: float32[n], sample_rate: int) -> float[m]``; deterministic. It gets a copy.
    magnitude : float
        Position on its axis in plots.
    unit : str
        Unit of `magnitude`.
    version : str, optional
        Changed whenever what `fn` reads from elsewhere (files, weights) makes it do otherwise; its
        code is looked at besides. Without it, results are kept for the run only, and where `fn`
        holds what cannot be looked into, such as an open file, for the measurement only.
    restores_loudness : bool
        False where loudness is what it changes.
    correct_latency : bool
        Whether a constant delay of its output, such as a codec's, is measured and taken out.
    """

    name: str
    fn: Callable[[Samples, int], Any] = field(repr=False)
    magnitude: float = 1.0
    unit: str = ""
    version: str | None = None
    restores_loudness: bool = True
    correct_latency: bool = False

    symbol: ClassVar[str] = "FN"

    def recipe(self) -> dict[str, object] | None:
        if self.version is None:
            return None
        return {
            "transform": self.name,
            "magnitude": self.magnitude,
            "unit": self.unit,
            "version": self.version,
            "restores_loudness": self.restores_loudness,
            "correct_latency": self.correct_latency,
        }

    def process(self, samples: Samples, sample_rate: int, rng: np.random.Generator) -> Samples:
        return self.fn(samples, sample_rate)  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Chain(SinglePoint):
    """Transformations one after the other, loudness restored after each.

    Parameters
    ----------
    *steps : Transform
        At least one.
    """

    steps: tuple[Transform, ...]

    symbol: ClassVar[str] = "CH"
    unit: ClassVar[str] = "steps"
    restores_loudness: ClassVar[bool] = False

    def __init__(self, *steps: Transform) -> None:
        if not steps:
            raise MagnitudeError("Chain takes at least one transformation, and got none")
        for step in steps:
            if not isinstance(step, Transform):
                raise MagnitudeError(f"Chain takes transformations, not {step!r}")
        # Flat, so that steps that repeat are known as such wherever they stand.
        flat = (step.steps if isinstance(step, Chain) else (step,) for step in steps)
        object.__setattr__(self, "steps", tuple(step for part in flat for step in part))
        object.__setattr__(self, "of_encoder", any(step.of_encoder for step in self.steps))

    def __repr__(self) -> str:
        return f"Chain({', '.join(map(repr, self.steps))})"

    @property
    def name(self) -> str:
        return f"Chain({', '.join(step.name for step in self.steps)})"

    @property
    def magnitude(self) -> float:
        return float(len(self.steps))

    def condition(self, sample_rate: int) -> Transform:
        steps = [step.condition(sample_rate) for step in self.steps]
        effective = [step for step in steps if not isinstance(step, Identity)]
        if len(effective) < 2:
            return effective[0] if effective else Identity()
        return Chain(*effective)

    def aimed(self, at: AimAt) -> Transform:
        return Chain(*(step.aimed(at) for step in self.steps))

    @property
    def control(self) -> Transform | None:
        """The same with the controls of those steps that have one."""
        if all(step.control is None for step in self.steps):
            return None
        return Chain(*(step.control or step for step in self.steps))

    @property
    def aims(self) -> tuple[Aim, ...]:
        """What its attacks are aimed at."""
        return tuple(aim for step in self.steps for aim in step.aims)

    def recipe(self) -> dict[str, object] | None:
        recipes = [step.recipe() for step in self.steps]
        return None if None in recipes else {"transform": self.name, "steps": recipes}

    def behaviour(self) -> Behaviour:
        from pytest_nnrel.identity import Behaviour
        from pytest_nnrel.runtime.store import digest

        steps = [step.behaviour() for step in self.steps]
        unknown = tuple(part for step in steps for part in step.unknown)
        return Behaviour(digest(self.name, [step.digest for step in steps]), unknown)

    def apply_checked(self, clip: Clip, *, seed: int | None = None) -> Transformed:
        from pytest_nnrel.runtime import settings
        from pytest_nnrel.runtime.store import digest

        seed = settings.seed_or_own(seed)
        checks: Checks = {}
        for number, step in enumerate(self.steps, start=1):
            # The same noise twice in a chain is two noises: of steps of one name, which seeds them.
            repeats = sum(before.name == step.name for before in self.steps[: number - 1])
            own_seed = int(digest("repeat", seed, repeats)[:15], 16) if repeats else seed
            transformed = step.apply_checked(clip, seed=own_seed)
            clip = transformed.clip
            checks.update({f"{number}.{name}": v for name, v in transformed.checks.items()})
        return Transformed(clip, checks)

    def render(self, samples: Samples, sample_rate: int, rng: np.random.Generator) -> Samples:
        raise NotImplementedError  # apply_checked runs the steps, each with its own checks


def modules_of(transform: Transform) -> list[str]:
    """Return the modules of families that are not of this package, of a chain those of its steps.

    Importing them makes the name of the transformation one that can be parsed.
    """
    steps = transform.steps if isinstance(transform, Chain) else (transform,)
    ours = __name__.partition(".")[0]
    modules = dict.fromkeys(type(step).__module__ for step in steps)
    return [module for module in modules if module.partition(".")[0] != ours]


def engine_of(obj: object) -> type[Board] | type[Audiomentation] | None:
    """Return what adapts objects of the library that one is of; None for those of no library."""
    packages = {base.__module__.partition(".")[0] for base in type(obj).__mro__}
    if packages & {"pedalboard", "pedalboard_native"}:
        return Board
    return Audiomentation if "audiomentations" in packages else None


def as_transform(
    obj: TransformLike,
    *,
    name: str | None = None,
    magnitude: float = 1.0,
    unit: str = "",
    restores_loudness: bool = True,
    correct_latency: bool | None = None,
) -> Transform:
    """Return anything that transforms audio as a `Transform`: a single point, see `family`.

    Results are kept beyond the run of boards and of audiomentations' transforms whose settings can
    be told: not of plug-ins of others, and of functions as `FunctionTransform` says.

    Parameters
    ----------
    obj : Transform, audiomentations transform, pedalboard board or effect, or callable
        A callable is ``fn(samples: float32[n], sample_rate: int) -> float[m]``.
    name : str, optional
        Name in reports; the class's or function's where omitted. Give different settings of one
        effect different names.
    magnitude, unit : float, str
        Position and unit on its axis in plots.
    restores_loudness : bool
        Whether loudness is brought back to the original's; False where loudness is what changes.
    correct_latency : bool, optional
        Whether a constant delay of 1 to 200 ms, such as a codec's, is measured by noise and taken
        out; measurements tell it. Where omitted, of boards and audiomentations' transforms, not of
        functions. False where the delay is what is tested.

    Raises
    ------
    TransformError
        If `obj` is none of these, or an audiomentations transform with a `p` below 1, which
        leaves clips unchanged at random; and for any option of what is a `Transform` already.
    """
    if isinstance(obj, Transform):
        asked = (name, magnitude, unit, restores_loudness, correct_latency)
        if asked != (None, 1.0, "", True, None):
            raise TransformError(
                f"{obj!r} is a transformation already; give the options where it is made"
            )
        return obj
    label = name or str(getattr(obj, "__name__", type(obj).__name__))
    if (engine := engine_of(obj)) is not None:
        corrected = correct_latency is not False
        return engine(obj, label, magnitude, unit, restores_loudness, corrected)
    if isinstance(obj, type) or not callable(obj):
        raise TransformError(
            f"{obj!r} is no transformation: pass one of pytest_nnrel's, such as"
            " PitchShift(semitones=1), an audiomentations transform, a pedalboard, or a function"
            " of (samples, sample_rate)"
        )
    return FunctionTransform(
        label,
        obj,
        magnitude=magnitude,
        unit=unit,
        restores_loudness=restores_loudness,
        correct_latency=bool(correct_latency),
    )

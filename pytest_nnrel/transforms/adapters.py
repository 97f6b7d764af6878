"""Transformations made of other things: functions, chains, audiomentations, pedalboards."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from pytest_nnrel.errors import MagnitudeError, TransformError
from pytest_nnrel.transforms.protocol import Identity, Transform, Transformed
from pytest_nnrel.versions import library_version

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np

    from pytest_nnrel.audio import Samples
    from pytest_nnrel.corpus import Clip
    from pytest_nnrel.identity import Behaviour
    from pytest_nnrel.transforms.protocol import Checks

# audiomentations draws from the global generators of random and numpy.
_STATE_LOCK = threading.Lock()


class _Unlisted(Transform):
    """A transformation of its own kind: a single point without a ladder."""

    identity: ClassVar[float] = float("nan")
    ladder: ClassVar[tuple[float, ...]] = ()
    bounds: ClassVar[tuple[float, float]] = (float("-inf"), float("inf"))

    @property
    def severity(self) -> float:
        return float("nan")

    def length(self, samples: int) -> None:
        return None


@dataclass(frozen=True)
class FunctionTransform(_Unlisted):
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
    """

    name: str
    fn: Callable[[Samples, int], Any] = field(repr=False)
    magnitude: float = 1.0
    unit: str = ""
    version: str | None = None

    symbol: ClassVar[str] = "FN"

    def recipe(self) -> dict[str, object] | None:
        if self.version is None:
            return None
        return {
            "transform": self.name,
            "magnitude": self.magnitude,
            "unit": self.unit,
            "version": self.version,
        }

    def render(self, samples: Samples, sample_rate: int, rng: np.random.Generator) -> Samples:
        return self.fn(samples, sample_rate)  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Chain(_Unlisted):
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

    def recipe(self) -> dict[str, object] | None:
        recipes = [step.recipe() for step in self.steps]
        return None if None in recipes else {"transform": self.name, "steps": recipes}

    def behaviour(self) -> Behaviour:
        from pytest_nnrel.identity import Behaviour
        from pytest_nnrel.store import digest

        steps = [step.behaviour() for step in self.steps]
        unknown = tuple(part for step in steps for part in step.unknown)
        return Behaviour(digest(self.name, [step.digest for step in steps]), unknown)

    def apply_checked(self, clip: Clip, *, seed: int | None = None) -> Transformed:
        from pytest_nnrel import settings
        from pytest_nnrel.store import digest

        seed = settings.active().seed if seed is None else seed
        checks: Checks = {}
        for number, step in enumerate(self.steps, start=1):
            # The same noise twice in a chain is two noises.
            repeats = self.steps[: number - 1].count(step)
            own_seed = int(digest("repeat", seed, repeats)[:15], 16) if repeats else seed
            transformed = step.apply_checked(clip, seed=own_seed)
            clip = transformed.clip
            checks.update({f"{number}.{name}": v for name, v in transformed.checks.items()})
        return Transformed(clip, checks)

    def render(self, samples: Samples, sample_rate: int, rng: np.random.Generator) -> Samples:
        raise NotImplementedError  # apply_checked runs the steps, each with its own checks


@dataclass(frozen=True)
class _Board(_Unlisted):
    """A pedalboard effect or board, reset before each clip."""

    board: Any = field(repr=False)
    name: str
    magnitude: float
    unit: str

    symbol: ClassVar[str] = "PB"

    def recipe(self) -> dict[str, object] | None:
        plugins = list(self.board) if hasattr(self.board, "__iter__") else [self.board]
        if any(type(plugin).__module__ != "pedalboard_native" for plugin in plugins):
            return None  # external plug-ins keep state that cannot be read off
        described = [_attributes(plugin) for plugin in plugins]
        if None in described:
            return None
        return {
            "transform": self.name,
            "pedalboard": library_version("pedalboard"),
            "board": described,
        }

    def render(self, samples: Samples, sample_rate: int, rng: np.random.Generator) -> Samples:
        with _STATE_LOCK:  # effects keep state between calls
            return self.board(samples[None], float(sample_rate), reset=True)[0]  # type: ignore[no-any-return]


@dataclass(frozen=True)
class _Audiomentation(_Unlisted):
    """An audiomentations transform, its random choices seeded per clip."""

    augment: Any = field(repr=False)
    name: str
    magnitude: float
    unit: str

    symbol: ClassVar[str] = "AM"

    def __post_init__(self) -> None:
        at_random = [
            f"{type(part).__name__}(p={part.p:g})"
            for part in _parts_of(self.augment)
            if getattr(part, "p", 1.0) < 1.0
        ]
        if at_random:
            raise TransformError(
                f"{self.name}: {', '.join(at_random)} leaves clips unchanged at random, each of"
                " which counts as nearest to itself; pass p=1.0 (audiomentations' own default is"
                " 0.5)"
            )

    def recipe(self) -> dict[str, object] | None:
        return None  # parameters may be files and functions; results last for the run

    def behaviour(self) -> Behaviour:
        from pytest_nnrel.identity import behaviour_of

        return behaviour_of(self, passing_over=_is_drawn_anew)

    def render(self, samples: Samples, sample_rate: int, rng: np.random.Generator) -> Samples:
        import random

        import numpy as np

        seed = int(rng.integers(2**32))
        with _STATE_LOCK:
            python_state, numpy_state = random.getstate(), np.random.get_state()
            random.seed(seed)
            np.random.seed(seed)
            try:
                return self.augment(samples=samples, sample_rate=sample_rate)  # type: ignore[no-any-return]
            finally:
                random.setstate(python_state)
                np.random.set_state(numpy_state)


def modules_of(transform: Transform) -> list[str]:
    """Return the modules of families that are not of this package, of a chain those of its steps.

    Importing them makes the name of the transformation one that can be parsed.
    """
    steps = transform.steps if isinstance(transform, Chain) else (transform,)
    ours = __name__.partition(".")[0]
    modules = dict.fromkeys(type(step).__module__ for step in steps)
    return [module for module in modules if module.partition(".")[0] != ours]


def _parts_of(augment: Any) -> Iterator[Any]:  # noqa: ANN401
    """Yield an audiomentations transform and, of a composition, those that it is made of."""
    yield augment
    for part in getattr(augment, "transforms", ()):
        yield from _parts_of(part)


def _is_drawn_anew(owner: object, attribute: str) -> bool:
    """Tell whether an attribute holds what an audiomentations transform drew for its last clip."""
    return attribute == "parameters" and getattr(owner, "are_parameters_frozen", None) is False


def as_transform(
    obj: Any,  # noqa: ANN401
    *,
    name: str | None = None,
    magnitude: float = 1.0,
    unit: str = "",
) -> Transform:
    """Return anything that transforms audio as a `Transform`.

    Parameters
    ----------
    obj : Transform, audiomentations transform, pedalboard board or effect, or callable
        A callable is ``fn(samples: float32[n], sample_rate: int) -> float[m]``.
    name : str, optional
        Name in reports; the class's or function's where omitted. Give different settings of one
        effect different names.
    magnitude, unit : float, str
        Position and unit on its axis in plots.

    Raises
    ------
    TransformError
        If `obj` is none of these, or an audiomentations transform with a `p` below 1, which
        leaves clips unchanged at random.
    """
    if isinstance(obj, Transform):
        return obj
    label = name or str(getattr(obj, "__name__", type(obj).__name__))
    packages = {base.__module__.partition(".")[0] for base in type(obj).__mro__}
    if packages & {"pedalboard", "pedalboard_native"}:
        return _Board(obj, label, magnitude, unit)
    if "audiomentations" in packages:
        return _Audiomentation(obj, label, magnitude, unit)
    if isinstance(obj, type) or not callable(obj):
        raise TransformError(
            f"{obj!r} is no transformation: pass one of pytest_nnrel's, such as"
            " PitchShift(semitones=1), an audiomentations transform, a pedalboard, or a function"
            " of (samples, sample_rate)"
        )
    return FunctionTransform(label, obj, magnitude=magnitude, unit=unit)


def _attributes(effect: Any) -> dict[str, object] | None:  # noqa: ANN401
    """Return all that an effect of pedalboard is set to; None where some of it cannot be told."""
    import numpy as np

    from pytest_nnrel.store import digest

    described: dict[str, object] = {"class": type(effect).__name__}
    for attribute in dir(effect):
        value = getattr(effect, attribute)
        if attribute.startswith("_") or callable(value):
            continue
        if value is None or isinstance(value, bool | int | float | str):
            if value is not None and attribute.endswith("filename"):
                return None  # what the file held when the effect was made is not told
            described[attribute] = value
        elif isinstance(value, np.ndarray):  # an impulse response
            described[attribute] = digest(value)
        elif hasattr(type(value), "__members__"):  # an enumeration
            described[attribute] = str(value)
        else:
            return None
    return described

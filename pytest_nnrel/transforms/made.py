"""Families in one line, of an effect, an augmentation or a function."""

from __future__ import annotations

import inspect
import math
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from pytest_nnrel.errors import FamilyError, TransformError
from pytest_nnrel.transforms.adapters import FunctionTransform, as_transform, engine_of
from pytest_nnrel.transforms.engines import STATE_LOCK
from pytest_nnrel.transforms.protocol import Transform
from pytest_nnrel.transforms.registry import tell_unversioned

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import numpy as np

    from pytest_nnrel.corpus.audio import Samples
    from pytest_nnrel.transforms.output import Checks


class MadeFamily(Transform):
    """What families that `family` makes share: each magnitude has an effect of its own.

    Parameters
    ----------
    magnitude : float
    **named
        The same by its name, which is that of the first parameter of what makes the effect.
    """

    ladder: ClassVar[tuple[float, ...]] = ()  # of families that are made
    #: Whether the output must be as long as the input, and `as_transform`'s.
    keeps_length: ClassVar[bool]
    correct_latency: ClassVar[bool | None]

    if TYPE_CHECKING:

        def __init__(self, magnitude: float = ..., /, **named: float) -> None: ...

    @staticmethod
    def make(magnitude: float) -> Any:  # noqa: ANN401
        """Return an effect, an augmentation or a function of (samples, sample_rate)."""
        raise NotImplementedError

    def effect(self) -> Transform:
        """Return the effect of this magnitude, made anew."""
        whole = all(rung == int(rung) for rung in (*self.ladder, *self.negative_ladder))
        given = int(self.magnitude) if whole and self.magnitude.is_integer() else self.magnitude
        made = self.make(given)
        if isinstance(made, Transform):
            raise TransformError(
                f"make returned {made!r}, which is a transformation already; return an effect, an"
                " augmentation or a function of (samples, sample_rate)"
            )
        return as_transform(
            made,
            name=self.name,
            magnitude=self.magnitude,
            unit=self.unit,
            restores_loudness=self.restores_loudness,
            correct_latency=self.correct_latency,
        )

    def length(self, samples: int) -> int | None:
        return samples if self.keeps_length else None

    def render(
        self, samples: Samples, sample_rate: int, rng: np.random.Generator
    ) -> Samples | tuple[Samples, Checks]:
        with STATE_LOCK:  # one effect may be set to a magnitude after the other
            effect = self.effect()
            if not isinstance(effect, FunctionTransform):
                return effect.render(samples, sample_rate, rng)
        return effect.render(samples, sample_rate, rng)

    def recipe(self) -> dict[str, object] | None:
        told = {
            "transform": self.name,
            "restores_loudness": self.restores_loudness,
            "correct_latency": self.correct_latency,
        }
        if self.version is not None:
            return {**told, "version": self.version}
        with STATE_LOCK:
            effect = self.effect()
            recipe = None if isinstance(effect, FunctionTransform) else effect.recipe()
        if isinstance(effect, FunctionTransform):
            from pytest_nnrel.identity import behaviour_of

            done = behaviour_of(self.make)
            recipe = {**told, "code": done.digest} if done.known else None
        if recipe is None:
            tell_unversioned(type(self), 'pass version="1" to family(...)')
        return recipe


def family(
    name: str,
    make: Callable[..., Any],
    *,
    ladder: Iterable[float],
    unit: str,
    negative_ladder: Iterable[float] = (),
    identity: float | None = None,
    points: Iterable[float] = (),
    version: str | None = None,
    restores_loudness: bool = True,
    correct_latency: bool | None = None,
    keeps_length: bool = True,
) -> type[MadeFamily]:
    """Make a family of transformations of an effect, an augmentation or a function.

    It is known by its name from then on, and searched, drawn, parsed and reported as any other;
    `check_family` tries it. For options and for more to be told of a magnitude, subclass
    `Transform`.

    Parameters
    ----------
    name : str
        Of the family. Give the result the same name, so that processes can be sent it.
    make : callable
        ``make(magnitude)`` returns a pedalboard effect or board, an audiomentations transform or a
        function ``(samples: float32[n], sample_rate: int) -> float[n]``. Or it is itself a
        function ``(samples, sample_rate, magnitude)``. Its magnitude's name is that of the
        family's; the magnitude is an int where those of the ladder are whole.
    ladder : iterable of float
        Magnitudes of the severities 1, 2, ...: the damage grows.
    unit : str
        Of the magnitude.
    negative_ladder : iterable of float
        Those of the severities -1, -2, ..., where there are two directions.
    identity : float, optional
        Magnitude that changes nothing. Where omitted, none does: the ladder comes from beyond its
        first rung.
    points : iterable of float
        Magnitudes for ``--nnrel-grid=NAME``.
    version : str, optional
        Changed whenever what `make` reads from elsewhere (files, weights) does otherwise. Without
        one, results are kept beyond the run where the effect's settings, or the function's code
        and what it holds, can be told.
    restores_loudness : bool
        Whether loudness is brought back to the original's; False where loudness is what changes.
    correct_latency : bool, optional
        As of `as_transform`.
    keeps_length : bool
        False where the output may be shorter or longer than the input.

    Returns
    -------
    class
        A subclass of `Transform`.

    Raises
    ------
    FamilyError
        If `make` takes no magnitude, the ladder is empty, holds the identity or leads not away
        from it step by step, or the name is none or taken.
    """
    if not isinstance(name, str) or not name.isidentifier():
        raise FamilyError(f"a family's name is one of Python's, such as Bitcrush, not {name!r}")
    parameter, made = _maker(name, make)
    rungs = {
        "ladder": _numbers(name, "ladder", ladder),
        "negative_ladder": _numbers(name, "negative_ladder", negative_ladder),
        "points": _numbers(name, "points", points),
    }
    declared = {
        "__doc__": f"{name}, made by `family`.",
        "__module__": sys._getframe(1).f_globals.get("__name__", "__main__"),
        "__qualname__": name,
        "__annotations__": {parameter: float},
        "make": staticmethod(made),
        "unit": unit,
        "identity": _identity(name, identity, **rungs),
        "version": version,
        "restores_loudness": restores_loudness,
        "correct_latency": correct_latency,
        "keeps_length": keeps_length,
        **rungs,
    }
    return dataclass(frozen=True)(type(name, (MadeFamily,), declared))


def _numbers(name: str, what: str, given: Iterable[float]) -> tuple[float, ...]:
    try:
        numbers = tuple(given)
    except TypeError as error:
        raise FamilyError(f"{name}: {what} must be magnitudes, not {given!r}") from error
    # As Python's, which are shown as they were written.
    return tuple(n.item() if hasattr(n, "item") else n for n in numbers)


def _identity(
    name: str,
    identity: float | None,
    *,
    ladder: tuple[float, ...],
    negative_ladder: tuple[float, ...],
    points: tuple[float, ...],
) -> float:
    """Return the magnitude that changes nothing; where none is given, the limit of the ladder."""
    if not ladder:
        raise FamilyError(
            f"{name}: ladder is empty; give the magnitudes of the severities 1, 2, ..., the mildest"
            " first"
        )
    if identity is not None:
        return identity
    if negative_ladder:
        raise FamilyError(
            f"{name}: a ladder of two directions needs identity=..., the magnitude between them"
            " that changes nothing"
        )
    try:
        return -math.inf if ladder[-1] > ladder[0] else math.inf
    except TypeError:
        return math.inf  # what is no number is told when the class is made


def _maker(name: str, make: Callable[..., Any]) -> tuple[str, Callable[[float], Any]]:
    """Return what makes the effect of a magnitude, and the magnitude's name."""
    if not callable(make):
        raise FamilyError(f"{name}: make must be a function of the magnitude, not {make!r}")
    if engine_of(make) is not None and not isinstance(make, type):
        raise FamilyError(
            f"{name}: make is {make!r} itself; pass what makes one of a magnitude, such as"
            " lambda bits: pedalboard.Bitcrush(bits)"
        )
    try:
        signature = inspect.signature(make)
    except ValueError:  # a class of a compiled library
        return "magnitude", make
    parameters = list(signature.parameters.values())
    if _takes(signature, 1):
        return _field(parameters[0]), make
    if _takes(signature, 3):

        def of_magnitude(magnitude: float) -> Callable[[Samples, int], Any]:
            return lambda samples, sample_rate: make(samples, sample_rate, magnitude)

        return _field(parameters[min(2, len(parameters) - 1)]), of_magnitude
    raise FamilyError(
        f"{name}: make takes {signature}, but must take the magnitude, or samples, sample rate and"
        " magnitude"
    )


def _takes(signature: inspect.Signature, count: int) -> bool:
    try:
        signature.bind(*range(count))
    except TypeError:
        return False
    return True


def _field(parameter: inspect.Parameter) -> str:
    """Return the name of a parameter, where a family has nothing else of this name."""
    name = parameter.name
    taken = name.startswith("_") or any(
        name in vars(base) or name in inspect.get_annotations(base) for base in MadeFamily.__mro__
    )
    free = not taken and name not in _DECLARED and parameter.kind not in _VARIADIC
    return name if free else "magnitude"


#: What a family declares that no class above it has.
_DECLARED = ("unit",)
_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)

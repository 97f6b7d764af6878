"""What a transformation is: a family at a magnitude, deterministic, verified, loudness restored.

Standard library only at import, so that a test run can be collected without numpy.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from pytest_nnrel.errors import FamilyError, MagnitudeError, NNRelError, TransformError
from pytest_nnrel.runtime.printing import AsItsRepr
from pytest_nnrel.runtime.registry import is_abstract
from pytest_nnrel.runtime.scalars import is_real
from pytest_nnrel.transforms.ladders import severity_of
from pytest_nnrel.transforms.output import check_length, restore_loudness, signal_of
from pytest_nnrel.transforms.registry import register, tell_unversioned

if TYPE_CHECKING:
    import numpy as np

    from pytest_nnrel.corpus import Clip
    from pytest_nnrel.corpus.audio import Samples
    from pytest_nnrel.identity import Behaviour
    from pytest_nnrel.transforms.adversarial import Aim, AimAt
    from pytest_nnrel.transforms.output import Checks


@dataclass(frozen=True)
class Transformed:
    """A transformed clip, and what was verified about it."""

    clip: Clip
    checks: Checks


if TYPE_CHECKING:
    _derived = property
else:

    class _derived:  # noqa: N801  # used as `property` is
        """A property in whose place a dataclass may have a field of the same name."""

        def __init__(self, getter: Callable[[Any], Any]) -> None:
            self._getter = getter
            self.__doc__ = getter.__doc__

        def __set_name__(self, owner: type, name: str) -> None:
            self._name = name

        def __get__(self, instance: object, owner: type) -> Any:  # noqa: ANN401
            if instance is None:  # a dataclass would take what it got for the field's default
                raise AttributeError(f"{owner.__name__} has {self._name} of instances only")
            return self._getter(instance)


class Transform(ABC):
    """A musically meaningful transformation at one magnitude.

    A subclass is a *family*: a frozen dataclass whose first field is the magnitude. It declares
    `unit`, `identity` and `ladder`, and has a `render`. To define it is to register it: it can be
    searched, drawn, parsed and reported from then on. See `check_family`.

    Raises
    ------
    FamilyError
        When a class is defined that declares its ladder wrongly, or whose name is taken.
    """

    _repr_pretty_ = AsItsRepr()

    #: The paper's abbreviation, used in plots and file names; the class's name where not declared.
    symbol: ClassVar[str]
    #: Magnitude that changes nothing; infinite where only the limit does.
    identity: ClassVar[float]
    #: Magnitudes of the severities 1, 2, ..., away from the identity: the damage grows.
    ladder: ClassVar[tuple[float, ...]]
    #: Those of the severities -1, -2, ..., where there are two directions.
    negative_ladder: ClassVar[tuple[float, ...]] = ()
    #: Smallest and largest magnitude, in `unit`: the ends of the ladder.
    bounds: ClassVar[tuple[float, float]]
    #: Magnitudes for a grid, such as one hardly audible, one plain and one grave.
    points: ClassVar[tuple[float, ...]] = ()
    #: Whether what it does depends on an encoder: it is then not drawn unasked.
    of_encoder: ClassVar[bool] = False
    if TYPE_CHECKING:  # constants of a family, or fields

        @property
        def unit(self) -> str:
            """Unit of the magnitude."""

        @property
        def version(self) -> str | None:
            """Changed whenever what it reads from elsewhere makes it do otherwise.

            Such as files and weights: its code is looked at besides. Without a version, results of
            a family that is not of this package are kept for the run only.
            """

        @property
        def restores_loudness(self) -> bool:
            """Whether loudness is brought back to the original's afterwards."""

        @property
        def control(self) -> Transform | None:
            """What is measured beside it, to tell its effect from that of any change as large."""

        @property
        def aims(self) -> tuple[Aim, ...]:
            """What it is aimed at, where it is an attack, and is; of a chain, of all steps."""

        @property
        def batch(self) -> int:
            """Clips that it is best applied to at a time."""
    else:
        version = None
        restores_loudness = True
        control = None
        aims = ()
        batch = 1

    def __init_subclass__(cls, **options: Any) -> None:  # noqa: ANN401
        super().__init_subclass__(**options)
        # There before the class is made a dataclass, it is not replaced.
        cls.__repr__ = cls.__repr__  # type: ignore[method-assign]
        # What has an abstract method left is shared by families; an empty ladder is a single point.
        if not is_abstract(cls) and getattr(cls, "ladder", None) != ():
            register(cls)

    def __post_init__(self) -> None:
        if self.ladder:
            name = _magnitude_field(type(self))
            magnitude = checked_magnitude(type(self), name, getattr(self, name))
            object.__setattr__(self, name, magnitude)

    @_derived
    def name(self) -> str:
        """The call that makes this transformation, such as ``PitchShift(semitones=2)``."""
        if self.ladder:
            _magnitude_field(type(self))  # says so where it is no dataclass
        fields = dataclasses.fields(self)  # type: ignore[arg-type]  # families are dataclasses
        return self._call(fields, lambda v: f"{v:.10g}" if isinstance(v, float) else repr(v))

    def __repr__(self) -> str:
        """Return `name`, its floats to the last digit."""
        if not dataclasses.is_dataclass(self):
            return super().__repr__()
        return self._call([spec for spec in dataclasses.fields(self) if spec.repr], repr)

    def _call(self, fields: Iterable[dataclasses.Field[Any]], shown: Callable[[Any], str]) -> str:
        """Return the call that makes this transformation, without what is as it is by default."""
        arguments = []
        for spec in fields:
            value = getattr(self, spec.name)
            if spec.default is dataclasses.MISSING or value != spec.default:
                arguments.append(f"{spec.name}={shown(value)}")
        return f"{type(self).__name__}({', '.join(arguments)})"

    @_derived
    def magnitude(self) -> float:
        """Position on the family's axis, in `unit`."""
        return float(getattr(self, _magnitude_field(type(self))))

    @_derived
    def severity(self) -> float:
        """Position on the family's ladder; an integer for the magnitudes on a rung."""
        return severity_of(self.magnitude, self.identity, self.ladder, self.negative_ladder)

    @classmethod
    def severities(cls) -> range:
        """Return the rungs of the ladder, 0 among them."""
        return range(-len(cls.negative_ladder), len(cls.ladder) + 1)

    @classmethod
    def missing(cls) -> str:
        """Say what must be installed before it can be applied; nothing where all is there.

        A family of which something is missing is not drawn unless it is asked for.
        """
        return ""

    @abstractmethod
    def render(
        self, samples: Samples, sample_rate: int, rng: np.random.Generator
    ) -> Samples | tuple[Samples, Checks]:
        """Return transformed samples.

        Parameters
        ----------
        samples : float32[n]
            A source, mono, full scale at ±1; one's own to change.
        sample_rate : int
            In Hz.
        rng : Generator
            The only source of chance: seeded by the run's seed, the clip and the name.

        Returns
        -------
        float[m], or (float[m], dict of str to float)
            `length` samples, loudness not yet restored; and, where there is something to tell,
            what was verified about them.
        """

    def length(self, samples: int) -> int | None:
        """Return how many samples so many become; None where that is not known beforehand."""
        return samples

    @classmethod
    def from_severity(cls, severity: int) -> Transform:
        """Return the transformation on a rung of the ladder; `Identity` on rung 0.

        Raises
        ------
        MagnitudeError
            If there is no such rung.
        """
        if severity not in cls.severities():
            rungs = cls.severities()
            raise MagnitudeError(
                f"{cls.__name__} has the severities {rungs[0]} to {rungs[-1]}, not {severity!r}"
            )
        if severity == 0:
            return Identity()
        return cls(**{_magnitude_field(cls): cls._magnitude_on(severity)})

    def on_rung(self, severity: int) -> Transform:
        """Return the transformation on another rung, its options kept; `Identity` on rung 0.

        Raises
        ------
        MagnitudeError
            If there is no such rung.
        """
        rung = self.from_severity(severity)
        if isinstance(rung, Identity):
            return rung
        changed = {_magnitude_field(type(self)): self._magnitude_on(severity)}
        return dataclasses.replace(self, **changed)  # type: ignore[type-var]  # a dataclass

    @classmethod
    def _magnitude_on(cls, severity: int) -> float:
        rungs = cls.ladder if severity > 0 else cls.negative_ladder
        return rungs[abs(severity) - 1]

    def __str__(self) -> str:
        return self.name

    def condition(self, sample_rate: int) -> Transform:
        """Return the transformation that this one really is at a sample rate.

        Magnitudes that cannot be told apart are one condition: they are measured once, under the
        name of the one that this method returns.
        """
        return Identity() if self.magnitude == self.identity else self

    def applies_at(self, sample_rate: int) -> bool:
        """Tell whether there is such a thing at a sample rate; ladders end where there is none."""
        return True

    def aimed(self, at: AimAt) -> Transform:
        """Return the transformation as it is of the encoder that is measured: for most, itself.

        Parameters
        ----------
        at : callable
            Given the encoder that an attack names, or None, returns what it is aimed at.
        """
        return self

    def recipe(self) -> dict[str, object] | None:
        """Return all that decides the output besides clip and seed, as plain values.

        Returns
        -------
        dict or None
            None where that cannot be known, as for a Python function or a family defined
            elsewhere without a `version`: results then last for the run, not for later ones.
        """
        recipe: dict[str, object] = {"transform": self.name, **self._engine_recipe()}
        if type(self).__module__.partition(".")[0] == __name__.partition(".")[0]:
            return recipe
        if self.version is None:
            tell_unversioned(type(self))
            return None
        return {**recipe, "version": self.version}

    def behaviour(self) -> Behaviour:
        """Return what it does, as far as can be told; looked up anew, as code and state change.

        A recipe vouches for the state: then only code is looked at.
        """
        from pytest_nnrel.identity import behaviour_of

        return behaviour_of(self, state=self.recipe() is None)

    def _engine_recipe(self) -> dict[str, object]:
        """Return names, versions and options of the libraries that do the work."""
        return {}

    def apply(self, clip: Clip, *, seed: int | None = None) -> Clip:
        """Transform a clip and bring its loudness back to the original's (EBU R 128, gain only).

        Parameters
        ----------
        clip : Clip
            A source; windows are cut afterwards.
        seed : int, optional
            The run's where omitted. Random parts are derived from it, the clip's id and this
            transformation's name.

        Returns
        -------
        Clip
            As long as the transformation makes it. Samples may exceed ±1.

        Raises
        ------
        CorpusError
            If it is no clip.
        TransformError
            If the output is not what the transformation promises: length, lag, signal-to-noise
            ratio, loudness, finite samples.
        """
        from pytest_nnrel.corpus.clip import as_clip

        return self.apply_checked(as_clip(clip, f"{self.name}.apply"), seed=seed).clip

    def apply_checked(self, clip: Clip, *, seed: int | None = None) -> Transformed:
        """Transform a clip as `apply` does, and return what was verified along with it."""
        try:
            samples, checks = self._rendered(clip, self._rng(clip, seed))
            if self.restores_loudness:
                samples, gain = restore_loudness(samples, clip)
                checks = {**checks, **gain}
        except TransformError as error:
            raise type(error)(f"{self.name} on clip {clip.id!r}: {error}") from error
        return Transformed(clip.with_samples(samples), checks)

    def apply_all(self, clips: Iterable[Clip], *, seed: int | None = None) -> Iterator[Transformed]:
        """Transform clips as `apply_checked` does each; `batch` of them at a time is best."""
        return (self.apply_checked(clip, seed=seed) for clip in clips)

    def _rng(self, clip: Clip, seed: int | None) -> np.random.Generator:
        """Return the source of chance of a clip."""
        import numpy as np

        from pytest_nnrel.runtime import settings
        from pytest_nnrel.runtime.store import digest

        seed = settings.seed_or_own(seed)
        return np.random.default_rng(int(digest("noise", seed, clip.id, self.name), 16))

    def _rendered(self, clip: Clip, rng: np.random.Generator) -> tuple[Samples, Checks]:
        if self.magnitude == self.identity:
            return clip.samples, {}
        try:
            out = self.render(clip.samples.copy(), clip.sample_rate, rng)
        except NNRelError:
            raise
        except Exception as error:
            raise TransformError(f"it raised {type(error).__name__}: {error}") from error
        checks: Checks = {}
        if isinstance(out, tuple) and len(out) == 2 and isinstance(out[1], dict):
            out, checks = out
        samples = signal_of(out)
        expected = self.length(len(clip.samples))
        if expected is None:
            checks = {"length": float(len(samples)), **checks}
        elif len(samples) != expected:
            raise TransformError(f"the output has {len(samples)} samples instead of {expected}")
        check_length(samples, clip)
        return samples, checks


def _magnitude_field(family: type[Transform]) -> str:
    """Return the name of the field that is a family's magnitude.

    Raises
    ------
    FamilyError
        If the family is no frozen dataclass with a field.
    """
    parameters = getattr(family, "__dataclass_params__", None)
    if parameters is None or not parameters.frozen or not dataclasses.fields(family):  # type: ignore[arg-type]
        raise FamilyError(
            f"{family.__name__} must be a dataclass, decorated with @dataclass(frozen=True), whose"
            f" first field is the magnitude in {family.unit}"
        )
    return dataclasses.fields(family)[0].name  # type: ignore[arg-type]


@dataclass(frozen=True)
class Identity(Transform):
    """The original itself (the paper's OG)."""

    symbol: ClassVar[str] = "OG"
    unit: ClassVar[str] = ""
    identity: ClassVar[float] = 0.0
    ladder: ClassVar[tuple[float, ...]] = ()
    bounds: ClassVar[tuple[float, float]] = (0.0, 0.0)
    restores_loudness: ClassVar[bool] = False

    @property
    def magnitude(self) -> float:
        return 0.0

    @property
    def severity(self) -> float:
        return 0.0

    def render(self, samples: Samples, sample_rate: int, rng: np.random.Generator) -> Samples:
        return samples


def checked_magnitude(family: type[Transform], field: str, value: Any) -> float:  # noqa: ANN401
    """Return a magnitude as float.

    Raises
    ------
    MagnitudeError
        If it is no number, is NaN, or lies outside the family's bounds.
    """
    low, high = family.bounds
    expected = f"{family.__name__}({field}=...) takes {low:g} to {high:g} {family.unit}"
    if not is_real(value):
        raise MagnitudeError(f"{expected}, not {value!r}")
    try:
        number = float(value)
    except OverflowError as error:
        raise MagnitudeError(f"{expected}, not {value!r}") from error
    if not low <= number <= high:  # also false for NaN
        raise MagnitudeError(f"{expected}, not {value!r}")
    return number + 0.0  # turns -0.0 into 0.0


TransformLike: TypeAlias = Transform | Callable[..., Any]
"""What every function takes that takes a transformation: whatever `as_transform` takes.

A `Transform`, or what is called: an audiomentations transform, a pedalboard, a function.
"""

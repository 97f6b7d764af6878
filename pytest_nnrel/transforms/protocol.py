"""What a transformation is: a family at a magnitude, deterministic, verified, loudness restored.

Standard library only at import, so that a test run can be collected without numpy.
"""

from __future__ import annotations

import dataclasses
import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING, Any, ClassVar

from pytest_nnrel.errors import MagnitudeError, TransformError
from pytest_nnrel.printing import AsItsRepr

if TYPE_CHECKING:
    import numpy as np

    from pytest_nnrel.audio import Samples
    from pytest_nnrel.corpus import Clip
    from pytest_nnrel.identity import Behaviour

    #: What a transformation verified about its own output: lengths in samples, levels in dB.
    Checks = dict[str, float]

#: Deviation of the restored loudness that is still called restored, in LU (EBU Tech 3341: ±0.1).
LOUDNESS_TOLERANCE = 0.1
#: Deviation at which no further gain is tried, and gains that are.
_LOUDNESS_REACHED = 1e-9
_GAIN_STEPS = 16
#: Shortest output, of a clip that is longer: the step by which loudness is measured.
_LEAST_SECONDS = 0.1


@dataclass(frozen=True)
class Transformed:
    """A transformed clip, and what was verified about it."""

    clip: Clip
    checks: Checks


class Transform(ABC):
    """A musically meaningful transformation at one magnitude.

    A subclass is a *family*: it names its unit, identity and bounds, and maps magnitudes to a
    ladder of integer severities, 0 for the identity, growing with the damage, signed where there
    are two directions.
    """

    if TYPE_CHECKING:  # a family has these as fields, properties or constants

        @property
        def name(self) -> str:
            """The call that makes this transformation, such as ``PitchShift(semitones=2)``."""

        @property
        def magnitude(self) -> float:
            """Position on the family's axis, in `unit`."""

        @property
        def unit(self) -> str:
            """Unit of the magnitude."""

    _repr_pretty_ = AsItsRepr()

    #: The paper's abbreviation, used in plots and file names.
    symbol: ClassVar[str]
    #: Magnitude that changes nothing; infinite where only the limit does.
    identity: ClassVar[float]
    #: Smallest and largest magnitude, in `unit`.
    bounds: ClassVar[tuple[float, float]]
    #: Whether loudness is brought back to the original's afterwards.
    restores_loudness: ClassVar[bool] = True

    @property
    @abstractmethod
    def severity(self) -> float:
        """Position on the family's ladder; an integer for the magnitudes on a rung."""

    @classmethod
    @abstractmethod
    def severities(cls) -> range:
        """Return the rungs of the ladder, 0 among them."""

    @classmethod
    @abstractmethod
    def _on_rung(cls, severity: int) -> Transform:
        """Return the transformation on a rung other than 0."""

    @abstractmethod
    def _render(
        self, samples: Samples, sample_rate: int, rng: np.random.Generator
    ) -> tuple[Samples, Checks]:
        """Return transformed samples and what was verified, loudness not yet restored."""

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
        return Identity() if severity == 0 else cls._on_rung(int(severity))

    def __str__(self) -> str:
        return self.name

    def condition(self, sample_rate: int) -> Transform:
        """Return the transformation that this one really is at a sample rate.

        Magnitudes that cannot be told apart are one condition: they are measured once, under the
        name of the one that this method returns.
        """
        return Identity() if self.magnitude == self.identity else self

    def recipe(self) -> dict[str, object] | None:
        """Return all that decides the output besides clip and seed, as plain values.

        Returns
        -------
        dict or None
            None where that cannot be known, as for a Python function or a family defined
            elsewhere: results then last for the run, not for later ones.
        """
        if type(self).__module__.partition(".")[0] != __name__.partition(".")[0]:
            return None  # its code is in no key; it may override this method
        return {"transform": self.name, **self._engine_recipe()}

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
        TransformError
            If the output is not what the transformation promises: length, lag, signal-to-noise
            ratio, loudness, finite samples.
        """
        return self.apply_checked(clip, seed=seed).clip

    def apply_checked(self, clip: Clip, *, seed: int | None = None) -> Transformed:
        """Transform a clip as `apply` does, and return what was verified along with it."""
        import numpy as np

        from pytest_nnrel import settings
        from pytest_nnrel.store import digest

        seed = settings.active().seed if seed is None else seed
        rng = np.random.default_rng(int(digest("noise", seed, clip.id, self.name), 16))
        try:
            samples, checks = self._render(clip.samples, clip.sample_rate, rng)
            self._check_signal(samples)
            _check_length(samples, clip)
            if self.restores_loudness:
                samples, gain = _restore_loudness(samples, clip)
                checks = {**checks, **gain}
        except TransformError as error:
            raise type(error)(f"{self.name} on clip {clip.id!r}: {error}") from error
        return Transformed(clip.with_samples(samples), checks)

    @staticmethod
    def _check_signal(samples: Samples) -> None:
        import numpy as np

        if samples.ndim != 1 or samples.dtype.kind != "f" or len(samples) == 0:
            raise TransformError(
                "the output must be a mono float array of shape (n,), not"
                f" {samples.dtype}{list(samples.shape)}"
            )
        if not np.isfinite(samples).all():
            raise TransformError("the output holds NaN or infinite samples; return finite ones")


class Named(Transform):
    """A family whose fields are plain values, so that its call is its name."""

    @property
    def name(self) -> str:
        """The call that makes this transformation, such as ``PitchShift(semitones=2)``."""
        arguments = []
        for spec in dataclasses.fields(self):  # type: ignore[arg-type]  # families are dataclasses
            value = getattr(self, spec.name)
            if spec.default is dataclasses.MISSING or value != spec.default:
                shown = f"{value:.10g}" if isinstance(value, float) else repr(value)
                arguments.append(f"{spec.name}={shown}")
        return f"{type(self).__name__}({', '.join(arguments)})"

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
        magnitude = dataclasses.fields(self)[0].name  # type: ignore[arg-type]  # as above
        return dataclasses.replace(self, **{magnitude: getattr(rung, magnitude)})  # type: ignore[type-var]


def _check_length(samples: Samples, clip: Clip) -> None:
    if len(samples) < _LEAST_SECONDS * clip.sample_rate <= len(clip.samples):
        raise TransformError(
            f"the output has {len(samples)} samples of {len(clip.samples)}, less than"
            f" {_LEAST_SECONDS} s; return the whole clip"
        )


def _restore_loudness(samples: Samples, clip: Clip) -> tuple[Samples, Checks]:
    """Bring `samples` to the integrated loudness of `clip`; a silent clip is left as it is."""
    import numpy as np

    from pytest_nnrel.audio import block_powers, integrated_loudness

    target = clip.loudness
    if not math.isfinite(target):
        return samples, {"loudness_gain_db": 0.0}
    powers = block_powers(samples, clip.sample_rate)
    gain, deviation = 0.0, integrated_loudness(powers) - target
    if not math.isfinite(deviation):
        raise TransformError(
            "the output is silent (nothing above -70 LUFS), so that its loudness cannot be"
            " restored; use a milder magnitude, or leave the clip out"
        )
    # Which blocks pass the absolute gate depends on the gain, so that one step may miss.
    for _ in range(_GAIN_STEPS):
        gain -= deviation
        deviation = integrated_loudness(powers * 10.0 ** (gain / 10.0)) - target
        if abs(deviation) <= _LOUDNESS_REACHED:
            break
    if not abs(deviation) <= LOUDNESS_TOLERANCE:
        raise TransformError(
            f"loudness could not be restored: it is off by {deviation:.2f} LU, as parts of the clip"
            " are near silence; leave the clip out"
        )
    restored = np.multiply(samples, 10.0 ** (gain / 20.0), dtype=np.float64).astype(np.float32)
    return restored, {"loudness_gain_db": gain, "loudness_deviation_lu": deviation}


@dataclass(frozen=True)
class Identity(Named):
    """The original itself (the paper's OG)."""

    symbol: ClassVar[str] = "OG"
    unit: ClassVar[str] = ""
    identity: ClassVar[float] = 0.0
    bounds: ClassVar[tuple[float, float]] = (0.0, 0.0)
    restores_loudness: ClassVar[bool] = False

    @property
    def magnitude(self) -> float:
        return 0.0

    @property
    def severity(self) -> float:
        return 0.0

    @classmethod
    def severities(cls) -> range:
        return range(1)

    @classmethod
    def _on_rung(cls, severity: int) -> Transform:
        raise MagnitudeError("Identity has no severity but 0")

    def _render(
        self, samples: Samples, sample_rate: int, rng: np.random.Generator
    ) -> tuple[Samples, Checks]:
        return samples, {}


def checked_magnitude(family: type[Transform], field: str, value: Any) -> float:  # noqa: ANN401
    """Return a magnitude as float.

    Raises
    ------
    MagnitudeError
        If it is no number, is NaN, or lies outside the family's bounds.
    """
    low, high = family.bounds
    expected = f"{family.__name__}({field}=...) takes {low:g} to {high:g} {family.unit}"
    if not isinstance(value, Real) or isinstance(value, bool):
        raise MagnitudeError(f"{expected}, not {value!r}")
    try:
        number = float(value)
    except OverflowError as error:
        raise MagnitudeError(f"{expected}, not {value!r}") from error
    if not low <= number <= high:  # also false for NaN
        raise MagnitudeError(f"{expected}, not {value!r}")
    return number + 0.0  # turns -0.0 into 0.0


def to_pcm16(samples: Samples) -> tuple[np.ndarray[Any, np.dtype[np.int16]], float]:
    """Quantise to 16 bits by flooring, as libsndfile does; what exceeds ±1 is scaled down first.

    Returns
    -------
    pcm : int16[n]
    scale : float
        What to multiply by afterwards: 1 where nothing exceeds full scale. The step is the
        transformation's, and a clip that was too loud for it is not to be damaged by it.
    """
    import numpy as np

    scale = max(1.0, float(np.abs(samples).max(initial=0.0)))
    scaled = np.floor(samples.astype(np.float64) / scale * 32768.0)
    return np.clip(scaled, -32768.0, 32767.0).astype(np.int16), scale

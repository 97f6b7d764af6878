"""The worst case: the perturbation of a given energy that an encoder withstands least.

Standard library only at import. What is attacked, and how, is in `pytest_nnrel.experiment.attacks`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeAlias

from pytest_nnrel.errors import MagnitudeError, TransformError
from pytest_nnrel.runtime.scalars import is_whole
from pytest_nnrel.transforms.ladders import even_steps
from pytest_nnrel.transforms.noise import DB_PER_RUNG
from pytest_nnrel.transforms.protocol import Transform, Transformed

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from pytest_nnrel.corpus import Clip
    from pytest_nnrel.corpus.audio import Samples
    from pytest_nnrel.identity import Behaviour
    from pytest_nnrel.transforms.output import Checks

#: The ladder goes down from here, half a decibel a rung: encoders break at 70 dB and more.
FAINTEST_SNR_DB = 100.0


class Aim(Protocol):
    """What an attack is aimed at: an encoder, among the originals of a corpus."""

    @property
    def name(self) -> str:
        """What the encoder is called."""

    @property
    def told(self) -> str:
        """What it is known by."""

    @property
    def lasting(self) -> bool:
        """Whether that holds in later runs."""

    @property
    def batch_size(self) -> int:
        """Clips that are attacked at a time."""

    @property
    def stays_here(self) -> bool:
        """Whether the encoder cannot be sent to workers in other processes."""

    def perturbed(
        self, attack: Adversarial, clips: Sequence[Clip], rngs: Sequence[np.random.Generator]
    ) -> list[tuple[Samples, Checks]]:
        """Return the samples of clips under an attack, and what was verified about each."""


#: Gives what is aimed at: the encoder that is measured, where none is named.
AimAt: TypeAlias = Callable[[Any], Aim]


@dataclass(frozen=True)
class Adversarial(Transform):
    """Add what drives an embedding away from its own original and towards another.

    Of all perturbations of at most that energy it looks for the one under which another original is
    nearest: by projected gradient steps (Madry et al. 2018) in the L2 ball that the ratio gives,
    on the margin between the distances to the own original and to the nearest other, which is that
    of a classifier whose classes are the originals (Carlini and Wagner 2017). Energy is that of
    what the encoder hears, its window, and nothing is added outside of it. Random noise of the same
    energy (``steps=0``) is measured beside it.

    What is found is a perturbation that works, not that there is no smaller one: C_W is at most
    what is measured.

    Parameters
    ----------
    snr_db : float
        Ratio of the energy of what is heard and of the perturbation, from 0 to 100 dB.
    encoder : optional
        Whom it is made for, anything that `as_encoder` takes; the encoder that is measured where
        omitted. Of another it shows what transfers, also to encoders without gradients.
    steps : int
        Gradient steps of a start; 0 for random noise of that energy.
    restarts : int
        Starts: the first from the clip as it is, others from random perturbations.
    targeted : bool
        Towards the original that is nearest to the own one, whatever else is nearer on the way.

    Raises
    ------
    MagnitudeError
        For other values.
    GradientError
        When applied, if no gradients flow from the encoder's embeddings to its audio.
    """

    snr_db: float
    encoder: Any = None
    steps: int = 20
    restarts: int = 1
    targeted: bool = False
    aim: Aim | None = field(default=None, init=False, repr=False)

    symbol: ClassVar[str] = "ADV"
    unit: ClassVar[str] = "dB SNR"
    identity: ClassVar[float] = float("inf")
    ladder: ClassVar[tuple[float, ...]] = even_steps(FAINTEST_SNR_DB, 0.0, -DB_PER_RUNG)
    points: ClassVar[tuple[float, ...]] = (70.0, 50.0, 30.0)
    of_encoder: ClassVar[bool] = True
    #: It is what it is by its samples: a gain of a hundredth of a decibel moves some encoders more.
    restores_loudness: ClassVar[bool] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, least in (("steps", 0), ("restarts", 1)):
            number = getattr(self, name)
            if not is_whole(number) or number < least:
                raise MagnitudeError(
                    f"Adversarial({name}=...) takes {least} or more, a whole number, not {number!r}"
                )

    @property
    def name(self) -> str:
        """The call that makes this transformation; an encoder stands in it by its name."""
        shown = {
            spec.name: getattr(self, spec.name)
            for spec in dataclasses.fields(self)
            if spec.repr and getattr(self, spec.name) != spec.default
        }
        if self.encoder is not None:
            shown["encoder"] = _called(self.encoder)
        shown["snr_db"] = f"{self.snr_db:.10g}"
        return f"Adversarial({', '.join(f'{name}={value}' for name, value in shown.items())})"

    @property
    def control(self) -> Transform | None:
        """Random noise of the same energy, which tells an attacked encoder from a fragile one."""
        return self._with_aim(self.aim, steps=0, restarts=1, targeted=False) if self.steps else None

    @property
    def aims(self) -> tuple[Aim, ...]:
        """The encoder that is attacked, among the originals of a corpus."""
        return () if self.aim is None else (self.aim,)

    @property
    def batch(self) -> int:
        """Clips that are attacked at a time."""
        return 1 if self.aim is None else self.aim.batch_size

    def aimed(self, at: AimAt) -> Transform:
        return self._with_aim(at(self.encoder))

    def _with_aim(self, aim: Aim | None, **changed: Any) -> Adversarial:  # noqa: ANN401
        attack = dataclasses.replace(self, **changed)
        object.__setattr__(attack, "aim", aim)
        return attack

    def behaviour(self) -> Behaviour:
        from pytest_nnrel.identity import Behaviour
        from pytest_nnrel.runtime.store import digest

        # Of the attack alone, which recipes tell as well: what it is aimed at is known by itself.
        return Behaviour(digest(self.name), ())

    def apply_checked(self, clip: Clip, *, seed: int | None = None) -> Transformed:
        (transformed,) = self.apply_all([clip], seed=seed)
        return transformed

    def apply_all(self, clips: Iterable[Clip], *, seed: int | None = None) -> Iterator[Transformed]:
        if self.aim is None:
            raise TransformError(
                f"{self.name} attacks an encoder among the originals of a corpus, so that it cannot"
                " be applied to a clip by itself; measure it: within_consistency(encoder,"
                f" {self.name})"
            )
        clips = list(clips)
        rngs = [self._rng(clip, seed) for clip in clips]
        for clip, (samples, checks) in zip(clips, self.aim.perturbed(self, clips, rngs)):
            yield Transformed(clip.with_samples(samples), checks)

    def render(self, samples: Samples, sample_rate: int, rng: np.random.Generator) -> Samples:
        raise NotImplementedError  # apply_all attacks clips together


def _called(encoder: object) -> str:
    """Return how an encoder is called in the name of an attack; its fingerprint tells it apart."""
    if isinstance(encoder, str):
        return repr(encoder)
    own = getattr(encoder, "name", None) or getattr(encoder, "__name__", None)
    return repr(str(own or type(encoder).__name__))

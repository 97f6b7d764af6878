"""What a training draws from: of each transformation, the rungs from the mildest to itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_nnrel.corpus.audio import rate_problem
from pytest_nnrel.errors import SettingError
from pytest_nnrel.training.batched import BATCHED
from pytest_nnrel.transforms import Adversarial, Identity
from pytest_nnrel.transforms.grids import ladder, transforms_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np

    from pytest_nnrel.transforms import Transform
    from pytest_nnrel.transforms.protocol import TransformLike


@dataclass(frozen=True)
class Drawn:
    """A transformation, and what is drawn in its place.

    Attributes
    ----------
    gravest : Transform
        As it was given.
    rungs : tuple of Transform
        Conditions of its family from rung 1 to it, options kept; itself where it has no ladder.
    """

    gravest: Transform
    rungs: tuple[Transform, ...]

    @property
    def is_batched(self) -> bool:
        """Whether torch computes it of a whole batch, whoever is trained."""
        return type(self.gravest) in BATCHED

    @property
    def is_attack(self) -> bool:
        """Whether it is made for the encoder in training, as that is by now."""
        return isinstance(self.gravest, Adversarial)

    @property
    def is_pooled(self) -> bool:
        """Whether versions are rendered beforehand."""
        return not (self.is_batched or self.is_attack)

    @property
    def made(self) -> str:
        """How it is made, in a few words."""
        if self.is_attack:
            return "on the encoder"
        return "by torch" if self.is_batched else "from the pool"

    def draw(self, rng: np.random.Generator) -> Transform:
        """Return a rung; all are equally likely."""
        return self.rungs[int(rng.integers(len(self.rungs)))]


def drawn_of(transforms: str | Iterable[TransformLike], sample_rate: int) -> tuple[Drawn, ...]:
    """Return what is drawn in the place of transformations at a sample rate.

    Raises
    ------
    SettingError
        If there is none, one is there twice, changes nothing at that rate, or attacks what is not
        in training.
    """
    if problem := rate_problem(sample_rate):
        raise SettingError(problem)
    given = transforms_of(transforms)
    if not given:
        raise SettingError(
            "transforms must hold what the encoder is to survive, such as [PinkNoise(12)], and is"
            " empty"
        )
    for transform in given:
        if given.count(transform) > 1:
            raise SettingError(f"transforms holds {transform} twice; take one of them out")
        of_another = isinstance(transform, Adversarial) and transform.encoder is not None
        if of_another or (transform.of_encoder and not isinstance(transform, Adversarial)):
            raise SettingError(
                f"{transform} is made for an encoder that is not the one in training, or of several"
                " steps; give Adversarial(snr_db), which attacks the encoder as it is by then"
            )
    return tuple(Drawn(transform, _rungs_of(transform, sample_rate)) for transform in given)


def _rungs_of(transform: Transform, sample_rate: int) -> tuple[Transform, ...]:
    if not transform.ladder:
        return (transform,)
    if isinstance(transform.condition(sample_rate), Identity):
        raise SettingError(
            f"{transform} changes nothing at {sample_rate:,} Hz, so that nothing can be learnt from"
            " it; take a graver one"
        )
    (rungs,) = ladder(transform, sample_rate).values()
    return tuple(rung for rung in rungs if not isinstance(rung, Identity))

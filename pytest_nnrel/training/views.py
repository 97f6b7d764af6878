"""Transformed views of a batch of waveforms, drawn anew each time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from pytest_nnrel.corpus import Clip
from pytest_nnrel.errors import SettingError, TrainingError
from pytest_nnrel.training.attacked import attacked
from pytest_nnrel.training.batched import BATCHED
from pytest_nnrel.training.checks import check_waveforms, whole_number
from pytest_nnrel.training.drawn import drawn_of
from pytest_nnrel.training.loudness import restore_loudness
from pytest_nnrel.training.pool import TransformedPool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from torch import Tensor

    from pytest_nnrel.transforms import Transform
    from pytest_nnrel.transforms.protocol import TransformLike

#: Noise on which transformations are tried beforehand, in seconds.
_TRIED_SECONDS = 2.0


class TransformedViews:
    """Draws a transformed view of each waveform of a batch.

    For each waveform one of the transformations is drawn, all equally likely, and then a severity:
    a rung of its family's ladder from 1 to the given one, all equally likely. Families that are
    quick are computed by torch on the waveforms' device; attacks are made for the encoder as it is
    by then; of others a pool has versions.

    Parameters
    ----------
    transforms : iterable of Transform, or anything that `as_transform` takes; or a grid's name
        Each the gravest that is drawn of its family, in its direction.
    sample_rate : int
        Of the waveforms, in Hz.
    pool : TransformedPool, optional
        Versions of the clips that are trained on, of those families that are not quick.
    seed : int
        Of everything that is drawn.

    Attributes
    ----------
    pool : TransformedPool or None
        None where no transformation comes from it.
    drawn : int
        Batches that have been drawn so far. What is drawn follows from the seed, this number and,
        where torch.distributed is in use, the rank; never from global random states.

    Raises
    ------
    SettingError
        If the transformations are none, one changes nothing at that rate, or the pool is none.
    TrainingError
        If a pool is needed and not given, or is of another rate or without a transformation.
    TransformError
        If a transformation does not work at that rate.
    """

    def __init__(
        self,
        transforms: str | Iterable[TransformLike],
        *,
        sample_rate: int,
        pool: TransformedPool | None = None,
        seed: int = 0,
    ) -> None:
        self._all = drawn_of(transforms, sample_rate)
        if pool is not None and not isinstance(pool, TransformedPool):
            raise SettingError(
                f"pool takes a TransformedPool of the clips, not {type(pool).__name__}"
            )
        self.sample_rate = sample_rate
        self.seed = whole_number("seed", seed, 0)
        self.drawn = 0
        slow = [one.gravest for one in self._all if one.is_pooled]
        if slow and pool is None:
            raise TrainingError(
                f"{_listed(slow)} cannot be computed batch by batch: render versions of the clips"
                " beforehand, pool = TransformedPool(clips, transforms), and pass pool=pool, with"
                " indices= of the clips of each batch"
            )
        self.pool = pool if slow else None
        if self.pool is not None:
            self.pool.check_holds(slow, sample_rate)
        for one in self._all:
            if one.is_batched:
                one.gravest.apply(_noise(sample_rate), seed=0)  # says what does not work

    def __repr__(self) -> str:
        lines = [
            f"  {one.gravest}, {len(one.rungs)} {'rung' if len(one.rungs) == 1 else 'rungs'},"
            f" {one.made}"
            for one in self._all
        ]
        return "\n".join([f"TransformedViews at {self.sample_rate:,} Hz of", *lines])

    @torch.no_grad()
    def __call__(
        self,
        waveforms: Tensor,
        indices: Tensor | Sequence[int] | None = None,
        *,
        encode: Callable[[Tensor], Tensor] | None = None,
    ) -> Tensor:
        """Return a view of each waveform.

        Parameters
        ----------
        waveforms : float[n, samples]
            Full scale at ±1, on any device. Silent ones stay as they are under noise.
        indices : int[n], optional
            Which clips of the pool they are; needed where a transformation comes from it.
        encode : torch.nn.Module or callable, optional
            What is trained; needed where it is attacked.

        Returns
        -------
        float[n, samples]
            On the same device, in the same precision (computed in float32), without gradients.
            Loudness is that of the waveforms, as after `Transform.apply`.

        Raises
        ------
        TrainingError
            If the waveforms are no finite floats of that shape, not the clips of the pool, or
            nothing is there to be attacked.
        EncoderError, GradientError
            Of what is attacked.
        """
        check_waveforms(waveforms)
        if encode is None and any(one.is_attack for one in self._all):
            raise TrainingError(
                "an attack is made for the encoder in training, which must be given:"
                " views(waveforms, encode=encoder)"
            )
        rng = np.random.default_rng([self.seed, _rank(), self.drawn])
        self.drawn += 1
        chosen = rng.integers(len(self._all), size=len(waveforms)).tolist()
        # Outside of autocast, which would take products in half precision.
        with torch.autocast(waveforms.device.type, enabled=False):
            given = waveforms.float()
            out = torch.empty_like(given)
            self._compute(given, chosen, rng, out)
            if self.pool is not None:
                clips = self.pool.check_clips(given, indices)
                for row, which in enumerate(chosen):
                    if self._all[which].is_pooled:
                        version = self.pool.version(clips[row], self._all[which].gravest, rng)
                        out[row] = torch.from_numpy(version).to(out.device)
            out = out.to(waveforms.dtype)
            attacks = {
                row: self._all[which].draw(rng)
                for row, which in enumerate(chosen)
                if self._all[which].is_attack
            }
            if attacks and encode is not None:
                out[list(attacks)] = attacked(encode, waveforms, attacks, rng)
        return out

    def _compute(
        self, given: Tensor, chosen: Sequence[int], rng: np.random.Generator, out: Tensor
    ) -> None:
        """Transform those rows that torch does, family by family, into the rows of `out`."""
        generator = torch.Generator(given.device).manual_seed(int(rng.integers(2**63)))
        families: dict[type[Transform], dict[int, Transform]] = {}
        for row, which in enumerate(chosen):
            if self._all[which].is_batched:
                rung = self._all[which].draw(rng)
                families.setdefault(type(rung), {})[row] = rung
        for family, rungs in families.items():
            rows, asked = list(rungs), list(rungs.values())
            before = given[rows]
            after = BATCHED[family](before, asked, self.sample_rate, generator)
            if asked[0].restores_loudness:
                after = restore_loudness(after, before, self.sample_rate)
            out[rows] = after


def _noise(sample_rate: int) -> Clip:
    length = round(_TRIED_SECONDS * sample_rate)
    noise = 0.1 * np.random.default_rng(0).standard_normal(length)
    return Clip("noise", noise.astype(np.float32), sample_rate)


def _listed(transforms: Iterable[Transform]) -> str:
    return ", ".join(transform.name for transform in transforms)


def _rank() -> int:
    """Return which of several processes this is, that train together."""
    distributed = torch.distributed
    if distributed.is_available() and distributed.is_initialized():
        return int(distributed.get_rank())
    return 0

"""Projected gradient steps in an L2 ball, on the margin between own and nearest other original.

Torch is imported where it runs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import numpy.typing as npt

    from pytest_nnrel.corpus.audio import Samples

    Tensor = Any
    Rows = npt.NDArray[np.float64]

#: First step, as a share of the ball's radius; it goes down to nothing as a cosine does.
_FIRST_STEP = 0.5
#: Margin, as a share of the squared distance between both originals, at which a clip counts as lost
#: for good: rounding of another batch does not bring it back.
_LOST = 0.01


#: Distances that an embedding's length does not change, and that zeros do not have.
OF_DIRECTIONS = ("cosine", "angular")


@dataclass(frozen=True, eq=False)
class Found:
    """What was found of a batch of clips.

    Attributes
    ----------
    perturbations : float32[n, samples]
        Of which the margin is largest.
    margins : float64[n]
        As of `Logits.margins`, with gradients; above 0 another original is nearer.
    steps : int64[n]
        Gradient steps until then.
    flat : bool[n]
        Whether a clip was not lost, and its gradient zero, or not finite, wherever it was taken.
    """

    perturbations: Samples
    margins: Rows
    steps: npt.NDArray[np.int64]
    flat: npt.NDArray[np.bool_]


class Logits:
    """Originals as the classes of a classifier: how near an embedding is to each.

    Parameters
    ----------
    originals : float64[N, d]
    own : sequence of int
        Which of them the clips of a batch are.
    competing : bool[n, N]
        Which of them compete with each clip's own.
    distance : {"euclidean", "cosine", "angular", "dot"}
    """

    def __init__(
        self,
        originals: Rows,
        own: Sequence[int],
        competing: npt.NDArray[np.bool_],
        distance: str,
    ) -> None:
        import torch

        self._normalised = distance in OF_DIRECTIONS
        if self._normalised:
            originals = originals / np.linalg.norm(originals, axis=1, keepdims=True)
        # Distances are the same around any centre, and rounding is least around this one.
        centre = originals.mean(0) if distance == "euclidean" else np.zeros(1)
        rows = originals - centre
        squares = np.square(rows).sum(1) if distance == "euclidean" else np.zeros(len(rows))
        self._scale = 2.0 if distance == "euclidean" else 1.0
        norms = np.square(rows).sum(1)
        apart = norms[list(own)][:, None] + norms - 2.0 * rows[list(own)] @ rows.T
        nearest = np.where(competing, apart, np.inf).argmin(1)
        #: Tensors, on the device of the embeddings once these came.
        self._known = {
            name: torch.from_numpy(np.asarray(array))
            for name, array in {
                "rows": rows,
                "squares": squares,
                "centre": centre,
                "own": np.array(own),
                "competing": competing,
                "nearest": nearest,
                "apart": apart,
            }.items()
        }

    def margins(self, z: Tensor, *, targeted: bool = False) -> tuple[Tensor, Tensor]:
        """Return how much nearer embeddings are to another original than to their own.

        Parameters
        ----------
        z : float[n, d]
        targeted : bool
            Of the original that is nearest to the own one, whatever else is nearer.

        Returns
        -------
        margins : float64[n]
            ``d_own ** 2 - d_other ** 2`` of Euclidean distances, linear in z; of the others the
            difference of products.
        lost : bool[n]
            Where that is so beyond what rounding does.
        """
        z = z.double()
        if self._normalised:
            z = z / z.norm(dim=1, keepdim=True)
        known = self._known = {name: one.to(z.device) for name, one in self._known.items()}
        logits = self._scale * (z - known["centre"]) @ known["rows"].T - known["squares"]
        if targeted:
            other = known["nearest"]
        else:
            other = logits.masked_fill(~known["competing"], -math.inf).argmax(1)
        own, others = (logits.gather(1, at[:, None])[:, 0] for at in (known["own"], other))
        apart = known["apart"].gather(1, other[:, None])[:, 0]
        return others - own, (others - own).detach() > _LOST * apart


def descend(
    embed: Callable[[Tensor], Tensor],
    logits: Logits,
    room: npt.NDArray[np.bool_],
    radii: Rows,
    *,
    steps: int,
    starts: Sequence[Samples | None],
    targeted: bool,
) -> Found:
    """Look for the perturbations in a ball under which embeddings leave their originals farthest.

    A clip that is lost is left there, so that as little is added as need be; all others go on.

    Parameters
    ----------
    embed : callable
        Embeddings, float[n, d], of perturbations, float32[n, samples], with gradients.
    logits : Logits
    room : bool[n, samples]
        Where there is a clip to add to.
    radii : float64[n]
        Of the balls.
    steps : int
    starts : sequence of float32[n, samples] or None
        Where to start from, one after the other; None is no perturbation.
    targeted : bool

    Returns
    -------
    Found
    """
    import torch

    inside = torch.from_numpy(room)
    radius = torch.from_numpy(radii)[:, None].float()
    count = len(radii)
    best = torch.zeros(room.shape)
    best_margins = torch.full((count,), -math.inf, dtype=torch.float64)
    taken = torch.zeros(count, dtype=torch.int64)
    lost = torch.zeros(count, dtype=torch.bool)
    sloping = torch.zeros(count, dtype=torch.bool)
    for start in starts:
        delta = torch.zeros(room.shape) if start is None else torch.from_numpy(start)
        for step in range(steps + 1):
            delta = delta.detach().requires_grad_()
            margins, beyond = logits.margins(embed(delta), targeted=targeted)
            known = margins.detach().cpu()
            better = ~lost & (known > best_margins)
            best[better] = delta.detach()[better]
            best_margins[better] = known[better]
            taken[better] = step
            lost |= beyond.cpu()
            if step == steps or bool(lost.all()):
                break
            # Weights alone may have gradients: then nothing flows to the audio, and it is zero.
            (gradient,) = torch.autograd.grad(
                margins.sum(), delta, allow_unused=True, materialize_grads=True
            )
            gradient = torch.where(inside, gradient, 0.0)
            size = gradient.norm(dim=1, keepdim=True)
            usable = torch.isfinite(size) & (size > 0.0)
            sloping |= usable[:, 0]
            # Together as long as the radius at least, which one or two smaller ones are not.
            first = max(_FIRST_STEP, 2.0 / (steps + 1))
            share = first * (1.0 + math.cos(math.pi * step / steps)) / 2.0
            moved = torch.where(usable, gradient / size, 0.0) * (share * radius)
            delta = _projected(delta.detach() + moved, radius)
        if bool(lost.all()):
            break
    flat = ~(sloping | lost)
    return Found(best.numpy(), best_margins.numpy(), taken.numpy(), flat.numpy())


def noises(
    rngs: Iterable[np.random.Generator],
    room: npt.NDArray[np.bool_],
    radii: Rows,
) -> Samples:
    """Return white noise of given norms where there is room for it, float32[n, samples]."""
    drawn = np.stack([rng.standard_normal(room.shape[1]) for rng in rngs]) * room
    norms = np.linalg.norm(drawn, axis=1, keepdims=True)
    return np.asarray(drawn / norms * radii[:, None], dtype=np.float32)


def _projected(delta: Tensor, radius: Tensor) -> Tensor:
    """Return perturbations in their balls."""
    import torch

    return delta * torch.clamp(radius / delta.norm(dim=1, keepdim=True).clamp_min(1e-30), max=1.0)

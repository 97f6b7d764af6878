"""Waveforms of a batch with what the encoder in training withstands least, added to them."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from pytest_nnrel.encoders.calls import Call
from pytest_nnrel.encoders.evaluation import evaluated
from pytest_nnrel.errors import GradientError, TrainingError
from pytest_nnrel.experiment.attacks.descent import Logits, descend, noises
from pytest_nnrel.training.checks import check_embeddings, refused_in_training

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from torch import Tensor

    from pytest_nnrel.transforms import Adversarial


def attacked(
    encode: Callable[[Tensor], Tensor],
    waveforms: Tensor,
    attacks: Mapping[int, Adversarial],
    rng: np.random.Generator,
) -> Tensor:
    """Return waveforms under attacks, which are lost where another clip of the batch is nearer.

    The encoder is evaluated meanwhile: without dropout, and with the running statistics of its
    batch normalisation, which stay as they are. Its weights get no gradients.

    Parameters
    ----------
    encode : torch.nn.Module, a method of one, or callable
        Maps waveforms to embeddings, ``float[n, d]``.
    waveforms : float[n, samples]
        The batch, whose clips are the originals.
    attacks : mapping of int to Adversarial
        By row.
    rng : numpy.random.Generator
        Of random starts.

    Returns
    -------
    float[m, samples]
        The rows that are attacked, in the mapping's order.

    Raises
    ------
    TrainingError
        For a batch of one clip, or what runs a module in training mode and is none itself.
    EncoderError
        If embeddings are no finite floats of that shape.
    GradientError
        If no gradients flow from embeddings to waveforms, or all are zero.
    """
    if len(waveforms) < 2:
        raise TrainingError(
            "an attack takes two clips or more, of which one is to be taken for another; a loader's"
            " last batch may be smaller: drop_last=True"
        )
    if isinstance(encode, nn.parallel.DistributedDataParallel):
        # Its passes are taken by all processes together, and each attacks as often as it has to.
        encode = encode.module
    with _evaluated(encode), torch.inference_mode(False):
        waveforms = waveforms.clone()  # of a validation, it would have no gradients
        with torch.no_grad(), refused_in_training(encode):
            clean = encode(waveforms.clone())  # which may be worked on in place
        check_embeddings(clean, len(waveforms), learning=False)
        originals = clean.double().cpu().numpy()
        out = waveforms[list(attacks)]
        alike: dict[tuple[int, int, bool], list[int]] = {}
        for place, attack in enumerate(attacks.values()):
            alike.setdefault((attack.steps, attack.restarts, attack.targeted), []).append(place)
        for places in alike.values():
            rows = [list(attacks)[place] for place in places]
            of_rows = [attacks[row] for row in rows]
            out[places] += _perturbations(encode, waveforms, rows, of_rows, originals, rng)
    return out


def _perturbations(
    encode: Callable[[Tensor], Tensor],
    waveforms: Tensor,
    rows: list[int],
    attacks: list[Adversarial],
    originals: np.ndarray,
    rng: np.random.Generator,
) -> Tensor:
    """Return what attacks of one kind add to rows of a batch."""
    given, attack = waveforms[rows], attacks[0]
    norms = torch.linalg.vector_norm(given.double(), dim=1).cpu().numpy()
    radii = norms * 10.0 ** (-np.array([one.snr_db for one in attacks]) / 20.0)
    room = np.ones(given.shape, dtype=bool)
    # A clip that is there twice is no other one.
    competing = (originals[rows][:, None] != originals).any(axis=2)

    def added(perturbations: Tensor) -> Tensor:
        return perturbations.to(given)

    def embed(perturbations: Tensor) -> Tensor:
        z = encode(given + added(perturbations))
        check_embeddings(z, len(rows), learning=False)
        if not z.requires_grad:
            raise GradientError(
                "the embeddings do not depend on the waveforms by what gradients flow through; an"
                " encoder that is trained on attacks must not detach them, nor take them through"
                " numpy"
            )
        return z

    def random() -> np.ndarray:
        return noises(rng.spawn(len(rows)), room, radii)

    if not attack.steps:
        return added(torch.from_numpy(random()))
    with torch.enable_grad():
        found = descend(
            embed,
            Logits(originals, rows, competing, "euclidean"),
            room,
            radii,
            steps=attack.steps,
            starts=[None, *(random() for _ in range(attack.restarts - 1))],
            targeted=attack.targeted,
        )
    audible = norms > 0.0
    if audible.sum() > 1 and found.flat[audible].all():  # one alone may be unlucky
        raise GradientError(
            "the gradients of the embeddings are zero or not finite on all waveforms of a batch, so"
            " that no attack can be found; look for detach() and rounding, for roots and logarithms"
            " at 0 (add an epsilon), and for half precision"
        )
    return added(torch.from_numpy(found.perturbations))


@contextmanager
def _evaluated(encode: Callable[[Tensor], Tensor]) -> Iterator[None]:
    """Run an encoder evaluated; its mode is left as it was found."""
    module = Call(encode, None).module
    if module is None:
        yield
        return
    with evaluated(module, gradients=True):
        yield

"""Forms of a consistency loss: of embeddings of clips, and of their transformed views.

Each takes ``float32[n, d]`` of the clips and of the views, row by row the same clips, and gives a
scalar that does not depend on the order of the rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import torch
from torch.nn import functional

from pytest_nnrel.errors import EncoderError, TrainingError

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

Form: TypeAlias = "Callable[[Tensor, Tensor], Tensor]"

#: Of a spread that rounding of float32 explains, against the length of an embedding.
_ROUNDING = 1e-6


def stability(clean: Tensor, transformed: Tensor) -> Tensor:
    """Return how far views are from their clips, against how far clips are from each other.

    The stability objective of Zheng et al. 2016 (Improving the Robustness of Deep Neural Networks
    via Stability Training), of embeddings: the distance of both, here squared, over the mean
    squared distance of two clips of the batch. By itself the distance is least where all embeddings
    shrink to a point; over the spread it does not depend on the scale of the embeddings: 1 is a
    view as far from its clip as another clip is.

    Parameters
    ----------
    clean, transformed : float32[n, d]

    Returns
    -------
    float32

    Raises
    ------
    TrainingError
        For a batch of one clip.
    EncoderError
        If all clips have the same embedding.
    """
    check_several(clean, "the stability loss is relative to the spread of the clips, and")
    # Of two different clips: twice the variance.
    spread = 2.0 * clean.var(dim=0).sum()
    if bool(spread <= (_ROUNDING * clean.detach().norm(dim=1).mean()) ** 2):
        raise EncoderError(
            f"all {len(clean)} clips of the batch have the same embedding: the encoder has"
            " collapsed, or the batch is of copies of one clip"
        )
    return (transformed - clean).square().sum(dim=1).mean() / spread


def vicreg(
    clean: Tensor,
    transformed: Tensor,
    *,
    invariance: float = 25.0,
    variance: float = 25.0,
    covariance: float = 1.0,
) -> Tensor:
    """Return the loss of variance-invariance-covariance regularisation.

    Bardes et al. 2022 (VICReg, arXiv 2105.04906, Algorithm 1, its weights the defaults); used
    against noise of speech encoders by HuBERT-VIC (arXiv 2508.12292). Views are brought near to
    their clips, each number of an embedding is kept at a standard deviation of 1 over the batch,
    and no two say the same.

    Parameters
    ----------
    clean, transformed : float32[n, d]
    invariance, variance, covariance : float
        Weights of the three terms.

    Returns
    -------
    float32

    Raises
    ------
    TrainingError
        For a batch of one clip.
    """
    check_several(clean, "VICReg's variance is over the clips of a batch, and")
    near = functional.mse_loss(transformed, clean)
    spread = _below_one(clean) + _below_one(transformed)
    apart = _redundancy(clean) + _redundancy(transformed)
    return invariance * near + variance * spread + covariance * apart


def contrastive(clean: Tensor, transformed: Tensor, *, temperature: float = 0.5) -> Tensor:
    """Return the cross-entropy of telling a view's own clip among all others (NT-Xent).

    Chen et al. 2020 (SimCLR, eq. 1); of musical audio Spijkervet & Burgoyne 2021 (CLMR, arXiv
    2103.09410), whose temperature is the default. It is of angles, so that the length of embeddings
    does not matter.

    Parameters
    ----------
    clean, transformed : float32[n, d]
    temperature : float
        Less of it weighs the nearest others more.

    Returns
    -------
    float32

    Raises
    ------
    TrainingError
        For a batch of one clip.
    """
    check_several(clean, "a contrastive loss needs other clips to tell a clip from, and")
    count = len(clean)
    both = torch.cat([clean, transformed])
    norms = both.norm(dim=1, keepdim=True)
    # An embedding of silence may be zero: it has no direction, and asks for none.
    both = torch.where(norms > 0.0, both / torch.where(norms > 0.0, norms, 1.0), 0.0)
    similar = both @ both.T / temperature
    itself = torch.eye(2 * count, dtype=torch.bool, device=both.device)
    own = torch.arange(2 * count, device=both.device).roll(count)
    return functional.cross_entropy(similar.masked_fill(itself, -torch.inf), own)


#: By the names that `ConsistencyLoss` takes.
FORMS: dict[str, Form] = {
    "stability": stability,
    "vicreg": vicreg,
    "contrastive": contrastive,
}


def check_several(clean: Tensor, why: str) -> None:
    """Check that a batch has two clips at least.

    Raises
    ------
    TrainingError
        If it has one.
    """
    if len(clean) < 2:
        raise TrainingError(
            f"{why} this batch has {len(clean)} clip; make it of more, and leave a last one that"
            " is short out: DataLoader(..., drop_last=True)"
        )


def _below_one(embeddings: Tensor) -> Tensor:
    """Return by how much standard deviations are below 1, on average (eqs. 1 and 2)."""
    deviation = (embeddings.var(dim=0) + 1e-4).sqrt()
    return functional.relu(1.0 - deviation).mean()


def _redundancy(embeddings: Tensor) -> Tensor:
    """Return the squared covariances of different numbers of an embedding (eqs. 3 and 4)."""
    count, size = embeddings.shape
    centred = embeddings - embeddings.mean(dim=0)
    covariances = centred.T @ centred / (count - 1)
    others = covariances.square().sum() - covariances.diagonal().square().sum()
    return others / size

"""What a training hands over, checked: waveforms and embeddings."""

from __future__ import annotations

import inspect
from functools import partial
from typing import TYPE_CHECKING, Any

import torch

from pytest_nnrel.errors import EncoderError, TrainingError

if TYPE_CHECKING:
    from torch import Tensor


def check_waveforms(waveforms: Any) -> None:  # noqa: ANN401
    """Check that waveforms are finite floats of shape [n, samples].

    Raises
    ------
    TrainingError
        If they are not.
    """
    expected = "waveforms must be a float tensor of shape [n, samples]"
    if not isinstance(waveforms, torch.Tensor):
        raise TrainingError(f"{expected}, not {type(waveforms).__name__}")
    shape = list(waveforms.shape)
    if waveforms.ndim != 2 or not waveforms.is_floating_point() or 0 in shape:
        kind = str(waveforms.dtype).removeprefix("torch.")
        axes = "; take its channel axis out: waveforms[:, 0]" if waveforms.ndim == 3 else ""
        raise TrainingError(f"{expected}, not {kind}{shape}{axes}")
    if rows := _not_finite(waveforms):
        raise TrainingError(f"waveforms hold NaN or infinite samples, in the rows {rows}")


def check_embeddings(embeddings: Any, rows: int, *, learning: bool) -> None:  # noqa: ANN401
    """Check that embeddings are finite floats of shape [n, d], one row a waveform.

    Parameters
    ----------
    embeddings : object
    rows : int
        How many waveforms there are.
    learning : bool
        Whether they have to have gradients.

    Raises
    ------
    EncoderError
        If they are not, or have no gradients where they must.
    """
    expected = f"the encoder must return a float tensor of shape [{rows}, d] for {rows} waveforms"
    if not isinstance(embeddings, torch.Tensor):
        raise EncoderError(f"{expected}, not {type(embeddings).__name__}")
    shape = list(embeddings.shape)
    if embeddings.ndim != 2 or len(embeddings) != rows or not embeddings.is_floating_point():
        kind = str(embeddings.dtype).removeprefix("torch.")
        frames = "; make one vector of its frames, as by a mean" if embeddings.ndim == 3 else ""
        raise EncoderError(f"{expected}, not {kind}{shape}{frames}")
    if at_fault := _not_finite(embeddings):
        raise EncoderError(
            f"the encoder returned NaN or infinite embeddings, in the rows {at_fault} of {rows};"
            " a learning rate that is too high, or half precision without a scaler, does that",
            rows=tuple(at_fault),
        )
    if learning and torch.is_grad_enabled() and not embeddings.requires_grad:
        raise EncoderError(
            "the embeddings do not depend on any weight that is trained: no gradient comes back"
            " through them; look for detach(), no_grad() or numpy in the encoder, and for weights"
            " that are frozen"
        )


def check_evaluated(encoder: object) -> None:
    """Refuse a function that runs a module in training mode, which nobody could evaluate.

    Raises
    ------
    TrainingError
        If it holds or names such a module.
    """
    function = encoder.func if isinstance(encoder, partial) else encoder
    if not inspect.isfunction(function):
        return
    named = inspect.getclosurevars(function)
    for name, value in {**named.globals, **named.nonlocals}.items():
        if isinstance(value, torch.nn.Module) and value.training:
            raise TrainingError(
                f"the encoder is a function that runs {name}, a module in training mode: its"
                " dropout would be measured, and its batch normalisation would learn from what is"
                f" measured on; pass the module or a method of it, such as {name}.embed"
            )


def _not_finite(rows: Tensor) -> list[int]:
    finite = torch.isfinite(rows).all(dim=1)
    return [] if bool(finite.all()) else (~finite).nonzero()[:, 0].tolist()

"""What a training hands over, checked: numbers, paths, waveforms and embeddings."""

from __future__ import annotations

from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from pytest_nnrel.encoders.calls import Call
from pytest_nnrel.encoders.evaluation import modules_in_training
from pytest_nnrel.errors import EncoderError, NNRelError, SettingError, TrainingError
from pytest_nnrel.runtime.scalars import is_whole

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor


def whole_number(name: str, value: object, least: int) -> int:
    """Return a whole number that a user gave, of NumPy's types too, as Python's.

    Raises
    ------
    SettingError
        If it is none, or less.
    """
    if not is_whole(value) or value < least:
        raise SettingError(f"{name} takes a whole number from {least} on, not {value!r}")
    return int(value)


def path_given(name: str, value: object) -> Path:
    """Return a path that a user gave, as text or as one of `pathlib`.

    Raises
    ------
    SettingError
        If it is none.
    """
    if not isinstance(value, str | PathLike):
        raise SettingError(f"{name} takes a path, not {value!r}")
    return Path(value)


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


def check_embeddings(
    embeddings: Any,  # noqa: ANN401
    rows: int,
    *,
    learning: bool,
    of: str = "the encoder",
) -> None:
    """Check that embeddings are finite floats of shape [n, d], one row a waveform.

    Parameters
    ----------
    embeddings : object
    rows : int
        How many waveforms there are.
    learning : bool
        Whether they have to have gradients.
    of : str
        What gave them, for messages.

    Raises
    ------
    EncoderError
        If they are not, or have no gradients where they must.
    """
    expected = f"{of} must return a float tensor of shape [{rows}, d] for {rows} waveforms"
    if not isinstance(embeddings, torch.Tensor):
        raise EncoderError(f"{expected}, not {type(embeddings).__name__}")
    shape = list(embeddings.shape)
    if embeddings.ndim != 2 or len(embeddings) != rows or not embeddings.is_floating_point():
        kind = str(embeddings.dtype).removeprefix("torch.")
        frames = "; make one vector of its frames, as by a mean" if embeddings.ndim == 3 else ""
        raise EncoderError(f"{expected}, not {kind}{shape}{frames}")
    if at_fault := _not_finite(embeddings):
        raise EncoderError(
            f"{of} returned NaN or infinite embeddings, in the rows {at_fault} of {rows};"
            " a learning rate that is too high, or half precision without a scaler, does that",
            rows=tuple(at_fault),
        )
    if learning and torch.is_grad_enabled() and not embeddings.requires_grad:
        raise EncoderError(
            "the embeddings do not depend on any weight that is trained: no gradient comes back"
            " through them; look for detach(), no_grad() or numpy in the encoder, and for weights"
            " that are frozen"
        )


@contextmanager
def refused_in_training(encoder: object) -> Iterator[None]:
    """Refuse what runs a module in training mode, unless it is one, which is evaluated.

    Such modules are told by running, before they learn from what they are given.

    Parameters
    ----------
    encoder : object
        What is run meanwhile: a module, a method or partial of one, a function or an object.

    Raises
    ------
    TrainingError
        If it ran one that depends on its mode.
    """
    if callable(encoder) and Call(encoder, None).module is not None:
        yield
        return
    met: list[torch.nn.Module] = []

    def refuse(module: torch.nn.Module) -> None:
        met.append(module)
        raise TrainingError("a module runs in training mode")

    try:
        with modules_in_training(refuse):
            yield
    except NNRelError:
        if not met:
            raise
        raise TrainingError(
            f"the encoder is a function or an object that runs {type(met[0]).__name__}, a module in"
            " training mode: its dropout would be measured, and its batch normalisation would learn"
            " from what is measured on; pass the module itself or a method of it, such as"
            " model.embed, or let the encoder evaluate it: model.eval()"
        ) from None


def _not_finite(rows: Tensor) -> list[int]:
    finite = torch.isfinite(rows).all(dim=1)
    return [] if bool(finite.all()) else (~finite).nonzero()[:, 0].tolist()

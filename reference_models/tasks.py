"""The paper's tasks by name, and the networks that are trained for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reference_models.errors import CheckpointError
from reference_models.networks import (
    AudioEmbedding,
    Autoencoder,
    InstrumentClassifier,
    MFCCEmbedding,
    Tagger,
    TaskNetwork,
    VGGEmbedding,
    VGGEncoder,
    VoiceSeparator,
)

if TYPE_CHECKING:
    from collections.abc import Callable

#: Networks by the paper's abbreviation of their task (section 2.1).
TASKS: dict[str, Callable[..., TaskNetwork]] = {
    "ae": Autoencoder,
    "at": Tagger,
    "ir": InstrumentClassifier,
    "vs": VoiceSeparator,
}
ENCODERS = ("vgg", "mfcc")
#: Arguments of a task's head, besides those of its encoder.
_OF_HEADS = {"ae": ("decoder",)}


def build(task: str, encoder: str = "vgg", **arguments: Any) -> TaskNetwork:  # noqa: ANN401
    """Return an untrained network.

    Parameters
    ----------
    task : {"ae", "at", "ir", "vs"}
    encoder : {"vgg", "mfcc"}
    **arguments
        Of `VGGEncoder` or `MFCCEmbedding`, and ``decoder`` of `Autoencoder`.

    Raises
    ------
    CheckpointError
        If there is no such task or encoder, or they do not take these arguments.
    """
    if task not in TASKS:
        raise CheckpointError(f"there is no task {task!r}; there are {', '.join(TASKS)}")
    if encoder not in ENCODERS:
        raise CheckpointError(f"there is no encoder {encoder!r}; there are {', '.join(ENCODERS)}")
    of_head = {name: arguments.pop(name) for name in _OF_HEADS.get(task, ()) if name in arguments}
    try:
        embedding: AudioEmbedding
        if encoder == "vgg":
            embedding = VGGEmbedding(VGGEncoder(**arguments))
        else:
            embedding = MFCCEmbedding(**arguments)
        return TASKS[task](embedding, **of_head)
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"task {task!r}, encoder {encoder!r}: {error}") from error

"""Embeddings that gradients flow through, to the audio that they are of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_nnrel.errors import EncoderError, GradientError

if TYPE_CHECKING:
    from pytest_nnrel.encoders.protocol import Encoder


def traced(encoder: Encoder, audio: Any, sample_rate: int) -> Any:  # noqa: ANN401  (a tensor)
    """Return embeddings of a batch, through which gradients flow.

    Parameters
    ----------
    encoder : Encoder
    audio : torch.Tensor
        float32[n, samples], at the encoder's own rate, that gradients are asked for of.
    sample_rate : int
        In Hz.

    Returns
    -------
    torch.Tensor
        float[n, d], of the encoder's own precision and device.

    Raises
    ------
    GradientError
        If it is no encoder of torch, or no gradients flow through it.
    EncoderError
        If it raises, or returns anything but n finite vectors.
    """
    try:
        out = encoder.embedding_in(encoder.forward_traced(audio.clone(), sample_rate))
    except EncoderError:
        raise
    except Exception as error:
        raise EncoderError(
            f"encoder {encoder.name!r} raised {type(error).__name__} on a batch of"
            f" {list(audio.shape)} that gradients are taken of: {error}"
        ) from error
    encoder._checked(out, len(audio), 0)
    if not getattr(out, "requires_grad", False):
        raise GradientError(
            f"encoder {encoder.name!r} is of torch, but its embeddings do not depend on its audio"
            " by what gradients flow through; take torch.no_grad(), detach(), rounding and ways"
            " through numpy out of it"
        )
    return out

"""Models that take windows of one number of samples."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_nnrel.errors import EncoderError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_nnrel.corpus.audio import Samples
    from pytest_nnrel.encoders.protocol import Encoder


def window_of(samples: int | None, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options of an encoder, with the window that follows from its samples and its rate.

    Parameters
    ----------
    samples : int or None
        That its model takes; None where it takes any number.
    options : mapping of str to object
        Those of `Encoder`.
    """
    rate = options["sample_rate"]
    if samples is None or rate is None or options["window_seconds"] is not None:
        return dict(options)
    return {**options, "window_seconds": samples / rate}


def check_samples(encoder: Encoder, wanted: int | None, batch: Samples, sample_rate: int) -> None:
    """Refuse windows of another length than a model takes.

    Parameters
    ----------
    encoder : Encoder
    wanted : int or None
        Samples that its model takes; None where it takes any number.
    batch : float32[n, samples]
    sample_rate : int
        In Hz.

    Raises
    ------
    EncoderError
        If the windows have another number, with the window that fits.
    """
    samples = batch.shape[1]
    if wanted is None or wanted == samples:
        return
    fits = f"window_seconds={wanted / sample_rate:.8g}"
    told = f"as_encoder(..., {fits}) gives it so many at {sample_rate:,} Hz"
    if encoder.sample_rate is None:
        told = (
            "as_encoder(..., sample_rate=RATE) with the rate, in Hz, that it was trained at gives"
            f" it so many; at {sample_rate:,} Hz, {fits} does"
        )
    raise EncoderError(
        f"encoder {encoder.name!r} takes windows of {wanted:,} samples, not of {samples:,}"
        f" ({samples / sample_rate:.4g} s at {sample_rate:,} Hz): {told}"
    )

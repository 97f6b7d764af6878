"""What an encoder's object returned, as a matrix of embeddings; what to do about what is none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_nnrel.errors import EncoderError
from pytest_nnrel.runtime.tensors import to_numpy

if TYPE_CHECKING:
    import numpy.typing as npt

    from pytest_nnrel.encoders.lines import Written

    Floats = npt.NDArray[np.floating[Any]]


class OneVectorError(EncoderError):
    """One vector came of several windows."""


def embedding_matrix(
    out: Any,  # noqa: ANN401
    name: str,
    written: Written,
    *,
    expected: int,
    first: int,
) -> Floats:
    """Return an output as floats of its own precision, all of which float32 can hold.

    Parameters
    ----------
    out : object
        As it was returned.
    name : str
        Of the encoder, for errors.
    written : Written
        How lines of code write a call of what embeds.
    expected : int
        Windows that it is of.
    first : int
        Number of the first of them, for errors.

    Returns
    -------
    float[expected, d]

    Raises
    ------
    OneVectorError
        If it is one vector, of several windows.
    EncoderError
        If it is anything else that is no such matrix, or not finite.
    """
    wanted = f"encoder {name!r} must return a float array of shape ({expected}, d)"
    if out is None or isinstance(out, tuple | list | Mapping):
        raise EncoderError(f"{wanted}, not {_describe_container(out, written)}")
    array = to_numpy(out, wanted, EncoderError)
    if array.dtype.kind != "f":
        raise EncoderError(
            f"{wanted}, not {array.dtype}; embeddings are floats, so if these are classes or"
            " codes, return the layer before them"
        )
    if array.ndim != 2 or array.shape[0] != expected or array.shape[1] == 0:
        told = f"{wanted}, one row per window, not {list(array.shape)}"
        if expected > 1 and array.shape[:-1] in ((1,), ()) and array.ndim:
            raise OneVectorError(told)
        raise EncoderError(told + _describe_axes(array.shape, expected))
    with np.errstate(over="ignore"):  # becomes infinite, which is told below
        finite = np.isfinite(array.astype(np.float32)).all(axis=1)
    if not finite.all():
        rows = tuple(int(row) + first for row in np.flatnonzero(~finite))
        raise EncoderError(
            f"encoder {name!r} returned NaN or infinite values for {len(rows)} of"
            f" {expected} windows",
            rows,
        )
    return array


def _describe_axes(shape: tuple[int, ...], expected: int) -> str:
    """Say what to do about axes that are not those of an embedding matrix."""
    if len(shape) == 3 and shape[0] == expected:
        return '; pool over time first: as_encoder(model, pool="mean")'
    return "; pool over time first" if len(shape) > 2 else ""


def _describe_container(out: Any, written: Written) -> str:  # noqa: ANN401
    """Say what came instead of an array, and how to choose one of it."""
    if out is None:
        return "None; does it lack a return statement?"
    if isinstance(out, Mapping):
        keys = ", ".join(map(repr, out))
        return (
            f"a {type(out).__name__} of {len(out)}; name the embedding's of its keys {keys}:"
            " as_encoder(model, output=KEY)"
        )
    if isinstance(out, list):
        return (
            f"a list of {len(out)}; where it holds one vector per window, stack it: as_encoder("
            f"lambda batch: {written.library}.stack({written.output})); where one is the"
            " embeddings, choose it: as_encoder(model, output=0)"
        )
    frames = out and getattr(out[0], "ndim", None) == 3
    pooled = ', pool="mean"' if frames else ""
    return f"a tuple of {len(out)}; choose the embedding: as_encoder(model, output=0{pooled})"

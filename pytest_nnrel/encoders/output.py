"""What an encoder's object returned, as a matrix of embeddings; what to do about what is none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_nnrel.errors import EncoderError

if TYPE_CHECKING:
    import numpy.typing as npt

    from pytest_nnrel.encoders.lines import Written

    Floats = npt.NDArray[np.floating[Any]]

#: Beginnings of the names of ml_dtypes' floats, which JAX returns and numpy takes for raw bytes.
_SMALL_FLOATS = ("bfloat", "float")


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
    array = to_numpy(out, wanted)
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


def to_numpy(out: Any, wanted: str) -> npt.NDArray[Any]:  # noqa: ANN401
    """Return an array or tensor, on any device, as an array of the CPU's.

    Parameters
    ----------
    out : array-like or torch.Tensor
    wanted : str
        Beginning of the error's text: what should have come.

    Raises
    ------
    EncoderError
        If it cannot be read.
    """
    if hasattr(out, "detach"):  # a torch tensor, in any precision
        try:
            tensor = out.detach().to("cpu")
            small = tensor.is_floating_point() and tensor.itemsize < np.dtype(np.float32).itemsize
            return np.asarray((tensor.float() if small else tensor).numpy())
        except Exception as error:
            raise EncoderError(
                f"{wanted}; the tensor it returned, on device {out.device}, cannot be read: {error}"
            ) from error
    try:
        array = np.asarray(out)
    except Exception as error:
        raise EncoderError(f"{wanted}, not {type(out).__name__} ({error})") from error
    if array.dtype.kind == "V" and array.dtype.name.startswith(_SMALL_FLOATS):
        return array.astype(np.float32)
    return array

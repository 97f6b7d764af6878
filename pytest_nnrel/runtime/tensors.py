"""What users' code returned as arrays: of numpy, torch or JAX, on any device."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from pytest_nnrel.errors import NNRelError

#: Beginnings of the names of ml_dtypes' floats, which JAX returns and numpy takes for raw bytes.
_SMALL_FLOATS = ("bfloat", "float")


def to_numpy(out: Any, wanted: str, kind: type[NNRelError]) -> npt.NDArray[Any]:  # noqa: ANN401
    """Return an array or tensor, with gradients or not, as an array of the CPU's.

    Parameters
    ----------
    out : array-like or torch.Tensor
    wanted : str
        Beginning of the error's text: what should have come.
    kind : type of NNRelError
        Of the error.

    Raises
    ------
    NNRelError
        Of that kind, if it cannot be read.
    """
    if hasattr(out, "detach"):  # a torch tensor, in any precision
        try:
            tensor = out.detach().to("cpu")
            small = tensor.is_floating_point() and tensor.itemsize < np.dtype(np.float32).itemsize
            return np.asarray((tensor.float() if small else tensor).numpy())
        except Exception as error:
            raise kind(
                f"{wanted}; the tensor it returned, on device {out.device}, cannot be read: {error}"
            ) from error
    try:
        array = np.asarray(out)
    except Exception as error:
        raise kind(f"{wanted}, not {type(out).__name__} ({error})") from error
    if array.dtype.kind == "V" and array.dtype.name.startswith(_SMALL_FLOATS):
        return array.astype(np.float32)
    return array

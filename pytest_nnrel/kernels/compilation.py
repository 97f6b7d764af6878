"""Compiling numeric kernels with numba, whatever folder the machine lets it cache them in."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from numba import njit

if TYPE_CHECKING:
    from collections.abc import Callable

    Kernel = TypeVar("Kernel", bound=Callable[..., object])


def compiled(kernel: Kernel) -> Kernel:
    """Compile a function that holds no lock of Python's, and keep the code on disk if possible.

    Where neither the package's folder nor the user's cache can be written, numba refuses to cache;
    the code is then compiled anew in every process, some seconds.
    """
    try:
        return njit(cache=True, nogil=True)(kernel)  # type: ignore[no-any-return]
    except RuntimeError:  # "no locator available"
        return njit(nogil=True)(kernel)  # type: ignore[no-any-return]

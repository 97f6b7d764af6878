"""Threads of matrix products: none beside our own."""

from __future__ import annotations

from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def one_thread() -> Iterator[None]:
    """Have each matrix product take one thread, for a ``with`` block: those of it are many.

    Products that each take all cores, and run side by side, wait for each other.
    """
    with _controller().limit(limits=1, user_api="blas"):
        yield


@cache
def _controller() -> Any:  # noqa: ANN401
    # Libraries are looked for once: that takes as long as a product.
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()

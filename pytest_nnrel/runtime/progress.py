"""Progress bars for whatever takes longer than two seconds; silent where there is no terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from pytest_nnrel.runtime import settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    T = TypeVar("T")

#: A bar is drawn when work goes on for longer than this.
_DELAY_SECONDS = 2.0


def progress(items: Iterable[T], total: int, what: str, unit: str = "block") -> Iterator[T]:
    """Yield the items, and draw how many there were on the run's terminal.

    Parameters
    ----------
    items : iterable
    total : int
    what, unit : str
        What is going on, and what an item is.
    """
    from tqdm import tqdm

    stream = settings.active().progress
    yield from tqdm(
        items,
        desc=what,
        total=total,
        unit=unit,
        leave=False,
        file=stream,
        # None: silent where the stream is no terminal.
        disable=None if stream is None else False,
        delay=_DELAY_SECONDS,
        dynamic_ncols=True,
    )

"""Where stages keep what they compute: on disk for later runs, for this one, and in memory."""

from __future__ import annotations

import atexit
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from cachetools import LRUCache

from pytest_nnrel.runtime.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_nnrel.runtime.settings import Settings

    T = TypeVar("T")

#: Memory that a run keeps features, embeddings and ranks in, besides the store.
_RECENT_BYTES = 2**28


class Stores:
    """The store that outlives the run, and the one that does not.

    Parameters
    ----------
    root : Path or None
        Folder of the lasting store; None keeps everything for the run only.
    cap_bytes : float
        Size that either is cut back to.
    """

    def __init__(self, root: Path | None, cap_bytes: float) -> None:
        self._scratch_folder = tempfile.TemporaryDirectory(
            prefix="pytest-nnrel-", ignore_cleanup_errors=True
        )
        self.scratch = Store(Path(self._scratch_folder.name), cap_bytes=cap_bytes)
        self.lasting = self.scratch if root is None else Store(root, cap_bytes=cap_bytes)
        self._distrusted: dict[str, int] = {}
        #: Encoders and corpora of which stored embeddings were found to hold, in this process.
        self.witnessed: set[tuple[str, str]] = set()
        self._recent: LRUCache[object, tuple[Any, int]] = LRUCache(
            _RECENT_BYTES, getsizeof=lambda entry: entry[1]
        )
        self._recent_lock = threading.Lock()

    def of(self, *, lasting: bool) -> Store:
        """Return the store for values that hold in later runs, or for others."""
        return self.lasting if lasting else self.scratch

    def recently(self, key: object, make: Callable[[], T], size: Callable[[T], int]) -> T:
        """Return a value that the store could give too, kept in memory while there is room."""
        with self._recent_lock:
            entry = self._recent.get(key)
        if entry is None:
            value = make()
            entry = value, size(value)
            if entry[1] <= self._recent.maxsize:
                with self._recent_lock:
                    self._recent[key] = entry
        return entry[0]

    def close(self) -> None:
        """Cut the lasting store to its cap, and delete the scratch folder."""
        if self.lasting is not self.scratch:
            self.lasting.prune()
        self._scratch_folder.cleanup()

    def generation(self, identity: str) -> int:
        """Return how often stored embeddings of an encoder were found not to hold any more."""
        return self._distrusted.get(identity, 0)

    def distrust(self, identity: str) -> None:
        """Pass over what is stored of an encoder from now on."""
        self._distrusted[identity] = self.generation(identity) + 1


_OPEN: dict[tuple[object, ...], Stores] = {}
_OPENING = threading.Lock()


def stores_of(settings: Settings) -> Stores:
    """Return the stores of a run; marks that change seed or corpus share them."""
    place = (settings.run, settings.cache_dir, settings.cache_gib)
    with _OPENING:
        if place not in _OPEN:
            folder = settings.cache_dir() if callable(settings.cache_dir) else settings.cache_dir
            _OPEN[place] = stores = Stores(folder, settings.cache_gib * 2**30)
            atexit.register(stores.close)  # outside pytest nobody else does
        return _OPEN[place]


def close_stores(settings: Settings) -> None:
    """Prune and close the stores of a run; the next measurement opens new ones."""
    stores = _OPEN.pop((settings.run, settings.cache_dir, settings.cache_gib), None)
    if stores is not None:
        atexit.unregister(stores.close)
        stores.close()

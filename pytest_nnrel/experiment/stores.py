"""Where stages keep what they compute: on disk for later runs, for this one, and in memory."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
import threading
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakKeyDictionary

from cachetools import LRUCache

from pytest_nnrel.runtime.handed import Handed
from pytest_nnrel.runtime.store import LAYOUT, RUNS, Store

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_nnrel.runtime.handed import Pack
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
        lasting = None if root is None else Store(root, cap_bytes=cap_bytes)
        if lasting is None or lasting.folder() is None:
            self.of_run = Path(tempfile.mkdtemp(prefix="pytest-nnrel-"))
        else:  # where workers see it that see the cache
            self.of_run = lasting.root / LAYOUT / RUNS / uuid.uuid4().hex
        self.scratch = Store(self.of_run / "scratch", cap_bytes=cap_bytes)
        self.lasting = lasting or self.scratch
        self._tokens: WeakKeyDictionary[object, str] = WeakKeyDictionary()
        self._distrusted: dict[str, int] = {}
        #: Originals of which stored embeddings were found to hold, or were made in this process.
        self.witnessed: set[tuple[str, str, int]] = set()
        self._recent: LRUCache[object, tuple[Any, int]] = LRUCache(
            _RECENT_BYTES, getsizeof=lambda entry: entry[1]
        )
        self._recent_lock = threading.Lock()

    def of(self, *, lasting: bool) -> Store:
        """Return the store for values that hold in later runs, or for others."""
        return self.lasting if lasting else self.scratch

    def handed(
        self, value: T, what: str, key: str | None = None, pack: Pack[T] | None = None
    ) -> Handed[T]:
        """Return an object as tasks take it along, which is written once in a run.

        Parameters
        ----------
        value : object
        what : str
            What messages call it.
        key : str, optional
            What tells it from others of the run; it is itself only where omitted.
        pack : callable, optional
            See `Handed`.
        """
        if self.of_run.exists():
            os.utime(self.of_run)  # still in use
        if key is None:
            key = self._tokens.setdefault(value, uuid.uuid4().hex)
        return Handed(value, self.of_run / key, what, pack)

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
        """Cut the lasting store to its cap, and delete what was the run's."""
        try:
            if self.lasting is not self.scratch:
                self.lasting.prune()
        finally:
            shutil.rmtree(self.of_run, ignore_errors=True)

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

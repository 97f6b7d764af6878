"""A content-addressed store of arrays on disk that several processes may share.

A key is the digest of everything that a value depends on, so that an entry is never out of date:
it is there and right, or it is not there. Files are written under a temporary name and renamed,
carry checksums, and are recomputed where these do not hold.

Values of many clips lie in shards, see `shards`: entries of one scope, which is the digest of all
that they depend on beside the clip, under the clip's own.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import threading
import time
import warnings
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from cachetools import LRUCache
from filelock import FileLock

from pytest_nnrel.errors import CacheWarning
from pytest_nnrel.runtime.files import PART, replace_parts
from pytest_nnrel.runtime.shards import SUFFIX, Index, packed, scan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import numpy.typing as npt

    from pytest_nnrel.runtime.shards import Arrays

#: Layout of the entries; entries of another layout are never looked at.
LAYOUT = "nnrel-v4"
_ANY_LAYOUT = re.compile(r"nnrel-v\d+")
#: Folder of what lasts as long as a run.
RUNS = "runs"
#: Letters of a key that name the folder of its entry.
_FOLDER_LETTERS = 2
#: Kind of the entries that leave first: the largest, and soon made again.
BULKY = "clips"
#: Memory for what is known of where entries lie.
_INDEX_BYTES = 2**28
#: Bytes of a file that are hashed at a time.
_HASHED_BYTES = 2**20
#: Share of the cap, and least number of bytes, that is written before a look at the size.
_LOOK_AFTER_SHARE = 0.1
_LOOK_AFTER_BYTES = 2**28
_LOCK_STRIPES = 4096
#: Age at which a temporary file belongs to no writer that still lives.
_ABANDONED_SECONDS = 86_400.0


def digest(*parts: object) -> str:
    """Return a hexadecimal digest of JSON-able parts, bytes and arrays, the same everywhere."""
    state = hashlib.blake2b(digest_size=16)
    for part in parts:
        if isinstance(part, bytes | memoryview):
            tag, payload = b"b", bytes(part)
        elif isinstance(part, np.ndarray):
            state.update(f"a{part.dtype.str}{part.shape}".encode())
            tag, payload = b"d", np.ascontiguousarray(part).tobytes()
        else:
            tag, payload = b"j", json.dumps(part, sort_keys=True, allow_nan=True).encode()
        state.update(tag + len(payload).to_bytes(8, "little"))
        state.update(payload)
    return state.hexdigest()


def digest_of_file(file: BinaryIO) -> str:
    """Return what `digest` returns of a file's content, read in blocks."""
    state = hashlib.blake2b(digest_size=16)
    state.update(b"b" + os.fstat(file.fileno()).st_size.to_bytes(8, "little"))
    file.seek(0)
    while block := file.read(_HASHED_BYTES):
        state.update(block)
    return state.hexdigest()


def _delete(path: str) -> bool:
    """Delete a file; tell whether it is gone."""
    try:
        Path(path).unlink(missing_ok=True)
    except OSError:
        return False
    return True


class Store:
    """Arrays by key in a folder.

    Parameters
    ----------
    root : Path
        Folder of the store; made when the first entry is written.
    cap_bytes : float
        Size that `prune` cuts the store back to.

    Notes
    -----
    A folder that cannot be written (read-only, disk full) costs later runs time, never a verdict:
    one `CacheWarning` says so, and the store goes on reading what it can.
    """

    def __init__(self, root: Path, *, cap_bytes: float = float("inf")) -> None:
        self.root = root
        self.cap_bytes = cap_bytes
        self._writable = True
        self._written = 0
        self._forget()

    def _forget(self) -> None:
        self._indexes: LRUCache[Path, Index] = LRUCache(
            _INDEX_BYTES, getsizeof=lambda index: index.nbytes
        )
        self._changing = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        left = ("_indexes", "_changing")
        return {name: value for name, value in vars(self).items() if name not in left}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._forget()

    def folder(self) -> Path | None:
        """Return the folder of the store, made if need be; None where it cannot be written."""
        try:
            self.root.mkdir(parents=True, exist_ok=True)
        except OSError:
            return None
        return self.root if self._writable and os.access(self.root, os.W_OK) else None

    def get(self, kind: str, key: str) -> dict[str, npt.NDArray[Any]] | None:
        """Return the arrays stored under a key, or None where there is no sound entry."""
        found = Index.of_file(self._path(kind, key), kind, key).read([key])
        return next((entry for _, entry in found), None)

    def put(self, kind: str, key: str, arrays: Arrays) -> bool:
        """Store arrays under a key, whole or not at all; tell whether they are."""
        return self._write(self._path(kind, key), packed(kind, key, {key: arrays}))

    def get_of(
        self, kind: str, scope: str, keys: Sequence[str]
    ) -> Iterator[tuple[int, dict[str, npt.NDArray[Any]]]]:
        """Yield the sound entries of a scope among keys, with the position of each.

        Parameters
        ----------
        kind, scope : str
        keys : sequence of str
            32 hexadecimal digits each.
        """
        folder = self._scope(kind, scope)
        with self._changing:
            index = self._indexes.get(folder)
        missing = list(range(len(keys)))
        if index is not None:
            found = set()
            for position, entry in index.read(keys):
                found.add(position)
                yield position, entry
            missing = [position for position in missing if position not in found]
        if not missing:
            return
        known, index = index, (index or Index(kind, scope)).looked_at_again(folder)
        if index is known:
            return
        with self._changing:
            if index.nbytes <= self._indexes.maxsize:
                self._indexes[folder] = index
        for place, entry in index.read([keys[position] for position in missing]):
            yield missing[place], entry

    def put_of(self, kind: str, scope: str, entries: Mapping[str, Arrays]) -> bool:
        """Store entries of a scope by key in one shard, whole or not at all; tell if they are."""
        name = f"{digest(*sorted(entries))}{SUFFIX}"
        return self._write(self._scope(kind, scope) / name, packed(kind, scope, entries))

    def _write(self, path: Path, parts: Sequence[bytes]) -> bool:
        if not self._writable:
            return False
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._written += replace_parts(path, parts)
        except OSError as error:
            self._writable = False
            warnings.warn(
                f"The cache in {self.root} cannot be written ({error.strerror or error});"
                " results are not affected, but later runs compute them again."
                " Free space there, or choose another folder with --nnrel-cache=DIR or"
                " --nnrel-cache=off.",
                CacheWarning,
                stacklevel=3,
            )
            return False
        if self._written > max(_LOOK_AFTER_SHARE * self.cap_bytes, _LOOK_AFTER_BYTES):
            self._written = 0
            self.prune()
        return True

    def fetch(
        self, kind: str, key: str, compute: Callable[[], Arrays], *, outer: bool = False
    ) -> dict[str, npt.NDArray[Any]]:
        """Return the arrays of a key; compute and store them where they are not there yet.

        Of several processes that ask at the same time one computes, and the others wait for it.
        `compute` must not fetch from the same store itself, unless this is the `outer` of both:
        locks are shared by many keys.
        """
        stored = self.get(kind, key)
        if stored is not None:
            return stored
        with self.lock(key, outer=outer):
            stored = self.get(kind, key)
            if stored is None:
                stored = dict(compute())
                self.put(kind, key, stored)
        return stored

    @contextmanager
    def lock(self, key: str, *, outer: bool = False) -> Iterator[None]:
        """Keep other processes from the work that belongs to a key; not where none can be kept.

        Work under an `outer` lock may take others, never the other way round.
        """
        folder = self.root / LAYOUT / "locks"
        lock: FileLock | None = None
        try:
            folder.mkdir(parents=True, exist_ok=True)
            stripe = f"{int(key[:8], 16) % _LOCK_STRIPES:03x}"
            lock = FileLock(folder / f"{'outer-' if outer else ''}{stripe}.lock")
            lock.acquire()
        except (OSError, NotImplementedError):  # read-only, full, or a disk without locks
            lock = None
        try:
            yield
        finally:
            if lock is not None:
                lock.release()

    def size(self) -> tuple[int, int]:
        """Return the number of files and their bytes together."""
        sizes = [s.st_size for _, path, s in self._files() if path.endswith(SUFFIX)]
        return len(sizes), sum(sizes)

    def prune(self) -> None:
        """Delete entries until the store is within its cap: transformed clips, then all others.

        Of both those used longest ago go first. What writers and runs left that were killed a day
        ago or earlier goes too. A long run prunes now and then, whoever opened the store when it is
        over. Files that may not be deleted stay: of another user, or on a disk that is read only.
        """
        abandoned = time.time() - _ABANDONED_SECONDS
        entries = []
        for kind, path, status in self._files():
            if path.endswith(SUFFIX):
                # Access times move on most file systems (relatime); modification is the floor.
                used = max(status.st_atime, status.st_mtime)
                entries.append((kind != BULKY, used, status.st_size, path))
            elif status.st_mtime < abandoned:
                _delete(path)
        for folder in scan(self.root / LAYOUT / RUNS):
            with suppress(OSError):  # a run that has ended meanwhile
                if folder.stat().st_mtime < abandoned:
                    shutil.rmtree(folder.path, ignore_errors=True)
        surplus = sum(size for _, _, size, _ in entries) - self.cap_bytes
        if surplus <= 0:
            return
        for _, _, size, path in sorted(entries):
            if _delete(path):
                surplus -= size
            if surplus <= 0:
                return

    def clear(self) -> None:
        """Delete every entry, of this layout and of earlier ones."""
        for folder in self.root.glob("nnrel-v*"):
            if _ANY_LAYOUT.fullmatch(folder.name) and folder.is_dir():
                shutil.rmtree(folder, ignore_errors=True)

    def _files(self) -> Iterator[tuple[str, str, os.stat_result]]:
        """Yield kind, path and status of entries and of what is being written, in one look."""
        for kind in scan(self.root / LAYOUT):
            for folder in scan(kind.path):
                if len(folder.name) != _FOLDER_LETTERS:
                    continue
                for entry in scan(folder.path):
                    for file in scan(entry.path) if entry.is_dir() else (entry,):
                        name = file.name
                        is_part = name[0] == "." and name.endswith(PART)
                        if not name.endswith(SUFFIX) and not is_part:
                            continue
                        try:
                            status = file.stat()
                        except OSError:  # deleted by another process meanwhile
                            continue
                        yield kind.name, file.path, status

    def _path(self, kind: str, key: str) -> Path:
        return self._scope(kind, key).with_suffix(SUFFIX)

    def _scope(self, kind: str, scope: str) -> Path:
        return self.root / LAYOUT / kind / scope[:_FOLDER_LETTERS] / scope

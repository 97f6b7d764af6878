"""A content-addressed store of arrays on disk that several processes may share.

A key is the digest of everything that a value depends on, so that an entry is never out of date:
it is there and right, or it is not there. Entries are written to a temporary file and renamed,
carry a checksum, and are recomputed where the checksum does not hold.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import shutil
import tempfile
import time
import warnings
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from filelock import FileLock

from pytest_nnrel.errors import CacheWarning

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import numpy.typing as npt

    Arrays = Mapping[str, npt.NDArray[np.generic]]

#: Layout of the entries; entries of another layout are never looked at.
LAYOUT = "nnrel-v3"
_ANY_LAYOUT = re.compile(r"nnrel-v\d+")
SUFFIX = ".arrays"
#: Of files that are being written, hidden ones.
_PART = ".tmp"
#: Letters of a key that name the folder of its entry.
_FOLDER_LETTERS = 2
#: Kind of the entries that leave first: the largest, and soon made again.
BULKY = "clips"
#: SHA-256, which processors have instructions for.
_CHECKSUM_BYTES = 32
_HEADER_LENGTH_BYTES = 8
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


def _scan(folder: str | Path) -> list[os.DirEntry[str]]:
    """Return what is in a folder; nothing where it is a file, not there, or gone meanwhile."""
    try:
        with os.scandir(folder) as found:
            return list(found)
    except (FileNotFoundError, NotADirectoryError):
        return []


def _packed(arrays: Arrays) -> list[bytes | memoryview]:
    """Return the parts of an entry's file after its checksum: header length, header, arrays."""
    plain = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    header = json.dumps(
        [[name, array.dtype.str, np.shape(arrays[name])] for name, array in plain.items()]
    ).encode()
    parts: list[bytes | memoryview] = [len(header).to_bytes(_HEADER_LENGTH_BYTES, "little"), header]
    return parts + [array.tobytes() for array in plain.values()]


def _unpacked(payload: memoryview) -> dict[str, npt.NDArray[np.generic]]:
    """Return the arrays that `_packed` made a payload of."""
    at = _HEADER_LENGTH_BYTES + int.from_bytes(payload[:_HEADER_LENGTH_BYTES], "little")
    arrays = {}
    for name, kind, shape in json.loads(bytes(payload[_HEADER_LENGTH_BYTES:at])):
        dtype = np.dtype(kind)
        end = at + dtype.itemsize * math.prod(shape)
        # A copy, which is aligned and can be written to.
        arrays[name] = np.ndarray(shape, dtype, payload[at:end]).copy()
        at = end
    return arrays


def _checksum_begun(kind: str, key: str) -> hashlib._Hash:
    """Return a checksum that covers what an entry is of: in another's place it is unsound."""
    return hashlib.sha256(json.dumps([kind, key]).encode())


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
    An entry is a checksum, a header in JSON that names the arrays, and their bytes: half the time
    of a zip archive, which counts where there are hundreds of thousands of small entries.

    A folder that cannot be written (read-only, disk full) costs later runs time, never a verdict:
    one `CacheWarning` says so, and the store goes on reading what it can.
    """

    def __init__(self, root: Path, *, cap_bytes: float = float("inf")) -> None:
        self.root = root
        self.cap_bytes = cap_bytes
        self._writable = True
        self._written = 0

    def folder(self) -> Path | None:
        """Return the folder of the store, made if need be; None where it cannot be written."""
        try:
            self.root.mkdir(parents=True, exist_ok=True)
        except OSError:
            return None
        return self.root if self._writable and os.access(self.root, os.W_OK) else None

    def get(self, kind: str, key: str) -> dict[str, npt.NDArray[np.generic]] | None:
        """Return the arrays stored under a key, or None where there is no sound entry."""
        path = self._path(kind, key)
        try:
            content = path.read_bytes()
        except OSError:
            return None
        payload = memoryview(content)[_CHECKSUM_BYTES:]
        checksum = _checksum_begun(kind, key)
        checksum.update(payload)
        if checksum.digest() != content[:_CHECKSUM_BYTES]:
            return None
        return _unpacked(payload)

    def put(self, kind: str, key: str, arrays: Arrays) -> None:
        """Store arrays under a key, whole or not at all."""
        if not self._writable:
            return
        parts = _packed(arrays)
        checksum = _checksum_begun(kind, key)
        for part in parts:
            checksum.update(part)
        path = self._path(kind, key)
        temporary: str | None = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=_PART)
            with os.fdopen(handle, "wb") as file:
                self._written += file.write(checksum.digest())
                for part in parts:
                    self._written += file.write(part)
            os.replace(temporary, path)
        except OSError as error:
            self._writable = False
            if temporary is not None:
                Path(temporary).unlink(missing_ok=True)
            warnings.warn(
                f"The cache in {self.root} cannot be written ({error.strerror or error});"
                " results are not affected, but later runs compute them again."
                " Free space there, or choose another folder with --nnrel-cache=DIR or"
                " --nnrel-cache=off.",
                CacheWarning,
                stacklevel=2,
            )
        except BaseException:  # Ctrl-C between the two writes
            if temporary is not None:
                Path(temporary).unlink(missing_ok=True)
            raise
        if self._written > max(_LOOK_AFTER_SHARE * self.cap_bytes, _LOOK_AFTER_BYTES):
            self._written = 0
            self.prune()

    def fetch(
        self, kind: str, key: str, compute: Callable[[], Arrays], *, outer: bool = False
    ) -> dict[str, npt.NDArray[np.generic]]:
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
        except OSError:  # read-only, or full: work is done twice at worst
            lock = None
        try:
            yield
        finally:
            if lock is not None:
                lock.release()

    def size(self) -> tuple[int, int]:
        """Return the number of entries and their bytes together."""
        sizes = [s.st_size for _, path, s in self._files() if path.endswith(SUFFIX)]
        return len(sizes), sum(sizes)

    def prune(self) -> None:
        """Delete entries until the store is within its cap: transformed clips, then all others.

        Of both those used longest ago go first. What writers left that were killed a day ago or
        earlier goes too. A long run prunes now and then, whoever opened the store when it is over.
        """
        abandoned = time.time() - _ABANDONED_SECONDS
        entries = []
        for kind, path, status in self._files():
            if path.endswith(SUFFIX):
                # Access times move on most file systems (relatime); modification is the floor.
                used = max(status.st_atime, status.st_mtime)
                entries.append((kind != BULKY, used, status.st_size, path))
            elif status.st_mtime < abandoned:
                Path(path).unlink(missing_ok=True)
        surplus = sum(size for _, _, size, _ in entries) - self.cap_bytes
        if surplus <= 0:
            return
        for _, _, size, path in sorted(entries):
            Path(path).unlink(missing_ok=True)
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
        for kind in _scan(self.root / LAYOUT):
            for folder in _scan(kind.path):
                if len(folder.name) != _FOLDER_LETTERS:
                    continue
                for file in _scan(folder.path):
                    name = file.name
                    if not name.endswith(SUFFIX) and not (name[0] == "." and name.endswith(_PART)):
                        continue
                    try:
                        status = file.stat()
                    except OSError:  # deleted by another process meanwhile
                        continue
                    yield kind.name, file.path, status

    def _path(self, kind: str, key: str) -> Path:
        return self.root / LAYOUT / kind / key[:_FOLDER_LETTERS] / f"{key}{SUFFIX}"

"""Files that hold many small entries, and where in them each is found.

A shard is written once, as a whole, and never changed: what several processes write, and what a
kill leaves, needs no more care than a single file does, on network disks as well. Its head names
the entries and how their arrays lie, under a checksum that covers what the shard is of; each entry
has a checksum of its own, so that damage costs no more than the entries that it hits.

Notes
-----
Databases would do the same with more at stake: those in one file (SQLite, LMDB) forbid network
disks, on which clusters share a cache, and damage of one page can cost all entries; HDF5 has one
writer; zarr and Arrow store arrays by place, not by key, and check no part of a file alone.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    import numpy.typing as npt

    Arrays = Mapping[str, npt.NDArray[np.generic]]
    #: Name, dtype and shape of each array of an entry, in the order in which they lie.
    Layout = tuple[tuple[str, str, tuple[int, ...]], ...]
    #: Rows of `_TABLE`.
    Table = npt.NDArray[np.void]

SUFFIX = ".arrays"
#: SHA-256, which processors have instructions for.
_CHECKSUM_BYTES = 32
_LENGTH_BYTES = 8
#: Of an entry's own checksum: what rots by chance is missed once in 2**64 times.
_ENTRY_CHECKSUM_BYTES = 8
#: Of the entries of a shard: key in two halves, which layout, where, checksum.
_TABLE = np.dtype(
    [("high", "<u8"), ("low", "<u8"), ("layout", "<u4"), ("at", "<u8"), ("checksum", "<u8")]
)
#: The same, and in which shard.
_FOUND = np.dtype([*_TABLE.descr, ("shard", "<u4")])


def packed(kind: str, scope: str, entries: Mapping[str, Arrays]) -> list[bytes]:
    """Return the parts of a shard's file.

    Parameters
    ----------
    kind, scope : str
        What the entries are of: in another's place, none of them is sound.
    entries : mapping of str to mapping of str to array
        By key, 32 hexadecimal digits.
    """
    layouts: dict[Layout, int] = {}
    table = np.zeros(len(entries), _TABLE)
    table["high"], table["low"] = halves(list(entries))
    payloads: list[bytes] = []
    at = 0
    for row, (key, arrays) in zip(table, entries.items()):
        plain = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
        layout = tuple(
            (name, array.dtype.str, np.shape(arrays[name])) for name, array in plain.items()
        )
        payload = b"".join(array.tobytes() for array in plain.values())
        row["layout"] = layouts.setdefault(layout, len(layouts))
        row["at"], row["checksum"] = at, _checksum(kind, scope, key, payload)
        payloads.append(payload)
        at += len(payload)
    described = json.dumps([len(entries), list(layouts)]).encode()
    head = len(described).to_bytes(_LENGTH_BYTES, "little") + described + table.tobytes()
    return [_checksum_of_head(kind, scope, head), head, *payloads]


def halves(keys: Sequence[str]) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64]]:
    """Return keys as two numbers each."""
    both = np.frombuffer(bytes.fromhex("".join(keys)), dtype=">u8").astype(np.uint64)
    return both[0::2], both[1::2]


def _checksum_of_head(kind: str, scope: str, head: bytes) -> bytes:
    return hashlib.sha256(json.dumps([kind, scope]).encode() + head).digest()


def _checksum(kind: str, scope: str, key: str, payload: bytes) -> int:
    state = hashlib.sha256(f"{kind} {scope} {key} ".encode())
    state.update(payload)
    return int.from_bytes(state.digest()[:_ENTRY_CHECKSUM_BYTES], "little")


@dataclass(frozen=True, eq=False)
class _Head:
    """Where the entries of a shard lie, by its head.

    Attributes
    ----------
    path : Path
    layouts : tuple of Layout
    table : Table
    sizes : tuple of int
        Bytes of an entry of each layout.
    begins : int
        Byte of the file at which the first entry begins.
    """

    path: Path
    layouts: tuple[Layout, ...]
    table: Table
    sizes: tuple[int, ...]
    begins: int


def _head_of(path: Path, kind: str, scope: str) -> _Head | None:
    """Return the head of a shard, or None where it is not sound, or gone."""
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            checksum = file.read(_CHECKSUM_BYTES)
            length = file.read(_LENGTH_BYTES)
            described_bytes = int.from_bytes(length, "little")
            if described_bytes > size:
                return None
            described = file.read(described_bytes)
            table_bytes = _table_bytes(described)
            if table_bytes is None or table_bytes > size:
                return None
            table = file.read(table_bytes)
            begins = file.tell()
    except OSError:
        return None
    if _checksum_of_head(kind, scope, length + described + table) != checksum:
        return None
    layouts = tuple(
        tuple((name, dtype, tuple(shape)) for name, dtype, shape in layout)
        for layout in json.loads(described)[1]
    )
    rows = np.frombuffer(table, _TABLE)
    sizes = tuple(_size_of(layout) for layout in layouts)
    if size > begins + sum(sizes[layout] for layout in rows["layout"]):
        return None  # not as it was written
    return _Head(path, layouts, rows, sizes, begins)


def _table_bytes(described: bytes) -> int | None:
    """Return the size of the table that a head announces, before its checksum is looked at."""
    try:
        number, _ = json.loads(described)
    except (ValueError, TypeError):
        return None
    return number * _TABLE.itemsize if isinstance(number, int) and number >= 0 else None


class Index:
    """Where the entries of some shards of one kind and scope lie."""

    def __init__(
        self, kind: str, scope: str, heads: Mapping[str, _Head | None] | None = None
    ) -> None:
        self._kind, self._scope = kind, scope
        self._sound = [head for head in (heads or {}).values() if head is not None]
        #: Shards in which something was not as their heads have it: they may have been replaced.
        self._doubted: set[str] = set()
        table = np.zeros(sum(len(head.table) for head in self._sound), _FOUND)
        first = 0
        for number, head in enumerate(self._sound):
            rows = table[first : first + len(head.table)]
            for name in _TABLE.names or ():
                rows[name] = head.table[name]
            rows["shard"] = number
            first += len(rows)
        self._table = table[np.argsort(table["high"], kind="stable")]
        self._high = np.ascontiguousarray(self._table["high"])

    @classmethod
    def of_file(cls, path: Path, kind: str, scope: str) -> Index:
        """Return the index of one shard."""
        return cls(kind, scope, {path.name: _head_of(path, kind, scope)})

    def __len__(self) -> int:
        return len(self._table)

    @property
    def keys(self) -> list[str]:
        """Keys of all entries, sound or not."""
        columns = (self._table[name].tolist() for name in ("high", "low"))
        return [f"{high:016x}{low:016x}" for high, low in zip(*columns)]

    @property
    def nbytes(self) -> int:
        """What it takes of memory."""
        return 2 * self._table.nbytes + self._high.nbytes

    def looked_at_again(self, folder: Path) -> Index:
        """Return the index of what lies in a folder now; heads that are known are not read."""
        names = {
            entry.name
            for entry in scan(folder)
            if entry.name.endswith(SUFFIX) and entry.name[0] != "."
        }
        known = {head.path.name: head for head in self._sound}
        for name in tuple(self._doubted):
            known.pop(name, None)
        if names == known.keys():
            return self
        heads = {
            name: known.get(name) or _head_of(folder / name, self._kind, self._scope)
            for name in sorted(names)
        }
        return Index(self._kind, self._scope, heads)

    def read(self, keys: Sequence[str]) -> Iterator[tuple[int, dict[str, npt.NDArray[Any]]]]:
        """Yield the entries of keys that are there and sound, by position, shard by shard."""
        if not keys or not len(self._table):
            return
        high, low = halves(keys)
        first = np.searchsorted(self._high, high, side="left")
        last = np.searchsorted(self._high, high, side="right")
        # Of several under one key, each is tried until one is sound.
        turns: dict[int, list[tuple[int, int]]] = {}
        for position, (begin, end) in enumerate(zip(first.tolist(), last.tolist())):
            for turn, row in enumerate(range(begin, end)):
                if self._table["low"][row] == low[position]:
                    turns.setdefault(turn, []).append((position, row))
        done: set[int] = set()
        for turn in sorted(turns):
            wanted = [(position, row) for position, row in turns[turn] if position not in done]
            for position, entry in self._entries(keys, wanted):
                done.add(position)
                yield position, entry

    def _entries(
        self, keys: Sequence[str], wanted: Sequence[tuple[int, int]]
    ) -> Iterator[tuple[int, dict[str, npt.NDArray[Any]]]]:
        """Yield sound entries among rows of the table; each shard is opened once, read in order."""
        positions, rows = np.array(wanted, dtype=np.intp).reshape(-1, 2).T
        found = self._table[rows]
        order = np.lexsort((found["at"], found["shard"]))
        found = found[order]
        ends = np.flatnonzero(np.diff(found["shard"], append=-1)) + 1
        columns = [found[name].tolist() for name in ("layout", "at", "checksum")]
        places = list(zip(positions[order].tolist(), *columns))
        begin = 0
        for end in ends.tolist():
            head = self._sound[found["shard"][begin]]
            try:
                file = head.path.open("rb")
            except OSError:  # evicted meanwhile
                self._doubted.add(head.path.name)
                begin = end
                continue
            with file:
                for position, layout, at, checksum in places[begin:end]:
                    payload = _payload(file, head.begins + at, head.sizes[layout])
                    if checksum == _checksum(self._kind, self._scope, keys[position], payload):
                        yield position, _unpacked(head.layouts[layout], payload)
                    else:
                        self._doubted.add(head.path.name)
            begin = end


def _payload(file: BinaryIO, at: int, size: int) -> bytes:
    try:
        file.seek(at)
        return file.read(size)
    except OSError:
        return b""


def _size_of(layout: Layout) -> int:
    """Return the bytes of an entry."""
    return sum(np.dtype(dtype).itemsize * math.prod(shape) for _, dtype, shape in layout)


def _unpacked(layout: Layout, payload: bytes) -> dict[str, npt.NDArray[Any]]:
    arrays: dict[str, npt.NDArray[Any]] = {}
    at = 0
    for name, kind, shape in layout:
        dtype = np.dtype(kind)
        # A copy, which is aligned and can be written to.
        arrays[name] = np.ndarray(shape, dtype, payload, at).copy()
        at += arrays[name].nbytes
    return arrays


def scan(folder: str | Path) -> list[os.DirEntry[str]]:
    """Return what is in a folder; nothing where it is a file, not there, or gone meanwhile."""
    try:
        with os.scandir(folder) as found:
            return list(found)
    except (FileNotFoundError, NotADirectoryError):
        return []

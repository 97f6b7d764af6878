"""Objects that tasks take along by name: corpora and encoders.

A task in a thread has the object itself. One that is sent to another process, here or on another
machine, has the name of a file: the object is written there once, and opened once in each process
that asks for it. So what is sent for a task does not grow with the corpus, and arrays are mapped
into memory, not read.
"""

from __future__ import annotations

import mmap
import os
import pickle
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

import numpy as np
from cachetools import LRUCache

from pytest_nnrel.errors import HandoverError
from pytest_nnrel.runtime.files import replace_parts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Keep: TypeAlias = Callable[[pickle.PickleBuffer], object]

T = TypeVar("T")

#: Pickles an object, and gives what of it is to travel beside it to a function.
Pack: TypeAlias = "Callable[[T, Keep], bytes]"

#: Where arrays begin, at a multiple of this.
_ALIGNED = 64
#: Objects that a process keeps open: a corpus, encoders that are measured on it, and candidates.
_KEPT_OPEN = 8


class Handed(Generic[T]):
    """An object, and the file by which other processes get it.

    Parameters
    ----------
    value : object
    path : Path or None
        Where it is written when it is first sent to another process; where it cannot be written,
        and for None, it is sent itself.
    what : str
        What messages call it.
    pack : callable, optional
        Pickles it, and gives its buffers to its second argument; cloudpickle where omitted.
    """

    def __init__(self, value: T, path: Path | None, what: str, pack: Pack[T] | None = None) -> None:
        self._value = value
        self._path = path
        self._what = what
        self._pack: Pack[T] = pack or _packed

    @property
    def value(self) -> T:
        """The object."""
        return self._value

    def hand_over(self) -> bool:
        """Tell whether other processes can get it, after it was written if need be.

        Raises
        ------
        Exception
            What pickling it raises, of any kind.
        """
        return self._path is not None and _is_written(self._value, self._path, self._pack)

    def __reduce__(self) -> tuple[Any, tuple[object, ...]]:
        if self.hand_over():
            return _opened, (self._path, self._what)
        return Handed, (self._value, None, self._what)


@contextmanager
def handed(value: T, path: Path | None, what: str) -> Iterator[Handed[T]]:
    """Give an object as tasks take it along, for a ``with`` block, after which its file goes."""
    shared = Handed(value, path, what)
    try:
        yield shared
    finally:
        if path is not None:
            path.unlink(missing_ok=True)


def _packed(value: object, keep: Keep) -> bytes:
    import cloudpickle

    return bytes(cloudpickle.dumps(value, protocol=5, buffer_callback=keep))


def _is_written(value: T, path: Path, pack: Pack[T]) -> bool:
    """Tell whether an object lies where it is to be found, after it was written if need be."""
    with _WRITING:
        try:
            os.utime(path)  # as a sign that it is used
        except OSError:
            pass
        else:
            return True
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            replace_parts(path, _parts(value, pack))
        except OSError:
            return False
    return True


_WRITING = threading.Lock()


def _parts(value: T, pack: Pack[T]) -> Iterator[bytes | memoryview]:
    """Yield what a file holds: how much of what, the object, and its arrays."""
    buffers: list[pickle.PickleBuffer] = []
    plain = pack(value, buffers.append)
    raw = [buffer.raw() for buffer in buffers]
    sizes = np.array([len(raw), len(plain), *map(len, raw)], dtype="<u8").tobytes()
    parts: list[bytes | memoryview] = [sizes, plain, *raw]
    at = 0
    for part in parts:
        yield part
        at += len(part)
        yield bytes(-at % _ALIGNED)
        at += -at % _ALIGNED


_OPEN: LRUCache[Path, Handed[Any]] = LRUCache(_KEPT_OPEN)
_OPENING = threading.Lock()


def _opened(path: Path, what: str) -> Handed[Any]:
    """Return what lies in a file; each process reads it once."""
    with _OPENING:
        if path not in _OPEN:
            _OPEN[path] = Handed(_read(path, what), path, what)
        return _OPEN[path]


def _read(path: Path, what: str) -> Any:  # noqa: ANN401
    try:
        with path.open("rb") as file:
            # Copied where it is written to: encoders may do as they like with what is theirs.
            content = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY))
    except (OSError, ValueError) as error:
        raise HandoverError(
            f"a worker cannot open {what} ({path}): {error}; workers must see the folder of the"
            " cache, so put it on a disk that all machines have (--nnrel-cache=DIR)"
        ) from error
    number, plain_size = np.frombuffer(content, "<u8", 2).tolist()
    sizes = np.frombuffer(content, "<u8", number, 16).tolist()
    parts = []
    at = 16 + 8 * number
    for size in (plain_size, *sizes):
        at += -at % _ALIGNED
        parts.append(content[at : at + size])
        at += size
    try:
        return pickle.loads(parts[0], buffers=parts[1:])
    except Exception as error:  # unpickling runs the object's own code
        raise HandoverError(
            f"a worker cannot open {what}: {error}; install on all workers what it is made of"
        ) from error

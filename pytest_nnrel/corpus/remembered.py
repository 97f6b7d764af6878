"""What was found of audio, kept in the cache for as long as what it lies in stays as it is."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from pytest_nnrel.runtime import settings
from pytest_nnrel.runtime.code import code_version
from pytest_nnrel.runtime.progress import progress
from pytest_nnrel.runtime.store import Store, digest
from pytest_nnrel.runtime.tasks import run_tasks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    import numpy.typing as npt

    from pytest_nnrel.corpus.audiofile import Stamp
    from pytest_nnrel.runtime.shards import Arrays

Item = TypeVar("Item")

#: Files from which on it pays to remember them.
LEAST_REMEMBERED = 512
#: Age of the last change, when a file is hashed, from which on its stamp tells the next one: two
#: within a tick of the file system's clock would have the same.
_SETTLED_SECONDS = 3.0
_KIND = "files"


@dataclass(frozen=True, slots=True)
class Looked:
    """What was found of an audio file, or of the bytes of one.

    Attributes
    ----------
    content : str
        Digest of the whole.
    stamp : Stamp
        Of the file that it is or lies in, before it was read.
    rate : int
        Its own, in Hz.
    frames, length : int
        Of the whole and of a segment, in samples.
    starts : tuple of int
        Of the segments, the audible ones: so many as were asked for, or fewer.
    """

    content: str
    stamp: Stamp
    rate: int
    frames: int
    length: int
    starts: tuple[int, ...]


@dataclass(frozen=True)
class Memory:
    """What was found, by key, on disk.

    Attributes
    ----------
    store : Store
    scope : str
        What, besides the bytes, it depends on.
    """

    store: Store
    scope: str

    @classmethod
    def of(cls, number: int, *parts: object) -> Memory | None:
        """Return the memory in the active settings' cache; None where it would not pay.

        Parameters
        ----------
        number : int
            Of files.
        *parts
            What, besides the bytes and our code, what is found depends on.
        """
        active = settings.active()
        folder = active.cache_dir() if callable(active.cache_dir) else active.cache_dir
        if folder is None or number < LEAST_REMEMBERED:
            return None
        scope = digest(_KIND, code_version(), *parts)
        return cls(Store(folder, cap_bytes=active.cache_gib * 2**30), scope)

    def recall(
        self, keys: Sequence[str], stamp_of: Callable[[int], Stamp | None]
    ) -> Iterator[tuple[int, Looked]]:
        """Yield what is known of bytes that lie in a file that is still as it was.

        Parameters
        ----------
        keys : sequence of str
            32 hexadecimal digits each.
        stamp_of : callable
            Tells the stamp of a position's file, as it is now; None where there is none.
        """
        for position, entry in self.store.get_of(_KIND, self.scope, keys):
            stamp = stamp_of(position)
            if stamp is not None and np.array_equal(entry["stamp"], _numbers(stamp)):
                rate, frames, length, *starts = entry["places"].tolist()
                content = entry["content"].tobytes().hex()
                yield position, Looked(content, stamp, rate, frames, length, tuple(starts))

    def keep(self, found: Iterable[tuple[str, Looked]]) -> None:
        """Remember what was found, by key, where the last change is long enough ago."""
        settled = time.time_ns() - _SETTLED_SECONDS * 1e9
        entries: dict[str, Arrays] = {
            key: {
                "stamp": _numbers(one.stamp),
                "content": np.frombuffer(bytes.fromhex(one.content), np.uint8),
                "places": np.array([one.rate, one.frames, one.length, *one.starts], dtype=np.int64),
            }
            for key, one in found
            if max(one.stamp.modified_ns, one.stamp.changed_ns) < settled
        }
        if entries:
            self.store.put_of(_KIND, self.scope, entries)


def looked_at(
    items: Sequence[Item],
    look: Callable[[Sequence[Item]], list[Looked | str]],
    keys: Sequence[str | None],
    stamp_of: Callable[[int], Stamp | None],
    memory: Memory | None,
    *,
    block: int,
    name: str,
    here: bool = False,
) -> list[Looked | str]:
    """Return what is found of each of some audio, or why nothing is; on all workers, if not known.

    Parameters
    ----------
    items : sequence
    look : callable
        Task that looks at a block of them.
    keys : sequence of str or None
        What each is remembered by; None where no stamp tells whether it is the same.
    stamp_of, memory
        See `Memory.recall`; None remembers nothing.
    block : int
        Items of a task.
    name : str
        Of the corpus.
    here : bool
        See `run_tasks`.
    """
    found: dict[int, Looked | str] = {}
    if memory is not None:
        places = [(at, key) for at, key in enumerate(keys) if key is not None]
        known = memory.recall([key for _, key in places], lambda i: stamp_of(places[i][0]))
        found = {places[position][0]: looked for position, looked in known}
    missing = [at for at in range(len(items)) if at not in found]
    blocks = [missing[first : first + block] for first in range(0, len(missing), block)]
    looked = run_tasks(
        look,
        [[items[at] for at in places] for places in blocks],
        jobs=settings.active().jobs,
        progress=partial(progress, what=f"reading {name}"),
        here=here,
    )
    for of_block, told in zip(blocks, looked):
        found.update(zip(of_block, told))
        if memory is not None:
            memory.keep(
                (key, one)
                for at, one in zip(of_block, told)
                if isinstance(one, Looked) and (key := keys[at]) is not None
            )
    return [found[at] for at in range(len(items))]


def _numbers(stamp: Stamp) -> npt.NDArray[np.uint64]:
    # Times before 1970 are negative, and some systems' inodes are longer.
    return np.array([number % 2**64 for number in stamp], dtype=np.uint64)

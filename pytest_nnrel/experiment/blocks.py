"""Clips by block: the unit of parallel work, of memory, of files, and of what Ctrl-C can lose.

And some of many, where all would be too many.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Container, Iterable

#: Clips of a block; more where there are many, since files would be too many.
LEAST_BLOCK, MOST_BLOCK, BLOCKS = 16, 64, 64


def blocks_of(
    asked: Iterable[int], missing: Container[int] | None = None, *, least: int = LEAST_BLOCK
) -> list[list[int]]:
    """Return those of the clips asked for that are missing, or all, by block.

    Blocks have the same bounds whatever is missing of them: several processes then do not make
    the same clips, and an encoder is given the same batches.
    """
    clips = list(asked)
    size = max(least, min(MOST_BLOCK, len(clips) // BLOCKS))
    blocks = (clips[first : first + size] for first in range(0, len(clips), size))
    if missing is None:
        return list(blocks)
    left = ([i for i in block if i in missing] for block in blocks)
    return [block for block in left if block]


def spread(n: int, most: int) -> list[int]:
    """Return positions of n things, evenly spread: of so many at most."""
    count = min(n, most)
    return [i * n // count for i in range(count)]

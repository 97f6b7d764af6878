"""Clips by block: the unit of parallel work, of memory, of files, and of what Ctrl-C can lose."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_nnrel.corpus import Corpus

#: Clips of a block; more in large corpora, where files would be too many.
LEAST_BLOCK, MOST_BLOCK, BLOCKS = 16, 64, 64


def blocks_of(indices: Iterable[int], corpus: Corpus, least: int = LEAST_BLOCK) -> list[list[int]]:
    """Return positions in a corpus by block.

    Blocks have the same bounds whatever is missing of them: several processes then do not make
    the same clips, and an encoder is given the same batches.
    """
    size = max(least, min(MOST_BLOCK, len(corpus) // BLOCKS))
    blocks: dict[int, list[int]] = {}
    for i in indices:
        blocks.setdefault(i // size, []).append(i)
    return list(blocks.values())

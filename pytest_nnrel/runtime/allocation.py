"""Memory of a process that runs networks on a CPU."""

from __future__ import annotations

import ctypes
import os
from functools import cache

#: Parameters of glibc's ``mallopt`` (malloc.h).
_M_TRIM_THRESHOLD = -1
_M_MMAP_MAX = -4

#: What a process keeps of the memory that it freed, at most, in bytes.
KEPT = 2**30


@cache
def keep_freed_memory() -> bool:
    """Have the C library keep what this process frees, for its next step.

    Each step of a network takes and frees the same large blocks. glibc returns such blocks to the
    system, which clears them before it gives them again: a quarter of the time of a measurement on
    a CPU. Whoever tells glibc otherwise, by its environment variables ``MALLOC_...``, is obeyed.

    Returns
    -------
    bool
        Whether it does so now. With another C library, networks are only slower.
    """
    if any(name.startswith("MALLOC_") for name in os.environ):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # none of glibc's; TypeError on Windows
        return False
    # Blocks that are mapped one by one go back as soon as they are freed: none are.
    return bool(mallopt(_M_MMAP_MAX, 0) and mallopt(_M_TRIM_THRESHOLD, KEPT))

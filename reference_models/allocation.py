"""Memory of a process that runs networks on a CPU."""

from __future__ import annotations

import ctypes

#: Parameters of glibc's ``mallopt`` (malloc.h).
_M_TRIM_THRESHOLD = -1
_M_MMAP_MAX = -4
#: As a threshold: never.
_NEVER = -1


def keep_freed_memory() -> bool:
    """Have the C library keep what this process frees, for its next step.

    Each step of a network takes and frees the same large blocks. glibc returns such blocks to the
    system, which clears them before it gives them again: a good part of a step's time on a CPU.

    Returns
    -------
    bool
        Whether the C library is one that can do so. With another, networks are only slower.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # none of glibc's; TypeError on Windows
        return False
    # Blocks that are mapped one by one go back as soon as they are freed: none are.
    return bool(mallopt(_M_MMAP_MAX, 0) and mallopt(_M_TRIM_THRESHOLD, _NEVER))

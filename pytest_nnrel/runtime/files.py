"""Files that are there whole, or as they were. Standard library only."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Of files that are being written, hidden ones.
PART = ".tmp"


def replace_text(path: Path, text: str) -> None:
    """Write a text file, in place of one that may be there, as `replace_bytes` does."""
    # Names of files need not be text: what is none is shown escaped.
    replace_bytes(path, text.encode("utf-8", errors="backslashreplace"))


def replace_bytes(path: Path, content: bytes) -> None:
    """Write a file, in place of one that may be there, as `replace_parts` does."""
    replace_parts(path, [content])


def replace_parts(path: Path, parts: Iterable[bytes | memoryview]) -> int:
    """Write a file of several parts, in place of one that may be there.

    Parameters
    ----------
    path : Path
        In a folder that exists.
    parts : iterable of bytes

    Returns
    -------
    int
        Bytes written.

    Raises
    ------
    OSError
        If it cannot be written; what was there is then left whole.
    """
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=PART)
    try:
        with os.fdopen(handle, "wb") as file:
            written = sum(file.write(part) for part in parts)
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return written

"""What libraries write of errors beside raising them, where errors are to be expected."""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_STDERR: Final = 2
#: One at a time, so that each finds and leaves the process's own.
_LOCK = threading.RLock()


@contextmanager
def errors_unheard() -> Iterator[None]:
    """Have nothing heard of what is written to standard error, not by compiled libraries either.

    ONNX Runtime logs each run that fails there, in many lines.
    """
    with _LOCK:
        try:
            own = os.dup(_STDERR)
        except OSError:  # a process without one
            yield
            return
        try:
            with open(os.devnull, "wb") as nowhere:
                os.dup2(nowhere.fileno(), _STDERR)
            yield
        finally:
            os.dup2(own, _STDERR)
            os.close(own)

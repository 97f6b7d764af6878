"""Standard output whose reader may leave early. Standard library only."""

from __future__ import annotations

import os
from io import TextIOBase
from typing import TextIO


class PatientOutput(TextIOBase):
    """Standard output, whose reader, such as ``head``, may leave early.

    What is printed later is then lost, and nothing else: the command is carried out to its end,
    and its exit code stands. Closing it flushes the stream, which is others' to close.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except BrokenPipeError:
            self._silence()
            return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except BrokenPipeError:
            self._silence()

    def isatty(self) -> bool:
        return self._stream.isatty()

    def _silence(self) -> None:
        # What is still buffered would break the pipe again when the interpreter ends.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._stream.fileno())
        os.close(nowhere)

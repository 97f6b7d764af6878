"""Between a run and the processes that it starts: a folder that the environment names.

A process that is forked has what its parent had in memory, one that is spawned nothing. Both find
here what the run is set to, and leave here what they record, for the run to take into its report.
The folder lasts as long as the run: a process that outlives it, such as a worker that is kept for
reuse, is told so instead of going on with what held before. Standard library only.
"""

from __future__ import annotations

import json
import os
import tempfile
import threading
import uuid
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_nnrel.errors import SettingError
from pytest_nnrel.runtime.files import replace_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Environment variable that names the folder.
VARIABLE = "PYTEST_NNREL_RUN"
_SETTINGS = "settings"
_RECORDED = ".recorded"
#: Between folders of several runs.
_AND = "\n"


class Handover:
    """The folder of a run, as the run itself has it, whatever its tests do to the environment."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._payload = b""

    def hand_down(self, payload: bytes) -> None:
        """Leave what the run is set to for the processes that it starts."""
        if payload != self._payload:
            self._folder.mkdir(exist_ok=True)
            replace_bytes(self._folder / _SETTINGS, payload)
            self._payload = payload

    def handed_back(self) -> Iterator[dict[str, Any]]:
        """Yield what processes recorded, in the order in which they did; each once."""
        self._folder.mkdir(exist_ok=True)
        paths = [
            Path(entry) for entry in os.scandir(self._folder) if entry.name.endswith(_RECORDED)
        ]
        for path in sorted(paths, key=lambda path: path.stat().st_mtime_ns):
            yield json.loads(path.read_bytes())
            path.unlink()


class _Named(NamedTuple):
    """A folder that the environment names, and whether it is a run's beside another, not in it."""

    folder: str | None
    beside: bool


#: What the environment named before, and the runs of this process that are open; else empty.
_named: list[_Named] = []
_changing = threading.Lock()
#: The run that this context is in.
_own: ContextVar[str | None] = ContextVar("pytest_nnrel_run", default=None)


@contextmanager
def opened() -> Iterator[Handover]:
    """Make the folder of a run, for the length of a ``with`` block."""
    around = _own.get()
    with tempfile.TemporaryDirectory(
        prefix="pytest-nnrel-run-", ignore_cleanup_errors=True
    ) as folder:
        with _changing:
            beside = bool(_named) and around not in [other.folder for other in _named[1:]]
            _named[:] = _named or [_Named(os.environ.get(VARIABLE), beside=False)]
            _named.append(_Named(folder, beside))
            _tell()
        _own.set(folder)
        try:
            yield Handover(Path(folder))
        finally:
            _own.set(around)
            with _changing:
                _named[:] = [other for other in _named if other.folder != folder]
                _tell()
                if len(_named) == 1:
                    _named.clear()


def _tell() -> None:
    """Have the environment name the innermost run, or all that are beside each other."""
    named: str | None = None
    for folder, beside in _named:
        named = f"{named}{_AND}{folder}" if beside and named else folder
    if named is None:
        os.environ.pop(VARIABLE, None)
    else:
        os.environ[VARIABLE] = named


def handed_down() -> bytes | None:
    """Return what the run that this process belongs to is set to; None where it belongs to none.

    Raises
    ------
    SettingError
        If the run is over, or it is one of several.
    """
    if VARIABLE not in os.environ:
        return None
    try:
        return (_folder() / _SETTINGS).read_bytes()
    except OSError as error:
        raise _over() from error


def hand_back(content: dict[str, Any]) -> bool:
    """Leave what was recorded for the run that this process belongs to; tell if there is one.

    Raises
    ------
    SettingError
        If the run is over, or it is one of several.
    """
    if VARIABLE not in os.environ:
        return False
    try:
        replace_bytes(_folder() / f"{uuid.uuid4()}{_RECORDED}", json.dumps(content).encode())
    except OSError as error:
        raise _over() from error
    return True


def _folder() -> Path:
    named = os.environ[VARIABLE]
    if _AND in named:
        raise SettingError(
            f"{named.count(_AND) + 1} test runs were going on at once in the process that started"
            " this one, and it is not known to which it belongs; run them one after the other, or"
            " each in a process of its own"
        )
    return Path(named)


def _over() -> SettingError:
    return SettingError(
        "the test run that started this process is over, and with it what it was set to; end"
        f" processes with the run, or start them without {VARIABLE} in their environment"
    )

"""Objects of plain values that JSON files hold."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_nnrel.errors import NNRelError


def read_object(path: Path, what: str, do: str, error: type[NNRelError]) -> dict[str, Any]:
    """Return the object that a JSON file holds.

    Parameters
    ----------
    path : Path
    what : str
        That it is to be, for the message.
    do : str
        What to do where it is none.
    error : class

    Raises
    ------
    NNRelError
        Of that class, if the file cannot be read or holds no object.
    """
    try:
        plain = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(plain, dict):
            raise ValueError(f"no object, but {type(plain).__name__}")
    except (OSError, ValueError) as cause:
        raise error(f"{path} is no {what}: {cause}; {do}") from cause
    return plain

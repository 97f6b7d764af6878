"""What an engine of another library is set to, as plain values: files by what is in them."""

from __future__ import annotations

import enum
import os
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


class IndescribableError(Exception):
    """Something that no plain value stands for, such as a function or an open file."""


def described(value: Any, inside: Callable[[Any], object]) -> object:  # noqa: ANN401
    """Return a plain value, of which equal ones stand for the same settings.

    Parameters
    ----------
    value : Any
        Numbers, texts, arrays, enumerations, containers of them, and objects.
    inside : callable
        Describes an object, or raises `IndescribableError`.

    Raises
    ------
    IndescribableError
        For what it cannot tell, such as a folder, whose files may be any.
    """
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str | os.PathLike):
        return _of_text(os.fspath(value))
    if isinstance(value, enum.Enum):
        return str(value)
    if isinstance(value, dict):
        pairs = [(described(k, inside), described(v, inside)) for k, v in value.items()]
        return {"dict": sorted(pairs, key=repr)}
    if isinstance(value, list | tuple):
        return [described(item, inside) for item in value]
    if isinstance(value, set | frozenset):
        return {"set": sorted((described(item, inside) for item in value), key=repr)}
    if hasattr(value, "tobytes") and hasattr(value, "dtype"):
        from pytest_nnrel.runtime.store import digest

        return [str(value.dtype), list(value.shape), digest(value.tobytes())]
    return inside(value)


def attributes(
    obj: object, names: Iterable[str], inside: Callable[[Any], object]
) -> dict[str, object]:
    """Return the class of an object and its attributes, described."""
    kind = type(obj)
    return {
        "class": f"{kind.__module__}.{kind.__qualname__}",
        **{name: described(getattr(obj, name), inside) for name in names},
    }


def _of_text(text: str | bytes) -> object:
    if isinstance(text, bytes):
        raise IndescribableError
    path = Path(text)
    try:
        if path.is_dir() and text not in ("", "."):
            raise IndescribableError
        if not path.is_file():
            return text
        stat = path.stat()
    except (OSError, ValueError):  # no path
        return text
    return {"file": _content(path, stat.st_size, stat.st_mtime_ns)}


@lru_cache(maxsize=4096)
def _content(path: Path, size: int, modified_ns: int) -> str:
    import hashlib

    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

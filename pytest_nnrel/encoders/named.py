"""Encoders by the words that stand for them in files and on command lines."""

from __future__ import annotations

import importlib
import inspect
import sys
from typing import TYPE_CHECKING, Any

from pytest_nnrel.encoders.adapter import suffixes
from pytest_nnrel.errors import SettingError

if TYPE_CHECKING:
    from pathlib import Path

_LOADED: dict[tuple[str, Path], Any] = {}


def named_encoder(named: str, folder: Path) -> Any:  # noqa: ANN401
    """Return what ``module:object`` or the path of a model or table stands for, loaded once.

    Parameters
    ----------
    named : str
        What takes no arguments, such as a class or a function that loads a model, is called: an
        encoder takes audio.
    folder : Path
        Where modules are found besides those that are installed, and paths begin.

    Returns
    -------
    object
        For `as_encoder`.

    Raises
    ------
    SettingError
        If there is none.
    """
    if named.endswith(tuple(suffixes())):
        return folder / named
    if (named, folder) not in _LOADED:
        _LOADED[named, folder] = _imported(named, folder)
    return _LOADED[named, folder]


def _imported(named: str, folder: Path) -> Any:  # noqa: ANN401
    name, colon, attribute = named.partition(":")
    if not colon or not attribute:
        raise SettingError(
            f"encoder {named!r} is no fixture's name, no 'module:object' and no file of"
            f" {', '.join(suffixes())}"
        )
    sys.path.insert(0, str(folder))
    try:
        found: Any = importlib.import_module(name)
        for part in attribute.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise SettingError(f"encoder {named!r} cannot be imported: {error}") from error
    finally:
        sys.path.remove(str(folder))
    makes = inspect.isroutine(found) or inspect.isclass(found)
    if makes and not any(_is_needed(p) for p in inspect.signature(found).parameters.values()):
        return found()
    return found


def _is_needed(parameter: inspect.Parameter) -> bool:
    by_place = (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
    return parameter.kind in by_place and parameter.default is parameter.empty

"""What is of the user's project, by its files, and what of libraries, by their version."""

from __future__ import annotations

import ast
import hashlib
import importlib.machinery
import os
import site
import sys
import sysconfig
from functools import cache, lru_cache
from importlib.metadata import packages_distributions
from pathlib import Path
from types import (
    FunctionType,
    MethodType,
)
from typing import TYPE_CHECKING

from pytest_nnrel.runtime.versions import NOT_INSTALLED, library_version

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    #: Whether an attribute of an object is no part of what it does.
    PassedOver = Callable[[object, str], bool]
from pytest_nnrel.identity.code import Import

OURS = __name__.partition(".")[0]


def top_level(module: str | None) -> str:
    return (module or "builtins").partition(".")[0]


@cache
def _library_roots() -> tuple[str, ...]:
    """Return the folders of the standard library, of installed packages, and of this one."""
    paths = sysconfig.get_paths()
    folders = [paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    folders += [*site.getsitepackages(), site.getusersitepackages(), str(Path(__file__).parents[1])]
    # Other places that packages are installed in, as by `pip install --target`.
    folders += [place for place in sys.path if place and _has_distributions(place)]
    return tuple({os.path.join(real(f), "") for f in folders for real in (str, os.path.realpath)})


def _has_distributions(folder: str) -> bool:
    return next(Path(folder).glob("*.dist-info"), None) is not None


@lru_cache(maxsize=4096)
def is_library_file(path: str) -> bool:
    return path.startswith("<") or os.path.abspath(path).startswith(_library_roots())


def of_library(module: str | None) -> bool:
    """Tell whether a module is of the standard library or an installed package."""
    top = top_level(module)
    if top in sys.stdlib_module_names or top == OURS:
        return True
    path = file_of(top)
    if path is not None and os.path.isdir(path):  # a folder that distributions may share
        path = file_of(module or "") or path
    return path is not None and is_library_file(path)


def file_of(module: str) -> str | None:
    """Return the file of a module, without importing it; of a package without one, its folder."""
    loaded = sys.modules.get(module)
    if loaded is not None:
        path = getattr(loaded, "__file__", None)
        folders = None if path else list(getattr(loaded, "__path__", ()))
        return path or (folders[0] if folders else None)
    parent, _, _ = module.rpartition(".")
    places = None
    if parent:
        path = file_of(parent)
        if path is None:
            return None
        places = [path if os.path.isdir(path) else os.path.dirname(path)]
    try:
        spec = importlib.machinery.PathFinder.find_spec(module, places)
    except (ImportError, ValueError):
        return None
    if spec is None:
        return None
    return spec.origin or next(iter(spec.submodule_search_locations or ()), None)


def is_projects(value: object) -> bool:
    """Tell whether something that code may call was written in the user's project."""
    if isinstance(value, FunctionType):
        path = value.__code__.co_filename
        if path.startswith("<"):  # made from text, as dataclasses do
            module = value.__globals__.get("__name__")
            return module is None or not of_library(module)
        return not is_library_file(path)
    if isinstance(value, type):
        # Python's own are not on the heap; code that knows no module of its own makes others.
        made_by_python = value.__module__ == "builtins" and not value.__flags__ & _HEAP_TYPE
        return not made_by_python and (
            value.__module__ == "builtins" or not of_library(value.__module__)
        )
    if isinstance(value, staticmethod | classmethod | MethodType):
        return is_projects(value.__func__)
    if isinstance(value, property):
        return is_projects(value.fget)
    return False


#: Py_TPFLAGS_HEAPTYPE
_HEAP_TYPE = 1 << 9


@cache
def version_of(top: str) -> str:
    """Return the version of the distribution that a top-level package is of."""
    if top in sys.stdlib_module_names:
        return sys.version
    if top == OURS:
        return ""  # told by whoever makes a key
    version = library_version(top)
    if version != NOT_INSTALLED:
        return version
    own = getattr(sys.modules.get(top), "__version__", None)
    if isinstance(own, str):
        return own
    return str([library_version(name) for name in packages_distributions().get(top, ())])


def sources_from(path: str | None) -> list[tuple[str, str]]:
    """Return names and digests of a file of the project's and of those that it imports."""
    found: dict[str, str] = {}
    pending = [path]
    while pending:
        file = pending.pop()
        if file is None or file in found or is_library_file(file) or os.path.isdir(file):
            continue
        try:
            content = Path(file).read_bytes()
        except OSError:  # deleted since it was loaded
            continue
        found[file] = hashlib.blake2b(content, digest_size=16).hexdigest()
        pending += _imports_of(content, file)
    return sorted((os.path.basename(file), content) for file, content in found.items())


@lru_cache(maxsize=1024)
def _imports_of(content: bytes, file: str) -> tuple[str, ...]:
    """Return the files of the modules that a source file imports."""
    try:
        tree = ast.parse(content)
    except (SyntaxError, ValueError):  # a compiled module
        return ()
    files = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            files += [file_of(alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [alias.name for alias in node.names]
            if node.level:
                files += _beside(Path(file).parents[node.level - 1], node.module, names)
            else:
                files += [file_of(n) for n in Import(0, node.module or "", (*names,)).absolute("")]
    return tuple(dict.fromkeys(path for path in files if path and not is_library_file(path)))


def _beside(folder: Path, module: str | None, names: list[str]) -> Iterator[str]:
    """Yield the files of a relative import."""
    place = folder.joinpath(*(module or "").split("."))
    for stem in (place, *(place / name for name in names)):
        for path in (stem.with_name(f"{stem.name}.py"), stem / "__init__.py"):
            if path.is_file():
                yield str(path)

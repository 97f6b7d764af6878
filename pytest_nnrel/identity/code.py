"""Code objects: what they do, and what they name."""

from __future__ import annotations

import dis
import hashlib
import sys
from dataclasses import dataclass
from functools import lru_cache
from types import (
    CodeType,
)
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    #: Whether an attribute of an object is no part of what it does.
    PassedOver = Callable[[object, str], bool]


@lru_cache(maxsize=4096)
def code_digest(code: CodeType) -> str:
    """Return a digest of what code does: neither its place in a file nor its name."""
    parts = (
        sys.version_info[:2], code.co_code, code.co_names, code.co_varnames, code.co_freevars,
        code.co_cellvars, code.co_flags, code.co_argcount, code.co_posonlyargcount,
        code.co_kwonlyargcount, code.co_exceptiontable, _constant(code.co_consts),
    )  # fmt: skip
    return hashlib.blake2b(repr(parts).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _constant(value: object) -> str:
    if isinstance(value, CodeType):
        return code_digest(value)
    if isinstance(value, tuple):
        return f"({', '.join(map(_constant, value))})"
    if isinstance(value, frozenset):
        return f"{{{', '.join(sorted(map(_constant, value)))}}}"
    return repr(value)


@dataclass(frozen=True)
class Import:
    """An ``import`` statement: of a module, of some of its names, from so many levels up."""

    level: int
    name: str
    names: tuple[str, ...]

    def absolute(self, package: str) -> Iterator[str]:
        """Yield the modules that it may import, seen from a package."""
        name = self.name
        if self.level:
            parents = package.split(".")[: len(package.split(".")) - self.level + 1]
            name = ".".join([*parents, *filter(None, [name])])
        if name:
            yield name
            yield from (f"{name}.{attribute}" for attribute in self.names)


@dataclass(frozen=True)
class Names:
    """What code names, functions inside it as well."""

    globals: tuple[str, ...]
    attributes: frozenset[str]
    imports: tuple[Import, ...]


@lru_cache(maxsize=4096)
def names_of(code: CodeType) -> Names:
    named: set[str] = set()
    attributes: set[str] = set()
    imports: dict[Import, None] = {}
    constants: list[Any] = []
    for step in dis.get_instructions(code):
        if step.opname in ("LOAD_CONST", "LOAD_SMALL_INT"):
            constants.append(step.argval)
        elif step.opname == "IMPORT_NAME":
            level, names = constants[-2:]
            imports[Import(level, step.argval, tuple(names or ()))] = None
        elif step.opname.startswith(("LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS")):
            named.add(step.argval)
        elif step.opname.startswith(("LOAD_ATTR", "LOAD_METHOD", "LOAD_SUPER", "IMPORT_FROM")):
            attributes.add(step.argval)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            inner = names_of(constant)
            named.update(inner.globals)
            attributes |= inner.attributes
            imports.update(dict.fromkeys(inner.imports))
    return Names(tuple(sorted(named)), frozenset(attributes), tuple(imports))

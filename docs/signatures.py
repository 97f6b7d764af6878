"""What the reference takes from signatures: of each parameter its own default and annotation."""

from __future__ import annotations

import importlib
import re
from typing import TYPE_CHECKING, Any

import griffe

if TYPE_CHECKING:
    from collections.abc import Iterator


#: A name in capitals, or an element of what it stands for.
_CONSTANT = re.compile(r"_?[A-Z][A-Z_]+(\[\d+\])?")


class Signatures(griffe.Extension):
    """Parameters that a docstring describes together get what is their own.

    griffe gives all of them the default of the first and, where no type is written, its annotation.
    Defaults that are constants of a module are shown as the numbers and texts that they are.
    """

    def on_function(self, *, func: griffe.Function, **_: Any) -> None:  # noqa: ANN401
        """Correct the parameters of a function or method."""
        _correct(func)

    def on_class(self, *, cls: griffe.Class, **_: Any) -> None:  # noqa: ANN401
        """Correct the parameters of a class, which are those of its initialiser."""
        _correct(cls)


def _correct(documented: griffe.Function | griffe.Class) -> None:
    signature = {parameter.name: parameter for parameter in documented.parameters}
    for parameter in signature.values():
        if _CONSTANT.fullmatch(str(parameter.default)):
            parameter.default = _value(str(parameter.default), documented.module.path)
    annotations = [parameter.annotation for parameter in signature.values()]
    for described in _described(documented):
        own = signature.get(described.name)
        if own is not None:
            described.value = None if own.default is None else str(own.default)
            if any(described.annotation is annotation for annotation in annotations):
                described.annotation = own.annotation


def _value(constant: str, module: str) -> str:
    """Return what a constant of a module stands for; its name where that is no plain value."""
    value = eval(constant, vars(importlib.import_module(module)))
    return repr(value) if isinstance(value, int | float | str) else constant


def _described(documented: griffe.Function | griffe.Class) -> Iterator[griffe.DocstringParameter]:
    for section in documented.docstring.parsed if documented.docstring else ():
        if isinstance(section, griffe.DocstringSectionParameters):
            yield from section.value

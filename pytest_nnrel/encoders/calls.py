"""Which call of an object embeds, and whether it is a torch module's."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from pytest_nnrel.errors import EncoderError

if TYPE_CHECKING:
    from collections.abc import Callable

FORWARD = "forward"
ENCODE = "encode"


@dataclass(frozen=True)
class Call:
    """What embeds.

    Attributes
    ----------
    fn : callable
        The object, a method of it, or what stands in the place of one.
    method : str or None
        The method's name, if that is how it can be found again.
    """

    fn: Callable[..., Any]
    method: str | None

    @property
    def module(self) -> Any:  # noqa: ANN401
        """The torch module that it is, is a method of, or is a partial of; else None."""
        fn: Any = self.fn
        while isinstance(fn, partial):
            fn = fn.func
        owner = getattr(fn, "__self__", None)
        return next((thing for thing in (fn, owner) if is_torch_module(thing)), None)


def call_of(obj: Any, method: str | None = None) -> Call | None:  # noqa: ANN401
    """Return what of an object embeds: a method that is named, else the one to expect, if any."""
    if method is not None:
        if not isinstance(method, str) or not callable(getattr(obj, method, None)):
            return None
    elif inspect.ismethod(obj) and getattr(obj.__self__, obj.__name__, None) == obj:
        return Call(obj, obj.__name__)
    elif encodes(obj):
        method = ENCODE
    elif is_torch_module(obj):
        method = FORWARD
    if method is not None:
        # A module is called itself, so that its hooks run.
        runs_itself = method == FORWARD and is_torch_module(obj)
        return Call(obj if runs_itself else getattr(obj, method), method)
    return Call(obj, None) if callable(obj) else None


def chosen_call(obj: Any, method: str | None, name: str) -> Call:  # noqa: ANN401
    """Return what `call_of` does.

    Raises
    ------
    EncoderError
        If there is no such method, of the encoder of that name.
    """
    call = call_of(obj, method)
    if call is None:
        raise EncoderError(f"encoder {name!r} has no method {method!r}")
    return call


def in_a_line(fn: Any, obj: object) -> str:  # noqa: ANN401
    """Return how what embeds of an object is written, where that is called ``model``."""
    of_obj = fn is not obj and getattr(fn, "__self__", None) is obj
    return f"model.{fn.__name__}" if of_obj else "model"


def encodes(obj: Any) -> bool:  # noqa: ANN401
    """Tell whether an object has a method ``encode``; a torch module's part is no such method."""
    encode = getattr(obj, ENCODE, None)
    return callable(encode) and not (is_torch_module(obj) and is_torch_module(encode))


def is_torch_module(obj: object) -> bool:
    """Tell whether an object is a ``torch.nn.Module``."""
    return is_a(obj, "torch.nn.modules.module", "Module")


def is_a(obj: object, module: str, name: str) -> bool:
    """Tell whether an object is of a library's class, without importing the library.

    Whoever passes such an object has imported it.
    """
    return any(base.__module__ == module and base.__name__ == name for base in type(obj).__mro__)


def is_of(obj: object, library: str, name: str) -> bool:
    """Tell whether an object is of a library's class of that name, wherever in it that lies.

    The library is not imported: whoever passes such an object has done so.
    """
    return any(
        base.__name__ == name and base.__module__.partition(".")[0] == library
        for base in type(obj).__mro__
    )

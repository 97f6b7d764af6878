"""The walk through all that an object refers to."""

from __future__ import annotations

import functools
import hashlib
import sys
from pathlib import PurePath
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_nnrel.identity.code import code_digest, names_of
from pytest_nnrel.identity.instances import attributes_of, hides_state
from pytest_nnrel.identity.project import (
    file_of,
    is_projects,
    of_library,
    sources_from,
    top_level,
    version_of,
)
from pytest_nnrel.identity.tensors import backend_of, octets_of

if TYPE_CHECKING:
    import weakref
    from collections import defaultdict
    from collections.abc import Callable, Iterable, Mapping
    from types import CellType, CodeType, FunctionType, MethodType

    #: Whether an attribute of an object is no part of what it does.
    PassedOver = Callable[[object, str], bool]
    Visitor = Callable[["Walk", Any], None]

#: Objects after which one is called unknown: beyond, looking costs more than computing anew.
MOST_OBJECTS = 200_000

_PLAIN = frozenset(
    {type(None), bool, int, float, complex, str, bytes, bytearray, type(...), range, slice}
)
#: Of a wrapper of Python's own, what it wraps.
WRAPPED: dict[type, tuple[str, ...]] = {
    property: ("fget", "fset", "fdel"),
    staticmethod: ("__func__",),
    classmethod: ("__func__",),
    functools.partial: ("func", "args", "keywords"),
}
PLAIN_BASES = (str, bytes, bytearray, bool, int, float, complex)
#: Of a class: Python's bookkeeping, and what dataclasses have made methods of.
_BOOKKEEPING = frozenset(
    {
        "__dict__", "__weakref__", "__doc__", "__module__", "__qualname__", "__slotnames__",
        "__annotations__", "__annotate__", "__annotate_func__", "__annotations_cache__",
        "__abstractmethods__", "_abc_impl", "__parameters__", "__orig_bases__", "__match_args__",
        "__firstlineno__", "__static_attributes__", "__dataclass_fields__", "__dataclass_params__",
        "__type_params__",
    }
)  # fmt: skip


class Visitors(NamedTuple):
    """How values are visited.

    Attributes
    ----------
    of : callable
        From a type to how its values are.
    of_content : callable
        From a type to how what its values hold besides attributes is; None where that is nothing.
    """

    of: Callable[[type], Visitor]
    of_content: Callable[[type], Visitor | None]


class Walk:
    """A walk through all that an object refers to, each thing once."""

    def __init__(self, visitors: Visitors, state: bool, passing_over: PassedOver | None) -> None:
        self._visitors = visitors
        self._hash = hashlib.blake2b(digest_size=16)
        self._passing_over = passing_over
        #: Whether what instances hold counts, or code alone.
        self.tells_state = state
        #: How many instances and containers hold what is being visited; code holds the rest.
        self._held = 0
        self._visited: dict[object, int] = {}
        self._alive: list[object] = []  # so that no other object gets the id of one visited
        self._searched: set[tuple[int, frozenset[str]]] = set()
        self.unknown: dict[str, None] = {}
        #: The libraries that take part, by top-level name.
        self.met: set[str] = set()
        #: The kinds of device that tensors lie on.
        self.devices: set[str] = set()
        #: How compilers and runtimes execute what is visited; no part of the digest.
        self.executed: list[str] = []

    def digest(self) -> str:
        return self._hash.hexdigest()

    def tell(self, *parts: object) -> None:
        for part in parts:
            if isinstance(part, bytes | memoryview):
                octets: bytes | memoryview = part
            else:
                octets = str(part).encode("utf-8", "surrogatepass")
            self._hash.update(len(octets).to_bytes(8, "little"))
            self._hash.update(octets)

    def visit(self, value: Any) -> None:  # noqa: ANN401
        kind = type(value)
        if kind in _PLAIN:
            if self._counts():
                self.tell(kind.__name__, repr(value))
        elif kind is tuple:  # equal tuples are one object or several, as it happens
            self._items("tuple", value)
        elif issubclass(kind, PurePath):
            if self._counts():
                self.tell("path", value)
        elif not self._again(id(value), value):
            if len(self._visited) > MOST_OBJECTS:
                self.unknown[f"more than {MOST_OBJECTS} objects"] = None
                return
            self._visitors.of(kind)(self, value)

    def _again(self, key: object, kept: object) -> bool:
        """Tell when something was visited before; remember it where it was not."""
        known = self._visited.get(key)
        if known is not None:
            self.tell("again", known)
            return True
        self._visited[key] = len(self._visited)
        self._alive.append(kept)
        return False

    # -- containers

    def _items(self, name: str, value: Iterable[Any]) -> None:
        items = list(value)
        if self._counts():
            self.tell(name, len(items))
        for item in items:
            self.visit(item)

    def _counts(self) -> bool:
        """Tell whether plain values count where the walk is: held as state, only where asked."""
        return self.tells_state or not self._held

    def sequence(self, value: Iterable[Any]) -> None:
        self._held += 1
        self._items("sequence", value)
        self._held -= 1

    def mapping(self, value: Mapping[Any, Any]) -> None:
        self._held += 1
        self._items("mapping", [part for pair in list(value.items()) for part in pair])
        self._held -= 1

    def defaults(self, value: defaultdict[Any, Any]) -> None:
        self.visit(value.default_factory)
        self.mapping(value)

    def unordered(self, value: Iterable[Any]) -> None:
        """Visit the items of a set, each by a walk of its own, since their order is of no use."""
        told = []
        for item in list(value):
            walk = Walk(self._visitors, self.tells_state, self._passing_over)
            walk._held = self._held + 1
            walk._visited = dict(self._visited)
            walk.visit(item)
            self.unknown.update(walk.unknown)
            self.met |= walk.met
            self.devices |= walk.devices
            self.executed += walk.executed
            told.append(walk.digest())
        if self._counts():
            self.tell("set", *sorted(told))
        else:  # how many hold nothing but state does not count
            self.tell(*sorted(set(told) - {Walk(self._visitors, self.tells_state, None).digest()}))

    # -- code

    def function(self, fn: FunctionType) -> None:
        if is_projects(fn):
            self.tell("function", code_digest(fn.__code__))
            self._named(fn)
        else:
            self.tell("function", fn.__qualname__)
            self._library(fn.__module__)
        self.visit(fn.__defaults__)
        self.named_values(fn.__kwdefaults__ or {})
        for cell in fn.__closure__ or ():
            self.visit(cell)
        self.named_values(fn.__dict__)

    def named_values(self, attributes: Mapping[str, Any]) -> None:
        """Visit values by name, in whatever order they were set."""
        for name in sorted(attributes):
            self.tell(name)
            self.visit(attributes[name])

    def _named(self, fn: FunctionType) -> None:
        """Visit the globals that a function names, and the modules that it imports itself."""
        names = names_of(fn.__code__)
        space = fn.__globals__
        for name in names.globals:
            if name in space:
                self.tell(name)
                self._global(space[name], names.attributes)
        for imported in names.imports:
            for name in imported.absolute(space.get("__package__") or ""):
                self._imported(name, names.attributes)

    def _imported(self, name: str, attributes: frozenset[str]) -> None:
        """Visit a module, or what may be one, that a function imports when it runs."""
        if of_library(name):
            self._library(name)
        else:
            self.tell("imports", name)
            self._files(file_of(name))
        if name in sys.modules:
            self._module(sys.modules[name], attributes)

    def _global(self, value: Any, attributes: frozenset[str]) -> None:  # noqa: ANN401
        if isinstance(value, ModuleType):
            self._module(value, attributes)
        else:
            self.visit(value)

    def cell(self, cell: CellType) -> None:
        try:
            content = cell.cell_contents
        except ValueError:  # not assigned yet
            self.tell("empty")
        else:
            self.visit(content)

    def code(self, code: CodeType) -> None:
        self.tell("code", code_digest(code))

    def method(self, method: MethodType) -> None:
        self._items("method", (method.__func__, method.__self__))

    def builtin(self, fn: Any) -> None:  # noqa: ANN401
        self.tell("builtin", fn.__name__)
        owner = getattr(fn, "__self__", None)
        if owner is None or isinstance(owner, ModuleType):
            self._compiled(fn)
        else:
            self.visit(owner)

    def _compiled(self, fn: Any) -> None:  # noqa: ANN401
        """Tell a function of C's, which its library's version pins down, if there is one."""
        module = getattr(fn, "__module__", None) or "builtins"
        self._library(module)
        if not of_library(module):
            self.unknown[f"{module}.{fn.__name__}"] = None

    def parts(self, value: Any) -> None:  # noqa: ANN401
        """Visit a wrapper of Python's own: what it wraps."""
        found = [getattr(value, name, None) for name in WRAPPED[type(value)]]
        self._items(type(value).__name__, found)

    def wrapped(self, value: Any) -> None:  # noqa: ANN401
        self.visit(value.__wrapped__)

    def reference(self, value: weakref.ref[Any]) -> None:
        self.visit(value())

    def descriptor(self, value: Any) -> None:  # noqa: ANN401
        self.tell("descriptor", value.__objclass__.__qualname__, value.__name__)

    def class_(self, kind: type) -> None:
        self.tell("class", kind.__module__, kind.__qualname__)
        self._items("bases", kind.__bases__)
        told = set(vars(kind)) - _BOOKKEEPING
        if not is_projects(kind):  # its version tells it, but for what was put into it
            self._library(kind.__module__)
            told = {name for name in told if is_projects(vars(kind)[name])}
        self.named_values({name: vars(kind)[name] for name in told})

    def module(self, module: ModuleType) -> None:
        """Visit a module that an attribute or a container holds: all that may be asked of it."""
        own = () if of_library(module.__name__) else vars(module)
        self._module(module, frozenset(name for name in own if not name.startswith("__")))

    def _module(self, module: ModuleType, attributes: frozenset[str]) -> None:
        """Visit what code that names a module and these attributes refers to."""
        name = module.__name__
        if of_library(name):
            self._library(name)
            self._patches(module, attributes)
            return
        if self._again((id(module), attributes), module):
            return
        self.tell("module", name)
        self._files(getattr(module, "__file__", None))
        space = vars(module)
        for attribute in sorted(attributes & space.keys()):
            self.tell(attribute)
            self._global(space[attribute], attributes)

    def _patches(self, module: ModuleType, attributes: frozenset[str]) -> None:
        """Visit what stands in a library's module that its version does not tell.

        Nothing else, as libraries load their parts when these are needed.
        """
        if (id(module), attributes) in self._searched:
            return
        self._searched.add((id(module), attributes))
        space = vars(module)
        for attribute in sorted(attributes & space.keys()):
            value = space[attribute]
            if isinstance(value, ModuleType):
                if of_library(value.__name__):
                    self._patches(value, attributes)
            elif is_projects(value):
                self.tell(attribute)
                self.visit(value)
            elif callable(value) and getattr(value, "__name__", attribute) != attribute:
                self.tell(attribute, value.__name__)  # under another name, maybe not its own

    def _library(self, module: str | None) -> None:
        top = top_level(module)
        self.met.add(top)
        self.tell("library", top, version_of(top))

    def _files(self, path: str | None) -> None:
        """Tell the file of a module of the project's, and those that it imports."""
        for name, content in sources_from(path):
            self.tell("file", name, content)

    # -- arrays and tensors

    def array(self, value: Any) -> None:  # noqa: ANN401
        import numpy as np

        if not self.tells_state:
            return
        if value.dtype.hasobject:
            self.sequence(np.asarray(value).ravel().tolist())
        else:
            self.tell("array", value.dtype.str, value.dtype.names, value.shape, value.tobytes())

    def tensor(self, value: Any) -> None:  # noqa: ANN401
        self.met.add("torch")
        self.devices.add(value.device.type)
        octets = octets_of(value) if self.tells_state else b""
        if octets is None:
            self.unknown["a tensor without values"] = None
        elif self.tells_state:
            self.tell("tensor", value.dtype, value.layout, tuple(value.shape), octets)

    def named(self, value: Any) -> None:  # noqa: ANN401
        """Tell a thing that its text tells: a dtype, a device."""
        self.tell(type(value).__name__, value)

    def ufunc(self, value: Any) -> None:  # noqa: ANN401
        self.tell(value.__name__)
        self._library("numpy")

    def compiled_module(self, value: Any) -> None:  # noqa: ANN401
        self.visit(value._orig_mod)
        self.execute(backend_of(value))

    def execute(self, *how: object) -> None:
        """Note how something is executed: by the same weights and code, rounded otherwise."""
        walk = Walk(self._visitors, state=True, passing_over=None)
        walk.visit(how)
        self.executed.append(walk.digest())

    def unreadable(self, value: object) -> None:
        self.unknown[type(value).__qualname__] = None

    def inert(self, value: object) -> None:
        self.tell(type(value).__name__)

    # -- instances

    def instance(self, value: Any) -> None:  # noqa: ANN401
        kind = type(value)
        self.visit(kind)
        self._held += 1
        held = self._visitors.of_content(kind)
        if held is None and hides_state(kind):
            self._by_its_pickle(value)
        else:
            if held is not None:
                held(self, value)
            for name, item in attributes_of(value):
                if self._passing_over is None or not self._passing_over(value, name):
                    if self.tells_state:
                        self.tell(name)
                    self.visit(item)
        self._held -= 1

    def text(self, value: Any) -> None:  # noqa: ANN401
        """Tell an instance of a subclass of str, int and the like."""
        if self.tells_state:
            base = next(base for base in PLAIN_BASES if isinstance(value, base))
            self.tell(base.__repr__(value))

    def _by_its_pickle(self, value: Any) -> None:  # noqa: ANN401
        """Visit what an object of C's says that it can be made anew of."""
        if hasattr(type(value), "__next__"):  # moves on with each use, if it can be copied at all
            self.unreadable(value)
            return
        try:
            parts = value.__reduce_ex__(2)
        except Exception:  # whatever foreign code raises, it is not told
            self.unreadable(value)
            return
        if isinstance(parts, str):  # known by its name
            self.tell(parts)
            self._compiled(value)
            return
        for part in parts:
            self.visit(list(part) if hasattr(type(part), "__next__") else part)

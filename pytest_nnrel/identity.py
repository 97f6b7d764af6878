"""What a foreign object does, as a digest: the code that it runs and the state that it is in.

An encoder, a transformation or a distance of the user's is known to the store by this digest and
not by its name or address, so that edited code, globals or attributes get values of their own.

Told are: bytecode, constants, defaults and closures of functions; the globals that they name, and
so other functions and classes of the user's project; the files of the project's modules that they
refer to, and what these import; instances by class and attributes, arrays and tensors by content;
methods put on an instance, hooks, and what was patched into a library; libraries by version; and
what torch is set to (autocast, precision) where torch takes part.

Not told are: files and services that are read while running, environment variables, the state of
global random generators, and modules that are found by a computed name. What cannot be looked into
(open files, generators, sessions of C libraries, functions of the project's own C modules) makes a
behaviour unknown.
"""

from __future__ import annotations

import ast
import copyreg
import dis
import functools
import hashlib
import importlib.machinery
import logging
import os
import site
import sys
import sysconfig
import threading
import weakref
from collections import OrderedDict, defaultdict, deque
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.metadata import packages_distributions
from pathlib import Path, PurePath
from types import (
    BuiltinFunctionType,
    CellType,
    ClassMethodDescriptorType,
    CodeType,
    FunctionType,
    GetSetDescriptorType,
    MappingProxyType,
    MemberDescriptorType,
    MethodDescriptorType,
    MethodType,
    MethodWrapperType,
    ModuleType,
    WrapperDescriptorType,
)
from typing import TYPE_CHECKING, Any

from pytest_nnrel.versions import NOT_INSTALLED, library_version

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    #: Whether an attribute of an object is no part of what it does.
    PassedOver = Callable[[object, str], bool]

_OURS = __name__.partition(".")[0]
#: Objects after which one is called unknown: beyond, looking costs more than computing anew.
MOST_OBJECTS = 200_000

_PLAIN = frozenset(
    {type(None), bool, int, float, complex, str, bytes, bytearray, type(...), range, slice}
)
#: Types whose instances decide nothing.
_INERT = (
    logging.Logger,
    logging.LoggerAdapter,
    type(threading.Lock()),
    type(threading.RLock()),
    threading.Condition,
    threading.Event,
)
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


@dataclass(frozen=True)
class Behaviour:
    """What an object does, as far as it can be looked into.

    Parameters
    ----------
    digest : str
        Another one wherever code or state is another.
    unknown : tuple of str
        The parts that could not be looked into.
    """

    digest: str
    unknown: tuple[str, ...] = ()

    @property
    def known(self) -> bool:
        """Whether all was looked into, so that what has the same digest does the same."""
        return not self.unknown


def behaviour_of(
    *objects: object, state: bool = True, passing_over: PassedOver | None = None
) -> Behaviour:
    """Return what objects do.

    Parameters
    ----------
    *objects : object
    state : bool
        False tells the code alone: what instances, lists and arrays hold is left to whoever
        vouches for it with a fingerprint or a version.
    passing_over : callable, optional
        ``passing_over(owner, attribute) -> bool``: attributes to leave out.
    """
    walk = _Walk(state, passing_over)
    try:
        walk.visit(objects)
    except Exception as error:  # whatever foreign objects raise, they are not told
        walk.unknown[f"something that raises {type(error).__name__}"] = None
    if walk.met_torch and "torch" in sys.modules:
        walk.tell(*_torch_is_set_to())
    return Behaviour(walk.digest(), tuple(walk.unknown))


class _Walk:
    """A walk through all that an object refers to, each thing once."""

    def __init__(self, state: bool, passing_over: PassedOver | None) -> None:
        self._hash = hashlib.blake2b(digest_size=16)
        self._passing_over = passing_over
        self._state = state
        #: How many instances and containers hold what is being visited; code holds the rest.
        self._held = 0
        self._visited: dict[object, int] = {}
        self._alive: list[object] = []  # so that no other object gets the id of one visited
        self._searched: set[tuple[int, frozenset[str]]] = set()
        self.unknown: dict[str, None] = {}
        self.met_torch = False

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
            _visitor_of(kind)(self, value)

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
        return self._state or not self._held

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
            walk = _Walk(self._state, self._passing_over)
            walk._held = self._held + 1
            walk._visited = dict(self._visited)
            walk.visit(item)
            self.unknown.update(walk.unknown)
            self.met_torch |= walk.met_torch
            told.append(walk.digest())
        if self._counts():
            self.tell("set", *sorted(told))
        else:  # how many hold nothing but state does not count
            self.tell(*sorted(set(told) - {_Walk(self._state, None).digest()}))

    # -- code

    def function(self, fn: FunctionType) -> None:
        if _is_projects(fn):
            self.tell("function", _code_digest(fn.__code__))
            self._named(fn)
        else:
            self.tell("function", fn.__qualname__)
            self._library(fn.__module__)
        self.visit(fn.__defaults__)
        self._sorted(fn.__kwdefaults__ or {})
        for cell in fn.__closure__ or ():
            self.visit(cell)
        self._sorted(fn.__dict__)

    def _sorted(self, attributes: Mapping[str, Any]) -> None:
        for name in sorted(attributes):
            self.tell(name)
            self.visit(attributes[name])

    def _named(self, fn: FunctionType) -> None:
        """Visit the globals that a function names, and the modules that it imports itself."""
        names = _names_of(fn.__code__)
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
        if _of_library(name):
            self._library(name)
        else:
            self.tell("imports", name)
            self._files(_file_of(name))
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
        self.tell("code", _code_digest(code))

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
        if not _of_library(module):
            self.unknown[f"{module}.{fn.__name__}"] = None

    def parts(self, value: Any) -> None:  # noqa: ANN401
        """Visit a wrapper of Python's own: what it wraps."""
        found = [getattr(value, name, None) for name in _WRAPPED[type(value)]]
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
        if not _is_projects(kind):  # its version tells it, but for what was put into it
            self._library(kind.__module__)
            told = {name for name in told if _is_projects(vars(kind)[name])}
        self._sorted({name: vars(kind)[name] for name in told})

    def module(self, module: ModuleType) -> None:
        """Visit a module that an attribute or a container holds: all that may be asked of it."""
        own = () if _of_library(module.__name__) else vars(module)
        self._module(module, frozenset(name for name in own if not name.startswith("__")))

    def _module(self, module: ModuleType, attributes: frozenset[str]) -> None:
        """Visit what code that names a module and these attributes refers to."""
        name = module.__name__
        if _of_library(name):
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
                if _of_library(value.__name__):
                    self._patches(value, attributes)
            elif _is_projects(value):
                self.tell(attribute)
                self.visit(value)
            elif callable(value) and getattr(value, "__name__", attribute) != attribute:
                self.tell(attribute, value.__name__)  # under another name, maybe not its own

    def _library(self, module: str | None) -> None:
        top = _top(module)
        self.met_torch |= top == "torch"
        self.tell("library", top, _version_of(top))

    def _files(self, path: str | None) -> None:
        """Tell the file of a module of the project's, and those that it imports."""
        for name, content in _sources_from(path):
            self.tell("file", name, content)

    # -- arrays and tensors

    def array(self, value: Any) -> None:  # noqa: ANN401
        import numpy as np

        if not self._state:
            return
        if value.dtype.hasobject:
            self.sequence(np.asarray(value).ravel().tolist())
        else:
            self.tell("array", value.dtype.str, value.dtype.names, value.shape, value.tobytes())

    def tensor(self, value: Any) -> None:  # noqa: ANN401
        self.met_torch = True
        octets = _octets_of(value) if self._state else b""
        if octets is None:
            self.unknown["a tensor without values"] = None
        elif self._state:
            self.tell("tensor", value.dtype, value.layout, tuple(value.shape), octets)

    def named(self, value: Any) -> None:  # noqa: ANN401
        """Tell a thing that its text tells: a dtype, a device."""
        self.tell(type(value).__name__, value)

    def ufunc(self, value: Any) -> None:  # noqa: ANN401
        self.tell(value.__name__)
        self._library("numpy")

    def compiled_module(self, value: Any) -> None:  # noqa: ANN401
        self.visit(value._orig_mod)

    def unreadable(self, value: object) -> None:
        self.unknown[type(value).__qualname__] = None

    def inert(self, value: object) -> None:
        self.tell(type(value).__name__)

    # -- instances

    def instance(self, value: Any) -> None:  # noqa: ANN401
        kind = type(value)
        self.visit(kind)
        self._held += 1
        base = next((base for base in _BASES if issubclass(kind, base)), None)
        if base is None and _hides_state(kind):
            self._by_its_pickle(value)
        else:
            if base is not None:
                _BASES[base](self, value)
            for name, item in _attributes(value):
                if self._passing_over is None or not self._passing_over(value, name):
                    if self._state:
                        self.tell(name)
                    self.visit(item)
        self._held -= 1

    def text(self, value: Any) -> None:  # noqa: ANN401
        """Tell an instance of a subclass of str, int and the like."""
        if self._state:
            base = next(base for base in _PLAIN_BASES if isinstance(value, base))
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


# ---------------------------------------------------------------------------------------------
# What is visited how

_WRAPPED: dict[type, tuple[str, ...]] = {
    property: ("fget", "fset", "fdel"),
    staticmethod: ("__func__",),
    classmethod: ("__func__",),
    functools.partial: ("func", "args", "keywords"),
}
_PLAIN_BASES = (str, bytes, bytearray, bool, int, float, complex)
#: What an instance of a subclass holds besides its attributes.
_BASES: dict[type, Callable[[_Walk, Any], None]] = {
    dict: _Walk.mapping,
    list: _Walk.sequence,
    tuple: _Walk.sequence,
    deque: _Walk.sequence,
    set: _Walk.unordered,
    frozenset: _Walk.unordered,
    **dict.fromkeys(_PLAIN_BASES, _Walk.text),
}
_VISITORS: dict[type, Callable[[_Walk, Any], None]] = {
    list: _Walk.sequence,
    deque: _Walk.sequence,
    dict: _Walk.mapping,
    OrderedDict: _Walk.mapping,
    MappingProxyType: _Walk.mapping,
    defaultdict: _Walk.defaults,
    set: _Walk.unordered,
    frozenset: _Walk.unordered,
    FunctionType: _Walk.function,
    MethodType: _Walk.method,
    BuiltinFunctionType: _Walk.builtin,
    MethodWrapperType: _Walk.builtin,
    CellType: _Walk.cell,
    CodeType: _Walk.code,
    weakref.ref: _Walk.reference,
    functools._lru_cache_wrapper: _Walk.wrapped,
    **dict.fromkeys(_WRAPPED, _Walk.parts),
    **dict.fromkeys(
        (
            WrapperDescriptorType,
            MethodDescriptorType,
            GetSetDescriptorType,
            MemberDescriptorType,
            ClassMethodDescriptorType,
        ),
        _Walk.descriptor,
    ),
}


#: By type; a type is not kept alive, as its methods may hold a model.
_VISITOR_OF: weakref.WeakKeyDictionary[type, Callable[[_Walk, Any], None]] = (
    weakref.WeakKeyDictionary()
)


def _visitor_of(kind: type) -> Callable[[_Walk, Any], None]:
    """Return how values of a type are visited."""
    visitor = _VISITOR_OF.get(kind)
    if visitor is None:
        _VISITOR_OF[kind] = visitor = _VISITORS.get(kind) or _new_visitor(kind)
    return visitor


def _new_visitor(kind: type) -> Callable[[_Walk, Any], None]:
    if issubclass(kind, type):
        return _Walk.class_
    if issubclass(kind, ModuleType):
        return _Walk.module
    if issubclass(kind, _INERT):
        return _Walk.inert
    if "numpy" in sys.modules:
        import numpy as np

        if issubclass(kind, np.ndarray | np.generic):
            return _Walk.array
        if issubclass(kind, np.dtype):
            return _Walk.named
        if issubclass(kind, np.ufunc):
            return _Walk.ufunc
    if "torch" in sys.modules:
        import torch

        if issubclass(kind, torch.Tensor):
            return _Walk.tensor
        if issubclass(kind, torch.dtype | torch.device | torch.layout | torch.memory_format):
            return _Walk.named
        if any(base.__module__.startswith("torch.jit") for base in kind.__mro__):
            return _Walk.unreadable
        if kind.__module__.startswith("torch._dynamo") and issubclass(kind, torch.nn.Module):
            return _Walk.compiled_module
    if _top(kind.__module__) == "numba" and "py_func" in dir(kind):
        return _compiled_by_numba
    return _Walk.instance


def _compiled_by_numba(walk: _Walk, value: Any) -> None:  # noqa: ANN401
    walk.visit(value.py_func)


def _attributes(value: object) -> Iterator[tuple[str, object]]:
    """Yield an instance's attributes, those in slots as well; no property is asked."""
    try:
        own = object.__getattribute__(value, "__dict__")
    except AttributeError:
        own = {}
    yield from sorted(own.items(), key=lambda pair: str(pair[0]))
    for name in _slots(type(value)):
        try:
            yield name, object.__getattribute__(value, name)
        except AttributeError:  # never assigned
            continue


def _slots(kind: type) -> list[str]:
    return list(copyreg._slotnames(kind))  # type: ignore[attr-defined]  # pickle's own


def _hides_state(kind: type) -> bool:
    """Tell whether instances hold more than attributes, as `object.__reduce_ex__` finds out."""
    pointers = (kind.__dictoffset__ > 0) + (kind.__weakrefoffset__ > 0) + len(_slots(kind))
    return kind.__basicsize__ > object.__basicsize__ + pointers * _POINTER_BYTES


_POINTER_BYTES = tuple.__itemsize__


def _octets_of(tensor: Any) -> memoryview | None:  # noqa: ANN401
    """Return the values of a tensor; None where it has none yet, or none to look at."""
    import torch

    if torch.nn.parameter.is_lazy(tensor) or tensor.is_meta:
        return None
    try:
        values = tensor.detach().to("cpu")
        values = values.to_dense() if values.layout != torch.strided else values
        return memoryview(values.contiguous().reshape(-1).view(torch.uint8).numpy())
    except RuntimeError:
        return None


def _torch_is_set_to() -> list[object]:
    """Return the settings by which torch computes something else from the same code."""
    import torch

    settings: list[object] = [torch.get_default_dtype()]
    for device in ("cpu", "cuda"):
        enabled = torch.is_autocast_enabled(device)
        settings.append((device, enabled and str(torch.get_autocast_dtype(device))))
    try:
        settings.append(torch.get_float32_matmul_precision())
    except RuntimeError:  # set by two interfaces at once
        settings.append("mixed")
    return [*settings, torch.are_deterministic_algorithms_enabled()]


# ---------------------------------------------------------------------------------------------
# Code


@lru_cache(maxsize=4096)
def _code_digest(code: CodeType) -> str:
    """Return a digest of what code does: neither its place in a file nor its name."""
    parts = (
        sys.version_info[:2], code.co_code, code.co_names, code.co_varnames, code.co_freevars,
        code.co_cellvars, code.co_flags, code.co_argcount, code.co_posonlyargcount,
        code.co_kwonlyargcount, code.co_exceptiontable, _constant(code.co_consts),
    )  # fmt: skip
    return hashlib.blake2b(repr(parts).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _constant(value: object) -> str:
    if isinstance(value, CodeType):
        return _code_digest(value)
    if isinstance(value, tuple):
        return f"({', '.join(map(_constant, value))})"
    if isinstance(value, frozenset):
        return f"{{{', '.join(sorted(map(_constant, value)))}}}"
    return repr(value)


@dataclass(frozen=True)
class _Import:
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
class _Names:
    """What code names, functions inside it as well."""

    globals: tuple[str, ...]
    attributes: frozenset[str]
    imports: tuple[_Import, ...]


@lru_cache(maxsize=4096)
def _names_of(code: CodeType) -> _Names:
    named: set[str] = set()
    attributes: set[str] = set()
    imports: dict[_Import, None] = {}
    constants: list[Any] = []
    for step in dis.get_instructions(code):
        if step.opname in ("LOAD_CONST", "LOAD_SMALL_INT"):
            constants.append(step.argval)
        elif step.opname == "IMPORT_NAME":
            level, names = constants[-2:]
            imports[_Import(level, step.argval, tuple(names or ()))] = None
        elif step.opname.startswith(("LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS")):
            named.add(step.argval)
        elif step.opname.startswith(("LOAD_ATTR", "LOAD_METHOD", "LOAD_SUPER", "IMPORT_FROM")):
            attributes.add(step.argval)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            inner = _names_of(constant)
            named.update(inner.globals)
            attributes |= inner.attributes
            imports.update(dict.fromkeys(inner.imports))
    return _Names(tuple(sorted(named)), frozenset(attributes), tuple(imports))


# ---------------------------------------------------------------------------------------------
# The user's project, and libraries


def _top(module: str | None) -> str:
    return (module or "builtins").partition(".")[0]


@cache
def _library_roots() -> tuple[str, ...]:
    """Return the folders of the standard library, of installed packages, and of this one."""
    paths = sysconfig.get_paths()
    folders = [paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    folders += [*site.getsitepackages(), site.getusersitepackages(), str(Path(__file__).parent)]
    # Other places that packages are installed in, as by `pip install --target`.
    folders += [place for place in sys.path if place and _has_distributions(place)]
    return tuple({os.path.join(real(f), "") for f in folders for real in (str, os.path.realpath)})


def _has_distributions(folder: str) -> bool:
    return next(Path(folder).glob("*.dist-info"), None) is not None


@lru_cache(maxsize=4096)
def _is_library_file(path: str) -> bool:
    return path.startswith("<") or os.path.abspath(path).startswith(_library_roots())


def _of_library(module: str | None) -> bool:
    """Tell whether a module is of the standard library or an installed package."""
    top = _top(module)
    if top in sys.stdlib_module_names or top == _OURS:
        return True
    path = _file_of(top)
    if path is not None and os.path.isdir(path):  # a folder that distributions may share
        path = _file_of(module or "") or path
    return path is not None and _is_library_file(path)


def _file_of(module: str) -> str | None:
    """Return the file of a module, without importing it; of a package without one, its folder."""
    loaded = sys.modules.get(module)
    if loaded is not None:
        path = getattr(loaded, "__file__", None)
        folders = None if path else list(getattr(loaded, "__path__", ()))
        return path or (folders[0] if folders else None)
    parent, _, _ = module.rpartition(".")
    places = None
    if parent:
        path = _file_of(parent)
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


def _is_projects(value: object) -> bool:
    """Tell whether something that code may call was written in the user's project."""
    if isinstance(value, FunctionType):
        path = value.__code__.co_filename
        if path.startswith("<"):  # made from text, as dataclasses do
            module = value.__globals__.get("__name__")
            return module is None or not _of_library(module)
        return not _is_library_file(path)
    if isinstance(value, type):
        # Python's own are not on the heap; code that knows no module of its own makes others.
        made_by_python = value.__module__ == "builtins" and not value.__flags__ & _HEAP_TYPE
        return not made_by_python and (
            value.__module__ == "builtins" or not _of_library(value.__module__)
        )
    if isinstance(value, staticmethod | classmethod | MethodType):
        return _is_projects(value.__func__)
    if isinstance(value, property):
        return _is_projects(value.fget)
    return False


#: Py_TPFLAGS_HEAPTYPE
_HEAP_TYPE = 1 << 9


@cache
def _version_of(top: str) -> str:
    """Return the version of the distribution that a top-level package is of."""
    if top in sys.stdlib_module_names:
        return sys.version
    if top == _OURS:
        return ""  # told by whoever makes a key
    version = library_version(top)
    if version != NOT_INSTALLED:
        return version
    own = getattr(sys.modules.get(top), "__version__", None)
    if isinstance(own, str):
        return own
    return str([library_version(name) for name in packages_distributions().get(top, ())])


def _sources_from(path: str | None) -> list[tuple[str, str]]:
    """Return names and digests of a file of the project's and of those that it imports."""
    found: dict[str, str] = {}
    pending = [path]
    while pending:
        file = pending.pop()
        if file is None or file in found or _is_library_file(file) or os.path.isdir(file):
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
            files += [_file_of(alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [alias.name for alias in node.names]
            if node.level:
                files += _beside(Path(file).parents[node.level - 1], node.module, names)
            else:
                files += [
                    _file_of(n) for n in _Import(0, node.module or "", (*names,)).absolute("")
                ]
    return tuple(dict.fromkeys(path for path in files if path and not _is_library_file(path)))


def _beside(folder: Path, module: str | None, names: list[str]) -> Iterator[str]:
    """Yield the files of a relative import."""
    place = folder.joinpath(*(module or "").split("."))
    for stem in (place, *(place / name for name in names)):
        for path in (stem.with_name(f"{stem.name}.py"), stem / "__init__.py"):
            if path.is_file():
                yield str(path)

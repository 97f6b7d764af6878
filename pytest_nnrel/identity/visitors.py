"""Which values are visited how."""

from __future__ import annotations

import functools
import logging
import sys
import threading
import weakref
from collections import OrderedDict, defaultdict, deque
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

from pytest_nnrel.identity.project import top_level
from pytest_nnrel.identity.runtimes import runtime_visitor_of
from pytest_nnrel.identity.walk import PLAIN_BASES, WRAPPED, Walk

if TYPE_CHECKING:
    from pytest_nnrel.identity.walk import Visitor

#: Types whose instances decide nothing.
_INERT = (
    logging.Logger,
    logging.LoggerAdapter,
    type(threading.Lock()),
    type(threading.RLock()),
    threading.Condition,
    threading.Event,
)
#: What an instance of a subclass holds besides its attributes.
_BASES: dict[type, Visitor] = {
    dict: Walk.mapping,
    list: Walk.sequence,
    tuple: Walk.sequence,
    deque: Walk.sequence,
    set: Walk.unordered,
    frozenset: Walk.unordered,
    **dict.fromkeys(PLAIN_BASES, Walk.text),
}
_VISITORS: dict[type, Visitor] = {
    list: Walk.sequence,
    deque: Walk.sequence,
    dict: Walk.mapping,
    OrderedDict: Walk.mapping,
    MappingProxyType: Walk.mapping,
    defaultdict: Walk.defaults,
    set: Walk.unordered,
    frozenset: Walk.unordered,
    FunctionType: Walk.function,
    MethodType: Walk.method,
    BuiltinFunctionType: Walk.builtin,
    MethodWrapperType: Walk.builtin,
    CellType: Walk.cell,
    CodeType: Walk.code,
    weakref.ref: Walk.reference,
    functools._lru_cache_wrapper: Walk.wrapped,
    **dict.fromkeys(WRAPPED, Walk.parts),
    **dict.fromkeys(
        (
            WrapperDescriptorType,
            MethodDescriptorType,
            GetSetDescriptorType,
            MemberDescriptorType,
            ClassMethodDescriptorType,
        ),
        Walk.descriptor,
    ),
}


#: By type; a type is not kept alive, as its methods may hold a model.
_VISITOR_OF: weakref.WeakKeyDictionary[type, Visitor] = weakref.WeakKeyDictionary()


def visitor_of(kind: type) -> Visitor:
    """Return how values of a type are visited."""
    visitor = _VISITOR_OF.get(kind)
    if visitor is None:
        _VISITOR_OF[kind] = visitor = _VISITORS.get(kind) or _new_visitor(kind)
    return visitor


def _new_visitor(kind: type) -> Visitor:
    if issubclass(kind, type):
        return Walk.class_
    if issubclass(kind, ModuleType):
        return Walk.module
    if issubclass(kind, _INERT):
        return Walk.inert
    if "numpy" in sys.modules:
        import numpy as np

        if issubclass(kind, np.ndarray | np.generic):
            return Walk.array
        if issubclass(kind, np.dtype):
            return Walk.named
        if issubclass(kind, np.ufunc):
            return Walk.ufunc
    if "torch" in sys.modules:
        import torch

        if issubclass(kind, torch.Tensor):
            return Walk.tensor
        if issubclass(kind, torch.dtype | torch.device | torch.layout | torch.memory_format):
            return Walk.named
        if any(base.__module__.startswith("torch.jit") for base in kind.__mro__):
            return Walk.unreadable
        if kind.__module__.startswith("torch._dynamo") and issubclass(kind, torch.nn.Module):
            return Walk.compiled_module
    if top_level(kind.__module__) == "numba" and "py_func" in dir(kind):
        return _compiled_by_numba
    return runtime_visitor_of(kind) or Walk.instance


def _compiled_by_numba(walk: Walk, value: Any) -> None:  # noqa: ANN401
    walk.visit(value.py_func)


def content_visitor_of(kind: type) -> Visitor | None:
    """Return how what instances hold besides attributes is visited, if they hold anything."""
    return next((visitor for base, visitor in _BASES.items() if issubclass(kind, base)), None)

"""Encoders on their way to another process, with what pickle cannot take in them.

Sessions are opened there anew, of the model that they hold or were opened from.
"""

from __future__ import annotations

import io
import pickle
from typing import TYPE_CHECKING, Any, NamedTuple

import cloudpickle

from pytest_nnrel.encoders.calls import is_of, is_torch_module

if TYPE_CHECKING:
    from collections.abc import Callable

#: What is settled of a session of ONNX Runtime besides its model and providers.
_SESSION_OPTIONS = (
    "intra_op_num_threads",
    "inter_op_num_threads",
    "execution_mode",
    "graph_optimization_level",
    "log_severity_level",
)


class _Way(NamedTuple):
    """How objects of a kind travel.

    Attributes
    ----------
    is_one : callable
        Tells whether an object is of that kind.
    reduce : callable
        Gives a function, and its arguments, that makes one like it.
    """

    is_one: Callable[[Any], bool]
    reduce: Callable[[Any], tuple[Any, ...]]


def packed(obj: object, keep: Callable[[pickle.PickleBuffer], object] | None = None) -> bytes:
    """Return an object as bytes that ``pickle.loads`` takes in another process.

    Closures, lambdas and what the main script defines travel as well.

    Parameters
    ----------
    obj : object
    keep : callable, optional
        Takes buffers that are to travel beside it, see ``buffer_callback`` of `pickle.Pickler`.

    Raises
    ------
    Exception
        If something in it cannot be pickled; of any type.
    """
    file = io.BytesIO()
    _Pickler(file, pickle.HIGHEST_PROTOCOL, keep).dump(obj)
    return file.getvalue()


class _Pickler(cloudpickle.CloudPickler):  # type: ignore[misc]  # a library without types
    def reducer_override(self, obj: Any) -> Any:  # noqa: ANN401
        for way in _WAYS:
            if way.is_one(obj):
                return way.reduce(obj)
        return super().reducer_override(obj)


def _is_session(obj: Any) -> bool:  # noqa: ANN401
    """Tell whether this is a session of ONNX Runtime that knows its model."""
    of_kind = is_of(obj, "onnxruntime", "InferenceSession")
    return of_kind and _model_of_session(obj) is not None


def _model_of_session(session: Any) -> str | bytes | None:  # noqa: ANN401
    path: str | None = getattr(session, "_model_path", None)
    content: bytes | None = getattr(session, "_model_bytes", None)
    return path or content


def _session_reduced(session: Any) -> tuple[Any, ...]:  # noqa: ANN401
    options = session.get_session_options()
    settled = {name: getattr(options, name) for name in _SESSION_OPTIONS}
    # Enumerations of ONNX Runtime do not travel either, but by their names.
    plain = {name: getattr(value, "name", value) for name, value in settled.items()}
    return _session, (_model_of_session(session), plain, session.get_provider_options())


def _session(model: str | bytes, settled: dict[str, Any], providers: dict[str, Any]) -> Any:  # noqa: ANN401
    import onnxruntime

    options = onnxruntime.SessionOptions()
    for name, value in settled.items():
        kind = type(getattr(options, name))
        setattr(options, name, getattr(kind, value) if isinstance(value, str) else value)
    return onnxruntime.InferenceSession(model, options, list(providers.items()))


def _is_parametrized(obj: Any) -> bool:  # noqa: ANN401
    """Tell whether this is a torch module whose weights are functions of others."""
    if not is_torch_module(obj):
        return False
    from torch.nn.utils.parametrize import is_parametrized

    return bool(is_parametrized(obj))


def _parametrized_reduced(module: Any) -> tuple[Any, ...]:  # noqa: ANN401
    """Return the module with the weights that it has as it is, as torch takes no others."""
    import torch
    from torch.nn.utils.parametrize import type_before_parametrizations

    parametrized = module.parametrizations
    modules = {name: of for name, of in module._modules.items() if of is not parametrized}
    weights = {name: torch.nn.Parameter(getattr(module, name).detach()) for name in parametrized}
    kept = vars(module) | {"_modules": modules, "_parameters": module._parameters | weights}
    return _empty, (type_before_parametrizations(module),), kept


def _empty(kind: Any) -> Any:  # noqa: ANN401
    return kind.__new__(kind)


def _is_script(obj: Any) -> bool:  # noqa: ANN401
    return is_of(obj, "torch", "ScriptModule")


def _script_reduced(module: Any) -> tuple[Any, ...]:  # noqa: ANN401
    import torch

    file = io.BytesIO()
    torch.jit.save(module, file)
    return _script, (file.getvalue(),)


def _script(content: bytes) -> Any:  # noqa: ANN401
    import torch

    load: Any = torch.jit.load
    return load(io.BytesIO(content))


_WAYS = (
    _Way(_is_session, _session_reduced),
    _Way(_is_script, _script_reduced),
    _Way(_is_parametrized, _parametrized_reduced),
)

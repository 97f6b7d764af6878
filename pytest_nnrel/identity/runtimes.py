"""Models that a runtime holds outside of Python: told by the file, bytes or weights they are of."""

from __future__ import annotations

import hashlib
import os
import re
import weakref
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pytest_nnrel.identity.project import is_projects, top_level, version_of
from pytest_nnrel.identity.walk import Walk

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytest_nnrel.identity.walk import Visitor

#: In a serialised ONNX model, before the length and the name of a file that holds weights.
_LOCATION: Final = re.compile(rb"\x0a\x08location\x12([\x00-\x7f]|[\x80-\xff][\x00-\x7f])")
#: Options of a session by which the same model may be computed otherwise.
_EXECUTION: Final = ("graph_optimization_level", "execution_mode", "use_deterministic_compute")
#: Of sessions, the digest of the files that they were made from, taken when they were first looked
#: at: a file may be written anew under a session that goes on with what it has read.
_FILES: weakref.WeakKeyDictionary[Any, str | None] = weakref.WeakKeyDictionary()


def runtime_visitor_of(kind: type) -> Visitor | None:
    """Return how objects of a runtime's type are visited; None for any other type."""
    for base in kind.__mro__:
        visitor = _VISITORS.get((top_level(base.__module__), base.__name__))
        if visitor is not None:
            return visitor
    return None


# -- ONNX Runtime


def _session(walk: Walk, session: Any) -> None:  # noqa: ANN401
    """Tell a session by its model's file or bytes, and by who executes it."""
    walk.visit(type(session))
    options = session.get_session_options()
    walk.execute(*(str(getattr(options, name, None)) for name in _EXECUTION))
    if not walk.tells_state:
        return
    if session not in _FILES:
        _FILES[session] = _model_digest(session)
    digest = _FILES[session]
    if digest is None:
        walk.unreadable(session)
        return
    walk.tell(digest)
    walk.visit(session.get_providers())
    walk.visit(session.get_provider_options())


def _model_digest(session: Any) -> str | None:  # noqa: ANN401
    """Return a digest of the model of a session; None where it cannot be found."""
    path = getattr(session, "_model_path", None)
    model = getattr(session, "_model_bytes", None)
    hashed = hashlib.blake2b(digest_size=16)
    try:
        if model is None:
            if path is None:
                return None
            model = Path(path).read_bytes()
        hashed.update(model)
        for location in _external_files(model):
            if path is None:  # beside which file they lie is not known
                return None
            with open(Path(path).parent / location, "rb") as file:
                hashed.update(hashlib.file_digest(file, "blake2b").digest())
    except OSError:  # moved or deleted since it was loaded
        return None
    return hashed.hexdigest()


def _external_files(model: bytes) -> list[str]:
    """Return the names of the files that hold weights of a serialised ONNX model, each once."""
    found: dict[str, None] = {}
    for match in _LOCATION.finditer(model):
        length = match[1][0] if len(match[1]) == 1 else (match[1][0] & 0x7F) | match[1][1] << 7
        found[os.fsdecode(model[match.end() : match.end() + length])] = None
    return list(found)


# -- LiteRT


def _interpreter(walk: Walk, interpreter: Any) -> None:  # noqa: ANN401
    """Tell an interpreter by the bytes of its model; one that was opened from a path has none."""
    walk.visit(type(interpreter))
    if not walk.tells_state:
        return
    model = getattr(interpreter, "_model_content", None)
    if model is None:
        walk.unreadable(interpreter)
        return
    walk.tell(bytes(model))
    walk.visit(getattr(interpreter, "_delegates", None))


# -- Keras

#: Keys of a configuration that hold names of layers, which Keras counts up within a process.
_NAMED: Final = frozenset({"name", "keras_history", "input_layers", "output_layers"})
#: What else fitting leaves on a model.
_OF_FITTING: Final = frozenset(
    {
        "history", "optimizer", "stop_training", "stop_evaluating", "stop_predicting",
        "_compile_config", "_compiled_trainable_state", "_epoch_iterator", "_eval_epoch_iterator",
    }
)  # fmt: skip


def _layer(walk: Walk, layer: Any) -> None:  # noqa: ANN401
    """Tell a Keras layer or model by code, configuration and weights."""
    import keras

    backend = keras.config.backend()
    walk.visit(type(layer))
    walk.tell(backend, version_of(backend), keras.config.floatx())
    if not layer.built:  # its weights are yet to be drawn
        walk.unreadable(layer)
        return
    if top_level(type(layer).__module__) == "keras":
        _configured(walk, layer)
    elif hasattr(layer, "_nodes"):  # a graph within a class of the user's
        walk.unreadable(layer)
    else:
        told = vars(layer).keys() - _bookkeeping() - _OF_FITTING
        walk.named_values({name: vars(layer)[name] for name in told})
    if walk.tells_state:
        walk.sequence(layer.weights)


def _configured(walk: Walk, layer: Any) -> None:  # noqa: ANN401
    """Visit a layer of Keras's own: how it is made, the functions and the layers that it holds."""
    if walk.tells_state:
        config = layer.get_config()
        names = dict.fromkeys([layer.name, *_names_in(config)])
        numbers = {name: number for number, name in enumerate(names)}
        walk.mapping(_without_names(config, numbers))
    walk.named_values({name: value for name, value in vars(layer).items() if is_projects(value)})
    for inner in getattr(layer, "operations", getattr(layer, "layers", ())):
        # What is no layer, such as an addition, is in the configuration of the whole.
        walk.visit(inner if hasattr(inner, "weights") else type(inner))


def _names_in(config: Any) -> Iterator[str]:  # noqa: ANN401
    """Yield the names of the layers within a configuration."""
    if isinstance(config, list | tuple):
        for value in config:
            yield from _names_in(value)
    elif isinstance(config, dict) and not _is_precision(config):
        if "class_name" in config and isinstance(config.get("config"), dict):
            yield from filter(None, [config["config"].get("name")])
        for value in config.values():
            yield from _names_in(value)


def _without_names(config: Any, numbers: Mapping[str, int], key: str = "") -> Any:  # noqa: ANN401
    """Return a configuration with numbers for the names of layers, and no code: that is visited."""
    if isinstance(config, list | tuple):
        return [_without_names(value, numbers, key) for value in config]
    if isinstance(config, dict):
        if _is_precision(config):
            return config
        of_code = config.get("class_name") == "__lambda__"
        return {
            name: _without_names(value, numbers, name)
            for name, value in config.items()
            if name != "trainable" and not (of_code and name == "config")
        }
    return numbers.get(config, config) if key in _NAMED and isinstance(config, str) else config


def _is_precision(config: Mapping[str, Any]) -> bool:
    """Tell whether a part of a configuration is of types, which have names of another kind."""
    return "DTypePolicy" in str(config.get("class_name"))


@cache
def _bookkeeping() -> frozenset[str]:
    """Return the attributes that every model of Keras's has."""
    import keras

    return frozenset(vars(keras.Model(name="bookkeeping")))


def _variable(walk: Walk, variable: Any) -> None:  # noqa: ANN401
    if not walk.tells_state:
        return
    walk.tell(variable.dtype)
    value = variable.value
    if hasattr(value, "detach"):  # of the backend torch
        walk.tensor(value)
    else:
        import numpy as np

        walk.array(np.asarray(value))


# -- JAX


def jax_is_set_to() -> list[object]:
    """Return the settings by which JAX computes something else from the same code."""
    import jax

    names = ("jax_enable_x64", "jax_default_matmul_precision", "jax_numpy_dtype_promotion")
    return [getattr(jax.config, name, None) for name in names]


_VISITORS: Final[Mapping[tuple[str, str], Visitor]] = {
    ("onnxruntime", "InferenceSession"): _session,
    ("ai_edge_litert", "Interpreter"): _interpreter,
    ("tflite_runtime", "Interpreter"): _interpreter,
    ("tensorflow", "Interpreter"): _interpreter,
    ("keras", "Layer"): _layer,
    ("keras", "Variable"): _variable,
    ("keras", "SeedGenerator"): Walk.inert,
    ("jaxlib", "PjitFunction"): Walk.wrapped,
}

"""Interpreters of LiteRT, which was TensorFlow Lite, and the files that they run."""

from __future__ import annotations

from importlib import import_module
from os import fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_nnrel.encoders.calls import is_of
from pytest_nnrel.encoders.declared import (
    Declared,
    DeclaringEncoder,
    only_or_all,
    shape_of,
)
from pytest_nnrel.errors import EncoderError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import numpy.typing as npt

    _Details = Mapping[str, Any]

#: Those that have an interpreter, the newest first.
_LIBRARIES = ("ai_edge_litert", "tflite_runtime", "tensorflow")


class LiteRTEncoder(DeclaringEncoder):
    """An interpreter of LiteRT or TensorFlow Lite, or the path of a model.

    Where the model is declared for any number of windows its input is resized to the batch, and
    back; else it gets as many at a time as it declares. Integers of a quantised model are made of
    audio, and embeddings of integers, by their scales and zero points. Its fingerprint is of the
    model's bytes, which an interpreter that was opened from a path has not kept.
    """

    takes = "a LiteRT or TensorFlow Lite interpreter or the path of a .tflite file"
    order = 6
    looked_into = True
    suffix = ".tflite"
    run_by_hand = "run(interpreter, {{{inputs}}})"

    def __init__(self, obj: Any, **options: Any) -> None:  # noqa: ANN401
        interpreter = _opened(obj) if self.is_path(obj) else obj
        #: By a signature, where there is one; tensors have names of their own.
        self._names = _names_of_signature(interpreter)
        inputs = [
            Declared(name, _shape_of(details), _kind_of(details))
            for name, details in self._by_name(interpreter.get_input_details())
        ]
        super().__init__(interpreter, inputs=inputs, **options)

    def _by_name(self, details: Iterable[_Details]) -> Iterator[tuple[str, _Details]]:
        for of_one in details:
            yield self._names.get(of_one["index"]) or of_one["name"], of_one

    @classmethod
    def adapts(cls, obj: Any, method: str | None) -> bool:  # noqa: ANN401
        return cls.is_path(obj) or any(is_of(obj, library, "Interpreter") for library in _LIBRARIES)

    def run(self, inputs: dict[str, Any], sample_rate: int) -> Any:  # noqa: ANN401
        interpreter = self.obj
        takes = dict(self._by_name(interpreter.get_input_details()))
        try:
            self._resize({takes[name]["index"]: given.shape for name, given in inputs.items()})
            for name, given in inputs.items():
                interpreter.set_tensor(takes[name]["index"], _as_declared(given, takes[name]))
            interpreter.invoke()
            outputs = {
                name: _as_floats(interpreter.get_tensor(details["index"]), details)
                for name, details in self._by_name(interpreter.get_output_details())
            }
        finally:
            self._resize({details["index"]: details["shape"] for details in takes.values()})
        return only_or_all(outputs)

    def _resize(self, shapes: Mapping[int, Sequence[int]]) -> None:
        """Have the inputs of these shapes, and the room for what follows from them."""
        for details in self.obj.get_input_details():
            wanted = shapes[details["index"]]
            if list(details["shape"]) != list(wanted):
                self.obj.resize_tensor_input(details["index"], wanted)
        self.obj.allocate_tensors()


def _opened(path: Any) -> Any:  # noqa: ANN401
    """Return an interpreter of the model in a file, which keeps the model's bytes."""
    for library in _LIBRARIES:
        try:
            module = import_module(f"{library}.interpreter")
        except ImportError:
            continue
        try:
            return module.Interpreter(model_content=Path(path).read_bytes())
        except (OSError, ValueError, RuntimeError) as error:
            raise EncoderError(
                f"the model {fspath(path)} cannot be loaded: {type(error).__name__} {error}"
            ) from error
    raise EncoderError(
        f"{fspath(path)} needs LiteRT, which is not installed: pip install ai-edge-litert"
    )


def _names_of_signature(interpreter: Any) -> dict[int, str]:  # noqa: ANN401
    """Return what the only signature of a model calls its tensors, by their place; else nothing."""
    signatures = list(interpreter.get_signature_list())
    if len(signatures) != 1:
        return {}
    runner = interpreter.get_signature_runner(signatures[0])
    named = {**runner.get_input_details(), **runner.get_output_details()}
    return {details["index"]: name for name, details in named.items()}


def _shape_of(details: _Details) -> tuple[int | None, ...]:
    signature = details.get("shape_signature", ())
    return shape_of(signature if len(signature) else details["shape"])


def _scale_of(details: _Details) -> tuple[float, int] | None:
    """Return scale and zero point of a quantised tensor; None of any other."""
    scale, zero = details["quantization"]
    return (scale, zero) if scale else None


def _kind_of(details: _Details) -> str:
    return "float32" if _scale_of(details) else np.dtype(details["dtype"]).name


def _as_declared(values: npt.NDArray[Any], details: _Details) -> npt.NDArray[Any]:
    """Return values in the type of a tensor, in its scale where it is quantised."""
    scaled = _scale_of(details)
    if scaled is None:
        return values.astype(details["dtype"])
    scale, zero = scaled
    held = np.iinfo(details["dtype"])
    return np.asarray(np.clip(np.rint(values / scale) + zero, held.min, held.max), held.dtype)


def _as_floats(values: npt.NDArray[Any], details: _Details) -> npt.NDArray[Any]:
    """Return the values of a tensor, floats where it is quantised."""
    scaled = _scale_of(details)
    if scaled is None:
        return values
    scale, zero = scaled
    return (scale * (values.astype(np.float32) - zero)).astype(np.float32)

"""Sessions of ONNX Runtime, and the files that they are made of."""

from __future__ import annotations

from os import fspath
from typing import Any

from pytest_nnrel.encoders.calls import is_of
from pytest_nnrel.encoders.declared import (
    Declared,
    DeclaringEncoder,
    only_or_all,
    shape_of,
)
from pytest_nnrel.encoders.rates import stated_rate
from pytest_nnrel.errors import EncoderError

#: What ONNX Runtime calls types otherwise than NumPy.
_KINDS = {"float": "float32", "double": "float64"}


class ONNXEncoder(DeclaringEncoder):
    """A session of ONNX Runtime, or the path of a model, which is run on the CPU.

    Its fingerprint is of the model's file or bytes, of the files that hold weights beside it, of
    ONNX Runtime's version, and of the execution providers.
    """

    takes = "an ONNX Runtime session or the path of an .onnx file"
    order = 4
    looked_into = True
    suffix = ".onnx"
    run_by_hand = "session.run(None, {{{inputs}}})[0]"

    def __init__(self, obj: Any, **options: Any) -> None:  # noqa: ANN401
        session = _opened(obj) if self.is_path(obj) else obj
        if options["sample_rate"] is None:
            options["sample_rate"] = _rate_in_metadata(session, options["name"])
        inputs = [
            Declared(given.name, shape_of(given.shape), _kind_of(given.type))
            for given in session.get_inputs()
        ]
        super().__init__(session, inputs=inputs, **options)
        self.identify()  # of the file as it is now: it may be written anew under the session

    @classmethod
    def adapts(cls, obj: Any, method: str | None) -> bool:  # noqa: ANN401
        return cls.is_path(obj) or is_of(obj, "onnxruntime", "InferenceSession")

    @classmethod
    def name_of(cls, obj: Any) -> str:  # noqa: ANN401
        return super().name_of(getattr(obj, "_model_path", None) or obj)

    def run(self, inputs: dict[str, Any], sample_rate: int) -> Any:  # noqa: ANN401
        audio = self._audio
        given = inputs | {audio.name: inputs[audio.name].astype(audio.kind)}
        names = [output.name for output in self.obj.get_outputs()]
        return only_or_all(dict(zip(names, self.obj.run(names, given))))


def _opened(path: Any) -> Any:  # noqa: ANN401
    """Return a session of the model in a file."""
    try:
        import onnxruntime
    except ImportError as error:
        raise EncoderError(
            f"{fspath(path)} needs ONNX Runtime, which is not installed: pip install onnxruntime"
        ) from error
    try:
        return onnxruntime.InferenceSession(fspath(path), providers=["CPUExecutionProvider"])
    except Exception as error:  # of a type of its own for each thing that it finds
        raise EncoderError(
            f"the model {fspath(path)} cannot be loaded: {type(error).__name__} {error}"
        ) from error


def _rate_in_metadata(session: Any, name: str) -> Any:  # noqa: ANN401
    """Return the rate that the metadata of a session's model states, if they do."""
    texts = session.get_modelmeta().custom_metadata_map
    return stated_rate({key: int(text) for key, text in texts.items() if text.isdecimal()}, name)


def _kind_of(declared: str) -> str:
    """Return a type as NumPy has it, of what ONNX Runtime says, such as ``tensor(double)``."""
    kind = declared.removeprefix("tensor(").removesuffix(")")
    return _KINDS.get(kind, kind)

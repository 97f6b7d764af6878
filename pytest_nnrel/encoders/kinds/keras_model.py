"""Models and layers of Keras 3, on any of its backends."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

from pytest_nnrel.encoders.calls import Call, is_of
from pytest_nnrel.encoders.declared import Declared, DeclaringEncoder, shape_of
from pytest_nnrel.encoders.rates import RateTeller


class KerasEncoder(DeclaringEncoder):
    """A model or layer of Keras 3, or a method of one, run as in inference, without gradients.

    Where it has ``encode`` that is run, as of any object. Its fingerprint is of code, configuration
    and weights, once these are there: of a model that builds itself when it is first called, from
    then on.
    """

    takes = "a Keras model or layer, or a method of one"
    order = 25
    by_method = True
    looked_into = True
    without_gradients = True
    run_by_hand = "model([{values}])"
    kinds = (*DeclaringEncoder.kinds, "bfloat16")

    def __init__(self, obj: Any, *, call: Call, rate_asked: bool, **options: Any) -> None:  # noqa: ANN401
        self._runs_itself = is_of(call.fn, "keras", "Layer")
        self._call = call.fn
        asks = obj.call if self._runs_itself else call.fn
        self._rate = RateTeller(asks, asked=rate_asked)
        declared = getattr(obj, "inputs", None) if self._runs_itself else None
        inputs = [  # by place, as Keras counts names up within a process
            Declared(f"input {place}", shape_of(given.shape), given.dtype)
            for place, given in enumerate(declared or ())
        ]
        self._names = [given.name for given in inputs]
        anything = Declared("audio", (None, None), "float32")
        super().__init__(obj, inputs=inputs or [anything], **options)

    @classmethod
    def adapts(cls, obj: Any, method: str | None) -> bool:  # noqa: ANN401
        return is_of(getattr(obj, "__self__", obj), "keras", "Layer")

    def run(self, inputs: dict[str, Any], sample_rate: int) -> Any:  # noqa: ANN401
        import keras

        told: dict[str, Any] = dict(self._rate.told(sample_rate, self.name))
        if self._runs_itself:
            told["training"] = False
        given = [keras.ops.convert_to_tensor(inputs[name]) for name in self._names or inputs]
        with _no_gradients(keras.config.backend()):
            return self._call(given[0] if len(given) == 1 else given, **told)


def _no_gradients(backend: str) -> Any:  # noqa: ANN401
    """Return a context in which a backend records no gradients, as others do unless asked to."""
    if backend != "torch":
        return nullcontext()
    import torch

    return torch.no_grad()

"""Models of SpeechBrain, which embed by ``encode_batch``."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_nnrel.encoders.calls import is_torch_module
from pytest_nnrel.encoders.kinds.torch_module import TorchEncoder

if TYPE_CHECKING:
    from typing import Self

    from pytest_nnrel.corpus.audio import Samples
    from pytest_nnrel.identity.walk import PassedOver

_METHOD = "encode_batch"


class SpeechBrainEncoder(TorchEncoder):
    """A model of SpeechBrain: its ``encode_batch``, of windows that all are as long as the longest.

    One vector a window comes as ``[n, 1, d]``. The rate is that of its ``audio_normalizer``.
    """

    takes = "a model of SpeechBrain, with encode_batch"
    order = 36

    def __init__(self, obj: Any, **options: Any) -> None:  # noqa: ANN401
        super().__init__(obj, **options)
        if self.device is not None:  # where it moves its input to
            obj.device = self.device

    @classmethod
    def adapts(cls, obj: Any, method: str | None) -> bool:  # noqa: ANN401
        return method is None and is_torch_module(obj) and callable(getattr(obj, _METHOD, None))

    @classmethod
    def of(cls, obj: Any, *, method: str | None, **options: Any) -> Self:  # noqa: ANN401
        return super().of(obj, method=_METHOD, **options)

    def _passed_over(self) -> PassedOver:
        modes = super()._passed_over()
        return lambda owner, attribute: (
            modes(owner, attribute) or (owner is self.obj and attribute == "device")
        )

    def _keywords(self, batch: Samples, sample_rate: int) -> dict[str, Any]:
        told = super()._keywords(batch, sample_rate)
        if "wav_lens" in inspect.signature(self._call).parameters:
            told["wav_lens"] = np.ones(len(batch), np.float32)
        return told

    def embedding_in(self, out: Any) -> Any:  # noqa: ANN401
        shape = tuple(getattr(out, "shape", ()))
        return out[:, 0] if shape[1:2] == (1,) and len(shape) == 3 else out

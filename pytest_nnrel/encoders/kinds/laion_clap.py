"""Models of LAION's package CLAP, which embed by ``get_audio_embedding_from_data``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_nnrel.encoders.calls import is_torch_module
from pytest_nnrel.encoders.kinds.torch_module import TorchEncoder
from pytest_nnrel.encoders.rates import number_of

if TYPE_CHECKING:
    from typing import Self

    from pytest_nnrel.corpus.audio import Samples

_METHOD = "get_audio_embedding_from_data"


class LAIONCLAPEncoder(TorchEncoder):
    """A ``laion_clap.CLAP_Module``: its ``get_audio_embedding_from_data`` on arrays.

    So audio is rounded to 16 bits, as in its training. The rate is that of its ``model_cfg``.
    """

    takes = "a laion_clap.CLAP_Module"
    order = 37

    @classmethod
    def adapts(cls, obj: Any, method: str | None) -> bool:  # noqa: ANN401
        return method is None and is_torch_module(obj) and callable(getattr(obj, _METHOD, None))

    @classmethod
    def of(
        cls,
        obj: Any,  # noqa: ANN401
        *,
        method: str | None,
        **options: Any,  # noqa: ANN401
    ) -> Self:
        if options["sample_rate"] is None:
            settings = getattr(obj, "model_cfg", None) or {}
            options["sample_rate"] = number_of(settings.get("audio_cfg", {}), "sample_rate")
        return super().of(obj, method=_METHOD, **options)

    def forward(self, batch: Samples, sample_rate: int) -> Any:  # noqa: ANN401
        with self._running():
            return self._call(x=batch, use_tensor=False)

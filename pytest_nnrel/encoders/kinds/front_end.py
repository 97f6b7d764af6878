"""Torch modules behind what prepares their input: models of transformers with their extractors."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pytest_nnrel.encoders.calls import FORWARD, chosen_call, is_a, is_torch_module
from pytest_nnrel.encoders.evaluation import as_tensors, precision_of
from pytest_nnrel.encoders.extractors import extractor_of, features_of, padded_to, without_padding
from pytest_nnrel.encoders.modules import ModuleEncoder
from pytest_nnrel.errors import EncoderError

if TYPE_CHECKING:
    from typing import Self

    from pytest_nnrel.corpus.audio import Samples

#: Outputs of transformers that are one vector a window, the one that says so best first.
_VECTORS: Final = ("audio_embeds", "embeddings", "pooler_output")
_FRAMES: Final = "last_hidden_state"
#: The method of models of audio and text that embeds audio.
_OF_AUDIO: Final = "get_audio_features"


class FrontEndEncoder(ModuleEncoder):
    """A torch module and what makes its input of audio, ``(model, front end)``.

    The front end is a feature extractor or processor of Hugging Face's transformers, run by its own
    settings, or a function of ``float32[n, samples]``, and of the sample rate where it takes one.
    What that returns the module gets: a mapping by keyword, a tuple by place, all else as the one
    argument; arrays as tensors on its device. A pipeline of transformers is its model's body with
    its extractor.

    Of a model with a decoder the encoder is run, of one of audio and text ``get_audio_features``.
    Of what a model of transformers returns, the embedding is its vector (``audio_embeds``,
    ``embeddings`` or ``pooler_output``), else the mean of ``last_hidden_state`` over the frames
    that are no padding.

    Parameters
    ----------
    obj : tuple of torch.nn.Module and front end
    call : callable
        What is run: the module, or a method of it.
    rate_asked : bool
        Whether its user has named a sample rate.
    **options
        Of `Encoder`.
    """

    takes = "a torch module and its front end, (model, extractor)"
    order = 35

    def __init__(self, obj: Any, *, call: Any, rate_asked: bool, **options: Any) -> None:  # noqa: ANN401
        module, self._front_end = obj
        super().__init__(obj, module=module, **options)
        self._call = call
        self._extractor = extractor_of(self._front_end)
        self._rate = self._rate_teller(self._front_end, asked=rate_asked)

    @classmethod
    def adapts(cls, obj: Any, method: str | None) -> bool:  # noqa: ANN401
        if _is_pipeline(obj):
            return is_torch_module(obj.model) and extractor_of(obj) is not None
        return (
            isinstance(obj, tuple)
            and len(obj) == 2
            and is_torch_module(obj[0])
            and callable(obj[1])
            and not is_torch_module(obj[1])
        )

    @classmethod
    def name_of(cls, obj: Any) -> str:  # noqa: ANN401
        model = obj.model if _is_pipeline(obj) else obj[0]
        checkpoint = Path(str(getattr(model, "name_or_path", "")))
        if checkpoint.is_absolute():
            return checkpoint.name
        return checkpoint.as_posix() if checkpoint.name else super().name_of(model)

    @classmethod
    def of(
        cls,
        obj: Any,  # noqa: ANN401
        *,
        method: str | None,
        rate_asked: bool,
        **options: Any,  # noqa: ANN401
    ) -> Self:
        # Of a pipeline's own output, labels, nothing could be compared.
        model, front_end = (obj.model.base_model, obj) if _is_pipeline(obj) else obj
        config = getattr(model, "config", None)
        if method is None and getattr(config, "is_encoder_decoder", False) is True:
            model = model.get_encoder() if hasattr(model, "get_encoder") else model.encoder
        elif method is None and callable(getattr(model, _OF_AUDIO, None)):
            method = _OF_AUDIO
        call = chosen_call(model, method, options["name"])
        front_end = extractor_of(front_end) or front_end
        return cls((model, front_end), call=call.fn, rate_asked=rate_asked, **options)

    def assumptions(self, sample_rate: int) -> list[str]:
        assumed = super().assumptions(sample_rate)
        padded = None if self._extractor is None else padded_to(self._extractor)
        if padded is not None and (self.window_seconds is None or self.window_seconds < padded):
            assumed.append(f"what is shorter than {padded:g} s is padded to that by its extractor")
        return assumed

    def forward(self, batch: Samples, sample_rate: int) -> Any:  # noqa: ANN401
        args: tuple[Any, ...] = ()
        named: Mapping[str, Any] = {}
        mask = None
        if self._extractor is not None:
            features = features_of(self._extractor, batch, sample_rate)
            mask = features.mask
            args, named = _accepted(self._call, features.inputs, features.main)
        else:
            prepared = self._front_end(batch, **self._rate.told(sample_rate, self.name))
            if isinstance(prepared, Mapping):
                named = prepared
            else:
                args = prepared if isinstance(prepared, tuple) else (prepared,)
        with self._running() as device:
            args, named = as_tensors((args, dict(named)), device, precision_of(self._module))
            out = self._call(*args, **named)
        return without_padding(out, mask, self.name)

    def embedding_in(self, out: Any) -> Any:  # noqa: ANN401
        if self._extractor is None or not isinstance(out, Mapping):
            return out
        for name in _VECTORS:
            if getattr(out.get(name), "ndim", None) == 2:
                return out[name]
        if getattr(out.get(_FRAMES), "ndim", None) == 3:
            return out[_FRAMES].mean(1)
        if getattr(self._module, "base_model", self._module) is not self._module:
            raise EncoderError(
                f"encoder {self.name!r} returned {', '.join(out)} and no embedding; take the model"
                " below its head, as_encoder((model.base_model, extractor)), or name the output:"
                " as_encoder((model, extractor), output=KEY)"
            )
        return out


def _is_pipeline(obj: object) -> bool:
    return is_a(obj, "transformers.pipelines.base", "Pipeline")


def _accepted(
    call: Any,  # noqa: ANN401
    inputs: Mapping[str, Any],
    main: str,
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return those inputs that a call takes: the main one by place where it has another name."""
    parameters = inspect.signature(getattr(call, FORWARD, call)).parameters
    any_name = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    if main not in parameters and not any_name:
        return (inputs[main],), {}
    return (), {n: value for n, value in inputs.items() if any_name or n in parameters}

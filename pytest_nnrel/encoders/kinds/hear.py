"""Modules with the common API of HEAR, the Holistic Evaluation of Audio Representations."""

from __future__ import annotations

import importlib
import inspect
from typing import TYPE_CHECKING, Any

from pytest_nnrel.encoders.adapter import Adapter, suffixes
from pytest_nnrel.encoders.calls import is_torch_module
from pytest_nnrel.encoders.evaluation import kinds_of_devices, modes_of
from pytest_nnrel.encoders.rates import stated_rate
from pytest_nnrel.errors import EncoderError

if TYPE_CHECKING:
    from types import ModuleType

    from pytest_nnrel.corpus.audio import Samples
    from pytest_nnrel.identity.walk import PassedOver


class HEAREncoder(Adapter):
    """A module with HEAR's common API: ``load_model`` and ``get_scene_embeddings``."""

    takes = "a HEAR module or its dotted name"
    order = 20
    moves = True
    without_gradients = True

    def __init__(self, obj: ModuleType | str, **options: Any) -> None:  # noqa: ANN401
        module = _import(obj) if isinstance(obj, str) else obj
        missing = [f for f in ("load_model", "get_scene_embeddings") if not hasattr(module, f)]
        if missing:
            raise EncoderError(
                f"module {module.__name__} has no {' and no '.join(missing)}: a HEAR module has"
                " load_model() and get_scene_embeddings(audio, model)"
            )
        model = module.load_model()
        if options["sample_rate"] is None:
            options["sample_rate"] = stated_rate(model, options["name"])
        if options["sample_rate"] is None:
            raise EncoderError(f"the model of HEAR module {module.__name__} has no sample_rate")
        super().__init__(obj, **options)
        self._module = module
        self._model = model

    @classmethod
    def adapts(cls, obj: Any, method: str | None) -> bool:  # noqa: ANN401
        return isinstance(obj, str) or inspect.ismodule(obj)

    @classmethod
    def name_of(cls, obj: Any) -> str:  # noqa: ANN401
        return obj if isinstance(obj, str) else super().name_of(obj)

    def _passed_over(self) -> PassedOver:
        return modes_of(self._model) if is_torch_module(self._model) else super()._passed_over()

    @property
    def runs_on(self) -> frozenset[str]:
        if not is_torch_module(self._model):
            return frozenset()
        return super().runs_on or kinds_of_devices(self._model)

    def forward(self, batch: Samples, sample_rate: int) -> Any:  # noqa: ANN401
        audio: Any = batch
        try:
            import torch
        except ImportError:
            return self._module.get_scene_embeddings(audio, self._model)
        model = self._model
        device: Any = None
        if isinstance(model, torch.nn.Module):
            model.eval()
            if self.device is not None:
                model.to(self.device)
            device = next((p.device for p in model.parameters()), self.device)
        audio = torch.from_numpy(batch)
        with torch.no_grad():
            return self._module.get_scene_embeddings(
                audio if device is None else audio.to(device), model
            )


def _import(dotted: str) -> ModuleType:
    try:
        return importlib.import_module(dotted)
    except (ImportError, ValueError, TypeError) as error:  # the latter for "" and "./file"
        raise EncoderError(
            f"{dotted!r} names no module that can be imported ({error}); files of models and"
            f" tables end in {', '.join(suffixes())}"
        ) from error

"""Encoders made of the user's objects: callables, torch modules, HEAR modules, ``encode``."""

from __future__ import annotations

import importlib
import inspect
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_nnrel.encoders.protocol import DEFAULT_BATCH_SIZE, Encoder
from pytest_nnrel.encoders.readout import ReadoutEncoder
from pytest_nnrel.encoders.table import TableEncoder
from pytest_nnrel.errors import EncoderError

if TYPE_CHECKING:
    from types import ModuleType

    from pytest_nnrel.audio import Samples


class CallableEncoder(Encoder):
    """A function of ``float32[n, samples]``, or of it and the sample rate where it takes one."""

    def __init__(self, fn: Any, **options: Any) -> None:  # noqa: ANN401
        super().__init__(**options)
        self._fn = fn
        self._takes_rate = _takes_sample_rate(fn)

    def _forward(self, batch: Samples, sample_rate: int) -> Any:  # noqa: ANN401
        if self._takes_rate:
            return self._fn(batch, sample_rate=sample_rate)
        return self._fn(batch)


class TorchEncoder(Encoder):
    """A torch module that maps ``float32[n, samples]`` to ``[n, d]``.

    It is run in evaluation mode and without gradients, on its own device or the one asked for,
    and left in the mode it was found in.
    """

    def __init__(self, module: Any, **options: Any) -> None:  # noqa: ANN401
        super().__init__(**options)
        self._module = module

    @property
    def tells_its_state(self) -> bool:
        """Whether the fingerprint is taken from the module, not given by the user."""
        return self._fingerprint is None

    def _passes_over(self, owner: object, attribute: str) -> bool:
        return _is_mode(owner, attribute)

    def _forward(self, batch: Samples, sample_rate: int) -> Any:  # noqa: ANN401
        import torch

        module = self._module
        if self.device is not None:
            module.to(self.device)
        device = next(
            (tensor.device for tensor in (*module.parameters(), *module.buffers())),
            torch.device(self.device or "cpu"),
        )
        training = [part for part in module.modules() if part.training]
        module.eval()
        try:
            with torch.no_grad():
                inputs = torch.from_numpy(batch)
                out = module(inputs.to(device))
        finally:
            for part in training:
                part.training = True
        return out


class HEAREncoder(Encoder):
    """A module with HEAR's common API: ``load_model`` and ``get_scene_embeddings``."""

    def __init__(self, module: ModuleType, model: Any, **options: Any) -> None:  # noqa: ANN401
        super().__init__(**options)
        self._module = module
        self._model = model

    def _passes_over(self, owner: object, attribute: str) -> bool:
        return _is_mode(owner, attribute)

    def _forward(self, batch: Samples, sample_rate: int) -> Any:  # noqa: ANN401
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


def as_encoder(
    obj: Any,  # noqa: ANN401
    *,
    sample_rate: int | None = None,
    window_seconds: float | None = None,
    batch_size: int = DEFAULT_BATCH_SIZE,
    device: str | None = None,
    name: str | None = None,
    fingerprint: str | None = None,
    output: str | int | None = None,
    pool: str | None = None,
) -> Encoder:
    """Return anything that embeds audio as an `Encoder`.

    Parameters
    ----------
    obj : Encoder, torch.nn.Module, HEAR module, dotted name, object with ``encode``, path, callable
        A callable, a torch module and an ``encode`` method take ``float32[n, samples]`` and return
        float ``[n, d]``; a parameter called ``sample_rate`` gets the rate. A HEAR module is given
        as a module or by its dotted name. A path ends in ``.npy`` and is a table of embeddings
        beside the list that `export_windows` wrote.
    sample_rate : int, optional
        Rate that it wants, in Hz; its attribute of that name, or the corpus's, where omitted.
    window_seconds : float, optional
        Window that it wants; its attribute of that name, or the corpus's, where omitted.
    batch_size : int
        Windows that it gets at a time.
    device : str, optional
        Torch device; the run's (``--nnrel-device``), or the module's own, where omitted. A module
        is moved there.
    name : str, optional
        How reports and baselines call it; the class's or function's where omitted.
    fingerprint : str, optional
        Changed whenever the encoder's weights or other state give other embeddings; code is looked
        at besides. Taken from a torch module's weights; other encoders without one are encoded anew
        in every run, and in every measurement where they hold what cannot be looked into, such as
        a session of a C library.
    output : str or int, optional
        Which output is the embedding, where there are several: a key, an attribute or a place.
    pool : {"mean", "max"}, optional
        How an output ``[n, frames, d]`` is pooled over its frames.

    Raises
    ------
    EncoderError
        If `obj` is none of these, or an option cannot be.
    """
    from pytest_nnrel import settings

    if isinstance(obj, Encoder):
        asked = (sample_rate, window_seconds, device, name, fingerprint, output, pool)
        if any(option is not None for option in asked):
            raise EncoderError(f"{obj!r} is an encoder already; give the options where it is made")
        return obj
    options: dict[str, Any] = {
        "subject": obj,
        "sample_rate": _number(obj, "sample_rate") if sample_rate is None else sample_rate,
        "window_seconds": (
            _number(obj, "window_seconds") if window_seconds is None else window_seconds
        ),
        "batch_size": batch_size,
        "device": device or settings.active().device,
        "name": name or _name_of(obj),
        "fingerprint": fingerprint or _own_fingerprint(obj),
    }
    encoder = _adapted(obj, options)
    if output is None and pool is None:
        return encoder
    return ReadoutEncoder(encoder, output=output, pool=pool)


def _adapted(obj: Any, options: dict[str, Any]) -> Encoder:  # noqa: ANN401
    """Return the adapter that runs an object."""
    if _is_table(obj):
        return TableEncoder(Path(obj), **options)
    if isinstance(obj, str):
        return _hear_encoder(_import(obj), options)
    if inspect.ismodule(obj):
        return _hear_encoder(obj, options)
    if _is_torch_module(obj):
        return TorchEncoder(obj, **options)
    if isinstance(obj, type):
        raise EncoderError(f"{obj.__name__} is a class; pass an instance of it")
    if callable(getattr(obj, "encode", None)):
        return CallableEncoder(obj.encode, **options)
    if callable(obj):
        return CallableEncoder(obj, **options)
    raise EncoderError(
        f"{type(obj).__name__} is no encoder: pass a callable on float32[n, samples], such as a"
        " method of it (model.transform) or lambda batch: ..., a torch.nn.Module, an object with"
        " encode, a HEAR module or its dotted name, or a .npy table"
    )


def _hear_encoder(module: ModuleType, options: dict[str, Any]) -> HEAREncoder:
    missing = [f for f in ("load_model", "get_scene_embeddings") if not hasattr(module, f)]
    if missing:
        raise EncoderError(
            f"module {module.__name__} has no {' and no '.join(missing)}: a HEAR module has"
            " load_model() and get_scene_embeddings(audio, model)"
        )
    model = module.load_model()
    rate = options["sample_rate"]
    if rate is None:
        rate = _number(model, "sample_rate")
    if rate is None:
        raise EncoderError(f"the model of HEAR module {module.__name__} has no sample_rate")
    return HEAREncoder(module, model, **{**options, "sample_rate": rate})


def _import(dotted: str) -> ModuleType:
    try:
        return importlib.import_module(dotted)
    except (ImportError, ValueError, TypeError) as error:  # the latter for "" and "./file"
        raise EncoderError(
            f"{dotted!r} names no module that can be imported ({error}); a table of embeddings"
            " ends in .npy"
        ) from error


def _number(obj: object, attribute: str) -> Any:  # noqa: ANN401
    value = getattr(obj, attribute, None)
    return value if isinstance(value, Real) and not isinstance(value, bool) else None


def _own_fingerprint(obj: object) -> str | None:
    value = getattr(obj, "fingerprint", None)
    return value if isinstance(value, str) else None


def _is_table(obj: object) -> bool:
    return isinstance(obj, Path) or (isinstance(obj, str) and obj.endswith(".npy"))


def _name_of(obj: Any) -> str:  # noqa: ANN401
    if _is_table(obj):
        return Path(obj).stem
    if isinstance(obj, str):
        return obj
    own = getattr(obj, "name", None)
    if isinstance(own, str) and own:
        return own
    return str(getattr(obj, "__name__", type(obj).__name__))


def _takes_sample_rate(fn: Any) -> bool:  # noqa: ANN401
    try:
        return "sample_rate" in inspect.signature(fn).parameters
    except (TypeError, ValueError):  # built-ins without a signature
        return False


def _is_torch_module(obj: object) -> bool:
    # Whoever passes a torch module has imported torch: never import it to find out.
    return any(
        base.__module__ == "torch.nn.modules.module" and base.__name__ == "Module"
        for base in type(obj).__mro__
    )


def _is_mode(owner: object, attribute: str) -> bool:
    """Tell whether an attribute is the mode of a torch module, which is run in evaluation mode."""
    return attribute == "training" and _is_torch_module(owner)

"""Encoders made of the user's objects: callables, torch modules, HEAR modules, ``encode``."""

from __future__ import annotations

import importlib
import inspect
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_nnrel.encoders.protocol import DEFAULT_BATCH_SIZE, Encoder
from pytest_nnrel.encoders.rates import RateTeller, number_of, rates_of_parts, stated_rate
from pytest_nnrel.encoders.readout import ReadoutEncoder
from pytest_nnrel.encoders.table import TableEncoder
from pytest_nnrel.errors import EncoderError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from pytest_nnrel.corpus.audio import Samples
    from pytest_nnrel.encoders.protocol import Floats


class CallableEncoder(Encoder):
    """A function of ``float32[n, samples]``, and of the sample rate where it takes one.

    It runs wherever it chooses to.
    """

    def __init__(self, fn: Callable[..., Any], *, rate_asked: bool, **options: Any) -> None:  # noqa: ANN401
        super().__init__(**{**options, "device": None})
        self._fn = fn
        self._rate = RateTeller(fn, self.name, asked=rate_asked)

    def _forward(self, batch: Samples, sample_rate: int) -> Any:  # noqa: ANN401
        return self._fn(batch, **self._rate.told(sample_rate))


class TorchEncoder(Encoder):
    """A torch module, or a method of one, that maps ``float32[n, samples]`` to ``[n, d]``.

    It is run in evaluation mode and without gradients, on its own device or the one asked for,
    in the precision of its weights where they have one other than float32, and left in the mode
    it was found in.

    Parameters
    ----------
    module : torch.nn.Module
    call : callable
        What is run: the module, a method of it, or a partial of either.
    method : str or None
        The method's name, if that is how it can be found again.
    before_forward : bool
        Whether that method was taken although the module has a forward pass as well.
    rate_asked : bool
        Whether its user has named a sample rate.
    **options
        Of `Encoder`.
    """

    without_gradients = True

    def __init__(
        self,
        module: Any,  # noqa: ANN401
        call: Callable[..., Any],
        *,
        method: str | None,
        before_forward: bool,
        rate_asked: bool,
        **options: Any,  # noqa: ANN401
    ) -> None:
        super().__init__(**options)
        self._module = module
        self._call = call
        self._method = method
        self._before_forward = before_forward
        self._rate = RateTeller(
            getattr(module, _FORWARD) if call is module else call,
            self.name,
            asked=rate_asked,
            parts=rates_of_parts(module) if self.sample_rate is None else {},
        )

    @property
    def tells_its_state(self) -> bool:
        """Whether the fingerprint is taken from the module, not given by the user."""
        return self._fingerprint is None

    def _passes_over(self, owner: object, attribute: str) -> bool:
        return _is_mode(owner, attribute)

    def assumptions(self, sample_rate: int) -> list[str]:
        assumed = super().assumptions(sample_rate)
        if self._before_forward:
            assumed.append(f"embeddings by its method {self._method}; it has forward as well")
        dtype = _own_precision(self._module)
        if dtype is not None:
            assumed.append(f"audio in {str(dtype).removeprefix('torch.')}, as its weights")
        return assumed

    def _forward(self, batch: Samples, sample_rate: int) -> Any:  # noqa: ANN401
        import torch

        told = self._rate.told(sample_rate)
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
                out = self._call(inputs.to(device, _own_precision(module)), **told)
        finally:
            for part in training:
                part.training = True
        return out

    def _checked(self, out: Any, expected: int, first: int) -> Floats:  # noqa: ANN401
        try:
            return super()._checked(out, expected, first)
        except EncoderError as error:
            if error.rows or not self._before_forward:
                raise
            raise EncoderError(
                f"{error}; this is of its method {self._method}, and"
                f" as_encoder(model, method={_FORWARD!r}) takes its forward pass"
            ) from error

    def _advice(self, error: Exception, batch: Samples, sample_rate: int) -> str:
        advice = super()._advice(error, batch, sample_rate)
        if not advice and isinstance(error, TypeError) and self._call is not self._module:
            return (
                "; a method of a torch module is given a tensor: where it takes an array, pass"
                " as_encoder(lambda audio: model.method(audio))"
            )
        return advice


class HEAREncoder(Encoder):
    """A module with HEAR's common API: ``load_model`` and ``get_scene_embeddings``."""

    without_gradients = True

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
    obj: object,
    *,
    sample_rate: int | None = None,
    window_seconds: float | None = None,
    batch_size: int | None = None,
    device: str | None = None,
    name: str | None = None,
    fingerprint: str | None = None,
    output: str | int | None = None,
    pool: str | None = None,
    pool_axis: int | None = None,
    method: str | None = None,
) -> Encoder:
    """Return anything that embeds audio as an `Encoder`.

    Parameters
    ----------
    obj : Encoder, torch.nn.Module, HEAR module, dotted name, object with ``encode``, path, callable
        A callable, a torch module and an ``encode`` method take ``float32[n, samples]`` and return
        float ``[n, d]``. A parameter that is called ``sample_rate``, ``sampling_rate``,
        ``samplerate``, ``sr`` or ``fs`` gets the rate of the audio. Of a torch module ``encode`` is
        run where it has that method, else ``forward``; a bound method of a torch module is run as
        the module is: on tensors, on its device, evaluated, without gradients. A HEAR module is
        given as a module or by its dotted name. A path ends in ``.npy`` and is a table of
        embeddings beside the list that `export_windows` wrote.
    sample_rate : int, optional
        Rate that it wants, in Hz. Where omitted, the one that it states: an attribute of such a
        name, of its ``config``, ``hparams``, ``feature_extractor`` or ``processor``, or what
        ``functools.partial`` binds. Where it states none, the corpus's, which messages and reports
        then say.
    window_seconds : float, optional
        Window that it wants; its attribute of that name, or the corpus's, where omitted.
    batch_size : int, optional
        Windows that it gets at a time; 32 where omitted.
    device : str, optional
        Torch device; the run's (``--nnrel-device``), or the module's own, where omitted. A torch
        module or HEAR model is moved there; other objects run where they choose to.
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
        How an output ``[n, frames, d]`` or ``[n, d, frames]`` is pooled over its frames.
    pool_axis : int, optional
        The axis that holds the frames, 1 or 2. Where omitted, the one that follows the input:
        `obj` is also run on half a window, and on a window with another end.
    method : str, optional
        Name of the method that embeds: of a torch module ``"forward"`` where it has ``encode`` as
        well, of another object such as ``"transform"``.

    Raises
    ------
    EncoderError
        If `obj` is none of these, states several sample rates, or an option cannot be; and for any
        option of what is an `Encoder` already.
    """
    from pytest_nnrel.runtime import settings

    if isinstance(obj, Encoder):
        asked = (sample_rate, window_seconds, batch_size, device, name, fingerprint, output, pool,
                 pool_axis, method)  # fmt: skip
        if any(option is not None for option in asked):
            raise EncoderError(f"{obj!r} is an encoder already; give the options where it is made")
        return obj
    name = name or _name_of(obj)
    options: dict[str, Any] = {
        "subject": obj,
        "sample_rate": stated_rate(obj, name) if sample_rate is None else sample_rate,
        "window_seconds": (
            number_of(obj, "window_seconds") if window_seconds is None else window_seconds
        ),
        "batch_size": DEFAULT_BATCH_SIZE if batch_size is None else batch_size,
        "device": device or settings.active().device,
        "name": name,
        "fingerprint": fingerprint or _own_fingerprint(obj),
    }
    encoder = _adapted(obj, options, method, rate_asked=sample_rate is not None)
    if device is not None and encoder.device is None:
        raise EncoderError(
            f"encoder {encoder.name!r} runs where it chooses to, so that device={device!r} would"
            " change nothing: device moves torch modules and HEAR models"
        )
    if output is None and pool is None and pool_axis is None:
        return encoder
    return ReadoutEncoder(encoder, output=output, pool=pool, pool_axis=pool_axis)


def _adapted(
    obj: Any,  # noqa: ANN401
    options: dict[str, Any],
    method: str | None,
    *,
    rate_asked: bool,
) -> Encoder:
    """Return the adapter that runs an object."""
    if isinstance(obj, type):
        raise EncoderError(f"{obj.__name__} is a class; pass an instance of it")
    if _is_table(obj) or isinstance(obj, str) or inspect.ismodule(obj):
        if method is not None:
            raise EncoderError(
                f"encoder {options['name']!r}: method names one of an object's, and this is a table"
                " or a HEAR module"
            )
        if _is_table(obj):
            return TableEncoder(Path(obj), **options)
        return _hear_encoder(_import(obj) if isinstance(obj, str) else obj, options)
    call, found = _call_of(obj, method, options["name"])
    module = obj if _is_torch_module(obj) else _module_behind(call)
    if module is None:
        return CallableEncoder(call, rate_asked=rate_asked, **options)
    return TorchEncoder(
        module,
        call,
        method=found,
        before_forward=obj is module and method is None and _has_both(module),
        rate_asked=rate_asked,
        **options,
    )


_FORWARD = "forward"
_ENCODE = "encode"


def _call_of(
    obj: Any,  # noqa: ANN401
    method: str | None,
    name: str,
) -> tuple[Callable[..., Any], str | None]:
    """Return what embeds, and the name of the method that it is, where it can be found by that."""
    if method is not None:
        if not isinstance(method, str) or not callable(getattr(obj, method, None)):
            raise EncoderError(f"encoder {name!r} has no method {method!r}")
    elif inspect.ismethod(obj) and getattr(obj.__self__, obj.__name__, None) == obj:
        return obj, obj.__name__
    elif _encodes(obj):
        method = _ENCODE
    elif _is_torch_module(obj):
        method = _FORWARD
    if method is not None:
        # A module is called itself, so that its hooks run.
        runs_itself = method == _FORWARD and _is_torch_module(obj)
        return (obj if runs_itself else getattr(obj, method)), method
    if callable(obj):
        return obj, None
    raise EncoderError(
        f"{type(obj).__name__} is no encoder: pass a callable on float32[n, samples], such as a"
        " method of it (model.transform) or lambda batch: ..., a torch.nn.Module, an object with"
        " encode, a HEAR module or its dotted name, or a .npy table"
    )


def _module_behind(call: Any) -> Any:  # noqa: ANN401
    """Return the torch module that a callable is, is a method of, or is a partial of; else None."""
    while isinstance(call, partial):
        call = call.func
    owner = getattr(call, "__self__", None)
    return next((thing for thing in (call, owner) if _is_torch_module(thing)), None)


def _has_both(module: Any) -> bool:  # noqa: ANN401
    """Tell whether a torch module embeds by ``encode`` and has a forward pass beside it."""
    forward = getattr(module, _FORWARD, None)
    return _encodes(module) and getattr(forward, "__name__", "") != "_forward_unimplemented"


def _encodes(obj: Any) -> bool:  # noqa: ANN401
    """Tell whether an object has a method ``encode``; a torch module's part is no such method."""
    encode = getattr(obj, _ENCODE, None)
    return callable(encode) and not (_is_torch_module(obj) and _is_torch_module(encode))


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
        rate = stated_rate(model, options["name"])
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


def _is_torch_module(obj: object) -> bool:
    # Whoever passes a torch module has imported torch: never import it to find out.
    return any(
        base.__module__ == "torch.nn.modules.module" and base.__name__ == "Module"
        for base in type(obj).__mro__
    )


def _own_precision(module: Any) -> Any:  # noqa: ANN401
    """Return the floating type of all weights and buffers; None for float32, several or none."""
    import torch

    tensors = (*module.parameters(), *module.buffers())
    kinds = {tensor.dtype for tensor in tensors if tensor.is_floating_point()}
    return kinds.pop() if len(kinds) == 1 and torch.float32 not in kinds else None


def _is_mode(owner: object, attribute: str) -> bool:
    """Tell whether an attribute is the mode of a torch module, which is run in evaluation mode."""
    return attribute == "training" and _is_torch_module(owner)

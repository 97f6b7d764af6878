"""Encoders made of the user's objects, by whichever adapter knows them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_nnrel.encoders.adapter import adapters
from pytest_nnrel.encoders.layers import LayersEncoder
from pytest_nnrel.encoders.protocol import DEFAULT_BATCH_SIZE, Encoder
from pytest_nnrel.encoders.ragged import RaggedCall
from pytest_nnrel.encoders.rates import number_of, stated_rate
from pytest_nnrel.encoders.readout import ReadoutEncoder
from pytest_nnrel.errors import EncoderError

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_nnrel.encoders.adapter import Adapter
    from pytest_nnrel.encoders.readout import Output


def as_encoder(
    obj: object,
    *,
    sample_rate: int | None = None,
    window_seconds: float | None = None,
    batch_size: int | None = None,
    device: str | None = None,
    name: str | None = None,
    fingerprint: str | None = None,
    output: Output | list[Output] | None = None,
    pool: str | None = None,
    pool_axis: int | None = None,
    method: str | None = None,
    ragged: Callable[..., Any] | None = None,
) -> Encoder:
    """Return anything that embeds audio as an `Encoder`.

    Parameters
    ----------
    obj : Encoder, module, (module, front end), dotted name, object with ``encode``, path, callable
        A callable, a torch module and an ``encode`` method take ``float32[n, samples]`` and return
        float ``[n, d]``. A parameter that is called ``sample_rate``, ``sampling_rate``,
        ``samplerate``, ``sr`` or ``fs`` gets the rate of the audio. Of a torch module ``encode`` is
        run where it has that method, else ``forward``; a bound method of a torch module is run as
        the module is: on tensors, on its device, evaluated, without gradients. A tuple ``(module,
        front end)`` is a torch module behind an extractor of transformers, or a function that makes
        its input of ``float32[n, samples]``: a mapping is passed by keyword, a tuple by place. A
        HEAR module is given as a module or by its dotted name. A path that ends in ``.npy`` is a
        table of embeddings beside the list that `export_windows` wrote, which has its own rate,
        window and fingerprint; ``.onnx`` and ``.tflite`` are models, run on the CPU.
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
        at besides. Taken from the object where an adapter knows its kind: a torch module, a session
        of ONNX Runtime, a fitted pipeline. Other encoders without one are encoded anew in every
        run, and in every measurement where they hold what cannot be looked into, such as an
        interpreter of LiteRT that was opened from a path.
    output : str, int, tuple or list of these, optional
        Which output is the embedding, where there are several: a key, an attribute or a place; a
        tuple for one within another, ``("hidden_states", 3)``. Of a list, such as of layers, the
        embedding is all of them one behind the other, and `Encoder.layers` has an encoder for each:
        measured one after the other, they run the object once.
    pool : {"mean", "max"}, optional
        How an output ``[n, frames, d]`` or ``[n, d, frames]`` is pooled over its frames.
    pool_axis : int, optional
        The axis that holds the frames, 1 or 2. Where omitted, the one that follows the input:
        `obj` is also run on half a window, and on a window with another end.
    method : str, optional
        Name of the method that embeds: of a torch module ``"forward"`` where it has ``encode`` as
        well, of another object such as ``"transform"``.
    ragged : callable, optional
        A function of a list of waveforms ``float32[samples]`` of several lengths that returns
        float ``[n, d]``, padding them as the model's users do; it is told the rate as a callable
        is. No measure runs it: the sanity check ``ragged`` asks whether padding leaks.

    Raises
    ------
    EncoderError
        If no adapter takes `obj`, states several sample rates, or an option cannot be; and for any
        option of what is an `Encoder` already.
    """
    from pytest_nnrel.runtime import settings

    if isinstance(obj, Encoder):
        asked = (sample_rate, window_seconds, batch_size, device, name, fingerprint, output, pool,
                 pool_axis, method, ragged)  # fmt: skip
        if any(option is not None for option in asked):
            raise EncoderError(f"{obj!r} is an encoder already; give the options where it is made")
        return obj
    adapter = _adapter_of(obj, method)
    name = adapter.name_of(obj) if name is None else name
    encoder: Encoder = adapter.of(
        obj,
        method=method,
        rate_asked=sample_rate is not None,
        subject=obj,
        sample_rate=stated_rate(obj, name) if sample_rate is None else sample_rate,
        window_seconds=(
            number_of(obj, "window_seconds") if window_seconds is None else window_seconds
        ),
        batch_size=DEFAULT_BATCH_SIZE if batch_size is None else batch_size,
        device=device or settings.active().device,
        name=name,
        fingerprint=_own_fingerprint(obj) if fingerprint is None else fingerprint,
        ragged=(
            None if ragged is None else RaggedCall(ragged, name, asked=sample_rate is not None)
        ),
    )
    if device is not None and encoder.device is None:
        raise EncoderError(
            f"encoder {encoder.name!r} runs where it chooses to, so that device={device!r} would"
            " change nothing: device moves torch modules and HEAR models"
        )
    if output is None and pool is None and pool_axis is None:
        return encoder
    if isinstance(output, list):
        return LayersEncoder(encoder, outputs=output, pool=pool, pool_axis=pool_axis)
    return ReadoutEncoder(encoder, output=output, pool=pool, pool_axis=pool_axis)


def _adapter_of(obj: Any, method: str | None) -> type[Adapter]:  # noqa: ANN401
    """Return the first adapter that takes an object."""
    if isinstance(obj, type):
        raise EncoderError(f"{obj.__name__} is a class; pass an instance of it")
    known = list(adapters().values())
    for adapter in known:
        if adapter.adapts(obj, method):
            return adapter
    takes = "; ".join(adapter.takes for adapter in reversed(known))
    raise EncoderError(
        f"{type(obj).__name__} is no encoder: pass {takes}. Of another object pass the method that"
        " embeds (model.transform), or lambda batch: ..."
    )


def _own_fingerprint(obj: object) -> str | None:
    value = getattr(obj, "fingerprint", None)
    return value if isinstance(value, str) and value else None

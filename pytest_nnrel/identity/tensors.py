"""Tensors of torch by content, and what torch is set to."""

from __future__ import annotations

from typing import Any


def octets_of(tensor: Any) -> memoryview | None:  # noqa: ANN401
    """Return the values of a tensor; None where it has none yet, or none to look at."""
    import torch

    if torch.nn.parameter.is_lazy(tensor) or tensor.is_meta:
        return None
    try:
        values = tensor.detach().to("cpu")
        values = values.to_dense() if values.layout != torch.strided else values
        return memoryview(values.contiguous().reshape(-1).view(torch.uint8).numpy())
    except RuntimeError:
        return None


def backend_of(compiled: Any) -> Any:  # noqa: ANN401
    """Return what compiles a module that ``torch.compile`` returned: its backend, with options."""
    backend = compiled.dynamo_ctx.callback
    while (inner := getattr(backend, "_torchdynamo_orig_backend", None)) is not None:
        backend = inner
    return backend


def torch_is_set_to() -> list[object]:
    """Return the settings by which torch computes something else from the same code."""
    import torch

    settings: list[object] = [torch.get_default_dtype()]
    for device in ("cpu", "cuda"):
        enabled = torch.is_autocast_enabled(device)
        settings.append((device, enabled and str(torch.get_autocast_dtype(device))))
    try:
        settings.append(torch.get_float32_matmul_precision())
    except RuntimeError:  # set by two interfaces at once
        settings.append("mixed")
    return [*settings, torch.are_deterministic_algorithms_enabled()]

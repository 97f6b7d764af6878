"""Torch devices by name."""

from __future__ import annotations

from typing import Any

from pytest_nnrel.errors import SettingError

#: Where nothing needs torch.
CPU = "cpu"


def kind_of(name: str) -> str:
    """Return the kind of a torch device by its name: ``"cuda"`` of ``"cuda:1"``."""
    return name.partition(":")[0]


def torch_device(name: str) -> Any:  # noqa: ANN401  (torch is imported late)
    """Return the torch device of a name such as ``"cuda"``.

    Raises
    ------
    SettingError
        If torch is not installed, or has no such device here.
    """
    try:
        import torch
    except ImportError as error:
        raise SettingError(
            f'device={name!r} needs torch: pip install "pytest-nnrel[torch]"'
        ) from error
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).partition("\n")[0]
        raise SettingError(
            f"device={name!r} cannot be used here: {reason}; name another, or 'cpu'"
        ) from error
    return device

"""The paper's encoders, for the tasks that they were trained on: AE, AT, IR, VS, and the MFCCs.

`features` and `networks` need torch, checkpoints safetensors besides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

__all__ = ["load"]


def __getattr__(name: str) -> object:
    if name == "load":
        from reference_models.checkpoint import load

        return load
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


if TYPE_CHECKING:
    from reference_models.checkpoint import load as load

"""The monitor as a callback of Lightning, where that is installed."""

from __future__ import annotations

import sys
from importlib import import_module
from operator import attrgetter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_nnrel.encoders.protocol import EncoderLike
    from pytest_nnrel.training.monitor import ConsistencyMonitor

#: Names under which Lightning is installed, whose callbacks are different classes.
_PACKAGES = ("lightning.pytorch", "pytorch_lightning")


def callback_of(
    monitor: ConsistencyMonitor, encoder: str | Callable[[Any], EncoderLike] | None
) -> Any:  # noqa: ANN401
    """Return a callback that measures an encoder at the end of training epochs.

    Parameters
    ----------
    monitor : ConsistencyMonitor
    encoder : str, callable or None
        As of `ConsistencyMonitor.callback`.

    Raises
    ------
    ImportError
        If Lightning is not installed.
    """
    if encoder is None:
        encoder_of: Callable[[Any], EncoderLike] = _itself
    else:
        encoder_of = attrgetter(encoder) if isinstance(encoder, str) else encoder

    class MonitorCallback(_lightning().Callback):  # type: ignore[misc]  # of what is installed
        """Measures at the end of training epochs, in the first of several processes."""

        @property
        def state_key(self) -> str:
            """Under which a checkpoint keeps it, beside other monitors of the training."""
            return "ConsistencyMonitor" + ("" if monitor.name is None else f" {monitor.name}")

        def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:  # noqa: ANN401
            if trainer.is_global_zero:
                monitor.measure(encoder_of(pl_module), epoch=trainer.current_epoch)
            latest = trainer.strategy.broadcast(monitor.latest)
            if latest is not None:
                pl_module.log_dict(latest.metrics(monitor.name))
                trainer.should_stop = trainer.should_stop or latest.stop

        def state_dict(self) -> dict[str, Any]:
            return monitor.state_dict()

        def load_state_dict(self, state_dict: dict[str, Any]) -> None:
            monitor.load_state_dict(state_dict)

    return MonitorCallback()


def _lightning() -> Any:  # noqa: ANN401
    """Return the package that is in use, or else one that is installed."""
    for name in sorted(_PACKAGES, key=lambda name: name not in sys.modules):
        try:
            return import_module(name)
        except ModuleNotFoundError:
            continue
    raise ImportError(
        "a callback needs Lightning; pip install lightning, or call ConsistencyMonitor.measure in"
        " a loop of your own"
    )


def _itself(module: Any) -> Any:  # noqa: ANN401
    return module

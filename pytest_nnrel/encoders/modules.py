"""Encoders whose object is, or has, a torch module that is run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_nnrel.encoders.adapter import Adapter
from pytest_nnrel.encoders.evaluation import evaluated, kinds_of_devices, modes_of, settled
from pytest_nnrel.encoders.rates import RateTeller, rates_of_parts

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from pytest_nnrel.identity.walk import PassedOver


class ModuleEncoder(Adapter):
    """An encoder that runs a torch module evaluated, without gradients, on its device.

    Parameters
    ----------
    obj : object
    module : torch.nn.Module
    **options
        Of `Encoder`.
    """

    moves = True
    looked_into = True
    without_gradients = True

    def __init__(self, obj: Any, *, module: Any, **options: Any) -> None:  # noqa: ANN401
        super().__init__(obj, **options)
        self._module = settled(module)

    def _rate_teller(self, call: Callable[..., Any], *, asked: bool) -> RateTeller:
        """Return how a call is told the rate, which parts of the module may contradict."""
        parts = rates_of_parts(self._module) if self.sample_rate is None else {}
        return RateTeller(call, asked=asked, parts=parts)

    def _passed_over(self) -> PassedOver:
        return modes_of(self._module)

    @property
    def runs_on(self) -> frozenset[str]:
        return super().runs_on or kinds_of_devices(self._module)

    def _running(self, *, gradients: bool = False) -> AbstractContextManager[Any]:
        return evaluated(self._module, self.device, gradients=gradients)

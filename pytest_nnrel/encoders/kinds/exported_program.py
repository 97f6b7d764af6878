"""Programs that ``torch.export`` has made of a module."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from pytest_nnrel.encoders.adapter import Adapter
from pytest_nnrel.encoders.calls import is_a
from pytest_nnrel.encoders.evaluation import tensors_of
from pytest_nnrel.encoders.protocol import Identified
from pytest_nnrel.identity import behaviour_of

if TYPE_CHECKING:
    from pytest_nnrel.corpus.audio import Samples


class ExportedEncoder(Adapter):
    """A program of torch.export, as it was exported: mode, device and lengths are its own.

    It is given audio in the precision of its example input. Where its batch was exported with one
    size, `batch_size` is to be that, and the number of windows a multiple of it.
    """

    takes = "a program of torch.export"
    order = 30
    looked_into = True
    without_gradients = True

    @classmethod
    def adapts(cls, obj: Any, method: str | None) -> bool:  # noqa: ANN401
        return is_a(obj, "torch.export.exported_program", "ExportedProgram")

    def identify(self) -> Identified:
        """Return what it is known by: the code of its graphs and, unless vouched for, tensors."""
        behaviour = behaviour_of(
            tuple(getattr(part, "code", None) for part in self.obj.graph_module.modules()),
            dict(self.obj.state_dict),
            dict(self.obj.constants),
            state=self.tells_its_state,
        )
        taken = behaviour.digest if self.tells_its_state and behaviour.known else None
        return Identified(self._fingerprint or taken, behaviour)

    @property
    def runs_on(self) -> frozenset[str]:
        held = (*self.obj.state_dict.values(), *self.obj.constants.values())
        return frozenset(value.device.type for value in held if hasattr(value, "device"))

    @cached_property
    def _module(self) -> Any:  # noqa: ANN401
        """What can be called; it holds the program's own tensors."""
        return self.obj.module()

    def forward(self, batch: Samples, sample_rate: int) -> Any:  # noqa: ANN401
        import torch

        with torch.no_grad():
            return self.forward_traced(torch.from_numpy(batch), sample_rate)

    def forward_traced(self, audio: Any, sample_rate: int) -> Any:  # noqa: ANN401
        module = self._module
        device = next((tensor.device for tensor in tensors_of(module)), None)
        example = next(iter((self.obj.example_inputs or ((),))[0]), None)
        return module(audio.to(device, getattr(example, "dtype", None)))

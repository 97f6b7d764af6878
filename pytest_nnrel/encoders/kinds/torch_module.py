"""Torch modules, and methods of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_nnrel.encoders.calls import (
    FORWARD,
    Call,
    call_of,
    encodes,
    in_a_line,
    is_torch_module,
)
from pytest_nnrel.encoders.evaluation import as_tensors, mode_kept, precision_of
from pytest_nnrel.encoders.lines import Written, of_modules, what_is_asked
from pytest_nnrel.encoders.modules import ModuleEncoder
from pytest_nnrel.errors import EncoderError

if TYPE_CHECKING:
    from typing import Self

    from pytest_nnrel.corpus.audio import Samples
    from pytest_nnrel.encoders.lines import Line
    from pytest_nnrel.encoders.protocol import Floats


class TorchEncoder(ModuleEncoder):
    """A torch module, or a method of one, that maps ``float32[n, samples]`` to ``[n, d]``.

    It is run in evaluation mode and without gradients, on its own device or the one asked for,
    in the precision of its weights where they have one other than float32, and left in the mode
    it was found in.

    Parameters
    ----------
    obj : torch.nn.Module, or an object whose method is one's
    call : Call
        What is run: the module, a method of it, or a partial of either.
    before_forward : bool
        Whether that method was taken although the module has a forward pass as well.
    rate_asked : bool
        Whether its user has named a sample rate.
    **options
        Of `Encoder`.
    """

    takes = "a torch.nn.Module, or a method of one"
    order = 40
    by_method = True

    def __init__(
        self,
        obj: Any,  # noqa: ANN401
        *,
        call: Call,
        before_forward: bool,
        rate_asked: bool,
        **options: Any,  # noqa: ANN401
    ) -> None:
        super().__init__(obj, module=obj if is_torch_module(obj) else call.module, **options)
        self._call = call.fn
        self._method = call.method
        self._before_forward = before_forward
        self._rate = self._rate_teller(self._signed, asked=rate_asked)

    @classmethod
    def adapts(cls, obj: Any, method: str | None) -> bool:  # noqa: ANN401
        call = call_of(obj, method)
        return is_torch_module(obj) or (call is not None and call.module is not None)

    @classmethod
    def of(
        cls,
        obj: Any,  # noqa: ANN401
        *,
        method: str | None,
        rate_asked: bool,
        **options: Any,  # noqa: ANN401
    ) -> Self:
        options["before_forward"] = is_torch_module(obj) and method is None and _has_both(obj)
        return super().of(obj, method=method, rate_asked=rate_asked, **options)

    def assumptions(self, sample_rate: int) -> list[str]:
        assumed = super().assumptions(sample_rate)
        if self._before_forward:
            assumed.append(f"embeddings by its method {self._method}; it has forward as well")
        dtype = precision_of(self._module)
        if dtype is not None:
            assumed.append(f"audio in {str(dtype).removeprefix('torch.')}, as its weights")
        return assumed

    @property
    def _signed(self) -> Any:  # noqa: ANN401
        """What has the parameters of that which is run: of a module, its forward pass."""
        return getattr(self._module, FORWARD) if self._call is self._module else self._call

    def forward(self, batch: Samples, sample_rate: int) -> Any:  # noqa: ANN401
        return self._run(batch, sample_rate, gradients=False)

    def forward_traced(self, audio: Any, sample_rate: int) -> Any:  # noqa: ANN401
        return self._run(audio, sample_rate, gradients=True)

    def _run(self, batch: Any, sample_rate: int, *, gradients: bool) -> Any:  # noqa: ANN401
        told = self._keywords(batch, sample_rate)
        with self._running(gradients=gradients) as device:
            given, told = as_tensors((batch, told), device, precision_of(self._module))
            return self._call(given, **told)

    def _keywords(self, batch: Samples, sample_rate: int) -> dict[str, Any]:
        """Return what it is told of a batch by keyword."""
        return dict(self._rate.told(sample_rate, self.name))

    def _checked(self, out: Any, expected: int, first: int) -> Floats:  # noqa: ANN401
        try:
            return super()._checked(out, expected, first)
        except EncoderError as error:
            if error.rows or not self._before_forward:
                raise
            raise EncoderError(
                f"{error}; this is of its method {self._method}, and"
                f" as_encoder(model, method={FORWARD!r}) takes its forward pass"
            ) from error

    @property
    def written(self) -> Written:
        call = in_a_line(self._call, self._module).replace("model", "model.eval()", 1)
        return Written(call, "torch.from_numpy(batch)", "torch")

    def _lines(self, audio: Samples, sample_rate: int) -> tuple[Any, list[Line]]:
        import torch

        asked = what_is_asked(self._signed, torch.from_numpy(audio), sample_rate)
        expected = call_of(self._module)
        other = expected is None or expected.method != self._method
        return self._module, of_modules(self.written, asked, self._method if other else None)

    def _advice(self, *given: Any, **options: Any) -> str:  # noqa: ANN401
        with mode_kept(self._module):  # which lines evaluate
            return super()._advice(*given, **options)


def _has_both(module: Any) -> bool:  # noqa: ANN401
    """Tell whether a torch module embeds by ``encode`` and has a forward pass beside it."""
    forward = getattr(module, FORWARD, None)
    return encodes(module) and getattr(forward, "__name__", "") != "_forward_unimplemented"

"""Functions, objects with ``encode``, and methods that are named."""

from __future__ import annotations

import inspect
from os import PathLike
from typing import TYPE_CHECKING, Any

from pytest_nnrel.encoders.adapter import Adapter
from pytest_nnrel.encoders.calls import Call, call_of, in_a_line
from pytest_nnrel.encoders.lines import Written, of_functions, what_is_asked
from pytest_nnrel.encoders.rates import RateTeller

if TYPE_CHECKING:
    from pytest_nnrel.corpus.audio import Samples
    from pytest_nnrel.encoders.lines import Line


class CallableEncoder(Adapter):
    """A function of ``float32[n, samples]``, and of the sample rate where it takes one.

    It runs wherever it chooses to.

    Parameters
    ----------
    obj : callable, or an object with a method that embeds
    call : callable
        What is run: the object, or its method.
    rate_asked : bool
        Whether its user has named a sample rate.
    **options
        Of `Encoder`.
    """

    takes = "a callable on float32[n, samples], or an object with encode"
    order = 90
    by_method = True

    def __init__(self, obj: Any, *, call: Call, rate_asked: bool, **options: Any) -> None:  # noqa: ANN401
        super().__init__(obj, **options)
        self._fn = call.fn
        self._rate = RateTeller(call.fn, asked=rate_asked)

    @classmethod
    def adapts(cls, obj: Any, method: str | None) -> bool:  # noqa: ANN401
        if isinstance(obj, str | PathLike) or inspect.ismodule(obj):  # whose methods do not embed
            return False
        return method is not None or call_of(obj) is not None

    def forward(self, batch: Samples, sample_rate: int) -> Any:  # noqa: ANN401
        return self._fn(batch, **self._rate.told(sample_rate, self.name))

    @property
    def written(self) -> Written:
        return Written(in_a_line(self._fn, self.obj))

    def _lines(self, audio: Samples, sample_rate: int) -> tuple[Any, list[Line]]:
        asked = what_is_asked(self._fn, audio, sample_rate)
        return self.obj, of_functions(self.written, asked)

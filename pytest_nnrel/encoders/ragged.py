"""How an encoder's users give it waveforms of several lengths at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_nnrel.encoders.rates import RateTeller
from pytest_nnrel.errors import EncoderError

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_nnrel.corpus.audio import Samples


class RaggedCall:
    """A function of a list of waveforms, told the sample rate where it takes one.

    Parameters
    ----------
    fn : callable
    name : str
        Of the encoder, for the error.
    asked : bool
        Whether the user named a sample rate.

    Raises
    ------
    EncoderError
        If it cannot be called.
    """

    def __init__(self, fn: Callable[..., Any], name: str, *, asked: bool) -> None:
        if not callable(fn):
            raise EncoderError(
                f"encoder {name!r}: ragged must be a function of a list of waveforms, not {fn!r}"
            )
        self._fn = fn
        self._rate = RateTeller(fn, asked=asked)
        self._name = name

    def __call__(self, waveforms: list[Samples], sample_rate: int) -> Any:  # noqa: ANN401
        return self._fn(waveforms, **self._rate.told(sample_rate, self._name))

"""Sample rates: what a user's object states of its own, and how a call of it is told one."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from pytest_nnrel.corpus import audio
from pytest_nnrel.errors import EncoderError
from pytest_nnrel.runtime.scalars import is_real

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: What attributes and parameters that hold a sample rate are called.
RATE_NAMES: Final = (
    "sample_rate", "sampling_rate", "samplerate", "samplingrate", "sample_rate_hz",
    "sample_frequency", "sampling_frequency", "sample_freq", "sampling_freq", "sr", "fs",
)  # fmt: skip
#: Those that are short for other things as well, such as a frame size.
_SHORT_NAMES: Final = ("sr", "fs")
#: Where models keep their configuration, Hugging Face's the extractor that they go with, and
#: SpeechBrain's what brings audio to their rate.
_HOLDERS = ("config", "cfg", "hparams", "feature_extractor", "processor", "audio_normalizer")


def number_of(obj: object, name: str) -> Any:  # noqa: ANN401
    """Return a number that an object or mapping holds under a name; None where it holds none."""
    return _as_number(obj.get(name) if isinstance(obj, Mapping) else _attribute(obj, name))


def _as_number(value: Any) -> Any:  # noqa: ANN401
    """Return a number, or that of an array or tensor which holds one; None for all else."""
    try:
        if hasattr(value, "item") and tuple(value.shape) in ((), (1,)):
            value = value.item()
    except Exception:  # of a tensor without data
        return None
    return value if is_real(value) else None


def _attribute(obj: object, name: str) -> Any:  # noqa: ANN401
    try:
        return getattr(obj, name, None)
    except Exception:  # of a property: whatever it is, it tells nothing
        return None


def _rates_of(holder: object) -> Iterator[tuple[str, Any]]:
    """Yield names and values of the rates that an object holds itself."""
    for name in RATE_NAMES:
        rate = number_of(holder, name)
        if rate is not None and not (name in _SHORT_NAMES and audio.rate_problem(rate)):
            yield name, rate


def stated_rate(obj: Any, name: str) -> Any:  # noqa: ANN401
    """Return the rate that an object states: its own attribute, or one of its configuration.

    A bound method states that of its object, a partial the one that it binds.

    Parameters
    ----------
    obj : object
    name : str
        Of the encoder, for the error.

    Returns
    -------
    number or None
        As it was found, in Hz; None where no rate is stated.

    Raises
    ------
    EncoderError
        If it states several rates.
    """
    stated = dict(_stated_rates(obj))
    if len(set(stated.values())) > 1:
        listed = ", ".join(f"{where} {rate:,} Hz" for where, rate in stated.items())
        raise EncoderError(
            f"encoder {name!r} states several sample rates: {listed}; say which one it is to be"
            " given: as_encoder(..., sample_rate=RATE)"
        )
    return next(iter(stated.values()), None)


def _stated_rates(obj: Any) -> Iterator[tuple[str, Any]]:  # noqa: ANN401
    while isinstance(obj, partial):
        bound = [(f"{name}=", rate) for name, rate in _rates_of(obj.keywords)]
        yield from bound
        if bound:  # which goes over what the function says
            return
        obj = obj.func
    obj = getattr(obj, "__self__", obj) if inspect.ismethod(obj) else obj
    if isinstance(obj, tuple):  # of a model and its front end
        for part in obj:
            stated = _stated_rates(part)
            yield from ((f"{type(part).__name__}.{where}", rate) for where, rate in stated)
        return
    holders = {"": obj} | {f"{name}.": _attribute(obj, name) for name in _HOLDERS}
    holders["processor.feature_extractor."] = _attribute(holders["processor."], "feature_extractor")
    for where, holder in holders.items():
        yield from ((where + name, rate) for name, rate in _rates_of(holder))


def rates_of_parts(module: Any) -> dict[str, int]:  # noqa: ANN401
    """Return the rates that parts of a torch module are made for, such as a mel spectrogram."""
    return {
        f"{path} ({type(part).__name__})": int(rate)
        for path, part in module.named_modules()
        if part is not module
        for _, rate in _rates_of(part)
        if not audio.rate_problem(rate)
    }


@dataclass(frozen=True)
class RateParameter:
    """A parameter that takes the sample rate.

    Attributes
    ----------
    name : str
    default : object
        None where there is none.
    by_name : bool
        Whether it can be passed by its name.
    """

    name: str
    default: Any
    by_name: bool

    @property
    def speaks_of(self) -> int | None:
        """The rate that its default states; None for a stand-in, such as None or 1."""
        rate = _as_number(self.default)
        return None if rate is None or audio.rate_problem(rate) else int(rate)


def rate_parameters(call: Callable[..., Any]) -> list[RateParameter]:
    """Return those parameters of a callable that take the sample rate."""
    schema: Any = getattr(call, "schema", None)
    if hasattr(schema, "arguments"):  # a method of a compiled torch script
        return [
            RateParameter(argument.name, argument.default_value, by_name=True)
            for argument in schema.arguments
            if argument.name in RATE_NAMES
        ]
    try:
        parameters = inspect.signature(call).parameters.values()
    except (TypeError, ValueError):  # built-ins without a signature
        return []
    return [
        RateParameter(
            parameter.name,
            None if parameter.default is parameter.empty else parameter.default,
            by_name=parameter.kind is not parameter.POSITIONAL_ONLY,
        )
        for parameter in parameters
        if parameter.name in RATE_NAMES
    ]


class RateTeller:
    """How a callable is told the sample rate of its batch.

    Parameters
    ----------
    call : callable
    asked : bool
        Whether the user named the rate: then that is what a parameter gets, whatever its default.
    parts : dict of str to int
        Rates that parts of the object are made for, where the object itself states none.
    """

    def __init__(
        self,
        call: Callable[..., Any],
        *,
        asked: bool,
        parts: Mapping[str, int] | None = None,
    ) -> None:
        self._parameters = rate_parameters(call)
        self._claims = {
            f"the default of its parameter {parameter.name}": parameter.speaks_of
            for parameter in self._parameters
            if parameter.speaks_of is not None and not (asked and parameter.by_name)
        }
        if not asked:
            self._claims |= {f"its part {where}": rate for where, rate in (parts or {}).items()}

    def told(self, sample_rate: int, name: str) -> dict[str, int]:
        """Return the keywords of a call on audio at a sample rate.

        Parameters
        ----------
        sample_rate : int
            In Hz.
        name : str
            Of the encoder, for the error. What is kept here is part of what tells encoders apart,
            and its name is not.

        Raises
        ------
        EncoderError
            If what the callable says of its rate contradicts it.
        """
        for who, rate in self._claims.items():
            if rate != sample_rate:
                raise EncoderError(
                    f"encoder {name!r} would be given audio at {sample_rate:,} Hz, and"
                    f" {who} says {rate:,} Hz; say which it is to be given:"
                    f" as_encoder(..., sample_rate={rate}) resamples to that,"
                    f" sample_rate={sample_rate} keeps the audio's"
                )
        return {p.name: sample_rate for p in self._parameters if p.by_name}

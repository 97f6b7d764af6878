"""What an adapter is; to define one is to have `as_encoder` ask it."""

from __future__ import annotations

import os
from abc import abstractmethod
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from pytest_nnrel.encoders.calls import chosen_call
from pytest_nnrel.encoders.lines import ONE_ROW, embeds, line_that_works, noise_like
from pytest_nnrel.encoders.protocol import Encoder
from pytest_nnrel.errors import EncoderError
from pytest_nnrel.runtime.registry import ClassRegistry

if TYPE_CHECKING:
    from pytest_nnrel.corpus.audio import Samples
    from pytest_nnrel.encoders.lines import Line


class Adapter(Encoder):
    """An encoder made of an object of one kind.

    A subclass declares `takes`, and has `adapts` and `forward`. The first line of its docstring is
    what the documentation says of it. To define it is to register it: `as_encoder` asks it from
    then on.

    Parameters
    ----------
    obj : object
        One that it adapts.
    **options
        Of `Encoder`.

    Raises
    ------
    EncoderError
        When a class is defined that declares something wrongly, or whose name is taken.
    """

    #: The objects that it adapts, in a few words: "a torch.nn.Module".
    takes: ClassVar[str]
    #: When it is asked, the smallest first: what knows its objects well comes before what takes
    #: almost any. The package's own are 10, 20 and so on.
    order: ClassVar[float] = 0.0
    #: Whether it moves the object to a torch device that is asked for.
    moves: ClassVar[bool] = False
    #: Whether the fingerprint is taken from the object, where its user gives none.
    looked_into: ClassVar[bool] = False
    #: Whether its objects embed by themselves or by a method, which their user may name: then it is
    #: made with what is run, ``call``, and whether the user named a rate, ``rate_asked``.
    by_method: ClassVar[bool] = False
    #: The user's object, beside `obj`, which is made of it.
    told_apart = frozenset({"subject"})
    #: How the names of files end that hold such an object, and whose paths it takes: ".npy".
    suffix: ClassVar[str] = ""

    def __init_subclass__(cls, **options: Any) -> None:  # noqa: ANN401
        super().__init_subclass__(**options)
        ADAPTERS.define(cls)

    def __init__(self, obj: Any, **options: Any) -> None:  # noqa: ANN401
        super().__init__(**(options if self.moves else {**options, "device": None}))
        self.obj = obj

    @property
    def tells_its_state(self) -> bool:
        return self.looked_into and self._fingerprint is None

    @classmethod
    @abstractmethod
    def adapts(cls, obj: Any, method: str | None) -> bool:  # noqa: ANN401
        """Tell whether an object is one of its kind.

        Parameters
        ----------
        obj : object
        method : str or None
            Name of the method that embeds, where the user named one.
        """

    @classmethod
    def is_path(cls, obj: Any) -> bool:  # noqa: ANN401
        """Tell whether an object is the path of a file that holds one of its kind."""
        of_path = isinstance(obj, str | PathLike) and bool(cls.suffix)
        return of_path and os.fspath(obj).endswith(cls.suffix)

    @classmethod
    def of(
        cls,
        obj: Any,  # noqa: ANN401
        *,
        method: str | None,
        rate_asked: bool,
        **options: Any,  # noqa: ANN401
    ) -> Self:
        """Return the encoder of an object.

        Parameters
        ----------
        obj : object
        method : str or None
            As in `adapts`.
        rate_asked : bool
            Whether the user named a sample rate.
        **options
            Of `Encoder`.

        Raises
        ------
        EncoderError
            If a method is named that there is not, or where there is none to choose.
        """
        if cls.by_method:
            call = chosen_call(obj, method, options["name"])
            return cls(obj, call=call, rate_asked=rate_asked, **options)
        if method is not None:
            raise EncoderError(
                f"encoder {options['name']!r}: method names one of an object's, and this is"
                f" {cls.takes}"
            )
        return cls(obj, **options)

    @classmethod
    def name_of(cls, obj: Any) -> str:  # noqa: ANN401
        """Return how an object is called where its user does not say."""
        if isinstance(obj, PathLike) or cls.is_path(obj):
            return Path(obj).stem
        own = getattr(obj, "name", None)
        if isinstance(own, str) and own:
            return own
        return str(getattr(obj, "__name__", type(obj).__name__))

    def _lines(self, audio: Samples, sample_rate: int) -> tuple[Any, list[Line]]:
        """Return lines that may make an encoder where this one raises, and what they call model."""
        return self.obj, [ONE_ROW]

    def _advice(
        self,
        error: Exception,
        batch: Samples,
        sample_rate: int,
        **options: Any,  # noqa: ANN401
    ) -> str:
        noise = noise_like(batch)
        if embeds(self, noise, sample_rate):  # it is what the windows hold
            return ""
        model, lines = self._lines(noise, sample_rate)
        options["sample_rate"] = self.sample_rate
        return line_that_works(lines, model, noise, sample_rate, options)


ADAPTERS: ClassRegistry[Adapter] = ClassRegistry(
    "an adapter",
    "adapters",
    "pytest_nnrel.encoders",
    EncoderError,
    texts={"takes": "the objects that it adapts"},
    named_by="__name__",
)


def adapters() -> dict[str, type[Adapter]]:
    """Return all adapters by name, in the order in which they are asked.

    Raises
    ------
    EncoderError
        If an installed package declares adapters that cannot be loaded.
    """
    return ADAPTERS.in_order()


def suffixes() -> list[str]:
    """Return how the names of files end that are encoders by their path."""
    return [adapter.suffix for adapter in adapters().values() if adapter.suffix]

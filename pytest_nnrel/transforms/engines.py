"""Adapters of other libraries' transformations: pedalboard's and audiomentations'."""

from __future__ import annotations

import re
import threading
from abc import abstractmethod
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import PackageNotFoundError, requires
from typing import TYPE_CHECKING, Any, ClassVar

from pytest_nnrel.errors import TransformError
from pytest_nnrel.runtime.versions import library_version
from pytest_nnrel.transforms.description import IndescribableError, attributes
from pytest_nnrel.transforms.single import Adapter

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np

    from pytest_nnrel.corpus.audio import Samples
    from pytest_nnrel.identity import Behaviour

#: Effects keep state between calls, and audiomentations draws from the global generators of random
#: and numpy. Whoever holds it may apply what it has made.
STATE_LOCK = threading.RLock()


@dataclass(frozen=True)
class Effect(Adapter):
    """An effect of another library, told by its settings where these can be read off."""

    effect: Any = field(repr=False)
    name: str
    magnitude: float
    unit: str
    restores_loudness: bool = True
    correct_latency: bool = True

    @abstractmethod
    def settings(self) -> dict[str, object]:
        """Return all that decides its output, the library's version among it.

        Raises
        ------
        IndescribableError
            If that cannot be told.
        """

    def recipe(self) -> dict[str, object] | None:
        try:
            settings = self.settings()
        except IndescribableError:
            return None
        return {
            "transform": self.name,
            **settings,
            "restores_loudness": self.restores_loudness,
            "correct_latency": self.correct_latency,
        }


@dataclass(frozen=True)
class Board(Effect):
    """A pedalboard effect or board, reset before each clip."""

    symbol: ClassVar[str] = "PB"

    def settings(self) -> dict[str, object]:
        return {"pedalboard": library_version("pedalboard"), "board": _plugin(self.effect)}

    def process(self, samples: Samples, sample_rate: int, rng: np.random.Generator) -> Samples:
        with STATE_LOCK:
            return self.effect(samples[None], float(sample_rate), reset=True)[0]  # type: ignore[no-any-return]


def _plugin(plugin: Any) -> object:  # noqa: ANN401
    """Describe a plug-in of pedalboard's own; others keep state that cannot be read off."""
    import pedalboard

    kind = type(plugin)
    if kind.__module__.partition(".")[0] not in ("pedalboard", "pedalboard_native"):
        raise IndescribableError
    if isinstance(plugin, pedalboard.ExternalPlugin):
        raise IndescribableError
    if not isinstance(plugin, pedalboard.Plugin):  # a choice, such as a filter's mode
        return repr(plugin)
    names = [
        name
        for name in dir(plugin)
        if not name.startswith("_") and not callable(getattr(plugin, name))
    ]
    if any(name.endswith("filename") and getattr(plugin, name) is not None for name in names):
        raise IndescribableError  # what the file held when the effect was made is not told
    settings = attributes(plugin, names, _plugin)
    inner = list(plugin) if isinstance(plugin, pedalboard.PluginContainer) else []
    return {**settings, "plugins": [_plugin(part) for part in inner]} if inner else settings


@dataclass(frozen=True)
class Audiomentation(Effect):
    """An audiomentations transform, its random choices seeded per clip."""

    symbol: ClassVar[str] = "AM"

    def __post_init__(self) -> None:
        at_random = [told for part in _parts_of(self.effect) if (told := _left_out(part))]
        if at_random:
            raise TransformError(
                f"{self.name}: {', '.join(at_random)} leaves clips unchanged at random, each of"
                " which counts as nearest to itself; pass p=1.0 (audiomentations' own default is"
                " 0.5), and to SomeOf 1 or more"
            )

    def settings(self) -> dict[str, object]:
        return {"versions": _versions("audiomentations"), "augment": _augmentation(self.effect)}

    def behaviour(self) -> Behaviour:
        from pytest_nnrel.identity import behaviour_of

        return behaviour_of(self, passing_over=_is_drawn_anew)

    def process(self, samples: Samples, sample_rate: int, rng: np.random.Generator) -> Samples:
        import random

        import numpy as np

        seed = int(rng.integers(2**32))
        with STATE_LOCK:
            python_state, numpy_state = random.getstate(), np.random.get_state()
            random.seed(seed)
            np.random.seed(seed)
            try:
                return self.effect(samples=samples, sample_rate=sample_rate)  # type: ignore[no-any-return]
            finally:
                random.setstate(python_state)
                np.random.set_state(numpy_state)


def _left_out(augment: Any) -> str:  # noqa: ANN401
    """Say by what a transform may do nothing at all; nothing where it always does something."""
    kind = type(augment).__name__
    if getattr(augment, "p", 1.0) < 1.0:
        return f"{kind}(p={augment.p:g})"
    some = getattr(augment, "num_transforms", 1)  # or the least and the most
    return f"{kind}({some})" if (some[0] if isinstance(some, tuple) else some) == 0 else ""


def _augmentation(augment: Any) -> object:  # noqa: ANN401
    """Describe a transform of audiomentations' own: all that it holds but what it drew."""
    if type(augment).__module__.partition(".")[0] != "audiomentations":
        raise IndescribableError
    names = [name for name in vars(augment) if not _is_drawn_anew(augment, name)]
    return attributes(augment, sorted(names), _augmentation)


@cache
def _versions(library: str) -> dict[str, str]:
    """Return the versions of a library and of all that it may use, lameenc unsaid."""
    try:
        needed = requires(library) or []
    except PackageNotFoundError:
        needed = []
    names = {re.split(r"[^\w.-]", requirement, maxsplit=1)[0] for requirement in needed}
    return {name: library_version(name) for name in sorted({library, "lameenc", *names})}


def _parts_of(augment: Any) -> Iterator[Any]:  # noqa: ANN401
    """Yield an audiomentations transform and, of a composition, those that it is made of."""
    yield augment
    for part in getattr(augment, "transforms", ()):
        yield from _parts_of(part)


def _is_drawn_anew(owner: object, attribute: str) -> bool:
    """Tell whether an attribute holds what an audiomentations transform drew for its last clip."""
    return attribute == "parameters" and getattr(owner, "are_parameters_frozen", None) is False

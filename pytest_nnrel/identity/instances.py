"""What an instance holds: attributes, slots, and whether there is more that neither shows."""

from __future__ import annotations

import copyreg
from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_POINTER_BYTES = tuple.__itemsize__


def attributes_of(value: object) -> Iterator[tuple[str, object]]:
    """Yield an instance's attributes, those in slots as well; no property is asked."""
    try:
        own = object.__getattribute__(value, "__dict__")
    except AttributeError:
        own = {}
    yield from sorted({**own, **_hooks_of(own)}.items(), key=lambda pair: str(pair[0]))
    for name in _slots(type(value)):
        try:
            yield name, object.__getattribute__(value, name)
        except AttributeError:  # never assigned
            continue


def _hooks_of(own: dict[str, object]) -> dict[str, object]:
    """Return the hooks among attributes, numbered from 0.

    Torch numbers them through all modules of the process, so that no two would be alike.
    """
    hooks = {
        name: held
        for name, held in own.items()
        if "hooks" in str(name) and type(held) is OrderedDict and set(map(type, held)) == {int}
    }
    numbers = sorted({number for held in hooks.values() for number in held})
    return {
        name: {numbers.index(number): hook for number, hook in held.items()}
        for name, held in hooks.items()
    }


def _slots(kind: type) -> list[str]:
    return list(copyreg._slotnames(kind))  # type: ignore[attr-defined]  # pickle's own


def hides_state(kind: type) -> bool:
    """Tell whether instances hold more than attributes, as `object.__reduce_ex__` finds out."""
    pointers = (kind.__dictoffset__ > 0) + (kind.__weakrefoffset__ > 0) + len(_slots(kind))
    return kind.__basicsize__ > object.__basicsize__ + pointers * _POINTER_BYTES

"""How Hypothesis prints our objects. Standard library only."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


class AsItsRepr:
    """As `_repr_pretty_` of a class, makes Hypothesis print its objects by their `repr`.

    Of a dataclass it would print the fields one by one: arrays, and constants of the class.
    """

    def __get__(self, instance: object, owner: type) -> Callable[..., None]:
        def show(*arguments: Any) -> None:  # noqa: ANN401
            # On the class, Hypothesis 6.100 calls it for an object of the class, given first, and
            # later versions for the class itself.
            *instances, printer, _ = arguments
            printer.text(repr(instances[0]) if instances else owner.__name__)

        return show if instance is None else partial(show, instance)

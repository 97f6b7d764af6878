"""A behaviour: what objects do, as a digest."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_nnrel.identity.runtimes import jax_is_set_to
from pytest_nnrel.identity.tensors import torch_is_set_to
from pytest_nnrel.identity.visitors import content_visitor_of, visitor_of
from pytest_nnrel.identity.walk import Visitors, Walk

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_nnrel.identity.walk import PassedOver

#: What libraries that take part are set to, by which the same code computes something else.
_SETTINGS: dict[str, Callable[[], list[object]]] = {
    "torch": torch_is_set_to,
    "jax": jax_is_set_to,
    "jaxlib": jax_is_set_to,
}


@dataclass(frozen=True)
class Behaviour:
    """What an object does, as far as it can be looked into.

    Parameters
    ----------
    digest : str
        Another one wherever code or state is another.
    unknown : tuple of str
        The parts that could not be looked into.
    devices : tuple of str
        The kinds of torch's devices that tensors of it lie on.
    executed : tuple of str
        Digests of how compilers and runtimes are told to execute it, which a fingerprint leaves
        out: what they give is the same but for rounding, or for their faults.
    """

    digest: str
    unknown: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    executed: tuple[str, ...] = ()

    @property
    def known(self) -> bool:
        """Whether all was looked into, so that what has the same digest does the same."""
        return not self.unknown


def behaviour_of(
    *objects: object, state: bool = True, passing_over: PassedOver | None = None
) -> Behaviour:
    """Return what objects do.

    Parameters
    ----------
    *objects : object
    state : bool
        False tells the code alone: what instances, lists and arrays hold is left to whoever
        vouches for it with a fingerprint or a version.
    passing_over : callable, optional
        ``passing_over(owner, attribute) -> bool``: attributes to leave out.
    """
    walk = Walk(Visitors(visitor_of, content_visitor_of), state, passing_over)
    try:
        walk.visit(objects)
    except Exception as error:  # whatever foreign objects raise, they are not told
        walk.unknown[f"something that raises {type(error).__name__}"] = None
    for library, is_set_to in _SETTINGS.items():
        if library in walk.met and library in sys.modules:
            walk.tell(*is_set_to())
    devices = tuple(sorted(walk.devices))
    return Behaviour(walk.digest(), tuple(walk.unknown), devices, tuple(sorted(walk.executed)))

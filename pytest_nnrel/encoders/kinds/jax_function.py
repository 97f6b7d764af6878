"""Functions of JAX, and modules of Flax."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from pytest_nnrel.encoders.calls import is_of
from pytest_nnrel.encoders.kinds.function import CallableEncoder

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_nnrel.corpus.audio import Samples
    from pytest_nnrel.identity.walk import PassedOver

#: What makes a function of JAX's or Flax's: library and class.
_MADE_BY = (("jaxlib", "PjitFunction"), ("flax", "JitWrapped"), ("flax", "Module"))
#: Of Flax's modules: the mode that they are in, and a number counted up within a process.
_NO_PART = frozenset({"deterministic", "use_running_average", "_id"})


class JAXEncoder(CallableEncoder):
    """A function of ``jax.jit``, a Flax module, or what ``functools.partial`` makes of one.

    A module of Flax NNX is run in evaluation mode, and left in the mode that it was found in. Its
    fingerprint is of the code and of the arrays that it holds: in closures, partials and modules.
    """

    takes = "a function of jax.jit, a Flax module or method, or a functools.partial of one"
    order = 50
    looked_into = True

    @classmethod
    def adapts(cls, obj: Any, method: str | None) -> bool:  # noqa: ANN401
        owner = _owner_of(obj)
        return any(is_of(owner, library, name) for library, name in _MADE_BY)

    def _passed_over(self) -> PassedOver:
        return lambda owner, attribute: attribute in _NO_PART and is_of(owner, "flax", "Module")

    def forward(self, batch: Samples, sample_rate: int) -> Any:  # noqa: ANN401
        import jax.numpy as jnp

        return _evaluated(self._fn)(jnp.asarray(batch), **self._rate.told(sample_rate, self.name))


def _owner_of(obj: Any) -> Any:  # noqa: ANN401
    """Return what an object is a partial or a method of; else itself."""
    while isinstance(obj, partial):
        obj = obj.func
    return getattr(obj, "__self__", obj)


def _evaluated(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function, of a copy in evaluation mode where it is of an NNX module."""
    if isinstance(fn, partial):
        return partial(_evaluated(fn.func), *fn.args, **fn.keywords)
    owner = getattr(fn, "__self__", fn)
    if not is_of(owner, "flax", "Module") or not hasattr(owner, "eval"):
        return fn
    from flax import nnx

    copy = nnx.merge(*nnx.split(owner))  # of the module, not of its arrays
    copy.eval()
    own: Callable[..., Any] = copy if owner is fn else getattr(copy, fn.__name__)
    return own

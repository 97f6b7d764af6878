"""How torch modules are run: evaluated, mostly without gradients, on their device, as they are."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import contextmanager, suppress
from inspect import isfunction
from itertools import takewhile
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_nnrel.encoders.calls import is_a

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_nnrel.identity.walk import PassedOver


@contextmanager
def evaluated(
    module: Any,  # noqa: ANN401
    device: str | None = None,
    *,
    gradients: bool = False,
) -> Iterator[Any]:
    """Run a torch module evaluated; its mode is left as it was found.

    Parameters
    ----------
    module : torch.nn.Module
    device : str, optional
        Where it is moved; where it is, if omitted.
    gradients : bool
        Whether they are recorded.

    Yields
    ------
    torch.device
        Where its input is to be.
    """
    import torch

    if device is not None:
        module.to(device)
    with mode_kept(module), torch.set_grad_enabled(gradients):
        module.eval()
        yield next((tensor.device for tensor in tensors_of(module)), torch.device(device or "cpu"))


def modes_of(module: Any) -> PassedOver:  # noqa: ANN401
    """Return what tells the modes of a torch module's parts, all of which `evaluated` sets.

    Modules that it holds otherwise, as in a list, are run in whatever mode they are in.

    Parameters
    ----------
    module : torch.nn.Module
    """
    parts = set(map(id, module.modules()))
    return lambda owner, attribute: attribute == "training" and id(owner) in parts


def kinds_of_devices(module: Any) -> frozenset[str]:  # noqa: ANN401
    """Return the kinds of the devices that a torch module's tensors lie on."""
    return frozenset(tensor.device.type for tensor in tensors_of(module))


def tensors_of(module: Any) -> Iterator[Any]:  # noqa: ANN401
    """Yield a torch module's weights and buffers."""
    yield from module.parameters()
    yield from module.buffers()


@contextmanager
def mode_kept(module: Any) -> Iterator[None]:  # noqa: ANN401
    """Leave all parts of a torch module in training that were found so."""
    training = [part for part in module.modules() if part.training]
    try:
        yield
    finally:
        for part in training:
            part.training = True


@contextmanager
def modules_in_training(met: Callable[[Any], None]) -> Iterator[None]:
    """Tell of torch modules that run in training mode where that changes their output.

    A hook sees what is run, wherever a callable keeps it, and in the mode that it is run in:
    modules that an encoder holds but does not run, or evaluates properly, are not told of.

    Parameters
    ----------
    met : callable
        Given such a module, before it runs.
    """
    torch = sys.modules.get("torch")
    if torch is None:
        yield
        return

    def hook(module: Any, _: Any) -> None:  # noqa: ANN401
        if module.training and _depends_on_mode(torch, module):
            met(module)

    handle = torch.nn.modules.module.register_module_forward_pre_hook(hook)
    try:
        yield
    finally:
        handle.remove()


def _depends_on_mode(torch: Any, module: Any) -> bool:  # noqa: ANN401
    layers = torch.nn.modules
    if isinstance(module, layers.dropout._DropoutNd):
        return bool(module.p > 0)
    if isinstance(module, layers.batchnorm._BatchNorm):
        return module.running_mean is not None  # without, it takes the batch's in either mode
    if isinstance(module, layers.instancenorm._InstanceNorm):
        return bool(module.track_running_stats)
    if isinstance(module, layers.RNNBase | layers.MultiheadAttention):
        return bool(module.dropout > 0)
    return _asks_for_mode(type(module))


def _asks_for_mode(kind: type) -> bool:
    """Tell whether methods of a class of modules, but for those that set it, name the mode."""
    own = takewhile(lambda base: base.__module__ != "torch.nn.modules.module", kind.__mro__)
    methods = {
        method
        for base in own
        for name, method in vars(base).items()
        if isfunction(method) and name not in ("train", "eval")
    }
    return any("training" in method.__code__.co_names for method in methods)


def settled(module: Any) -> Any:  # noqa: ANN401
    """Return a torch module with what transformers adds to its models when they first run.

    Those whose configuration asks for hidden states get hooks then: known before, they would be
    taken for another model afterwards.

    Parameters
    ----------
    module : torch.nn.Module
    """
    for part in module.modules():
        config = getattr(part, "config", None)
        asks = any(
            getattr(config, f"output_{what}", False) for what in ("hidden_states", "attentions")
        )
        if asks and is_a(part, "transformers.modeling_utils", "PreTrainedModel"):
            try:
                from transformers.utils.output_capturing import maybe_install_capturing_hooks
            except ImportError:  # of versions that have no such hooks
                return module
            with suppress(AttributeError):  # a model of the old kind
                maybe_install_capturing_hooks(part)
    return module


def precision_of(module: Any) -> Any:  # noqa: ANN401
    """Return the floating type of all weights and buffers; None for float32, several or none."""
    import torch

    kinds = {tensor.dtype for tensor in tensors_of(module) if tensor.is_floating_point()}
    return kinds.pop() if len(kinds) == 1 and torch.float32 not in kinds else None


def as_tensors(given: Any, device: Any, precision: Any) -> Any:  # noqa: ANN401
    """Return what a torch module is given: arrays and tensors, in containers too, on its device.

    Parameters
    ----------
    given : object
        What is neither an array, a tensor nor a container of some is left as it is.
    device : torch.device
    precision : torch.dtype or None
        Of all floats; their own where None.
    """
    import torch

    if isinstance(given, np.ndarray) and given.dtype.kind in "biufc":
        given = torch.from_numpy(given)
    if isinstance(given, torch.Tensor):
        return given.to(device, precision if given.is_floating_point() else None)
    if isinstance(given, Mapping):
        return {key: as_tensors(value, device, precision) for key, value in given.items()}
    if type(given) in (list, tuple):
        return type(given)(as_tensors(value, device, precision) for value in given)
    return given

"""Checkpoints: tensors in a safetensors file, and a card beside it that a person can read.

No pickles: a checkpoint runs no code. The card tells how to build the network again, and the
checksum of its tensors; a checkpoint that does not match its card is refused.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_nnrel import MFCCEncoder, as_encoder
from pytest_nnrel.runtime.files import replace_bytes, replace_text
from pytest_nnrel.runtime.versions import library_version
from reference_models.errors import CheckpointError
from reference_models.plain import read_object

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_nnrel import Encoder
    from reference_models.networks import TaskNetwork

FORMAT = "pytest-nnrel checkpoint"
#: Where the checkpoints that come with the package are, in a folder for each extent of training.
SHIPPED = Path(__file__).parent / "checkpoints"
#: Trained for some passes; the results that come with the package are of these.
BRIEF = SHIPPED / "brief"
#: Trained longer, on three to eight times as many clips.
LONG = SHIPPED / "long"
#: In each such folder: recipes, scores and curves of all trials.
TRIALS = "trials.json"
#: The paper's baseline, which needs no checkpoint.
BASELINE = "mfcc"
_PRECISIONS = ("float32", "float16")
_LIBRARIES = ("torch", "numpy", "librosa", "safetensors")


def save(
    network: TaskNetwork,
    path: Path,
    *,
    task: str,
    encoder: str,
    arguments: Mapping[str, Any],
    card: Mapping[str, Any],
    precision: str = "float32",
) -> Path:
    """Write a network as ``path`` (.safetensors) with its card (.json) beside it.

    Parameters
    ----------
    network : TaskNetwork
        Built by ``reference_models.task.build(task, encoder, **arguments)``.
    path : Path
        Its suffix is set.
    task, encoder : str
    arguments : mapping
        Of `reference_models.task.build`, as plain values.
    card : mapping
        What else is to be known of it, as plain values: data, settings, curves, scores.
    precision : {"float32", "float16"}
        Of floating-point tensors in the file.

    Returns
    -------
    Path
        Of the tensors.

    Raises
    ------
    CheckpointError
        If there is no such precision, or a tensor or the card has a value that is not finite.
    """
    import torch
    from safetensors.torch import save as encode

    if precision not in _PRECISIONS:
        raise CheckpointError(
            f"precision must be one of {', '.join(_PRECISIONS)}, not {precision!r}"
        )
    kind = getattr(torch, precision)
    tensors = {
        name: (tensor.to(kind) if tensor.is_floating_point() else tensor).contiguous().cpu()
        for name, tensor in network.state_dict().items()
    }
    broken = [name for name, tensor in tensors.items() if not tensor.isfinite().all()]
    if broken:
        raise CheckpointError(f"{broken[0]} has values that are not finite as {precision}")
    content = encode(tensors)
    tensors_path, card_path = path.with_suffix(".safetensors"), path.with_suffix(".json")
    plain = {
        "format": FORMAT,
        "task": task,
        "encoder": encoder,
        "arguments": dict(arguments),
        "precision": precision,
        "sha256": hashlib.sha256(content).hexdigest(),
        "versions": {name: library_version(name) for name in _LIBRARIES},
        **card,
    }
    if places := list(_not_finite(plain)):
        raise CheckpointError(
            f"the card of {tensors_path} has no finite {', '.join(places)}; a network that diverged"
            " has such scores: train it anew with a lower learning rate"
        )
    text = json.dumps(plain, indent=1, allow_nan=False, ensure_ascii=False) + "\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_bytes(tensors_path, content)
    replace_text(card_path, text)  # last: without its card a checkpoint is none
    return tensors_path


def _not_finite(plain: object, place: str = "") -> Iterator[str]:
    """Yield where plain values hold numbers that are not finite, such as ``scores.test.value``."""
    if isinstance(plain, float) and not math.isfinite(plain):
        yield place
    elif isinstance(plain, Mapping):
        for name, value in plain.items():
            yield from _not_finite(value, f"{place}.{name}" if place else str(name))
    elif isinstance(plain, list | tuple):
        for number, value in enumerate(plain):
            yield from _not_finite(value, f"{place}[{number}]")


def load_network(path: Path, *, task: str | None = None) -> tuple[TaskNetwork, dict[str, Any]]:
    """Return the network of a checkpoint, in evaluation mode and float32, and its card.

    Parameters
    ----------
    path : Path
        Of the tensors or the card.
    task : str, optional
        That it must be of.

    Raises
    ------
    CheckpointError
        If it is missing, of another task, was changed, or does not fit its card.
    """
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load as decode

    from reference_models.task import build

    card_path = path.with_suffix(".json")
    try:
        card: dict[str, Any] = json.loads(card_path.read_text(encoding="utf-8"))
        if card["format"] != FORMAT:
            raise ValueError(f"format {card['format']!r}")
        wanted = card["task"], card["encoder"], dict(card["arguments"]), card["sha256"]
    except FileNotFoundError as error:
        raise CheckpointError(f"there is no checkpoint {card_path}") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(
            f"{card_path} is no card of a checkpoint: {type(error).__name__} {error}"
        ) from error
    of_task, encoder, arguments, checksum = wanted
    if task is not None and of_task != task:
        raise CheckpointError(f"{card_path} is of task {of_task!r}, not {task!r}")
    tensors_path = path.with_suffix(".safetensors")
    try:
        content = tensors_path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{tensors_path} cannot be read: {error.strerror}") from error
    if hashlib.sha256(content).hexdigest() != checksum:
        raise CheckpointError(
            f"{tensors_path} is not what {card_path.name} tells of: its checksum differs; restore"
            " both from where they came"
        )
    network = build(of_task, encoder, **arguments)
    try:
        tensors = {
            name: tensor.to(torch.float32) if tensor.is_floating_point() else tensor
            for name, tensor in decode(content).items()
        }
        network.load_state_dict(tensors, strict=True)
    except (SafetensorError, RuntimeError) as error:
        raise CheckpointError(
            f"{tensors_path} does not fit its card (task {of_task!r}, encoder {encoder!r},"
            f" arguments {arguments}): {str(error).splitlines()[-1].strip()}"
        ) from error
    return network.eval(), card


def trials_in(folder: Path) -> dict[str, dict[str, Any]]:
    """Return recipe, scores and curves of a folder's trials, by network (``"at-vgg"``) and number.

    A folder that tells of none has none.

    Raises
    ------
    CheckpointError
        If what it tells cannot be read.
    """
    path = folder / TRIALS
    if not path.exists():
        return {}
    return read_object(path, "list of trials", "restore it from where it came", CheckpointError)


def epoch_clips(card: Mapping[str, Any]) -> int:
    """Return how many clips an epoch of a training had, of its card or what `trials_in` tells."""
    of_recipe = card["recipe"]["epoch_clips"]
    return int(card["data"]["train"]["clips"] if of_recipe is None else of_recipe)


def path_of(name: str | Path) -> Path:
    """Return the path of a checkpoint that comes with the package, or one that is given.

    Raises
    ------
    CheckpointError
        If there is none of that name.
    """
    path = Path(name) if isinstance(name, str | PathLike) else None
    if path is not None and path.suffix in (".safetensors", ".json"):
        return path
    shipped = {tensors.stem: tensors for tensors in SHIPPED.glob("*/*.safetensors")}
    if path is None or str(path) not in shipped:
        raise CheckpointError(
            f"there is no reference encoder {name!r}; there are"
            f" {', '.join([BASELINE, *sorted(shipped)])}, and paths of checkpoints (.safetensors)"
        )
    return shipped[str(path)]


def load(name: str | Path) -> Encoder:
    """Return a reference encoder, for every function of `pytest_nnrel`.

    Parameters
    ----------
    name : str or Path
        ``"mfcc"``, the name of a checkpoint that comes with the package, such as ``"at"`` or
        ``"at-long"``, or the path of one.

    Raises
    ------
    CheckpointError
        If there is none of that name, or it cannot be used; see `load_network`.
    """
    if name == BASELINE:
        return MFCCEncoder()
    path = path_of(name)
    network, card = load_network(path)
    return as_encoder(network.embedding, name=card.get("name", path.stem))

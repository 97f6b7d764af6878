"""What a training run keeps in its folder, so that it is known again and goes on from there."""

from __future__ import annotations

import csv
import io
import json
import pickle
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import torch
from lightning.pytorch.callbacks import Checkpoint

from pytest_nnrel.runtime.files import replace_text
from reference_models.errors import TrainingError
from reference_models.plain import read_object

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import lightning

    from reference_models.recipe import Recipe

    Curves = list[dict[str, float]]

RECIPE = "recipe.json"
LAST = "last.ckpt"
BEST = "best.ckpt"
METRICS = "metrics.csv"
#: Beside the recipe's fields: fingerprints of the parts that decide what comes out.
_DATA = "data"


def claim(folder: Path, recipe: Recipe, data: Mapping[str, str]) -> None:
    """Make a run's folder, or see that it is one of this recipe and these data.

    Parameters
    ----------
    folder : Path
    recipe : Recipe
    data : mapping of str to str
        Fingerprints by part. A folder that tells of none, as older ones do, is of any.

    Raises
    ------
    TrainingError
        If it holds a run of another recipe or on other data, or does not tell its recipe.
    """
    path = folder / RECIPE
    plain = asdict(recipe)
    if path.exists():
        anew = "give another --out, or delete the folder"
        there = read_object(path, "recipe of a run", anew, TrainingError)
        differing = [name for name in plain if there.get(name) != plain[name]]
        told = [f"{n} {there.get(n)!r}, not {plain[n]!r}" for n in differing]
        begun_with = there.get(_DATA, data)
        told += [
            f"{part} data {begun_with.get(part)}, not {fingerprint}"
            for part, fingerprint in data.items()
            if begun_with.get(part) != fingerprint
        ]
        if told:
            raise TrainingError(f"{folder} holds a run with {', '.join(told)}; {anew}")
        return
    folder.mkdir(parents=True, exist_ok=True)
    replace_text(path, json.dumps({**plain, _DATA: dict(data)}, indent=1) + "\n")


def state_of(path: Path) -> dict[str, Any]:
    """Return the state of a training that `Keeping` wrote.

    Raises
    ------
    TrainingError
        If it cannot be read.
    """
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        if not {"curves", "state_dict"} <= state.keys():
            raise ValueError("it is none of a training")
    except (
        OSError, EOFError, RuntimeError, ValueError, AttributeError, pickle.UnpicklingError,
    ) as error:  # fmt: skip
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise TrainingError(
            f"{path} cannot be read ({reason}); delete {path.with_name(LAST)}, and the training"
            " begins anew"
        ) from error
    return state


def best_of(curves: Curves) -> int:
    """Return the place of the epoch with the least validation loss, the first of several."""
    return min(range(len(curves)), key=lambda place: curves[place]["validation_loss"])


def has_ended(curves: Curves, recipe: Recipe) -> bool:
    """Tell whether a training has had all its epochs, or its patience is exhausted."""
    return len(curves) >= recipe.epochs or len(curves) - 1 - best_of(curves) >= recipe.patience


class Keeping(Checkpoint):
    """Keeps the state after each epoch, that of the best one, and the curves.

    What is best is told by the curves, which come back with the state: Lightning's
    `ModelCheckpoint` forgets it in a folder that was moved, and since 2.6 keeps a last state only
    where there is a better one.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def on_train_epoch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Write what has changed; the last state comes last, as it tells that the rest is there."""
        curves: Curves = pl_module.curves  # type: ignore[assignment]  # those of TaskTraining
        if best_of(curves) == len(curves) - 1:
            trainer.save_checkpoint(self._folder / BEST)
        if trainer.is_global_zero:
            replace_text(self._folder / METRICS, _table(curves))
        trainer.save_checkpoint(self._folder / LAST)


def _table(curves: Sequence[Mapping[str, float]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(curves[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(curves)
    return text.getvalue()

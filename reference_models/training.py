"""Training of the paper's networks with Lightning: a run for each trial, resumed where it stopped.

A run's folder holds ``recipe.json``, the log ``metrics.csv`` (and TensorBoard's beside it),
``last.ckpt`` to go on from after the last whole epoch, ``best.ckpt``, and in the end
``checkpoint.safetensors`` with its card. Everything random is drawn from the recipe's seed, the
epoch and the clip, so that a run which was stopped ends as if it had not been.
"""

from __future__ import annotations

import math
import signal
import subprocess
import warnings
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import lightning
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.callbacks import EarlyStopping, Timer, TQDMProgressBar
from lightning.pytorch.loggers import TensorBoardLogger
from torch import Tensor
from torch.optim.lr_scheduler import CosineAnnealingLR, ReduceLROnPlateau

from pytest_nnrel.runtime.progress import progress
from reference_models import checkpoint, evaluation, runs
from reference_models.clips import Clips
from reference_models.datasets import open_data, opencorpus
from reference_models.errors import TrainingError
from reference_models.recipe import PLATEAU_CUTS, PLATEAU_FACTOR
from reference_models.task import build, task_named

if TYPE_CHECKING:
    from reference_models.networks import TaskNetwork
    from reference_models.recipe import Recipe

    Batch = tuple[Tensor, Tensor]


class TaskTraining(lightning.LightningModule):
    """A network and how it learns its task."""

    def __init__(self, network: TaskNetwork, recipe: Recipe) -> None:
        super().__init__()
        self.network = network
        self.recipe = recipe
        self.task = task_named(recipe.task)
        self.curves: list[dict[str, float]] = []
        self._plateau: ReduceLROnPlateau | None = None

    def on_train_batch_start(self, _batch: Batch, batch_idx: int) -> None:
        """Draw what drops out from recipe, epoch and batch: loaders draw from the same source."""
        # Devices that share an epoch have batches of their own.
        place = batch_idx * self.trainer.world_size + self.global_rank
        drawn = self.recipe.random("dropout", self.current_epoch, place)
        torch.manual_seed(int(drawn.integers(2**62)))

    def training_step(self, batch: Batch, _: int) -> Tensor:
        """Return the loss of a batch."""
        loss = self.task.loss(self.network, *batch)
        self.log("train_loss", loss, on_step=False, on_epoch=True, prog_bar=True, sync_dist=True)
        return loss

    def validation_step(self, batch: Batch, _: int) -> None:
        """Note the loss of a batch."""
        loss = self.task.loss(self.network, *batch)
        self.log("validation_loss", loss, batch_size=len(batch[0]), prog_bar=True, sync_dist=True)

    def on_train_epoch_end(self) -> None:
        """Add the epoch to the curves, and cut the rate of the next where it is on a plateau."""
        losses = ("train_loss", "validation_loss")
        values = {name: float(self.trainer.callback_metrics[name]) for name in losses}
        broken = [name for name, value in values.items() if not math.isfinite(value)]
        if broken:
            raise TrainingError(
                f"{self.recipe.name}: {broken[0]} of epoch {self.current_epoch} is not finite;"
                " lower --learning-rate"
            )
        rate = self.trainer.optimizers[0].param_groups[0]["lr"]
        self.curves.append({"epoch": self.current_epoch, "learning_rate": rate, **values})
        if self._plateau:
            # Lightning would step it after the state is kept, which would then miss the epoch.
            self._plateau.step(values["validation_loss"])

    @property
    def has_ended(self) -> bool:
        """Whether the curves are all there will be, as where only the scores are missing."""
        return bool(self.curves) and runs.has_ended(self.curves, self.recipe)

    def on_save_checkpoint(self, state: dict[str, Any]) -> None:
        """Keep the curves with the weights."""
        state["curves"] = list(self.curves)

    def on_load_checkpoint(self, state: dict[str, Any]) -> None:
        """Go on with the curves."""
        self.curves = list(state["curves"])

    def configure_optimizers(self) -> Any:  # noqa: ANN401
        """Return Adam with amsgrad, and the schedule of its rate."""
        recipe = self.recipe
        learned = [p for p in self.network.parameters() if p.requires_grad]
        optimiser = torch.optim.Adam(
            learned, recipe.learning_rate, weight_decay=recipe.weight_decay, amsgrad=True
        )
        if recipe.schedule == "constant":
            return optimiser
        if recipe.schedule == "plateau":
            # It cuts when more epochs than its patience were no better.
            borne = max(1, recipe.patience // (PLATEAU_CUTS + 1)) - 1
            self._plateau = ReduceLROnPlateau(
                optimiser, factor=PLATEAU_FACTOR, patience=borne, threshold=0.0, eps=0.0
            )
            for epoch in self.curves:  # of a training that goes on
                self._plateau.step(epoch["validation_loss"])
            return optimiser
        steps = int(self.trainer.estimated_stepping_batches)
        schedule = CosineAnnealingLR(optimiser, steps)
        return {
            "optimizer": optimiser,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }


class _Progress(TQDMProgressBar):
    """Lightning's, without the version of a logger, which is a folder here."""

    def get_metrics(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> dict[str, Any]:
        shown = dict(super().get_metrics(trainer, pl_module))
        shown.pop("v_num", None)
        return shown


def train(
    recipe: Recipe,
    root: Path,
    out: Path,
    *,
    accelerator: str = "auto",
    devices: str = "auto",
    workers: int = 1,
    max_time: timedelta | None = None,
) -> Path:
    """Train one trial, or go on with it, and write its checkpoint.

    Parameters
    ----------
    recipe : Recipe
    root : Path
        Of the dataset.
    out : Path
        Gets a folder of the recipe's name.
    accelerator, devices : str
        Of Lightning's trainer; several devices share the batches (DDP).
    workers : int
        Processes that read clips.
    max_time : timedelta, optional
        After which training ends with the epoch's best so far.

    Returns
    -------
    Path
        Of the checkpoint: the weights of the epoch with the least validation loss.

    Raises
    ------
    DatasetError
        As in `reference_models.datasets.open_data`.
    TrainingError
        If `out` holds a run of another recipe, on other data, or whose state cannot be read; there
        is no such accelerator, no time or a negative number of workers; the clips do not fill a
        batch; or the loss is not finite.
    CheckpointError
        As in `reference_models.task.build`.
    """
    folder = out / recipe.name
    finished = folder / "checkpoint.safetensors"
    if max_time is not None and max_time <= timedelta(0):
        raise TrainingError(
            f"training takes more than no time, not {max_time}; raise --max-minutes"
        )
    clips = Clips(recipe, root, workers)
    of_data = {"train": clips.train.fingerprint, "validation": clips.validation.fingerprint}
    if finished.with_suffix(".json").exists():
        runs.claim(folder, recipe, of_data)
        return finished
    torch.manual_seed(int(recipe.random("weights").integers(2**62)))
    training = TaskTraining(build(recipe.task, recipe.encoder, **recipe.arguments), recipe)
    trainer = _trainer(recipe, folder, accelerator, devices, max_time)
    # What is refused until here leaves no folder that a corrected command would not fit.
    runs.claim(folder, recipe, of_data)
    last = folder / runs.LAST
    if last.exists():
        training.on_load_checkpoint(runs.state_of(last))
    else:
        every = clips.every()
        batches = (batch[0] for batch in every)
        training.network.fit_statistics(progress(batches, len(every), "statistics", "batch"))
    if not training.has_ended:
        _fit(trainer, training, clips, last if last.exists() else None)
    training.load_state_dict(runs.state_of(folder / runs.BEST)["state_dict"])
    _finish(finished, training, clips, root)
    return finished


def _fit(
    trainer: lightning.Trainer, training: TaskTraining, clips: Clips, last: Path | None
) -> None:
    """Train, or go on from the state `last`; Ctrl-C is an exception as elsewhere."""
    handler = signal.getsignal(signal.SIGINT)
    try:
        with warnings.catch_warnings():
            # Lightning's advice on numbers of workers and of steps between logs.
            warnings.filterwarnings("ignore", module="lightning")
            trainer.fit(training, clips, ckpt_path=last, weights_only=True)
    except SystemExit as error:  # how Lightning ends on Ctrl-C, with further ones ignored
        signal.signal(signal.SIGINT, handler)
        raise KeyboardInterrupt from error


def _trainer(
    recipe: Recipe,
    folder: Path,
    accelerator: str,
    devices: str,
    max_time: timedelta | None,
) -> lightning.Trainer:
    try:
        return lightning.Trainer(
            accelerator=accelerator,
            devices=devices,
            max_epochs=recipe.epochs,
            precision=recipe.precision,  # type: ignore[arg-type]  # Lightning checks it
            logger=TensorBoardLogger(folder, name="", version="tensorboard"),
            callbacks=[
                runs.Keeping(folder),
                EarlyStopping("validation_loss", patience=recipe.patience),
                _Progress(),
                *([Timer(max_time, interval="epoch")] if max_time else []),
            ],
            reload_dataloaders_every_n_epochs=1,  # each epoch has crops of its own
            num_sanity_val_steps=0,
            enable_model_summary=False,
        )
    except (MisconfigurationException, ValueError, RuntimeError) as error:
        raise TrainingError(
            f"accelerator {accelerator!r}, devices {devices!r}, precision"
            f" {recipe.precision!r}: {error}"
        ) from error


def _finish(path: Path, training: TaskTraining, clips: Clips, root: Path) -> None:
    """Score the network on the test clips and write its checkpoint."""
    recipe, network = training.recipe, training.network.eval().cpu()
    scores = {}
    is_open = recipe.dataset == "open"
    for part in opencorpus.test_parts(root) if is_open else ("test",):
        data = open_data(recipe.dataset, root, recipe.task, part)
        scores[part] = evaluation.scores_on(network, recipe.task, data)
    card = {
        "name": recipe.name,
        "recipe": asdict(recipe),
        "data": {
            "train": {"fingerprint": clips.train.fingerprint, "clips": len(clips.of_trial)},
            "validation": {
                "fingerprint": clips.validation.fingerprint,
                "clips": len(clips.validation),
            },
            "labels": list(clips.train.labels),
            **({"made with": opencorpus.made_with(root)} if is_open else {}),
        },
        "commit": _commit(),
        "curves": training.curves,
        "scores": scores,
    }
    checkpoint.save(
        network,
        path,
        task=recipe.task,
        encoder=recipe.encoder,
        arguments=recipe.arguments,
        card=card,
    )


def _commit() -> str | None:
    """Return the commit of the code, where it is run from a checkout."""
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=12"],
            cwd=Path(__file__).parent, capture_output=True, text=True, check=True,
        )  # fmt: skip
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()

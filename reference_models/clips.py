"""The clips of a training, cut to windows and put into batches."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import lightning
import numpy as np
from torch.utils.data import DataLoader, Dataset, default_collate

from pytest_nnrel.errors import NNRelError
from reference_models.datasets import open_data
from reference_models.errors import TrainingError
from reference_models.features import WINDOW_SAMPLES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from reference_models.datasets.examples import TaskData
    from reference_models.recipe import Recipe

    Window = tuple[NDArray[np.float32], NDArray[Any]]


class Crops(Dataset["Window"]):
    """Windows of 2 s cut from a dataset's clips: at random to learn from, else the centres.

    Parameters
    ----------
    data : TaskData
    indices : sequence of int
        Which clips, in which order.
    starts : function, optional
        From a clip's index and the number of possible starts to one of them; the centre where
        omitted.
    """

    def __init__(
        self,
        data: TaskData,
        indices: Sequence[int],
        starts: Callable[[int, int], int] | None = None,
    ) -> None:
        self._data = data
        self._indices = indices
        self._starts = starts

    def __len__(self) -> int:
        """Return how many windows there are."""
        return len(self._indices)

    def __getitem__(self, place: int) -> Window:
        """Return a window and its target, of the same stretch where that is audio too."""
        index = self._indices[place]
        example = self._data[index]
        choices = len(example.audio) - WINDOW_SAMPLES + 1
        if choices < 1:
            raise TrainingError(
                f"clip {self._data.ids[index]!r} is shorter than {WINDOW_SAMPLES} samples"
            )
        start = self._starts(index, choices) if self._starts else (choices - 1) // 2
        stretch = slice(start, start + WINDOW_SAMPLES)
        of_audio = example.target.shape == example.audio.shape
        return example.audio[stretch], example.target[stretch] if of_audio else example.target


@dataclass(frozen=True)
class _RandomStarts:
    """Where a clip is cut in one epoch; the same whatever worker cuts it."""

    recipe: Recipe
    epoch: int

    def __call__(self, index: int, choices: int) -> int:
        return int(self.recipe.random("crop", self.epoch, index).integers(choices))


class _Told(Dataset["Window | NNRelError"]):
    """Crops, or what is wrong with them: exceptions leave a worker as texts of its traceback."""

    def __init__(self, crops: Crops) -> None:
        self._crops = crops

    def __len__(self) -> int:
        return len(self._crops)

    def __getitem__(self, place: int) -> Window | NNRelError:
        try:
            return self._crops[place]
        except NNRelError as error:
            return error


def _batch(items: list[Window | NNRelError]) -> Any:  # noqa: ANN401
    """Return a batch of windows and targets, or the first thing that is wrong with one."""
    wrong = [item for item in items if isinstance(item, NNRelError)]
    return wrong[0] if wrong else default_collate(items)


class _Batches(DataLoader["Window"]):
    """Raises here what workers tell of."""

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]  # nobody asks for more of it
        for batch in super().__iter__():
            if isinstance(batch, NNRelError):
                raise batch
            yield batch


class Clips(lightning.LightningDataModule):
    """A dataset's training and validation clips, as one trial sees them."""

    def __init__(self, recipe: Recipe, root: Path, workers: int) -> None:
        super().__init__()
        if workers < 0:
            raise TrainingError(f"workers must be 0 or more, not {workers}")
        self.recipe = recipe
        self._workers = workers
        self.train = open_data(recipe.dataset, root, recipe.task, "train")
        self.validation = open_data(recipe.dataset, root, recipe.task, "validation")
        kept = math.ceil(recipe.fraction * len(self.train))
        order = recipe.random("clips").permutation(len(self.train))
        self.of_trial = np.sort(order[:kept])
        if len(self.of_trial) < recipe.batch_size:
            raise TrainingError(
                f"{len(self.of_trial)} clips to train on do not fill a batch of"
                f" {recipe.batch_size}; take more clips or a smaller --batch-size"
            )
        if recipe.epoch_clips is not None and recipe.epoch_clips < recipe.batch_size:
            raise TrainingError(
                f"{recipe.epoch_clips} clips in an epoch do not fill a batch of"
                f" {recipe.batch_size}; raise --epoch-clips or take a smaller --batch-size"
            )

    def epoch(self, number: int) -> Crops:
        """Return the windows of an epoch."""
        drawn = self.recipe.random("epoch", number).permutation(self.of_trial)
        indices = drawn[: self.recipe.epoch_clips].tolist()
        return Crops(self.train, indices, _RandomStarts(self.recipe, number))

    def every(self) -> DataLoader[Window]:
        """Return a window of each of the trial's clips, to take statistics of."""
        starts = _RandomStarts(self.recipe, -1)
        return self._loader(Crops(self.train, self.of_trial.tolist(), starts), whole=False)

    def train_dataloader(self) -> DataLoader[Window]:
        """Return the batches of the epoch that begins."""
        number = self.trainer.current_epoch if self.trainer else 0
        return self._loader(self.epoch(number), whole=True)

    def val_dataloader(self) -> DataLoader[Window]:
        """Return the centres of all validation clips."""
        return self._loader(Crops(self.validation, range(len(self.validation))), whole=False)

    def _loader(self, crops: Crops, *, whole: bool) -> DataLoader[Window]:
        return _Batches(
            _Told(crops),  # type: ignore[arg-type]  # what it tells of does not leave the loader
            self.recipe.batch_size,
            num_workers=self._workers,
            drop_last=whole,
            collate_fn=_batch,
        )

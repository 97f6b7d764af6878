"""Models of MTEB, the Massive Text Embedding Benchmark, which embeds audio as well."""

from __future__ import annotations

import inspect
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

from pytest_nnrel.encoders.adapter import Adapter
from pytest_nnrel.encoders.calls import ENCODE

if TYPE_CHECKING:
    from pytest_nnrel.corpus.audio import Samples

#: What `encode` of MTEB's protocol is told of the task, by these names.
_TASK: Final = ("task_metadata", "hf_split", "hf_subset")


class MTEBEncoder(Adapter):
    """A model with MTEB's protocol: its ``encode`` of a ``DataLoader`` of audio.

    It is told of a task of its own, of the modality audio, and runs where, and in the mode,
    that it chooses.
    """

    takes = "a model of mteb"
    order = 38
    looked_into = True

    @classmethod
    def adapts(cls, obj: Any, method: str | None) -> bool:  # noqa: ANN401
        if method is not None:
            return False
        try:
            parameters = inspect.signature(getattr(obj, ENCODE, None)).parameters  # type: ignore[arg-type]
        except (TypeError, ValueError):
            return False
        return all(name in parameters for name in _TASK)

    def forward(self, batch: Samples, sample_rate: int) -> Any:  # noqa: ANN401
        from torch.utils.data import DataLoader

        clips: Any = _Clips(batch, sample_rate)  # no subclass of a Dataset, as torch comes late
        loader: Any = DataLoader(clips, batch_size=len(batch), collate_fn=_collated)
        return self.obj.encode(
            loader,
            task_metadata=_task_metadata(),
            hf_split="test",
            hf_subset="default",
            batch_size=len(batch),
            show_progress_bar=False,
        )


class _Clips:
    """Windows as a data set, with the columns that models look for."""

    column_names = ("audio",)
    features: Final = {"audio": None}

    def __init__(self, batch: Samples, sample_rate: int) -> None:
        self._batch = batch
        self._sample_rate = sample_rate

    def __len__(self) -> int:
        return len(self._batch)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {"audio": {"array": self._batch[index], "sampling_rate": self._sample_rate}}


def _collated(rows: list[dict[str, Any]]) -> dict[str, list[Any]]:
    """Return rows as one batch, as MTEB's own loaders do; models put their own in its place."""
    return {"audio": [row["audio"] for row in rows]}


def _task_metadata() -> Any:  # noqa: ANN401
    """Return what a model is told of the task."""
    told: dict[str, Any] = {
        "name": "WithinConsistency",
        "description": "Is each transformed clip nearest to its own original?",
        "type": "AudioClustering",
        "category": "a2a",
        "modalities": ["audio"],
        "eval_langs": ["zxx-Zxxx"],
        "main_score": "accuracy",
        "dataset": {"path": "pytest-nnrel", "revision": "1"},
    }
    try:
        from mteb.abstasks.task_metadata import TaskMetadata
    except ImportError:  # of a model that only has its protocol
        return SimpleNamespace(**told)
    return TaskMetadata(**told)

"""Audio to train reference models on."""

from __future__ import annotations

import importlib
import inspect
from typing import TYPE_CHECKING, Any, cast

from reference_models.errors import DatasetError

if TYPE_CHECKING:
    from pathlib import Path

    from reference_models.datasets.examples import TaskData

#: Modules by the name that their dataset is opened by.
DATASETS = {
    "open": "opencorpus",
    "msd": "msd",
    "irmas": "irmas",
    "musdb18": "musdb18",
}


def open_data(name: str, root: Path, task: str, part: str, **options: Any) -> TaskData:  # noqa: ANN401
    """Return one part of a dataset, for one task.

    Parameters
    ----------
    name : {"open", "msd", "irmas", "musdb18"}
    root : Path
        Where the dataset lies.
    task : str
        By name; one that the dataset serves.
    part : {"train", "validation", "test"}
    **options
        Of the dataset's ``load``.

    Raises
    ------
    DatasetError
        If there is no such dataset, part or option, the dataset does not serve the task, or its
        files are missing or damaged.
    TaskError
        If there is no such task.
    """
    if name not in DATASETS:
        raise DatasetError(f"there is no dataset {name!r}; there are {', '.join(DATASETS)}")
    load = importlib.import_module(f"{__name__}.{DATASETS[name]}").load
    parameters = inspect.signature(load).parameters.values()
    known = [p.name for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY]
    for option in options:
        if option not in known:
            raise DatasetError(
                f"dataset {name!r} has no option {option!r}; it has {', '.join(known) or 'none'}"
            )
    return cast("TaskData", load(root, task, part, **options))

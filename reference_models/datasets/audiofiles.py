"""What the loaders of the paper's datasets share: checks of the tree, splits by song, decoding."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_nnrel.corpus import SAMPLE_RATE, WINDOW_SECONDS, audio, decoding
from pytest_nnrel.errors import CorpusError
from pytest_nnrel.runtime.store import digest
from reference_models.datasets.examples import PARTS, Example
from reference_models.errors import DatasetError
from reference_models.task import task_named, tasks

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray


@dataclass(frozen=True)
class Provenance:
    """A dataset as its users know it.

    Attributes
    ----------
    name : str
    truths : tuple of str
        What it tells of its clips, as `reference_models.task.Task.truth`: ``"audio"`` (itself),
        ``"tags"``, ``"instrument"``, ``"voice"``.
    source : str
        Where it is to be had.
    """

    name: str
    truths: tuple[str, ...]
    source: str

    def truth_for(self, task: str, part: str) -> str:
        """Return which of its truths a task asks for, of a part that it has.

        Raises
        ------
        DatasetError
            If it has no such part, or nothing that the task asks for.
        TaskError
            If there is no such task.
        """
        truth = task_named(task).truth
        if truth not in self.truths:
            served = [repr(name) for name, known in tasks().items() if known.truth in self.truths]
            raise DatasetError(f"{self.name} serves {' and '.join(served)}, not task {task!r}")
        if part not in PARTS:
            raise DatasetError(f"there is no part {part!r}; there are {', '.join(PARTS)}")
        return truth

    def check_files(
        self, root: Path, missing: Sequence[str], expected: int, *, complete: bool
    ) -> None:
        """Check that files are there.

        Parameters
        ----------
        root : Path
            Where the dataset lies.
        missing : sequence of str
            Names of the files that are not there.
        expected : int
            How many files there should be.
        complete : bool
            Whether all must be there; else one is enough.

        Raises
        ------
        DatasetError
            If too many are missing.
        """
        there = expected - len(missing)
        if not missing or (there and not complete):
            return
        otherwise = "; complete=False goes on with those that are there" if there else ""
        raise DatasetError(
            f"{len(missing)} of {expected} files of {self.name} are missing or empty in {root},"
            f" the first is {missing[0]}; {self.name} is to be had from {self.source}{otherwise}"
        )


@dataclass
class ClipFiles:
    """Clips in a file each, which is decoded when the clip is asked for: a `TaskData`.

    Attributes
    ----------
    ids, groups, labels, fingerprint
        As in `TaskData`. Of the audio, the fingerprint holds the files' sizes alone.
    paths : sequence of Path
        Of the clips.
    targets : float32[n, tags] or int64[n]
        What is to be told of each clip.
    """

    ids: Sequence[str]
    groups: Sequence[str]
    labels: Sequence[str]
    paths: Sequence[Path]
    targets: NDArray[Any]
    fingerprint: str = field(init=False)

    def __post_init__(self) -> None:
        sizes = [path.stat().st_size for path in self.paths]
        self.fingerprint = digest(
            list(self.ids), list(self.groups), list(self.labels), sizes, self.targets
        )

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> Example:
        return Example(read(self.paths[index]), np.asarray(self.targets[index]))


def split_by_group(
    groups: Sequence[str], strata: Sequence[str], shares: Mapping[str, float]
) -> dict[str, str]:
    """Return the part that each group of clips is in.

    Every part has its share of the clips of every stratum, as nearly as whole groups allow. Which
    groups it has follows from their names alone.

    Parameters
    ----------
    groups, strata : sequence of str
        Of each clip. A group of several strata counts as of its last clip's.
    shares : mapping of str to float
        Of the parts; their sum is 1.
    """
    sizes, stratum_of = Counter(groups), dict(zip(groups, strata))
    clips: dict[str, Counter[str]] = {stratum: Counter() for stratum in strata}
    part_of = {}
    for group in sorted(sizes, key=digest):
        taken = clips[stratum_of[group]]
        total = taken.total() + sizes[group]
        lacking = {part: share * total - taken[part] for part, share in shares.items()}
        part_of[group] = max(lacking, key=lacking.__getitem__)
        taken[part_of[group]] += sizes[group]
    return part_of


def read(path: Path) -> NDArray[np.float32]:
    """Return an audio file, mono, at 22,050 Hz.

    Parameters
    ----------
    path : Path

    Returns
    -------
    float32[samples]

    Raises
    ------
    DatasetError
        If the file cannot be decoded, or is shorter than an encoder's window.
    """
    try:
        samples, rate = decoding.decode(path)
    except CorpusError as error:
        raise DatasetError(f"{error}, or delete it and load with complete=False") from error
    if len(samples) < WINDOW_SECONDS * rate:
        raise DatasetError(
            f"{path} is of {len(samples) / rate:.2f} s, and encoders hear {WINDOW_SECONDS:g} s;"
            " get the file again, or delete it and load with complete=False"
        )
    return audio.resample(samples, rate, SAMPLE_RATE)

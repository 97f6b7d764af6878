"""What every dataset gives to training and to the measures: clips, and the truth about them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    Target = NDArray[np.float32] | NDArray[np.int64]

#: Which clips: to learn from, to choose a checkpoint by, to score it with.
PARTS = ("train", "validation", "test")


@dataclass(frozen=True)
class Example:
    """A clip and the truth about it.

    Attributes
    ----------
    audio : float32[samples]
        Mono, at 22,050 Hz, 2 s or more.
    target : NDArray
        Of classes that exclude each other, an int64 scalar, the number of the clip's; of others,
        float32[classes], 1 for those that it has; of a part of the audio, float32[samples]; empty
        where the clip is its own target.
    """

    audio: NDArray[np.float32]
    target: Target


class TaskData(Protocol):
    """One part of a dataset, for one task."""

    @property
    def ids(self) -> Sequence[str]:
        """Names of the clips, each once."""
        ...

    @property
    def groups(self) -> Sequence[str]:
        """Of the clips: those of one group (a song, a score) are relatives, never in two parts."""
        ...

    @property
    def labels(self) -> Sequence[str]:
        """Names of classes in the order of targets; none where there are no classes."""
        ...

    @property
    def fingerprint(self) -> str:
        """Digest of what the clips and their truth are."""
        ...

    def __len__(self) -> int:
        """Return how many clips there are."""
        ...

    def __getitem__(self, index: int) -> Example:
        """Return a clip; the same one at each call."""
        ...

"""What every dataset gives to training and to the measures: clips, and the truth about them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

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
        Of AE: empty, the clip is its own. Of AT: float32[50], 1 for tags that it has. Of IR: an
        int64 scalar, the instrument's number. Of VS: float32[samples], the voice in it.
    """

    audio: NDArray[np.float32]
    target: NDArray[np.float32] | NDArray[np.int64]


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
        """Names of tags (AT) or instruments (IR) in the order of targets; none for AE and VS."""
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

"""Rates and lengths: what of a clip is transformed, and what of it is compared."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_nnrel.corpus import audio
from pytest_nnrel.errors import CorpusError
from pytest_nnrel.runtime.scalars import is_positive

#: Rate at which the paper transforms and compares (section 4).
SAMPLE_RATE = 22_050
#: Length that is transformed, and length of its centre that is compared (paper section 4.3).
SOURCE_SECONDS = 4.0
WINDOW_SECONDS = 2.0


@dataclass(frozen=True)
class Geometry:
    """Rate and lengths of the clips of a corpus.

    Attributes
    ----------
    sample_rate : int
        In Hz.
    source_seconds, window_seconds : float

    Raises
    ------
    CorpusError
        For what is no rate or length, and for a window that is longer than its source.
    """

    sample_rate: int = SAMPLE_RATE
    source_seconds: float = SOURCE_SECONDS
    window_seconds: float = WINDOW_SECONDS

    def __post_init__(self) -> None:
        if problem := audio.rate_problem(self.sample_rate):
            raise CorpusError(problem)
        if not is_positive(self.window_seconds) or not is_positive(self.source_seconds):
            raise CorpusError(
                "window_seconds and source_seconds must be positive, not"
                f" {self.window_seconds!r} and {self.source_seconds!r}"
            )
        if self.source_seconds < self.window_seconds:
            raise CorpusError(
                f"source_seconds={self.source_seconds:g} is shorter than"
                f" window_seconds={self.window_seconds:g}; the window is cut from the source"
            )
        # Equal numbers of other types, as NumPy's, are the same corpus.
        object.__setattr__(self, "sample_rate", int(self.sample_rate))
        for name in ("source_seconds", "window_seconds"):
            object.__setattr__(self, name, float(getattr(self, name)))

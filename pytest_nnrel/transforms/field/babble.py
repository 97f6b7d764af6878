"""Voices of others."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import ClassVar

from pytest_nnrel.transforms.noise import EnvironmentalNoise


@dataclass(frozen=True)
class Babble(EnvironmentalNoise):
    """Add a random crop of six voices that talk at once, without a room.

    Parameters
    ----------
    snr_db : float
        Ratio of the RMS of clip and voices, from -30 to 59.5 dB.
    recording : str, optional
        Audio file to crop from; the bundled voices, which are synthetic, where omitted. It is
        looped where it is shorter than the clip.

    Raises
    ------
    MagnitudeError
        For other values.
    CorpusError
        When applied, if the recording cannot be read.
    """

    symbol: ClassVar[str] = "Babble"
    points: ClassVar[tuple[float, ...]] = (30, 15, 0)

    def _path(self) -> Path:
        if self.recording is None:
            return Path(str(resources.files("pytest_nnrel"))) / "data" / "babble.ogg"
        return super()._path()

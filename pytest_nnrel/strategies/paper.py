"""Strategies of the paper's families, each with keywords of its own, as far as the paper goes."""

from __future__ import annotations

from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from hypothesis.errors import InvalidArgument

from pytest_nnrel.strategies.drawing import rungs
from pytest_nnrel.strategies.ladders import Ladder, check_numbers
from pytest_nnrel.transforms import (
    MP3,
    EnvironmentalNoise,
    PinkNoise,
    PitchShift,
    TempoShift,
    Transform,
)
from pytest_nnrel.transforms.mp3 import BITRATES
from pytest_nnrel.transforms.noise import DB_PER_RUNG, INAUDIBLE_SNR_DB
from pytest_nnrel.transforms.rubberband import RATE_PER_RUNG, SEMITONES_PER_RUNG

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypothesis.strategies import SearchStrategy

#: The paper's largest magnitudes (Table 1).
_PAPER_SEMITONES = 12.0
_PAPER_RATES = (0.3, 1.5)
_PAPER_SNR_DB = -15.0
_PAPER_KBPS = 8


def pitch_shifts(
    *, min_semitones: float | None = None, max_semitones: float = _PAPER_SEMITONES
) -> SearchStrategy[Transform]:
    """Generate pitch shifts on rungs of 5 cents; shrinks toward no shift.

    Parameters
    ----------
    min_semitones : float, optional
        ``-max_semitones`` where omitted.
    max_semitones : float

    Raises
    ------
    InvalidArgument
        For bounds out of order or out of the family's.
    """
    return rungs(_pitch_ladder(min_semitones, max_semitones))


def tempo_shifts(
    *, min_rate: float = _PAPER_RATES[0], max_rate: float = _PAPER_RATES[1]
) -> SearchStrategy[Transform]:
    """Generate tempo shifts on rungs of 1 %; shrinks toward no shift.

    Parameters
    ----------
    min_rate, max_rate : float

    Raises
    ------
    InvalidArgument
        For bounds out of order or out of the family's.
    """
    return rungs(_tempo_ladder(min_rate, max_rate))


def pink_noises(
    *, min_snr_db: float = _PAPER_SNR_DB, max_snr_db: float = INAUDIBLE_SNR_DB
) -> SearchStrategy[Transform]:
    """Generate pink noise on rungs of 0.5 dB; shrinks toward none, which is 60 dB.

    Parameters
    ----------
    min_snr_db, max_snr_db : float

    Raises
    ------
    InvalidArgument
        For bounds out of order or out of the family's.
    """
    return rungs(_pink_ladder(min_snr_db, max_snr_db))


def environmental_noises(
    *,
    min_snr_db: float = _PAPER_SNR_DB,
    max_snr_db: float = INAUDIBLE_SNR_DB,
    recording: str | None = None,
) -> SearchStrategy[Transform]:
    """Generate environmental noise on rungs of 0.5 dB; shrinks toward none, which is 60 dB.

    Parameters
    ----------
    min_snr_db, max_snr_db : float
    recording : str, optional
        See `EnvironmentalNoise`.

    Raises
    ------
    InvalidArgument
        For bounds out of order or out of the family's.
    """
    return rungs(_environmental_ladder(min_snr_db, max_snr_db, recording))


def mp3s(*, min_kbps: int = _PAPER_KBPS, max_kbps: int | None = None) -> SearchStrategy[Transform]:
    """Generate MP3 bitrates; shrinks toward the highest, or toward no coding without a maximum.

    Parameters
    ----------
    min_kbps : int
    max_kbps : int, optional
        No coding at all is among the values where omitted.

    Raises
    ------
    InvalidArgument
        For bounds out of order, or that are no bitrates of MP3.
    """
    return rungs(_mp3_ladder(min_kbps, max_kbps))


def _pitch_ladder(min_semitones: float | None, max_semitones: float) -> Ladder:
    check_numbers(max_semitones=max_semitones)
    low = -max_semitones if min_semitones is None else min_semitones
    check_numbers(min_semitones=low)
    return Ladder.between(PitchShift, low / SEMITONES_PER_RUNG, max_semitones / SEMITONES_PER_RUNG)


def _tempo_ladder(min_rate: float, max_rate: float) -> Ladder:
    check_numbers(min_rate=min_rate, max_rate=max_rate)
    return Ladder.between(
        TempoShift, (min_rate - 1.0) / RATE_PER_RUNG, (max_rate - 1.0) / RATE_PER_RUNG
    )


def _pink_ladder(min_snr_db: float, max_snr_db: float) -> Ladder:
    return _noise_ladder(PinkNoise, min_snr_db, max_snr_db)


def _environmental_ladder(min_snr_db: float, max_snr_db: float, recording: str | None) -> Ladder:
    ladder = _noise_ladder(EnvironmentalNoise, min_snr_db, max_snr_db)
    if recording is not None and not (
        isinstance(recording, str | PathLike) and Path(recording).is_file()
    ):
        raise InvalidArgument(f"recording={recording!r} is no file")
    return ladder if recording is None else replace(ladder, options={"recording": recording})


def _noise_ladder(family: type[Transform], min_snr_db: float, max_snr_db: float) -> Ladder:
    check_numbers(min_snr_db=min_snr_db, max_snr_db=max_snr_db)
    return Ladder.between(
        family,
        (INAUDIBLE_SNR_DB - max_snr_db) / DB_PER_RUNG,
        (INAUDIBLE_SNR_DB - min_snr_db) / DB_PER_RUNG,
    )


def _mp3_ladder(min_kbps: int, max_kbps: int | None) -> Ladder:
    for name, value in (("min_kbps", min_kbps), ("max_kbps", max_kbps)):
        if value not in BITRATES and not (value is None and name == "max_kbps"):
            raise InvalidArgument(f"{name}={value!r} is no bitrate of MP3: {BITRATES}")
    mildest = 0.0 if max_kbps is None else MP3(max_kbps).severity
    return Ladder.between(MP3, mildest, MP3(min_kbps).severity)


#: Each family's own strategy, which has the keywords and their defaults, and its ladder of them.
PAPERS_OWN: dict[
    type[Transform], tuple[Callable[..., SearchStrategy[Transform]], Callable[..., Ladder]]
] = {
    PitchShift: (pitch_shifts, _pitch_ladder),
    TempoShift: (tempo_shifts, _tempo_ladder),
    PinkNoise: (pink_noises, _pink_ladder),
    EnvironmentalNoise: (environmental_noises, _environmental_ladder),
    MP3: (mp3s, _mp3_ladder),
}

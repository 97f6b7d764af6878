"""Hypothesis strategies for transformations, drawn as severities.

Magnitudes are drawn as integers on a family's ladder, 0 for the identity, so that shrinking ends
at the smallest breaking rung; ``floats()`` would end at a round number beyond it.
"""

from __future__ import annotations

import math
from functools import partial
from numbers import Real
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.errors import InvalidArgument

from pytest_nnrel.transforms import (
    FAMILIES,
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

__all__ = ["environmental_noises", "mp3s", "pink_noises", "pitch_shifts", "tempo_shifts"]

#: Bounds are met to this part of a rung, so that 0.3 is six rungs of 0.05.
_ROUNDING = 1e-6
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
    _check_numbers(max_semitones=max_semitones)
    low = -max_semitones if min_semitones is None else min_semitones
    _check_numbers(min_semitones=low)
    return _on_rungs(PitchShift, low / SEMITONES_PER_RUNG, max_semitones / SEMITONES_PER_RUNG)


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
    _check_numbers(min_rate=min_rate, max_rate=max_rate)
    return _on_rungs(TempoShift, (min_rate - 1.0) / RATE_PER_RUNG, (max_rate - 1.0) / RATE_PER_RUNG)


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
    return _noises(PinkNoise, min_snr_db, max_snr_db)


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
    noises = _noises(EnvironmentalNoise, min_snr_db, max_snr_db)
    if recording is None:
        return noises

    def with_recording(transform: Transform) -> Transform:
        if isinstance(transform, EnvironmentalNoise):
            return EnvironmentalNoise(transform.snr_db, recording=recording)
        return transform

    return noises.map(with_recording)


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
    for name, value in (("min_kbps", min_kbps), ("max_kbps", max_kbps)):
        if value not in BITRATES and not (value is None and name == "max_kbps"):
            raise InvalidArgument(f"{name}={value!r} is no bitrate of MP3: {BITRATES}")
    mildest = 0.0 if max_kbps is None else MP3(max_kbps).severity
    return _on_rungs(MP3, mildest, MP3(min_kbps).severity)


def _check_numbers(**bounds: object) -> None:
    for name, value in bounds.items():
        if not isinstance(value, Real) or isinstance(value, bool):
            raise InvalidArgument(f"{name}={value!r} is no number")


def _noises(
    family: type[Transform], min_snr_db: float, max_snr_db: float
) -> SearchStrategy[Transform]:
    _check_numbers(min_snr_db=min_snr_db, max_snr_db=max_snr_db)
    return _on_rungs(
        family,
        (INAUDIBLE_SNR_DB - max_snr_db) / DB_PER_RUNG,
        (INAUDIBLE_SNR_DB - min_snr_db) / DB_PER_RUNG,
    )


def _on_rungs(family: type[Transform], low: float, high: float) -> SearchStrategy[Transform]:
    """Generate the rungs between two severities, those nearest to 0 first in shrinking."""
    rungs = family.severities()
    bounds = f"{family.__name__} between severities {low:g} and {high:g}"
    if not (math.isfinite(low) and math.isfinite(high)):
        raise InvalidArgument(f"{bounds}: bounds must be finite")
    first, last = math.ceil(low - _ROUNDING), math.floor(high + _ROUNDING)
    if first > last:
        raise InvalidArgument(f"{bounds}: there is no rung; the bounds are out of order or narrow")
    if first < rungs[0] or last > rungs[-1]:
        raise InvalidArgument(f"{bounds}: the family has severities {rungs[0]} to {rungs[-1]}")
    return _rung(family, first, last)


@st.composite
def _rung(
    draw: Callable[[SearchStrategy[int]], int], family: type[Transform], first: int, last: int
) -> Transform:
    # Composed rather than mapped, so that a failure shows PitchShift(...), not a severity.
    return family.from_severity(draw(st.integers(first, last)))


_STRATEGIES: dict[type[Transform], Callable[..., SearchStrategy[Transform]]] = {
    PitchShift: pitch_shifts,
    TempoShift: tempo_shifts,
    PinkNoise: pink_noises,
    EnvironmentalNoise: environmental_noises,
    MP3: mp3s,
}


def _is_of(family: type[Transform], transform: Transform) -> bool:
    return isinstance(transform, family)


def _register() -> None:
    """Tell Hypothesis how to generate transformations, and of the profile ``nnrel``."""
    for family in FAMILIES:
        # The identity belongs to every ladder, but a test that asks for a family wants one.
        st.register_type_strategy(family, _STRATEGIES[family]().filter(partial(_is_of, family)))
    st.register_type_strategy(Transform, st.one_of(*(make() for make in _STRATEGIES.values())))
    settings.register_profile("nnrel", deadline=None, suppress_health_check=[HealthCheck.too_slow])


# Hypothesis imports this module when it is imported itself (the entry point names the module, not
# a function, since that import may also start here), so registering is a part of importing.
_register()

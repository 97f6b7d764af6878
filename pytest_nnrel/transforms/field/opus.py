"""Opus, the codec of calls and of streaming."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pytest_nnrel.transforms.codecs import LossyCodec

#: The rate that Opus works at, in Hz: all others are resampled to it (RFC 6716, section 2).
_RATE = 48_000
#: Configurations below are of SILK in narrow band (RFC 6716, table 2), below some 10 kb/s. Its
#: resampler from 8 kHz delays by more than the header says, measured: in samples at `_RATE`.
_NOT_NARROW = 4
_NARROW_DELAY = 6


@dataclass(frozen=True)
class Opus(LossyCodec):
    """Encode to Opus at a constant bitrate and decode again; by libopus, for music.

    Parameters
    ----------
    kbps : float
        Bitrate in kb/s, from 6 to 256, the most for one channel.

    Raises
    ------
    MagnitudeError
        For other values.
    EngineError
        When applied without PyAV, which the extra ``formats`` brings.
    """

    kbps: float

    ladder: ClassVar[tuple[float, ...]] = (
        256, 192, 160, 128, 96, 80, 64, 48, 40, 32, 24, 20, 16, 12, 10, 8, 6,
    )  # fmt: skip
    points: ClassVar[tuple[float, ...]] = (128, 24, 6)
    codec: ClassVar[str] = "libopus"
    container: ClassVar[str] = "ogg"
    sample_format: ClassVar[str] = "flt"
    options: ClassVar[dict[str, str]] = {"vbr": "off", "application": "audio"}

    def _coded_rate(self, sample_rate: int) -> int:
        return _RATE

    def _delay(self, packets: list[bytes]) -> int:
        narrow = sum(packet[0] >> 3 < _NOT_NARROW for packet in packets)
        return _NARROW_DELAY if 2 * narrow > len(packets) else 0

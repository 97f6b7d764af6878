"""AAC, the codec of films and of most shops."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from pytest_nnrel.errors import TransformError
from pytest_nnrel.transforms.codecs import LossyCodec

if TYPE_CHECKING:
    from pytest_nnrel.transforms.protocol import Transform

#: Sample rates of AAC, in Hz (ISO 14496-3, table 1.18).
_RATES = (
    7_350, 8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 64_000, 88_200,
    96_000,
)  # fmt: skip
#: Most bits for a sample of one channel: 6,144 for a frame of 1,024 (ISO 14496-3, 4.5.3).
_MOST_BITS = 6
#: Least bitrates that FFmpeg's encoder reaches, in kb/s, up to sample rates in Hz.
_LEAST_KBPS = ((16_000, 8), (32_000, 12), (96_000, 16))


@dataclass(frozen=True)
class AAC(LossyCodec):
    """Encode to AAC (low complexity) and decode again; by FFmpeg's own encoder.

    Parameters
    ----------
    kbps : float
        Bitrate in kb/s, from 8 to 256. Which of them can be had depends on the sample rate: the
        others are the nearest that can, see `condition`. What needs less, is coded in less.

    Raises
    ------
    MagnitudeError
        For other values.
    TransformError
        When applied at a sample rate that AAC does not have.
    EngineError
        When applied without PyAV, which the extra ``formats`` brings.
    """

    kbps: float

    ladder: ClassVar[tuple[float, ...]] = (
        256, 192, 160, 128, 112, 96, 80, 64, 56, 48, 40, 32, 24, 20, 16, 12, 8,
    )  # fmt: skip
    points: ClassVar[tuple[float, ...]] = (96, 32, 12)
    codec: ClassVar[str] = "aac"
    container: ClassVar[str] = "mp4"
    sample_format: ClassVar[str] = "fltp"

    def condition(self, sample_rate: int) -> Transform:
        """Return the bitrate that is coded at a sample rate.

        Raises
        ------
        TransformError
            If AAC does not exist at that rate.
        """
        self._coded_rate(sample_rate)
        least = next(kbps for limit, kbps in _LEAST_KBPS if sample_rate <= limit)
        most = _MOST_BITS * sample_rate // 1000
        return AAC(min(max(self.kbps, least), most))

    def _coded_rate(self, sample_rate: int) -> int:
        if sample_rate not in _RATES:
            rates = ", ".join(f"{rate:,}" for rate in _RATES)
            raise TransformError(
                f"AAC exists at {rates} Hz, not at {sample_rate:,} Hz; give the corpus one of these"
                " sample rates"
            )
        return sample_rate

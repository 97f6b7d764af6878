"""MP3 at a constant bitrate, by LAME, aligned to the sample."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from pytest_nnrel.errors import MagnitudeError, TransformError
from pytest_nnrel.runtime.scalars import is_real
from pytest_nnrel.runtime.versions import library_version
from pytest_nnrel.transforms.full_scale import to_pcm16
from pytest_nnrel.transforms.lag import lag_between
from pytest_nnrel.transforms.protocol import Transform

if TYPE_CHECKING:
    import numpy as np

    from pytest_nnrel.corpus.audio import Samples
    from pytest_nnrel.transforms.output import Checks

#: Bitrates of Layer III in kb/s, by MPEG version (ISO 11172-3, 13818-3). LAME stops at 64 in 2.5.
_MPEG1 = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_MPEG2 = (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_MPEG25 = tuple(rate for rate in _MPEG2 if rate <= 64)
_REACHABLE = {
    **dict.fromkeys((32_000, 44_100, 48_000), _MPEG1),
    **dict.fromkeys((16_000, 22_050, 24_000), _MPEG2),
    **dict.fromkeys((8_000, 11_025, 12_000), _MPEG25),
}
BITRATES = tuple(sorted({*_MPEG1, *_MPEG2}))

#: LAME's algorithmic quality, as ffmpeg's libmp3lame asks for by default.
_QUALITY = 3
#: Delay of encoder (576 samples) and decoder (529), which lameenc writes no tag to remove.
_CODEC_DELAY = 1105
_REINSTALL = "install another version of lameenc or libsndfile"


@dataclass(frozen=True)
class MP3(Transform):
    """Encode to MP3 and decode again (the paper's MP).

    Parameters
    ----------
    kbps : int
        Constant bitrate in kb/s, one of `BITRATES`. Which of them can be had depends on the
        sample rate: the others are the nearest that can, see `condition`.

    Raises
    ------
    MagnitudeError
        For other values.
    """

    kbps: int

    symbol: ClassVar[str] = "MP"
    unit: ClassVar[str] = "kb/s"
    identity: ClassVar[float] = float("inf")
    ladder: ClassVar[tuple[float, ...]] = BITRATES[::-1]

    def __post_init__(self) -> None:
        known: Any = self.kbps
        if not is_real(known) or known not in BITRATES:
            rates = ", ".join(map(str, BITRATES))
            raise MagnitudeError(f"MP3(kbps=...) takes a bitrate of MP3: {rates}; not {known!r}")
        object.__setattr__(self, "kbps", int(known))

    def condition(self, sample_rate: int) -> MP3:
        """Return the bitrate that LAME really uses at a sample rate.

        Raises
        ------
        TransformError
            If MP3 does not exist at that rate.
        """
        if sample_rate not in _REACHABLE:
            rates = ", ".join(f"{rate:,}" for rate in sorted(_REACHABLE))
            raise TransformError(
                f"MP3 exists at {rates} Hz, not at {sample_rate:,} Hz; give the corpus one of these"
                " sample rates"
            )
        reachable = _REACHABLE[sample_rate]
        return MP3(min(reachable, key=lambda rate: (abs(rate - self.kbps), rate)))

    def _engine_recipe(self) -> dict[str, object]:
        import soundfile

        return {
            "lameenc": library_version("lameenc"),
            "quality": _QUALITY,
            "decoder": soundfile.__libsndfile_version__,
        }

    def render(
        self, samples: Samples, sample_rate: int, rng: np.random.Generator
    ) -> tuple[Samples, Checks]:
        import io

        import lameenc
        import numpy as np
        import soundfile

        kbps = self.condition(sample_rate).kbps
        encoder = lameenc.Encoder()
        encoder.set_bit_rate(kbps)
        encoder.set_in_sample_rate(sample_rate)
        encoder.set_out_sample_rate(sample_rate)
        encoder.set_channels(1)
        encoder.set_quality(_QUALITY)
        encoder.silence()
        pcm, scale = to_pcm16(samples)
        coded = bytes(encoder.encode(pcm.tobytes())) + bytes(encoder.flush())
        decoded, rate = soundfile.read(io.BytesIO(coded), dtype="float32")
        out = decoded[_CODEC_DELAY : _CODEC_DELAY + len(samples)]
        if rate != sample_rate or len(out) != len(samples):
            raise TransformError(
                f"the codec returned {len(out)} samples at {rate} Hz instead of {len(samples)} at"
                f" {sample_rate} Hz; {_REINSTALL}"
            )
        lag = lag_between(samples, out)
        if lag:
            raise TransformError(f"the codec's output lags by {lag} samples; {_REINSTALL}")
        return out * np.float32(scale), {"kbps": float(kbps), "lag": float(lag)}

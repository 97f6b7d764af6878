"""A telephone call."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from pytest_nnrel.errors import MagnitudeError, TransformError
from pytest_nnrel.transforms.filters import cut_off
from pytest_nnrel.transforms.full_scale import within_full_scale
from pytest_nnrel.transforms.lag import lag_between
from pytest_nnrel.transforms.protocol import Transform

if TYPE_CHECKING:
    import numpy as np

    from pytest_nnrel.corpus.audio import Samples
    from pytest_nnrel.transforms.output import Checks

#: Sample rate and band of telephony, in Hz (ITU-T G.711, G.712).
_RATE = 8_000
_BAND = (300.0, 3_400.0)
#: libsndfile's names of G.711's mu-law and of GSM 06.10 full rate.
_LANDLINE = "ULAW"
_MOBILE = "GSM610"


@dataclass(frozen=True)
class Telephone(Transform):
    """Send through a telephone network: 300 to 3,400 Hz, 8 kHz, and the codec of each leg.

    Parameters
    ----------
    legs : int
        From 0 to 5. The first is a landline (mu-law, 64 kb/s), each further one is mobile
        (GSM 06.10 full rate, 13 kb/s), coded anew: 2 is a call from a mobile telephone, 3 one
        between two.

    Raises
    ------
    MagnitudeError
        For other values.
    """

    legs: int = 1

    unit: ClassVar[str] = "legs"
    identity: ClassVar[float] = 0.0
    ladder: ClassVar[tuple[float, ...]] = (1, 2, 3, 4, 5)
    points: ClassVar[tuple[float, ...]] = (1, 2, 4)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.legs != int(self.legs):
            raise MagnitudeError(f"Telephone(legs=...) takes whole legs, not {self.legs!r}")
        object.__setattr__(self, "legs", int(self.legs))

    def _engine_recipe(self) -> dict[str, object]:
        import soundfile

        return {"codecs": soundfile.__libsndfile_version__}

    def render(
        self, samples: Samples, sample_rate: int, rng: np.random.Generator
    ) -> tuple[Samples, Checks]:
        import numpy as np

        from pytest_nnrel.corpus.audio import resample

        narrow = resample(samples, sample_rate, _RATE)
        low, high = _BAND
        narrow = cut_off(cut_off(narrow, low, _RATE, "highpass"), high, _RATE, "lowpass")
        line, scale = within_full_scale(narrow)
        for leg in range(self.legs):
            line = _coded(line, _MOBILE if leg else _LANDLINE)
        lag = lag_between(narrow, line)
        if lag:
            raise TransformError(
                f"the codecs' output lags by {lag} samples; install another version of libsndfile"
            )
        length = math.ceil(len(samples) * _RATE / sample_rate) + 1
        line = np.pad(line, (0, max(length - len(line), 0)))
        out = resample(line * np.float32(scale), _RATE, sample_rate)[: len(samples)]
        return out, {"lag": float(lag)}


def _coded(samples: Samples, codec: str) -> Samples:
    """Encode and decode float32[n] at `_RATE`."""
    import io

    import numpy as np
    import soundfile

    file = io.BytesIO()
    soundfile.write(file, samples, _RATE, format="WAV", subtype=codec)
    file.seek(0)
    decoded, _ = soundfile.read(file, dtype="float32")
    return np.asarray(decoded[: len(samples)], dtype=np.float32)

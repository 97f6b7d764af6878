"""Additive noise at a signal-to-noise ratio: pink noise, and a recording of an environment."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from pytest_nnrel.errors import TransformError
from pytest_nnrel.transforms.ladders import even_steps
from pytest_nnrel.transforms.protocol import Transform

if TYPE_CHECKING:
    import numpy as np

    from pytest_nnrel.corpus.audio import Samples
    from pytest_nnrel.corpus.hashed import HashedFile
    from pytest_nnrel.transforms.output import Checks

#: The ladder of severities goes down from here, half a decibel a rung.
INAUDIBLE_SNR_DB = 60.0
DB_PER_RUNG = 0.5
#: Deviation of the reached from the asked signal-to-noise ratio that rounding explains.
SNR_TOLERANCE_DB = 0.01
#: Attribute of an instance, beside its fields, that keeps its recording's state.
_HASHED = "_hashed_recording"
_SINCE = "EnvironmentalNoise first read it; make the transformation"


class AdditiveNoise(Transform):
    """What additive noises share: the ratio, and the ladder."""

    snr_db: float

    unit: ClassVar[str] = "dB SNR"
    identity: ClassVar[float] = float("inf")
    ladder: ClassVar[tuple[float, ...]] = even_steps(
        INAUDIBLE_SNR_DB - DB_PER_RUNG, -30.0, -DB_PER_RUNG
    )

    @abstractmethod
    def _noise(self, length: int, sample_rate: int, rng: np.random.Generator) -> Samples:
        """Return noise of any level: float[length]."""

    def render(
        self, samples: Samples, sample_rate: int, rng: np.random.Generator
    ) -> tuple[Samples, Checks]:
        import math

        import numpy as np

        from pytest_nnrel.corpus.audio import rms

        noise = self._noise(len(samples), sample_rate, rng)
        signal_rms, noise_rms = rms(samples), rms(noise)
        if signal_rms == 0.0 or noise_rms == 0.0:
            silent = "clip" if signal_rms == 0.0 else "noise"
            raise TransformError(
                f"the {silent} is silent, so no signal-to-noise ratio exists; use another {silent}"
            )
        gain = signal_rms / noise_rms * 10.0 ** (-self.snr_db / 20.0)
        out = (samples.astype(np.float64) + gain * noise).astype(np.float32)
        reached = 20.0 * math.log10(signal_rms / rms(out.astype(np.float64) - samples))
        if not abs(reached - self.snr_db) <= SNR_TOLERANCE_DB:
            raise TransformError(f"reached {reached:.3f} dB SNR instead of {self.snr_db:g} dB")
        return out, {"snr_db": reached}


@dataclass(frozen=True)
class PinkNoise(AdditiveNoise):
    """Add 1/f noise (the paper's PN).

    Parameters
    ----------
    snr_db : float
        Ratio of the RMS of clip and noise, from -30 to 59.5 dB.

    Raises
    ------
    MagnitudeError
        For other values.
    """

    snr_db: float

    symbol: ClassVar[str] = "PN"

    def _noise(self, length: int, sample_rate: int, rng: np.random.Generator) -> Samples:
        return pink_noise(length, rng)


def pink_noise(length: int, rng: np.random.Generator) -> Samples:
    """Return Gaussian noise whose power density falls as 1/f, by shaping a white spectrum.

    Parameters
    ----------
    length : int
    rng : Generator

    Returns
    -------
    float32[length]
        Of unit RMS in expectation, up to a factor; without a constant component.
    """
    import numpy as np
    from scipy.fft import irfft, next_fast_len

    size = next_fast_len(length, real=True)
    bins = size // 2 + 1
    spectrum = rng.standard_normal(bins) + 1j * rng.standard_normal(bins)
    spectrum[0] = 0.0
    spectrum[1:] /= np.sqrt(np.arange(1, bins))
    return np.asarray(irfft(spectrum, n=size)[:length], dtype=np.float32)


@dataclass(frozen=True)
class EnvironmentalNoise(AdditiveNoise):
    """Add a random crop of a recorded environment (the paper's EN: a bar).

    Parameters
    ----------
    snr_db : float
        Ratio of the RMS of clip and noise, from -30 to 59.5 dB.
    recording : str, optional
        Audio file to crop from; the bundled ambience where omitted. It is looped where it is
        shorter than the clip.

    Raises
    ------
    MagnitudeError
        For other values.
    CorpusError
        When applied, if the recording cannot be read, or is not the file any more that it was when
        this transformation was first used.
    """

    snr_db: float
    recording: str | None = None

    symbol: ClassVar[str] = "EN"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.recording is not None:
            object.__setattr__(self, "recording", str(self.recording))

    def _engine_recipe(self) -> dict[str, object]:
        return {"recording": self._hashed().content}

    def _hashed(self) -> HashedFile:
        """Return the recording as it was when this transformation first looked at it.

        Once for good, and taken along to other processes: what is rendered later is stored under
        the content that the recipe told.
        """
        from pytest_nnrel.corpus.decoding import probe_open
        from pytest_nnrel.corpus.hashed import HashedFile

        known: HashedFile | None = vars(self).get(_HASHED)
        if known is None:
            with HashedFile.opened(self._path(), _SINCE) as (hashed, file):
                probe_open(hashed.path, file)
            known = vars(self).setdefault(_HASHED, hashed)  # the first of several threads
        return known

    def _path(self) -> Path:
        if self.recording is None:
            return Path(str(resources.files("pytest_nnrel"))) / "data" / "ambience.ogg"
        return Path(self.recording)

    def _noise(self, length: int, sample_rate: int, rng: np.random.Generator) -> Samples:
        import numpy as np

        ambience = _decoded(self._hashed(), sample_rate)
        start = int(rng.integers(len(ambience)))
        return np.take(ambience, np.arange(start, start + length), mode="wrap")


@lru_cache(maxsize=8)
def _decoded(recording: HashedFile, sample_rate: int) -> Samples:
    from pytest_nnrel.corpus.audio import resample
    from pytest_nnrel.corpus.decoding import decode_open

    with recording.reopened() as file:
        mix = decode_open(recording.path, file)
    return resample(mix.samples, mix.sample_rate, sample_rate)

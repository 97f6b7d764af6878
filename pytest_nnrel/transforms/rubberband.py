"""Pitch shift and tempo shift, by the Rubber Band library or, where asked, by librosa.

Engines are never exchanged for one another silently: the engine is a part of the transformation,
and its version and options are a part of every cache key and report.
"""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, ClassVar

from pytest_nnrel.errors import EngineError, MagnitudeError
from pytest_nnrel.runtime.versions import library_version
from pytest_nnrel.transforms.full_scale import to_pcm16
from pytest_nnrel.transforms.ladders import even_steps
from pytest_nnrel.transforms.loading import load_pedalboard
from pytest_nnrel.transforms.protocol import Transform

if TYPE_CHECKING:
    import numpy as np

    from pytest_nnrel.corpus.audio import Samples
    from pytest_nnrel.transforms.output import Checks

#: ``rubberband``: the library inside pedalboard (GPLv3), its R2 engine with the command line
#: tool's options and 16-bit rounding. ``pyrubberband``: the paper's call, which runs the command
#: line tool. ``librosa``: a phase vocoder without a copyleft licence.
ENGINES = ("rubberband", "pyrubberband", "librosa")

#: One rung of the pitch ladder, in semitones (5 cents, near the just noticeable difference).
SEMITONES_PER_RUNG = 0.05
#: One rung of the tempo ladder, as a change of rate.
RATE_PER_RUNG = 0.01


class _Stretch(Transform):
    """What pitch and tempo shifts share: the engine."""

    engine: str

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.engine not in ENGINES:
            raise MagnitudeError(f"engine must be one of {', '.join(ENGINES)}, not {self.engine!r}")

    def _engine_recipe(self) -> dict[str, object]:
        return {"engine": self.engine, **_engine_versions(self.engine)}

    def _stretch(
        self, samples: Samples, sample_rate: int, *, semitones: float, rate: float
    ) -> tuple[Samples, Checks]:
        out, checks = _STRETCHERS[self.engine](samples, sample_rate, semitones, rate)
        return out, {"length": float(len(out)), **checks}


@dataclass(frozen=True)
class PitchShift(_Stretch):
    """Shift the pitch and keep the tempo (the paper's PS).

    Parameters
    ----------
    semitones : float
        From -24 to 24.
    engine : {"rubberband", "pyrubberband", "librosa"}
        See `ENGINES`.

    Raises
    ------
    MagnitudeError
        For other values.
    EngineError
        When applied where the engine cannot be loaded.
    """

    semitones: float
    engine: str = ENGINES[0]

    symbol: ClassVar[str] = "PS"
    unit: ClassVar[str] = "semitones"
    identity: ClassVar[float] = 0.0
    ladder: ClassVar[tuple[float, ...]] = even_steps(SEMITONES_PER_RUNG, 24.0, SEMITONES_PER_RUNG)
    negative_ladder: ClassVar[tuple[float, ...]] = tuple(-semitones for semitones in ladder)

    def render(
        self, samples: Samples, sample_rate: int, rng: np.random.Generator
    ) -> tuple[Samples, Checks]:
        return self._stretch(samples, sample_rate, semitones=self.semitones, rate=1.0)


@dataclass(frozen=True)
class TempoShift(_Stretch):
    """Shift the tempo and keep the pitch (the paper's TS).

    Parameters
    ----------
    rate : float
        Playback rate from 0.25 to 4; 2 is twice as fast and half as long.
    engine : {"rubberband", "pyrubberband", "librosa"}
        See `ENGINES`.

    Raises
    ------
    MagnitudeError
        For other values.
    EngineError
        When applied where the engine cannot be loaded.
    """

    rate: float
    engine: str = ENGINES[0]

    symbol: ClassVar[str] = "TS"
    unit: ClassVar[str] = "rate"
    identity: ClassVar[float] = 1.0
    ladder: ClassVar[tuple[float, ...]] = even_steps(1.0 + RATE_PER_RUNG, 4.0, RATE_PER_RUNG)
    negative_ladder: ClassVar[tuple[float, ...]] = even_steps(
        1.0 - RATE_PER_RUNG, 0.25, -RATE_PER_RUNG
    )

    def length(self, samples: int) -> int:
        return round(samples / self.rate)

    def render(
        self, samples: Samples, sample_rate: int, rng: np.random.Generator
    ) -> tuple[Samples, Checks]:
        return self._stretch(samples, sample_rate, semitones=0.0, rate=self.rate)


@cache
def _engine_versions(engine: str) -> dict[str, object]:
    if engine == "rubberband":
        return {
            "pedalboard": library_version("pedalboard"),
            "options": "R2, crisp, formants not kept, 16-bit in and out",
        }
    if engine == "librosa":
        return {"librosa": library_version("librosa"), "soxr": library_version("soxr")}
    binary = _rubberband_binary()
    shown = subprocess.run([binary, "--version"], capture_output=True, text=True, check=False)
    return {
        "pyrubberband": library_version("pyrubberband"),
        "rubberband": (shown.stdout + shown.stderr).strip(),
    }


def _rubberband_binary() -> str:
    binary = shutil.which("rubberband")
    if binary is None:
        raise EngineError(
            'engine="pyrubberband" runs the command line tool "rubberband", which is not on the'
            " PATH; install it (Debian: rubberband-cli), or use the default engine, the same"
            " library inside pedalboard"
        )
    return binary


def _by_pedalboard(
    samples: Samples, sample_rate: int, semitones: float, rate: float
) -> tuple[Samples, Checks]:
    import numpy as np

    time_stretch = load_pedalboard().time_stretch
    # The command line tool reads and writes 16-bit files. With the same rounding this equals
    # pyrubberband to one quantisation step, and without it R2 mistunes noiseless tones.
    pcm, scale = to_pcm16(samples)
    out = time_stretch(
        pcm.astype(np.float32) / np.float32(32768.0),
        float(sample_rate),
        stretch_factor=rate,
        pitch_shift_in_semitones=semitones,
        high_quality=False,
        preserve_formants=False,
    )[0].astype(np.float64)
    scaled = np.rint(out * 32767.0)
    clipped = int(np.count_nonzero((scaled < -32768.0) | (scaled > 32767.0)))
    out = np.clip(scaled, -32768.0, 32767.0) / 32768.0 * scale
    return out.astype(np.float32), {"clipped_samples": float(clipped)}


def _by_pyrubberband(
    samples: Samples, sample_rate: int, semitones: float, rate: float
) -> tuple[Samples, Checks]:
    import numpy as np

    try:
        import pyrubberband
    except ImportError as error:
        raise EngineError(
            'engine="pyrubberband" needs pyrubberband: pip install "pytest-nnrel[paper]"'
        ) from error
    _rubberband_binary()
    _, scale = to_pcm16(samples)
    within = samples / np.float32(scale)
    if semitones:
        out = pyrubberband.pitch_shift(within, sample_rate, semitones)
    else:
        out = pyrubberband.time_stretch(within, sample_rate, rate)
    return np.asarray(out * scale, dtype=np.float32), {}


def _by_librosa(
    samples: Samples, sample_rate: int, semitones: float, rate: float
) -> tuple[Samples, Checks]:
    import librosa
    import numpy as np

    if semitones:
        out = librosa.effects.pitch_shift(samples, sr=sample_rate, n_steps=semitones)
    else:
        out = librosa.effects.time_stretch(samples, rate=rate)
    return np.asarray(out, dtype=np.float32), {}


_STRETCHERS = {
    "rubberband": _by_pedalboard,
    "pyrubberband": _by_pyrubberband,
    "librosa": _by_librosa,
}

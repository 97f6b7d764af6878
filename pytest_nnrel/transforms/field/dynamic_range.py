"""A compressor, as before broadcasts and in telephones."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from pytest_nnrel.runtime.versions import library_version
from pytest_nnrel.transforms.loading import load_pedalboard
from pytest_nnrel.transforms.protocol import Transform

if TYPE_CHECKING:
    import numpy as np

    from pytest_nnrel.corpus.audio import Samples

#: The threshold below the clip's RMS, so that what is loud and what is middling is compressed.
_THRESHOLD_DB = -20.0
#: How fast it turns down and up again: usual for music.
_ATTACK_MS = 5.0
_RELEASE_MS = 100.0
#: Rungs while the ratio doubles.
_RUNGS = 4


@dataclass(frozen=True)
class DynamicRange(Transform):
    """Compress the dynamic range above a threshold, 20 dB below the clip's RMS.

    Parameters
    ----------
    ratio : float
        By how many dB the input must grow for one more of output, from 1 to 32.

    Raises
    ------
    MagnitudeError
        For other values.
    EngineError
        When applied where pedalboard cannot be loaded.
    """

    ratio: float

    unit: ClassVar[str] = "to 1"
    identity: ClassVar[float] = 1.0
    ladder: ClassVar[tuple[float, ...]] = tuple(
        round(2.0 ** (rung / _RUNGS), 3) for rung in range(1, 5 * _RUNGS + 1)
    )
    points: ClassVar[tuple[float, ...]] = (1.5, 4, 20)

    def _engine_recipe(self) -> dict[str, object]:
        return {"pedalboard": library_version("pedalboard")}

    def render(self, samples: Samples, sample_rate: int, rng: np.random.Generator) -> Samples:
        import numpy as np

        from pytest_nnrel.corpus.audio import rms

        level = rms(samples)
        if level == 0.0:
            return samples
        compressor = load_pedalboard().Compressor(
            threshold_db=20.0 * math.log10(level) + _THRESHOLD_DB,
            ratio=self.ratio,
            attack_ms=_ATTACK_MS,
            release_ms=_RELEASE_MS,
        )
        return np.asarray(compressor(samples[None], float(sample_rate))[0], dtype=np.float32)

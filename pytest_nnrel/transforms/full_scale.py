"""What a step of limited range is given, so that it clips nothing of a clip that is too loud."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    from pytest_nnrel.corpus.audio import Samples


def within_full_scale(samples: Samples) -> tuple[Samples, float]:
    """Scale down what exceeds ±1, for a step that would clip it.

    Returns
    -------
    within : float32[n]
    scale : float
        What to multiply by afterwards: 1 where nothing exceeds full scale. The step is the
        transformation's, and a clip that was too loud for it is not to be damaged by it.
    """
    import numpy as np

    scale = _scale_of(samples)
    return samples / np.float32(scale), scale


def to_pcm16(samples: Samples) -> tuple[np.ndarray[Any, np.dtype[np.int16]], float]:
    """Quantise to 16 bits by flooring, as libsndfile does; what exceeds ±1 is scaled down first.

    Returns
    -------
    pcm : int16[n]
    scale : float
        As of `within_full_scale`.
    """
    import numpy as np

    scale = _scale_of(samples)
    scaled = np.floor(samples.astype(np.float64) / scale * 32768.0)
    return np.clip(scaled, -32768.0, 32767.0).astype(np.int16), scale


def _scale_of(samples: Samples) -> float:
    import numpy as np

    return max(1.0, float(np.abs(samples).max(initial=0.0)))

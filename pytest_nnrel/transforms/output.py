"""What a transformation gives, checked, and brought back to the loudness of the original.

Standard library only at import.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from pytest_nnrel.errors import TransformError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from pytest_nnrel.corpus import Clip
    from pytest_nnrel.corpus.audio import Samples

    #: What a transformation verified about its own output: lengths in samples, levels in dB.
    Checks = dict[str, float]

#: Deviation of the restored loudness that is still called restored, in LU (EBU Tech 3341: ±0.1).
LOUDNESS_TOLERANCE = 0.1
#: Deviation at which no further gain is tried, and gains that are.
_LOUDNESS_REACHED = 1e-9
_GAIN_STEPS = 16
#: Shortest output, of a clip that is longer: the step by which loudness is measured.
_LEAST_SECONDS = 0.1


def signal_of(out: Any) -> Samples:  # noqa: ANN401
    """Return what a transformation gives as float32[m].

    Raises
    ------
    TransformError
        If it is no mono signal of finite floats.
    """
    import numpy as np

    samples = np.asarray(out)
    if samples.ndim != 1 or samples.dtype.kind != "f" or len(samples) == 0:
        raise TransformError(
            "the output must be a mono float array of shape (n,), not"
            f" {samples.dtype}{list(samples.shape)}"
        )
    with np.errstate(over="ignore"):  # becomes infinite, which is told next
        samples = samples.astype(np.float32, copy=False)
    if not np.isfinite(samples).all():
        raise TransformError("the output holds NaN or infinite samples; return finite ones")
    return samples


def check_length(samples: Samples, clip: Clip) -> None:
    """Check that of a clip not nearly all is gone.

    Raises
    ------
    TransformError
        If less is left than loudness can be measured of.
    """
    if len(samples) < _LEAST_SECONDS * clip.sample_rate <= len(clip.samples):
        raise TransformError(
            f"the output has {len(samples)} samples of {len(clip.samples)}, less than"
            f" {_LEAST_SECONDS} s; return the whole clip"
        )


def restore_loudness(samples: Samples, clip: Clip) -> tuple[Samples, Checks]:
    """Bring samples to the integrated loudness of a clip; a silent clip is left as it is.

    Returns
    -------
    samples : float32[m]
    checks : dict
        The gain in dB and, where there is one, what is left of the deviation in LU.

    Raises
    ------
    TransformError
        If the output is silent, or no gain reaches that loudness.
    """
    import numpy as np

    from pytest_nnrel.corpus.audio import block_powers

    target = clip.loudness
    if not math.isfinite(target):
        return samples, {"loudness_gain_db": 0.0}
    gain, deviation = loudness_gain(block_powers(samples, clip.sample_rate), target)
    if not math.isfinite(deviation):
        raise TransformError(
            "the output is silent (nothing above -70 LUFS), so that its loudness cannot be"
            " restored; use a milder magnitude, or leave the clip out"
        )
    if not abs(deviation) <= LOUDNESS_TOLERANCE:
        raise TransformError(
            f"loudness could not be restored: it is off by {deviation:.2f} LU, as parts of the clip"
            " are near silence; leave the clip out"
        )
    restored = np.multiply(samples, 10.0 ** (gain / 20.0), dtype=np.float64).astype(np.float32)
    return restored, {"loudness_gain_db": gain, "loudness_deviation_lu": deviation}


def loudness_gain(powers: npt.NDArray[np.float64], target: float) -> tuple[float, float]:
    """Return the gain that brings a signal to a loudness.

    Parameters
    ----------
    powers : float64[blocks]
        Of its gating blocks.
    target : float
        In LUFS.

    Returns
    -------
    gain : float
        In dB; 0 where the signal is silent.
    deviation : float
        What is left of it, in LU; infinite where the signal is silent.
    """
    from pytest_nnrel.corpus.audio import integrated_loudness

    gain, deviation = 0.0, integrated_loudness(powers) - target
    if not math.isfinite(deviation):
        return gain, deviation
    # Which blocks pass the absolute gate depends on the gain, so that one step may miss.
    for _ in range(_GAIN_STEPS):
        gain -= deviation
        deviation = integrated_loudness(powers * 10.0 ** (gain / 10.0)) - target
        if abs(deviation) <= _LOUDNESS_REACHED:
            break
    return gain, deviation

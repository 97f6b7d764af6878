"""How late an engine's output is, measured on noise, and its output brought back into time."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_nnrel.corpus.audio import Samples

    #: What an engine makes of samples; the number is the seed of whatever it draws.
    Process = Callable[[Samples, int], Samples]

#: Length of the noise that is sent through, and the largest latency that is looked for.
_PROBE_SECONDS = 1.0
_REACH_SECONDS = 0.2
#: Less is the delay of a filter, which belongs to it.
_LEAST_SECONDS = 0.001
#: RMS of the noise, as loud as music.
_PROBE_LEVEL = 0.1


def latency_of(process: Process, sample_rate: int) -> int:
    """Measure by how many samples the output of an engine lags behind its input.

    Two noises must agree: what delays each differently, as a pitch shifter or a random shift does,
    has no latency to be corrected; neither has what shortens.

    Parameters
    ----------
    process : callable
    sample_rate : int
        In Hz.

    Returns
    -------
    int
        0 below 1 ms or beyond 200 ms; negative where the output is early.
    """
    import numpy as np

    from pytest_nnrel.transforms.lag import lag_between
    from pytest_nnrel.transforms.noise import pink_noise

    lags = set()
    for seed in range(2):
        probe = pink_noise(round(_PROBE_SECONDS * sample_rate), np.random.default_rng(seed))
        probe *= np.float32(_PROBE_LEVEL / np.std(probe))
        out = np.asarray(process(probe.copy(), seed))
        if out.ndim != 1 or len(out) < len(probe) or not np.isfinite(out).all():
            return 0  # told as what is wrong with it, if it is wrong, when a clip is transformed
        reach = round(_REACH_SECONDS * sample_rate)
        lags.add(lag_between(probe, out[: len(probe)].astype(np.float32), reach=reach))
    (lag, *others) = lags
    return 0 if others or abs(lag) < _LEAST_SECONDS * sample_rate else lag


def in_time(process: Callable[[Samples], Samples], samples: Samples, latency: int) -> Samples:
    """Return an engine's output without its latency, as long as its input.

    Parameters
    ----------
    process : callable
    samples : float32[n]
    latency : int
        In samples, as `latency_of` measures it.
    """
    import numpy as np

    if not latency:
        return process(samples)
    late, early = max(latency, 0), max(-latency, 0)
    out = process(np.pad(samples, (early, late)))
    return out[late : late + len(samples)]

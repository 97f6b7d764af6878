"""Which axis of an output follows time: found by running a model on audio that was changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_nnrel.encoders.global_rngs import global_rngs_seeded

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from pytest_nnrel.corpus.audio import Samples

    Frames = npt.NDArray[np.floating[Any]]

#: Deviation, relative to the largest value, that is rounding.
_ROUNDING = 1e-5
#: Shares of a window that are left as they are, while the rest is changed: several, as some models
#: hear its beginning only.
_KEPT = (0.5, 0.25, 0.125)
#: Between which shares of the frames that hear audio a change may begin, to be one within it.
_EARLIEST, _LATEST = 0.25, 0.75
_AXES = (1, 2)


def time_axis(run: Callable[[Samples], Frames], batch: Samples) -> int | None:
    """Return the axis that holds frames over time.

    Half the length changes how many frames there are. Models with one length pad or raise; of
    these, another end of the window leaves the first frames alone, if a frame hears its
    surroundings only.

    Parameters
    ----------
    run : callable
        Maps ``float32[n, samples]`` to ``float[n, a, b]``, or raises.
    batch : float32[n, samples]

    Returns
    -------
    1, 2 or None
        None where neither tells, or both axes follow time.
    """
    whole = _frames(run, batch)
    if whole is None:
        return None
    half = _frames(run, batch[:, : batch.shape[1] // 2])
    if half is not None:
        following = [axis for axis in _AXES if half.shape[axis] != whole.shape[axis]]
        if following:
            return following[0] if len(following) == 1 else None
    for share in _KEPT:
        changed = _frames(run, _with_another_end(batch, round(share * batch.shape[1])))
        if changed is None or changed.shape != whole.shape:
            return None
        local = [axis for axis in _AXES if _moves_from_within(whole, changed, axis)]
        if local:
            return local[0] if len(local) == 1 else None
    return None


def _frames(run: Callable[[Samples], Frames], given: Samples) -> Frames | None:
    """Return a model's output for audio; None where it raises, or returns something else.

    Whatever it draws, such as dropout that was left on, it draws alike each time.
    """
    try:
        with global_rngs_seeded(0):
            out = run(given.copy())
    except Exception:  # a model may take one length only
        return None
    return out if out.ndim == 3 and out.shape[0] == len(given) and 0 not in out.shape else None


def _with_another_end(given: Samples, kept: int) -> Samples:
    """Return windows that go on quieter, backwards and noisy, even where they are silent."""
    noise = np.random.default_rng(0).standard_normal(given.shape[1] - kept)
    other = 0.5 * given[:, kept:][:, ::-1] + 0.05 * noise
    return np.concatenate([given[:, :kept], other.astype(np.float32)], axis=1)


def _moves_from_within(whole: Frames, changed: Frames, axis: int) -> bool:
    """Tell whether, of an axis of float[n, a, b], a first part stays and all after it moves.

    What stays at the end is padding.
    """
    finite = np.isfinite(whole).all(axis=_AXES) & np.isfinite(changed).all(axis=_AXES)
    given, other = whole[finite], changed[finite]
    moved = np.abs(other - given) > _ROUNDING * np.abs(given).max(initial=0.0)
    others = tuple(other for other in range(3) if other != axis)
    touched = np.flatnonzero(moved.any(axis=others))
    if len(touched) == 0:
        return False
    first, last = int(touched[0]), int(touched[-1])
    within = _EARLIEST <= first / (last + 1) <= _LATEST
    return within and len(touched) == last + 1 - first

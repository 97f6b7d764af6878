"""Time the audio distances of all pairs of bundled clips against other packages, on one core.

    python benchmarks/distances.py [--clips N]

Peers come with ``pip install '.[bench]'``. Each gets as many pairs as fit its speed; what counts
is the time per pair. tslearn and aeon sum squared frame distances, which is another distance, for
about the same work.
"""

from __future__ import annotations

import argparse
import os

# One core for everybody, set before any of them is imported.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[variable] = "1"

from typing import TYPE_CHECKING, Any  # noqa: E402

import numpy as np  # noqa: E402
from tables import machine, print_table, seconds  # noqa: E402

from pytest_nnrel import Corpus, audio_features  # noqa: E402
from pytest_nnrel.distances import SIMPLE_WINDOW, exact  # noqa: E402
from pytest_nnrel.distances.alignment import _on_processor, align  # noqa: E402
from pytest_nnrel.distances.on_device import align as align_by_torch  # noqa: E402
from pytest_nnrel.kernels.compilation import compiled  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable

    Frames = np.ndarray[Any, np.dtype[np.float32]]
    Pair = Callable[[Frames, Frames], object]


@compiled
def cheapest_path(local: Any) -> float:
    """Return DTW's cost from a matrix of frame distances."""
    n, m = local.shape
    row = np.cumsum(local[0])
    for i in range(1, n):
        diagonal = row[0]
        row[0] += local[i, 0]
        for j in range(1, m):
            above = row[j]
            row[j] = min(diagonal, above, row[j - 1]) + local[i, j]
            diagonal = above
    return float(row[m - 1])


def simple_by_fft(a: Frames, b: Frames, window: int = SIMPLE_WINDOW) -> float:
    """Return SiMPle by sliding products from FFTs, as its public numpy ports do."""
    a64, b64 = a.astype(np.float64), b.astype(np.float64)
    n, m = len(a), len(b)
    size = 1 << (n + m).bit_length()
    spectrum = np.fft.rfft(b64, size, axis=0)
    squares = np.vstack([np.zeros(b.shape[1]), np.cumsum(b64**2, axis=0)])
    energy = (squares[window:] - squares[:-window]).sum(axis=1)
    profile = []
    for i in range(n - window + 1):
        part = a64[i : i + window]
        products = np.fft.irfft(spectrum * np.fft.rfft(part[::-1], size, axis=0), size, axis=0)
        crossed = products[window - 1 : m].sum(axis=1)
        profile.append((energy - 2 * crossed + (part**2).sum()).min())
    return float(np.median(profile))


def peers() -> dict[str, tuple[Pair, int]]:
    """Return each peer's call for a pair, and how many pairs to time it on."""
    import aeon.distances
    import librosa
    from dtaidistance import dtw_ndim
    from fastdtw import fastdtw
    from scipy.spatial.distance import cdist, euclidean
    from tslearn.metrics import dtw as tslearn_dtw

    return {
        "fastdtw, as the paper calls it": (
            lambda a, b: fastdtw(a, b, radius=1, dist=euclidean)[0], 12,
        ),
        "librosa.sequence.dtw": (
            lambda a, b: librosa.sequence.dtw(a.T, b.T, backtrack=False)[-1, -1], 200,
        ),
        "dtaidistance, C": (
            lambda a, b: dtw_ndim.distance_fast(
                a.astype(np.double), b.astype(np.double), inner_dist="euclidean"
            ), 200,
        ),
        "tslearn (squared)": (lambda a, b: tslearn_dtw(a, b), 200),
        "aeon (squared)": (lambda a, b: aeon.distances.dtw_distance(a.T, b.T), 200),
        "scipy cdist + numba": (
            lambda a, b: cheapest_path(cdist(a.astype(np.double), b.astype(np.double))), 400,
        ),
        "exact, this package in float64": (
            lambda a, b: exact.warping_cost(
                a.astype(np.double), np.ascontiguousarray(b.T, dtype=np.double)
            ), 400,
        ),
        "SiMPle: numpy, by FFT": (simple_by_fft, 40),
    }  # fmt: skip


def main() -> None:
    """Time, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--clips", type=int, default=134)
    options = parser.parse_args()
    corpus = Corpus.bundled().subset(options.clips)
    frames = [audio_features(clip.with_samples(clip.window(2.0))) for clip in corpus]
    pairs = [(a, b) for a in frames for b in frames]

    ours = {
        "DTW and SiMPle, one pass": seconds(lambda: align(frames, frames, jobs=1)) / len(pairs),
        # A window of 0 leaves SiMPle out.
        "of it, DTW": seconds(lambda: _on_processor(frames, frames, 0, 1, None)) / len(pairs),
    }
    try:
        import torch

        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        torch.set_num_threads(1)
        some = frames[:32]
        ours[f"both by torch, {device}"] = (
            seconds(lambda: align_by_torch(some, frames, SIMPLE_WINDOW, device), repeats=3)
            / len(some) / len(frames)
        )  # fmt: skip
    except ImportError:
        pass
    theirs = {}
    for name, (call, count) in peers().items():
        chosen = pairs[1 :: max(1, len(pairs) // count)][:count]

        def every(call: Pair = call, chosen: Any = chosen) -> None:
            for a, b in chosen:
                call(a, b)

        theirs[name] = seconds(every) / len(chosen)
    base = ours["DTW and SiMPle, one pass"]
    print_table(
        f"Audio distances, {len(frames[0])} x {frames[0].shape[1]} frames, one core",
        ["", "microseconds a pair", "times the first row"],
        [[name, spent * 1e6, spent / base] for name, spent in (ours | theirs).items()],
    )
    print(f"\nmedians of 5 runs; {machine()}")


if __name__ == "__main__":
    main()

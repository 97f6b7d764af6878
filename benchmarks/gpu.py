"""What a GPU takes for distances, encoders and whole conditions, beside the CPU in the same run.

    python benchmarks/gpu.py [--device cuda] [--clips N ...] [--conditions K]

Clips are the bundled corpus's, repeated with noise where more are asked for; the encoder is the
paper's VGG network, untrained. Conditions are of the paper's grid, evenly spread: C_W by DTW and
C_rho of the VGG network, without anything stored before. ``--device cpu`` has torch's own kernels
on the processor in the place of the GPU, to try the script without one.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tables import machine, print_table, seconds

from pytest_nnrel import (
    Corpus,
    as_encoder,
    audio_consistency,
    audio_features,
    between_consistency,
    paper_grid,
)
from pytest_nnrel.distances import pairwise_distances
from pytest_nnrel.distances.on_device import align as align_by_torch
from pytest_nnrel.experiment.stores import close_stores
from pytest_nnrel.runtime import settings
from pytest_nnrel.runtime.settings import Settings
from reference_models.networks import VGGEmbedding

if TYPE_CHECKING:
    from collections.abc import Callable

    Array = np.ndarray[Any, np.dtype[np.float32]]

#: Frames of SiMPle's window.
WINDOW = 50


def sequences(clips: int) -> list[Array]:
    """Return features of so many clips."""
    corpus = Corpus.bundled()
    rng = np.random.default_rng(clips)
    bundled = [audio_features(clip.with_samples(clip.window(2.0))) for clip in corpus]
    found = [bundled[i % len(bundled)] for i in range(clips)]
    for i in range(len(bundled), clips):
        found[i] = found[i] + rng.standard_normal(found[i].shape, dtype=np.float32)
    return found


def compared(device: str, found: list[Array]) -> object:
    if device != "cpu":
        return pairwise_distances(found, found, "dtw", device=device)
    import torch

    return align_by_torch(found, found, WINDOW, torch.device("cpu"))


def embedded(device: str, windows: Array) -> object:
    encoder = as_encoder(VGGEmbedding().eval(), name="vgg", device=device)
    return encoder.encode(windows, 22_050)


def conditions(device: str, number: int) -> float:
    """Return the seconds of a condition, everything included."""
    grid = list(paper_grid())
    chosen = [grid[i * len(grid) // number] for i in range(number)]
    with tempfile.TemporaryDirectory() as folder:
        active = Settings(cache_dir=Path(folder), device=device)
        token = settings.activate(active)
        try:
            encoder = as_encoder(VGGEmbedding().eval(), name="vgg", device=device)
            started = time.perf_counter()
            for transform in chosen:
                audio_consistency(transform)
                between_consistency(encoder, transform)
            return (time.perf_counter() - started) / number
        finally:
            settings.deactivate(token)
            close_stores(active)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--clips", type=int, nargs="+", default=[134, 1000])
    parser.add_argument("--conditions", type=int, default=4)
    asked = parser.parse_args()
    rows = []

    def row(what: str, on_cpu: Callable[[], object], on_device: Callable[[], object]) -> None:
        cpu, device = seconds(on_cpu, repeats=3), seconds(on_device, repeats=3)
        rows.append((what, cpu, device, cpu / device))

    for clips in asked.clips:
        found = sequences(clips)
        row(
            f"DTW and SiMPle, {clips:,} x {clips:,} clips",
            partial(pairwise_distances, found, found, "dtw"),
            partial(compared, asked.device, found),
        )
        windows = np.resize(Corpus.bundled().windows(), (clips, 44_100)).astype(np.float32)
        row(
            f"VGG embeddings, {clips:,} clips",
            partial(embedded, "cpu", windows),
            partial(embedded, asked.device, windows),
        )
    cpu, device = (conditions(name, asked.conditions) for name in ("cpu", asked.device))
    rows.append(("a condition of the paper's grid, 134 clips", cpu, device, cpu / device))
    rows.append(("94 of them, extrapolated", 94 * cpu, 94 * device, cpu / device))
    header = ("", "CPU, seconds", f"{asked.device}, seconds", "times faster")
    print_table("On a device", header, rows)
    print(f"\n{machine()}")


if __name__ == "__main__":
    main()

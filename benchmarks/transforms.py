"""Time transformations and features of a 4-s clip against the calls that they replace.

    python benchmarks/transforms.py [--clips N] [--jobs J]

Two of the peers need the ``rubberband`` and ``ffmpeg`` binaries.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import tempfile
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import librosa
import numpy as np
import pyloudnorm
import soundfile
from tables import machine, print_table, seconds

from pytest_nnrel import (
    MP3,
    Corpus,
    EnvironmentalNoise,
    MFCCEncoder,
    PinkNoise,
    PitchShift,
    TempoShift,
    audio_features,
)
from pytest_nnrel.runtime import settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_nnrel import Clip, Transform

RATE = 22_050


def ffmpeg_mp3(clip: Clip, kbps: int = 64) -> None:
    """Encode and decode as the paper does."""
    with tempfile.TemporaryDirectory() as folder:
        source, coded, out = (str(Path(folder) / name) for name in ("a.wav", "b.mp3", "c.wav"))
        soundfile.write(source, clip.samples, clip.sample_rate)
        for command in (
            ["-i", source, "-codec:a", "libmp3lame", "-b:a", f"{kbps}k", coded],
            ["-i", coded, out],
        ):
            subprocess.run(["ffmpeg", "-v", "error", "-y", *command], check=True)
        soundfile.read(out, dtype="float32")


def render(job: tuple[Transform, Clip]) -> int:
    """Transform a clip, in whatever thread or process."""
    transform, clip = job
    return len(transform.apply(clip, seed=0).samples)


def main() -> None:
    """Time, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--clips", type=int, default=16)
    parser.add_argument("--jobs", type=int, default=settings.available_cores())
    options = parser.parse_args()
    clips = list(Corpus.bundled().subset(options.clips))
    for clip in clips:
        _ = clip.loudness  # once per clip, whatever number of transformations

    def milliseconds(call: Callable[[Clip], object]) -> float:
        return seconds(lambda: [call(clip) for clip in clips]) / len(clips) * 1e3

    transforms = {
        PitchShift(2): ("librosa", lambda c: PitchShift(2, engine="librosa").apply(c, seed=0)),
        TempoShift(0.7): ("librosa", lambda c: TempoShift(0.7, engine="librosa").apply(c, seed=0)),
        MP3(64): ("ffmpeg", ffmpeg_mp3 if shutil.which("ffmpeg") else None),
        PinkNoise(12): ("", None),
        EnvironmentalNoise(12): ("", None),
    }
    rows = []
    for transform, (peer, call) in transforms.items():
        ours = milliseconds(lambda clip, t=transform: t.apply(clip, seed=0))
        theirs = milliseconds(call) if call else float("nan")
        rows.append([transform.name, ours, peer, theirs, theirs / ours])
        if isinstance(transform, PitchShift | TempoShift) and shutil.which("rubberband"):
            arguments = {"engine": "pyrubberband"}
            other = type(transform)(transform.magnitude, **arguments)
            theirs = milliseconds(lambda clip, t=other: t.apply(clip, seed=0))
            rows.append([transform.name, ours, "pyrubberband", theirs, theirs / ours])
    windows = [clip.with_samples(clip.window(2.0)) for clip in clips]
    meter = pyloudnorm.Meter(RATE, filter_class="DeMan")
    encoder = MFCCEncoder()
    stack = np.stack([window.samples for window in windows])
    rows += [
        [name, ours, peer, theirs, theirs / ours]
        for name, ours, peer, theirs in (
            (
                "MFCCs of 2 s, 2,048-point",
                seconds(lambda: [audio_features(w) for w in windows]) / len(clips) * 1e3,
                "librosa",
                seconds(
                    lambda: [librosa.feature.mfcc(y=w.samples, sr=RATE, n_mfcc=25) for w in windows]
                )
                / len(clips)
                * 1e3,
            ),
            (
                "MFCC encoder, 1,024-point",
                seconds(lambda: encoder.encode(stack, RATE)) / len(clips) * 1e3,
                "librosa, without differences",
                seconds(
                    lambda: [
                        librosa.feature.mfcc(
                            y=w.samples, sr=RATE, n_mfcc=25, n_fft=1024, hop_length=256
                        )
                        for w in windows
                    ]
                )
                / len(clips)
                * 1e3,
            ),
            (
                "loudness of 4 s",
                milliseconds(lambda c: c.with_samples(c.samples).loudness),
                "pyloudnorm",
                milliseconds(lambda c: meter.integrated_loudness(c.samples.astype(np.float64))),
            ),
        )
    ]
    print_table(
        "One clip, one core",
        ["", "milliseconds", "peer", "peer, milliseconds", "ratio"],
        rows,
    )
    parallel = []
    with ThreadPoolExecutor(options.jobs) as threads, ProcessPoolExecutor(options.jobs) as others:
        for transform in transforms:
            jobs = [(transform, clip) for clip in clips]
            alone = seconds(lambda j=jobs: [render(job) for job in j], repeats=3)
            threaded = seconds(lambda j=jobs: list(threads.map(render, j)), repeats=3)
            forked = seconds(lambda j=jobs: list(others.map(render, j)), repeats=3)
            parallel.append([transform.name, alone / threaded, alone / forked])
    print_table(f"Speed-up by {options.jobs} workers", ["", "threads", "processes"], parallel)
    print(f"\nmedians of 5 runs (speed-up: 3); {machine()}")


if __name__ == "__main__":
    main()

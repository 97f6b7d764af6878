"""Run the paper's consistency experiment and say where the time goes.

All 94 transformations (90 conditions at 22,050 Hz) and the originals themselves; DTW and SiMPle,
Euclidean and cosine; C_W, C_acc and C_rho with 1,000 bootstraps each. A run that was killed goes on
where it was when it is started again with the same ``--cache``.

    python benchmarks/paper_scale.py --corpus MUSIC --segments 3 --clips 1000 --jobs 2 --cache DIR

With ``--conditions K`` only K of them, evenly spread, are measured; times for all are then
extrapolated, and marked so. ``--bare K`` times the bare library calls on K clips a condition.
"""

from __future__ import annotations

import argparse
import io
import json
import resource
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tables import machine, print_table, seconds
from tqdm import tqdm

from pytest_nnrel import (
    MP3,
    Corpus,
    EnvironmentalNoise,
    Identity,
    MFCCEncoder,
    PinkNoise,
    PitchShift,
    TempoShift,
    as_encoder,
    audio_consistency,
    audio_features,
    between_consistency,
    paper_grid,
    within_consistency,
)
from pytest_nnrel.distances import pairwise_distances
from pytest_nnrel.distances.alignment import align
from pytest_nnrel.runtime import settings
from pytest_nnrel.statistics import ranks
from pytest_nnrel.statistics.intervals import REPLICATES, drawn
from pytest_nnrel.transforms.noise import pink_noise

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_nnrel import Encoder, Measurement, Transform

AUDIO = ("dtw", "simple")
LATENT = ("euclidean", "cosine")
#: Conditions of the paper's grid at 22,050 Hz, and the originals.
FULL = 91


def measure_audio(transform: Transform, corpus: Corpus) -> dict[str, Measurement]:
    """Measure what the paper reports of one condition without an encoder."""
    return {f"C_W {d}": audio_consistency(transform, corpus=corpus, distance=d) for d in AUDIO}


def measure_encoder(
    encoder: Encoder, transform: Transform, corpus: Corpus
) -> dict[str, Measurement]:
    """Measure what the paper reports of an encoder on one condition."""
    found = {}
    pairs = "distinct" if isinstance(transform, Identity) else "all"
    for z in LATENT:
        found[f"C_W {encoder.name} {z}"] = within_consistency(
            encoder, transform, corpus=corpus, distance=z
        )
        for a in AUDIO:
            for which in ("rho", "accuracy"):
                found[f"{which} {encoder.name} {a} {z}"] = between_consistency(
                    encoder, transform, corpus=corpus, measure=which, audio_distance=a,
                    latent_distance=z, pairs=pairs,
                )  # fmt: skip
    return found


def forward_seconds(encoder: Encoder, transform: Transform, corpus: Corpus) -> float:
    """Time the bare forward passes on all clips of a condition, in the encoder's own batches."""
    windows = corpus.windows(transform, sample_rate=encoder.sample_rate)
    size = encoder.batch_size
    started = time.perf_counter()
    for first in range(0, len(windows), size):
        encoder.forward(windows[first : first + size], encoder.sample_rate or corpus.sample_rate)
    return time.perf_counter() - started


def conditions(corpus: Corpus, count: int | None) -> list[Transform]:
    """Return the distinct conditions, all or some evenly spread."""
    distinct = dict.fromkeys(t.condition(corpus.sample_rate) for t in paper_grid())
    every = [Identity(), *distinct]
    if count is None:
        return every
    picked = np.linspace(0, len(every) - 1, count).round().astype(int)
    return [every[i] for i in picked]


# ---------------------------------------------------------------------------------------------
# Bare calls: what anyone would have to pay who does the same with the same libraries


def stretch(samples: Any, rate: int, *, semitones: float, factor: float) -> Any:
    """Call Rubber Band."""
    from pedalboard import time_stretch

    return time_stretch(
        samples, float(rate), stretch_factor=factor, pitch_shift_in_semitones=semitones,
        high_quality=False, preserve_formants=False,
    )  # fmt: skip


def mp3(pcm: bytes, rate: int, kbps: int) -> Any:
    """Call LAME, and decode."""
    import lameenc
    import soundfile

    encoder = lameenc.Encoder()
    encoder.set_bit_rate(kbps)
    encoder.set_in_sample_rate(rate)
    encoder.set_out_sample_rate(rate)
    encoder.set_channels(1)
    encoder.set_quality(3)
    encoder.silence()
    coded = bytes(encoder.encode(pcm)) + bytes(encoder.flush())
    return soundfile.read(io.BytesIO(coded), dtype="float32")


def bare_transform(transform: Transform, samples: Any, rate: int) -> Callable[[], object]:
    """Return the call of the library that does a transformation's work."""
    if isinstance(transform, PitchShift):
        return lambda: stretch(samples, rate, semitones=transform.semitones, factor=1.0)
    if isinstance(transform, TempoShift):
        return lambda: stretch(samples, rate, semitones=0.0, factor=transform.rate)
    if isinstance(transform, MP3):
        pcm = (samples * 32767).astype(np.int16).tobytes()
        return lambda: mp3(pcm, rate, transform.kbps)
    if isinstance(transform, PinkNoise):
        return lambda: pink_noise(len(samples), np.random.default_rng(0))
    # A crop of the ambience, or nothing.
    crop = len(samples) if isinstance(transform, EnvironmentalNoise) else 0
    return lambda: np.take(samples, np.arange(crop), mode="wrap")


def side_by_side(calls: Sequence[Callable[[], object]], jobs: int) -> float:
    """Return the wall time of calls in `jobs` threads, as the run has them."""
    with ThreadPoolExecutor(jobs) as pool:
        started = time.perf_counter()
        list(pool.map(lambda call: call(), calls))
        return time.perf_counter() - started


def bare_seconds(
    measured: Sequence[Transform], corpus: Corpus, forward: dict[str, float], sample: int,
    jobs: int,
) -> dict[str, float]:  # fmt: skip
    """Time the bare calls on a sample of clips and scale to all clips of all conditions."""
    import librosa
    import pyloudnorm

    rate, n = corpus.sample_rate, len(corpus)
    sample = min(sample, n)
    chosen = [corpus[i] for i in np.linspace(0, n - 1, sample).round().astype(int)]
    scale = n / sample
    meter = pyloudnorm.Meter(rate, filter_class="DeMan")
    windows = [clip.window(corpus.window_seconds) for clip in chosen]
    found = {"transformations": 0.0, "pyloudnorm": 0.0, "librosa's MFCCs": 0.0}
    for transform in tqdm(measured, desc="bare calls"):
        if not isinstance(transform, Identity):
            calls = [bare_transform(transform, clip.samples, rate) for clip in chosen]
            found["transformations"] += scale * side_by_side(calls, jobs)
    doubles = [clip.samples.astype(np.float64) for clip in chosen]
    loud = side_by_side([lambda x=x: meter.integrated_loudness(x) for x in doubles], jobs)
    found["pyloudnorm"] = scale * loud * len(measured)
    mfcc = [lambda w=w: librosa.feature.mfcc(y=w, sr=rate, n_mfcc=25) for w in windows]
    mfcc[0]()
    found["librosa's MFCCs"] = scale * side_by_side(mfcc, jobs) * len(measured)
    for name, spent in forward.items():
        found[f"{name} forward"] = spent
    features = [
        audio_features(corpus[i].with_samples(corpus[i].window(corpus.window_seconds)))
        for i in range(n)
    ]
    both = seconds(lambda: align(features, features, jobs=jobs), repeats=1)
    found["DTW and SiMPle"] = both * len(measured)
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(n, 144))
    latent = {z: pairwise_distances(vectors, vectors, z) for z in LATENT}
    compared = sum(
        seconds(lambda z=z: pairwise_distances(vectors, vectors, z), repeats=3) for z in LATENT
    )
    found["latent distances"] = compared * len(measured) * len(forward)
    ranked = {z: ranks.rank_pairs(latent[z]) for z in LATENT}
    ranking = seconds(lambda: ranks.rank_pairs(latent["euclidean"]), repeats=3)
    spaces = len(AUDIO) + len(LATENT) * len(forward)
    found["ranks"] = ranking * spaces * len(measured)
    weights = drawn(corpus.groups, rng, REPLICATES)
    resampled = [ranks.resample(ranked[z], weights, jobs=jobs) for z in LATENT]
    counting = seconds(lambda: ranks.resample(ranked["cosine"], weights, jobs=jobs), repeats=1)
    multiplying = seconds(lambda: ranks.rank_agreement_replicates(*resampled, jobs=jobs), repeats=1)
    agreements = len(AUDIO) * len(LATENT) * len(forward)
    found["bootstraps of rho"] = (counting * spaces + multiplying * agreements) * len(measured)
    return found


# ---------------------------------------------------------------------------------------------


def arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--corpus", default="bundled", help="folder of audio, or 'bundled'")
    parser.add_argument("--segments", type=int, default=1, help="segments of each file")
    parser.add_argument("--clips", type=int)
    parser.add_argument("--jobs", type=int, default=settings.available_cores())
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--conditions", type=int, help="only so many, evenly spread")
    parser.add_argument("--vgg", action="store_true", help="with the paper's network, untrained")
    parser.add_argument("--bare", type=int, default=0, help="clips to time the bare calls on")
    parser.add_argument("--out", type=Path, help="JSON file for values and times")
    return parser.parse_args()


def main() -> None:
    """Measure, and print tables."""
    options = arguments()
    started = time.perf_counter()
    active = settings.Settings(cache_dir=options.cache, jobs=options.jobs)
    settings.activate(active)
    if options.corpus == "bundled":
        corpus = Corpus.bundled()
    else:
        corpus = Corpus.from_directory(options.corpus, segments=options.segments)
    if options.clips is not None:
        corpus = corpus.subset(options.clips)
    encoders: list[Encoder] = [MFCCEncoder()]
    if options.vgg:
        import torch

        from reference_models.networks import VGGEmbedding

        torch.manual_seed(0)
        encoders.append(as_encoder(VGGEmbedding().eval(), name="vgg"))
    chosen = conditions(corpus, options.conditions)
    stages: dict[str, float] = {"corpus": time.perf_counter() - started}
    values: dict[str, dict[str, list[float]]] = {}
    spent: dict[str, float] = {}
    forward: dict[str, float] = {}
    total = 0.0
    for transform in tqdm(chosen, desc="conditions"):
        began = time.perf_counter()
        found = measure_audio(transform, corpus)
        total += time.perf_counter() - began
        for encoder in encoders:
            if options.bare:  # beside what it is compared with, as machines are not steady
                passes = forward_seconds(encoder, transform, corpus)
                forward[encoder.name] = forward.get(encoder.name, 0.0) + passes
            began = time.perf_counter()
            found |= measure_encoder(encoder, transform, corpus)
            added = time.perf_counter() - began
            spent[encoder.name] = spent.get(encoder.name, 0.0) + added
            total += added
        values[transform.name] = {name: [m.value, *m.ci] for name, m in found.items()}
        for measurement in found.values():
            for stage, taken in measurement.timings.items():
                stages[stage] = stages.get(stage, 0.0) + taken
    stages["everything else"] = total - sum(stages.values()) + stages["corpus"]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    factor = FULL / len(chosen)
    how = "measured" if factor == 1.0 else f"extrapolated from {len(chosen)} of {FULL} conditions"
    rows = [
        [stage, taken * (1 if stage == "corpus" else factor)] for stage, taken in stages.items()
    ]
    rows.append(["all but the corpus", total * factor])
    print_table(
        f"{len(corpus)} clips, {FULL} conditions, {len(encoders)} encoders, {options.jobs} jobs",
        ["stage", f"seconds ({how})"],
        rows,
    )
    print(f"\npeak memory {peak:.2f} GiB; {machine()}")
    report: dict[str, Any] = {
        "clips": len(corpus), "conditions": len(chosen), "jobs": options.jobs, "stages": stages,
        "total": total, "encoders": spent, "peak_gib": peak, "machine": machine(), "values": values,
        "command": " ".join(sys.argv),
    }  # fmt: skip
    if options.bare:
        bare = bare_seconds(chosen, corpus, forward, options.bare, options.jobs)
        rows = [[name, taken * factor] for name, taken in bare.items()]
        rows.append(["sum", sum(bare.values()) * factor])
        print_table("Bare calls", ["call", f"seconds ({how}, {options.bare} clips)"], rows)
        print(f"\nratio of the run to its bare calls: {total / sum(bare.values()):.2f}")
        print_table(
            "What encoders add, the first with all that encoders share",
            ["encoder", "seconds", "forward passes", "ratio"],
            [[n, spent[n] * factor, forward[n] * factor, spent[n] / forward[n]] for n in spent],
        )
        report["bare"] = bare
    if options.out:
        options.out.write_text(json.dumps(report, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()

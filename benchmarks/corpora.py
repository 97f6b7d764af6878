"""C_W of large folders from files to verdict: seconds by stage, memory, files and bytes.

    python benchmarks/corpora.py [--clips N ...] [--faiss] [--rho] [--backend threading|dask|ray]

Clips of one second at 8 kHz, noise of a level and colour of its own each, under one noise; the
encoder is a spectrum times a random matrix, 256 numbers, so that what is timed is ours. Each number
of clips runs in a process of its own. ``again`` is a later run with the same cache. Beside the
comparison of all clips, with ``--faiss``, an exact flat index finds two neighbours in embeddings of
the same size (``pip install faiss-cpu``).
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

THREADS = 2
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = str(THREADS)

import numpy as np  # noqa: E402
from scale import by_faiss, peak  # noqa: E402
from tables import machine, print_table, seconds  # noqa: E402

from pytest_nnrel import (  # noqa: E402
    Corpus,
    PinkNoise,
    as_encoder,
    between_consistency,
    within_consistency,
)
from pytest_nnrel.experiment.stores import close_stores  # noqa: E402
from pytest_nnrel.runtime import settings  # noqa: E402
from pytest_nnrel.runtime.settings import Settings  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator

    Array = np.ndarray[Any, np.dtype[np.float32]]

RATE, SECONDS, DIMENSIONS = 8000, 1.0, 256
NOISE = PinkNoise(snr_db=-6)
_MATRIX = np.random.default_rng(0).standard_normal((501, DIMENSIONS), dtype=np.float32)


def encode(batch: Array) -> Array:
    spectra = np.abs(np.fft.rfft(batch[:, :1000])).astype(np.float32)
    return np.log1p(spectra) @ _MATRIX


def write(folder: Path, clips: int) -> None:
    """Write so many files, a thousand a folder."""
    import soundfile
    from scipy.signal import lfilter

    for i in range(clips):
        rng = np.random.default_rng([1, i])
        colour = rng.uniform(-0.95, 0.95)
        samples = lfilter([1.0], [1.0, colour], rng.standard_normal(round(RATE * SECONDS)))
        samples *= rng.uniform(0.02, 0.2) / np.std(samples)
        path = folder / f"{i // 1000:04d}" / f"{i:07d}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, np.clip(samples, -1, 1), RATE, subtype="PCM_16")


@contextlib.contextmanager
def backend(name: str) -> Iterator[None]:
    """Have tasks run there, on two workers where they are processes."""
    import joblib

    with contextlib.ExitStack() as stack:
        if name == "dask":
            from dask.distributed import Client, LocalCluster

            cluster = LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None)
            stack.enter_context(cluster)
            stack.enter_context(Client(cluster))
        elif name == "ray":
            import ray
            from ray.util.joblib import register_ray

            paths = {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
            ray.init(num_cpus=2, include_dashboard=False, runtime_env={"env_vars": paths})
            stack.callback(ray.shutdown)
            register_ray()
        stack.enter_context(joblib.parallel_config(backend=name))
        yield


def measure(music: Path, cache: Path, where: str, *, rho: bool) -> dict[str, Any]:
    """Return what it takes to open a folder and to measure it, for a process of its own."""
    import corpora  # what workers import; not the script that runs

    before = peak()
    took, found = {}, {}
    for run in ("first", "again"):
        active = Settings(cache_dir=cache, jobs=THREADS, cache_gib=1000.0)
        token = settings.activate(active)
        started = time.perf_counter()
        corpus = Corpus.from_directory(
            music, sample_rate=RATE, source_seconds=SECONDS, window_seconds=SECONDS / 2
        )
        took[f"open, {run}"] = time.perf_counter() - started
        encoder = as_encoder(corpora.encode, sample_rate=RATE, name="spectra", fingerprint="1")
        started = time.perf_counter()
        with backend(where):
            measured = within_consistency(encoder, NOISE, corpus=corpus)
        took[f"measure, {run}"] = time.perf_counter() - started
        found[run] = measured
        if rho and run == "first":
            started = time.perf_counter()
            between_consistency(encoder, NOISE, corpus=corpus, pairs="sampled")
            took["C_rho of sampled pairs, after C_W"] = time.perf_counter() - started
        settings.deactivate(token)
        close_stores(active)
    assert found["first"].ranks == found["again"].ranks
    files = list(cache.rglob("*.arrays"))
    stored = sum(path.stat().st_size for path in files if "embeddings" in path.parts)
    return {
        **took,
        **{f"first: {stage}": of for stage, of in found["first"].timings.items()},
        "C_W": found["first"].value,
        "files": len(files),
        "embeddings, bytes on disk / of arrays": stored / (2 * 4 * DIMENSIONS * len(corpus)),
        "GiB of memory at most": peak() / 2**10,
        "MiB a thousand clips": (peak() - before) / (len(corpus) / 1000),
    }


def compared(clips: int) -> dict[str, float]:
    """Return seconds of faiss on as many embeddings."""
    rng = np.random.default_rng(clips)
    originals = rng.standard_normal((clips, DIMENSIONS), dtype=np.float32)
    queries = originals + 0.5 * rng.standard_normal(originals.shape, dtype=np.float32)
    return {"faiss, two neighbours": seconds(lambda: by_faiss(originals, queries), repeats=1)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, nargs="+", default=[1000, 5000, 20_000, 100_000])
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--backend", default="threading")
    parser.add_argument("--faiss", action="store_true")
    parser.add_argument("--rho", action="store_true", help="C_rho of sampled pairs, too")
    parser.add_argument("--one", type=Path, nargs=2, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        print(json.dumps(measure(*asked.one, asked.backend, rho=asked.rho)))
        return
    columns: dict[int, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory(dir=asked.folder) as temporary:
        for clips in asked.clips:
            music = Path(temporary) / f"{clips}"
            write(music, clips)
            command = [sys.executable, __file__, "--backend", asked.backend]
            command += [*(["--rho"] if asked.rho else []), "--one"]
            done = subprocess.run(
                [*command, music, Path(temporary) / f"{clips}.cache"],
                check=True,
                stdout=subprocess.PIPE,
                text=True,
            )
            columns[clips] = json.loads(done.stdout.splitlines()[-1])
            if asked.faiss:
                columns[clips] |= compared(clips)
            print(clips, columns[clips], file=sys.stderr, flush=True)
    names = list(dict.fromkeys(name for column in columns.values() for name in column))
    rows = [(name, *(columns[clips].get(name, "") for clips in asked.clips)) for name in names]
    print_table("From files to C_W", ("", *(f"{clips:,}" for clips in asked.clips)), rows)
    print(f"\n{machine()}")


if __name__ == "__main__":
    main()

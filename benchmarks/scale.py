"""Time C_W's search of the nearest original against an index that finds two, on two threads.

    python benchmarks/scale.py [--clips N ...] [--dimensions D ...]

faiss, exact and flat, comes with ``pip install faiss-cpu``. Each call runs in a process of its own,
which tells its seconds (the median of three, after one that does not count) and by how much its
memory grew at most. Processes take turns, so that a busy machine is busy for all.

faiss and numpy give the two, or the one, nearest by float32; ours gives the own distance, the
nearest other and the rank of each clip, as float64 has them.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

THREADS = 2
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = str(THREADS)

import numpy as np  # noqa: E402
from tables import machine, print_table, seconds  # noqa: E402

from pytest_nnrel.distances import Execution, resolve_distance  # noqa: E402
from pytest_nnrel.statistics.consistency import exemplars  # noqa: E402
from pytest_nnrel.statistics.products import Compared, exemplars_by_products  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable

    Embeddings = np.ndarray[Any, np.dtype[np.float32]]

#: Above, all distances are not computed for comparison.
MOST_OF_ALL = 5000
#: Rows that numpy multiplies at a time.
ROWS = 1024
#: Clips of a cluster, and its spread against that of clusters.
OF_CLUSTER, SPREAD = 20, 0.1
NOISE = 0.5


def embeddings(clips: int, dimensions: int, kind: str) -> tuple[Embeddings, Embeddings]:
    """Return originals, and what noise makes of them."""
    rng = np.random.default_rng([clips, dimensions])
    originals = rng.normal(size=(clips, dimensions)).astype(np.float32)
    spread = 1.0
    if kind == "clustered":
        spread = SPREAD
        originals = originals[np.arange(clips) // OF_CLUSTER] + np.float32(spread) * originals
    noise = rng.normal(size=originals.shape).astype(np.float32)
    return originals, originals + np.float32(NOISE * spread) * noise


def ours(originals: Embeddings, queries: Embeddings, name: str = "euclidean") -> object:
    distance = resolve_distance(name)
    points = distance.points()
    assert points is not None
    between = partial(distance.between, execution=Execution(1, "cpu", None))
    compared = Compared(queries, originals, points, between, distance.grain)
    return exemplars_by_products(compared, np.arange(len(queries)), jobs=THREADS)


def all_distances(originals: Embeddings, queries: Embeddings) -> object:
    euclidean, execution = resolve_distance("euclidean"), Execution(1, "cpu", None)
    left, right = queries.astype(np.float64), originals.astype(np.float64)
    return exemplars(euclidean.between(left, right, execution))


def by_faiss(originals: Embeddings, queries: Embeddings) -> object:
    import faiss

    faiss.omp_set_num_threads(THREADS)
    index = faiss.IndexFlatL2(originals.shape[1])
    index.add(originals)
    return index.search(queries, 2)


def by_numpy(originals: Embeddings, queries: Embeddings) -> object:
    squares = np.einsum("ij,ij->i", originals, originals)
    return np.concatenate(
        [
            np.argmin(squares - 2.0 * (queries[i : i + ROWS] @ originals.T), axis=1)
            for i in range(0, len(queries), ROWS)
        ]
    )


CALLS: dict[str, Callable[..., object]] = {
    "ours": ours,
    "ours, cosine": partial(ours, name="cosine"),
    "faiss": by_faiss,
    "numpy": by_numpy,
    "all distances": all_distances,
}


def peak() -> float:
    """Return the most memory that this process ever had, in MiB."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


def measure(call: str, clips: int, dimensions: int, kind: str, repeats: int) -> dict[str, float]:
    """Return seconds and MiB of a call; for a process of its own."""
    CALLS[call](*embeddings(64, dimensions, kind))  # imports, and what is compiled
    originals, queries = embeddings(clips, dimensions, kind)
    before = peak()
    took = seconds(partial(CALLS[call], originals, queries), repeats=repeats, warm_up=repeats > 1)
    return {"seconds": took, "mib": peak() - before}


def in_a_process(*asked_for: object) -> dict[str, float]:
    """Return what `measure` does there."""
    asked = json.dumps(asked_for)
    command = [sys.executable, __file__, "--one", asked]
    run = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return dict(json.loads(run.stdout))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, nargs="+", default=[1000, 5000, 20_000])
    parser.add_argument("--dimensions", type=int, nargs="+", default=[64, 256, 1024])
    parser.add_argument("--kinds", nargs="+", default=["random", "clustered"])
    parser.add_argument("--calls", nargs="+", default=list(CALLS))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        print(json.dumps(measure(*json.loads(asked.one))))
        return
    rows = []
    for kind in asked.kinds:
        for clips in asked.clips:
            for d in asked.dimensions:
                first = 0.0
                for call in asked.calls:
                    if call == "all distances" and clips > MOST_OF_ALL:
                        continue
                    found = in_a_process(call, clips, d, kind, asked.repeats)
                    first = found["seconds"] if call == "ours" else first
                    rows.append(
                        (kind, f"{clips:,}", d, call, found["seconds"], first / found["seconds"],
                         round(found["mib"]))
                    )  # fmt: skip
                    print(*rows[-1], file=sys.stderr, flush=True)
    header = ("embeddings", "clips", "numbers", "", "seconds", "ours, times this", "MiB")
    print_table("The nearest of all originals", header, rows)
    print(f"\n{machine()}")


if __name__ == "__main__":
    main()

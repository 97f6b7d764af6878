"""Time Spearman's rho over all pairs and its bootstrap over clips, against scipy.

python benchmarks/bootstrap.py [--clips N]
"""

from __future__ import annotations

import argparse

import numpy as np
from scipy.stats import spearmanr
from tables import machine, print_table, seconds

from pytest_nnrel.statistics import ranks
from pytest_nnrel.statistics.intervals import drawn


def main() -> None:
    """Time, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--clips", type=int, default=1000)
    n = parser.parse_args().clips
    rng = np.random.default_rng(0)
    points = rng.normal(size=(2, n, 24))
    audio = np.linalg.norm(points[0][:, None] - points[1][None], axis=2)
    latent = audio + rng.normal(scale=0.5, size=(n, n))
    groups = [f"{i:06}" for i in range(n)]
    a, z = ranks.rank_pairs(audio), ranks.rank_pairs(latent)
    count = 160
    weights = drawn(groups, np.random.default_rng(1), count)

    def replicates() -> np.ndarray:
        return ranks.rank_agreement_replicates(
            ranks.resample(a, weights), ranks.resample(z, weights), jobs=1
        )

    def by_scipy(k: int) -> float:
        chosen = np.repeat(np.arange(n), weights[k])
        grid = np.ix_(chosen, chosen)
        return float(spearmanr(audio[grid].ravel(), latent[grid].ravel()).statistic)

    found = replicates()
    errors = [abs(found[k] - by_scipy(k)) for k in range(8)]
    exact = abs(ranks.rank_agreement(a, z) - spearmanr(audio.ravel(), latent.ravel()).statistic)
    ranking = seconds(lambda: (ranks.rank_pairs(audio), ranks.rank_pairs(latent)))
    correlating = seconds(lambda: ranks.rank_agreement(a, z))
    whole = seconds(lambda: spearmanr(audio.ravel(), latent.ravel()))
    replicate = seconds(replicates) / count
    theirs = seconds(lambda: by_scipy(0))
    print_table(
        f"rho of {n:,} clips, {n * n:,} pairs, one core",
        ["", "milliseconds", "scipy, milliseconds", "ratio", "largest deviation"],
        [
            ["ranks of both spaces and rho", (ranking + correlating) * 1e3, whole * 1e3,
             whole / (ranking + correlating), f"{exact:.1e}"],
            ["a bootstrap replicate", replicate * 1e3, theirs * 1e3, theirs / replicate,
             f"{max(errors):.1e} (of 8)"],
        ],
    )  # fmt: skip
    print(f"\nmedians of 5 runs; {machine()}")


if __name__ == "__main__":
    main()

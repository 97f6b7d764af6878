"""How far C_rho of a sample of pairs is off, and what its error says, on recorded music.

    python benchmarks/sampled.py MUSIC.npz [--samples N]

MUSIC.npz is what `grouped_music.py` wrote: distances of all pairs in both spaces, by condition. For
each encoder, condition and share of the pairs, samples are drawn anew; rho of all pairs is the
truth. "off" is the root mean square over samples, "said" the mean of the errors they state, "held"
how often the truth is within 1.96 of them.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from interval_coverage import Music
from tables import machine, print_table

from pytest_nnrel.statistics import ranks
from pytest_nnrel.statistics import sample as sampling

if TYPE_CHECKING:
    import numpy.typing as npt

    Matrix = npt.NDArray[np.float64]

#: Originals that each clip is compared with, as shares of all.
SHARES = (0.25, 0.05)


def draw(spaces: tuple[Matrix, Matrix], rng: np.random.Generator) -> tuple[float, float]:
    """Return rho of a sample of pairs, and the error that it states."""
    sample = sampling.sampled(len(spaces[0]), rng)
    assert sample is not None
    audio, latent = [
        ranks.rank_sample(
            sample,
            np.concatenate([of_all[np.ix_(clips, some)] for _, clips, some in sample.blocks()]),
        )
        for of_all in spaces
    ]
    error = sampling.sampling_error(audio, latent)
    return ranks.rank_agreement(audio, latent), error


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("music", type=Path)
    parser.add_argument("--samples", type=int, default=40)
    chosen = parser.parse_args()
    music = Music(chosen.music)
    rows = []
    for share in SHARES:
        n = len(music.member)
        width = round(share * n)
        sampling.SAMPLED = width * n
        for name, latent in music.distances.items():
            encoder, _, condition = name.partition(": ")
            if encoder == "audio":
                continue
            audio = music.distances[f"audio: {condition}"]
            spaces = audio.astype(np.float64), latent.astype(np.float64)
            truth = ranks.rank_agreement(*map(ranks.rank_pairs, spaces))
            rng = np.random.default_rng([width, len(rows)])
            found = np.array([draw(spaces, rng) for _ in range(chosen.samples)])
            values, said = found.T
            off = float(np.sqrt(np.mean((values - truth) ** 2)))
            held = float(np.mean(np.abs(values - truth) <= 1.96 * said))
            rows.append([f"{share:.0%}", encoder, condition, truth, off, float(said.mean()),
                         float(said.mean()) / off, held])  # fmt: skip
    header = ("pairs", "encoder", "condition", "rho", "off", "said", "said / off", "held")
    print_table(f"{chosen.samples} samples of pairs of {len(music.member)} clips", header, rows)
    print(f"\n{machine()}")


if __name__ == "__main__":
    main()

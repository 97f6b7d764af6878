"""What else rests on clips that share tracks: intervals of rho and of breaks, tests on baselines.

python benchmarks/few_groups.py [--draws N] [--music DISTANCES.npz]

Rho's interval: tracks are drawn from recorded music (`grouped_music.py`), without return. Breaks:
each clip, and each track, breaks at a rung of its own. The paired bootstrap of rho, and sign flips
of outcomes: before and after are embeddings of the same clips with noise of the same kind, so that
whoever calls one of them worse is wrong. In the latter, originals move too, and with them whoever
has them for neighbours: flips of clips that share a neighbour go together.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from interval_coverage import Music
from tables import machine, print_table

from pytest_nnrel.search import interval_of_break
from pytest_nnrel.statistics import comparison, consistency, intervals, ranks

if TYPE_CHECKING:
    import numpy.typing as npt

    Matrix = npt.NDArray[np.float64]

REPLICATES = 400
GROUPS = (5, 10, 20, 40)
CLIPS_EACH = 5


def rho(audio: Matrix, latent: Matrix, weights: npt.NDArray[np.int32]) -> tuple[float, Matrix]:
    """Return rho of two spaces, and its bootstrap."""
    ranked = [ranks.rank_pairs(distances) for distances in (audio, latent)]
    resampled = [ranks.resample(of_space, weights) for of_space in ranked]
    return ranks.rank_agreement(*ranked), ranks.rank_agreement_replicates(*resampled)


def rho_intervals(music: Music, draws: int) -> None:
    """Print how often intervals of rho hold its mean over draws."""
    rows = []
    latents = [name for name in music.distances if not name.startswith("audio")]
    for groups in GROUPS[:3]:
        hits: dict[str, list[list[bool]]] = {"percentile": [], "Student": []}
        for name in latents:
            rng = np.random.default_rng(groups)
            audio = music.distances[f"audio: {name.split(': ')[1]}"].astype(np.float64)
            latent = music.distances[name].astype(np.float64)
            found = []
            for _ in range(draws):
                tracks = rng.choice(music.tracks, size=groups, replace=False)
                clips = np.concatenate([music.clips[t] for t in tracks])
                weights = intervals.drawn(music.member[clips], rng, REPLICATES)  # type: ignore[arg-type]
                grid = np.ix_(clips, clips)
                found.append((*rho(audio[grid], latent[grid], weights), len(clips) ** 2))
            truth = float(np.mean([value for value, *_ in found]))
            for kind in hits:
                ends = [
                    intervals.percentile_interval(r) if kind == "percentile"
                    else intervals.correlation_interval(v, r, groups, pairs)
                    for v, r, pairs in found
                ]  # fmt: skip
                hits[kind].append([low <= truth <= high for low, high in ends])
        for kind, of_cases in hits.items():
            shares = np.mean(of_cases, axis=1)
            rows.append([groups, kind, len(shares), f"{shares.mean():.3f}", f"{shares.min():.3f}"])
    print_table(f"Coverage of rho's interval, {draws} draws of tracks of music a case",
                ["tracks", "interval", "cases", "mean", "least"], rows)  # fmt: skip


@dataclass(frozen=True)
class AtRung:
    """What `interval_of_break` looks at."""

    ci: tuple[float, float]


def breaks(draws: int) -> None:
    """Print how often intervals hold the rung at which most clips of the kind break."""
    rows, rungs = [], np.arange(17)
    for groups in GROUPS:
        shares: dict[str, list[float]] = {"of the intervals": [], "bootstrap": []}
        for alike in (0.0, 0.3, 0.6):
            for minimum in (0.5, 0.9):
                rng = np.random.default_rng(groups)
                names = np.repeat(np.arange(groups), CLIPS_EACH)
                many = 9 + 3 * rng.normal(size=1_000_000)
                rates = np.array([(many > rung).mean() for rung in rungs])
                truth = int(np.argmax(rates < minimum))
                hits = []
                for _ in range(draws):
                    shared = rng.normal(size=groups)[names]
                    alone = rng.normal(size=len(names))
                    at = 9 + 3 * (np.sqrt(alike) * shared + np.sqrt(1 - alike) * alone)
                    outcomes = at[None, :] > rungs[:, None]
                    found = interval_of_break(
                        {int(r): AtRung(intervals.proportion_interval(o, names))  # type: ignore
                         for r, o in zip(rungs, outcomes)}, minimum)  # fmt: skip
                    weights = intervals.drawn(names, rng, REPLICATES)  # type: ignore[arg-type]
                    below = weights @ outcomes.T / weights.sum(axis=1, keepdims=True) < minimum
                    first = np.where(below.any(axis=1), below.argmax(axis=1), len(rungs))
                    low, high = np.quantile(first, [0.025, 0.975])
                    hits.append((
                        found[0] is not None and found[0] <= truth
                        and (found[1] is None or truth <= found[1]),
                        low <= truth <= high,
                    ))  # fmt: skip
                for name, share in zip(shares, np.mean(hits, axis=0)):
                    shares[name].append(float(share))
        rows += [[groups, name, len(of), f"{np.mean(of):.3f}", f"{min(of):.3f}"]
                 for name, of in shares.items()]  # fmt: skip
    print_table(f"Coverage of the breaking point's interval, {draws} simulated draws a case",
                ["tracks", "interval", "cases", "mean", "least"], rows)  # fmt: skip


def _apart(queries: Matrix, originals: Matrix) -> Matrix:
    return np.asarray(np.linalg.norm(queries[:, None] - originals[None], axis=2))


def paired_bootstrap(draws: int) -> None:
    """Print how often the paired bootstrap calls rho of embeddings with other noise worse."""
    rows = []
    for groups in GROUPS:
        rng = np.random.default_rng(groups)
        names = np.repeat(np.arange(groups), CLIPS_EACH)
        called = []
        for _ in range(draws):
            points = rng.normal(size=(groups, 8))[names] + 0.5 * rng.normal(size=(len(names), 8))
            audio = _apart(points, points)
            weights = intervals.drawn(names, rng, REPLICATES)  # type: ignore[arg-type]
            sides = []
            for _ in "ab":
                noisy = points + 0.5 * rng.normal(size=points.shape)
                sides.append(rho(audio, _apart(noisy, noisy), weights)[1])
            differences = sides[1] - sides[0]
            p = (1 + np.sum(~(differences < 0.0))) / (1 + len(differences))
            called.append(p <= comparison.VERDICT_LEVEL)
        rows.append([groups, groups * CLIPS_EACH, f"{np.mean(called):.3f}"])
    print_table(f"Rho called worse at {comparison.VERDICT_LEVEL:.0%}, of {draws} without a change",
                ["tracks", "clips", "share"], rows)  # fmt: skip


def sign_flips(draws: int) -> None:
    """Print how often sign flips call outcomes worse where clips share neighbours."""
    rows = []
    names = [f"{i:03}" for i in range(134)]
    for moves in ("transformed clips", "originals too"):
        for noise in (0.05, 0.2, 0.5):
            rng = np.random.default_rng(round(100 * noise))
            called = []
            for _ in range(draws):
                points = rng.normal(size=(134, 16))
                away = [points + scale * rng.normal(size=points.shape)
                        for scale in np.linspace(0.5, 1.5, 11)]  # fmt: skip
                sides = []
                for _ in "ab":
                    moved = noise * rng.normal(size=points.shape) * (moves == "originals too")
                    sides.append([
                        ~consistency.exemplars(
                            _apart(a + noise * rng.normal(size=a.shape), points + moved)
                        ).errors
                        for a in away
                    ])  # fmt: skip
                before, after = (np.array(side, dtype=float) for side in sides)
                p = comparison.sign_flip_test(before - after, names, rng=rng)
                called.append(p <= comparison.VERDICT_LEVEL)
            rows.append([moves, noise, f"{np.mean(called):.3f}"])
    print_table(
        f"Outcomes called worse at {comparison.VERDICT_LEVEL:.0%}, of {draws} without a change"
        " (134 clips, 11 conditions)", ["what moves", "noise", "share"], rows)  # fmt: skip


def main() -> None:
    """Simulate, draw from the music, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--draws", type=int, default=300)
    parser.add_argument("--music", type=Path, help="file of grouped_music.py")
    chosen = parser.parse_args()
    breaks(chosen.draws)
    sign_flips(chosen.draws)
    paired_bootstrap(chosen.draws)
    if chosen.music:
        rho_intervals(Music(chosen.music), chosen.draws)
    print(f"\n{machine()}")


if __name__ == "__main__":
    main()

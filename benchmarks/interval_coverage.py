"""How often 95 % intervals hold the truth where clips share tracks, of several methods.

python benchmarks/interval_coverage.py [--draws N] [--music DISTANCES.npz] [--json FILE]

Simulated: outcomes of clips of one track are beta-binomial. Real: tracks are drawn, with return,
from recorded music (`grouped_music.py` measures it); the truth is the mean over draws. A track
that is drawn twice counts as two, which do not compete with each other.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import expit, logit
from scipy.stats import t as students_t
from tables import machine, print_table

from pytest_nnrel.statistics import intervals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy.typing as npt

    Flags = npt.NDArray[np.bool_]
    Whole = npt.NDArray[np.intp]
    Floats = npt.NDArray[np.float64]
    Interval = tuple[float, float]

GROUPS = (5, 10, 20, 40, 100)
SHARES = (0.5, 0.8, 0.95)
#: Correlation of two clips of a track.
ALIKE = (0.0, 0.1, 0.3, 0.6)
#: Clips of a track: as many each, or from one to a dozen.
SIZES: dict[str, Callable[[np.random.Generator, int], Whole]] = {
    "5 each": lambda rng, k: np.full(k, 5),
    "1 to 12": lambda rng, k: np.minimum(rng.geometric(0.2, k), 12),
}
#: Tracks drawn from real music.
TRACKS = (10, 20, 40)


def wilson(outcomes: Flags, groups: Whole, rng: np.random.Generator) -> Interval:
    """Return Wilson's interval of the clips, whatever their groups."""
    return intervals.wilson_interval(float(outcomes.mean()), len(outcomes))


def effective(outcomes: Flags, groups: Whole, rng: np.random.Generator) -> Interval:
    """Return what measurements have: Wilson's of what the clips are worth."""
    return intervals.proportion_interval(outcomes, groups)  # type: ignore[arg-type]


def percentile(outcomes: Flags, groups: Whole, rng: np.random.Generator) -> Interval:
    """Return the percentile bootstrap over groups."""
    weights = intervals.drawn(groups, rng, 400)  # type: ignore[arg-type]
    return intervals.percentile_interval(intervals.proportion_replicates(outcomes, weights))


def linearised(outcomes: Flags, groups: Whole, rng: np.random.Generator) -> Interval:
    """Return Student's interval over groups, of the logit."""
    count, share, error = _of_groups(outcomes, groups)
    if error == 0.0:
        return share, share
    half = float(students_t.ppf(0.975, count - 1)) * error / (share * (1.0 - share))
    return float(expit(logit(share) - half)), float(expit(logit(share) + half))


def bootstrap_t(outcomes: Flags, groups: Whole, rng: np.random.Generator) -> Interval:
    """Return the bootstrap-t over groups, of the logit."""
    _, member = np.unique(groups, return_inverse=True)
    count = int(member.max()) + 1
    kept = np.bincount(member, outcomes, count)
    clips = np.bincount(member, minlength=count)
    share, error = _rate(np.ones((1, count)), kept, clips)
    if error[0] == 0.0:
        return float(share[0]), float(share[0])
    picks = rng.integers(count, size=(400, count))
    times = np.stack([np.bincount(row, minlength=count) for row in picks])
    shares, errors = _rate(times, kept, clips)
    usable = errors > 0.0
    # On the scale of the logit, whose error is that of the share over p (1 - p).
    studentised = (logit(shares[usable]) - logit(share[0])) / (
        errors[usable] / (shares[usable] * (1.0 - shares[usable]))
    )
    low, high = np.quantile(studentised, [0.025, 0.975])
    scale = error[0] / (share[0] * (1.0 - share[0]))
    centre = logit(share[0])
    return float(expit(centre - high * scale)), float(expit(centre - low * scale))


def _rate(times: Floats, kept: Floats, clips: Whole) -> tuple[Floats, Floats]:
    """Return shares and their linearised errors, of groups drawn so often."""
    n = times @ clips
    shares = times @ kept / n
    count = len(clips)
    residuals = kept[None, :] - shares[:, None] * clips[None, :]
    variance = count / (count - 1) * np.sum(times * residuals**2, axis=1) / n**2
    return shares, np.sqrt(variance)


def _of_groups(outcomes: Flags, groups: Whole) -> tuple[int, float, float]:
    _, member = np.unique(groups, return_inverse=True)
    count = int(member.max()) + 1
    kept, clips = np.bincount(member, outcomes, count), np.bincount(member, minlength=count)
    share, error = _rate(np.ones((1, count)), kept, clips)
    return count, float(share[0]), float(error[0])


METHODS = {
    "Wilson of clips": wilson,
    "Wilson of their worth": effective,
    "bootstrap of groups": percentile,
    "Student of groups, logit": linearised,
    "bootstrap-t of groups, logit": bootstrap_t,
}


def coverage(
    samples: Iterator[tuple[Flags, Whole]], truth: float, seed: int, methods: list[str]
) -> dict[str, tuple[float, float]]:
    """Return how often each method's interval holds the truth, and its mean width."""
    rng = np.random.default_rng(seed)
    hits: dict[str, list[bool]] = {name: [] for name in methods}
    widths: dict[str, list[float]] = {name: [] for name in methods}
    for outcomes, groups in samples:
        for name in methods:
            low, high = METHODS[name](outcomes, groups, rng)
            hits[name].append(low <= truth <= high)
            widths[name].append(high - low)
    return {
        name: (round(float(np.mean(hits[name])), 4), round(float(np.mean(widths[name])), 4))
        for name in methods
    }


def simulated(
    rng: np.random.Generator, sizes: str, groups: int, share: float, alike: float, draws: int
) -> Iterator[tuple[Flags, Whole]]:
    """Yield outcomes of clips, and the groups that they are of."""
    for _ in range(draws):
        clips = SIZES[sizes](rng, groups)
        member = np.repeat(np.arange(groups), clips)
        if alike:
            scale = 1.0 / alike - 1.0
            rates = rng.beta(share * scale, (1.0 - share) * scale, groups)
        else:
            rates = np.full(groups, share)
        yield rng.random(len(member)) < rates[member], member


class Music:
    """Distances of real music under some conditions, by the tracks that clips are of."""

    def __init__(self, path: Path) -> None:
        stored = np.load(path)
        _, self.member = np.unique(stored["groups"], return_inverse=True)
        self.tracks = int(self.member.max()) + 1
        self.clips = [np.flatnonzero(self.member == t) for t in range(self.tracks)]
        self.distances = {name: stored[name] for name in stored.files if name != "groups"}

    def draws(self, rng: np.random.Generator, tracks: int, draws: int) -> list[Whole]:
        """Return tracks drawn, with return."""
        return [rng.integers(self.tracks, size=tracks) for _ in range(draws)]

    def outcomes(self, name: str, *, relatives: bool) -> Callable[[Whole], tuple[Flags, Whole]]:
        """Return a function that gives the outcomes of clips among the tracks drawn."""
        distances = self.distances[name].astype(np.float64)
        own = np.diag(distances).copy()
        np.fill_diagonal(distances, np.inf)
        nearest = np.stack([distances[:, c].min(axis=1) for c in self.clips], axis=1)
        of_track = nearest[np.arange(len(own)), self.member]
        np.put_along_axis(nearest, self.member[:, None], np.inf, axis=1)
        alone = own < of_track if relatives else np.ones(len(own), dtype=bool)

        def among(drawn: Whole) -> tuple[Flags, Whole]:
            picked = [self.clips[t] for t in drawn]
            clips = np.concatenate(picked)
            groups = np.repeat(np.arange(len(drawn)), [len(p) for p in picked])
            return alone[clips] & (own[clips] < nearest[clips][:, drawn].min(axis=1)), groups

        return among

    def cases(self) -> Iterator[tuple[str, Callable[[Whole], tuple[Flags, Whole]]]]:
        """Yield what proportions there are: C_W under both readings, and C_acc."""
        for name in self.distances:
            space, condition = name.split(": ")
            yield f"C_W {name}", self.outcomes(name, relatives=False)
            yield f"C_W {name}, all neighbours", self.outcomes(name, relatives=True)
            if space != "audio":
                yield f"C_acc {name}", self._agreement(name, f"audio: {condition}")

    def _agreement(self, latent: str, audio: str) -> Callable[[Whole], tuple[Flags, Whole]]:
        spaces = [self.outcomes(name, relatives=False) for name in (latent, audio)]

        def among(drawn: Whole) -> tuple[Flags, Whole]:
            (one, groups), (other, _) = (space(drawn) for space in spaces)
            return one == other, groups

        return among


def main() -> None:
    """Simulate, draw from the music, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--draws", type=int, default=1000, help="of each simulated case")
    parser.add_argument("--music", type=Path, help="file of grouped_music.py")
    parser.add_argument("--music-draws", type=int, default=2000)
    parser.add_argument("--json", type=Path, help="file for all cases")
    chosen = parser.parse_args()
    cases = []
    for sizes in SIZES:
        for groups in GROUPS:
            for share in SHARES:
                for alike in ALIKE:
                    rng = np.random.default_rng(len(cases))
                    samples = simulated(rng, sizes, groups, share, alike, chosen.draws)
                    found = coverage(samples, share, len(cases), list(METHODS))
                    case = {"source": "simulated", "sizes": sizes, "groups": groups,
                            "share": share, "alike": alike}  # fmt: skip
                    cases.append(case | {"coverage": found})
    if chosen.music:
        cases += _of_music(Music(chosen.music), chosen.music_draws)
    _print(cases)
    if chosen.json:
        lines = ",\n  ".join(json.dumps(case) for case in cases)
        chosen.json.write_text(f'{{"machine": "{machine()}",\n "cases": [\n  {lines}\n ]}}\n')


def _of_music(music: Music, draws: int) -> list[dict[str, object]]:
    cases = []
    for title, among in music.cases():
        for tracks in TRACKS:
            drawn = music.draws(np.random.default_rng(tracks), tracks, draws)
            truth = float(np.mean([among(d)[0].mean() for d in drawn]))
            found = coverage((among(d) for d in drawn), truth, tracks, list(METHODS)[:4])
            cases.append({"source": "music", "sizes": title, "groups": tracks,
                          "share": round(truth, 4), "coverage": found})  # fmt: skip
    return cases


def _print(cases: list[dict[str, object]]) -> None:
    for source in ("simulated", "music"):
        rows = []
        for groups in sorted({c["groups"] for c in cases if c["source"] == source}):
            of = [c["coverage"] for c in cases if (c["source"], c["groups"]) == (source, groups)]
            for name in of[0]:
                found = np.array([c[name] for c in of])
                rows.append([groups, name, len(of), f"{found[:, 0].mean():.3f}",
                             f"{found[:, 0].min():.3f}", f"{(found[:, 0] < 0.93).mean():.0%}",
                             f"{found[:, 1].mean():.3f}"])  # fmt: skip
        header = ["tracks", "interval", "cases", "mean", "least", "below .93", "width"]
        if rows:
            print_table(f"Coverage of 95 % intervals, {source}", header, rows)
    print(f"\n{machine()}")


if __name__ == "__main__":
    main()

"""Slow, obvious twins of what the package computes fast, written from the paper's equations."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
from scipy.stats import spearmanr
from scipy.stats import t as student_t


def euclidean(a, b):
    return math.sqrt(sum((float(x) - float(y)) ** 2 for x, y in zip(a, b, strict=True)))


def cosine(a, b):
    dot = sum(float(x) * float(y) for x, y in zip(a, b, strict=True))
    return 1.0 - dot / (
        math.sqrt(sum(float(x) ** 2 for x in a)) * math.sqrt(sum(float(y) ** 2 for y in b))
    )


def dtw(a, b):
    """Dynamic time warping from its recursion, cell by cell."""
    cost = {}
    for i in range(len(a)):
        for j in range(len(b)):
            before = [cost[c] for c in ((i - 1, j), (i, j - 1), (i - 1, j - 1)) if c in cost]
            cost[i, j] = euclidean(a[i], b[j]) + (min(before) if before else 0.0)
    return cost[len(a) - 1, len(b) - 1]


def simple(a, b, window):
    """Median over A's windows of the squared distance to the nearest window of B."""
    profile = []
    for i in range(len(a) - window + 1):
        candidates = []
        for j in range(len(b) - window + 1):
            difference = a[i : i + window].astype(float) - b[j : j + window].astype(float)
            candidates.append(float(np.sum(difference**2)))
        profile.append(min(candidates))
    return float(np.median(profile))


def delta(own, others):
    """Exemplar error, paper eq. 9: 0 iff the own original is nearer than every other."""
    if not math.isfinite(own):
        return 1
    for other in others:
        if not math.isfinite(other) or not own < other:
            return 1
    return 0


def deltas(distances, groups=None):
    """Exemplar errors of an (n, n) matrix: row p transformed, column q original.

    Of grouped clips, originals of other groups compete.
    """
    n = len(distances)
    groups = range(n) if groups is None else groups
    return [
        delta(distances[p][p], [distances[p][q] for q in range(n) if groups[q] != groups[p]])
        for p in range(n)
    ]


def within(distances, groups=None):
    """C_W, paper eq. 10."""
    errors = deltas(distances, groups)
    return (len(errors) - sum(errors)) / len(errors)


def among(distances, n, groups=None):
    """C_W among n clips: the mean over clips, and over all choices of n - 1 that compete."""
    clips = range(len(distances))
    groups = clips if groups is None else groups
    kept = []
    for p in clips:
        others = [q for q in clips if groups[q] != groups[p]]
        choices = list(combinations(others, n - 1))
        right = [1 - delta(distances[p][p], [distances[p][q] for q in some]) for some in choices]
        kept.append(sum(right) / len(right))
    return sum(kept) / len(kept)


def effective_clips(outcomes, groups):
    """What clips are worth: variance by leaving out one group at a time, against p (1 - p) / n."""
    n, names = len(outcomes), sorted(set(groups))
    k = len(names)
    if k == n:
        return n
    share = sum(outcomes) / n
    if k == 1 or share in (0, 1):
        return k
    moves = []
    for name in names:
        left = [outcome for outcome, group in zip(outcomes, groups) if group != name]
        moves.append(sum(left) / len(left) - share)
    variance = (k - 1) / k * sum(move**2 for move in moves)
    degrees = k - 1
    if variance:
        kurtosis = sum(move**4 for move in moves) / k / (sum(move**2 for move in moves) / k) ** 2
        if kurtosis > 1:
            degrees = min(degrees, max(1, 2 * k / (kurtosis - 1)))
    independent = share * (1 - share) / n
    effect = max(1, variance / independent)
    unsure = (student_t.ppf(0.975, degrees) / student_t.ppf(0.975, n - 1)) ** 2
    return max(1, n / effect / unsure)


def accuracy(audio, latent):
    """C_acc, paper eq. 12."""
    pairs = list(zip(deltas(audio), deltas(latent), strict=True))
    return sum(a == z for a, z in pairs) / len(pairs)


def rho(audio, latent, pairs="all"):
    """C_rho, paper eq. 11, by scipy."""
    audio, latent = np.asarray(audio), np.asarray(latent)
    own = np.eye(len(audio), dtype=bool)
    keep = {"all": own | ~own, "own": own, "distinct": ~own}[pairs]
    return float(spearmanr(audio[keep], latent[keep]).statistic)


def resampled_rho(audio, latent, drawn, pairs="all"):
    """C_rho of a bootstrap sample: rows and columns of the clips drawn, as often as drawn."""
    if pairs == "own":
        a, z = np.diag(audio)[drawn], np.diag(latent)[drawn]
    else:
        grid = np.ix_(drawn, drawn)
        keep = np.ones((len(drawn), len(drawn)), dtype=bool)
        if pairs == "distinct":
            keep = np.not_equal.outer(drawn, drawn)
        a, z = np.asarray(audio)[grid][keep], np.asarray(latent)[grid][keep]
    return float(spearmanr(a, z).statistic)


def training_drop(before, after, groups, ratio, degrees):
    """Drop of mean C_W, its variance shrunk towards independent flips, standard error, p.

    Outcomes are nested lists [training][condition][clip]; two trainings before at least.
    """
    conditions, clips = len(before[0]), len(before[0][0])

    def mean(values):
        values = list(values)
        return sum(values) / len(values)

    def variance(value_of):
        """Pooled over both sides, each about its own mean."""
        squares = freedom = 0
        for side in (before, after):
            values = [value_of(training) for training in side]
            squares += sum((value - mean(values)) ** 2 for value in values)
            freedom += len(side) - 1
        return squares / freedom

    def mean_c_w(training):
        return mean(mean(condition) for condition in training)

    flips = sum(
        variance(
            lambda training, group=group: sum(
                training[c][i] / conditions / clips
                for c in range(conditions)
                for i in range(clips)
                if groups[i] == group
            )
        )
        for group in sorted(set(groups))
    )
    own = len(before) + len(after) - 2
    unit = max(flips, (1 / conditions / clips) ** 2)
    shrunk = (degrees * ratio * unit + own * variance(mean_c_w)) / (degrees + own)
    error = math.sqrt(shrunk * (1 / len(before) + 1 / len(after)))
    drop = mean(map(mean_c_w, before)) - mean(map(mean_c_w, after))
    return drop, shrunk, error, student_t.sf(drop / error, degrees + own)


def whitened_correlation(a, b, sample_rate, *, band):
    """Largest correlation of two windows whose spectra are divided by the root of their amplitudes.

    By sums over the frequencies up to a band's end, at all lags up to half a window. The length of
    the transforms, which decides which frequencies there are, is the library's.
    """
    from scipy.fft import next_fast_len

    reach = len(a) // 2
    size = next_fast_len(len(a) + reach, real=True)
    last = min(size // 2, round(band / sample_rate * size))
    whitened = []
    for window in (a, b):
        window = np.asarray(window, np.float64) - np.mean(window, dtype=np.float64)
        spectrum = [
            sum(x * np.exp(-2j * np.pi * k * t / size) for t, x in enumerate(window))
            for k in range(last)
        ]
        spectrum = [value / max(abs(value), 1e-30) ** 0.5 for value in spectrum]
        power = sum(abs(value) ** 2 for value in spectrum)
        whitened.append([value / max(power, 1e-30) ** 0.5 for value in spectrum])
    grid = 2 * last  # of lags, as far apart as the band's end needs
    steps = reach * grid // size
    best = 0.0
    for lag in range(-steps, steps + 1):
        total = sum(
            (u * np.conj(v) * np.exp(2j * np.pi * k * lag / grid)).real
            for k, (u, v) in enumerate(zip(*whitened))
        )
        best = max(best, abs(total))
    return best


def stability(clean, transformed):
    """Squared distances of clips to their views, over those to each other clip (means)."""
    count = len(clean)
    own = [sum((z - t) ** 2) for z, t in zip(clean, transformed)]
    others = [sum((clean[i] - clean[j]) ** 2) for i in range(count) for j in range(count) if i != j]
    return np.mean(own) / np.mean(others)


def vicreg(clean, transformed, invariance=25.0, variance=25.0, covariance=1.0):
    """VICReg, Algorithm 1 of Bardes et al. 2022, number by number."""
    count, size = clean.shape
    total = invariance * np.mean((clean - transformed) ** 2)
    for side in (clean, transformed):
        columns = [side[:, j] - side[:, j].mean() for j in range(size)]
        for j, column in enumerate(columns):
            deviation = np.sqrt(sum(column**2) / (count - 1) + 1e-4)
            total += variance * max(0.0, 1.0 - deviation) / size
            for k, other in enumerate(columns):
                if k != j:
                    shared = sum(column * other) / (count - 1)
                    total += covariance * shared**2 / size
    return total


def nt_xent(clean, transformed, temperature=0.5):
    """SimCLR's equation 1 (Chen et al. 2020), mean over all clips and views."""
    both = [*clean, *transformed]
    count = len(clean)

    def similar(i, j):
        lengths = np.linalg.norm(both[i]) * np.linalg.norm(both[j])
        return np.exp(both[i] @ both[j] / lengths / temperature)

    losses = []
    for i in range(2 * count):
        own = similar(i, (i + count) % (2 * count))
        losses.append(-np.log(own / sum(similar(i, k) for k in range(2 * count) if k != i)))
    return np.mean(losses)


def linear_limits(windows, weight, competing=None):
    """Return the ratios in dB at which windows are lost by ``windows @ weight``, at the worst.

    A perturbation of norm r moves an embedding along a direction v by r |W v| at most, and another
    original is as near as the own one halfway to it.
    """
    windows = np.asarray(windows, dtype=np.float64)
    originals = windows @ weight
    found = []
    for i, own in enumerate(originals):
        radii = [
            np.square(other - own).sum() / 2 / np.linalg.norm(weight @ (other - own))
            for j, other in enumerate(originals)
            if j != i and (competing is None or competing[i, j])
        ]
        found.append(20 * math.log10(np.linalg.norm(windows[i]) / min(radii)))
    return np.array(found)

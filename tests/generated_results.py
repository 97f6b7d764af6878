"""Results of a reproduction with a known structure: a world in which the paper's claims hold."""

from __future__ import annotations

import math

import numpy as np

from pytest_nnrel.transforms import conditions, paper_grid
from pytest_nnrel.transforms.grids import imperceptible
from reference_models.paper.analysis import NETWORKS, VARIANTS
from reference_models.paper.results import (
    AUDIO_DISTANCES,
    ENCODERS,
    ORIGINAL,
    PAPER_TASKS,
    TRANSFORMATIONS,
    Consistency,
    MapPoint,
    OriginalsRank,
    Performance,
    Results,
)
from reference_models.task import task_named

SAMPLE_RATE = 22_050
CLIPS = 60
_FAMILIES = dict(
    zip(("PitchShift", "TempoShift", "PinkNoise", "EnvironmentalNoise", "MP3"), TRANSFORMATIONS)
)
#: C_W under the mildest condition, and where along the ladder it has fallen by half.
_WITHIN = {
    "mfcc": (1.0, 0.48), "at": (0.98, 0.40), "ir": (0.96, 0.33), "vs": (0.70, 0.20),
    "ae": (0.40, 0.10),
}  # fmt: skip
_RHO = {"mfcc": 0.88, "at": 0.08, "ir": 0.17, "vs": 0.19, "ae": 0.22}
#: Of a task's score: what VGG is above MFCC, and how far it falls along a ladder.
_PERFORMANCE = {"ae": (1.0, 0.1), "at": (0.5, 0.3), "ir": (0.4, 0.3), "vs": (0.1, 0.5)}
_SCATTER = 0.004


def grid(sample_rate=SAMPLE_RATE):
    """Return family, magnitude, severity, smallest and place along the ladder, 0 to 1."""
    small = set(conditions(imperceptible(), sample_rate))
    transforms = list(conditions(paper_grid(), sample_rate))
    found = []
    for t in transforms:
        along = [abs(o.severity) for o in transforms if type(o) is type(t)]
        place = (abs(t.severity) - min(along)) / (max(along) - min(along))
        family = _FAMILIES[type(t).__name__]
        found.append((family, t.magnitude, int(t.severity), t in small, place))
    return found


def results(trials=2, seed=0) -> Results:
    """Return results of the paper's grid."""
    rng = np.random.default_rng(seed)
    made = Results("generated", {"name": "generated", "clips": CLIPS})
    for condition in grid():
        made.consistency += _consistencies(condition, trials, rng)
        made.performance += _performances(condition, trials, rng)
    made.performance += _performances((ORIGINAL, 0.0, 0, False, -0.1), trials, rng)
    for _, audio, latent in VARIANTS["rho"]:
        for name in ENCODERS:
            value = _RHO[name] + 0.01
            made.originals.append(OriginalsRank(name, 0, audio, latent, value, value, value, CLIPS))
    made.maps = _maps(rng)
    made.vocal_maps = _vocal_map(rng)
    return made


def _fallen(place, half, gentle):
    return 1.0 - (1.0 - gentle) / (1.0 + math.exp(-(place - half) / 0.05))


def _consistencies(condition, trials, rng):
    family, magnitude, severity, smallest, place = condition
    audio = {d: _fallen(place, 0.5, {"dtw": 0.9, "simple": 0.8}[d] if family == "TS" else 0.05)
             for d in AUDIO_DISTANCES}  # fmt: skip
    rows = [("", 0, ("within", distance, ""), value) for distance, value in audio.items()]
    for name, (mildest, half) in _WITHIN.items():
        latent = mildest * _fallen(place, half, 0.5 if family == "TS" else 0.05)
        latent -= 0.03 if family == "PS" else 0.0
        for trial in range(1 if name == "mfcc" else trials):
            for variant in (v for variants in VARIANTS.values() for v in variants):
                value = {
                    "within": latent,
                    "accuracy": 1.0 - abs(audio.get(variant.audio_distance, 0.0) - latent),
                    "rho": _RHO[name],
                }[variant.measure]
                rows.append((name, trial, variant, value + rng.normal(0.0, _SCATTER)))
    return [
        Consistency(
            name, trial, family, magnitude, severity, smallest, *variant, value,
            value - 0.02, value + 0.02, CLIPS,
        )
        for name, trial, variant, value in rows
    ]  # fmt: skip


def _performances(condition, trials, rng):
    family, magnitude, severity, smallest, place = condition
    rows = []
    for task in PAPER_TASKS:
        of_task = task_named(task)
        above, fall = _PERFORMANCE[task]
        for network in NETWORKS:
            for trial in range(trials):
                value = above * (network == "vgg") - fall * place
                if task == "ae" and family == "EN":
                    value = above * (network == "vgg") + fall * place
                value -= 0.1 * fall if family == "PS" else 0.0
                value -= 0.05 * fall if family != ORIGINAL else 0.0
                value += rng.normal(0.0, _SCATTER)
                rows.append(
                    Performance(
                        task, network, trial, family, magnitude, severity, smallest,
                        of_task.measure, 2.0 - value if of_task.smaller_is_better else value, CLIPS,
                    )
                )  # fmt: skip
    return rows


def _maps(rng):
    points = []
    for name in ENCODERS:
        aside = {"vs": 40.0, "ae": 60.0}.get(name, 0.0)
        originals = rng.normal(0.0, 10.0, size=(CLIPS, 2))
        for number, family in enumerate((ORIGINAL, *TRANSFORMATIONS)):
            moved = originals + rng.normal(0.0, 0.02, size=originals.shape)
            moved[:, 0] += aside * number
            points += [
                MapPoint(name, 0, f"clip {i}", family, float(x), float(y))
                for i, (x, y) in enumerate(moved)
            ]
    return points


def _vocal_map(rng):
    """Voices along a circle, the loudest beside the most silent: no straight line orders them."""
    levels = rng.uniform(-60.0, -10.0, size=CLIPS)
    angles = (levels + 60.0) / 50.0 * 1.9 * np.pi
    return [
        MapPoint("vs", 0, f"voice {i}", ORIGINAL, math.cos(a), math.sin(a), float(level))
        for i, (a, level) in enumerate(zip(angles, levels))
    ]

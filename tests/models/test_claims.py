"""The nine claims hold in a world made for them, fail in worlds without, and say what they lack."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from generated_results import results as generated
from scipy.stats import spearmanr

from reference_models.errors import ReproductionError
from reference_models.paper import neighbourhoods
from reference_models.paper.claims import CLAIMS
from reference_models.paper.claims.rows import curve_of
from reference_models.paper.results import ORIGINAL, MapPoint, Results

NUMBERS = [claim.number for claim in CLAIMS]


@pytest.fixture(scope="module")
def world():
    return generated(trials=2)


def judged(number, results):
    return CLAIMS[number - 1](results)


def test_the_claims_are_the_papers_nine():
    assert list(range(1, 10)) == NUMBERS
    assert all(claim.text and claim.place for claim in CLAIMS)


@pytest.mark.parametrize("number", NUMBERS)
def test_a_claim_holds_in_a_world_made_for_it(world, number):
    outcome = judged(number, world)
    assert outcome.holds, outcome.explanation
    assert outcome.number == number
    assert outcome.text == CLAIMS[number - 1].text
    assert outcome.statistic
    json.dumps(outcome.statistic, allow_nan=False)
    assert "Not as claimed" not in outcome.explanation


def test_one_training_is_enough_to_judge():
    assert all(claim(generated(trials=1)).holds for claim in CLAIMS)


# Worlds in which a claim does not hold ------------------------------------------------------------


def rows(name, chosen, **change):
    """Return a change of those rows of a list that `chosen` picks: values by functions of a row."""

    def changed(row):
        return replace(row, **{field: new(row) for field, new in change.items()})

    return lambda results: replace(
        results, **{name: [changed(r) if chosen(r) else r for r in getattr(results, name)]}
    )


def swapped(field, first, second, *, of, **change):
    """Return a change of a list in which two names trade places, and perhaps values with them."""
    other = {first: second, second: first}
    return rows(
        of,
        lambda r: getattr(r, field) in other,
        **{field: lambda r: other[getattr(r, field)]},
        **change,
    )


def audio(distance, *families):
    return lambda r: r.audio_distance == distance and not r.encoder and r.transformation in families


def measured(measure):
    return lambda r: r.measure == measure and r.encoder


def task_under(task, family):
    return lambda r: (r.task, r.transformation) == (task, family)


def voices_in_any_order(results):
    levels = [point.vocal_db for point in results.vocal_maps]
    np.random.default_rng(0).shuffle(levels)
    points = [replace(point, vocal_db=db) for point, db in zip(results.vocal_maps, levels)]
    return replace(results, vocal_maps=points)


BROKEN = {
    "low from the start": (
        1,
        "at the smallest magnitudes",
        rows("consistency", audio("simple", "PN"), value=lambda _: 0.9),
    ),
    "no fall": (
        1,
        "least surely under DTW EN",
        rows("consistency", audio("dtw", "EN"), value=lambda _: 1.0),
    ),
    "tempo breaks too": (
        1,
        "lowest C_W under TS",
        rows("consistency", audio("dtw", "TS"), value=lambda r: 1.0 if r.smallest else 0.01),
    ),
    "SiMPle withstands tempo better": (
        1,
        "mean C_W under TS",
        rows("consistency", audio("simple", "TS"), value=lambda _: 1.0),
    ),
    "AT above MFCC": (2, "(C_W, ", swapped("encoder", "mfcc", "at", of="consistency")),
    "all as consistent": (
        2,
        "C_rho",
        rows(
            "consistency", lambda r: r.encoder == "at" and r.measure == "rho", value=lambda _: 0.88
        ),
    ),
    "VS above IR": (3, "order of C_W", swapped("encoder", "vs", "ir", of="consistency")),
    "C_rho in the order of C_W": (
        3,
        "order of C_rho",
        rows(
            "consistency",
            measured("rho"),
            value=lambda r: (
                {"mfcc": 0.9, "at": 0.4, "ir": 0.3, "vs": 0.2, "ae": 0.1}[r.encoder]
                + r.severity * 1e-5
            ),
        ),
    ),
    "C_acc keeps falling": (
        4,
        "C_acc changes",
        rows("consistency", measured("accuracy"), value=lambda r: 1.0 - abs(r.severity) / 500),
    ),
    "C_rho falls with C_W": (
        4,
        "C_rho ranges over",
        rows("consistency", measured("rho"), value=lambda r: 1.0 / (1.0 + abs(r.severity))),
    ),
    "no space fails": (
        4,
        "do both spaces fail",
        rows(
            "consistency",
            lambda r: r.measure == "within",
            value=lambda r: 1.0 - abs(r.severity) / 1000,
        ),
    ),
    "AE robust": (
        5,
        "higher median of VS and AE",
        rows("consistency", lambda r: r.encoder == "ae" and r.smallest, value=lambda _: 0.99),
    ),
    "AT sensitive": (
        5,
        "lowest median",
        rows("consistency", lambda r: r.encoder == "at" and r.smallest, value=lambda _: 0.8),
    ),
    "MP3 hurts most": (
        5,
        "C_W under PS",
        rows(
            "consistency",
            lambda r: r.smallest and r.transformation == "MP",
            value=lambda r: r.value - 0.1,
        ),
    ),
    "another ranking": (6, "rankings", rows("originals", lambda _: True, value=lambda r: -r.value)),
    "MFCC performs better": (
        7,
        "VGG exceeds MFCC",
        swapped("encoder", "mfcc", "vgg", of="performance"),
    ),
    "widest in IR": (
        7,
        "widest difference is that of IR",
        # Of AE the smaller score is the better one.
        swapped("task", "ir", "ae", of="performance", value=lambda r: -r.value),
    ),
    "no fall of AT": (
        7,
        "least surely for AT PN",
        rows("performance", task_under("at", "PN"), value=lambda _: 0.5),
    ),
    "AE falls": (
        7,
        "environmental noise",
        rows("performance", task_under("ae", "EN"), value=lambda r: r.value + r.severity / 100),
    ),
    "no drop": (
        7,
        "at the smallest magnitudes it changes",
        rows(
            "performance",
            lambda r: r.transformation == ORIGINAL,
            value=lambda r: r.value - (-5.0 if r.task == "ae" else 5.0),
        ),
    ),
    "clusters of MFCC": (8, "MFCC's transformed", swapped("encoder", "mfcc", "ae", of="maps")),
    "no clusters of VS": (8, "separation of VS", swapped("encoder", "vs", "ir", of="maps")),
    "MFCC moves within its cloud": (
        8,
        "MFCC's transformed",
        rows("maps", lambda p: p.encoder == "mfcc" and p.transformation == "PS", x=lambda p: -p.x),
    ),
    "voices in any order": (9, "level of the voice", voices_in_any_order),
}


@pytest.mark.parametrize("number, said, change", BROKEN.values(), ids=BROKEN)
def test_a_claim_does_not_hold_in_a_world_without_it(world, number, said, change):
    outcome = judged(number, change(world))
    assert not outcome.holds
    _, *parts = re.split("((?:Not as|As) claimed: )", outcome.explanation)
    failed = [text for verdict, text in zip(parts[::2], parts[1::2]) if verdict.startswith("Not")]
    assert said in " ".join(failed)


# Results that lack something ----------------------------------------------------------------------


def only(name, kept):
    return lambda results: replace(
        results, **{name: [r for r in getattr(results, name) if kept(r)]}
    )


def not_of(encoder, name="consistency"):
    return only(name, lambda r: r.encoder != encoder)


LACKING = {
    "nothing, 1": (1, lambda _: Results("ci", {}), "C_W, DTW was not measured"),
    "nothing, 2": (2, lambda _: Results("ci", {}), "C_W, Euclidean was not measured"),
    "no smallest": (1, only("consistency", lambda r: not r.smallest), "smallest magnitudes"),
    "a quick grid": (1, only("consistency", lambda r: r.smallest), "PS- was measured at 1 of"),
    "no family": (1, only("consistency", lambda r: r.transformation != "TS"), "TS"),
    "no MFCC": (2, not_of("mfcc"), "encoder 'mfcc'"),
    "no VS": (3, not_of("vs"), "encoder 'vs'"),
    "no audio space": (4, not_of(""), "C_W, DTW was not measured"),
    "no rho": (4, only("consistency", lambda r: r.measure != "rho"), "C_rho"),
    "no IR": (5, not_of("ir"), "encoder ir"),
    "no originals": (6, not_of("at", "originals"), "originals alone, encoder at"),
    "no performance": (7, only("performance", lambda _: False), "no task performance"),
    "no task": (7, only("performance", lambda r: r.task != "vs"), "task 'vs'"),
    "no originals' performance": (
        7, only("performance", lambda r: r.transformation != ORIGINAL), "on originals"),
    "no map": (8, not_of("ae", "maps"), "no map of ae"),
    "no transformed points": (
        8, only("maps", lambda p: p.transformation == ORIGINAL), "no points of PS"),
    "no original points": (
        8, only("maps", lambda p: p.transformation != ORIGINAL), "no points of OG"),
    "few points": (8, only("maps", lambda p: p.clip in ("clip 0", "clip 1")), "too few points"),
    "no voices": (9, only("vocal_maps", lambda _: False), "no map of vs"),
    "levels unknown": (
        9, rows("vocal_maps", lambda _: True, vocal_db=lambda _: None), "map of 0 points"),
}  # fmt: skip


@pytest.mark.parametrize("number, change, said", LACKING.values(), ids=LACKING)
def test_what_is_missing_is_named(world, number, change, said):
    with pytest.raises(ReproductionError, match=f"claim {number} cannot be judged: .*{said}"):
        judged(number, change(world))


# Maps ---------------------------------------------------------------------------------------------


def points(at, transformation=ORIGINAL):
    return [MapPoint("vs", 0, f"{i}", transformation, x, y) for i, (x, y) in enumerate(at)]


def test_displacement_is_in_distances_to_neighbours():
    """On a line of originals a unit apart, moved across it by half a unit."""
    line = np.stack([np.arange(5.0), np.zeros(5)], axis=1)
    both = points(line) + points(line + np.array([0.0, 0.5]), "PS")
    assert neighbourhoods.displacement(both, "PS") == pytest.approx(0.5)


def test_separation_is_0_of_one_cloud_and_1_of_two():
    rng = np.random.default_rng(0)
    originals, others = rng.normal(size=(2, 400, 2))
    same = points(originals) + points(others, "EN")
    apart = points(originals) + points(others + 100.0, "EN")
    assert abs(neighbourhoods.separation(same, "EN")) < 0.05
    assert neighbourhoods.separation(apart, "EN") == pytest.approx(1.0)


def test_separation_tells_nothing_of_pairs():
    """Pairs that touch, or lie as any two points of a cloud do, are as mixed."""
    originals = np.random.default_rng(1).normal(size=(400, 2))
    touching = points(originals) + points(originals + 1e-6, "MP")
    assert abs(neighbourhoods.separation(touching, "MP")) < 0.05


def test_chance_orders_are_told_from_real_ones():
    rng = np.random.default_rng(2)
    at = rng.uniform(size=(100, 2))
    ordered = neighbourhoods.order(points(at), at[:, 0])
    assert ordered[0] > 0.9
    assert ordered[1] == pytest.approx(1 / (1 + neighbourhoods.PERMUTATIONS))
    values = [neighbourhoods.order(points(at), rng.permutation(at[:, 0]))[1] for _ in range(12)]
    assert 0.25 < np.mean(values) < 0.75


def test_rank_correlation_is_scipys():
    rng = np.random.default_rng(3)
    first, second = rng.integers(0, 6, size=(2, 50))
    assert neighbourhoods.rank_correlation(first, second) == pytest.approx(
        spearmanr(first, second).statistic
    )
    assert neighbourhoods.rank_correlation(first, np.ones(50)) == 0.0


def test_a_curve_weighs_encoders_alike_whatever_their_trials(world):
    (row,) = [
        row
        for row in world.performance
        if (row.task, row.encoder, row.transformation, row.trial) == ("at", "vgg", "PN", 1)
    ][:1]
    of_vgg = [replace(row, trial=trial, value=value) for trial, value in ((1, 1.0), (2, 4.0))]
    of_mfcc = replace(row, encoder="mfcc", trial=1, value=0.5)
    milder = replace(row, severity=row.severity - 1, value=7.0)
    curve = curve_of([*of_vgg, of_mfcc, milder])
    assert list(curve.items()) == [(row.severity - 1, 7.0), (row.severity, 1.5)]

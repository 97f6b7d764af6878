"""The additive model against least squares by hand, and the paper's numbers beside ours."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from dataclasses import replace
from statistics import fmean, pstdev, stdev

import numpy as np
import pytest
from generated_results import results as generated
from scipy.linalg import null_space
from scipy.stats import f as f_distribution

torch = pytest.importorskip("torch", reason="needs torch")

from pytest_nnrel import (  # noqa: E402
    Corpus,
    EnvironmentalNoise,
    MFCCEncoder,
    PinkNoise,
    PitchShift,
    as_encoder,
    between_consistency,
    within_consistency,
)
from reference_models.errors import ReproductionError  # noqa: E402
from reference_models.paper import analysis, gam, targets  # noqa: E402
from reference_models.paper.gam import Observation  # noqa: E402
from reference_models.paper.results import (  # noqa: E402
    ORIGINAL,
    PAPER_TASKS,
    Consistency,
    Results,
)
from reference_models.paper.targets import Variant  # noqa: E402
from reference_models.task import build  # noqa: E402

FACTORS = ("encoder", "transformation")
WITHIN = Variant("within", "", "euclidean")


def balanced(rng, *, encoders="abc", transformations="xy", trials=2, conditions=19, scatter=0.1):
    """Return observations of every combination, each with a level of its own."""
    levels = rng.normal(size=(len(encoders), len(transformations)))
    return [
        Observation((e, t), trial, m, levels[i, j] + rng.normal(0.0, scatter))
        for i, e in enumerate(encoders)
        for j, t in enumerate(transformations)
        for trial in range(trials)
        for m in np.linspace(0.1, 1.0, conditions)
    ]


def unbalanced(rng):
    """Of four conditions, so that the spline is a line, and one trial of an encoder only."""
    made = balanced(rng, trials=3, conditions=4)
    return [o for o in made if o.levels[0] != "a" or o.trial == 0]


# The model --------------------------------------------------------------------------------------


def test_marginal_means_of_a_balanced_design_are_plain_means():
    observations = balanced(np.random.default_rng(0))
    model = gam.fit(observations, FACTORS, what="values")
    for position, factor in enumerate(FACTORS):
        for estimate in model.means(factor):
            plain = fmean(o.value for o in observations if o.levels[position] == estimate.levels[0])
            assert estimate.mean == pytest.approx(plain, abs=1e-12)
    assert len(model.means(*FACTORS)) == 6


def test_trainings_of_one_encoder_do_not_outweigh_those_of_another():
    observations = unbalanced(np.random.default_rng(1))
    model = gam.fit(observations, FACTORS, what="values")
    cells = defaultdict(list)
    for o in observations:
        cells[o.levels].append(o.value)
    plain = fmean(fmean(cells[encoder, "x"]) for encoder in "abc")
    assert model.mean(transformation="x").mean == pytest.approx(plain, abs=1e-12)


def least_squares(design, values):
    residuals = values - design @ np.linalg.lstsq(design, values, rcond=None)[0]
    return float(residuals @ residuals)


def test_r_squared_and_f_are_those_of_least_squares_by_hand():
    observations = unbalanced(np.random.default_rng(2))
    model = gam.fit(observations, FACTORS, what="values")
    cells = list(itertools.product("abc", "xy"))
    values = np.array([o.value for o in observations])
    means = np.array([[float(o.levels == cell) for cell in cells] for o in observations])
    axis = np.array([o.magnitude for o in observations])
    slopes = means * (axis - np.linspace(0.1, 1.0, 4).mean())[:, np.newaxis]
    full = least_squares(np.hstack([means, slopes]), values)
    df = len(values) - 12
    total = float(((values - values.mean()) ** 2).sum())
    assert model.r_squared == pytest.approx(1.0 - full / total, rel=1e-9)
    assert model.df_error == df

    # Each hypothesis as contrasts of the six cells' means.
    of_encoders, of_transformations = np.array([[1, -1, 0], [0, 1, -1]]), np.array([[1, -1]])
    hypotheses = {
        "encoder": np.kron(of_encoders, [[1, 1]]),
        "transformation": np.kron([[1, 1, 1]], of_transformations),
        "encoder:transformation": np.kron(of_encoders, of_transformations),
    }
    effects = {effect.term: effect for effect in model.effects()}
    assert effects.keys() == hypotheses.keys()
    for term, contrasts in hypotheses.items():
        restricted = least_squares(np.hstack([means @ null_space(contrasts), slopes]), values)
        f = (restricted - full) / len(contrasts) / (full / df)
        assert effects[term].f == pytest.approx(f, rel=1e-8)
        assert (effects[term].df, effects[term].df_error) == (len(contrasts), df)
        assert effects[term].p == pytest.approx(f_distribution.sf(f, len(contrasts), df), rel=1e-6)


def test_curves_of_every_combination_are_recovered():
    """What is left is the scatter that was put in, and no more."""
    rng = np.random.default_rng(3)
    scatter = 0.01
    flat = balanced(rng, trials=4, scatter=scatter)
    curves = {"x": lambda m: math.sin(4.0 * m), "y": lambda m: 1.0 / (1.0 + math.exp(9.0 * m - 4))}
    observations = [replace(o, value=o.value + curves[o.levels[1]](o.magnitude)) for o in flat]
    model = gam.fit(observations, FACTORS, what="values")
    cell = model.mean(encoder="a", transformation="x")
    left = cell.error * math.sqrt(4 * 19)
    assert left == pytest.approx(scatter, rel=0.1)
    assert model.df_error == len(observations) - 6 * (1 + gam.SPLINE_DF)
    assert model.r_squared > 0.999


def test_intervals_hold_the_truth_as_often_as_they_say():
    """Of 200 samples 95 % intervals miss 10, and 2 to 21 in 998 of 1,000 such experiments."""
    misses = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        observations = [
            Observation((e, t), 0, m, math.cos(3.0 * m) + rng.normal(0.0, 0.1))
            for e in "ab"
            for t in "xy"
            for m in np.linspace(-1.0, 1.0, 15)
        ]
        step = gam.fit(observations, FACTORS, what="values").contrast(
            {"encoder": "a"}, {"encoder": "b"}
        )
        misses += not step.low <= 0.0 <= step.high
    assert 2 <= misses <= 21


def test_the_error_over_trainings_stands_beside_that_of_the_residuals():
    rng = np.random.default_rng(4)
    shift = {0: 0.0, 1: 0.3, 2: 0.9}
    observations = [
        replace(o, value=o.value + shift[o.trial])
        for o in balanced(rng, trials=3, scatter=0.01)
        if o.levels[0] != "a" or o.trial == 0
    ]
    model = gam.fit(observations, FACTORS, what="values")
    single, several = model.mean(encoder="a"), model.mean(encoder="b")
    assert (single.trials, single.trial_error) == (1, None)
    own = [
        fmean(o.value for o in observations if o.levels[0] == "b" and o.trial == trial)
        for trial in shift
    ]
    assert several.trials == 3
    assert several.trial_error == pytest.approx(stdev(own) / math.sqrt(3))
    assert several.trial_error > 4 * several.error
    between = model.contrast({"encoder": "b"}, {"encoder": "c"})
    other = model.mean(encoder="c").trial_error
    assert between.trial_error == pytest.approx(math.hypot(several.trial_error, other))
    assert model.contrast({"encoder": "b"}, {"encoder": "a"}).trial_error is None
    assert "1 to 3" in model.error_term


def test_one_training_has_the_scatter_of_conditions_as_error():
    model = gam.fit(balanced(np.random.default_rng(5), trials=1), FACTORS, what="values")
    assert "one training of each" in model.error_term


@pytest.mark.parametrize("conditions, df", [(1, 0), (2, 0), (3, 1), (4, 1), (12, 5), (20, 6)])
def test_a_spline_takes_half_of_the_conditions_at_most(conditions, df):
    observations = balanced(np.random.default_rng(6), trials=2, conditions=conditions)
    model = gam.fit(observations, FACTORS, what="values")
    assert model.df_error == len(observations) - 6 * (1 + df)


def test_a_factor_of_one_level_has_no_effect():
    observations = balanced(np.random.default_rng(7), encoders="a")
    model = gam.fit(observations, FACTORS, what="values")
    assert [effect.term for effect in model.effects()] == ["transformation"]
    plain = fmean(o.value for o in observations)
    assert model.mean(encoder="a").mean == pytest.approx(plain)


def without(*levels):
    return lambda observations: [o for o in observations if o.levels != levels]


@pytest.mark.parametrize(
    "change, said",
    [
        (lambda _: [], "nothing was measured"),
        (without("a", "x"), "nothing was measured of a under x"),
        (lambda o: [replace(i, value=0.5) for i in o], "do not scatter"),
        (lambda o: [i for i in o if i.magnitude == 0.1 and i.trial == 0], "6 values are too few"),
    ],
)
def test_too_little_to_fit_is_told(change, said):
    observations = change(balanced(np.random.default_rng(8)))
    with pytest.raises(ReproductionError, match=f"C_W.*{said}"):
        gam.fit(observations, FACTORS, what="C_W")


def test_a_level_that_was_not_measured_is_told():
    model = gam.fit(balanced(np.random.default_rng(9)), FACTORS, what="values")
    with pytest.raises(ReproductionError, match="encoder 'z'"):
        model.mean(encoder="z")


# Results ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def world():
    return generated(trials=2)


def test_families_are_not_compared_by_their_severities(world):
    """Ladders with finer rungs give the same model."""
    finer = [
        replace(row, severity=row.severity * (10 if row.transformation == "PS" else 3))
        for row in world.consistency
    ]
    before = analysis.consistency_model(world, WITHIN)
    after = analysis.consistency_model(replace(world, consistency=finer), WITHIN)
    assert after.r_squared == pytest.approx(before.r_squared, abs=1e-12)
    for was, now in zip(before.effects(), after.effects()):
        assert now.f == pytest.approx(was.f)


def test_means_are_over_the_transformations_and_not_over_their_magnitudes(world):
    model = analysis.consistency_model(world, WITHIN)
    rows = [row for row in analysis.consistency_rows(world, WITHIN) if row.encoder == "ir"]
    families = {row.transformation for row in rows}
    plain = fmean(fmean(r.value for r in rows if r.transformation == f) for f in families)
    assert model.mean(encoder="ir").mean == pytest.approx(plain, abs=1e-12)
    assert model.levels["encoder"] == tuple(sorted(model.levels["encoder"]))


def test_a_network_of_a_fifth_task_changes_no_model(world):
    """Those of one's own may lie in the folder that is reproduced."""
    consistency = [replace(r, encoder="vd", value=1 - r.value / 2) for r in world.consistency]
    performance = [replace(r, task="vd", value=1 - r.value / 2) for r in world.performance]
    more = replace(
        world,
        consistency=[*world.consistency, *consistency],
        performance=[*world.performance, *performance],
    )
    assert analysis.consistency_rows(more, WITHIN) == analysis.consistency_rows(world, WITHIN)
    for model in (
        lambda results: analysis.consistency_model(results, WITHIN),
        analysis.performance_model,
    ):
        assert model(more).levels == model(world).levels
        assert model(more).effects() == model(world).effects()


def test_performance_is_in_standard_deviations_of_its_task(world):
    rows = analysis.standardised_performance(world)
    for task in PAPER_TASKS:
        own = [r.value for r in rows if r.task == task and r.transformation != ORIGINAL]
        assert fmean(own) == pytest.approx(0.0, abs=1e-12)
        assert pstdev(own) == pytest.approx(1.0)
    errors = [r.value for r in world.performance if r.task == "ae"]
    reversed_ = [r.value for r in rows if r.task == "ae"]
    assert np.corrcoef(errors, reversed_)[0, 1] == pytest.approx(-1.0)


def test_the_model_of_performance_has_the_papers_degrees_of_freedom(world):
    effects = {e.term: e.df for e in analysis.performance_model(world).effects()}
    reported = {t.term: t.df for t in targets.TESTS if t.variant == targets.PERFORMANCE}
    assert {term: effects[term] for term in reported} == reported


def test_scores_that_do_not_differ_are_told(world):
    same = [replace(row, value=1.0) if row.task == "ir" else row for row in world.performance]
    with pytest.raises(ReproductionError, match="'ir' do not differ"):
        analysis.performance_model(replace(world, performance=same))


# Tables -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tables(world):
    return analysis.tables(world)


def by_columns(tables, *columns):
    """Return the rows of tables that have these columns, as dicts."""
    return [
        dict(zip(table.columns, row))
        for table in tables
        if set(columns) <= set(table.columns)
        for row in table.rows
    ]


def test_every_row_has_a_cell_for_every_column(tables):
    for table in tables:
        assert table.rows
        assert {len(row) for row in table.rows} == {len(table.columns)}


def test_every_mean_of_the_paper_stands_beside_ours(tables, world):
    rows = by_columns(tables, "paper", "here")
    for target in targets.MEANS:
        of_task = target.variant == targets.PERFORMANCE
        (row,) = [
            r
            for r in rows
            if r["encoder"] == targets.NAMES[target.encoder]
            and (r.get("task") == "all" if of_task else r.get("measure") == str(target.variant))
        ]
        assert (row["paper"], row["paper s.e."]) == (target.value, target.error)
        assert row["95 % low"] < row["here"] < row["95 % high"]
    ours = analysis.consistency_model(world, WITHIN).mean(encoder="vs")
    (row,) = [r for r in rows if (r["encoder"], r.get("measure")) == ("VS", str(WITHIN))]
    assert row["here"] == ours.mean
    assert row["here s.e."] == ours.error
    assert row["trials"] == 2


def test_every_test_and_fit_of_the_paper_stands_beside_ours(tables):
    tests = {(r["measure"], r["term"]): r for r in by_columns(tables, "paper F")}
    for target in targets.TESTS:
        row = tests[str(target.variant), target.term.replace(":", " x ")]
        assert (row["paper F"], row["paper df"]) == (target.f, f"{target.df}, {target.df_error}")
        assert row["here F"] > 0.0
        assert row["here df"].startswith(f"{target.df}, ")
    fits = {r["measure"]: r for r in by_columns(tables, "paper R²")}
    assert len(fits) == 11
    for target in targets.FITS:
        assert fits[str(target.variant)]["paper R²"] == target.r_squared
        assert 0.9 < fits[str(target.variant)]["here R²"] < 1.0


def test_what_was_not_measured_is_left_open_and_said(world):
    without_at = [row for row in world.consistency if row.encoder != "at"]
    partial = [row for row in without_at if row.measure != "rho"]
    found = analysis.tables(replace(world, consistency=partial, performance=[]))
    assert len(found) == 9
    rows = by_columns(found, "paper", "here")
    assert {r["here"] for r in rows if r.get("task")} == {None}
    assert {r["here"] for r in rows if r["encoder"] == "AT"} == {None}
    assert None not in {r["here"] for r in rows if r.get("measure", "").startswith("C_acc")
                        and r["encoder"] != "AT"}  # fmt: skip
    notes = " ".join(table.note for table in found)
    assert "no task performance was measured" in notes
    assert "C_rho, DTW x Euclidean was not measured" in notes


def test_results_of_nothing_still_show_the_papers_numbers():
    found = analysis.tables(Results("ci", {}))
    assert {row["here"] for row in by_columns(found, "paper", "here")} == {None}
    assert 0.741 in {row["paper"] for row in by_columns(found, "paper", "here")}


# Real encoders ----------------------------------------------------------------------------------


def test_measurements_of_real_encoders_flow_through():
    """The paper's baseline and a network of its kind, untrained, on recorded music."""
    corpus = Corpus.bundled().subset(8)
    torch.manual_seed(0)
    network = build("at").eval()
    encoders = {"mfcc": MFCCEncoder(), "at": as_encoder(network.embedding, name="at")}
    families = {
        "PS": (PitchShift(2), PitchShift(8)),
        "PN": (PinkNoise(12), PinkNoise(-6)),
        "EN": (EnvironmentalNoise(12), EnvironmentalNoise(-6)),
    }
    rho = Variant("rho", "dtw", "cosine")
    rows = []
    for (name, encoder), (family, transforms) in itertools.product(
        encoders.items(), families.items()
    ):
        for t in transforms:
            measured = {
                WITHIN: within_consistency(encoder, t, corpus=corpus),
                rho: between_consistency(encoder, t, corpus=corpus, latent_distance="cosine"),
            }
            for variant, m in measured.items():
                rows.append(
                    Consistency(
                        name, 0, family, t.magnitude, int(t.severity), False, *variant,
                        m.value, *m.ci, m.n,
                    )
                )  # fmt: skip
    model = analysis.consistency_model(Results("test", {}, consistency=rows), rho)
    assert model.df_error == 6
    assert {e.levels[0]: e.mean for e in model.means("encoder")} == {
        name: pytest.approx(fmean(r.value for r in rows if (r.encoder, r.measure) == (name, "rho")))
        for name in encoders
    }
    assert len(analysis.consistency_rows(Results("", {}, consistency=rows), WITHIN)) == 12
    assert all(row.low <= row.value <= row.high for row in rows)

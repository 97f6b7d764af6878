"""Whether encoders tell severities, and move clips alike: those that do by construction, or not."""

from __future__ import annotations

import numpy as np
import pytest
from known_answers import Rungs
from sklearn.linear_model import Ridge

from pytest_nnrel import (
    Corpus,
    FunctionTransform,
    Identity,
    MagnitudeError,
    PinkNoise,
    PitchShift,
    SettingError,
    TooFewClipsError,
    assert_equivariant,
    assert_sensitive,
    equivariance,
    response,
    sensitivity,
)
from pytest_nnrel.recording import sink
from pytest_nnrel.response import _rungs
from pytest_nnrel.statistics import displacements
from pytest_nnrel.statistics.displacements import Predicted

CLIPS, WIDTH = 12, 5
ENDS = (PitchShift(-1), PitchShift(1))


def made(groups=None):
    rng = np.random.default_rng(7)
    return Corpus.from_arrays(
        rng.normal(0.0, 0.1, (CLIPS, 13_000)).astype(np.float32),
        sample_rate=22_050,
        window_seconds=0.4,
        groups=groups,
    )


@pytest.fixture(scope="module")
def corpus():
    return made()


@pytest.fixture(scope="module")
def rungs(corpus):
    return Rungs(corpus, [[Identity(), *_rungs(ENDS, corpus.sample_rate, 2)]])


class Moving:
    """Puts each clip at a place of its own, and moves it from there as `by` says."""

    def __init__(self, rungs, by, name="moving"):
        self.name = name
        self._rungs = rungs
        self._by = by
        self._places = np.random.default_rng(0).normal(size=(CLIPS, WIDTH))

    def encode(self, batch):
        rows = []
        for window in batch:
            clip, severity = self._rungs.place(window)
            moved = self._by(clip, severity / 20.0) if severity else 0.0
            rows.append(self._places[clip] + moved)
        return np.array(rows, dtype=np.float32)


WAY = np.linspace(-1.0, 2.0, WIDTH)


def by_severity(clip, severity):
    return severity * WAY


def by_size_only(clip, severity):
    return abs(severity) * WAY


def each_its_own_way(clip, severity):
    return severity * np.random.default_rng(clip).normal(size=WIDTH)


def at_random(clip, severity):
    return np.random.default_rng([clip, int(severity * 20) + 100]).normal(size=WIDTH)


def not_at_all(clip, severity):
    return 0.0


@pytest.mark.parametrize(
    "by, told, alike",
    [
        (by_severity, 1.0, 1.0),
        (by_size_only, 0.0, 1.0),
        (each_its_own_way, 0.0, 0.0),
        (at_random, 0.0, 0.0),
        (not_at_all, 0.0, 0.0),
    ],
)
def test_encoders_of_known_answer(rungs, corpus, by, told, alike):
    encoder = Moving(rungs, by, by.__name__)
    found = sensitivity(encoder, ENDS, corpus=corpus, steps=2)
    assert found.value <= 0.35 if told == 0.0 else found.value == pytest.approx(1.0, abs=1e-3)
    assert (found.details["p"] <= 0.01) == (told == 1.0)
    same = equivariance(encoder, ENDS, corpus=corpus, steps=2)
    assert same.value == pytest.approx(alike, abs=0.3 if alike == 0.0 else 1e-5)
    assert same.details["chance"] == pytest.approx(-1 / (CLIPS - 1))
    for measured in (found, same):
        assert measured.ci[0] <= measured.value <= measured.ci[1]
        assert measured.value == pytest.approx(np.mean(measured.details["per_clip"]))
        assert (
            measured.details["identity"]["rungs"]
            == [f"PitchShift(semitones={s})" for s in ("-1.0", "-0.5", "0.5", "1.0")]
            or len(measured.details["identity"]["rungs"]) == 4
        )


SEEDS = range(20)
SEVERITIES = np.array([-2.0, -1.0, 1.0, 2.0])


def displaced(kind, seed):
    """Return displacements, float[rungs, clips, width], and the share that they have in common."""
    rng = np.random.default_rng([seed, 5])
    s = SEVERITIES[:, None, None]
    way, other = np.linalg.qr(rng.normal(size=(WIDTH, 2)))[0].T
    ways = rng.normal(size=(CLIPS, WIDTH))
    speeds = rng.uniform(0.5, 1.5, (CLIPS, 1))
    others = (speeds.sum() - speeds) / (CLIPS - 1)
    share = 1.0 - np.mean((speeds - others) ** 2) / np.mean(speeds**2)
    alike = np.ones((CLIPS, 1))
    return {
        "the same for all": (s * alike * way, 1.0),
        "along a curve": (s * alike * way + s**2 * alike * other, 1.0),
        "in a ring": (np.sin(s) * alike * way + (np.cos(s) - 1.0) * alike * other, 1.0),
        "each at its speed": (s * speeds * way, share),
        "by size only": (np.abs(s) * alike * way, 1.0),
        "each its own way": (s * ways, None),
        "at random": (rng.normal(size=(len(s), CLIPS, WIDTH)), None),
        "not at all": (np.zeros((len(s), CLIPS, WIDTH)), 0.0),
    }[kind]


@pytest.mark.parametrize(
    ("kind", "least", "most"),
    [
        ("the same for all", 0.999, 1.0),
        ("along a curve", 0.999, 1.0),
        ("in a ring", 0.9, 1.0),  # which one direction tells nearly all of
        ("each at its speed", 0.7, 0.99),
        ("by size only", -1.0, 0.0),
        ("each its own way", -3.0, 0.2),  # by luck, some twelve go one way
        ("at random", -1.0, 0.1),
        ("not at all", 0.0, 0.0),
    ],
)
def test_displacements_of_known_answer(kind, least, most):
    groups = [str(clip) for clip in range(CLIPS)]
    called, shares, r2 = 0, [], []
    for seed in SEEDS:
        moved, share = displaced(kind, seed)
        told = displacements.predict_severity(
            moved, SEVERITIES, groups, np.random.default_rng(seed)
        )
        r2.append(told.r2.mean())
        called += told.p <= 0.05
        shares.append(displacements.shared_displacement(moved, groups).mean())
        if share is not None:
            assert shares[-1] == pytest.approx(share, abs=1e-9)
    assert min(r2) >= least
    assert np.mean(r2) <= most + 1e-9
    if least > 0.0:
        assert called == len(SEEDS)
    else:
        assert called <= 4  # at 5 %, more than that in 1 of 400
    if share is None:
        assert np.mean(shares) == pytest.approx(displacements.shared_by_chance(groups), abs=0.05)


@pytest.mark.parametrize("kind", ["the same for all", "each at its speed", "not at all"])
def test_what_is_told_without_chance_is_told_alike(kind):
    groups = [str(clip) for clip in range(CLIPS)]
    moved, _ = displaced(kind, 0)
    given = moved, SEVERITIES, groups
    # The folds are others, so that many of them are compared.
    draws = [np.random.default_rng(seed) for seed in range(8)]
    known = np.mean([displacements.predict_severity(*given, draw).r2 for draw in draws])
    found = np.mean([displacements.told_by_others(*given, draw) for draw in draws])
    assert found == pytest.approx(known, abs=0.02)


def test_effective_dimension_counts_directions():
    rng = np.random.default_rng(0)
    line = rng.normal(size=(4, 12, 1)) * WAY
    assert displacements.effective_dimension(line) == pytest.approx(1.0)
    even = np.eye(6)[None] * np.array([1.0, -2.0, 3.0])[:, None, None]
    assert displacements.effective_dimension(even) == pytest.approx(6.0)
    plane = np.eye(6)[None, :2] * np.array([[2.0], [1.0]])
    assert displacements.effective_dimension(plane) == pytest.approx(25 / 17)
    assert displacements.effective_dimension(np.zeros((2, 3, 4))) == 0.0


def test_four_clips_may_go_one_way_by_luck():
    """Each its own way, they do in an eighth of the cases: their own order says nothing of it."""
    moved = SEVERITIES[:, None, None] * np.ones((4, 1)) * WAY
    rng = np.random.default_rng(0)
    found = displacements.predict_severity(moved, SEVERITIES, list("abcd"), rng)
    assert found.r2.mean() > 0.999
    assert found.p == pytest.approx(1 / 8, abs=0.06)


def test_assertions_and_their_messages(rungs, corpus):
    told, deaf = Moving(rungs, by_severity), Moving(rungs, not_at_all, "deaf")
    with sink() as opened:
        assert_sensitive(told, ENDS, min=0.9, corpus=corpus, steps=2, confident=True)
        assert_equivariant(told, ENDS, min=0.9, corpus=corpus, steps=2, confident=True)
        with pytest.raises(AssertionError) as failed:
            assert_sensitive(deaf, ENDS, min=0.5, corpus=corpus, steps=2)
        with pytest.raises(AssertionError, match=r"moves clips unlike: shared displacement = 0\.0"):
            assert_equivariant(deaf, ENDS, min=0.5, corpus=corpus, steps=2)
    text = str(failed.value)
    assert "deaf: how much clips were transformed is not told: R2 of severity = 0.000 < 0.5" in text
    assert "from PitchShift(semitones=-1" in text
    assert "chance     0.000, permuted severities p = 1.000" in text
    assert "least told clips:" in text
    assert [v["outcome"] for v in opened.verdicts] == ["holds", "holds", "fails", "fails"]


def test_what_chance_reaches_as_well_is_undecided(rungs, corpus, monkeypatch):
    """With few clips an interval of what was learnt says nothing of whether it was luck."""
    monkeypatch.setattr(
        response, "predict_severity", lambda *given: Predicted(np.full(CLIPS, 0.9), 0.3)
    )
    encoder = Moving(rungs, by_severity)
    assert_sensitive(encoder, ENDS, min=0.5, corpus=corpus, steps=2)
    with pytest.raises(
        AssertionError, match=r"permuted severities reach that with p = 0\.300"
    ) as no:
        assert_sensitive(encoder, ENDS, min=0.5, corpus=corpus, steps=2, confident=True)
    assert "whether it is told how much clips were transformed cannot be decided: R2" in str(
        no.value
    )


def test_rungs_are_even_and_of_both_directions():
    names = [r.magnitude for r in _rungs(PitchShift, 22_050, 4)]
    assert names == [-12, -9, -6, -3, 3, 6, 9, 12]
    assert [r.magnitude for r in _rungs(PinkNoise(40), 22_050, 4)] == [55, 50, 45, 40]
    assert [r.magnitude for r in _rungs(PitchShift(0.1), 22_050, 4)] == [0.05, 0.1]


@pytest.mark.parametrize(
    "family, error, told",
    [
        (PitchShift(0.05), MagnitudeError, "is the only rung besides the identity"),
        ((PitchShift(1), PinkNoise(40)), MagnitudeError, "of no one family"),
        ("PitchShift", MagnitudeError, "is no family"),
        ([], MagnitudeError, "of no one family"),
        (FunctionTransform("f", lambda x, rate: x), MagnitudeError, "no ladder"),
    ],
)
def test_families_that_cannot_be_gone_along(run, corpus, family, error, told):
    with pytest.raises(error, match=told):
        sensitivity(lambda batch: batch, family, corpus=corpus)


def test_one_group_cannot_be_told_by_others(run):
    track = made(groups=["one"] * CLIPS)
    for measure in (sensitivity, equivariance):
        with pytest.raises(TooFewClipsError, match="add clips of others"):
            measure(lambda batch: batch[:, :3], PinkNoise(50), corpus=track, steps=2)


@pytest.mark.parametrize("steps", [1, 0, True, 2.0])
def test_steps_are_two_or_more(corpus, steps):
    with pytest.raises(SettingError, match="steps must be a whole number of 2 or more"):
        sensitivity(lambda batch: batch, PinkNoise, corpus=corpus, steps=steps)


def test_one_ridge_is_that_of_scikit_learn():
    rng = np.random.default_rng(0)
    moved, targets = rng.normal(size=(9, 3, 4)), rng.normal(size=(9, 3, 2))
    targets -= targets.mean(axis=1, keepdims=True)
    told = np.arange(9) < 3
    missed = displacements._missed(moved, targets, ~told, told)
    known = moved[~told].reshape(-1, 4)
    total = np.sum((known - known.mean(axis=0)) ** 2)
    for penalty, found in zip(displacements._PENALTIES, missed, strict=True):
        ridge = Ridge(penalty * total).fit(known, targets[~told].reshape(-1, 2))
        guess = ridge.predict(moved[told].reshape(-1, 4)).reshape(3, 3, 2)
        assert found == pytest.approx(((guess - targets[told]) ** 2).mean(axis=1), rel=1e-6)


def test_shared_displacement_is_that_of_its_definition():
    rng = np.random.default_rng(1)
    groups = ["a", "a", "b", "c", "c", "c"]
    moved = rng.normal(size=(3, 6, 4)) + 1.0
    expected = np.zeros(6)
    for rung in moved:
        size = np.mean([row @ row for row in rung])
        for i, row in enumerate(rung):
            mean = np.mean([rung[j] for j in range(6) if groups[j] != groups[i]], axis=0)
            expected[i] += (row @ row - (row - mean) @ (row - mean)) / size / 3
    assert displacements.shared_displacement(moved, groups) == pytest.approx(expected)
    assert displacements.shared_by_chance(groups) == pytest.approx(
        -np.mean([1 / 4, 1 / 4, 1 / 5, 1 / 3, 1 / 3, 1 / 3])
    )


def test_chance_is_what_unrelated_ways_share():
    rng = np.random.default_rng(2)
    groups = [str(i) for i in range(10)]
    shares = [
        displacements.shared_displacement(rng.normal(size=(2, 10, 50)), groups).mean()
        for _ in range(200)
    ]
    assert np.mean(shares) == pytest.approx(displacements.shared_by_chance(groups), abs=0.005)


def test_severities_that_mean_nothing_are_called_told_as_rarely_as_they_should():
    told = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        # Relatives move alike, which says nothing of severity.
        moved = np.repeat(rng.normal(size=(4, 6, 3)), 2, axis=1) + 0.1 * rng.normal(size=(4, 12, 3))
        groups = [str(i // 2) for i in range(12)]
        told += displacements.predict_severity(moved, [-2, -1, 1, 2], groups, rng).p <= 0.05
    assert told <= 7  # of 60 at 5 %, more than that in 1 of 100

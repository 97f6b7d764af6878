"""What `Baseline.check` writes, refuses and says, on conditions that cost next to nothing."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from known_answers import Known, Rungs

from pytest_nnrel import BaselineError, Corpus, Identity, SettingError, family, recording
from pytest_nnrel.baselines import Baseline, Records, load_baseline, write_baseline
from pytest_nnrel.recording import sink
from pytest_nnrel.runtime import settings


def driven(samples, sample_rate, drive):
    return np.tanh(samples * (1 + drive))


Drive = family("Drive", driven, ladder=range(1, 5), unit="times", identity=0)
GRID = (Drive(1), Drive(2), Drive(3))


@pytest.fixture(scope="module")
def rungs():
    noise = np.random.default_rng(5).normal(0.0, 0.1, (8, 11_025)).astype(np.float32)
    corpus = Corpus.from_arrays(noise, sample_rate=22_050, window_seconds=0.5)
    return Rungs(corpus, [(Identity(), *(Drive(i) for i in range(1, 5)))])


def mine(rungs, lost=(), on=(1, 2, 3, 4), name="mine"):
    encoder = Known(rungs, on.__contains__, clips=lost, name=name)
    encoder.fingerprint = f"loses {sorted(lost)} on {on}"
    return encoder


class Run:
    """A check, as a test makes it: what came of it, its verdict, and what it would write."""

    def __init__(self, path, encoder, transforms=GRID, *, corpus, **options):
        given = {name: options.pop(name) for name in ("update", "add_training") if name in options}
        self.failure, self.found = "", None
        with sink() as recorded:
            try:
                self.found = Baseline(path, **given).check(
                    encoder, transforms, corpus=corpus, **options
                )
            except AssertionError as failed:
                self.failure = str(failed)
        (self.verdict,) = recorded.verdicts
        self.measurements = recorded.measurements
        self.written = [Records.of_baseline(content) for _, content in recorded.baselines]
        for place, content in recorded.baselines:
            write_baseline(Path(place), Records.of_baseline(content))


@pytest.fixture
def run_of(rungs, tmp_path):
    """Return a function that checks against one file."""

    def run(encoder, transforms=GRID, **options):
        return Run(
            tmp_path / "base.json", encoder, transforms, **{"corpus": rungs.corpus} | options
        )

    return run


def test_what_a_test_measured_before_it_was_run_again_is_forgotten(rungs, tmp_path):
    baseline = Baseline(tmp_path / "base.json", update=True)
    baseline.check(mine(rungs, (0,), name="other"), GRID, corpus=rungs.corpus)  # of no test
    with sink():
        for attempt in ((0,), (1,)):
            recording.begin_anew()
            baseline.check(mine(rungs, attempt), GRID, corpus=rungs.corpus)
        told = "two encoders called '{}'.*not deterministic: assert_encoder_sane"
        with pytest.raises(BaselineError, match=told.format("mine")):
            baseline.check(mine(rungs, (2,)), GRID, corpus=rungs.corpus)
    with sink(), pytest.raises(BaselineError, match=told.format("other")):
        baseline.check(mine(rungs, (2,), name="other"), GRID, corpus=rungs.corpus)


def test_the_first_run_writes_fails_and_the_second_holds(run_of, rungs):
    first = run_of(mine(rungs))
    assert first.failure.startswith("mine has no baseline for 3 of 3 conditions (Drive(drive=1), ")
    assert "stale" not in first.failure
    assert "Compared with" not in first.failure
    assert "no index" not in first.failure
    assert first.found is None
    assert (first.verdict["outcome"], first.verdict["subject"]) == ("fails", "mine")
    assert first.verdict["headline"].startswith("mine: baseline of 3 conditions written to ")
    assert first.verdict["message"] == first.failure
    assert not first.verdict.get("comparison")
    second = run_of(mine(rungs))
    assert (second.failure, second.written) == ("", [])
    assert second.found.verdict == "same"
    assert (second.verdict["outcome"], second.verdict["message"]) == ("holds", "")
    assert second.verdict["comparison"]["verdict"] == "same"
    assert len(second.verdict["covers"]) == len(second.measurements) == 3


def test_what_is_worse_fails_and_the_file_stays(run_of, rungs):
    run_of(mine(rungs))
    worse = run_of(mine(rungs, range(8)))
    assert worse.failure.startswith("mine is worse than its baseline on arrays (8 clips, 3 cond")
    assert "if that is meant, write it anew with --nnrel-update-baseline" in worse.failure
    assert "Compared with" not in worse.failure
    assert worse.written == []
    assert worse.verdict["outcome"] == "fails"
    assert worse.verdict["comparison"]["verdict"] == "worse"
    updated = run_of(mine(rungs, range(8)), update=True)
    assert (updated.failure, updated.verdict["outcome"]) == ("", "holds")
    assert updated.found.verdict == "worse"
    assert len(updated.written[0].entries) == 3
    assert run_of(mine(rungs, range(8))).found.verdict == "same"
    better = run_of(mine(rungs))
    assert (better.failure, better.found.verdict) == ("", "better")


def test_what_is_undecided_fails_without_being_called_worse(run_of, rungs):
    few = rungs.corpus.subset(4)
    run_of(mine(rungs), corpus=few)
    lost = Known(rungs, lambda severity: severity > 0, clips=(0,), name="mine")
    undecided = run_of(lost, corpus=few)
    assert undecided.found is None
    assert undecided.verdict["outcome"] == "undecided"
    assert undecided.verdict["comparison"]["verdict"] == "undecided"
    assert undecided.failure.startswith("mine cannot be told from its baseline")
    assert "--nnrel-update-baseline" not in undecided.failure


def test_a_condition_more_is_written_alone_and_told_with_the_comparison(run_of, rungs):
    run_of(mine(rungs), GRID[:2])
    more = run_of(mine(rungs))
    assert "mine has no baseline for 1 of 3 conditions (Drive(drive=3))" in more.failure
    assert "\nCompared with what is there:\nmine is no worse" in more.failure
    assert [key.transform for key in more.written[0].entries] == [Drive(3).name]
    assert more.verdict["headline"].startswith("mine is no worse than its baseline")
    assert more.verdict["outcome"] == "fails"


@pytest.mark.parametrize("was, now", [(3, 5), (5, 3)])
def test_another_seed_is_stale_and_told(run_of, rungs, was, now):
    run_of(mine(rungs), seed=was)
    other = run_of(mine(rungs), seed=now)
    assert (
        f"is stale for 3 of 3 conditions: it was measured with seed {was}, and this run has {now};"
        in other.failure
    )
    assert "no baseline" not in other.failure
    assert other.written == []
    assert other.verdict["headline"].endswith("base.json is stale")
    assert run_of(mine(rungs), seed=now, update=True).failure == ""
    assert run_of(mine(rungs), seed=now).failure == ""


@pytest.mark.parametrize("was, now", [(8, 6), (6, 8), (7, 5)])
def test_other_clips_are_stale_and_told(run_of, rungs, was, now):
    corpora = {n: rungs.corpus.subset(n) if n < 8 else rungs.corpus for n in (was, now)}
    run_of(Known(rungs, lambda severity: False, name="mine"), corpus=corpora[was])
    other = run_of(Known(rungs, lambda severity: False, name="mine"), corpus=corpora[now])
    assert (
        f"it was measured on other clips, groups or windows (arrays, {was} clips, fingerprint"
        f" {corpora[was].fingerprint}), and this run has {corpora[now].fingerprint};"
    ) in other.failure


def test_each_reason_to_be_stale_counts_its_own_conditions(run_of, rungs, tmp_path):
    run_of(mine(rungs))
    path = tmp_path / "base.json"
    plain = json.loads(path.read_text())
    plain["entries"][0]["recipe"]["made"] = "otherwise"
    path.write_text(json.dumps(plain))
    some = run_of(mine(rungs))
    assert "stale for 1 of 3 conditions: its clips were transformed otherwise" in some.failure
    assert "Compared with what is there:" in some.failure


def test_a_drop_that_is_allowed_for_one_condition_says_nothing_of_others(run_of, rungs):
    run_of(mine(rungs))
    lost = mine(rungs, (0,), on=(2,))
    assert run_of(lost).failure == ""
    assert run_of(lost, max_drop={Drive(1): 0.0}).failure == ""
    assert "a drop of 0 is allowed" in run_of(lost, max_drop={Drive(2): 0.0}).failure
    assert run_of(lost, max_drop={Drive(2): 0.2}).failure == ""
    with pytest.raises(SettingError, match=r"max_drop names Drive\(drive=4\), which is not among"):
        run_of(lost, max_drop={Drive(4): 0.1})


@pytest.mark.parametrize("transforms", [Drive(1), "Drive(drive=1)", {"Drive": 1}, 5, Drive])
def test_one_transformation_is_no_list(run_of, rungs, transforms):
    with pytest.raises(SettingError, match="transforms takes a list of transformations, not "):
        run_of(mine(rungs), transforms)


def test_a_condition_that_is_named_twice_is_measured_once(run_of, rungs):
    assert "for 1 of 1 conditions" in run_of(mine(rungs), [Drive(1), Drive(1)]).failure


def test_the_grid_is_that_of_the_run(run_of, rungs):
    token = settings.activate(replace(settings.active(), grid=lambda: GRID[:2]))
    try:
        assert "for 2 of 2 conditions (Drive(drive=1), " in run_of(mine(rungs), None).failure
    finally:
        settings.deactivate(token)


def test_an_index_is_written_once_and_then_looked_at(run_of, rungs):
    first = run_of(mine(rungs), index=True)
    assert "mine has no index in the baseline" in first.failure
    assert len(first.written[0].indexes) == 1
    again = run_of(mine(rungs), index=True)
    assert (again.failure, again.written) == ("", [])
    assert run_of(mine(rungs), index=True, update=True).written[0].indexes

    turned = mine(rungs)
    encode = turned.encode
    turned.encode = lambda batch: 7.0 - encode(batch)
    unfit = run_of(turned, index=True)
    assert unfit.found is None
    assert unfit.verdict["outcome"] == "fails"
    assert unfit.verdict["comparison"]["verdict"] == "same"
    assert unfit.verdict["headline"] == unfit.failure.splitlines()[0]


def test_a_fresh_recipe_has_nothing_to_be_compared_with(run_of, rungs):
    nothing = run_of(mine(rungs), retrained=True)
    assert "base.json holds no training of mine to compare with" in nothing.failure
    assert "no training of its recipe in" in nothing.verdict["headline"]
    assert (nothing.verdict["outcome"], nothing.written) == ("fails", [])
    assert not nothing.verdict.get("comparison")


def test_trainings_are_added_then_judged_and_told_where_they_are_worse(run_of, rungs, tmp_path):
    added = run_of([mine(rungs, [i]) for i in range(3)], retrained=True, add_training=True)
    assert (added.failure, added.found, added.verdict["outcome"]) == ("", None, "holds")
    assert len(load_baseline(tmp_path / "base.json").trainings) == 3
    assert len(added.verdict["covers"]) == 9
    fine = run_of(mine(rungs, [4]), retrained=True)
    assert (fine.failure, fine.found.verdict, fine.written) == ("", "no worse", [])
    assert fine.verdict["headline"] == fine.found.headline
    assert fine.verdict["comparison"]["verdict"] == "no worse"
    worse = run_of(mine(rungs, range(8)), retrained=True)
    assert worse.failure.startswith("the recipe of mine is worse than it was")
    assert worse.verdict["outcome"] == "fails"
    kept = run_of(mine(rungs, range(8)), retrained=True, add_training=True)
    assert (kept.failure, kept.found.verdict) == ("", "worse")
    assert len(load_baseline(tmp_path / "base.json").trainings) == 4


def test_an_update_leaves_trainings_as_they_are_and_says_so(run_of, rungs):
    stays = "--nnrel-update-baseline leaves trainings as they are; --nnrel-add-training adds"
    run_of([mine(rungs, [i]) for i in range(3)], retrained=True, add_training=True)
    for lost, verdict in (([4], "no worse"), (range(8), "worse")):
        judged = run_of(mine(rungs, lost), retrained=True, update=True)
        assert (judged.verdict["comparison"]["verdict"], judged.written) == (verdict, [])
        assert stays in judged.verdict["headline"]
        assert (stays in judged.failure) == (verdict == "worse")
    added = run_of(mine(rungs, [5]), retrained=True, update=True, add_training=True)
    assert len(added.written[0].trainings) == 1
    assert stays not in added.verdict["headline"]


def test_an_update_replaces_what_is_measured_and_keeps_the_rest(run_of, rungs, tmp_path):
    run_of(mine(rungs))
    run_of(mine(rungs, name="other"))
    run_of([mine(rungs, [i]) for i in range(3)], retrained=True, add_training=True)
    run_of(mine(rungs, [0]), GRID[:1], update=True)
    kept = load_baseline(tmp_path / "base.json")
    lost = {key: sum(not outcome for outcome in e.outcomes) for key, e in kept.entries.items()}
    assert {(key.encoder, key.transform) for key, clips in lost.items() if clips} == {
        ("mine", GRID[0].name)
    }
    assert (len(lost), len(kept.trainings)) == (6, 3)


def test_of_one_training_the_recipe_is_undecided(run_of, rungs):
    run_of(mine(rungs, [0]), retrained=True, add_training=True)
    one = run_of(mine(rungs, [1]), retrained=True)
    assert one.verdict["outcome"] == "undecided"
    assert "holds no training" not in one.failure


def test_a_training_that_is_left_out_is_told_with_the_failure(run_of, rungs):
    run_of(mine(rungs, [0]), GRID[:1], retrained=True, add_training=True)
    other = run_of(mine(rungs, [1]), retrained=True)
    first, *notes = other.failure.splitlines()
    assert "holds no training of mine to compare with" in first
    assert notes
    assert "Drive(drive=2)" in " ".join(notes)


@pytest.mark.parametrize(
    "options", [{"rho": True}, {"index": True}, {"max_drop": 0.0}], ids=lambda o: next(iter(o))
)
def test_questions_of_the_same_training_are_not_asked_of_a_recipe(run_of, rungs, options):
    with pytest.raises(SettingError, match="rho, index and max_drop are of the same training"):
        run_of(mine(rungs), retrained=True, **options)


def test_several_encoders_are_trainings_of_a_recipe(run_of, rungs):
    for several in ([mine(rungs), mine(rungs)], (mine(rungs),)):
        with pytest.raises(SettingError, match="check takes one encoder"):
            run_of(several)
    with pytest.raises(SettingError, match="not an empty list"):
        run_of([], retrained=True)


def test_rho_is_an_entry_of_its_own_beside_each_condition(run_of, rungs):
    def bands(batch):
        spectrum = np.abs(np.fft.rfft(batch, axis=1))[:, :360]
        return spectrum.reshape(len(batch), 6, 60).mean(axis=2).astype(np.float32)

    first = run_of(bands, GRID[:1], rho=True)
    kept = {key.measure: entry for key, entry in first.written[0].entries.items()}
    assert sorted(kept) == ["rho", "within"]
    assert kept["rho"].replicates
    assert kept["within"].outcomes
    assert run_of(bands, GRID[:1], rho=True).found.verdict == "same"

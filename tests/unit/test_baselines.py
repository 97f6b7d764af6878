"""Baselines: files that keep what they held, and verdicts on the same clips."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import tempfile
from dataclasses import FrozenInstanceError, replace
from pathlib import Path

import numpy as np
import pytest
from known_answers import Known, Rungs, short_corpus

from pytest_nnrel import (
    MP3,
    BaselineError,
    Corpus,
    FunctionTransform,
    Identity,
    PinkNoise,
    SettingError,
    as_encoder,
    between_consistency,
)
from pytest_nnrel.__main__ import main
from pytest_nnrel.baselines import (
    Baseline,
    Clips,
    Entry,
    Key,
    Records,
    compare,
    compare_records,
    load_records,
    merge,
    write_baseline,
)
from pytest_nnrel.baselines.changes import drops
from pytest_nnrel.baselines.stale import other_recipe
from pytest_nnrel.baselines.trainings import Training
from pytest_nnrel.recording import sink
from pytest_nnrel.runtime.store import digest
from pytest_nnrel.statistics.intervals import correlation_interval

NOISES = (PinkNoise(40), PinkNoise(20), PinkNoise(0))


def clips(n, per_group=1):
    ids = tuple(f"clip-{i:03}" for i in range(n))
    return Clips("made", ids, tuple(f"track-{i // per_group:03}" for i in range(n)))


def entry(outcomes, transform="PinkNoise(snr_db=0)", encoder="mine", margins=None, **options):
    key = Key(encoder, "within", "euclidean", transform, "cafe", 0)
    outcomes = tuple(bool(outcome) for outcome in outcomes)
    value = round(float(np.mean(outcomes)), 6)
    if margins is None:
        margins = [0.5 if outcome else -0.5 for outcome in outcomes]
    return Entry(key, value, outcomes, tuple(margins), recipe={"v": "1"}, **options)


def pair(n, lost, won, transform="PinkNoise(snr_db=0)"):
    """Return entries before and after `lost` clips were lost and `won` won, of n."""
    before = [True] * (n - won) + [False] * won
    after = [False] * lost + [True] * (n - lost)
    return entry(before, transform), entry(after, transform)


def records(*entries, corpus=None):
    listing = corpus or clips(len(entries[0].outcomes))
    return Records({e.key: e for e in entries}, {"cafe": listing})


# -- verdicts


def test_the_same_is_no_worse():
    one = entry([1, 1, 0, 1] * 5)
    found = compare([one], [one], clips(20))
    assert (found.worse, found.verdict) == (False, "same")
    assert found.p_values == {"flips": 1.0}
    assert found.changes[0].adjusted == 1.0
    assert "mine is no worse than its baseline" in found.headline


def test_clips_lost_are_worse_and_clips_won_are_better():
    before, after = pair(60, lost=12, won=1)
    found = compare([before], [after], clips(60))
    assert found.verdict == "worse"
    assert (found.changes[0].negative, found.changes[0].positive) == (12, 1)
    text = "\n".join(found.lines())
    assert "lost 12, won 1" in text
    assert "lost: clip-000, clip-001" in text
    assert compare([after], [before], clips(60)).verdict == "better"


def test_one_bad_condition_among_many_is_named():
    pairs = [pair(200, 1, 1, f"PinkNoise(snr_db={i})") for i in range(20)]
    pairs.append(pair(200, 30, 0, "MP3(kbps=8)"))
    found = compare(*zip(*pairs), clips(200))
    assert found.worse
    assert [c.after.key.transform for c in found.changes if c.worse] == ["MP3(kbps=8)"]
    assert found.lines()[2].startswith("  MP3(kbps=8) C_W euclidean: 1.000 -> 0.850")


def test_a_change_spread_over_conditions_is_found_together():
    """Three clips lost in each of ten conditions: no condition alone shows it."""
    n, conditions = 100, []
    for k in range(10):
        after = [not 3 * k <= i < 3 * k + 3 for i in range(n)]
        conditions.append((entry([1] * n, f"t{k}"), entry(after, f"t{k}")))
    found = compare(*zip(*conditions), clips(n))
    assert found.worse
    assert not any(change.worse for change in found.changes)


def test_clips_of_one_track_are_one_loss():
    before, after = pair(40, lost=10, won=0)
    assert compare([before], [after], clips(40)).worse
    assert not compare([before], [after], clips(40, per_group=10)).worse


def test_margins_warn_before_clips_flip():
    rng = np.random.default_rng(4)
    margins = rng.uniform(0.2, 0.8, 50)
    before = entry([1] * 50, margins=margins)
    after = entry([1] * 50, margins=margins - rng.uniform(0.0, 0.1, 50))
    found = compare([before], [after], clips(50))
    assert not found.worse
    assert found.p_margins < 0.001
    assert "clips may flip next" in "\n".join(found.lines())


@pytest.mark.parametrize(
    "allowed, worse", [(0.02, True), (0.1, False), ({"PinkNoise(snr_db=0)": 0.02}, True),
                       ({"MP3(kbps=8)": 0.0}, False), (0.05, False)],
)  # fmt: skip
def test_drops_beyond_what_is_allowed_fail_whatever_their_significance(allowed, worse):
    before, after = pair(40, lost=2, won=0)  # a drop of exactly 0.05
    found = compare([before], [after], clips(40), allowed=allowed)
    assert found.worse is worse
    assert ("is allowed" in "\n".join(found.lines())) is worse


def rho_entry(replicates):
    key = Key("mine", "rho", "dtw x euclidean", "MP3(kbps=8)", "cafe", 0)
    return Entry(key, round(float(np.nanmean(replicates)), 6), replicates=tuple(replicates))


def test_rho_is_compared_sample_by_sample():
    """Samples differ by more than the encoders do; their differences do not."""
    rng = np.random.default_rng(1)
    samples = rng.normal(0.5, 0.1, 1000)
    worse = rho_entry(samples - 0.01 + rng.normal(0, 0.001, 1000))
    found = compare([rho_entry(samples)], [worse], clips(30))
    assert found.worse
    assert found.p_values["rho"] == pytest.approx(1 / 1001)
    assert not compare([worse], [rho_entry(samples)], clips(30)).worse
    assert not compare([rho_entry(samples)], [rho_entry(samples)], clips(30)).worse


def test_samples_without_rho_are_no_loss():
    samples = np.full(100, 0.5)
    nothing = np.where(np.arange(100) < 10, np.nan, 0.4)
    found = compare([rho_entry(nothing)], [rho_entry(samples)], clips(30))
    assert found.p_values["rho"] == 1.0
    found = compare([rho_entry(nothing)], [rho_entry(samples - 0.2)], clips(30))
    assert found.p_values["rho"] == pytest.approx(11 / 101)


def test_samples_that_have_lost_rho_are_losses():
    samples = np.full(100, 0.5)
    nothing = np.where(np.arange(100) < 40, np.nan, 0.1)
    found = compare([rho_entry(samples)], [rho_entry(nothing)], clips(30))
    assert found.p_values["rho"] == pytest.approx(1 / 101)


def test_rho_that_is_unknown_in_one_condition_hides_no_loss_in_another():
    def of(transform, replicates):
        one = rho_entry(replicates)
        return replace(one, key=replace(one.key, transform=transform))

    known, lost = np.full(100, 0.5), np.full(100, 0.1)
    gaps = np.where(np.arange(100) < 50, np.nan, 0.5)
    before = [of("a", known), of("b", gaps)]
    found = compare(before, [of("a", lost), of("b", np.full(100, 0.5))], clips(30))
    assert found.p_values["rho"] == pytest.approx(1 / 101)


def test_too_few_groups_decide_nothing():
    """All clips of four tracks are lost: of sixteen exchanges that is the worst, at p = 1/16."""
    before, after = entry([1] * 12), entry([0] * 12)
    found = compare([before], [after], clips(12, per_group=3))
    assert found.verdict == "undecided"
    assert not found.worse
    assert found.headline.startswith("mine cannot be told from its baseline")
    assert "none (it takes 5)" in found.lines()[-1]
    assert compare([before], [before], clips(12, per_group=3)).verdict == "same"
    assert compare([before], [after], clips(12, per_group=3), allowed=0.1).verdict == "worse"
    assert compare([before], [after], clips(12)).verdict == "worse"


def test_conditions_are_named_by_groups_where_there_are_groups():
    before, after = pair(60, lost=20, won=0)
    (change,) = compare([before], [after], clips(60, per_group=10)).changes
    assert change.p == 0.25  # two tracks, not twenty clips


def test_a_verdict_and_its_conditions_do_not_contradict_each_other():
    before, after = pair(40, lost=10, won=3)
    found = compare([before], [after], clips(40))
    assert found.p_values["flips"] > 0.04
    assert found.changes[0].adjusted <= 0.05
    assert not any(line.endswith("; worse") for line in found.lines())

    assert not found.as_dict()["changes"][0]["worse"]
    before, after = pair(40, lost=10, won=1)
    (change,) = compare([before], [after], clips(40)).as_dict()["changes"]
    assert change["worse"]


def test_a_drop_is_what_the_value_lost():
    for lost, won, drop in ((28, 0, 0.7), (0, 8, -0.2), (2, 2, 0.0)):
        found = compare(*zip(pair(40, lost, won)), clips(40))
        assert found.changes[0].drop == pytest.approx(drop)
    with pytest.raises(FrozenInstanceError):
        found.encoder = "another"


def test_a_clip_lost_among_many_is_decided():
    for n in (5, 6, 40):
        assert compare(*zip(pair(n, 1, 0)), clips(n)).verdict == "same"
    assert compare(*zip(pair(4, 1, 0)), clips(4)).verdict == "undecided"
    assert compare(*zip(pair(5, 5, 0)), clips(5)).verdict == "worse"


@pytest.mark.parametrize("allowed", [0, 0.0, 0.5, 2.0])
def test_drops_from_0_to_2_can_be_allowed(allowed):
    assert drops(allowed) == allowed
    assert drops({PinkNoise(0): allowed}) == {"PinkNoise(snr_db=0)": allowed}


@pytest.mark.parametrize("refused", [-1e-9, 2 + 1e-9, float("nan"), True, "0.1"])
def test_other_drops_cannot(refused):
    with pytest.raises(SettingError, match="max_drop takes drops of a value, 0 to 1"):
        drops(refused)


def test_only_what_differs_of_two_recipes_is_told():
    then, now = {"engine": "".join("10"), "v": 1}, {"engine": "".join("10"), "v": 2}
    assert other_recipe(then, now) == "its clips were transformed otherwise (v 1 then, 2 now)"


def test_a_file_without_entries_is_compared_with_nothing():
    comparisons, notes, complete = compare_records(Records(), records(entry([1, 0])))
    assert (comparisons, complete) == ([], True)
    assert "the old file holds no C_W of an encoder" in notes


def test_one_flip_and_one_condition_are_told_as_one():
    headline, *rest = compare(*zip(pair(40, lost=1, won=0)), clips(40)).lines()
    assert "(40 clips, 1 condition): 1 flip to wrong, 0 to right; all together: flips" in headline
    assert rest[-1] == (
        "  smallest drop that 40 clips can show: 12.5% (5 clips); to name the condition it takes 5"
    )
    for k, more, named in ((9, "1 more condition", 8), (17, "9 more conditions", 9)):
        pairs = [pair(40, 1, 0, f"PinkNoise(snr_db={i})") for i in range(k)]
        headline, *rest = compare(*zip(*pairs), clips(40)).lines()
        assert f"(40 clips, {k} conditions): {k} flips to wrong, 0 to right" in headline
        assert f"  and {more} that fell" in rest
        assert f"to name one of {k} conditions it takes {named}" in rest[-1]


def test_of_two_tests_the_corrected_p_values_are_told():
    """Five of five flips are p = 1/32 alone, and 1/16 of two tests: no verdict at 4 %."""
    before, after = pair(40, lost=5, won=0)
    same = rho_entry(np.full(100, 0.5))
    found = compare([before, same], [after, same], clips(40))
    assert found.verdict == "same"
    assert found.headline.endswith(
        "5 flips to wrong, 0 to right; all together: flips p = 0.0312 (0.0625 after Holm), rho p ="
        " 1 (1 after Holm)"
    )
    assert compare([before], [after], clips(40)).verdict == "worse"


def test_the_order_of_conditions_does_not_matter():
    rng = np.random.default_rng(3)
    pairs = []
    for k in range(4):
        sides = rng.random((2, 80)) < [[0.9], [0.8]]
        margins = rng.normal(size=(2, 80))
        pairs.append([entry(s, f"t{k}", margins=m) for s, m in zip(sides, margins)])
    found = compare(*zip(*pairs), clips(80))
    backward = compare(*zip(*pairs[::-1]), clips(80))
    assert found.p_values == backward.p_values
    assert found.p_margins == pytest.approx(backward.p_margins, abs=1e-3)


# -- files


def test_a_file_keeps_what_it_was_given(tmp_path):
    path = tmp_path / "deep" / "baseline.json"
    given = records(
        entry([1, 0, 1], margins=[0.1234, -0.25, 1.0], fingerprint="abc"),
        entry([0, 0, 0], "MP3(kbps=8)"),
        replace(rho_entry([0.25, float("nan"), -0.5]), recipe={"v": None}),
    )
    write_baseline(path, given)
    read = load_records(path)
    assert read.corpora == given.corpora
    assert read.entries.keys() == given.entries.keys()
    for key, was in given.entries.items():
        assert repr(read.entries[key]) == repr(was)  # NaN is not equal to itself
    assert [p.name for p in path.parent.iterdir()] == ["baseline.json"]
    assert '"lost": [\n    "clip-001"\n   ]' in path.read_text()


def test_merging_never_loses_entries(tmp_path):
    path = tmp_path / "baseline.json"
    first, second = entry([1, 0, 1]), entry([1, 1, 1], "MP3(kbps=8)")
    write_baseline(path, records(first))
    write_baseline(path, records(second))
    newer = entry([0, 0, 1])
    write_baseline(path, records(newer))
    assert list(load_records(path).entries.values()) == [second, newer]


def test_content_does_not_depend_on_the_order_of_writing(tmp_path):
    entries = [entry([1, 0, 1], f"t{k}", encoder=f"e{k % 2}") for k in range(4)]
    for number, order in enumerate((entries, entries[::-1])):
        for one in order:
            write_baseline(tmp_path / f"{number}.json", records(one))
    assert (tmp_path / "0.json").read_text() == (tmp_path / "1.json").read_text()


@pytest.mark.parametrize(
    "text, problem",
    [
        ("{", "is no JSON"),
        ("{}\n<<<<<<< HEAD\n=======\n>>>>>>> theirs\n", "unresolved merge: line 2 is .* <<<<<<<;"),
        ("{\n||||||| base\n}", "unresolved merge"),
        ('{"a": {"b": 1, "c": 2, "b": 3}}', "'b' stands twice .* baseline merge"),
        ('{"a": {"c": 2, "b": 1, "b": 3}}', "'b' stands twice .* baseline merge"),
        ("[]", "neither a baseline nor"),
        ('{"format": "other"}', "neither a baseline nor"),
        ('{"format": "pytest-nnrel baseline", "schema_version": 99}', "schema version 99"),
        ('{"format": "pytest-nnrel baseline", "schema_version": 1}', "changed or damaged"),
    ],
)
def test_what_is_no_baseline_is_told_and_left_alone(tmp_path, text, problem):
    path = tmp_path / "file.json"
    path.write_text(text)
    with pytest.raises(BaselineError, match=problem):
        load_records(path)
    with pytest.raises(BaselineError, match=problem):
        write_baseline(path, records(entry([1, 0, 1])))
    assert path.read_text() == text
    assert [p.name for p in tmp_path.iterdir()] == ["file.json"]


@pytest.mark.parametrize(
    "damage",
    [
        lambda plain: plain["entries"][0]["lost"].append("nobody"),
        lambda plain: plain["entries"][0].update(value=None),
        lambda plain: plain["entries"][0].update(value="1.0"),
        lambda plain: plain["entries"][0].update(value=0.9),
        lambda plain: plain["entries"][0].update(margins="0.5 nan 0.5"),
        lambda plain: plain["corpora"]["cafe"]["groups"].pop(),
        lambda plain: plain["corpora"]["cafe"].update(clips=["a", "a", "b"]),
        lambda plain: plain["entries"][0].update(margins="0.5 0.5"),
        lambda plain: plain["entries"][0].update(margins="a b c"),
        lambda plain: plain["entries"][0].update(corpus="f00"),
        lambda plain: plain["entries"][0].pop("transform"),
        lambda plain: plain["entries"][0].pop("lost"),
        lambda plain: plain["entries"][0].update(seed="0"),
        lambda plain: plain["entries"][0].update(measure="rho"),
        lambda plain: plain.update(entries=None),
    ],
)
def test_damage_is_told(tmp_path, damage):
    path = tmp_path / "file.json"
    write_baseline(path, records(entry([1, 0, 1])))
    plain = json.loads(path.read_text())
    damage(plain)
    path.write_text(json.dumps(plain))
    with pytest.raises(BaselineError, match="changed or damaged"):
        load_records(path)


@pytest.mark.parametrize("swapped", [False, True])
def test_two_entries_of_one_condition_are_refused_by_name(tmp_path, swapped):
    path = tmp_path / "file.json"
    sides = [records(entry([1, 0, 1])).as_dict(), records(entry([0, 0, 1])).as_dict()]
    mine, theirs = sides[::-1] if swapped else sides
    path.write_text(json.dumps({**mine, "entries": [*mine["entries"], *theirs["entries"]]}))
    with pytest.raises(BaselineError) as caught:
        load_records(path)
    assert str(caught.value).startswith(
        f"{path}: PinkNoise(snr_db=0) of mine (within, euclidean, corpus cafe, seed 0) stands"
        " there twice, as a merge by lines leaves it"
    )
    assert "python -m pytest_nnrel baseline merge" in str(caught.value)


def test_a_byte_order_mark_is_no_damage(tmp_path):
    path = tmp_path / "file.json"
    write_baseline(path, records(entry([1, 0, 1])))
    path.write_text(path.read_text(), encoding="utf-8-sig")
    assert len(load_records(path).entries) == 1


def test_text_of_another_encoding_is_told(tmp_path):
    path = tmp_path / "file.json"
    path.write_text("{}", encoding="utf-16")
    with pytest.raises(BaselineError, match=r"file\.json is no UTF-8: byte 0xff at 0; save it"):
        load_records(path)


@pytest.mark.parametrize(
    "damage, problem",
    [
        (lambda plain: plain["corpora"].clear(), r"clips of PinkNoise\(.* are not listed"),
        (lambda plain: plain["measurements"]["k"].update(outcomes="10"), "2 outcomes of 3 clips"),
    ],
)
def test_results_that_lack_clips_are_damaged(tmp_path, damage, problem):
    path = tmp_path / "results.json"
    measured = {
        "measure": "within",
        "value": 2 / 3,
        "outcomes": "101",
        "details": {
            "identity": {
                "corpus": "cafe", "seed": 0, "latent_distance": "euclidean",
                "encoder_fingerprint": None,
            },
            "encoder": {"name": "mine"},
            "transform": {"name": "PinkNoise(snr_db=0)", "recipe": None},
            "relative_margins": [0.5, -0.5, 0.5],
        },
    }  # fmt: skip
    plain = {
        "format": "pytest-nnrel results",
        "schema_version": 1,
        "corpora": {"cafe": clips(3).as_dict()},
        "measurements": {"k": measured},
    }
    path.write_text(json.dumps(plain))
    assert [e.outcomes for e in load_records(path).entries.values()] == [(True, False, True)]
    # Measures of other kinds, and under the other reading of eq. 9, are not what is compared.
    details = measured["details"]
    to_the_letter = {**details, "identity": {**details["identity"], "neighbours": "all"}}
    plain["measurements"] |= {
        "letter": {**measured, "outcomes": "111", "details": to_the_letter},
        "other": {**measured, "measure": "monotone", "outcomes": ""},
    }
    path.write_text(json.dumps(plain))
    assert [e.outcomes for e in load_records(path).entries.values()] == [(True, False, True)]
    damage(plain)
    path.write_text(json.dumps(plain))
    with pytest.raises(BaselineError, match=f"changed or damaged: ValueError .*{problem}"):
        load_records(path)


# -- two versions of one file

ONE, OTHER = entry([1, 0, 1]), entry([0, 0, 1])
RHO = replace(rho_entry([0.25, float("nan")]), recipe={"v": None})  # NaN is not equal to itself


@pytest.mark.parametrize(
    "base, ours, theirs, merged",
    [
        ([ONE, RHO], [ONE, RHO], [ONE, RHO], [ONE, RHO]),
        ([ONE], [OTHER], [ONE], [OTHER]),
        ([ONE], [ONE], [OTHER], [OTHER]),
        ([ONE], [OTHER], [OTHER], [OTHER]),
        ([ONE, RHO], [RHO], [ONE, RHO], [RHO]),
        ([ONE, RHO], [ONE, RHO], [RHO], [RHO]),
        ([ONE], [], [], []),
        ([], [ONE], [RHO], [ONE, RHO]),
        ([], [RHO], [RHO], [RHO]),
        ([RHO], [RHO], [ONE, RHO], [ONE, RHO]),
    ],
)
def test_what_one_side_changed_is_taken_from_it(base, ours, theirs, merged):
    found, conflicts = merge(*(records(*side, corpus=clips(3)) for side in (base, ours, theirs)))
    assert not conflicts
    assert sorted(map(repr, found.entries.values())) == sorted(map(repr, merged))
    assert found.corpora == ({"cafe": clips(3)} if merged else {})


@pytest.mark.parametrize(
    "base, ours, theirs, words",
    [
        ([], [ONE], [OTHER], "changed by ours, changed by theirs"),
        ([entry([1, 1, 1])], [ONE], [OTHER], "changed by ours, changed by theirs"),
        ([ONE], [OTHER], [], "changed by ours, deleted by theirs"),
        ([ONE], [], [OTHER], "deleted by ours, changed by theirs"),
    ],
)
def test_what_both_sides_changed_is_a_conflict(tmp_path, capsys, base, ours, theirs, words):
    paths = []
    for name, side in (("base", base), ("ours", ours), ("theirs", theirs)):
        paths.append(tmp_path / name)
        write_baseline(paths[-1], records(*side, RHO, corpus=clips(3)))
    before = paths[1].read_bytes()
    assert main(["baseline", "merge", *map(str, paths)]) == 1
    told = capsys.readouterr().err.splitlines()
    assert told[0] == (
        "conflict: PinkNoise(snr_db=0) of mine (within, euclidean, corpus cafe, seed 0): " + words
    )
    assert len(told) == 2
    assert "ours is left as it is" in told[1]
    assert paths[1].read_bytes() == before


def test_clips_that_differ_under_one_fingerprint_are_a_conflict():
    one, other = records(ONE), records(RHO, corpus=clips(3, per_group=3))
    assert merge(Records(), one, other)[1] == [
        "the clips of corpus cafe differ, though its fingerprint is the same"
    ]


def test_a_merge_with_what_is_no_baseline_touches_nothing(tmp_path, capsys):
    for name in ("ours", "theirs"):
        write_baseline(tmp_path / name, records(ONE))
    before = (tmp_path / "ours").read_bytes()
    (tmp_path / "base").write_text("[]")
    paths = [str(tmp_path / name) for name in ("base", "ours", "theirs")]
    assert main(["baseline", "merge", *paths]) == 2
    assert "base is neither a baseline nor" in capsys.readouterr().err
    assert (tmp_path / "ours").read_bytes() == before
    (tmp_path / "base").write_text("")
    assert main(["baseline", "merge", *paths]) == 0
    assert (tmp_path / "ours").read_bytes() == before


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """Return git in a new repository, whose merge driver of baselines is ours."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")

    def git(*arguments):
        command = ["git", "-C", str(tmp_path), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    git("init", "--initial-branch=main")
    driver = f"{shlex.quote(sys.executable)} -m pytest_nnrel baseline merge %O %A %B"
    settings = {"user.name": "a", "user.email": "a@b", "merge.nnrel.driver": driver}
    for name, value in settings.items():
        git("config", name, value)
    (tmp_path / ".gitattributes").write_text("nnrel-baseline.json merge=nnrel\n")
    return git


def test_git_merges_branches_by_condition(repository, tmp_path):
    path = tmp_path / "nnrel-baseline.json"
    third = entry([1, 1, 0], "MP3(kbps=8)")

    def commit(branch, start, *entries):
        repository("checkout", "-B", branch, start)
        path.unlink(missing_ok=True)
        write_baseline(path, records(*entries, corpus=clips(3)))
        repository("add", "-A")
        assert repository("commit", "-m", branch).returncode == 0

    repository("add", "-A")
    repository("commit", "-m", "start")
    commit("main", "main", ONE)
    commit("one", "main", ONE, RHO)
    commit("other", "main", OTHER, third)
    commit("third", "main", entry([0, 0, 0]))
    done = repository("merge", "one")
    assert done.returncode == 0, done.stdout + done.stderr
    done = repository("merge", "other")
    assert done.returncode == 1  # the third branch changed the condition too, otherwise
    assert f"conflict: {OTHER.key}: changed by ours, changed by theirs" in done.stderr + done.stdout
    repository("merge", "--abort")
    repository("checkout", "one")
    done = repository("-c", "merge.nnrel.driver=false", "merge", "other")
    assert done.returncode == 1, done.stdout + done.stderr
    done = repository("checkout", "--merge", path.name)  # the merge again, by the driver
    assert done.returncode == 0, done.stdout + done.stderr
    assert set(map(repr, load_records(path).entries.values())) == set(
        map(repr, (OTHER, RHO, third))
    )


# -- two files


def test_files_are_compared_by_what_they_have_in_common():
    before, after = pair(60, 12, 0)
    old = records(before, entry([1] * 60, "only old"))
    new = records(after, entry([1] * 60, "only new"))
    (found,), notes, complete = compare_records(old, new)
    assert found.verdict == "worse"
    assert len(found.changes) == 1
    assert not complete
    assert notes == [
        "only old of mine in the old file only",
        "only new of mine in the new file only",
    ]
    assert compare_records(records(before), new)[2]


def test_one_encoder_on_either_side_is_paired_whatever_its_name():
    before, after = pair(60, 12, 0)
    renamed = replace(after, key=replace(after.key, encoder="retrained"))
    (found,), notes, complete = compare_records(records(before), records(renamed))
    assert complete
    assert found.encoder == "retrained"
    assert found.worse
    assert notes == ["retrained is compared with mine"]


@pytest.mark.parametrize(
    "change, problem",
    [
        ({"corpus": "f00d"}, "no corpus is in both: made of 4 clips; other of 5 clips"),
        ({"seed": 3}, "no seed is in both: 0; 3"),
        ({"distance": "cosine"}, "no distance is in both"),
        ({"transform": "MP3(kbps=8)"}, "no transform is in both"),
    ],
)
def test_files_without_anything_in_common_say_why(change, problem):
    one = entry([1, 0, 1, 1])
    other = replace(one, key=replace(one.key, **change))
    listing = Clips("other", tuple("abcde"), tuple("abcde"))
    new = Records({other.key: other}, {"cafe": clips(4), "f00d": listing})
    found, notes, _ = compare_records(records(one), new)
    assert not found
    assert any(problem in note for note in notes)


def test_clips_made_by_other_versions_are_left_out():
    one = entry([1, 0, 1, 1])
    other = records(replace(one, recipe={"v": "2"}))
    found, notes, complete = compare_records(records(one), other)
    assert not found
    assert not complete
    (note,) = notes
    assert note.startswith("PinkNoise(snr_db=0) of mine left out: its clips were transformed")
    assert "(v 1 then, 2 now)" in note


@pytest.mark.parametrize(
    "lost, options, code", [(12, (), 1), (0, (), 0), (2, (), 0), (2, ("--max-drop=0.01",), 1)]
)
def test_compare_command(tmp_path, capsys, lost, options, code):
    before, after = pair(60, lost, 0)
    for name, one in (("old", before), ("new", after)):
        write_baseline(tmp_path / f"{name}.json", records(one))
    paths = [str(tmp_path / f"{name}.json") for name in ("old", "new")]
    assert main(["compare", *paths, *options]) == code
    assert f"{lost} flips to wrong, 0 to right" in capsys.readouterr().out


def test_compare_command_does_not_call_a_part_the_same(tmp_path, capsys):
    paths = [str(tmp_path / f"{name}.json") for name in ("old", "new")]
    one, gone = entry([1, 0]), entry([1, 0], "MP3(kbps=8)")
    write_baseline(Path(paths[0]), records(one, gone))
    write_baseline(Path(paths[1]), records(one))
    assert main(["compare", *paths]) == 2
    assert "MP3(kbps=8) of mine in the old file only" in capsys.readouterr().out
    assert main(["compare", *paths, "--partial"]) == 0
    assert main(["compare", *paths[::-1]]) == 0  # what is new was never there to lose


@pytest.mark.parametrize("options", [(), ("--partial",)])
def test_compare_command_names_how_trainings_are_compared(tmp_path, capsys, options):
    old, new = (tmp_path / f"{name}.json" for name in ("old", "new"))
    training = Training.of([entry([1, 0])])
    write_baseline(old, Records({}, {"cafe": clips(2)}, {training.key: training}))
    write_baseline(new, records(entry([1, 0])))
    for paths in ((old, new), (new, old)):
        assert main(["compare", *map(str, paths), *options]) == 2
        told = capsys.readouterr().err
        assert f"{old} holds trainings only (1 training)" in told
        assert f"compare --retrained {paths[0]} {paths[1]}" in told


def test_compare_command_on_too_few_groups(tmp_path, capsys):
    paths = [str(tmp_path / f"{name}.json") for name in ("old", "new")]
    for path, outcomes in zip(paths, ([1] * 12, [0] * 12)):
        write_baseline(Path(path), records(entry(outcomes), corpus=clips(12, per_group=3)))
    assert main(["compare", *paths]) == 2
    assert "too few groups of clips to tell" in capsys.readouterr().err


@pytest.mark.parametrize("options", [(), ("--max-drop=-1",)])
def test_compare_command_on_what_cannot_be_compared(tmp_path, capsys, options):
    paths = [tmp_path / "old.json", tmp_path / "new.json"]
    write_baseline(paths[0], records(entry([1, 0])))
    write_baseline(paths[1], records(entry([1, 0], "MP3(kbps=8)")))
    assert main(["compare", *map(str, paths), *options]) == 2
    assert "error:" in capsys.readouterr().err
    assert main(["compare", str(paths[0]), str(tmp_path / "none.json")]) == 2
    assert "none.json cannot be read" in capsys.readouterr().err


# -- measured


@pytest.fixture(scope="module")
def rungs():
    return Rungs(short_corpus(), [(Identity(), *NOISES, MP3(8))])


def mine(rungs, breaks=lambda severity: False, **options):
    return Known(rungs, breaks, name="mine", **options)


def check(path, encoder, transforms=NOISES, **options):
    update = options.pop("update", False)
    options = {"corpus": short_corpus()} | options
    with sink() as recorded:
        try:
            return Baseline(path, update=update).check(encoder, transforms, **options)
        finally:  # as the controller does at the end
            for written, content in recorded.baselines:
                write_baseline(Path(written), Records.of_baseline(content))


@pytest.fixture
def made(tmp_path, rungs):
    """Return a baseline of an encoder that loses nothing."""
    path = tmp_path / "baseline.json"
    with pytest.raises(AssertionError, match="no baseline for 3 of 3 conditions"):
        check(path, mine(rungs))
    assert len(load_records(path).entries) == 3
    return path


def test_a_missing_baseline_is_written_and_the_test_fails(made, rungs):
    found = check(made, mine(rungs))
    assert found.verdict == "same"
    assert found.changes[0].before.margins == found.changes[0].after.margins


def test_what_is_lost_is_seen(made, rungs):
    one_lost = mine(rungs, lambda severity: severity > 100, clips={1})
    with pytest.raises(AssertionError) as caught:
        check(made, one_lost)
    message = str(caught.value)
    assert message.startswith("mine cannot be told from its baseline on arrays (3 clips")
    assert "smallest drop that 3 clips can show: none (it takes 5)" in message
    with pytest.raises(AssertionError, match=r"a drop of 0\.1 is allowed"):
        check(made, mine(rungs, lambda severity: severity > 100), max_drop={PinkNoise(0): 0.1})


def test_conditions_that_are_missing_are_added_and_told(made, rungs):
    with pytest.raises(AssertionError) as caught:
        check(made, mine(rungs), (*NOISES, MP3(8)))
    message = str(caught.value)
    assert "no baseline for 1 of 4 conditions (MP3(kbps=8))" in message
    assert "Compared with what is there:" in message
    assert len(load_records(made).entries) == 4


def test_a_part_of_the_conditions_leaves_the_others(made, rungs):
    before = made.read_text()
    check(made, mine(rungs), NOISES[:1])
    assert made.read_text() == before
    check(made, mine(rungs, lambda severity: True), NOISES[:1], update=True)
    read = load_records(made)
    assert len(read.entries) == 3


def test_another_corpus_is_stale(made, rungs):
    before = made.read_text()
    some = short_corpus().subset(2)
    with pytest.raises(AssertionError) as caught:
        check(made, mine(rungs), corpus=some)
    message = str(caught.value)
    assert "stale for 3 of 3 conditions: it was measured on other clips, groups or w" in message
    assert "--nnrel-update-baseline" in message
    assert made.read_text() == before
    check(made, mine(rungs), corpus=some, update=True)
    assert len(load_records(made).entries) == 6  # the other corpus's stay
    assert check(made, mine(rungs), corpus=some).verdict == "same"


def test_another_seed_is_stale(made, rungs):
    def loud(batch):
        return np.abs(np.fft.rfft(batch, axis=1))[:, :400].astype(np.float32)

    with pytest.raises(AssertionError, match="measured with seed 0, and this run has 5"):
        check(made, as_encoder(loud, name="mine"), seed=5)


def test_another_engine_version_is_stale(made, rungs):
    text = made.read_text()
    plain = json.loads(text)
    for one in plain["entries"]:
        one["recipe"]["transform"] = "PinkNoise by another engine"
    made.write_text(json.dumps(plain))
    with pytest.raises(AssertionError, match="its clips were transformed otherwise"):
        check(made, mine(rungs))


def test_updating_replaces_and_holds(made, rungs):
    with sink() as recorded, pytest.raises(AssertionError):
        Baseline(made).check(
            mine(rungs, lambda severity: severity > 100, clips={1}), NOISES, corpus=short_corpus()
        )
    assert [verdict["outcome"] for verdict in recorded.verdicts] == ["undecided"]
    with sink() as recorded:
        encoder = mine(rungs, lambda severity: severity > 100)
        found = Baseline(made, update=True).check(encoder, NOISES, corpus=short_corpus())
    assert found.changes[2].negative == 3
    (verdict,) = recorded.verdicts
    assert (verdict["outcome"], verdict["subject"]) == ("holds", "mine")
    assert len(verdict["covers"]) == 3
    ((path, content),) = recorded.baselines  # the controller writes it
    assert path == str(made)
    assert len(content["entries"]) == 3


def test_drops_are_allowed_for_aliases_too(tmp_path):
    """At 22,050 Hz MP3 at 320 kb/s is MP3 at 160."""
    names = (MP3(320), MP3(160))
    rungs = Rungs(short_corpus(), [(Identity(), MP3(160))])
    for number, asked in enumerate(names):
        path = tmp_path / f"{number}.json"
        with pytest.raises(AssertionError, match="no baseline"):
            check(path, mine(rungs), [asked])
        for named in {asked, MP3(160)}:
            with pytest.raises(AssertionError, match="a drop of 0 is allowed"):
                check(path, mine(rungs, lambda s: s > 0), [asked], max_drop={named: 0.0})
    drops = {MP3(320): 0.5, MP3(160): 0.1}
    with pytest.raises(AssertionError, match=r"a drop of 0\.1 is allowed"):
        check(path, mine(rungs, lambda s: s > 0, clips={1}), names, max_drop=drops)


def test_two_encoders_of_one_name_are_refused(made, rungs):
    baseline = Baseline(made)
    baseline.check(mine(rungs), NOISES, corpus=short_corpus())
    baseline.check(mine(rungs), NOISES[:1], corpus=short_corpus())  # the same again is fine
    other = mine(rungs, lambda severity: severity > 100)
    with pytest.raises(BaselineError, match="two encoders called 'mine'"):
        baseline.check(other, NOISES, corpus=short_corpus())
    one, two = records(entry([1, 1])), records(entry([1, 0]))
    with pytest.raises(BaselineError, match="name them apart"):
        one.joined(two)
    assert one.joined(one).entries == one.entries


def test_the_results_of_a_run_are_no_baseline(tmp_path, rungs):
    path = tmp_path / "results.json"
    text = json.dumps(
        {"format": "pytest-nnrel results", "schema_version": 1, "corpora": {}, "measurements": {}}
    )
    path.write_text(text)
    with pytest.raises(BaselineError, match="results of a run and is no baseline"):
        check(path, mine(rungs), update=True)
    with pytest.raises(BaselineError, match="results of a run and is no baseline"):
        write_baseline(path, records(entry([1, 0])))
    assert path.read_text() == text


def test_a_file_is_written_where_there_can_be_no_cache(tmp_path, monkeypatch):
    (tmp_path / "no folder").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "no folder"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    write_baseline(tmp_path / "base.json", records(ONE))
    assert list(load_records(tmp_path / "base.json").entries) == [ONE.key]
    if sys.platform == "linux":
        assert (tmp_path / "temporary").exists()  # where the lock is


def test_a_link_stays_a_link(tmp_path):
    target = tmp_path / "kept" / "base.json"
    write_baseline(target, records(entry([1, 0])))
    link = tmp_path / "base.json"
    link.symlink_to(target)
    write_baseline(link, records(entry([1, 0], "MP3(kbps=8)")))
    assert link.is_symlink()
    assert len(load_records(target).entries) == 2


def test_another_encoder_has_a_baseline_of_its_own(made, rungs):
    with pytest.raises(AssertionError, match="theirs has no baseline for 3 of 3"):
        check(made, Known(rungs, lambda severity: False, name="theirs"))
    assert len(load_records(made).entries) == 6


def test_rho_is_kept_and_compared(tmp_path):
    corpus = Corpus.bundled().subset(8)

    def bands(batch):
        spectrum = np.abs(np.fft.rfft(batch, axis=1))
        return np.log(spectrum[:, :22_000].reshape(len(batch), 40, -1).mean(axis=2) + 1e-6).astype(
            np.float32
        )

    def unrelated(batch):
        seeds = [int(digest(window), 16) for window in batch]
        return np.array([np.random.default_rng(s).normal(size=9) for s in seeds], np.float32)

    path = tmp_path / "baseline.json"
    options = {"corpus": corpus, "rho": True}
    with pytest.raises(AssertionError, match="no baseline for 4 of 4"):
        check(path, as_encoder(bands, name="mine"), NOISES[:2], **options)
    same = check(path, as_encoder(bands, name="mine"), NOISES[:2], **options)
    assert same.p_values == {"flips": 1.0, "rho": 1.0}
    measured = between_consistency(bands, NOISES[0], corpus=corpus)
    assert same.changes[1].before.value == pytest.approx(measured.value, abs=1e-6)
    replicates = same.changes[1].before.replicates
    interval = correlation_interval(measured.value, np.array(replicates), 8, 64)
    assert interval == pytest.approx(measured.ci, abs=1e-3)
    with pytest.raises(AssertionError, match=r"C_rho dtw x euclidean"):
        check(path, as_encoder(unrelated, name="mine"), NOISES[:2], **options)


@pytest.mark.parametrize(
    "transforms, options, problem",
    [
        ((), {}, "not an empty one"),
        (PinkNoise(3), {}, "takes a list"),
        (NOISES, {"max_drop": -0.1}, "max_drop takes"),
        (NOISES, {"max_drop": "much"}, "max_drop takes"),
        (NOISES, {"max_drop": {MP3(8): 0.1}}, "which is not among the transformations"),
    ],
)
def test_bad_input_is_told_and_recorded(tmp_path, rungs, transforms, options, problem):
    path = tmp_path / "baseline.json"
    with sink() as recorded, pytest.raises(SettingError, match=problem):
        Baseline(path).check(mine(rungs), transforms, corpus=short_corpus(), **options)
    assert [verdict["outcome"] for verdict in recorded.verdicts] == ["error"]
    assert not path.exists()


def test_a_foreign_file_is_told_and_left_alone(tmp_path, rungs):
    path = tmp_path / "package.json"
    path.write_text('{"name": "web"}')
    for update in (False, True):
        with pytest.raises(BaselineError, match="neither a baseline nor"):
            check(path, mine(rungs), update=update)
    assert path.read_text() == '{"name": "web"}'


def test_functions_without_a_version_have_baselines_by_name(tmp_path):
    def softer(samples, sample_rate):
        return samples * np.float32(0.5)

    def loud(batch):
        return np.abs(np.fft.rfft(batch, axis=1))[:, :400].astype(np.float32)

    path = tmp_path / "baseline.json"
    with pytest.raises(AssertionError, match="no baseline"):
        check(path, loud, [FunctionTransform("softer", softer)])
    assert check(path, loud, [FunctionTransform("softer", softer)]).verdict == "same"

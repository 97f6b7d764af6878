"""Trainings in baseline files: kept, merged, chosen for a comparison, and refused."""

from __future__ import annotations

import json
import re
from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest
from known_answers import Known, Rungs, short_corpus

from pytest_nnrel import MP3, BaselineError, Identity, PinkNoise, SettingError
from pytest_nnrel.__main__ import main
from pytest_nnrel.baselines import (
    Baseline,
    Clips,
    Entry,
    Key,
    Records,
    Retraining,
    Training,
    load_baseline,
    merge,
    write_baseline,
)
from pytest_nnrel.baselines.retrainings import (
    judge,
    population,
    refuse_known,
    same_recipe,
)
from pytest_nnrel.recording import sink
from pytest_nnrel.statistics.trainings import compare_trainings, reference

N = 12
CLIPS = Clips("made", tuple(f"clip-{i:02}" for i in range(N)), tuple(map(str, range(N))))
NOISES = ("PinkNoise(snr_db=30)", "PinkNoise(snr_db=12)")


def entry(lost, transform=NOISES[0], fingerprint="cafe", recipe=None, **key):
    """Return what a training that loses some clips has in one condition."""
    named = {"encoder": "mine", "distance": "euclidean", "corpus": "made", "seed": 0, **key}
    outcomes = tuple(i not in lost for i in range(N))
    return Entry(
        Key(measure="within", transform=transform, **named),
        round(float(np.mean(outcomes)), 6),
        outcomes,
        (0.5,) * N,
        fingerprint=fingerprint,
        recipe=recipe or {"engine": "1"},
    )


def training(number, lost=None, **options):
    """Return a training that loses one clip in each condition, another than others do."""
    gone = {number % N} if lost is None else lost
    options = {"fingerprint": f"training-{number:02}", **options}
    return Training.of([entry(gone, noise, **options) for noise in NOISES])


def records(*trainings, clips=CLIPS):
    return Records({}, {"made": clips}, {t.key: t for t in trainings})


def read(path):
    return json.loads(path.read_text(encoding="utf-8"))


# -- the file


def test_trainings_come_back_as_they_were(tmp_path):
    path = tmp_path / "base.json"
    kept = records(training(0), training(1))
    write_baseline(path, kept)
    write_baseline(path, records(training(2)))
    assert load_baseline(path).trainings == kept.trainings | records(training(2)).trainings
    (first, *_) = read(path)["trainings"]
    assert first["encoder"] == "mine"
    assert first["fingerprint"] == "training-00"
    assert first["conditions"][0]["lost"] == ["clip-00"]
    assert len(first["added"]) == len("2026-01-01")


def test_a_file_without_trainings_does_not_name_them(tmp_path):
    path = tmp_path / "base.json"
    one = entry({0})
    write_baseline(path, Records({one.key: one}, {"made": CLIPS}))
    assert "trainings" not in read(path)


def test_entries_and_trainings_keep_each_other(tmp_path):
    path = tmp_path / "base.json"
    one = entry({0})
    write_baseline(path, records(training(1)))
    write_baseline(path, Records({one.key: one}, {"made": CLIPS}))
    kept = load_baseline(path)
    assert (len(kept.entries), len(kept.trainings)) == (1, 1)
    assert kept.summary == "1 entry and 1 training"
    other = entry({1}, NOISES[1])
    write_baseline(path, Records({other.key: other}, {"made": CLIPS}))
    write_baseline(path, records(training(2)))
    assert load_baseline(path).summary == "2 entries and 2 trainings"


def test_conditions_of_one_training_may_come_in_parts():
    parts = [records(Training.of([entry({3}, noise)])) for noise in NOISES]
    (whole,) = parts[0].joined(parts[1]).trainings.values()
    assert sorted(whole.entries) == sorted(NOISES)
    with pytest.raises(BaselineError, match="two encoders called 'mine'"):
        parts[0].joined(records(Training.of([entry({4}, NOISES[0])])))


def test_a_training_that_stands_there_twice_is_told(tmp_path):
    path = tmp_path / "base.json"
    write_baseline(path, records(training(0)))
    plain = read(path)
    plain["trainings"] *= 2
    path.write_text(json.dumps(plain), encoding="utf-8")
    with pytest.raises(BaselineError, match=r"training training-00 of mine stands there twice"):
        load_baseline(path)


@pytest.mark.parametrize(
    "damage",
    [
        lambda one: one.pop("fingerprint"),
        lambda one: one["conditions"][0].update(lost=["no such clip"]),
        lambda one: one["conditions"][0].update(value=0.5),
        lambda one: one["conditions"].append(one["conditions"][0]),
        lambda one: one.update(corpus="other"),
    ],
)
def test_a_damaged_training_is_told(tmp_path, damage):
    path = tmp_path / "base.json"
    write_baseline(path, records(training(0)))
    plain = read(path)
    damage(plain["trainings"][0])
    path.write_text(json.dumps(plain), encoding="utf-8")
    with pytest.raises(BaselineError, match=r"base\.json"):
        load_baseline(path)


def test_an_encoder_without_fingerprint_is_known_by_its_outcomes():
    one, other = (Training.of([entry(lost, fingerprint=None)]) for lost in ({1}, {2}))
    assert one.key != other.key
    assert one.key == Training.of([entry({1}, fingerprint=None)]).key
    with pytest.raises(BaselineError, match="two encoders called 'mine'"):
        Training.of([entry({1}, fingerprint=None), entry({2}, fingerprint=None)])


# -- merges


def test_trainings_that_both_sides_added_are_all_kept():
    base = records(training(0))
    merged, conflicts = merge(
        base, records(training(0), training(1)), records(training(0), training(2))
    )
    assert not conflicts
    assert merged == records(training(0), training(1), training(2))


def test_a_training_that_one_side_deleted_is_gone():
    base = records(training(0), training(1))
    merged, conflicts = merge(base, records(training(0)), base)
    assert (merged, conflicts) == (records(training(0)), [])


def test_the_same_training_added_on_two_days_is_no_conflict():
    later = replace(training(0), added="2999-01-01")
    merged, conflicts = merge(Records(), records(training(0)), records(later))
    assert (merged, conflicts) == (records(training(0)), [])


def test_a_training_that_both_sides_changed_is_a_conflict():
    sides = [records(training(0, lost=lost)) for lost in ({0}, {1}, {2})]
    merged, conflicts = merge(*sides)
    assert not merged.trainings
    assert not merged.corpora
    assert conflicts == ["training training-00 of mine: changed by ours, changed by theirs"]


# -- which trainings a new one is compared with


def test_those_of_the_same_name_clips_and_conditions_are_compared_with():
    others = [training(1), training(2), training(3, encoder="other")]
    before, notes = population(records(*others), [training(0)], place="base.json")
    assert before == others[:2]
    assert notes == []


def test_a_training_is_compared_with_the_others_where_it_is_there_itself():
    known = [training(0), training(1), training(2)]
    before, _ = population(records(*known), [training(1)], place="base.json")
    assert before == [known[0], known[2]]


@pytest.mark.parametrize(
    ("other", "why"),
    [
        (training(1, corpus="less"), r"other clips, groups or windows \(fewer, 2 clips"),
        (training(1, corpus="zz"), r"other clips, groups or windows \(later, 2 clips"),
        (training(1, seed=7), "with --nnrel-seed=7, and this run has 0"),
        (training(1, distance="cosine"), "measured by cosine, not euclidean"),
        (
            Training.of([entry({1}, NOISES[0], fingerprint="b")]),
            "grid: without PinkNoise.snr_db=12",
        ),
        (training(1, recipe={"engine": "2"}), "transformed otherwise .engine 2 then, 1 now"),
    ],
)
def test_others_are_left_out_and_why(other, why):
    kept = records(other, training(2))
    kept.corpora["less"] = Clips("fewer", ("a", "b"), ("a", "b"))
    kept.corpora["zz"] = Clips("later", ("a", "b"), ("a", "b"))
    before, (note,) = population(kept, [training(0)], place="base.json")
    assert before == [training(2)]
    assert note.startswith("1 training of mine in base.json left out (training ")
    assert re.search(why, note), note


def test_a_seed_is_the_same_however_it_was_read():
    read_from_a_file = training(1, seed=int("123456"))
    before, notes = population(
        records(read_from_a_file), [training(0, seed=int("123456"))], place="base.json"
    )
    assert (before, notes) == ([read_from_a_file], [])


def test_clips_of_a_group_are_not_taken_for_independent():
    """Trainings lose both clips of a track at a time: of twelve clips that says less."""
    tracks = Clips("made", CLIPS.ids, tuple(str(i // 2) for i in range(N)))
    before = [training(k, lost={2 * k, 2 * k + 1}) for k in range(4)]
    after = [training(90, lost={8, 9, 10, 11})]
    alone, together = (judge(before, after, clips).found for clips in (CLIPS, tracks))
    assert together.drop == pytest.approx(alone.drop)
    assert together.p > 1.2 * alone.p
    outcomes = [
        np.array([[e.outcomes for e in t.entries.values()] for t in side])
        for side in (before, after)
    ]
    assert together.p == compare_trainings(*outcomes, tracks.groups).p
    assert alone.p == compare_trainings(*outcomes).p


def test_more_conditions_than_are_asked_for_do_no_harm():
    new = Training.of([entry({0}, NOISES[1], fingerprint="new")])
    before, notes = population(records(training(1), training(2)), [new], place="base.json")
    assert (len(before), notes) == (2, [])
    found = judge(before, [new], CLIPS)
    assert isinstance(found, Retraining)
    assert found.transforms == (NOISES[1],)


# -- what is refused


def told(before, lost):
    """Return the verdict on a training that loses some clips, and its message."""
    found = judge([training(i) for i in range(before)], [training(90, lost=lost)], CLIPS)
    return found, found.lines()


def test_a_worse_recipe_is_told_with_an_interval_above_0():
    # 11 of 12 clips before, 5 now, by a test at 5 % that takes .1 (s.d. .1 or less).
    found, (headline, *conditions, smallest, asked) = told(4, set(range(7)))
    low, high = found.found.interval
    assert low > 0
    assert headline == (
        "the recipe of mine is worse than it was on made (1 new training against 4, 12 clips, 2"
        f" conditions): drop of mean C_W 0.500 ({low:.3f} to {high:.3f} at 90 %), one-sided p ="
        f" {found.found.p:.3g}"
    )
    assert [line.split(",")[0] for line in conditions] == [
        f"  {noise} C_W euclidean: 0.917 -> 0.417" for noise in NOISES
    ]
    assert all(line.endswith(" after Holm); worse") for line in conditions)
    assert smallest == (
        f"  one training differs from another by {found.found.spread:.3f} (s.d. of mean C_W);"
        f" smallest drop that 1 new training against 4 can show: {found.found.smallest_drop:.3f}"
    )
    assert asked.startswith("  asked: is the recipe worse, whatever the seed?")
    assert found.as_dict()["verdict"] == "worse"
    assert all(change["worse"] for change in found.as_dict()["changes"])


def test_a_recipe_that_is_no_worse_is_told_with_an_interval_that_holds_0():
    found, (headline, *rest) = told(3, {7, 8})
    assert found.found.interval[0] < 0
    assert (
        "the recipe of mine is no worse than it was on made (1 new training against 3" in headline
    )
    assert f": drop of mean C_W 0.083 ({found.found.interval[0]:.3f} to " in headline
    assert not any("worse" in line for line in rest[:-1])
    assert rest[-2].startswith("  one training differs from another by ")
    assert not any(change["worse"] for change in found.as_dict()["changes"])


def test_one_training_is_told_without_a_test():
    known = reference()
    found, (headline, why, *conditions, smallest, _) = told(1, {7, 8})
    assert headline == (
        "the recipe of mine cannot be told from what it was on made (1 new training against 1, 12"
        " clips, 2 conditions): drop of mean C_W 0.083, no more than two trainings of a reference"
        f" encoder differ by (up to {known.largest_drop:.3f})"
    )
    assert why == (
        f"  seeds alone move C_W by about {known.spread:.3f} (the reference encoders' figure,"
        " s.d.); what they do to mine one training does not say: add trainings with"
        " --nnrel-add-training, three or more"
    )
    assert len(conditions) == 2
    assert smallest == (
        f"  smallest drop that 1 new training against 1 can show: {known.largest_drop:.3f}"
    )
    found, (headline, *rest) = told(1, {7, 8, 9})
    assert found.worse
    assert headline.endswith(
        "is worse than it was on made (1 new training against 1, 12 clips, 2 conditions): drop of"
        " mean C_W 0.167, more than two trainings of a reference encoder differ by (up to"
        f" {known.largest_drop:.3f})"
    )
    assert not any("seeds alone" in line for line in rest)


def test_a_recipe_is_worse_by_a_condition_that_falls_while_the_others_rise():
    """One of twelve falls, so that their mean is no worse."""
    noises = [f"PinkNoise(snr_db={i})" for i in range(12)]
    before = [
        Training.of([entry({k}, noise, fingerprint=f"old {k}") for noise in noises])
        for k in range(8)
    ]
    lost = [range(10), *[{}] * 11]
    new = Training.of([entry(gone, noise, fingerprint="new") for gone, noise in zip(lost, noises)])
    found = judge(before, [new], CLIPS)
    assert [condition.worse for condition in found.found.conditions] == [True] + [False] * 11
    assert found.verdict == "worse"
    assert not found.found.worse_on_average
    assert "is worse than it was in 1 condition, though not on average, on made" in found.headline
    assert [change["worse"] for change in found.as_dict()["changes"]] == [True] + [False] * 11


def test_a_condition_is_called_worse_where_the_recipe_is():
    """One falls by less than is decisive, after correction, and the mean is no worse."""
    noises = [f"PinkNoise(snr_db={i})" for i in range(6)]
    before = [
        Training.of([entry({k}, noise, fingerprint=f"old {k}") for noise in noises])
        for k in range(6)
    ]
    lost = [range(6), *[{}] * 5]
    new = Training.of([entry(gone, noise, fingerprint="new") for gone, noise in zip(lost, noises)])
    found = judge(before, [new], CLIPS)
    assert [condition.worse for condition in found.found.conditions] == [True] + [False] * 5
    assert not any(condition.decisive for condition in found.found.conditions)
    assert found.verdict == "no worse"
    assert not any("; worse" in line for line in found.lines())
    assert not any(change["worse"] for change in found.as_dict()["changes"])


def test_conditions_that_are_worse_come_before_those_that_fell():
    noises = [f"PinkNoise(snr_db={i})" for i in range(6)]
    before = [
        Training.of([entry({k}, noise, fingerprint=f"old {k}") for noise in noises])
        for k in range(6)
    ]
    lost = [{0, 1}, {0, 1}, {0, 1}, range(11), {0, 1}, {0, 1}]
    new = Training.of([entry(gone, noise, fingerprint="new") for gone, noise in zip(lost, noises)])
    found = judge(before, [new], CLIPS)
    assert [c.worse for c in found.found.conditions] == [False] * 3 + [True] + [False] * 2
    named = [line.split(" C_W")[0].strip() for line in found.lines() if " C_W euclidean" in line]
    assert named[0] == "PinkNoise(snr_db=3)"
    assert len(named) == 6


@pytest.mark.parametrize(
    "conditions, more",
    [(8, None), (9, "1 more condition"), (17, "9 more conditions")],
)
def test_the_first_eight_conditions_that_fell_are_named_and_the_others_counted(conditions, more):
    noises = [f"PinkNoise(snr_db={i})" for i in range(conditions)]
    before = [
        Training.of([entry({k}, noise, fingerprint=f"old {k}") for noise in noises])
        for k in range(3)
    ]
    after = [Training.of([entry(range(6), noise, fingerprint="new") for noise in noises])]
    lines = judge(before, after, CLIPS).lines()
    assert sum(" C_W euclidean: 0.917 -> 0.500" in line for line in lines) == 8
    assert [line for line in lines if "more condition" in line] == (
        [f"  and {more} that fell"] if more else []
    )


def test_a_training_is_added_once():
    known = records(training(0))
    with pytest.raises(BaselineError, match=r"training training-00 of mine .* already; a training"):
        refuse_known(known, [training(0)], place="base.json")
    with pytest.raises(
        BaselineError, match="has the same outcomes as training training-00 of mine"
    ):
        refuse_known(known, [training(0, fingerprint="saved otherwise")], place="base.json")
    twins = [training(1, fingerprint=name) for name in ("one", "two")]
    with pytest.raises(BaselineError, match="training two of mine has the same outcomes"):
        refuse_known(known, twins, place="base.json")
    refuse_known(known, [training(1), training(0, encoder="other")], place="base.json")


def test_new_trainings_are_several_of_one_recipe():
    with pytest.raises(SettingError, match="share a name, and these are called mine, other"):
        same_recipe([training(0), training(1, encoder="other")])
    with pytest.raises(SettingError, match="training training-00 of mine is given twice"):
        same_recipe([training(0), training(1), training(0)])
    with pytest.raises(SettingError, match="training training-01 of mine is given twice"):
        same_recipe([training(0), training(1), training(1)])
    with pytest.raises(SettingError, match="training training-00 of mine is given twice"):
        same_recipe([training(1), training(0), training(0)])
    same_recipe([training(0), training(1)])


def test_conditions_come_in_the_order_of_the_first_new_training():
    backward = Training.of([entry({1}, noise, fingerprint="backward") for noise in NOISES[::-1]])
    found = judge([training(2), training(3)], [training(0), backward], CLIPS)
    assert found.transforms == NOISES
    assert judge([training(2), training(3)], [backward], CLIPS).transforms == NOISES[::-1]


def test_new_trainings_of_other_conditions_are_refused():
    part = Training.of([entry({1}, NOISES[0], fingerprint="part")])
    for after in ([training(0), part], [part, training(0)]):
        with pytest.raises(BaselineError, match="on other transformations than training"):
            judge([training(2), training(3)], after, CLIPS)


def test_of_conditions_that_are_as_sure_those_that_fell_most_come_first():
    lost = {"PinkNoise(snr_db=1)": {0}, "PinkNoise(snr_db=2)": {0, 1}, "PinkNoise(snr_db=3)": {}}

    before = [
        Training.of([entry({k}, noise, fingerprint=f"old {k}") for noise in lost]) for k in range(8)
    ]
    new = Training.of([entry(gone, noise, fingerprint="new") for noise, gone in lost.items()])
    found = judge(before, [new], CLIPS)
    assert len({condition.adjusted for condition in found.found.conditions}) < 3
    named = [line.split(" C_W")[0].strip() for line in found.lines() if " C_W euclidean" in line]
    assert named[0] == "PinkNoise(snr_db=2)"
    assert "PinkNoise(snr_db=3)" not in named
    with pytest.raises(FrozenInstanceError):
        found.encoder = "another"


# -- the fixture's check


@pytest.fixture(scope="module")
def rungs():
    corpus = short_corpus()
    return Rungs(corpus, [[Identity(), PinkNoise(30), MP3(64)]])


def known(rungs, lost, name="mine"):
    encoder = Known(rungs, lambda severity: severity > 0, clips=lost, name=name)
    encoder.fingerprint = f"loses {lost}"
    return encoder


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (lambda one: ([one, one], {}), "check takes one encoder; several are trainings of one"),
        (lambda one: ([], {"retrained": True}), "takes an encoder or several, not an empty list"),
        (lambda one: (one, {"retrained": True, "rho": True}), "index and max_drop are of the same"),
        (lambda one: (one, {"retrained": True, "max_drop": 0.1}), "index and max_drop are of the"),
    ],
)
def test_the_two_questions_are_not_mixed(rungs, tmp_path, arguments, message):
    encoder, options = arguments(known(rungs, [0]))
    with pytest.raises(SettingError, match=message):
        Baseline(tmp_path / "base.json").check(encoder, [PinkNoise(30)], **options)


def test_trainings_are_added_and_judged(rungs, tmp_path):
    path = tmp_path / "base.json"
    grid = [PinkNoise(30), MP3(64)]
    options = {"retrained": True, "corpus": rungs.corpus}
    with sink() as recorded:
        both = [known(rungs, [i]) for i in (0, 1)]
        assert Baseline(path, add_training=True).check(both, grid, **options) is None
    ((place, content),) = recorded.baselines
    assert place == str(path)
    write_baseline(path, Records.of_baseline(content))
    with pytest.raises(BaselineError, match=r"is in .* already"):
        Baseline(path, add_training=True).check(known(rungs, [0]), grid, **options)
    found = Baseline(path).check(known(rungs, [2]), grid, **options)
    assert found.verdict == "no worse"
    assert not found.worse
    assert not found.undecided
    assert found.headline.startswith("the recipe of mine is no worse than it was on arrays (1 new")
    assert len(load_baseline(path).trainings) == 2


# -- the command


def test_the_command_keeps_the_questions_apart(tmp_path, capsys):
    paths = [tmp_path / f"{i}.json" for i in range(3)]
    for number, path in enumerate(paths):
        write_baseline(path, records(training(number)))
    files = [str(path) for path in paths]
    assert main(["compare", *files]) == 2
    assert "several OLD are trainings of one recipe: --retrained" in capsys.readouterr().err
    assert main(["compare", "--retrained", "--max-drop=0.1", *files]) == 2
    assert "--max-drop and --partial are of the same training" in capsys.readouterr().err
    assert main(["compare", "--retrained", *files]) == 0
    assert "the recipe of mine is no worse than it was on made (1 new training against 2" in (
        capsys.readouterr().out
    )
    assert main(["compare", "--retrained", files[0], files[0]]) == 2
    assert "already; a training counts once" in capsys.readouterr().err


def test_entries_of_a_baseline_stand_for_a_training(tmp_path, capsys):
    path = tmp_path / "entries.json"
    entries = [entry({5}, noise, fingerprint="released") for noise in NOISES]
    write_baseline(path, Records({e.key: e for e in entries}, {"made": CLIPS}))
    others = tmp_path / "others.json"
    write_baseline(others, records(training(0), training(1)))
    assert main(["compare", "--retrained", str(path), str(others)]) == 2
    assert "seeds alone move C_W by about" in capsys.readouterr().out
    assert main(["compare", "--retrained", str(others), str(path)]) == 0
    other = tmp_path / "other.json"
    write_baseline(other, records(training(0, encoder="other")))
    assert main(["compare", "--retrained", str(others), str(other)]) == 2
    assert "the old files hold no training of other" in capsys.readouterr().out

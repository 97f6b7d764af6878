"""Profiles against MFCC, their assertion, and encoders of several runs side by side."""

import csv
import io
import json
import math
import re
from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest
from naive import among as naive_among

from pytest_nnrel import (
    Chain,
    Corpus,
    FunctionTransform,
    Identity,
    MFCCEncoder,
    PinkNoise,
    PitchShift,
    ResultsError,
    SettingError,
    TooFewClipsError,
    TransformError,
    UndefinedMeasureError,
    as_encoder,
    assert_profile,
    between_consistency,
    field_grid,
    profile,
    within_consistency,
)
from pytest_nnrel.__main__ import main
from pytest_nnrel.profiles import standings as module
from pytest_nnrel.profiles.entrants import Run, entrants_of
from pytest_nnrel.profiles.standings import standings
from pytest_nnrel.profiles.stored import (
    StoredCondition,
    StoredEncoder,
    StoredProfiles,
    bundled_profiles,
    read_profiles,
)
from pytest_nnrel.recording import sink
from pytest_nnrel.report import directions, leaderboard, overlay
from pytest_nnrel.report.history import histories, lines_of

GRID = (
    PitchShift(semitones=-3),
    PitchShift(semitones=1),
    PinkNoise(snr_db=15),
    PinkNoise(snr_db=0),
)


def spectrum(batch):
    return np.abs(np.fft.rfft(batch[:, :4096]))[:, :200]


def envelope(batch):
    return np.abs(batch[:, : len(batch[0]) // 100 * 100].reshape(len(batch), -1, 100)).mean(axis=2)


def constant(batch):
    return np.ones((len(batch), 4))


@pytest.fixture(scope="module")
def measured(corpus, tmp_path_factory):
    """Content of results.json of a run with two encoders, as `profile` records it."""
    from pytest_nnrel.experiment import stores
    from pytest_nnrel.runtime import settings

    active = settings.Settings(cache_dir=tmp_path_factory.mktemp("cache"), jobs=1)
    scope = settings.activate(active)
    try:
        with sink() as kept:
            profiles = {
                fn.__name__: profile(
                    as_encoder(fn, name=fn.__name__, fingerprint=fn.__name__), GRID, corpus=corpus
                )
                for fn in (spectrum, envelope)
            }
    finally:
        settings.deactivate(scope)
        stores.close_stores(active)
    return profiles, {
        "measurements": kept.measurements,
        "corpora": kept.corpora,
        "run": {"started": "2026-01-01T00:00:00Z"},
    }


def later(results, day, encoder="spectrum", lose=0, fingerprint="next"):
    """Return results of a later run, in which an encoder loses clips that it kept."""
    changed = deepcopy(results)
    changed["run"]["started"] = f"2026-01-{day:02}T00:00:00Z"
    for one in changed["measurements"].values():
        details = one["details"]
        if details["encoder"]["name"] != encoder:
            continue
        details["encoder"]["fingerprint"] = fingerprint
        details["identity"]["encoder_fingerprint"] = fingerprint
        one["outcomes"] = "0" * lose + one["outcomes"][lose:]
    return changed


def test_a_familys_errors_are_those_of_its_conditions_over_mfccs(corpus, run):
    found = profile(spectrum, GRID, corpus=corpus)
    for family, conditions in (("PitchShift", GRID[:2]), ("PinkNoise", GRID[2:])):
        ours, theirs = (
            sum(
                within_consistency(encoder, t, corpus=corpus).outcomes.count(False)
                for t in conditions
            )
            for encoder in (spectrum, MFCCEncoder())
        )
        one = found.family(family)
        allowed = 0.05 * 2 * len(corpus)
        assert one.relative == pytest.approx((ours + allowed) / (theirs + allowed))
        assert one.error == pytest.approx(ours / (2 * len(corpus)))
        assert one.reference_error == pytest.approx(theirs / (2 * len(corpus)))
        assert {point.name for point in one.points} == {t.name for t in conditions}
        assert [p.damage for p in one.points] == sorted(p.damage for p in one.points)
    relative = [one.relative for one in found.families]
    assert found.score == pytest.approx(sum(relative) / len(relative))
    assert found.ci[0] <= found.score <= found.ci[1]


def test_mfcc_scores_one_against_itself(corpus, run):
    found = profile(MFCCEncoder(), GRID, corpus=corpus)
    assert (found.score, found.ci) == (1.0, (1.0, 1.0))


def test_agreement_with_the_audio_is_profiled_too(corpus, run):
    found = profile(spectrum, GRID[2:], corpus=corpus, measure="accuracy")
    assert found.measure == "accuracy"
    assert 0.0 <= found.families[0].error <= 1.0


def test_rank_agreement_is_profiled_too(corpus, run):
    found = profile(spectrum, GRID, corpus=corpus, measure="rho")
    assert [one.falls_at for one in found.families] == [{}, {}]  # of originals alone it is not 1
    assert " < " not in str(found)
    for family, conditions in (("PitchShift", GRID[:2]), ("PinkNoise", GRID[2:])):
        ours, theirs = (
            np.mean([1 - between_consistency(e, t, corpus=corpus).value for t in conditions])
            for e in (spectrum, MFCCEncoder())
        )
        one = found.family(family)
        assert one.error == pytest.approx(ours)
        assert one.relative == pytest.approx((ours + 0.05) / (theirs + 0.05))
        assert one.ci[0] < one.relative < one.ci[1]
    assert found.ci[0] < found.score < found.ci[1]
    same = profile(MFCCEncoder(), GRID[2:], corpus=corpus, measure="rho")
    assert (same.score, same.ci) == (1.0, (1.0, 1.0))  # replicates are pairs


def test_what_stands_on_no_ladder_has_no_directions(corpus, run):
    quieter = FunctionTransform("quieter", lambda x, rate: x * np.linspace(0, 1, len(x)))
    bent = FunctionTransform("bent", lambda x, rate: np.tanh(9 * x))
    found = profile(spectrum, [quieter, bent, *GRID[2:]], corpus=corpus)
    assert {one.family for one in found.families} >= {"PinkNoise"}


def test_directions_of_each_family_are_recorded(corpus, run):
    with sink() as kept:
        profile(spectrum, GRID, corpus=corpus)
    along = [m for m in kept.measurements.values() if m["measure"] == "directions"]
    assert {m["details"]["transform"]["family"] for m in along} == {"PitchShift", "PinkNoise"}
    for one in along:
        assert one["details"]["encoder"]["name"] == "spectrum"
        assert one["value"] <= 1.0
        assert 1.0 <= one["details"]["effective_dimension"] <= 200.0
        assert len(one["details"]["identity"]["rungs"]) == 2
    rows = directions.rows_of(kept.measurements.values())
    assert [(row.encoder, row.way, row.p) for row in rows] == [
        ("spectrum", "from PitchShift(semitones=-3) to PitchShift(semitones=1)", ""),
        ("spectrum", "up to PinkNoise(snr_db=0)", ""),
    ]


def test_one_rung_has_no_direction(corpus, run):
    with sink() as kept:
        profile(spectrum, GRID[2:3], corpus=corpus)
    assert {m["measure"] for m in kept.measurements.values()} == {"within"}


def named(results, **names):
    """Return results in which encoders bear other names."""
    changed = deepcopy(results)
    for one in changed["measurements"].values():
        details = one["details"]
        name = names.get(details["encoder"]["name"])
        if name:
            details["encoder"]["name"] = details["identity"]["encoder"] = name
    return changed


def without_mfcc(results):
    kept = {
        key: one
        for key, one in results["measurements"].items()
        if one["details"]["encoder"]["name"] != "mfcc"
    }
    return {**results, "measurements": kept}


def test_an_encoder_that_is_called_mfcc_is_not_the_reference(measured):
    profiles, results = measured
    renamed = named(without_mfcc(results), spectrum="mfcc")
    with pytest.raises(ResultsError, match="is called 'mfcc' is not taken for it"):
        standings([Run("one", renamed)])
    both = standings([Run("one", named(results, spectrum="mfcc"))])
    scores = {one.encoder[:4]: one.score for one in both.profiles if "mfcc" in one.encoder}
    assert sorted([1.0, profiles["spectrum"].score]) == pytest.approx(
        sorted(one.score for one in both.profiles if one.encoder.startswith("mfcc"))
    )
    assert scores


def test_mfcc_by_another_distance_is_not_the_reference(measured):
    _, results = measured
    changed = deepcopy(results)
    for one in changed["measurements"].values():
        if one["details"]["encoder"]["name"] == "mfcc":
            one["details"]["identity"]["latent_distance"] = "cosine"
    with pytest.raises(ResultsError, match="no run measured the MFCC baseline"):
        standings([Run("one", changed)])


def test_what_comes_with_the_package_stands_in_for_mfcc(measured, monkeypatch):
    profiles, results = measured
    ranks, conditions = {}, {}
    for one in results["measurements"].values():
        details = one["details"]
        if one["measure"] != "within":
            continue
        identity, t = details["identity"], details["transform"]
        ranks.setdefault(details["encoder"]["name"], {})[t["name"]] = tuple(details["ranks"])
        conditions[t["name"]] = StoredCondition(
            t["family"], t["severity"], t["magnitude"], str(t["recipe"]), {}
        )
    known = StoredProfiles(
        "bundled", identity["corpus"], 8, 0, conditions,
        {"mfcc": StoredEncoder("MFCC", ranks["mfcc"]),
         "at": StoredEncoder("AT", ranks["envelope"])},
    )  # fmt: skip
    monkeypatch.setattr(module, "bundled_profiles", lambda: known)
    found = standings([Run("one", without_mfcc(results))])
    assert {p.encoder: p.score for p in found.profiles} == {
        name: profiles[name].score for name in ("spectrum", "envelope")
    }
    assert [p.ci for p in found.profiles] == [profiles[p.encoder].ci for p in found.profiles]
    assert {p.encoder: p.score for p in found.stored} == {
        "MFCC": 1.0, "AT": profiles["envelope"].score,
    }  # fmt: skip
    measured_too = standings([Run("one", results)])
    assert [p.encoder for p in measured_too.stored] == ["AT"]
    other_seed = deepcopy(without_mfcc(results))
    for one in other_seed["measurements"].values():
        one["details"]["identity"]["seed"] = 1
    with pytest.raises(ResultsError, match="no run measured the MFCC baseline"):
        standings([Run("one", other_seed)])
    alone = {
        key: one
        for key, one in without_mfcc(results)["measurements"].items()
        if one["details"]["encoder"]["name"] == "spectrum"
    }
    (shown,) = overlay.overlays_of({**results, "measurements": alone}, None)
    assert (shown.names, len(shown.standings.stored)) == (["spectrum"], 2)


def test_who_was_measured_on_originals_alone_is_in_no_panel(measured):
    _, results = measured
    changed = deepcopy(results)
    for one in changed["measurements"].values():
        if one["details"]["encoder"]["name"] == "envelope":
            one["details"]["transform"]["family"] = "Identity"
    (shown,) = overlay.overlays_of(changed, None)
    assert sorted(shown.names) == ["mfcc", "spectrum"]
    assert [{one.first, one.second} for one in shown.differences] == [{"mfcc", "spectrum"}]


def test_the_package_has_the_whole_grid_of_mfcc_as_the_reference_page_does():
    known = bundled_profiles()
    assert known.fingerprint == Corpus.bundled().fingerprint
    page = (Path(__file__).parents[2] / "docs/reference/transformations.md").read_text("utf-8")
    rows = re.findall(r"^\| `(.+)` \| (.+) \|$", page, re.MULTILINE)
    table = {name: [float(cell) for cell in cells.split(" | ")] for name, cells in rows
             if name[-1] == ")" and cells[0] in "01"}  # fmt: skip
    assert set(table) == {transform.name for transform in field_grid()}
    for column, name in enumerate(("mfcc", "at", "ir", "vs", "ae")):
        for condition, ranks in known.encoders[name].ranks.items():
            assert len(ranks) == known.clips
            # Of Opus, other versions of its library kept one or two clips more.
            told = table[condition][column]
            assert ranks.count(0) / known.clips == pytest.approx(told, abs=2.5 / known.clips)
    assert set(known.encoders["mfcc"].ranks) == set(table)
    assert {c.family for c in known.conditions.values()} == {
        type(transform).__name__ for transform in field_grid()
    }


def test_a_file_of_something_else_is_refused(tmp_path):
    assert read_profiles(tmp_path / "none.json") is None
    (tmp_path / "other.json").write_text("{}")
    with pytest.raises(ResultsError, match="holds no profiles of reference encoders"):
        read_profiles(tmp_path / "other.json")


def test_an_encoder_that_gives_one_embedding_loses_everything(corpus, run):
    found = profile(constant, GRID, corpus=corpus)
    assert found.mean == 0.0
    assert all(
        one.error == 1.0 and one.falls_at[0.9] < one.points[0].damage for one in found.families
    )


@pytest.mark.parametrize(
    ("grid", "more", "error", "match"),
    [
        ((Identity(),), {}, UndefinedMeasureError, "families"),
        ((Chain(PitchShift(1), PinkNoise(20)),), {}, UndefinedMeasureError, "families"),
        ((), {}, UndefinedMeasureError, "families"),
        ("fields", {}, SettingError, "grid must be"),
        (PinkNoise, {}, SettingError, "a list, such as .*'quick' .* not <class .*PinkNoise'>"),
        (PinkNoise(12), {}, SettingError, r"a list, such as .* not PinkNoise\("),
        ((MFCCEncoder(),), {}, TransformError, "is no transformation"),
        (GRID, {"measure": "delta"}, SettingError, "measure must be 'within' or 'accuracy' or"),
        (GRID, {"scale": "loud"}, SettingError, "scale must be 'audio' or 'perceived'"),
    ],
)
def test_what_cannot_be_profiled_is_told(corpus, run, grid, more, error, match):
    with pytest.raises(error, match=match):
        profile(spectrum, grid, corpus=corpus, **more)


def test_an_assertion_names_what_is_above_its_bound(corpus, run):
    found = profile(spectrum, GRID, corpus=corpus)
    assert assert_profile(spectrum, GRID, max=found.score, corpus=corpus) == found
    worst = max(found.families, key=lambda one: one.relative)
    with sink() as kept, pytest.raises(AssertionError) as failure:
        assert_profile(
            spectrum, GRID, max=found.score * 0.99, families={worst.family: worst.relative * 0.9},
            corpus=corpus,
        )  # fmt: skip
    message = str(failure.value)
    assert f"score = {found.score:.3f} > {found.score * 0.99:g}" in message
    assert f"{worst.family} = {worst.relative:.3f} >" in message
    assert str(found) in message
    assert [verdict["outcome"] for verdict in kept.verdicts] == ["fails"]


def test_an_interval_that_holds_its_bound_is_undecided(corpus, run):
    found = profile(spectrum, GRID, corpus=corpus)
    low, high = found.ci
    assert low < high
    with sink() as kept:
        assert_profile(spectrum, GRID, max=high, confident=True, corpus=corpus)
        with pytest.raises(AssertionError, match="too close to"):
            assert_profile(spectrum, GRID, max=(low + high) / 2, confident=True, corpus=corpus)
        with pytest.raises(AssertionError, match=r"score = .* > "):
            assert_profile(spectrum, GRID, max=low * 0.99, confident=True, corpus=corpus)
    assert [v["outcome"] for v in kept.verdicts] == ["holds", "undecided", "fails"]


@pytest.mark.parametrize("bound", [0.0, -1.0, math.nan, math.inf, True, "1"])
def test_a_bound_is_a_number_above_none(corpus, run, bound):
    with pytest.raises(SettingError, match="must be bounded by a number above 0"):
        assert_profile(spectrum, GRID, max=bound, corpus=corpus)


def test_a_family_that_is_not_in_the_grid_is_told(corpus, run):
    with sink() as kept:
        with pytest.raises(SettingError, match=r"bounds MP3, and .* it has PitchShift, PinkNoise"):
            assert_profile(spectrum, GRID, families={"MP3": 1.0}, max=1e6, corpus=corpus)
        with pytest.raises(SettingError, match=r"families takes bounds by name, .* not float"):
            assert_profile(spectrum, GRID, families=0.5, max=1e6, corpus=corpus)
    assert not kept.measurements  # told before anything is measured


def test_a_profile_is_plain_for_json(measured):
    import json

    profiles, _ = measured
    plain = json.loads(json.dumps(profiles["spectrum"].as_dict(), allow_nan=False))
    assert plain["score"] == profiles["spectrum"].score
    assert plain["families"][0]["falls_at"].keys() == {"0.9", "0.5"}


# ---------------------------------------------------------------------------------------------
# Side by side


def test_standings_give_the_scores_that_profiles_gave_the_best_first(measured):
    profiles, results = measured
    found = standings([Run("run", results)])
    by_name = {one.encoder: one for one in found.profiles}
    for name, one in profiles.items():
        assert by_name[name] == one
    assert by_name["mfcc"].score == 1.0
    scores = [one.score for one in found.profiles]
    assert scores == sorted(scores)
    assert len(found.conditions) == len(GRID)


def test_the_order_of_runs_and_of_measurements_does_not_matter(measured):
    _, results = measured
    turned = {**results, "measurements": dict(reversed(results["measurements"].items()))}
    again = standings([Run("run", turned)])
    found = standings([Run("run", results)])
    assert [p.encoder for p in again.profiles] == [p.encoder for p in found.profiles]
    for one, other in zip(again.profiles, found.profiles):
        assert one.score == pytest.approx(other.score)
    pairs = [{(d.first, d.second): round(d.p, 9) for d in s.differences} for s in (again, found)]
    assert pairs[0] == pairs[1]


def test_a_difference_is_of_means_over_the_same_conditions(measured):
    profiles, results = measured
    for one in standings([Run("run", results)]).differences:
        if {one.first, one.second} == {"spectrum", "envelope"}:
            expected = profiles[one.first].mean - profiles[one.second].mean
            assert one.difference == pytest.approx(expected)
            assert one.low <= one.difference <= one.high


def test_namesakes_bear_their_run_and_one_that_two_runs_measured_is_one(measured):
    _, results = measured
    runs = [Run("monday", results), Run("tuesday", later(results, 2, lose=4))]
    names = sorted(entrant.name for entrant in entrants_of(runs))
    assert names == ["envelope", "mfcc", "spectrum, monday", "spectrum, tuesday"]
    by_name = {p.encoder: p for p in standings(runs).profiles}
    assert by_name["spectrum, tuesday"].score > by_name["spectrum, monday"].score


def with_namesake(results):
    """Return results of an encoder without a fingerprint, and of another of its name."""
    both = later(results, 1, fingerprint=None)
    for key, one in list(both["measurements"].items()):
        if one["details"]["encoder"]["name"] == "spectrum":
            other = deepcopy(one)
            other["outcomes"] = "0" * len(other["outcomes"])
            other["value"] = 0.0
            both["measurements"][f"{key} other"] = other
    return both


def test_two_encoders_that_nothing_tells_apart_are_not_taken_for_one(measured):
    _, results = measured
    both = with_namesake(results)
    told = "run monday: .*two encoders called 'spectrum', .*not deterministic"
    with pytest.raises(ResultsError, match=told):
        standings([Run("monday", both)])
    with pytest.raises(ResultsError, match=told):
        histories([Run("monday", both), Run("tuesday", later(results, 2))])
    (drawn,) = overlay.overlays_of(both, None)
    assert sorted(drawn.names) == ["envelope", "mfcc"]
    assert drawn.left_out == 1


def part_of(results, names):
    """Return results of a shard of a run."""
    part = deepcopy(results)
    for key, one in results["measurements"].items():
        if one["details"]["transform"]["name"] not in names:
            del part["measurements"][key]
    return part


def test_shards_of_one_encoder_are_put_together(measured):
    profiles, results = measured
    names = [transform.name for transform in GRID]
    runs = [Run("one", part_of(results, names[:2])), Run("two", part_of(results, names[2:]))]
    for given in (runs, runs[::-1]):
        found = standings(given)
        assert set(found.conditions) == set(names)
        assert {one.encoder: one for one in found.profiles} == {
            one.encoder: one for one in standings([Run("all", results)]).profiles
        }
        assert set(found.runs) == {", ".join(run.label for run in given)}
        assert found.notes == ()
    changed = later(results, 2, fingerprint="spectrum", lose=4)
    found = standings([runs[0], Run("three", part_of(changed, names[1:]))])
    (note,) = found.notes
    assert note == (
        f"spectrum: one and three found different things under {names[1]}; the later counts"
    )
    mean = standings([Run("all", changed)])
    assert {p.encoder: p for p in mean.profiles}["spectrum"].mean < profiles["spectrum"].mean


def command(capsys, *arguments):
    code = main(list(map(str, arguments)))
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def test_commands_tell_files_that_are_not_as_they_were_written(measured, tmp_path, capsys):
    _, results = measured
    whole = {
        "format": "pytest-nnrel results", "schema_version": 1, "settings": {}, "tests": [],
        "environment": {}, **results,
    }  # fmt: skip
    bare = deepcopy(whole)
    for one in bare["measurements"].values():
        del one["details"]["corpus"]
    place = tmp_path / "results.json"
    place.write_text(json.dumps(whole))
    assert command(capsys, "leaderboard", place)[::2] == (0, "")
    assert f"({place})" in command(capsys, "history", place, place)[1]
    for broken in ({**whole, "run": {}}, bare):
        place.write_text(json.dumps(broken))
        for name in ("leaderboard", "history"):
            code, _, told = command(capsys, name, place, place)
            assert code == 2
            assert re.search("results.json is incomplete or was changed: KeyError", told)
            assert told.count("\n") == 1


def test_conditions_that_not_all_have_are_left_out_and_told(measured):
    _, results = measured
    fewer = deepcopy(results)
    for key, one in results["measurements"].items():
        details = one["details"]
        if (details["encoder"]["name"], details["transform"]["name"]) == ("envelope", GRID[0].name):
            del fewer["measurements"][key]
    found = standings([Run("run", fewer)])
    assert GRID[0].name not in found.conditions
    assert any("spectrum has 1 conditions more" in note for note in found.notes)


@pytest.mark.parametrize("what", ["seed", "neighbours", "corpus"])
def test_what_is_not_comparable_is_refused(measured, what):
    _, results = measured
    other = later(results, 2)
    for one in other["measurements"].values():
        if what == "corpus":
            one["details"]["corpus"]["fingerprint"] = "another"
        else:
            one["details"]["identity"][what] = {"seed": 7, "neighbours": "all"}[what]
    (listing,) = results["corpora"].values()
    other["corpora"]["another"] = listing
    with pytest.raises(ResultsError, match="--at N" if what == "corpus" else "not comparable"):
        standings([Run("a", results), Run("b", other)])
    if what == "corpus":
        found = standings([Run("a", results), Run("b", other)], among=4)
        assert not found.differences
        assert any("clips are not the same" in note for note in found.notes)


def test_among_fewer_clips_errors_are_those_of_all_choices(measured):
    _, results = measured
    found = standings([Run("run", results)], among=3)
    for one in found.profiles:
        assert one.n == 3
        for point in (point for family in one.families for point in family.points):
            (ranks,) = (
                m["details"]["ranks"]
                for m in results["measurements"].values()
                if (m["details"]["encoder"]["name"], m["details"]["transform"]["name"])
                == (one.encoder, point.name)
            )
            # A matrix that has these ranks: as many originals nearer than the own one.
            n = len(ranks)
            distances = np.full((n, n), 2.0)
            for i, rank in enumerate(ranks):
                others = [j for j in range(n) if j != i]
                distances[i, i] = 1.0
                distances[i, others[:rank]] = 0.5
            assert point.value == pytest.approx(naive_among(distances, 3))
    with pytest.raises(TooFewClipsError):
        standings([Run("run", results)], among=900)


def test_without_mfcc_there_is_no_score(measured):
    _, results = measured
    bare = {
        **results,
        "measurements": {
            key: one
            for key, one in results["measurements"].items()
            if one["details"]["encoder"]["name"] != "mfcc"
        },
    }
    with pytest.raises(ResultsError, match="no run measured the MFCC baseline"):
        standings([Run("run", bare)])


def test_results_without_damage_or_without_what_is_heard_are_told(measured):
    _, results = measured
    with pytest.raises(UndefinedMeasureError, match="--nnrel-damage=perceived"):
        standings([Run("run", results)], scale="perceived")
    old = deepcopy(results)
    for one in old["measurements"].values():
        del one["details"]["damage"]
    with pytest.raises(UndefinedMeasureError, match="measure it again"):
        standings([Run("run", old)])


def test_the_boards_files_hold_the_same_numbers(measured):
    _, results = measured
    found = standings([Run("<run>", results)])
    files = leaderboard.views(found)
    rows = list(csv.DictReader(io.StringIO(files[leaderboard.TABLE])))
    assert [row["encoder"] for row in rows] == [one.encoder for one in found.profiles]
    for row, one in zip(rows, found.profiles):
        assert float(row["score"]) == pytest.approx(one.score, rel=1e-4)
        assert float(row["PinkNoise relative error"]) == pytest.approx(
            one.family("PinkNoise").relative, rel=1e-4
        )
        assert f"| `{one.encoder}` | {one.score:.3f} |" in files[leaderboard.TEXT]
        assert f"{one.score:.3f}" in files[leaderboard.PAGE]
    assert "&lt;run&gt;" in files[leaderboard.PAGE]


# ---------------------------------------------------------------------------------------------
# Over runs


def test_a_history_marks_where_an_encoder_left_its_band(measured):
    _, results = measured
    runs = [
        Run("third", later(results, 3, lose=8, fingerprint="c")),
        Run("first", results),
        Run("second", later(results, 2, fingerprint="b")),
    ]
    by_name = {one.encoder: one for one in histories(runs)}
    steps = by_name["spectrum"].steps
    assert [step.run for step in steps] == ["first", "second", "third"]
    assert [step.left for step in steps] == ["", "", "worse"]
    assert steps[1].change == 0.0
    assert steps[2].change == pytest.approx(steps[2].value - steps[0].value)
    assert all(step.low <= step.value <= step.high for step in steps)
    assert [step.left for step in by_name["envelope"].steps] == ["", "", ""]
    assert lines_of(by_name["spectrum"])[-1].endswith("<- worse")


def test_one_run_has_no_history(measured):
    _, results = measured
    with pytest.raises(ResultsError, match="two of these runs"):
        histories([Run("only", results)])


def on_another_corpus(results):
    """Return results in which all was measured on a second corpus, too."""
    both = deepcopy(results)
    (listing,) = results["corpora"].values()
    both["corpora"]["another"] = listing
    for key, one in results["measurements"].items():
        copied = deepcopy(one)
        copied["details"]["corpus"]["fingerprint"] = "another"
        both["measurements"][f"{key} again"] = copied
    return both


def test_an_encoder_on_two_corpora_is_drawn_and_ranked_on_each(measured):
    _, results = measured
    drawn = overlay.overlays_of(on_another_corpus(results), None)
    alone = overlay.overlays_of(results, None)
    assert len(drawn) == 2
    for one in drawn:
        assert one.names == [profile.encoder for profile in alone[0].standings.profiles]
        assert sorted(one.names) == ["envelope", "mfcc", "spectrum"]
        assert one.standings.profiles == alone[0].standings.profiles
        assert one.differences == alone[0].differences


def test_results_that_list_no_clips_are_drawn_without_and_not_ranked(measured):
    _, results = measured
    early = {key: value for key, value in results.items() if key != "corpora"}
    assert overlay.overlays_of(early, None) == []
    with pytest.raises(ResultsError, match="does not list the clips"):
        standings([Run("early", early)])


def test_damage_that_is_not_finite_is_no_place_on_an_axis(measured):
    _, results = measured
    beyond = deepcopy(results)
    for one in beyond["measurements"].values():
        one["details"]["damage"]["audio"]["median"] = None  # of originals that are alike
    with pytest.raises(UndefinedMeasureError, match="not finite as originals are alike"):
        standings([Run("run", beyond)])
    assert overlay.overlays_of(beyond, None) == []

"""Strategies of several families, chains and clips, and the line that keeps a failure."""

from __future__ import annotations

import math
import shutil
from collections import defaultdict
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, example, find, given, settings
from hypothesis import strategies as st
from hypothesis.errors import InvalidArgument

import pytest_nnrel
from pytest_nnrel import (
    MP3,
    Chain,
    Clip,
    Corpus,
    EnvironmentalNoise,
    Identity,
    PinkNoise,
    PitchShift,
    TempoShift,
)
from pytest_nnrel import strategies as nn
from pytest_nnrel.corpus import open_corpus
from pytest_nnrel.corpus.geometry import Geometry
from pytest_nnrel.corpus.source import Gathered
from pytest_nnrel.examples import example_lines, final_verdicts
from pytest_nnrel.runtime import settings as run_settings
from pytest_nnrel.transforms import families

_FAMILIES = [PitchShift, TempoShift, PinkNoise, EnvironmentalNoise, MP3]
_QUICK = settings(
    database=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow], deadline=None
)
#: Severities from the mildest to the strongest in each direction, within the defaults.
_RUNGS = {
    PitchShift: {1: range(241), -1: range(241)},
    TempoShift: {1: range(51), -1: range(71)},
    PinkNoise: {1: range(151)},
    EnvironmentalNoise: {1: range(151)},
    MP3: {1: range(19)},
}
#: Of the others as far as their ladders go.
_ALL_RUNGS = {
    family: {
        direction: range(len(ladder) + 1)
        for direction, ladder in ((1, family.ladder), (-1, family.negative_ladder))
        if ladder
    }
    for family in families().values()
} | _RUNGS


def drawn_from(strategy, examples=200):
    """Return what a strategy draws."""
    drawn = []

    @settings(_QUICK, max_examples=examples, phases=[Phase.generate])
    @given(strategy)
    def draw(value):
        drawn.append(value)

    draw()
    return drawn


def smallest(strategy, breaks):
    return find(strategy, breaks, settings=_QUICK)


def failure_of(test, *arguments):
    """Return what a failing test raises."""
    with pytest.raises(BaseException) as caught:  # groups, too
        test(*arguments)
    return caught.value


# ---------------------------------------------------------------------------------------------
# Several families


def test_families_are_all_drawn_and_no_others():
    kinds = {type(transform) for transform in drawn_from(nn.transforms(MP3, TempoShift))}
    assert kinds - {Identity} == {MP3, TempoShift}
    drawn = {type(transform) for transform in drawn_from(nn.transforms(), 1000)}
    able = {family for family in families().values() if not family.of_encoder}
    assert drawn - {Identity} == able > {*_FAMILIES}


def test_a_bound_goes_to_every_family_that_knows_it():
    bounds = {"min_snr_db": 57, "max_semitones": 0.1, "min_rate": 0.99, "max_rate": 1}
    families = (PinkNoise, EnvironmentalNoise, PitchShift, TempoShift)
    drawn = drawn_from(nn.transforms(*families, **bounds))
    by_family = defaultdict(set)
    for transform in drawn:
        by_family[type(transform)].add(transform.severity)
    assert by_family[PinkNoise] == by_family[EnvironmentalNoise] == {1, 2, 3, 4, 5, 6}
    assert by_family[PitchShift] == {-2, -1, 1, 2}
    assert by_family[TempoShift] == {-1}


def test_a_recording_goes_to_the_environment_alone(tmp_path):
    bar = str(tmp_path / "bar.wav")
    with pytest.raises(InvalidArgument, match=r"bar\.wav' is no file"):
        nn.environmental_noises(recording=bar)
    with pytest.raises(InvalidArgument, match="recording=5 is no file"):
        nn.environmental_noises(recording=5)
    Path(bar).touch()
    drawn = drawn_from(
        nn.transforms(PinkNoise, EnvironmentalNoise, max_snr_db=20, recording=bar), 50
    )
    assert {t.recording for t in drawn if isinstance(t, EnvironmentalNoise)} == {bar}
    assert any(isinstance(t, PinkNoise) for t in drawn)


@pytest.mark.parametrize(
    "strategy, breaks, expected",
    [
        (nn.transforms(), lambda t: True, Identity()),
        (nn.transforms(), lambda t: t.severity != 0, PitchShift(0.05)),
        (nn.transforms(PinkNoise, MP3, max_snr_db=20), lambda t: True, PinkNoise(20)),
        (nn.transforms(MP3, PinkNoise, max_snr_db=20), lambda t: t.severity >= 7, MP3(128)),
        (nn.transforms(), lambda t: isinstance(t, MP3), MP3(320)),
        (
            nn.transforms(),
            lambda t: isinstance(t, TempoShift | PinkNoise) and t.severity >= 13,
            TempoShift(1.13),
        ),
    ],
)
def test_shrinking_ends_at_the_first_family_that_breaks(strategy, breaks, expected):
    assert smallest(strategy, breaks) == expected


# ---------------------------------------------------------------------------------------------
# Chains


def rung_at(family, direction, percent, rungs):
    """Return the rung so far along, the slow way: by exact fractions, halves upward."""
    steps = rungs[family][direction]
    place = Fraction(percent * (len(steps) - 1), 100)
    return direction * max(steps[math.floor(place + Fraction(1, 2))], 1)


def shared_severities(chain, rungs):
    """Return the severities that all steps of a chain may have been drawn at."""
    return [
        percent
        for percent in range(101)
        if all(
            step.severity == rung_at(type(step), 1 if step.severity > 0 else -1, percent, rungs)
            for step in chain.steps
        )
    ]


@pytest.mark.parametrize(
    "families, bounds, rungs",
    [
        ((), {}, _ALL_RUNGS),
        (
            (PinkNoise, PitchShift, TempoShift),
            {"min_snr_db": 30, "max_snr_db": 50, "max_semitones": 1, "max_rate": 1.1},
            {
                PinkNoise: {1: range(20, 61)},
                PitchShift: {1: range(21), -1: range(21)},
                TempoShift: {1: range(11), -1: range(71)},
            },
        ),
        (
            (PitchShift, TempoShift),
            {"min_semitones": 1, "max_semitones": 2, "min_rate": 0.5, "max_rate": 0.9},
            {PitchShift: {1: range(20, 41)}, TempoShift: {-1: range(10, 51)}},
        ),
    ],
    ids=["all", "bounded", "without the identity"],
)
def test_steps_of_a_chain_differ_and_share_a_severity(families, bounds, rungs):
    seen = set()
    for chain in drawn_from(nn.chains(*families, **bounds), 300):
        if chain == Identity():
            seen.add(0)
            continue
        kinds = [type(step) for step in chain.steps]
        assert len(set(kinds)) == len(kinds)
        assert len(kinds) in ((2, 3) if len(rungs) > 2 else (2,))
        assert set(kinds) <= set(rungs)
        shared = shared_severities(chain, rungs)
        assert shared, chain
        seen |= set(shared)
    assert len(seen) > 50
    assert max(seen) > 90


def test_a_chain_that_may_not_rest_has_its_mildest_rungs():
    strategy = nn.chains(PinkNoise, PitchShift, max_snr_db=20)
    assert smallest(strategy, lambda t: True) == Chain(PinkNoise(20), PitchShift(0.05))


def test_percent_may_be_a_part_of_a_rung_but_never_less_than_one():
    strategy = nn.chains(PitchShift, MP3, max_semitones=0.05, min_kbps=256)
    drawn = {t for t in drawn_from(strategy, 300) if t != Identity()}
    severities = {frozenset((type(s), abs(s.severity)) for s in chain.steps) for chain in drawn}
    assert severities == {
        frozenset({(PitchShift, 1), (MP3, 1)}),
        frozenset({(PitchShift, 1), (MP3, 2)}),
    }


@pytest.mark.parametrize(
    "breaks",
    [
        lambda t: isinstance(t.steps[0], MP3),
        lambda t: isinstance(t.steps[0], PitchShift),
        lambda t: t.steps[1].severity < 0,
        lambda t: t.steps[0].severity < 0 and t.steps[1].severity < 0,
        lambda t: t.steps[0].severity < 0 < t.steps[1].severity,
        lambda t: len(t.steps) == 3,
    ],
)
def test_families_come_in_any_order_and_direction(breaks):
    strategy = nn.chains(PitchShift, TempoShift, MP3)
    assert smallest(strategy, lambda t: isinstance(t, Chain) and breaks(t))


@pytest.mark.parametrize(
    "strategy, breaks, expected",
    [
        (nn.chains(), lambda t: True, Identity()),
        (
            nn.chains(),
            lambda t: isinstance(t, Chain),
            Chain(PitchShift(0.1), TempoShift(1.01)),  # 1 % of 240 and of 50 rungs
        ),
        (
            nn.chains(min_steps=3, max_steps=3),
            lambda t: isinstance(t, Chain),
            Chain(PitchShift(0.1), TempoShift(1.01), PinkNoise(59)),
        ),
        (
            nn.chains(MP3, PinkNoise),
            lambda t: any(s.severity >= 40 for s in getattr(t, "steps", ())),
            Chain(MP3(160), PinkNoise(39.5)),  # 27 % of 18 and of 150 rungs; 26 % are 39
        ),
    ],
    ids=["nothing", "any", "three", "threshold"],
)
def test_chains_shrink_to_few_steps_first_families_and_the_smallest_severity(
    strategy, breaks, expected
):
    assert smallest(strategy, breaks) == expected


def test_numbers_of_steps_are_met():
    drawn = drawn_from(nn.chains(min_steps=3, max_steps=5))
    assert {len(t.steps) for t in drawn if t != Identity()} == {3, 4, 5}
    drawn = drawn_from(nn.chains(MP3, PinkNoise), 20)  # two families: no three steps
    assert {len(t.steps) for t in drawn if t != Identity()} == {2}


@pytest.mark.parametrize(
    "strategy, families, arguments, match",
    [
        (nn.transforms, [Identity], {}, "Identity'> is no family: pass some of PitchShift, Temp"),
        (nn.transforms, [PitchShift(2)], {}, "is no family"),
        (nn.transforms, ["PitchShift"], {}, "'PitchShift' is no family"),
        (nn.transforms, [Chain], {}, "is no family"),
        (nn.transforms, [MP3, PitchShift, MP3], {}, "MP3 is given more than once"),
        (nn.transforms, [], {"max_semitone": 2}, "no family here has max_semitone; bounds are"),
        (nn.transforms, [MP3], {"max_semitones": 2}, "no family here has max_semitones"),
        (nn.transforms, [], {"max_semitones": -1}, "PitchShift between severities"),
        (nn.transforms, [MP3], {"min_kbps": 7}, "min_kbps=7 is no bitrate"),
        (nn.chains, [Identity], {}, "is no family"),
        (nn.chains, [MP3, MP3], {}, "more than once"),
        (nn.chains, [], {"loudness": 2}, "no family here has loudness"),
        (nn.chains, [], {"max_snr_db": 100}, "PinkNoise between severities"),
        (nn.chains, [], {"max_semitones": 0}, "there is no rung but the identity"),
        (nn.chains, [MP3], {}, "a chain of 1 families has 2"),
        (nn.chains, [], {"min_steps": 1}, "min_steps=1, max_steps=3"),
        (nn.chains, [], {"min_steps": 3, "max_steps": 2}, "min_steps=3, max_steps=2"),
        (nn.chains, [], {"max_steps": 99}, r"of (\d+) families has 2 to \1 steps"),
        (nn.chains, [MP3, PinkNoise], {"max_steps": 3}, "of 2 families has 2 to 2 steps"),
        (nn.chains, [], {"min_steps": 2.5}, "min_steps=2.5 is no whole number"),
        (nn.chains, [], {"min_steps": "2"}, "min_steps='2' is no whole number"),
        (nn.chains, [], {"max_steps": True}, "max_steps=True is no whole number"),
        (nn.clips, ["bundled"], {}, "corpus='bundled' is no Corpus"),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_bad_arguments_are_invalid_at_once(strategy, families, arguments, match):
    with pytest.raises(InvalidArgument, match=match):
        strategy(*families, **arguments)


# ---------------------------------------------------------------------------------------------
# Clips


def test_clips_of_a_corpus_are_all_drawn_and_shrink_to_the_first():
    corpus = Corpus.bundled().subset(5)
    drawn = drawn_from(nn.clips(corpus), 50)
    assert {clip.id for clip in drawn} == set(corpus.ids)
    assert all(np.array_equal(c.samples, corpus[corpus.index(c.id)].samples) for c in drawn)
    assert smallest(nn.clips(corpus), lambda clip: True).id == corpus.ids[0]
    assert smallest(nn.clips(corpus), lambda clip: clip.id > corpus.ids[2]).id == corpus.ids[3]


def test_clips_are_the_runs_which_is_opened_when_the_first_is_drawn():
    opened = []

    def chosen():
        opened.append(True)
        return Corpus.bundled().subset(2)

    token = run_settings.activate(run_settings.Settings(corpus=chosen))
    try:
        strategy = nn.clips()
        assert not opened
        drawn = {clip.id for clip in drawn_from(strategy, 20)}
    finally:
        run_settings.deactivate(token)
    assert opened
    assert drawn == set(Corpus.bundled().subset(2).ids)
    # Outside a run, all that are bundled.
    assert smallest(strategy, lambda clip: clip.id >= "1").id == Corpus.bundled().ids[100]


def test_a_failure_shows_the_expression_of_its_clip_and_no_audio():
    @settings(_QUICK)
    @given(clip=nn.clips(Corpus.bundled().subset(3)))
    def test(clip):
        raise RuntimeError

    (note, *_) = failure_of(test).__notes__
    assert f"clip=Corpus.bundled().clip({Corpus.bundled().ids[0]!r})," in note
    assert "array" not in note
    (line,) = example_lines(failure_of(test), test)
    assert line == f"@example(clip=Corpus.bundled().clip({Corpus.bundled().ids[0]!r}))"


def test_a_clip_without_an_expression_is_shown_by_its_name_and_gives_no_line():
    corpus = Corpus.from_arrays(Corpus.bundled().subset(2).windows(), sample_rate=22050)

    @settings(_QUICK)
    @given(clip=nn.clips(corpus))
    def test(clip):
        raise RuntimeError

    error = failure_of(test)
    assert "clip=<Clip 'clip-000', 2 s, 22050 Hz>," in error.__notes__[0]
    assert example_lines(error, test) == []


@pytest.mark.parametrize(
    "geometry",
    [{}, {"segments": 2, "sample_rate": 16_000, "source_seconds": 1.5, "window_seconds": 1.0}],
)
def test_expressions_of_clips_give_them_again(clips, tmp_path, geometry):
    folder = tmp_path / "it's a folder"
    shutil.copytree(clips, folder)
    corpus = Corpus.from_directory(folder, name="own", **geometry)
    for clip in (corpus[1], corpus.subset(3)[1], *Corpus.bundled().subset(2)):
        again = eval(clip.expression, {"Corpus": Corpus})
        assert (again.id, again.sample_rate) == (clip.id, clip.sample_rate)
        assert np.array_equal(again.samples, clip.samples)
        assert repr(clip) == clip.expression


@pytest.mark.parametrize("place", ["irmas", "irmas@/data", "irmas:1.0@/data", "irmas:1.0"])
def test_expressions_of_mirdata_are_those_that_open_it(place, clips, monkeypatch):
    made = []
    monkeypatch.setattr(
        Corpus, "from_mirdata", lambda *args, **options: made.append((args, options))
    )
    open_corpus(f"mirdata:{place}", sample_rate=16_000)
    ((positional, options),) = made
    files = Corpus.from_directory(clips, sample_rate=16_000)
    geometry = Geometry(16_000, 4.0, 2.0)
    corpus = Corpus(Gathered("irmas", files._sources, geometry, origin=f"mirdata:{place}"))
    eval(corpus.expression, {"Corpus": Corpus})
    again, only_what_differs = made[1]
    assert again == tuple(part for part in positional if part is not None)
    assert only_what_differs.items() <= options.items()
    assert only_what_differs["sample_rate"] == 16_000
    assert only_what_differs.get("version", "default") == options["version"]


def test_what_is_made_of_a_clip_has_no_expression():
    clip = Corpus.bundled()[0]
    assert clip.expression is not None
    assert PinkNoise(30).apply(clip).expression is None
    assert Clip("one", np.ones(10), 8000).expression is None


def test_a_clip_is_known_by_its_id():
    corpus = Corpus.bundled()
    assert corpus.clip(corpus.ids[7]).id == corpus.ids[7]
    with pytest.raises(pytest_nnrel.CorpusError, match="has no clip 'nothing'"):
        corpus.clip("nothing")


# ---------------------------------------------------------------------------------------------
# Profiles


def test_profiles_for_people_and_for_ci():
    patient, ci = settings.get_profile("nnrel"), settings.get_profile("nnrel-ci")
    for profile in (patient, ci):
        assert profile.deadline is None
        assert HealthCheck.too_slow in profile.suppress_health_check
    assert (ci.derandomize, ci.database, ci.print_blob) == (True, None, True)


# ---------------------------------------------------------------------------------------------
# The line that keeps a failure


class Suite:
    """A class of tests, as pytest collects them."""

    @settings(_QUICK)
    @given(transform=nn.pink_noises(), share=st.floats(0, 1))
    def test_method(self, encoder, transform, share):
        assert transform.severity < 39


def test_line_holds_what_was_drawn_without_comments():
    error = failure_of(Suite.test_method, Suite(), object())
    assert "# or any other generated value" in error.__notes__[0]
    assert example_lines(error, Suite.test_method) == [
        "@example(transform=PinkNoise(snr_db=40.5), share=0.0)"
    ]


def test_positional_strategies_and_nested_values_are_drawn_arguments():
    @settings(_QUICK)
    @given(nn.chains(min_steps=3), st.just({"a": ["# no comment", 1]}))
    def test(chain, options):
        assert chain == Identity()

    (line,) = example_lines(failure_of(test), test)
    ran = []

    @settings(_QUICK, phases=[Phase.explicit])
    @eval(line.removeprefix("@"), {"example": example, **vars_of_families()})
    @given(chain=nn.chains(), options=st.none())
    def kept(chain, options):
        ran.append((chain, options))

    kept()
    chain = Chain(PitchShift(0.1), TempoShift(1.01), PinkNoise(59))
    assert ran == [(chain, {"a": ["# no comment", 1]})]


def vars_of_families():
    return {kind.__name__: kind for kind in [*_FAMILIES, Chain, Identity]}


def test_each_failure_of_a_group_has_its_line():
    @settings(_QUICK, max_examples=300)
    @given(transform=nn.pitch_shifts())
    def test(transform):
        if transform.severity > 3:
            raise KeyError
        if transform.severity < -3:
            raise ValueError

    error = failure_of(test)
    assert isinstance(error, ExceptionGroup)
    assert sorted(example_lines(error, test)) == [
        "@example(transform=PitchShift(semitones=-0.2))",
        "@example(transform=PitchShift(semitones=0.2))",
    ]


@given(data=st.data(), transform=nn.mp3s())
def of_data(data, transform):
    """Draw while running."""


@given(transform=nn.mp3s())
def of_transform(encoder, transform):
    """Draw before running."""


@pytest.mark.parametrize(
    "note, expected",
    [
        # Hypothesis 6.100 and 6.170, found and explicit.
        (
            "Falsifying example: {}(\n    encoder=<E>,\n    transform=MP3(kbps=8),\n)",
            ["MP3(kbps=8)"],
        ),
        ("Falsifying explicit example: {}(\n    encoder=1,\n    transform=MP3(8),\n)", ["MP3(8)"]),
        (
            "Failing test case: {}(\n    encoder=<E>,\n    transform=MP3(kbps=8),\n)",
            ["MP3(kbps=8)"],
        ),
        (
            "Falsifying example: {}(\n    # The test always failed when\n    encoder=<E at 0x1>,\n"
            "    transform=f(  # or any other\n        a=1,  # here\n    ),\n)",
            ["f(a=1)"],
        ),
        ("Falsifying example: {}(\n    encoder=1,\n    transform=<MP3>,\n)", []),
        ("Falsifying example: {}(\n    encoder=1,\n    transform=array([0, ..., 1]),\n)", []),
        ("Falsifying example: {}(\n    encoder=1,\n    transform=1 + ,\n)", []),
        ("Falsifying example: {}(\n    encoder=1,\n)", []),
        ("Falsifying example: other(\n    encoder=1,\n    transform=1,\n)", []),
        ("You can reproduce this by @reproduce_failure('6.1', b'AA') on {}", []),
    ],
)
def test_line_is_whole_or_not_there(note, expected):
    error = AssertionError()
    error.add_note("something else")
    error.add_note(note.format("of_transform"))
    assert example_lines(error, of_transform) == [f"@example(transform={e})" for e in expected]


def test_what_is_drawn_while_running_cannot_be_an_example():
    error = AssertionError()
    error.add_note("Falsifying example: of_data(\n    data=data(...),\n    transform=MP3(8),\n)")
    assert example_lines(error, of_data) == []


def verdicts_of(*pairs):
    return [
        {"outcome": outcome, "message": message, "measurement": str(i)}
        for i, (outcome, message) in enumerate(pairs)
    ]


def test_verdicts_on_the_way_to_the_smallest_failure_are_passed_over():
    verdicts = verdicts_of(
        ("fails", "20 dB"), ("holds", ""), ("fails", "40 dB"), ("error", "x"), ("fails", "40 dB")
    )
    kept, passed_over = final_verdicts(verdicts, AssertionError("40 dB"))
    assert [verdict["measurement"] for verdict in kept] == ["1", "4"]
    assert [verdict["measurement"] for verdict in passed_over] == ["0", "2", "3"]


def test_each_failure_of_a_group_keeps_its_verdict():
    verdicts = verdicts_of(("fails", "a"), ("error", "b"), ("fails", "c"))
    error = ExceptionGroup("2 failures", [AssertionError("a"), ValueError("b")])
    kept, passed_over = final_verdicts(verdicts, error)
    assert [verdict["message"] for verdict in kept] == ["a", "b"]
    assert [verdict["message"] for verdict in passed_over] == ["c"]


@pytest.mark.parametrize("error", [AssertionError("another"), AssertionError()])
def test_verdicts_are_all_kept_where_the_failure_is_none_of_them(error):
    verdicts = verdicts_of(("fails", "a"), ("holds", ""), ("undecided", "b"))
    assert final_verdicts(verdicts, error) == (verdicts, [])

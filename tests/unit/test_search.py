"""Breaking magnitudes: the rung, its interval, pockets, single clips, and what it costs."""

from __future__ import annotations

import math
import random
from functools import cache

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from known_answers import Known, Rungs, short_corpus

from pytest_nnrel import (
    MP3,
    Chain,
    Corpus,
    EnvironmentalNoise,
    HighPass,
    Identity,
    MagnitudeError,
    PinkNoise,
    PitchShift,
    SettingError,
    TempoShift,
    Transform,
    assert_unbroken_until,
    assert_within_consistency,
    breaking_magnitude,
    noticed_magnitude,
)
from pytest_nnrel import strategies as nn
from pytest_nnrel.breaks import interval_of_break
from pytest_nnrel.measurement import Measurement
from pytest_nnrel.recording import sink
from pytest_nnrel.requirement import Requirement
from pytest_nnrel.runtime import settings as run_settings
from pytest_nnrel.search import GRID_STEPS
from pytest_nnrel.transforms import ladder

FAMILIES = (PitchShift, TempoShift, PinkNoise, EnvironmentalNoise, MP3)
STRATEGIES = {
    PitchShift: nn.pitch_shifts,
    TempoShift: lambda: nn.tempo_shifts(min_rate=0.3, max_rate=1.5),
    PinkNoise: nn.pink_noises,
    EnvironmentalNoise: nn.environmental_noises,
    MP3: nn.mp3s,
}
#: Answers that are drawn for a family; all twenty with -m exhaustive.
FEW = range(4)
#: The 480 rungs of pitch take longest to make.
RENDERED_FAST = (TempoShift, PinkNoise, EnvironmentalNoise, MP3)
FAMILIES_AND_NUMBERS = [
    *((family, FEW) for family in RENDERED_FAST),
    *(
        pytest.param(family, numbers, marks=pytest.mark.exhaustive)
        for family, numbers in (
            (PitchShift, range(20)),
            *((family, range(4, 20)) for family in RENDERED_FAST),
        )
    ),
]


@cache
def rungs_of(family):
    corpus = short_corpus()
    return Rungs(corpus, ladder(family, corpus.sample_rate).values())


def severities(family, direction):
    """Return the severities of a direction that are distinct at the corpus's rate."""
    rungs = ladder(family, short_corpus().sample_rate)[direction]
    return [rung.severity for rung in rungs[1:]]


def drawn_answer(family, number):
    """Return a direction, and the severities that break: from some rung on, or a pocket."""
    rng = random.Random(f"{family.__name__} {number}")
    direction = rng.choice(list(ladder(family, short_corpus().sample_rate)))
    along = severities(family, direction)
    first = rng.randrange(len(along))
    if number % 2:
        return direction, set(along[first:])
    step = -(-len(along) // GRID_STEPS)
    first = min(first, len(along) - step)
    return direction, set(along[first : first + step + rng.randrange(3)])


def search(family, breaking, **options):
    encoder = Known(rungs_of(family), breaking.__contains__)
    options = {"min": 1.0, "corpus": short_corpus()} | options
    return breaking_magnitude(encoder, family, **options)


@pytest.mark.slow
@pytest.mark.parametrize("family, numbers", FAMILIES_AND_NUMBERS)
def test_the_exact_rung_comes_back_from_bisection(family, numbers):
    for number in numbers:
        direction, breaking = drawn_answer(family, number)
        along = severities(family, direction)
        found = search(family, breaking)
        expected = min(breaking, key=abs)
        assert found.severity == expected, number
        assert found.directions[direction].transform.severity == expected
        gravest = max(breaking, key=abs)
        assert bool(found.pockets) == (gravest != along[-1])
        for way, other in found.directions.items():
            assert way == direction or other.at is None
            steps = len(other.rungs) - 1
            refining = math.ceil(math.log2(max(1, steps / GRID_STEPS)))
            assert len(other.measured) <= GRID_STEPS + 1 + refining


@pytest.mark.slow
@pytest.mark.parametrize("family, numbers", FAMILIES_AND_NUMBERS)
def test_the_exact_rung_comes_back_from_hypothesis(family, numbers):
    """With 300 examples: 100 draw from a pocket of a 32nd of the range 96 times in 100."""
    for number in numbers:
        _, breaking = drawn_answer(family, number)
        assert shrunk(family, breaking, number) == min(breaking, key=abs), number


def shrunk(family, breaking, number):
    """Return the severity that Hypothesis ends at."""
    encoder = Known(rungs_of(family), breaking.__contains__)
    failing = []

    @seed(number)
    @settings(
        database=None, deadline=None, max_examples=300, phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(STRATEGIES[family]())
    def unbroken(transform):
        try:
            assert_within_consistency(encoder, transform, min=1.0, corpus=short_corpus())
        except AssertionError:
            failing.append(transform.condition(short_corpus().sample_rate).severity)
            raise

    with pytest.raises(AssertionError):
        unbroken()
    return failing[-1]


def test_break_curve_and_neighbours():
    found = search(PinkNoise, set(range(41, 151)))
    along = found.directions[1]
    assert (found.severity, found.magnitude) == (41, 39.5)
    assert along.rungs[along.at - 1] == PinkNoise(40)
    # That three clips hold does not show that all of their kind do.
    assert found.ci == (39.5, math.inf)
    magnitudes = [magnitude for magnitude, _, _ in found.curve]
    assert magnitudes[0] == math.inf
    assert magnitudes == sorted(magnitudes, reverse=True)
    assert [value for _, value, _ in found.curve] == [
        1.0 if magnitude >= 40 else 0.0 for magnitude in magnitudes
    ]
    assert not found.pockets
    assert "breaks at PinkNoise(snr_db=39.5)" in str(found)
    assert "PinkNoise(snr_db=40) holds" in str(found)


def test_both_directions_are_searched_alone():
    found = search(TempoShift, {*range(-70, -12), *range(30, 51)})
    assert {d: b.severity for d, b in found.directions.items()} == {-1: -13, 1: 30}
    assert (found.severity, found.magnitude) == (-13, 0.87)


def test_of_two_directions_that_break_alike_the_upper_is_named():
    assert search(TempoShift, {*range(-70, -29), *range(30, 51)}).severity == 30


def test_a_failure_below_a_rung_that_holds_is_not_hidden():
    found = search(PinkNoise, {*range(50, 61), *range(120, 151)})
    assert found.severity == 50
    (pocket,) = found.pockets
    assert pocket.first == PinkNoise(35)
    assert pocket.last in [PinkNoise(60 - s / 2) for s in range(50, 61)]
    assert pocket.heals_at.severity > 60
    assert "heals: PinkNoise(snr_db=35)" in str(found)


def test_nothing_breaks():
    found = search(PinkNoise, set())
    assert found.severity is found.magnitude is None
    assert found.ci == (None, math.inf)  # all of three clips hold: of others one in a few may not
    assert search(PinkNoise, set(), min=0.4).ci == (None, None)
    for clip in found.per_clip:
        assert (clip.holds_at, clip.fails_at, clip.heals) == (PinkNoise(-15), None, False)
    assert "up to PinkNoise(snr_db=-15)" in str(found)


def test_an_encoder_broken_without_transformation_is_told_so():
    def collapsed(batch):
        return np.ones((len(batch), 2), dtype=np.float32)

    found = breaking_magnitude(collapsed, PinkNoise, min=1.0, corpus=short_corpus())
    assert found.severity == 0
    assert found.ci == (math.inf, math.inf)
    assert "without any transformation" in str(found)
    assert [clip.holds_at for clip in found.per_clip] == [None] * 3


def test_only_the_gravest_rung_breaks():
    assert search(PinkNoise, {150}).severity == 150


@pytest.mark.parametrize("first", [1, 2, 41, 42, 63, 100])
def test_clips_break_at_the_first_rung_and_hold_at_that_before_it(first):
    found = search(PinkNoise, set(range(first, 151)))
    rungs = found.directions[1].rungs
    assert found.severity == first
    for clip in found.per_clip:
        assert (clip.holds_at, clip.fails_at) == (rungs[first - 1], rungs[first])
        assert not clip.heals


def test_clips_break_between_neighbouring_rungs_that_were_measured():
    rungs = rungs_of(PinkNoise)

    def breaks(severity):
        return 41 <= severity < 100

    encoder = Known(rungs, breaks, clips={1})
    found = breaking_magnitude(encoder, PinkNoise, min=0.9, corpus=short_corpus())
    first, second, third = found.per_clip
    assert [clip.clip for clip in found.per_clip] == list(short_corpus().ids)
    assert first.fails_at is None
    assert third.fails_at is None
    assert (second.holds_at, second.fails_at) == (PinkNoise(40), PinkNoise(39.5))
    assert second.heals
    assert found.ci == (None, math.inf)  # two of three clips are too few to tell


@pytest.mark.parametrize(
    "intervals, minimum, expected",
    [
        ([(0.9, 1.0), (0.7, 0.9), (0.4, 0.6)], 0.8, (1, 20)),  # between what holds and what breaks
        ([(0.9, 1.0), (0.8, 0.9), (0.4, 0.6)], 0.8, (11, 20)),
        ([(0.9, 1.0), (0.4, 0.6), (0.4, 0.6)], 0.8, (1, 10)),
        ([(0.9, 1.0), (0.7, 0.9), (0.6, 0.8)], 0.8, (1, None)),  # .8 itself is not below .8
        ([(0.9, 1.0), (0.8, 0.9), (0.8, 0.9)], 0.8, (None, None)),
        ([(0.7, 1.0), (0.7, 0.9), (0.4, 0.6)], 0.8, (0, 20)),
        ([(0.1, 0.2), (0.1, 0.2), (0.1, 0.2)], 0.8, (0, 0)),
        ([(0.9, 1.0), (0.1, 0.2), (0.9, 1.0)], 0.8, (1, 10)),  # a pocket
    ],
)
def test_the_break_lies_between_what_surely_holds_and_what_surely_breaks(
    intervals, minimum, expected
):
    measured = {
        position: Measurement("within", sum(ci) / 2, ci, 9, (), (), {})
        for position, ci in zip((0, 10, 20), intervals)
    }
    assert interval_of_break(measured, Requirement(low=minimum)) == expected


def test_of_aliases_one_is_measured():
    """At 22,050 Hz LAME stops at 160 kb/s: 14 conditions besides the identity."""
    encoder = Known(rungs_of(MP3), lambda severity: severity >= 15)
    found = breaking_magnitude(encoder, MP3, min=1.0, corpus=short_corpus())
    assert found.directions[1].transform == MP3(32)
    assert len(found.directions[1].measured) == 15
    assert encoder.windows == 15 * 3


def test_an_encoder_sees_a_rung_once():
    encoder = Known(rungs_of(PinkNoise), lambda severity: severity >= 41)
    found = breaking_magnitude(encoder, PinkNoise, min=1.0, corpus=short_corpus())
    visits = len(found.directions[1].measured)
    assert visits <= GRID_STEPS + 1 + math.log2(150 / GRID_STEPS)
    assert encoder.windows == 3 * visits


def test_a_transformation_stands_for_its_direction_as_far_as_it_goes():
    rungs = ladder(TempoShift(1.055), 22_050)
    assert list(rungs) == [1]
    assert [t.magnitude for t in rungs[1][1:]] == pytest.approx(
        [1.01, 1.02, 1.03, 1.04, 1.05, 1.055]
    )
    assert ladder(PitchShift(-0.1), 22_050)[-1] == (Identity(), PitchShift(-0.05), PitchShift(-0.1))


def test_a_ladder_keeps_the_options_of_a_transformation():
    rungs = ladder(PitchShift(0.1, engine="librosa"), 22_050)[1]
    assert rungs[1:] == (PitchShift(0.05, engine="librosa"), PitchShift(0.1, engine="librosa"))


def test_a_ladder_goes_as_far_as_the_paper():
    ends = {
        family: [rungs[-1].magnitude for rungs in ladder(family, 22_050).values()]
        for family in FAMILIES
    }
    assert ends == {
        PitchShift: [-12, 12],
        TempoShift: [0.3, 1.5],
        PinkNoise: [-15],
        EnvironmentalNoise: [-15],
        MP3: [8],
    }


def test_a_ladder_ends_where_the_sample_rate_does():
    assert ladder(HighPass, 8_000)[1][-1] == HighPass(3225.4)
    assert ladder(HighPass, 22_050)[1][-1] == HighPass(5120)
    # What is asked for by itself is not left out: it says why it cannot be.
    assert ladder(HighPass(5120), 8_000)[1][-1] == HighPass(5120)


@pytest.mark.parametrize(
    "family, problem",
    [
        (Identity(), "changes nothing"),
        (Identity, "no ladder"),
        (Chain(PinkNoise(10), MP3(64)), "no ladder"),
        ("PitchShift", "is no family"),
        (PitchShift(0), "changes nothing"),
        (int, "is no family"),
        (Transform, "is no family"),
    ],
)
def test_what_is_no_family_is_refused(family, problem):
    with pytest.raises(MagnitudeError, match=problem):
        breaking_magnitude(lambda x: x, family, min=0.5, corpus=short_corpus())


@pytest.mark.parametrize(
    "options",
    [{"min": 1.5}, {"min": float("nan")}, {"min": 0.5, "steps": 0}, {"min": 1, "steps": True}],
)
def test_bad_options_are_refused(options):
    with pytest.raises(SettingError, match=r"min must lie|steps must be"):
        breaking_magnitude(lambda x: x, PinkNoise, corpus=short_corpus(), **options)


def test_unbroken_until():
    rungs = rungs_of(PinkNoise)
    encoder = Known(rungs, lambda severity: severity >= 41)
    with sink() as holding:
        assert_unbroken_until(encoder, PinkNoise(40), min=1.0, corpus=short_corpus())
    (verdict,) = holding.verdicts
    assert (verdict["outcome"], verdict["minimum"]) == ("holds", 1.0)
    with sink() as failing, pytest.raises(AssertionError) as caught:
        assert_unbroken_until(encoder, PinkNoise(39), min=1.0, corpus=short_corpus())
    message = str(caught.value)
    assert message.startswith("known breaks before PinkNoise(snr_db=39)")
    assert "breaks at PinkNoise(snr_db=39.5)" in message
    assert "3 of 3 left their original" in message
    (verdict,) = failing.verdicts
    assert verdict["outcome"] == "fails"
    measured = failing.measurements[verdict["measurement"]]
    assert measured["details"]["transform"]["name"] == "PinkNoise(snr_db=39.5)"
    assert verdict["message"] == message


def test_unbroken_until_finds_a_break_that_heals_before():
    encoder = Known(rungs_of(PinkNoise), lambda severity: 20 <= severity <= 30)
    with pytest.raises(AssertionError, match=r"heals: PinkNoise\(snr_db=50\)"):
        assert_unbroken_until(encoder, PinkNoise(20), min=1.0, corpus=short_corpus())


def test_what_cannot_be_measured_is_recorded_as_an_error():
    with sink() as recorded, pytest.raises(MagnitudeError):
        assert_unbroken_until(lambda x: x, Identity(), min=1.0, corpus=short_corpus())
    assert [verdict["outcome"] for verdict in recorded.verdicts] == ["error"]


def test_all_rungs_measured_are_recorded():
    encoder = Known(rungs_of(MP3), lambda severity: severity >= 15)
    with sink() as recorded:
        breaking_magnitude(encoder, MP3, min=1.0, corpus=short_corpus())
    assert len(recorded.measurements) == 15


def test_jobs_and_order_do_not_matter(tmp_path):
    def found(corpus):
        def loud(batch):
            return np.abs(np.fft.rfft(batch, axis=1))[:, :400].astype(np.float32)

        result = breaking_magnitude(loud, PinkNoise, min=0.9, corpus=corpus)
        return result.severity, result.curve, result.ci

    corpus = Corpus.bundled().subset(6)
    results = []
    for jobs in (1, 2):
        active = run_settings.Settings(cache_dir=tmp_path / str(jobs), jobs=jobs)
        token = run_settings.activate(active)
        results.append(found(corpus))
        run_settings.deactivate(token)
    assert results[0] == results[1]
    assert results[0][0] is not None


def test_the_mildest_that_is_noticed_is_where_c_w_comes_down_to_the_value():
    """At C_W of exactly `max` a rung counts as noticed, and as broken only below `min`."""
    corpus = short_corpus()
    one_lost = Known(rungs_of(PinkNoise), lambda severity: severity >= 41, clips=[1])
    noticed = noticed_magnitude(one_lost, PinkNoise, max=2 / 3, corpus=corpus)
    assert (noticed.severity, noticed.magnitude) == (41, 39.5)
    assert "notices PinkNoise(snr_db=39.5)" in str(noticed)
    assert "C_W = 0.667 <= 0.666667; PinkNoise(snr_db=40) is not noticed with 1.000" in str(noticed)
    assert breaking_magnitude(one_lost, PinkNoise, min=2 / 3, corpus=corpus).severity is None
    assert breaking_magnitude(one_lost, PinkNoise, min=0.7, corpus=corpus).severity == 41


def test_what_is_never_noticed_has_no_magnitude():
    corpus = short_corpus()
    deaf = Known(rungs_of(PinkNoise), lambda severity: False)
    found = noticed_magnitude(deaf, PinkNoise, max=0.5, corpus=corpus)
    assert found.magnitude is None
    assert "C_W is above 0.5 at all 17 rungs measured" in str(found)
    with pytest.raises(SettingError, match="max must lie"):
        noticed_magnitude(deaf, PinkNoise, max=1.5, corpus=corpus)

"""The steps of a search, on a family whose rungs cost next to nothing to make."""

from __future__ import annotations

import io
import math
from dataclasses import replace

import numpy as np
import pytest
from known_answers import Known, Rungs

from pytest_nnrel import (
    Corpus,
    Identity,
    LowPass,
    MagnitudeError,
    SettingError,
    assert_unbroken_until,
    assert_within_consistency,
    breaking_magnitude,
    family,
    noticed_magnitude,
)
from pytest_nnrel.recording import sink
from pytest_nnrel.runtime import progress, settings
from pytest_nnrel.transforms import ladder


def driven(samples, sample_rate, drive):
    return np.tanh(samples * (1 + np.abs(drive)) + drive / 100)


LAST = 21
Driven = family(
    "Driven", driven, ladder=range(1, LAST + 1), negative_ladder=range(-1, -5, -1), unit="times",
    identity=0,
)  # fmt: skip


@pytest.fixture(scope="module")
def rungs():
    """Return the windows of four clips on all rungs."""
    noise = np.random.default_rng(7).normal(0.0, 0.1, (4, 11_025)).astype(np.float32)
    corpus = Corpus.from_arrays(noise, sample_rate=22_050, window_seconds=0.5)
    return Rungs(corpus, ladder(Driven, 22_050).values())


def search(rungs, breaking, *, clips=None, **options):
    encoder = Known(rungs, breaking.__contains__, clips=clips)
    return breaking_magnitude(encoder, Driven, **{"min": 1.0, "corpus": rungs.corpus} | options)


@pytest.mark.parametrize("steps", [1, 4, 16, 30])
def test_a_break_that_does_not_heal_is_found_on_its_rung(rungs, steps):
    for first in (1, 2, 9, 13, LAST):
        along = search(rungs, set(range(first, LAST + 1)), steps=steps).directions[1]
        assert along.at == first
        assert list(along.measured) == sorted(along.measured)
        grid = {round(place) for place in np.linspace(0, LAST, min(steps, LAST) + 1)}
        assert len(grid) == min(steps, LAST) + 1  # as many as were asked for
        assert grid <= along.measured.keys()
        assert len(along.measured) <= steps + 1 + math.ceil(math.log2(max(1.0, LAST / steps)))
        # A rung that holds is named beside that which breaks.
        assert {first - 1, first} <= along.measured.keys()
        for clip in along.clips:
            assert (clip.holds_at, clip.fails_at) == (along.rungs[first - 1], along.rungs[first])
            assert not clip.heals


def test_a_break_of_a_clip_that_heals_is_told_so(rungs):
    """One of four clips is lost on rungs 5 to 9, and never again."""
    along = search(rungs, set(range(5, 10)), clips={2}, min=0.9, steps=7).directions[1]
    assert along.at == 5
    lost = along.clips[2]
    assert (lost.clip, lost.holds_at, lost.fails_at) == (
        rungs.corpus.ids[2], along.rungs[4], along.rungs[5],
    )  # fmt: skip
    assert lost.heals
    for clip in (0, 1, 3):
        kept = along.clips[clip]
        assert (kept.holds_at, kept.fails_at, kept.heals) == (Driven(LAST), None, False)


def test_the_first_of_two_breaks_is_the_answer(rungs):
    along = search(rungs, {*range(6, 11), *range(15, LAST + 1)}, steps=7).directions[1]
    assert along.at == 6
    assert [pocket.first for pocket in along.pockets] == [Driven(6)]


def test_an_encoder_that_takes_clips_for_each_other_is_broken_at_the_identity(rungs):
    def alike(batch):
        return np.ones((len(batch), 2), dtype=np.float32)

    found = breaking_magnitude(alike, Driven, min=1.0, corpus=rungs.corpus, steps=3)
    assert [along.at for along in found.directions.values()] == [0, 0]
    for clip in found.directions[1].clips:
        assert (clip.holds_at, clip.fails_at, clip.heals) == (None, Identity(), False)


def test_directions_are_searched_to_their_own_ends(rungs):
    found = search(rungs, {-3, -4, 21})
    assert {way: along.at for way, along in found.directions.items()} == {1: 21, -1: 3}
    assert (found.encoder, found.family, found.severity) == ("known", "Driven", -3)
    assert list(found.directions[-1].measured) == [0, 1, 2, 3, 4]


def test_where_nothing_breaks_the_grid_alone_is_measured(rungs):
    found = search(rungs, set(), steps=3)
    assert found.severity is None
    assert list(found.directions[1].measured) == [0, 7, 14, 21]


def test_c_w_of_the_minimum_itself_holds_and_of_the_maximum_is_noticed(rungs):
    encoder = Known(rungs, lambda severity: severity >= 8, clips={1})
    options = {"corpus": rungs.corpus, "steps": 7}
    assert breaking_magnitude(encoder, Driven, min=0.75, **options).severity is None
    assert breaking_magnitude(encoder, Driven, min=0.76, **options).severity == 8
    assert noticed_magnitude(encoder, Driven, max=0.75, **options).severity == 8
    assert noticed_magnitude(encoder, Driven, max=0.74, **options).severity is None


class Torn(Known):
    """Puts transformed clips half-way to another original, where they are not on the next one's."""

    def _position(self, window):
        clip, severity = self._rungs.place(window)
        position = super()._position(window)
        return (
            position + (0.5 if clip == 0 else -0.5) if severity and position == clip else position
        )


def test_ties_are_not_noticed_but_what_moves_clips_is(rungs):
    """C_W is 0 on all rungs: clips are as near to another original, and from 8 on at another."""
    asked = {"max": 0.5, "corpus": rungs.corpus}
    encoder = Torn(rungs, lambda severity: severity >= 8)
    found = noticed_magnitude(encoder, Driven, steps=7, **asked)
    assert found.severity == 8
    assert "Driven(drive=7) is not noticed with 0.000 (1.000 with ties as kept)" in str(found)
    with pytest.raises(AssertionError, match="with ties as kept"):
        assert_within_consistency(encoder, Driven(7), **asked)
    nothing = noticed_magnitude(Torn(rungs, lambda severity: False), Driven, steps=7, **asked)
    along = nothing.directions[1]
    assert (along.measured[LAST].value, along.at, along.interval) == (0.0, None, (None, None))
    assert along.pockets == ()
    assert "C_W is above 0.5 with ties as kept at all" in str(nothing)


def test_a_transformation_is_searched_as_far_as_it_goes(rungs):
    encoder = Known(rungs, lambda severity: severity >= 12)
    options = {"min": 1.0, "corpus": rungs.corpus, "steps": 4}
    with sink() as holding:
        found = assert_unbroken_until(encoder, Driven(11), **options)
    assert (found.family, list(found.directions)) == (Driven(11).name, [1])
    (verdict,) = holding.verdicts
    assert (verdict["outcome"], verdict["minimum"]) == ("holds", 1.0)
    assert len(verdict["covers"]) == len(holding.measurements) == 5
    with sink() as failing, pytest.raises(AssertionError, match="known breaks before Driven"):
        assert_unbroken_until(encoder, Driven(13), **options)
    (verdict,) = failing.verdicts
    assert (verdict["outcome"], verdict["minimum"]) == ("fails", 1.0)
    broken = failing.measurements[verdict["measurement"]]
    assert broken["details"]["transform"]["name"] == Driven(12).name


def test_a_verdict_that_holds_shows_what_came_closest(rungs):
    encoder = Known(rungs, lambda severity: 5 <= severity <= 10, clips={0})
    with sink() as recorded:
        assert_unbroken_until(encoder, Driven(20), min=0.7, corpus=rungs.corpus, steps=4)
    (verdict,) = recorded.verdicts
    closest = recorded.measurements[verdict["measurement"]]
    assert closest["value"] == 0.75
    assert closest["details"]["transform"]["name"] in (Driven(5).name, Driven(10).name)


@pytest.mark.parametrize("steps", [0, -1, True, 2.5])
def test_a_grid_has_a_step_or_more(rungs, steps):
    with pytest.raises(SettingError, match="steps must be"):
        search(rungs, set(), steps=steps)


def test_progress_tells_how_far_it_goes(rungs, monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr(progress, "_DELAY_SECONDS", 0.0)
    token = settings.activate(replace(settings.active(), progress=stream))
    search(rungs, set(), steps=2)
    settings.deactivate(token)
    assert f"known up to {Driven(LAST).name}" in stream.getvalue()


def test_a_family_that_changes_nothing_at_the_rate_is_told(rungs):
    encoder = Known(rungs, {1}.__contains__)
    for end in (12_599.2, 11_025):
        with pytest.raises(MagnitudeError, match=r"LowPass.* changes nothing at 22,050 Hz"):
            breaking_magnitude(encoder, LowPass(end), min=0.5, corpus=rungs.corpus)

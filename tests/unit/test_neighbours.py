"""Which originals compete with a clip's own where clips share tracks, through all that shows it."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import naive
import numpy as np
import pytest

from pytest_nnrel import (
    Corpus,
    Identity,
    PinkNoise,
    SettingError,
    TooFewClipsError,
    assert_monotone,
    assert_relative_nearest,
    assert_unbroken_until,
    assert_within_consistency,
    audio_consistency,
    between_consistency,
    breaking_magnitude,
    noticed_magnitude,
    pairwise_distances,
    within_consistency,
)
from pytest_nnrel.baselines import Baseline, Records, compare_records, write_baseline
from pytest_nnrel.experiment.study import listing
from pytest_nnrel.recording import measurement_key, sink
from pytest_nnrel.report.results import describe_beside, kind_of
from pytest_nnrel.verification import Verifier

NOISE = PinkNoise(snr_db=-3)
#: Tracks of three clips each.
TRACKS = 5


@pytest.fixture(scope="module")
def tracks():
    """Clips of a track overlap, so that each is near to the others."""
    music = Corpus.bundled().subset(TRACKS)
    cut = [clip.samples[start : start + 44_100] for clip in music for start in (0, 2205, 4410)]
    return Corpus.from_arrays(
        np.stack(cut),
        sample_rate=22_050,
        groups=[f"track {i // 3}" for i in range(3 * TRACKS)],
        window_seconds=1.0,
    )


def levels(batch):
    """Encode as the levels of a few bands."""
    spectra = np.abs(np.fft.rfft(batch))
    return np.stack([part.mean(axis=1) for part in np.array_split(spectra, 6, axis=1)], axis=1)


def matrix(corpus, transform):
    queries, originals = levels(corpus.windows(transform)), levels(corpus.windows())
    return pairwise_distances(queries, originals, "euclidean")


@pytest.mark.parametrize("neighbours", ["others", "all"])
def test_the_two_readings_by_hand(tracks, neighbours):
    measured = within_consistency(levels, NOISE, corpus=tracks, neighbours=neighbours)
    groups = tracks.groups if neighbours == "others" else None
    expected = naive.deltas(matrix(tracks, NOISE).tolist(), groups)
    assert measured.outcomes == tuple(not error for error in expected)
    assert measured.details["others"] == [12 if groups else 14] * 15
    assert measured.details["chance"] == pytest.approx(1 / 13 if groups else 1 / 15)


def test_the_readings_are_told_apart(tracks):
    others, everyone = (
        within_consistency(levels, NOISE, corpus=tracks, neighbours=reading)
        for reading in ("others", "all")
    )
    assert others.value > everyone.value
    plain = [measured.as_dict() for measured in (others, everyone)]
    assert measurement_key(plain[0]) != measurement_key(plain[1])
    assert kind_of(plain[1]) == f"{kind_of(plain[0])} (all neighbours)"
    # Those that a relative is nearer to, and no other original, are what the readings differ by.
    nearer = others.details["relative_nearer"]
    lost = sum(others.outcomes) - sum(everyone.outcomes)
    assert nearer >= lost > 0
    assert everyone.details["relative_nearer"] == 0  # all compete: there are no others
    assert f"{nearer} nearer to a relative" in describe_beside(plain[0])


def test_the_other_measures_have_both_readings(tracks):
    for measure in (audio_consistency, lambda t, **o: assert_relative_nearest(
        levels, tracks.ids[0], t, **o)):  # fmt: skip
        found = [
            measure(Identity(), corpus=tracks, neighbours=reading) for reading in ("others", "all")
        ]
        assert [one.details["identity"].get("neighbours") for one in found] == [None, "all"]
    agreed = [
        between_consistency(levels, NOISE, corpus=tracks, measure="accuracy", neighbours=reading)
        for reading in ("others", "all")
    ]
    latent = [
        within_consistency(levels, NOISE, corpus=tracks, neighbours=reading).value
        for reading in ("others", "all")
    ]
    assert [one.details["within"]["latent"]["value"] for one in agreed] == latent


def test_searches_have_both_readings(tracks):
    for search in (
        partial(breaking_magnitude, min=0.0),
        partial(assert_unbroken_until, min=0.0),
        partial(noticed_magnitude, max=0.0),
    ):
        for reading in ("others", "all"):
            found = search(levels, NOISE, corpus=tracks, neighbours=reading, steps=1)
            expected = within_consistency(levels, NOISE, corpus=tracks, neighbours=reading)
            (end,) = list(found.nearest.measured.values())[-1:]
            assert end.value == expected.value
            assert end.details["identity"] == expected.details["identity"]
    assert expected.value < within_consistency(levels, NOISE, corpus=tracks).value


def test_clips_of_one_group_can_be_monotone_among_all(tracks):
    one = tracks.subset(lambda clip: clip.group == "track 0")
    options = {"min": -1.0, "corpus": one, "steps": 2}
    with pytest.raises(TooFewClipsError, match="neighbours='all'"):
        assert_monotone(levels, NOISE, **options)
    (measured,) = assert_monotone(levels, NOISE, neighbours="all", **options)
    assert measured.details["identity"]["neighbours"] == "all"
    listed = {one.fingerprint: listing(one)}
    stated = {"corpora": listed, "measurements": {"monotone": measured.as_dict()}}
    (again,) = Verifier(stated, {"levels": levels}, one).verify()
    assert again.outcome == "same", again


def test_without_groups_both_readings_are_one():
    music = Corpus.bundled().subset(6)
    others, everyone = (
        within_consistency(levels, NOISE, corpus=music, neighbours=reading).as_dict()
        for reading in ("others", "all")
    )
    for plain in (others, everyone):
        del plain["timings"]
        assert not {"others", "relative_nearer", "effective_clips"} & plain["details"].keys()
    assert others == everyone


def test_intervals_are_of_what_the_clips_are_worth(tracks):
    measured = within_consistency(levels, NOISE, corpus=tracks)
    worth = measured.details["effective_clips"]
    assert worth == pytest.approx(naive.effective_clips(measured.outcomes, tracks.groups))
    assert measured.at(13, groups=tracks.groups).value == pytest.approx(measured.value)
    assert measured.at(13, groups=tracks.groups).ci == pytest.approx(measured.ci)
    with pytest.raises(AssertionError, match=r"too few clips \(n = 15\)"):
        assert_within_consistency(
            levels, NOISE, min=measured.value - 0.01, corpus=tracks, confident=True
        )


def test_one_group_has_no_verdict_but_among_all(tracks):
    one = tracks.subset(lambda clip: clip.group == "track 0")
    with pytest.raises(TooFewClipsError, match=r"all 3 clips are of one group.*neighbours='all'"):
        within_consistency(levels, NOISE, corpus=one)
    assert within_consistency(levels, NOISE, corpus=one, neighbours="all").n == 3


@pytest.mark.parametrize("neighbours", ["other", None, True, "ALL"])
def test_other_readings_are_refused(tracks, neighbours):
    with pytest.raises(SettingError, match=r"neighbours must be 'others'.*or 'all', not"):
        within_consistency(levels, NOISE, corpus=tracks, neighbours=neighbours)


def test_a_failure_says_how_many_are_nearer_to_a_relative(tracks):
    with pytest.raises(AssertionError) as failure:
        assert_within_consistency(levels, NOISE, min=1.0, corpus=tracks)
    text = str(failure.value)
    nearer = within_consistency(levels, NOISE, corpus=tracks).details["relative_nearer"]
    assert f"{nearer} clips are as near, or nearer, to another clip of their own group" in text
    assert "15 clips of 5 groups, chance 0.0769" in text


# -- baselines


def check(path, corpus):
    with sink() as recorded:
        try:
            return Baseline(path).check(levels, [NOISE], corpus=corpus)
        finally:  # as the controller does at the end
            for written, content in recorded.baselines:
                write_baseline(Path(written), Records.of_baseline(content))


def test_a_baseline_of_the_other_reading_is_stale(tracks, tmp_path):
    path = tmp_path / "baseline.json"
    with pytest.raises(AssertionError, match="has no baseline"):
        check(path, tracks)
    assert check(path, tracks).verdict == "same"
    plain = json.loads(path.read_text())
    (entry,) = plain["entries"]
    del entry["recipe"]["neighbours"]  # as it was written before there were two readings
    path.write_text(json.dumps(plain))
    with pytest.raises(AssertionError) as failure:
        check(path, tracks)
    assert "is stale for 1 of 1 conditions: other originals competed" in str(failure.value)
    assert "neighbours all then, others now" in str(failure.value)
    old, new = Records.of_baseline(plain), Records.of_baseline(json.loads(path.read_text()))
    (key,) = new.entries
    now = replace(new.entries[key], recipe={**new.entries[key].recipe, "neighbours": "others"})
    comparisons, notes, complete = compare_records(old, Records({key: now}, new.corpora))
    assert not comparisons
    assert not complete
    assert "other originals competed" in notes[0]


def test_a_baseline_without_groups_is_as_before(tmp_path):
    path = tmp_path / "baseline.json"
    with pytest.raises(AssertionError, match="has no baseline"):
        check(path, Corpus.bundled().subset(6))
    assert "neighbours" not in path.read_text()


def test_of_results_with_both_readings_the_one_is_compared(tracks):
    with sink() as recorded:
        for reading in ("others", "all"):
            within_consistency(levels, NOISE, corpus=tracks, neighbours=reading)
    found = Records.of_results({"measurements": recorded.measurements, "corpora": recorded.corpora})
    (entry,) = found.entries.values()
    assert entry.recipe["neighbours"] == "others"

"""C_W as it would be among fewer clips, from the ranks of a measurement."""

from dataclasses import replace

import numpy as np
import pytest

from pytest_nnrel import (
    Corpus,
    CorpusError,
    Measurement,
    MFCCEncoder,
    PinkNoise,
    SettingError,
    TooFewClipsError,
    UndefinedMeasureError,
    between_consistency,
    within_consistency,
)
from pytest_nnrel.recording import sink

#: Grave enough that many clips leave their original.
NOISE = PinkNoise(snr_db=20)


@pytest.fixture(scope="module")
def corpus():
    return Corpus.bundled().subset(40)


@pytest.fixture(scope="module")
def measured(corpus):
    return within_consistency(MFCCEncoder(), NOISE, corpus=corpus)


def test_among_all_clips_it_is_what_was_measured(measured):
    assert 0.2 < measured.value < 0.9
    assert tuple(rank == 0 for rank in measured.ranks) == measured.outcomes
    among = measured.at(measured.n)
    assert (among.n, among.value) == (40, pytest.approx(measured.value))
    assert among.ci == pytest.approx(tuple(measured.details["bootstrap_ci"]), abs=0.04)


@pytest.mark.parametrize("n", [4, 12])
def test_measured_parts_of_the_corpus_have_it_in_the_mean(measured, corpus, n):
    rng = np.random.default_rng(0)
    parts = [rng.choice(corpus.ids, size=n, replace=False) for _ in range(25)]
    encoder = MFCCEncoder()
    with sink():  # the summary of the tests need not list them all
        values = [within_consistency(encoder, NOISE, corpus=corpus.subset(i)).value for i in parts]
    error = np.std(values, ddof=1) / len(values) ** 0.5
    assert abs(np.mean(values) - measured.at(n).value) < 3 * error
    assert measured.at(n).value > measured.value + 3 * error  # fewer clips are easier


def test_it_falls_with_the_number_of_clips_and_its_interval_is_about_it(measured):
    found = [measured.at(n) for n in range(2, 41)]
    values = [among.value for among in found]
    assert values == sorted(values, reverse=True)
    assert all(among.ci[0] < among.value < among.ci[1] for among in found)


def test_the_mean_rank_is_the_share_of_others_that_are_nearer(measured):
    assert measured.mean_rank == pytest.approx(np.mean(measured.ranks) / 39)
    assert measured.mean_rank == pytest.approx(1 - measured.at(2).value)


def test_it_is_the_same_of_a_measurement_that_was_stored(measured):
    again = Measurement.from_dict(measured.as_dict())
    assert again.ranks == measured.ranks
    assert again.at(7) == measured.at(7)


def test_where_clips_share_groups_the_interval_is_over_these(corpus):
    windows = corpus.subset(12).windows(window_seconds=3.0)
    groups = [f"track {i // 3}" for i in range(12)]
    cut = Corpus.from_arrays(windows, sample_rate=22_050, groups=groups)
    measured = within_consistency(MFCCEncoder(), NOISE, corpus=cut)
    with pytest.raises(CorpusError, match=r"12 clips of 4 groups.*none are given.*corpus\.groups"):
        measured.at(6)
    with pytest.raises(CorpusError, match="and 12 are given"):
        measured.at(6, groups=cut.ids)
    found = measured.at(6, groups=cut.groups)
    assert found.ci[0] <= found.value <= found.ci[1]
    assert found.ci[1] - found.ci[0] > 0


def test_what_ranks_do_not_tell_is_refused(measured, corpus):
    for n in (1, 41):
        with pytest.raises(TooFewClipsError, match=rf"among {n} clips"):
            measured.at(n)
    for odd in (5.5, 5.0, float("nan"), True, "5"):
        with pytest.raises(SettingError, match=r"at\(n\) takes a whole number of clips, not "):
            measured.at(odd)
    few = corpus.subset(5)
    for measure in ("accuracy", "rho"):
        between = between_consistency(MFCCEncoder(), NOISE, corpus=few, measure=measure)
        with pytest.raises(UndefinedMeasureError, match=f"'{measure}' among fewer clips"):
            between.at(3)
    with pytest.raises(UndefinedMeasureError, match="0 ranks of 5 clips"):
        _ = between.mean_rank
    without = {k: v for k, v in measured.details.items() if k != "ranks"}
    with pytest.raises(UndefinedMeasureError, match=r"0 ranks of 40 clips.*from version 0\.2"):
        replace(measured, details=without).at(3)

"""Spearman's rho between spaces and its bootstrap, against scipy on resampled matrices."""

from __future__ import annotations

import resource

import naive
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_consistency import RowBlocks

from pytest_nnrel.errors import DistanceError, StorageError, UndefinedMeasureError
from pytest_nnrel.kernels.lanes import LANES
from pytest_nnrel.statistics import intervals, ranks
from pytest_nnrel.statistics import sample as sample_


def rho(audio, latent, pairs="all"):
    spaces = {"audio": audio, "latent": latent}
    return ranks.rank_agreement(
        *(ranks.rank_pairs(d, pairs=pairs, space=space) for space, d in spaces.items())
    )


def replicates(audio, latent, groups, pairs="all", count=20, jobs=1):
    drawn = intervals.drawn(groups, np.random.default_rng(7), count)
    spaces = [
        ranks.resample(ranks.rank_pairs(distances, pairs=pairs), drawn, jobs=jobs)
        for distances in (audio, latent)
    ]
    return ranks.rank_agreement_replicates(*spaces, jobs=jobs)


@pytest.mark.parametrize("pairs", ranks.PAIRS)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(3, 9), levels=st.integers(2, 50))
def test_rank_agreement_is_spearmans_rho(pairs, seed, n, levels):
    rng = np.random.default_rng(seed)
    audio, latent = rng.integers(levels, size=(2, n, n)).astype(float)
    own = np.eye(n, dtype=bool)
    keep = {"all": own | ~own, "own": own, "distinct": ~own}[pairs]
    if all(len(np.unique(space[keep])) > 1 for space in (audio, latent)):
        expected = naive.rho(audio, latent, pairs)
        assert rho(audio, latent, pairs) == pytest.approx(expected, abs=1e-12)
    else:
        with pytest.raises(UndefinedMeasureError, match=r"all \d+ \w+ distances are equal"):
            rho(audio, latent, pairs)


@pytest.mark.parametrize("pairs", ranks.PAIRS)
@pytest.mark.parametrize("grouped", [False, True])
def test_few_pairs_are_resampled_exactly(pairs, grouped):
    rng = np.random.default_rng(3)
    n = 9
    audio, latent = rng.integers(40, size=(2, n, n)).astype(float)
    groups = [f"track-{i // 3 if grouped else i}" for i in range(n)]
    names = sorted(set(groups))
    again = np.random.default_rng(7)
    for replicate in replicates(audio, latent, groups, pairs):
        tracks = [names[i] for i in again.integers(len(names), size=len(names))]
        drawn = [i for track in tracks for i in range(n) if groups[i] == track]
        expected = naive.resampled_rho(audio, latent, drawn, pairs)
        assert replicate == pytest.approx(expected, abs=1e-6)  # ranks are held in float32


@pytest.mark.parametrize(("n", "pairs"), [(12, "all"), (12, "distinct"), (150, "own")])
def test_ranks_of_more_pairs_than_half_a_type_of_integers_holds(n, pairs):
    """Twice the rank of 144 pairs, or of 150 own ones, takes more than eight bits."""
    audio, latent = np.random.default_rng(n).normal(size=(2, n, n))
    assert rho(audio, latent, pairs) == pytest.approx(naive.rho(audio, latent, pairs))


def test_ranks_and_samples_come_in_blocks_of_the_sizes_that_are_told(monkeypatch):
    monkeypatch.setattr(ranks, "_BLOCK", 35)
    ranked = ranks.rank_pairs(np.arange(100.0).reshape(10, 10))
    assert not isinstance(ranked.doubled, np.memmap)  # few are held in memory
    assert [(first, len(block)) for first, block in ranked.blocks()] == [
        (0, 3), (3, 3), (6, 3), (9, 1)
    ]  # fmt: skip
    drawn = np.ones((2 * LANES + 1, 10), np.int32)
    resampled = ranks.resample(ranked, drawn)
    assert resampled.weights.shape == (3, 10, LANES)
    assert resampled.samples == len(drawn)


@pytest.mark.slow
@pytest.mark.parametrize("pairs", ["all", "distinct"])
@pytest.mark.parametrize("ties", [False, True])
def test_bins_of_many_pairs_cost_less_than_1e_5(pairs, ties):
    n = 300
    rng = np.random.default_rng(n)
    points = rng.normal(size=(2, n, 8))
    audio = np.linalg.norm(points[0][:, None] - points[1][None], axis=2)
    latent = audio + rng.normal(scale=0.5, size=(n, n))
    if ties:  # a third of all distances are one, as when an encoder collapses on some clips
        latent = np.maximum(latent, np.quantile(latent, 1 / 3))
    assert n * n > 20 * ranks.BINS
    again = np.random.default_rng(7)
    for replicate in replicates(audio, latent, [f"{i:03}" for i in range(n)], pairs, count=8):
        drawn = again.integers(n, size=n)
        expected = naive.resampled_rho(audio, latent, drawn, pairs)
        assert replicate == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("pairs", ranks.PAIRS)
def test_ranks_on_disk_are_those_in_memory(pairs, monkeypatch, tmp_path):
    n = 60
    rng = np.random.default_rng(n)
    audio, latent = rng.integers(500, size=(n, n)).astype(float), rng.normal(size=(n, n))
    groups = [str(i // 2) for i in range(n)]
    in_memory = rho(audio, latent, pairs), replicates(audio, latent, groups, pairs)
    monkeypatch.setattr(ranks, "_IN_MEMORY", n // 2)
    monkeypatch.setattr(ranks, "_BLOCK", 7 * n)
    blocks = [RowBlocks(distances, 11) for distances in (audio, latent)]
    ranked = ranks.rank_pairs(blocks[0], pairs=pairs, folder=tmp_path)
    assert isinstance(ranked.doubled, np.memmap)
    assert not list(tmp_path.iterdir())  # without a name: nothing is left, whatever happens
    assert (rho(*blocks, pairs), replicates(*blocks, groups, pairs).tolist()) == (
        in_memory[0], in_memory[1].tolist(),
    )  # fmt: skip


def test_a_disk_without_room_for_ranks_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(ranks, "_IN_MEMORY", 3)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8, limits[1]))  # no file may hold more bytes
    try:
        with pytest.raises(StorageError, match=r"4 pairs need 0\.0 GiB in .*--nnrel-cache=DIR"):
            ranks.rank_pairs(np.arange(4.0).reshape(2, 2), folder=tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_jobs_do_not_change_replicates():
    audio, latent = np.random.default_rng(0).normal(size=(2, 40, 40))
    groups = [str(i) for i in range(40)]
    one = replicates(audio, latent, groups, count=100)
    assert replicates(audio, latent, groups, count=100, jobs=2).tolist() == one.tolist()


def test_a_replicate_whose_distances_are_all_equal_has_no_value():
    audio = np.array([[0.0, 1.0], [1.0, 0.0]])
    values = replicates(audio, audio, ["a", "b"], count=64)
    assert set(np.isnan(values)) == {True, False}  # of one clip drawn twice, or of both
    assert np.nanmin(values) == pytest.approx(1.0)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_rho_of_distances_that_are_not_finite_is_undefined(bad):
    audio = np.arange(9.0).reshape(3, 3)
    latent = audio.copy()
    latent[1, 2] = bad
    with pytest.raises(UndefinedMeasureError, match="1 of 9 latent distances are not finite"):
        rho(audio, latent)


def test_ranks_of_different_clips_or_pairs_are_refused():
    audio, larger = np.arange(4.0).reshape(2, 2), np.arange(9.0).reshape(3, 3)
    with pytest.raises(DistanceError, match="different clips or pairs"):
        rho(audio, larger)
    with pytest.raises(DistanceError, match="different clips or pairs"):
        ranks.rank_agreement(ranks.rank_pairs(audio), ranks.rank_pairs(audio, pairs="distinct"))


def test_unknown_pairs_are_refused():
    with pytest.raises(DistanceError, match="pairs must be one of all, own, distinct"):
        ranks.rank_pairs(np.arange(4.0).reshape(2, 2), pairs="some")


# A sample of pairs


def space(n, seed=0, noise=0.5):
    """Return distances of n transformed clips to n originals in two spaces that agree in part."""
    rng = np.random.default_rng(seed)
    originals = rng.normal(size=(n, 6)) * [3, 2, 1, 1, 1, 1]
    clips = originals + 0.5 * rng.normal(size=(n, 6))
    other = originals + noise * rng.normal(size=(n, 6)), clips + noise * rng.normal(size=(n, 6))
    return [np.linalg.norm(b[:, None] - a[None], axis=2) for a, b in ((originals, clips), other)]


def drawn_from(distances, sample):
    """Return the distances of a sample, float64[n, m]."""
    rows = [distances[np.ix_(clips, columns)] for _, clips, columns in sample.blocks()]
    return np.concatenate(rows)


def ranked(spaces, sample):
    return [ranks.rank_sample(sample, drawn_from(distances, sample)) for distances in spaces]


@pytest.fixture
def sample(monkeypatch):
    """Draw pairs of 150 clips: 16 originals to each block of 10."""
    monkeypatch.setattr(sample_, "SAMPLED", 150 * 16)
    monkeypatch.setattr(sample_, "_ROWS", 10)
    monkeypatch.setattr(sample_, "_COLUMNS", 10)
    return sample_.sampled(150, np.random.default_rng(1))


def test_each_clip_and_each_original_is_in_as_many_pairs(sample):
    assert sample.pairs == 150 * 16
    assert all(len(set(columns)) == len(columns) for columns in sample.columns)
    assert set(np.bincount(sample.columns.ravel(), minlength=150)) <= {1, 2}
    assert sorted(row for _, clips, _ in sample.blocks() for row in clips) == list(range(150))
    for part, clips, _ in sample.blocks():
        assert np.array_equal(sample.rows[part], clips)


def test_few_pairs_are_all_taken():
    assert sample_.sampled(2_048, np.random.default_rng(0)) is None
    assert sample_.sampled(2_049, np.random.default_rng(0)).pairs >= sample_.SAMPLED


@pytest.mark.parametrize("decimals", [12, 0], ids=["distances", "ties"])
def test_rho_of_a_sample_is_spearmans_of_its_pairs(sample, decimals):
    from scipy.stats import spearmanr

    spaces = [distances.round(decimals) for distances in space(150)]
    pairs = [drawn_from(distances, sample).ravel() for distances in spaces]
    assert (len(set(pairs[0])) < len(pairs[0])) == (decimals == 0)
    expected = spearmanr(*pairs).statistic
    assert ranks.rank_agreement(*ranked(spaces, sample)) == pytest.approx(expected, abs=1e-12)


def test_a_sample_of_all_pairs_is_all_pairs(monkeypatch):
    monkeypatch.setattr(sample_, "_ROWS", 10)
    order = np.random.default_rng(2).permutation(60)
    whole = sample_.Sample(np.arange(60), np.tile(order, (6, 1)))
    spaces = space(60)
    of_sample, of_all = ranked(spaces, whole), [ranks.rank_pairs(one) for one in spaces]
    assert ranks.rank_agreement(*of_sample) == pytest.approx(
        ranks.rank_agreement(*of_all), abs=1e-12
    )
    drawn = intervals.drawn([str(i) for i in range(60)], np.random.default_rng(7), 3)
    found, expected = (
        ranks.rank_agreement_replicates(*(ranks.resample(one, drawn) for one in both))
        for both in (of_sample, of_all)
    )
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("size", [1, 4], ids=["clips", "groups"])
def test_a_sample_is_resampled_by_clips_or_groups(sample, size):
    from scipy.stats import spearmanr

    spaces = space(150)
    groups = [str(i // size) for i in range(150)]
    drawn = intervals.drawn(groups, np.random.default_rng(7), 3)
    resampled = [ranks.resample(one, drawn) for one in ranked(spaces, sample)]
    pairs = [drawn_from(distances, sample).ravel() for distances in spaces]
    for weights, found in zip(drawn, ranks.rank_agreement_replicates(*resampled)):
        times = drawn_from(np.outer(weights, weights), sample).ravel().astype(int)
        expected = spearmanr(*(np.repeat(values, times) for values in pairs)).statistic
        assert found == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("pairs", "least", "most"),
    [
        pytest.param(150 * 40, 0.7, 1.4, id="originals in four blocks"),
        pytest.param(150 * 16, 0.9, 2.0, id="originals in one or two: what is theirs counts"),
    ],
)
def test_the_error_of_a_sample_is_what_samples_differ_by(monkeypatch, pairs, least, most):
    monkeypatch.setattr(sample_, "_ROWS", 10)
    monkeypatch.setattr(sample_, "_COLUMNS", 10)
    monkeypatch.setattr(sample_, "SAMPLED", pairs)
    spaces = space(150)
    exact = rho(*spaces)
    values, errors = [], []
    for seed in range(40):
        sample = sample_.sampled(150, np.random.default_rng(seed))
        pair = ranked(spaces, sample)
        values.append(ranks.rank_agreement(*pair))
        errors.append(sample_.sampling_error(*pair))
    off = np.sqrt(np.mean((np.array(values) - exact) ** 2))
    assert least * off < np.mean(errors) < most * off


def test_what_a_pair_moves_rho_by_is_what_rho_is_without_it(sample):
    from scipy.stats import spearmanr

    pair = ranked(space(150), sample)
    found = sample_._influences(*pair).ravel()
    flat = [one.doubled.ravel() for one in pair]
    whole, m = spearmanr(*flat).statistic, len(found)
    some = np.linspace(0, m - 1, 50).astype(int)
    without = [spearmanr(*(np.delete(x, i) for x in flat)).statistic for i in some]
    # To the order of a pair's share: its own ranks, and those of others that it moves.
    expected = (whole - np.array(without)) * (m - 1) + 3.0 * whole
    np.testing.assert_allclose(found[some], expected, atol=0.01)
    assert found.mean() == pytest.approx(3.0 * whole, abs=0.01)


def test_a_sample_of_all_pairs_has_no_error():
    rng = np.random.default_rng(2)
    whole = sample_.Sample(rng.permutation(60), np.tile(rng.permutation(60), (4, 1)))
    assert sample_.sampling_error(*ranked(space(60), whole)) == 0.0


@pytest.mark.parametrize(("value", "said"), [(np.nan, "not finite"), (1.0, "are equal")])
def test_a_sample_without_ranks_has_no_rho(sample, value, said):
    distances = np.ones((150, 16))
    distances[3, 2] = value
    with pytest.raises(UndefinedMeasureError, match=said):
        ranks.rank_sample(sample, distances, space="latent")

"""DTW and SiMPle of many pairs at once: against slow twins, on other processors, in bounds."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import textwrap

import naive
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_nnrel import pairwise_distances
from pytest_nnrel.distances import SIMPLE_WINDOW, alignment, exact
from pytest_nnrel.errors import DistanceError
from pytest_nnrel.kernels import lanes
from pytest_nnrel.statistics.consistency import exemplars


def frames(rng, n, dimensions=3, scale=5.0):
    return rng.normal(scale=scale, size=(n, dimensions)).astype(np.float32)


def warping_cost(a, b):
    return exact.warping_cost(a.astype(np.float64), np.ascontiguousarray(b.T, dtype=np.float64))


def join_distance(a, b):
    return exact.join_distance(a.astype(np.float64), b.astype(np.float64), SIMPLE_WINDOW)


@given(a=st.integers(1, 60), b=st.integers(1, 60), seed=st.integers(0, 2**32 - 1))
def test_float64_dtw_is_its_recursion(a, b, seed):
    rng = np.random.default_rng(seed)
    a, b = frames(rng, a), frames(rng, b)
    assert warping_cost(a, b) == pytest.approx(naive.dtw(a, b), rel=1e-12)


@pytest.mark.slow
@given(
    a=st.integers(1, 300), b=st.integers(1, 300), dimensions=st.integers(1, 5),
    seed=st.integers(0, 2**32 - 1),
)  # fmt: skip
@settings(max_examples=25)
def test_one_pass_gives_both_distances_at_any_length(a, b, dimensions, seed):
    rng = np.random.default_rng(seed)
    a, b = frames(rng, a, dimensions), frames(rng, b, dimensions)
    both = alignment.align([a], [b], jobs=1)
    assert both["dtw"][0, 0] == pytest.approx(naive.dtw(a, b), rel=1e-6)
    if min(len(a), len(b)) >= SIMPLE_WINDOW:
        expected = naive.simple(a, b, SIMPLE_WINDOW)
        assert both["simple"][0, 0] == pytest.approx(expected, rel=1e-6)
    else:
        assert "simple" not in both


@given(
    lengths=st.lists(st.integers(SIMPLE_WINDOW, 120), min_size=1, max_size=40),
    query=st.integers(SIMPLE_WINDOW, 120),
    seed=st.integers(0, 2**32 - 1),
)
@settings(max_examples=30)
def test_candidates_of_all_lengths_share_groups(lengths, query, seed):
    rng = np.random.default_rng(seed)
    a, candidates = frames(rng, query), [frames(rng, n) for n in lengths]
    both = alignment.align([a], candidates, jobs=1)
    np.testing.assert_allclose(both["dtw"][0], [warping_cost(a, b) for b in candidates], rtol=1e-6)
    np.testing.assert_allclose(
        both["simple"][0], [join_distance(a, b) for b in candidates], rtol=1e-6
    )


#: The first strip ends here, and later ones a strip further on.
EDGE = lanes.STRIP + SIMPLE_WINDOW - 1


@pytest.mark.parametrize("n", [EDGE - 1, EDGE, EDGE + 1, EDGE + lanes.STRIP, 3 * EDGE + 2])
def test_long_queries_are_joined_strip_by_strip(n):
    rng = np.random.default_rng(n)
    a, b = frames(rng, n), frames(rng, 150)
    # Planted, so that windows across the edges between strips are what counts.
    b[20:140] = a[n // 2 - 60 : n // 2 + 60]
    both = alignment.align([a, b], [b, a], jobs=1)
    for row, query in enumerate((a, b)):
        for column, candidate in enumerate((b, a)):
            expected = warping_cost(query, candidate), join_distance(query, candidate)
            found = both["dtw"][row, column], both["simple"][row, column]
            assert found == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("metric", ["dtw", "simple"])
def test_the_nearest_is_that_of_float64_where_float32_cannot_tell(metric):
    of_pair = {"dtw": warping_cost, "simple": join_distance}[metric]
    disagreements = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        query = frames(rng, 60)
        away = frames(rng, 60)
        # Candidates that differ by a few units in the last place of one frame.
        candidates = [away.copy() for _ in range(8)]
        for candidate in candidates:
            candidate[rng.integers(60)] *= 1 + rng.integers(-3, 4) * np.float32(2.0**-23)
        expected = np.array([of_pair(query, candidate) for candidate in candidates])
        found = pairwise_distances([query], candidates, metric)[0]
        np.testing.assert_allclose(found, expected, rtol=1e-13)
        disagreements += found.astype(np.float32).argmin() != expected.argmin()
    assert disagreements > 0  # or float32 would do


@pytest.mark.parametrize("metric", ["dtw", "simple"])
def test_ties_with_the_own_are_those_of_float64_where_a_relative_is_nearer(metric):
    """All dimensions of a query are one, so that those of a candidate may change their places."""
    coarse = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        query = np.repeat(frames(rng, 70, 1), 24, axis=1)
        own = frames(rng, 70, 24)
        candidates = [own, own[:, rng.permutation(24)], query]
        groups = ["own", "other", "own"]  # a relative that is the query itself
        for among, told in (([0], True), (None, False)):
            distances = alignment.align([query], candidates, jobs=1, own=among)[metric]
            found = exemplars(distances, np.array([0]), groups)
            assert found.ties.all() or not told
            coarse += not found.ties.all()
    assert coarse > 0  # or float32 would do


@pytest.mark.parametrize("exponent", [-110, -60, 0, 60, 120])
def test_scale_changes_nothing_but_the_scale(exponent):
    rng = np.random.default_rng(1)
    a, b = [frames(rng, 70) for _ in range(5)], [frames(rng, 80) for _ in range(5)]
    scale = np.float32(2.0**exponent)
    scaled = alignment.align([x * scale for x in a], [x * scale for x in b], jobs=1)
    plain = alignment.align(a, b, jobs=1)
    np.testing.assert_array_equal(scaled["dtw"], plain["dtw"] * 2.0**exponent)
    np.testing.assert_array_equal(scaled["simple"], plain["simple"] * 4.0**exponent)


def test_silence_is_at_no_distance_from_silence():
    silence = [np.zeros((60, 3), np.float32)] * 2
    both = alignment.align(silence, silence, jobs=1)
    assert (both["dtw"] == 0.0).all()
    assert (both["simple"] == 0.0).all()


def test_jobs_do_not_change_distances():
    rng = np.random.default_rng(2)
    sequences = [frames(rng, n) for n in rng.integers(50, 90, size=40)]
    one, two = (alignment.align(sequences, sequences, jobs=jobs) for jobs in (1, 2))
    for name in one:
        np.testing.assert_array_equal(one[name], two[name])


def test_the_sequence_that_is_too_short_for_simple_is_named():
    rng = np.random.default_rng(3)
    queries = [frames(rng, 60), frames(rng, SIMPLE_WINDOW - 1)]
    with pytest.raises(DistanceError, match=r"queries\[1\] has 49 frames, fewer than") as caught:
        pairwise_distances(queries, queries[:1], "simple")
    assert caught.value.row == 1
    assert pairwise_distances(queries, queries[:1], "dtw").shape == (2, 1)


def test_sequences_of_different_width_are_refused():
    rng = np.random.default_rng(4)
    with pytest.raises(DistanceError, match="queries have 3 dimensions, candidates 4"):
        pairwise_distances([frames(rng, 60)], [frames(rng, 60, 4)])


# ---------------------------------------------------------------------------------------------
# Other machines

_ON_ANOTHER = """
    import sys
    import numpy as np
    from pytest_nnrel.kernels import lanes
    from pytest_nnrel.distances import alignment
    rng = np.random.default_rng(5)
    sequences = [rng.normal(size=(n, 24)).astype(np.float32) for n in rng.integers(50, 90, size=20)]
    both = alignment.align(sequences, sequences, jobs=1)
    np.save(sys.argv[1], np.stack([both["dtw"], both["simple"]]))
    print(lanes.LANES)
"""


def run_elsewhere(tmp_path, before="", **environment):
    """Return lanes and distances as another process computes them."""
    file = tmp_path / "distances.npy"
    code = textwrap.dedent(before) + textwrap.dedent(_ON_ANOTHER)
    done = subprocess.run(
        [sys.executable, "-c", code, str(file)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout), np.load(file)


@pytest.mark.slow
@pytest.mark.skipif(platform.machine() != "x86_64", reason="names processors of x86-64")
@pytest.mark.parametrize(
    ("processor", "features", "width"),
    [("haswell", "+avx,+avx2,+fma", 8), ("nehalem", "+sse4.2", 4)],
)
def test_processors_without_wide_registers_give_the_same(tmp_path, processor, features, width):
    here = run_elsewhere(tmp_path)[1]
    lanes_there, there = run_elsewhere(
        tmp_path, NUMBA_CPU_NAME=processor, NUMBA_CPU_FEATURES=features
    )
    assert lanes_there == width
    np.testing.assert_allclose(there, here, rtol=1e-6)


@pytest.mark.slow
def test_a_machine_without_a_folder_for_compiled_code(tmp_path):
    nowhere = """
    from numba.core import caching
    (getattr(caching, "CacheImpl", None) or caching._CacheImpl)._locator_classes = []
    """
    np.testing.assert_array_equal(run_elsewhere(tmp_path, nowhere)[1], run_elsewhere(tmp_path)[1])


@pytest.mark.slow
def test_long_clips_stay_within_memory(tmp_path):
    # Three minutes are 7,752 frames; their squared differences would be 3.8 GB in 16 lanes.
    # Linux counts a parent's memory into a child's ru_maxrss, but not into its VmHWM.
    before = """
    import re
    import numpy as np
    rng = np.random.default_rng(6)
    from pytest_nnrel.distances import alignment
    long = rng.normal(size=(7752, 24)).astype(np.float32)
    both = alignment.align([long], [long, long[:100]], jobs=1)
    assert both["dtw"][0, 0] == both["simple"][0, 0] == 0.0
    peak = int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]) / 2**20
    assert peak < 1.0, peak
    """
    run_elsewhere(tmp_path, before)

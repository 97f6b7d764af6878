"""What large corpora need: blocks and files instead of memory, going on after a kill, clusters."""

import json
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import joblib
import pytest
from patience import PATIENCE

from pytest_nnrel import (
    MP3,
    Corpus,
    MFCCEncoder,
    PinkNoise,
    assert_between_consistency,
    audio_consistency,
    between_consistency,
    within_consistency,
)
from pytest_nnrel.errors import DistanceError
from pytest_nnrel.experiment import spaces, stores
from pytest_nnrel.experiment.blocks import LEAST_BLOCK
from pytest_nnrel.experiment.stores import close_stores
from pytest_nnrel.recording import sink
from pytest_nnrel.runtime import settings
from pytest_nnrel.runtime.settings import Settings
from pytest_nnrel.runtime.store import LAYOUT
from pytest_nnrel.statistics import ranks, sample

TRANSFORMS = (PinkNoise(6), MP3(16))


def measure(corpus, cache, jobs=1):
    """Return what a run of its own measures, as plain values without times."""
    active = Settings(cache_dir=cache, jobs=jobs)
    token = settings.activate(active)
    try:
        with sink():
            found = []
            for transform in TRANSFORMS:
                encoder = MFCCEncoder()
                found += [
                    audio_consistency(transform, corpus=corpus),
                    audio_consistency(transform, corpus=corpus, distance="simple"),
                    within_consistency(encoder, transform, corpus=corpus, distance="cosine"),
                    between_consistency(encoder, transform, corpus=corpus),
                    between_consistency(encoder, transform, corpus=corpus, pairs="distinct"),
                    between_consistency(encoder, transform, corpus=corpus, measure="accuracy"),
                ]
    finally:
        settings.deactivate(token)
        close_stores(active)
    plain = [measurement.as_dict() for measurement in found]
    for content in plain:
        del content["timings"]
    return plain


@pytest.fixture(scope="module")
def corpus():
    return Corpus.bundled().subset(34)


@pytest.fixture(scope="module")
def expected(corpus, tmp_path_factory):
    return measure(corpus, tmp_path_factory.mktemp("whole"))


@pytest.mark.slow
def test_blocks_of_rows_and_ranks_on_disk_change_nothing(corpus, expected, tmp_path, monkeypatch):
    monkeypatch.setattr(spaces, "BLOCK_OF_DISTANCES", 34 * LEAST_BLOCK)
    monkeypatch.setattr(ranks, "_IN_MEMORY", 34 * 10)
    monkeypatch.setattr(ranks, "_BLOCK", 34 * 5)
    assert measure(corpus, tmp_path) == expected
    entries = list((tmp_path / LAYOUT / "distances").rglob("*.arrays"))
    assert len(entries) == len(TRANSFORMS) * 2 * 3  # DTW and SiMPle, in three blocks
    nearest = list((tmp_path / LAYOUT / "exemplars").rglob("*.arrays"))
    assert len(nearest) == len(TRANSFORMS) * 4  # of both audio distances, euclidean and cosine
    assert measure(corpus, tmp_path) == expected  # from these
    for path in nearest:
        path.write_bytes(path.read_bytes()[:-1])
    assert measure(corpus, tmp_path) == expected


@pytest.mark.slow
def test_what_memory_has_no_room_for_is_read_again(corpus, expected, tmp_path, monkeypatch):
    monkeypatch.setattr(stores, "_RECENT_BYTES", 1000)
    monkeypatch.setattr("pytest_nnrel.corpus.decoded._DECODED_BYTES", 1000)
    assert measure(Corpus.bundled().subset(34), tmp_path) == expected


def test_both_audio_distances_come_from_one_pass(corpus, tmp_path, monkeypatch):
    passes = []
    pairwise = spaces.pairwise_together
    monkeypatch.setattr(
        spaces,
        "pairwise_together",
        lambda *args, **kwargs: passes.append(args[2].name) or pairwise(*args, **kwargs),
    )
    measure(corpus, tmp_path)
    assert passes == ["dtw"] * len(TRANSFORMS)


def test_windows_too_short_for_simple_name_a_clip():
    music = Corpus.bundled().subset(3)
    short = Corpus.from_arrays(
        [clip.window(2.0) for clip in music], sample_rate=22_050, ids=music.ids, window_seconds=1.0
    )
    message = rf"has 44 frames, fewer than SiMPle's window of 50 .*clip '{music.ids[0]}'"
    with pytest.raises(DistanceError, match=message):
        audio_consistency(MP3(16), corpus=short, distance="simple")
    assert audio_consistency(MP3(16), corpus=short).n == 3


@pytest.mark.exhaustive
def test_a_cluster_gives_the_same(corpus, expected, tmp_path):
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None, local_directory=tmp_path
        ) as cluster,
        distributed.Client(cluster) as client,
        joblib.parallel_config(backend="dask"),
    ):
        assert measure(corpus, tmp_path / "cache", jobs=2) == expected
        done = client.run(lambda dask_worker: dask_worker.state.task_counter.current_count())
    assert len(done) == 2


_MEASURE = """
    import json
    import sys
    from pathlib import Path
    sys.path[:0] = {paths!r}
    from pytest_nnrel import Corpus
    from test_scale import measure
    found = measure(Corpus.bundled().subset(34), Path(sys.argv[1]), jobs=2)
    Path(sys.argv[2]).write_text(json.dumps(found))
"""


@pytest.mark.exhaustive
def test_a_killed_run_goes_on_where_it_was(expected, tmp_path):
    here = Path(__file__).parent
    code = textwrap.dedent(_MEASURE).format(paths=[str(here), str(here.parent)])
    cache, out = tmp_path / "cache", tmp_path / "out.json"
    command = [sys.executable, "-c", code, str(cache), str(out)]

    def features():
        found = (cache / LAYOUT / "features").rglob("*.arrays")
        return {str(path): path.stat().st_mtime_ns for path in found}

    run = subprocess.Popen(command)
    deadline = time.monotonic() + PATIENCE
    while not features() and run.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    run.send_signal(signal.SIGKILL)
    assert run.wait() == -signal.SIGKILL
    kept = features()
    shards = 3 * 3  # of originals and two transformations, 16, 16 and 2 clips each
    assert 0 < len(kept) < shards
    subprocess.run(command, check=True)
    after = features()
    assert len(after) == shards
    assert {name: after[name] for name in kept} == kept
    assert json.loads(out.read_text()) == json.loads(json.dumps(expected))


@pytest.mark.slow
def test_rho_of_a_sample_is_near_that_of_all_pairs_and_says_so(monkeypatch):
    corpus, encoder = Corpus.bundled(), MFCCEncoder()

    def measured(pairs):
        return between_consistency(encoder, PinkNoise(12), corpus=corpus, pairs=pairs)

    every = measured("all")
    assert measured("sampled").value == every.value  # few enough to be taken as a whole
    monkeypatch.setattr(sample, "SAMPLED", 32 * len(corpus))
    monkeypatch.setattr(sample, "_COLUMNS", 32)
    found = measured("sampled")
    told = found.details["sampled"]
    assert (told["pairs"], told["of"]) == (32 * len(corpus), len(corpus) ** 2)
    assert 0.0 < abs(found.value - every.value) < 4 * told["error"] < 0.2
    assert found.ci[0] <= every.value <= found.ci[1]
    with pytest.raises(AssertionError, match="4,288 of 17,956, which adds a standard error of"):
        assert_between_consistency(encoder, PinkNoise(12), min=0.99, corpus=corpus, pairs="sampled")
    again = measured("sampled")
    assert (again.value, again.ci, again.details["sampled"]) == (found.value, found.ci, told)

"""What is sent to workers, what they do, and what becomes of it when one is killed."""

import contextvars
import os
import pickle
import signal
import subprocess
import sys
import threading
from pathlib import Path

import cloudpickle
import joblib
import numpy as np
import pytest
from patience import PATIENCE

from pytest_nnrel import (
    Corpus,
    FunctionTransform,
    Identity,
    PinkNoise,
    as_encoder,
    between_consistency,
    within_consistency,
)
from pytest_nnrel.distances import alignment
from pytest_nnrel.errors import EncoderError, HandoverError, WorkerWarning
from pytest_nnrel.experiment.blocks import blocks_of
from pytest_nnrel.experiment.embedding import can_be_sent, embeddings_of
from pytest_nnrel.experiment.recognition import recognise
from pytest_nnrel.experiment.rendering import render
from pytest_nnrel.experiment.stores import close_stores, stores_of
from pytest_nnrel.experiment.study import question, study_of
from pytest_nnrel.experiment.vetting import on_vetted_workers
from pytest_nnrel.recording import sink
from pytest_nnrel.runtime import settings
from pytest_nnrel.runtime.handed import Handed
from pytest_nnrel.runtime.settings import Settings
from pytest_nnrel.runtime.tasks import run_tasks

NOISE = PinkNoise(snr_db=6)
reverse = FunctionTransform("reversal", lambda samples, sample_rate: samples[::-1])


def arrays(clips):
    rng = np.random.default_rng(clips)
    return Corpus.from_arrays(
        0.1 * rng.standard_normal((clips, 11_025), dtype=np.float32),
        sample_rate=22_050,
        window_seconds=0.5,
    )


class Spectra:
    """An encoder that leaves in a file which processes it ran in."""

    def __init__(self, log):
        self.log = str(log)

    def encode(self, batch):
        with open(self.log, "a") as file:
            file.write(f"{os.getpid()}\n")
        return np.log1p(np.abs(np.fft.rfft(batch))[:, 1:2001].reshape(len(batch), 50, 40).mean(2))


class Mortal(Spectra):
    """The same, which kills the first other process that it runs in."""

    def __init__(self, log):
        super().__init__(log)
        self.home = os.getpid()

    def encode(self, batch):
        dead = Path(f"{self.log}.dead")
        if os.getpid() != self.home and not dead.exists():
            dead.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().encode(batch)


class OfProcess(Spectra):
    """An encoder that is another in another process."""

    def __init__(self, log):
        super().__init__(log)
        self.home = os.getpid()

    def encode(self, batch):
        rows = super().encode(batch)
        return rows if os.getpid() == self.home else rows[:, ::-1] ** 2


class Travelled(Spectra):
    """An encoder that is another once it has been sent."""

    sent = False

    def __setstate__(self, state):
        vars(self).update(state, sent=True)

    def encode(self, batch):
        rows = super().encode(batch)
        return rows[:, ::-1] ** 2 if self.sent else rows


class Unpicklable(Spectra):
    def __reduce__(self):
        raise TypeError("it holds a lock")


@pytest.fixture
def loky():
    from joblib.externals.loky import get_reusable_executor

    with joblib.parallel_config(backend="loky"):
        yield
    get_reusable_executor().shutdown(wait=True)


def processes(log):
    return set(map(int, Path(log).read_text().split()))


def measured(encoder, cache, transforms=(NOISE, reverse), clips=40):
    active = Settings(cache_dir=cache, jobs=2)
    token = settings.activate(active)
    try:
        with sink():
            found = [
                within_consistency(encoder, transform, corpus=arrays(clips))
                for transform in transforms
            ]
    finally:
        settings.deactivate(token)
        close_stores(active)
    return [(one.value, one.details["margins"], one.details["damage"]) for one in found]


# ---------------------------------------------------------------------------------------------
# What is sent


@pytest.fixture
def study_on(tmp_path):
    opened = []

    def make(corpus):
        active = Settings(cache_dir=tmp_path / "cache", jobs=1)
        opened.append(active)
        return study_of(corpus, 0, active)

    yield make
    for active in opened:
        close_stores(active)


def folder_of(clips, folder):
    import soundfile

    folder.mkdir()
    for clip in arrays(clips):
        soundfile.write(folder / f"{clip.id}.wav", clip.samples, clip.sample_rate)
    return Corpus.from_directory(folder, source_seconds=0.5, window_seconds=0.5)


def test_what_is_sent_for_a_task_does_not_grow_with_the_corpus(study_on, tmp_path):
    encoder = as_encoder(Spectra(tmp_path / "log"), name="spectra", fingerprint="1")
    sizes = {"records": [], "features": [], "embeddings": [], "vetted": []}
    for kind, corpora in {
        "arrays": [arrays(20), arrays(200)],
        "folder": [folder_of(20, tmp_path / "20"), folder_of(200, tmp_path / "200")],
    }.items():
        for corpus in corpora:
            study = study_on(corpus)
            rendered = render(question(study, NOISE))
            tasks = {
                "records": rendered.task("records"),
                "features": rendered.task("features"),
                "embeddings": (listener := recognise(encoder, study)).task(rendered),
                "vetted": on_vetted_workers(listener.task(rendered), listener),
            }
            (*_, last) = blocks_of(range(len(corpus)))
            for name, task in tasks.items():
                sizes[name].append(len(cloudpickle.dumps((task, last[:4]))))
        for name, (fewer, more) in sizes.items():
            assert more <= fewer + 8, (kind, name)  # a position may take another byte
            assert more < 4000, (kind, name)
        sizes = {name: [] for name in sizes}


def test_what_is_sent_to_compare_does_not_grow_with_the_candidates(tmp_path, monkeypatch):
    sizes = []

    def sent(task, parts, **options):
        sizes.append(len(pickle.dumps(task)))
        assert len(list(tmp_path.iterdir())) == 1
        return run_tasks(pickle.loads(pickle.dumps(task)), parts, **options)

    rng = np.random.default_rng(0)
    sequences = rng.standard_normal((60, 20, 24), dtype=np.float32)
    expected = alignment.align(sequences[:5], sequences, jobs=1)
    monkeypatch.setattr(alignment, "run_tasks", sent)
    for candidates in (sequences[:5], sequences):
        found = alignment.align(sequences[:5], candidates, jobs=1, folder=tmp_path)
        for name, distances in found.items():
            np.testing.assert_array_equal(distances, expected[name][:, : len(candidates)])
        assert list(tmp_path.iterdir()) == []
    assert sizes[0] == sizes[1] < 1000


def test_what_is_done_stays_where_it_is(study_on):
    rendered = render(question(study_on(arrays(20)), NOISE))
    for kind in ("records", "features"):
        task = pickle.loads(cloudpickle.dumps(rendered.task(kind)))
        assert task([0, 1, 2]) == {}
        assert sorted(task.stored([0, 1, 2, 3])) == [0, 1, 2]


def vetted(study, encoder):
    """Return a task of this process with the originals stored, and the same as a worker gets it."""
    listener = recognise(encoder, study)
    embeddings_of(listener, listener.originals)
    task = listener.task(render(question(study, NOISE)))
    return task, pickle.loads(cloudpickle.dumps(on_vetted_workers(task, listener)))


def test_a_worker_that_embeds_otherwise_stores_nothing(study_on, tmp_path):
    encoder = as_encoder(Travelled(tmp_path / "log"), name="mine", fingerprint="1")
    task, sent = vetted(study_on(arrays(20)), encoder)
    for _ in range(2):
        with pytest.raises(EncoderError, match="'mine' gives other embeddings on workers than in"):
            sent([0, 1, 2])
    assert list(task.stored(range(20))) == []


def test_a_worker_is_vetted_once(study_on, tmp_path):
    log = tmp_path / "log"
    task, sent = vetted(study_on(arrays(20)), as_encoder(Spectra(log), fingerprint="1"))
    batches = []
    for block in ([0, 1, 2], [3, 4]):
        before = len(log.read_text().split())
        assert sent(block) == {}
        batches.append(len(log.read_text().split()) - before)
    assert batches == [2, 1]
    assert sorted(clip for clip, _ in task.stored(range(20))) == [0, 1, 2, 3, 4]


def test_what_is_on_a_device_is_not_sent_whoever_put_it_there(tmp_path):
    torch = pytest.importorskip("torch")
    for number, (device, sent) in enumerate({"cpu": True, "meta": False}.items()):
        encoder = as_encoder(torch.nn.Linear(4, 2).to(device), output=None, pool="mean")
        assert encoder.device is None
        assert can_be_sent(Handed(encoder, tmp_path / str(number), "an encoder")) is sent


def test_arrays_are_mapped_and_belong_to_whoever_opened_them(tmp_path):
    value = {"weights": np.arange(5_000.0), "name": "x"}
    handed = Handed(value, tmp_path / "run" / "value", "a value")
    opened = pickle.loads(pickle.dumps(handed)).value
    np.testing.assert_array_equal(opened["weights"], value["weights"], strict=True)
    assert not opened["weights"].flags.owndata
    opened["weights"][:] = 0.0  # as encoders do that normalise in place
    assert pickle.loads(pickle.dumps(handed)).value is opened
    assert value["weights"][1] == 1.0
    code = (
        "import pickle, sys; from pathlib import Path;"
        " value = pickle.loads(Path(sys.argv[1]).read_bytes()).value;"
        " print(value['weights'].sum())"
    )
    (tmp_path / "sent").write_bytes(pickle.dumps(handed))
    assert (tmp_path / "sent").stat().st_size < 400
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "sent"], capture_output=True, text=True, check=True
    )
    assert float(done.stdout) == value["weights"].sum()


def test_where_nothing_can_be_written_the_object_itself_is_sent(tmp_path):
    (tmp_path / "file").write_text("no folder")
    for path in (None, tmp_path / "file" / "value"):
        assert pickle.loads(pickle.dumps(Handed([1, 2], path, "a list"))).value == [1, 2]


def test_a_worker_that_does_not_see_the_cache_says_so(tmp_path):
    sent = pickle.dumps(Handed([1], tmp_path / "run" / "value", "corpus 'mine'"))
    (tmp_path / "run" / "value").unlink()
    with pytest.raises(HandoverError, match=r"corpus 'mine'.*--nnrel-cache=DIR"):
        pickle.loads(sent)


def test_a_worker_without_the_encoders_package_says_so(tmp_path, monkeypatch):
    (tmp_path / "of_the_driver_alone.py").write_text("class Encoder:\n    pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    import of_the_driver_alone

    handed = Handed(of_the_driver_alone.Encoder(), tmp_path / "value", "encoder 'mine'")
    sent = pickle.dumps(handed)
    monkeypatch.delitem(sys.modules, "of_the_driver_alone")
    monkeypatch.setattr(sys, "path", [p for p in sys.path if p != str(tmp_path)])
    with pytest.raises(HandoverError, match=r"encoder 'mine': No module named .*install on all"):
        pickle.loads(sent)


def test_what_was_the_runs_goes_with_it(tmp_path):
    active = Settings(cache_dir=tmp_path, jobs=1)
    stores = stores_of(active)
    assert stores.handed(arrays(3), "a corpus").hand_over()
    stores.scratch.put_of("clips", "0" * 32, {"0" * 32: {"x": np.arange(3)}})
    assert list(tmp_path.rglob("runs/*/*"))
    close_stores(active)
    assert not list(tmp_path.rglob("runs/*"))


# ---------------------------------------------------------------------------------------------
# What workers do


@pytest.mark.slow
def test_encoders_run_on_workers_with_the_same_results(loky, tmp_path):
    here, there = tmp_path / "here", tmp_path / "there"
    with joblib.parallel_config(backend="threading"):
        expected = measured(as_encoder(Spectra(here), name="x", fingerprint="1"), tmp_path / "1")
    assert processes(here) == {os.getpid()}
    found = measured(as_encoder(Spectra(there), name="x", fingerprint="1"), tmp_path / "2")
    assert found == expected
    assert len(processes(there) - {os.getpid()}) == 2
    # Unknown to later runs, and with nothing that all of them see.
    assert measured(Spectra(there), None) == expected


def test_work_within_work_waits_for_no_lock_of_its_own(study_on, tmp_path, monkeypatch):
    monkeypatch.setattr("pytest_nnrel.runtime.store._LOCK_STRIPES", 1)
    study = study_on(arrays(20))
    encoder = as_encoder(Spectra(tmp_path / "log"), name="spectra", fingerprint="1")
    task = recognise(encoder, study).task(render(question(study, NOISE)))

    def measure():
        assert task([0, 1, 2]) == {}
        between_consistency(Spectra(tmp_path / "log"), NOISE, corpus=arrays(20))

    at_work = threading.Thread(target=contextvars.copy_context().run, args=[measure], daemon=True)
    at_work.start()
    at_work.join(timeout=PATIENCE)
    assert not at_work.is_alive()
    assert len(list(task.stored([0, 1, 2, 3]))) == 3


@pytest.mark.slow
def test_what_a_killed_worker_had_not_done_is_done_again(loky, tmp_path):
    with joblib.parallel_config(backend="threading"):
        expected = measured(Spectra(tmp_path / "here"), tmp_path / "1")
    with pytest.warns(WorkerWarning, match="a worker was lost .*done again"):
        assert measured(Mortal(tmp_path / "there"), tmp_path / "2") == expected
    assert (tmp_path / "there.dead").exists()


@pytest.mark.slow
def test_an_encoder_that_is_another_on_workers_is_refused(loky, tmp_path):
    with pytest.raises(EncoderError, match="other embeddings on workers than in this process"):
        measured(OfProcess(tmp_path / "log"), tmp_path / "cache")


@pytest.mark.slow
def test_workers_are_vetted_where_originals_are_stored_already(loky, tmp_path):
    encoder = as_encoder(OfProcess(tmp_path / "log"), name="x", fingerprint="1")
    cache = tmp_path / "cache"
    with joblib.parallel_config(backend="threading"):
        measured(encoder, cache, [Identity()])
    with pytest.raises(EncoderError, match="other embeddings on workers than in this process"):
        measured(encoder, cache, [NOISE])
    with joblib.parallel_config(backend="threading"):
        assert measured(encoder, cache, [NOISE]) == measured(encoder, tmp_path / "new", [NOISE])


@pytest.mark.slow
def test_what_cannot_be_sent_runs_here(loky, tmp_path):
    with joblib.parallel_config(backend="threading"):
        expected = measured(Spectra(tmp_path / "here"), tmp_path / "1")
    with pytest.warns(WorkerWarning, match="'Unpicklable' cannot be pickled .it holds a lock"):
        assert measured(Unpicklable(tmp_path / "log"), tmp_path / "2") == expected
    assert processes(tmp_path / "log") == {os.getpid()}


def _fails(part):
    raise ValueError("of the task")


@pytest.mark.slow
def test_errors_of_tasks_are_not_tried_again(loky, recwarn):
    with pytest.raises(ValueError, match="of the task"):
        list(run_tasks(_fails, [1, 2], jobs=2))
    assert [w for w in recwarn if issubclass(w.category, WorkerWarning)] == []


@pytest.mark.runtimes
@pytest.mark.filterwarnings("ignore:os.fork")  # of JAX, where other tests have loaded it
def test_ray_gives_the_same_and_survives_a_kill(tmp_path):
    import ray
    from ray.util.joblib import register_ray

    expected = measured(Spectra(tmp_path / "here"), tmp_path / "1", [NOISE])
    register_ray()
    paths = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    ray.init(num_cpus=2, include_dashboard=False, runtime_env={"env_vars": {"PYTHONPATH": paths}})
    try:
        with (
            joblib.parallel_config(backend="ray"),
            pytest.warns(WorkerWarning, match="a worker was lost .*done again"),
        ):
            assert measured(Mortal(tmp_path / "there"), tmp_path / "2", [NOISE]) == expected
    finally:
        ray.shutdown()
    assert processes(tmp_path / "there") - {os.getpid()}

"""The monitor measures what tests would, and a training does not notice it."""

from __future__ import annotations

import copy
import json
import random
from functools import partial

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from small_network import Network  # noqa: E402

from pytest_nnrel import (  # noqa: E402
    Clipping,
    Corpus,
    FunctionTransform,
    LowPass,
    PinkNoise,
    as_encoder,
    within_consistency,
)
from pytest_nnrel.errors import (  # noqa: E402
    CorpusError,
    DistanceError,
    EncoderError,
    SettingError,
    TrainingError,
)
from pytest_nnrel.experiment import stores  # noqa: E402
from pytest_nnrel.runtime import settings  # noqa: E402
from pytest_nnrel.training import ConsistencyMonitor, EpochConsistency  # noqa: E402

GRID = [PinkNoise(0), PinkNoise(20), Clipping(30)]


def monitor_of(corpus, **options):
    return ConsistencyMonitor(corpus, GRID, **options)


def test_it_is_the_consistency_that_tests_measure(network, short):
    found = monitor_of(short).measure(network, epoch=0)
    values = [within_consistency(network, t, corpus=short).value for t in GRID]
    assert list(found.conditions.values()) == values
    assert found.mean == pytest.approx(np.mean(values))
    assert found.families == {
        "PinkNoise": pytest.approx(np.mean(values[:2])),
        "Clipping": values[2],
    }
    assert found.metrics() == {
        "nnrel/mean": found.mean,
        "nnrel/PinkNoise": found.families["PinkNoise"],
        "nnrel/Clipping": values[2],
    }
    assert 0 < found.mean < 1


@pytest.mark.parametrize("wrapped", [False, True])
def test_weights_that_changed_are_measured_anew(wrapped, network, short):
    encoder = as_encoder(network) if wrapped else network
    monitor = monitor_of(short)
    before = monitor.measure(encoder, epoch=0)
    with torch.no_grad():
        network.head.weight.zero_()
    after = monitor.measure(encoder, epoch=1)
    assert after.mean < before.mean  # all embeddings are the same now


def losses(network, short, monitor=None):
    """Train for three epochs, with all kinds of chance, and return each step's loss."""
    random.seed(1)
    np.random.seed(2)
    torch.manual_seed(3)
    waveforms = torch.from_numpy(short.windows())
    batches = torch.utils.data.DataLoader(waveforms, batch_size=3, shuffle=True)
    optimiser = torch.optim.Adam(network.parameters(), lr=0.01)
    network.train()
    found = []
    for epoch in range(3):
        for batch in batches:
            noisy = batch + random.random() * torch.rand_like(batch) * np.random.rand()
            optimiser.zero_grad()
            loss = (network(noisy) - network(batch)).square().sum()
            loss.backward()
            optimiser.step()
            found.append(loss.item())
        if monitor is not None:
            assert monitor.measure(network, epoch=epoch) is not None
    return found


def test_a_training_does_not_notice_it(short):
    with_it, without = Network(), Network()
    assert losses(with_it, short, monitor_of(short)) == losses(without, short)
    states = zip(with_it.state_dict().items(), without.state_dict().values())
    assert all(torch.equal(value, other) for (_, value), other in states)


def test_modes_and_gradients_are_left_as_they_were(network, short):
    network.train()
    network.dropout.eval()
    network(torch.from_numpy(short.windows())).sum().backward()
    gradients = [p.grad.clone() for p in network.parameters()]
    modes = [part.training for part in network.modules()]
    monitor_of(short).measure(network, epoch=0)
    assert [part.training for part in network.modules()] == modes
    assert all(torch.equal(p.grad, g) for p, g in zip(network.parameters(), gradients))


@pytest.mark.parametrize("given", ["module", "method", "partial"])
def test_a_module_stays_where_it_is(given, network, short, tmp_path):
    """The run's device is another, on which nothing has a value."""
    active = settings.Settings(cache_dir=tmp_path, jobs=1, device="meta")
    token = settings.activate(active)
    try:
        encoder = {
            "module": network,
            "method": network.forward,
            "partial": partial(network.forward),
        }[given]
        monitor_of(short, distance=lambda a, b: abs(a[:, None] - b).sum(2)).measure(
            encoder, epoch=0
        )
    finally:
        settings.deactivate(token)
        stores.close_stores(active)
    assert {parameter.device.type for parameter in network.parameters()} == {"cpu"}


def test_only_every_so_many_epochs_are_measured(network, short):
    monitor = monitor_of(short, every=3)
    found = [monitor.measure(network, epoch=epoch) for epoch in range(5)]
    assert [one is not None for one in found] == [True, False, False, True, False]
    assert [record.epoch for record in monitor.records] == [0, 3]
    assert monitor.latest is found[3]


def judged(means, **options):
    """Return the records of a monitor that measured these means."""
    monitor = options.pop("monitor")
    for epoch, mean in enumerate(means):
        values = dict.fromkeys((c.name for c in monitor._conditions), mean)
        monitor.records.append(monitor._judged(epoch, values, monitor.records))
    return monitor


@pytest.mark.parametrize(
    "options, means, best, stops",
    [
        ({}, [0.5, 0.6, 0.4, 0.4, 0.4], 1, []),
        ({"patience": 2}, [0.5, 0.6, 0.4, 0.6, 0.7, 0.7], 4, [3]),  # as much is no gain
        ({"patience": 1}, [0.5, 0.6, 0.7], 2, []),
        ({"patience": 2, "least_gain": 0.05}, [0.5, 0.54, 0.56, 0.58, 0.6], 4, [4]),
        ({"patience": 2, "least_gain": 0.05}, [0.5, 0.52, 0.54, 0.56], 3, [2]),
    ],
)
def test_the_best_epoch_and_when_to_stop(options, means, best, stops, short):
    monitor = judged(means, monitor=monitor_of(short, **options))
    assert monitor.best.epoch == best
    assert [r.epoch for r in monitor.records if r.stop] == stops
    firsts = [i for i, mean in enumerate(means) if mean > max(means[:i], default=-1)]
    assert [r.epoch for r in monitor.records if r.is_best] == firsts


def test_an_epoch_that_is_measured_again_takes_the_place_of_it_and_later_ones(network, short):
    monitor = judged([0.9, 0.8, 0.7], monitor=monitor_of(short))
    found = monitor.measure(network, epoch=1)
    assert [record.epoch for record in monitor.records] == [0, 1]
    assert monitor.records[1] is found


def test_an_epoch_that_is_not_measured_forgets_later_ones(network, short):
    """Of a training that went on from a checkpoint, and would be ended by what is to come."""
    monitor = judged([0.9, 0.8, 0.7, 0.6, 0.5, 0.4], monitor=monitor_of(short, every=5, patience=1))
    assert monitor.measure(network, epoch=3) is None
    assert [record.epoch for record in monitor.records] == [0, 1, 2]


def test_its_log_outlives_an_interruption(network, short, tmp_path):
    log = tmp_path / "runs" / "consistency.json"
    monitor = monitor_of(short, log=log, patience=1)
    first = monitor.measure(network, epoch=0)

    def interrupted(batch):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        monitor.measure(interrupted, epoch=1)
    resumed = monitor_of(short, log=log, patience=1)
    assert resumed.records == [first]
    assert isinstance(resumed.best, EpochConsistency)
    with torch.no_grad():
        network.head.weight.zero_()
    assert resumed.measure(network, epoch=1).stop  # the gain of the first is remembered
    assert [r["epoch"] for r in json.loads(log.read_text())["records"]] == [0, 1]


@pytest.mark.parametrize(
    "change, said",
    [
        ({"clips": 4}, "other corpus,"),
        ({"seed": 1}, "other seed,"),
        ({"distance": "cosine"}, "other distance,"),
        ({"grid": [LowPass(500)], "clips": 4}, "other corpus and conditions,"),
    ],
)
def test_a_log_of_something_else_is_refused(change, said, network, short, tmp_path):
    log = tmp_path / "log.json"
    log.write_text(json.dumps(monitor_of(short).state_dict()))
    with pytest.raises(TrainingError, match=rf"log.json: .* of {said}"):
        ConsistencyMonitor(short, **{"grid": GRID, "log": log, **change})


def test_whether_to_stop_follows_from_the_patience_of_who_goes_on(short):
    stopped = judged([0.5, 0.4, 0.3], monitor=monitor_of(short, patience=2))
    assert stopped.latest.stop
    assert not {"stop", "is_best"} & stopped.state_dict()["records"][-1].keys()
    for patience, stops in ((2, True), (3, False), (None, False), (1, True)):
        resumed = monitor_of(short, patience=patience)
        resumed.load_state_dict(stopped.state_dict())
        assert resumed.latest.stop is stops
        assert [record.mean for record in resumed.records] == pytest.approx([0.5, 0.4, 0.3])
        assert [record.is_best for record in resumed.records] == [True, False, False]


@pytest.mark.parametrize(
    "damaged",
    [
        {"records": 5},
        {"records": [{"epoch": 0}]},
        {"records": [{"epoch": 0, "conditions": {}}]},
        {"records": [{"epoch": "0", "conditions": dict.fromkeys(map(str, GRID), 0.5)}]},
        {"records": [{"epoch": 0, "conditions": dict.fromkeys(map(str, GRID), "much")}]},
    ],
)
def test_a_state_that_is_damaged_is_refused_whole(damaged, short):
    monitor = judged([0.5, 0.6], monitor=monitor_of(short))
    kept = list(monitor.records)
    with pytest.raises(TrainingError, match="what was measured before is damaged"):
        monitor.load_state_dict({**monitor.state_dict(), **damaged})
    assert monitor.records == kept


@pytest.mark.parametrize("content", ["{", "[]", "5", '{"records": []}'])
def test_a_log_that_is_none_is_refused(content, short, tmp_path):
    (tmp_path / "log.json").write_text(content)
    with pytest.raises(TrainingError, match=r"log\.json"):
        monitor_of(short, log=tmp_path / "log.json")


def test_without_a_corpus_the_runs_is_measured_on(network, short):
    active = settings.Settings(cache_dir=None, jobs=1, corpus=lambda: short)
    token = settings.activate(active)
    try:
        assert repr(ConsistencyMonitor()).startswith(f"ConsistencyMonitor({short!r}, 11 conditions")
    finally:
        settings.deactivate(token)
    assert ConsistencyMonitor()._corpus.fingerprint == Corpus.bundled().fingerprint


class Holder:
    """Keeps its module where no look at a function's names would find it."""

    def __init__(self, network):
        self.parts = {"network": network}

    def encode(self, batch):
        with torch.no_grad():
            return self.parts["network"](torch.from_numpy(batch)).numpy()

    def evaluating(self, batch):
        self.parts["network"].eval()
        return self.encode(batch)


def called(network):
    return lambda batch: network(torch.from_numpy(batch)).detach().numpy()


@pytest.mark.parametrize("held", [called, Holder, lambda n: partial(Holder.encode, Holder(n))])
def test_what_runs_a_module_in_training_is_refused(held, network, short):
    monitor, before = monitor_of(short), copy.deepcopy(network.state_dict())
    with pytest.raises(TrainingError, match=r"function or an object that runs .*, a module in"):
        monitor.measure(held(network), epoch=0)
    assert all(torch.equal(before[name], now) for name, now in network.state_dict().items())
    assert monitor.records == []
    network.eval()
    found = monitor.measure(held(network), epoch=0)
    assert found.conditions == monitor.measure(network.forward, epoch=0).conditions


def test_what_evaluates_a_module_or_leaves_it_alone_is_measured(network, short):
    monitor, other = monitor_of(short), torch.nn.Dropout(0.5)
    expected = monitor.measure(network, epoch=0).conditions
    network.train()
    assert monitor.measure(Holder(network).evaluating, epoch=0).conditions == expected

    def encode(batch):
        return other.p and called(network)(batch)  # is named, and not run

    assert monitor.measure(encode, epoch=0).conditions == expected


def test_numbers_of_numpys_are_numbers(network, short):
    monitor = monitor_of(short, every=np.int64(2), patience=np.int64(1))
    assert monitor.measure(network, epoch=np.int64(2)).epoch == 2
    assert json.loads(json.dumps(monitor.state_dict()))["records"][0]["epoch"] == 2


def test_embeddings_that_are_not_finite_are_told(network, short):
    with torch.no_grad():
        network.head.weight.fill_(torch.nan)
    with pytest.raises(EncoderError, match="NaN"):
        monitor_of(short).measure(network, epoch=0)


@pytest.mark.parametrize(
    "options, error, said",
    [
        ({"every": 0}, SettingError, "every takes a whole number from 1 on, not 0"),
        ({"patience": 0.5}, SettingError, "patience takes a whole number from 1 on, not 0.5"),
        ({"least_gain": -1}, SettingError, "least_gain takes a number from 0 to 1, not -1"),
        ({"least_gain": "much"}, SettingError, "least_gain takes a number from 0 to 1, not 'much'"),
        ({"name": ""}, SettingError, "name takes a text that is not empty"),
        ({"least_gain": float("nan")}, SettingError, "least_gain takes .* not nan"),
        ({"grid": []}, SettingError, "must hold a transformation"),
        ({"grid": "loud"}, SettingError, "the grid must be one of"),
        (
            {"grid": [FunctionTransform("mine", np.multiply), FunctionTransform("mine", np.add)]},
            SettingError,
            "several transformations called mine",
        ),
        ({"distance": "foo"}, DistanceError, "no latent distance is called 'foo'"),
        ({"distance": "dtw"}, DistanceError, "no latent distance is called 'dtw'"),
        ({"clips": 7}, CorpusError, "7"),
        ({"log": 5}, SettingError, "log takes a path, not 5"),
        ({"corpus": "folder"}, SettingError, "corpus must be a Corpus, not str"),
    ],
)
def test_options_that_are_none(options, error, said, short):
    with pytest.raises(error, match=said):
        ConsistencyMonitor(**{"corpus": short, "grid": GRID, **options})


@pytest.mark.parametrize("epoch", [-1, 1.0, True, None])
def test_epochs_that_are_none(epoch, network, short):
    with pytest.raises(SettingError, match="epoch takes a whole number from 0 on"):
        monitor_of(short).measure(network, epoch=epoch)

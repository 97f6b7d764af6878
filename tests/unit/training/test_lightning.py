"""The monitor in a training by Lightning: what it logs is there for other callbacks."""

from __future__ import annotations

import sys

import pytest

torch = pytest.importorskip("torch")

from pytest_nnrel import Clipping, PinkNoise  # noqa: E402
from pytest_nnrel.training import ConsistencyMonitor  # noqa: E402

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore"),  # Lightning's advice, and what it uses that is deprecated
]


@pytest.fixture(scope="module")
def lightning():
    return pytest.importorskip("lightning.pytorch")


@pytest.fixture
def trained(lightning, network, short, tmp_path):
    """Return what trains a module of which the encoder is a part, with callbacks."""

    class Task(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.encoder = network

        def training_step(self, batch, _):
            loss = self.encoder(batch).square().mean()
            self.log("loss", loss)
            return loss

        def forward(self, batch):
            return self.encoder(batch)

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=1e-3)

    def train(*callbacks, epochs=3, **options):
        task = Task()
        trainer = lightning.Trainer(
            max_epochs=epochs,
            accelerator="cpu",
            callbacks=[*callbacks],
            logger=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            default_root_dir=tmp_path,
            **options,
        )
        batches = torch.utils.data.DataLoader(torch.from_numpy(short.windows()), batch_size=3)
        trainer.fit(task, batches, ckpt_path=None)
        return trainer, task

    return train


@pytest.fixture
def monitor(short):
    return ConsistencyMonitor(short, [PinkNoise(0), Clipping(30)])


def test_metrics_are_there_for_early_stopping_and_checkpoints(
    trained, lightning, monitor, tmp_path
):
    best = lightning.callbacks.ModelCheckpoint(
        dirpath=tmp_path, monitor="nnrel/mean", mode="max", filename="best", save_top_k=1
    )
    seen = []

    class After(lightning.Callback):
        def on_train_epoch_end(self, trainer, pl_module):
            seen.append(float(trainer.callback_metrics["nnrel/mean"]))

    stopping = lightning.callbacks.EarlyStopping("nnrel/mean", mode="max", patience=9)
    trainer, task = trained(monitor.callback("encoder"), After(), stopping, best)
    assert seen == pytest.approx([record.mean for record in monitor.records])
    assert len(seen) == 3
    assert trainer.callback_metrics.keys() >= {"nnrel/mean", "nnrel/PinkNoise", "nnrel/Clipping"}
    assert float(best.best_model_score) == pytest.approx(monitor.best.mean)
    assert task.training
    kept = torch.load(best.best_model_path, weights_only=False)["callbacks"]
    (state,) = (value for name, value in kept.items() if name == "ConsistencyMonitor")
    resumed = ConsistencyMonitor(monitor._corpus, [PinkNoise(0), Clipping(30)])
    resumed.callback().load_state_dict(state)
    assert resumed.best == monitor.best


@pytest.mark.parametrize("encoder", [None, "encoder", lambda task: task.encoder])
def test_the_encoder_is_the_module_or_a_part_of_it(encoder, trained, monitor):
    _, task = trained(monitor.callback(encoder), epochs=1)
    found = monitor.latest
    assert found == monitor.measure(task.encoder, epoch=0)


def test_its_patience_ends_the_training(trained, short):
    monitor = ConsistencyMonitor(short, [PinkNoise(0)], patience=1, least_gain=0.99)
    trainer, _ = trained(monitor.callback("encoder"), epochs=9)
    assert [record.epoch for record in monitor.records] == [0, 1]
    assert trainer.current_epoch == 2


def test_epochs_between_log_what_was_measured_last(trained, lightning, short):
    monitor = ConsistencyMonitor(short, [PinkNoise(0)], every=2)
    stopping = lightning.callbacks.EarlyStopping("nnrel/mean", mode="max", patience=9)
    trainer, _ = trained(monitor.callback("encoder"), stopping, epochs=2)
    assert [record.epoch for record in monitor.records] == [0]
    assert float(trainer.callback_metrics["nnrel/mean"]) == pytest.approx(monitor.latest.mean)


def test_several_monitors_of_one_training_have_names(trained, lightning, short, tmp_path):
    kept = lightning.callbacks.ModelCheckpoint(dirpath=tmp_path, filename="last")
    noise = ConsistencyMonitor(short, [PinkNoise(0)], name="noise")
    clipping = ConsistencyMonitor(short, [Clipping(30)], name="clipping")
    both = [monitor.callback("encoder") for monitor in (noise, clipping)]
    trainer, _ = trained(*both, kept, epochs=1)
    for monitor in (noise, clipping):
        logged = float(trainer.callback_metrics[f"nnrel/{monitor.name}/mean"])
        assert logged == pytest.approx(monitor.latest.mean)
    states = torch.load(kept.best_model_path, weights_only=False)["callbacks"]
    assert states["ConsistencyMonitor noise"] == noise.state_dict()
    assert states["ConsistencyMonitor clipping"] == clipping.state_dict()


def test_without_lightning_it_says_so(monitor, monkeypatch):
    for name in ("lightning", "lightning.pytorch", "pytorch_lightning"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match="pip install lightning, or call"):
        monitor.callback()

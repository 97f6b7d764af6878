"""The check training_mode."""

from functools import partial

import defective_encoders as zoo
import pytest
import torch
from torch import nn

from pytest_nnrel import check_encoder

CAUGHT = {
    "dropout left on": lambda: zoo.in_training_mode(nn.InstanceNorm2d),
    "batch normalisation left on": lambda: zoo.in_training_mode(dropout=0.0),
    "stays in training": lambda: zoo.StaysInTraining(0),
}
PASSED = {
    "put in evaluation mode by the adapter": lambda: zoo.LogMelCNN(0).train(),
}


def test_training_flags_are_restored(short):
    model = zoo.StaysInTraining(0)
    model.layers[1].eval()
    flags = {name: part.training for name, part in model.named_modules()}
    report = check_encoder(model, corpus=short, checks="training_mode")
    (finding,) = report.findings
    assert "5 modules run in training mode: BatchNorm2d, Dropout" in finding.seen
    assert finding.size > 0.0
    assert {name: part.training for name, part in model.named_modules()} == flags
    hooks = torch.nn.modules.module._global_forward_pre_hooks
    assert not hooks


@pytest.mark.parametrize("mode", ["eval", "unused", "p=0", "no running statistics"])
def test_modules_whose_mode_does_not_matter_are_no_finding(mode, short):
    norm = torch.nn.BatchNorm2d
    if mode == "no running statistics":
        norm = partial(norm, track_running_stats=False)
    model = zoo.LogMelCNN(0, norm)
    in_training = {
        "eval": (),
        "unused": (torch.nn.Module,),
        "p=0": (torch.nn.Dropout,),
        "no running statistics": (torch.nn.BatchNorm2d,),
    }[mode]
    for part in model.modules():
        part.training = isinstance(part, in_training)
        if isinstance(part, torch.nn.Dropout):
            part.p = 0.0 if mode == "p=0" else 0.2

    def encode(batch):
        with torch.no_grad():
            return zoo.log_bands(batch) if mode == "unused" else model(torch.from_numpy(batch))

    report = check_encoder(encode, corpus=short, checks="training_mode")
    assert report.passed == ("training_mode",)


def test_what_drops_out_of_few_clips_is_a_finding(short):
    model = zoo.LogMelCNN(0).eval()

    class DropsOneClip(torch.nn.Module):
        """Loses the loudest clip in training mode, and no other."""

        def forward(self, batch):
            kept = torch.ones(len(batch), 1)
            if self.training:
                kept[batch.square().sum(dim=1).argmax()] = 0.0
            return model(batch) * kept

    module = DropsOneClip().train()

    def encode(batch):
        with torch.no_grad():
            return module(torch.from_numpy(batch))

    (finding,) = check_encoder(encode, corpus=short, checks="training_mode").findings
    assert "DropsOneClip; evaluated, clips are elsewhere" in finding.seen


@pytest.mark.parametrize("kind", ["attention", "recurrent"])
def test_dropout_inside_other_modules_is_a_finding(kind, short):
    torch.manual_seed(1)
    layers = {
        "attention": torch.nn.MultiheadAttention(16, 2, dropout=0.3, batch_first=True),
        "recurrent": torch.nn.GRU(16, 16, num_layers=2, dropout=0.3, batch_first=True),
    }
    layer = layers[kind].train()

    def encode(batch):
        frames = torch.from_numpy(zoo.log_frames(batch)).float()
        inputs = (frames, frames, frames) if kind == "attention" else (frames,)
        with torch.no_grad():
            return layer(*inputs)[0].mean(dim=1)

    (finding,) = check_encoder(encode, corpus=short, checks="training_mode").findings
    assert type(layer).__name__ in finding.seen


@pytest.mark.parametrize("tracked", [True, False])
def test_normalisation_of_instances_depends_on_the_mode_where_it_keeps_statistics(tracked, short):
    layer = torch.nn.InstanceNorm1d(16, track_running_stats=tracked).train()
    report = check_encoder(
        lambda batch: layer(torch.from_numpy(zoo.log_frames(batch)).float().mT).std(dim=2).detach(),
        corpus=short,
        checks="training_mode",
    )
    assert bool(report.findings) == tracked

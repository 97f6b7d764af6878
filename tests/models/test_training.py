"""Training runs on a small corpus: what they learn, keep, go on with, and refuse."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from patience import PATIENCE

from pytest_nnrel import Corpus, Identity, within_consistency
from reference_models import checkpoint, evaluation
from reference_models.__main__ import main
from reference_models.clips import Clips, Crops
from reference_models.datasets import opencorpus
from reference_models.datasets.examples import Example
from reference_models.errors import TrainingError
from reference_models.features import WINDOW_SAMPLES
from reference_models.recipe import Recipe
from reference_models.training import train

SMALL = {"channels": 4, "max_channels": 16}
#: Six clips in two batches: an epoch takes a moment.
RECIPE = Recipe("ir", epochs=2, epoch_clips=6, batch_size=3, arguments=SMALL)


def run(recipe, root, out):
    return train(recipe, root, out, accelerator="cpu", workers=0)


def tensors(path):
    network, _ = checkpoint.load_network(path)
    return network.state_dict()


@pytest.fixture(scope="module")
def trained(small_corpus, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs")
    return run(RECIPE, small_corpus, out)


class Ramp:
    """Two clips of 3 s whose samples count up, so that a crop tells where it was cut."""

    ids = ("first", "second")

    def __init__(self, seconds=3, *, stem=False):
        self._audio = np.arange(seconds * 22_050, dtype=np.float32)
        self._stem = stem

    def __len__(self):
        return 2

    def __getitem__(self, index):
        target = -self._audio if self._stem else np.array(index)
        return Example(self._audio + index, target)


# -- crops


def test_without_starts_the_centre_is_cut():
    audio, target = Crops(Ramp(), [1])[0]
    assert audio.shape == (WINDOW_SAMPLES,)
    assert (audio[0], target) == (11_026, 1)


def test_a_stem_is_cut_where_its_mixture_is():
    audio, stem = Crops(Ramp(stem=True), [0], lambda _index, choices: choices - 1)[0]
    assert audio[-1] == 3 * 22_050 - 1
    np.testing.assert_array_equal(stem, -audio)


def test_a_clip_too_short_for_a_window_is_named():
    with pytest.raises(TrainingError, match="clip 'second' is shorter than 44100 samples"):
        Crops(Ramp(seconds=1), [1])[0]


def test_crops_depend_on_recipe_epoch_and_clip_alone(small_corpus):
    def cut(recipe, epoch):
        return np.stack([audio for audio, _ in Clips(recipe, small_corpus, 0).epoch(epoch)])

    first = cut(RECIPE, 0)
    np.testing.assert_array_equal(first, cut(RECIPE, 0))
    assert not np.array_equal(first, cut(RECIPE, 1))
    assert not np.array_equal(first, cut(replace(RECIPE, trial=2), 0))


def test_a_trial_is_given_a_fraction_of_the_clips_of_its_own(small_corpus):
    every = Clips(replace(RECIPE, fraction=1.0), small_corpus, 0)
    halves = [
        Clips(replace(RECIPE, fraction=0.5, trial=trial), small_corpus, 0) for trial in (1, 2)
    ]
    assert list(every.of_trial) == list(range(len(every.train)))
    assert {len(half.of_trial) for half in halves} == {-(-len(every.train) // 2)}
    assert list(halves[0].of_trial) != list(halves[1].of_trial)


def test_an_epoch_draws_no_clip_twice(small_corpus):
    clips = Clips(replace(RECIPE, epoch_clips=None), small_corpus, 0)
    drawn = clips.epoch(0)
    assert sorted(drawn._indices) == sorted(clips.of_trial)


# -- runs


def test_a_run_leaves_a_checkpoint_that_tells_what_it_is(trained, small_corpus):
    network, card = checkpoint.load_network(trained, task="ir")
    assert card["name"] == "ir-vgg-1"
    assert card["recipe"]["epochs"] == 2
    assert card["data"]["train"]["fingerprint"] == (
        opencorpus.load(small_corpus, "ir", "train").fingerprint
    )
    assert [point["epoch"] for point in card["curves"]] == [0, 1]
    test = opencorpus.load(small_corpus, "ir", "test")
    assert card["scores"]["test"] == pytest.approx(evaluation.scores_on(network, "ir", test))
    assert "test-font" in card["scores"]


def test_the_best_epoch_is_kept_not_the_last(trained):
    _, card = checkpoint.load_network(trained)
    state = torch.load(trained.parent / "best.ckpt", weights_only=True)
    best = min(card["curves"], key=lambda point: point["validation_loss"])
    assert state["epoch"] == best["epoch"]
    for name, tensor in tensors(trained).items():
        torch.testing.assert_close(tensor, state["state_dict"][f"network.{name}"])


def test_curves_are_logged(trained):
    with (trained.parent / "metrics.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["validation_loss"]]
    _, card = checkpoint.load_network(trained)
    logged = [float(row["validation_loss"]) for row in rows]
    assert logged == pytest.approx([point["validation_loss"] for point in card["curves"]])
    assert list((trained.parent / "tensorboard").glob("events.*"))


def test_the_encoder_of_a_run_is_one_for_the_plugin(trained):
    corpus = Corpus.bundled().subset(4)
    measured = within_consistency(checkpoint.load(trained), Identity(), corpus=corpus)
    assert (measured.value, measured.n) == (1.0, 4)


def test_the_same_recipe_gives_the_same_weights(trained, small_corpus, tmp_path):
    again = run(RECIPE, small_corpus, tmp_path)
    for name, tensor in tensors(again).items():
        torch.testing.assert_close(tensor, tensors(trained)[name], rtol=0, atol=0)


def test_a_finished_run_is_not_run_again(trained, small_corpus):
    before = trained.stat().st_mtime_ns
    assert run(RECIPE, small_corpus, trained.parent.parent) == trained
    assert trained.stat().st_mtime_ns == before


@pytest.mark.exhaustive
def test_a_killed_run_goes_on_and_ends_as_if_it_had_not_been(trained, small_corpus, tmp_path):
    code = (
        "import sys; from pathlib import Path; from dataclasses import replace;"
        "from reference_models.recipe import Recipe; from reference_models.training import train;"
        f"r=Recipe('ir', epochs=2, epoch_clips=6, batch_size=3, arguments={SMALL!r});"
        f"train(r, Path({str(small_corpus)!r}), Path({str(tmp_path)!r}),"
        "accelerator='cpu', workers=0)"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)
    send_after_an_epoch(signal.SIGKILL, process, tmp_path / RECIPE.name)
    process.wait()
    resumed = run(RECIPE, small_corpus, tmp_path)
    for name, tensor in tensors(resumed).items():
        torch.testing.assert_close(tensor, tensors(trained)[name], rtol=0, atol=0)
    _, card = checkpoint.load_network(resumed)
    assert [point["epoch"] for point in card["curves"]] == [0, 1]


def send_after_an_epoch(number, process, folder):
    """Send a signal to a training as soon as its first epoch is on disk."""
    until = time.monotonic() + PATIENCE
    while not (folder / "last.ckpt").exists() and process.poll() is None:
        assert time.monotonic() < until
        time.sleep(0.01)
    process.send_signal(number)


@pytest.mark.exhaustive
def test_ctrl_c_ends_a_run_that_the_same_command_goes_on_with(small_corpus, tmp_path, capsys):
    arguments = (
        f"train at --encoder mfcc --data {small_corpus} --out {tmp_path} --epochs 20 --batch-size 4"
        " --epoch-clips 4 --workers 0 --accelerator cpu"
    ).split()
    code = (
        "import signal, sys; from reference_models.__main__ import main;"
        # Whoever runs the tests may ignore it, and processes inherit that.
        "signal.signal(signal.SIGINT, signal.default_int_handler);"
        "status = main(sys.argv[1:]);"
        "print('handler kept:', signal.getsignal(signal.SIGINT) is signal.default_int_handler);"
        "sys.exit(status)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    folder = tmp_path / "at-mfcc-1"
    send_after_an_epoch(signal.SIGINT, process, folder)
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130, err
    assert err.strip().endswith("interrupted; the same command goes on from here")
    assert "handler kept: True" in out
    assert not list(folder.glob("checkpoint.*"))
    done = len(torch.load(folder / "last.ckpt", weights_only=True)["curves"])
    assert 1 <= done < 20
    assert main(arguments) == 0
    _, card = checkpoint.load_network(folder / "checkpoint.safetensors")
    assert [point["epoch"] for point in card["curves"]] == list(range(20))


# -- what is refused


def test_another_recipe_in_the_same_folder_is_refused(trained, small_corpus):
    with pytest.raises(TrainingError, match=r"ir-vgg-1 holds a run with epochs 2, not 3; give"):
        run(replace(RECIPE, epochs=3), small_corpus, trained.parent.parent)


def test_too_few_clips_for_a_batch_are_refused(small_corpus, tmp_path):
    with pytest.raises(TrainingError, match=r"clips to train on do not fill a batch of 1000"):
        run(replace(RECIPE, batch_size=1000), small_corpus, tmp_path)


def test_on_a_plateau_the_rate_is_cut_and_training_ends(small_corpus, tmp_path):
    # What learns nothing, the head of MFCCs at such a rate, is on one from its first epoch.
    still = replace(
        RECIPE, encoder="mfcc", epochs=20, schedule="plateau", patience=8, learning_rate=1e-30
    )
    _, card = checkpoint.load_network(run(still, small_corpus, tmp_path))
    rates = [epoch["learning_rate"] / 1e-30 for epoch in card["curves"]]
    assert rates == pytest.approx([1, 1, 1, 0.3, 0.3, 0.09, 0.09, 0.027, 0.027])


@pytest.mark.parametrize(
    "change, message",
    [
        ({"schedule": "linear"}, "the schedule is constant or cosine or plateau, not 'linear'"),
        ({"fraction": 0.0}, "a fraction above 0 and up to 1"),
        ({"fraction": 1.5}, "a fraction above 0 and up to 1"),
        ({"epochs": 0}, "epochs must be 1 or more, not 0"),
        ({"trial": 0}, "trial must be 1 or more, not 0"),
    ],
)
def test_a_recipe_that_makes_no_sense_is_refused(change, message):
    with pytest.raises(TrainingError, match=message):
        replace(RECIPE, **change)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_gpu_that_is_not_there_is_told(small_corpus, tmp_path):
    with pytest.raises(TrainingError, match=r"accelerator 'gpu'.*No supported gpu backend"):
        train(RECIPE, small_corpus, tmp_path, accelerator="gpu", workers=0)


def test_a_loss_that_is_not_finite_ends_the_run_without_a_checkpoint(small_corpus, tmp_path):
    with pytest.raises(TrainingError, match=r"ir-vgg-1: \w+ of epoch 0 is not finite; lower"):
        run(replace(RECIPE, learning_rate=1e30), small_corpus, tmp_path)
    assert not list(tmp_path.rglob("checkpoint.*"))


def test_the_command_line_trains_and_says_where(small_corpus, tmp_path, capsys):
    arguments = (
        f"train at --encoder mfcc --data {small_corpus} --out {tmp_path} --epochs 1 --batch-size 4"
        " --epoch-clips 4 --trials 2 --workers 0 --accelerator cpu"
    )
    assert main(arguments.split()) == 0
    paths = [tmp_path / f"at-mfcc-{trial}" / "checkpoint.safetensors" for trial in (1, 2)]
    printed = capsys.readouterr().out.splitlines()
    assert [line for line in printed if line.endswith(".safetensors")] == list(map(str, paths))
    assert json.loads(paths[1].with_suffix(".json").read_text())["recipe"]["trial"] == 2


def test_the_command_line_says_what_is_wrong(tmp_path, capsys):
    assert main(["train", "ir", "--data", str(tmp_path), "--out", str(tmp_path / "runs")]) == 2
    assert "holds no open corpus" in capsys.readouterr().err

"""Training runs on a small corpus: what they learn, keep, go on with, and refuse."""

from __future__ import annotations

import csv
import json
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from patience import PATIENCE

from pytest_nnrel import Corpus, Identity, within_consistency
from reference_models import checkpoint, evaluation, runs, training
from reference_models.__main__ import main
from reference_models.clips import Clips, Crops
from reference_models.datasets import opencorpus
from reference_models.datasets.examples import Example
from reference_models.errors import CheckpointError, DatasetError, TrainingError
from reference_models.features import WINDOW_SAMPLES
from reference_models.recipe import Recipe
from reference_models.task import build
from reference_models.training import train

SMALL = {"channels": 4, "max_channels": 16}
#: Six clips in two batches: an epoch takes a moment.
RECIPE = Recipe("ir", epochs=2, epoch_clips=6, batch_size=3, arguments=SMALL)


#: What learns nothing, the head of MFCCs at such a rate: no epoch is better than the first.
STILL = replace(RECIPE, encoder="mfcc", learning_rate=1e-30)


def run(recipe, root, out, **options):
    return train(recipe, root, out, accelerator="cpu", **{"workers": 0, **options})


@contextmanager
def interrupted(where, name, when=lambda *_: True):
    """Interrupt what runs within as soon as a function is called in such a way."""
    called = getattr(where, name)

    def interrupt(*arguments):
        if when(*arguments):
            raise KeyboardInterrupt
        return called(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(where, name, interrupt)
        with pytest.raises(KeyboardInterrupt):
            yield


def stopped_in(epoch):
    """Interrupt a training in the first batch of an epoch."""
    return interrupted(
        training.TaskTraining, "on_train_batch_start", lambda it, *_: it.current_epoch == epoch
    )


def curves_of(path):
    return checkpoint.load_network(path)[1]["curves"]


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


def test_a_run_goes_on_after_its_last_epoch_not_its_best(small_corpus, tmp_path):
    still = replace(STILL, epochs=4)
    with stopped_in(3):
        run(still, small_corpus, tmp_path)
    folder = tmp_path / still.name
    kept = [torch.load(folder / n, weights_only=True)["epoch"] for n in ("best.ckpt", "last.ckpt")]
    assert kept == [0, 2]
    resumed = run(still, small_corpus, tmp_path)
    assert [epoch["epoch"] for epoch in curves_of(resumed)] == [0, 1, 2, 3]
    with (folder / "metrics.csv").open() as file:
        assert [int(row["epoch"]) for row in csv.DictReader(file)] == [0, 1, 2, 3]


@pytest.mark.parametrize("schedule", ["constant", "cosine", "plateau"])
def test_a_run_that_was_stopped_has_the_rates_and_weights_of_one_that_was_not(
    small_corpus, tmp_path, schedule
):
    # At this rate the loss soon grows, and each epoch without a better one cuts it.
    recipe = replace(
        RECIPE, encoder="mfcc", epochs=4, schedule=schedule, patience=4, learning_rate=0.3
    )
    whole = run(recipe, small_corpus, tmp_path / "whole")
    for epoch in (1, 2, 3):
        with stopped_in(epoch):
            run(recipe, small_corpus, tmp_path / "stopped")
    resumed = run(recipe, small_corpus, tmp_path / "stopped")
    assert curves_of(resumed) == curves_of(whole)
    rates = {epoch["learning_rate"] for epoch in curves_of(whole)}
    assert (len(rates) > 1) == (schedule != "constant")
    for name in ("best.ckpt", "last.ckpt"):
        states = [torch.load(p.parent / name, weights_only=True) for p in (whole, resumed)]
        for key, tensor in states[0]["state_dict"].items():
            torch.testing.assert_close(states[1]["state_dict"][key], tensor, rtol=0, atol=0)


@pytest.mark.parametrize("recipe", [
    pytest.param(replace(STILL, epochs=9, patience=1), id="patience"),
    pytest.param(STILL, id="epochs"),
])  # fmt: skip
def test_a_run_whose_scores_alone_are_missing_trains_no_more(small_corpus, tmp_path, recipe):
    with interrupted(training, "_finish"):
        run(recipe, small_corpus, tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        patch.delattr(training, "_fit")
        resumed = run(recipe, small_corpus, tmp_path)
    assert [epoch["epoch"] for epoch in curves_of(resumed)] == [0, 1]


def test_a_run_that_was_moved_keeps_its_best_epoch(small_corpus, tmp_path):
    with stopped_in(1):
        run(STILL, small_corpus, tmp_path / "here")
    (tmp_path / "here").rename(tmp_path / "there")
    resumed = run(STILL, small_corpus, tmp_path / "there")
    losses = [epoch["validation_loss"] for epoch in curves_of(resumed)]
    assert losses[0] <= losses[1]
    assert torch.load(resumed.parent / "best.ckpt", weights_only=True)["epoch"] == 0


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


def with_other_clips(root, folder):
    """Return a corpus whose clips to train on are those of another's validation."""
    shutil.copytree(root, folder)
    manifest = folder / opencorpus.MANIFEST
    plain = json.loads(manifest.read_text(encoding="utf-8"))
    swapped = {"train": "validation", "validation": "train"}
    for clip in plain["clips"]:
        clip["part"] = swapped.get(clip["part"], clip["part"])
    manifest.write_text(json.dumps(plain), encoding="utf-8")
    return folder


@pytest.mark.parametrize("finished", [True, False])
def test_other_data_in_the_same_folder_are_refused(small_corpus, tmp_path, finished):
    recipe, out = replace(STILL, batch_size=2), tmp_path / "runs"
    if finished:
        run(recipe, small_corpus, out)
    else:
        with stopped_in(1):
            run(recipe, small_corpus, out)
    other = with_other_clips(small_corpus, tmp_path / "other")
    told = opencorpus.load(other, "ir", "train").fingerprint
    with pytest.raises(TrainingError, match=f"holds a run with train data .*, not {told}, valid"):
        run(recipe, other, out)


def test_devices_that_share_an_epoch_drop_out_other_units_and_log_one_loss(small_corpus):
    module = training.TaskTraining(build("ir", **SMALL), RECIPE)

    def drawn(rank, world, batch):
        devices = SimpleNamespace(world_size=world, global_rank=rank, current_epoch=1)
        module.trainer = devices
        module.on_train_batch_start((), batch)
        return float(torch.rand(()))

    of_two = [drawn(rank, 2, batch) for batch in range(3) for rank in range(2)]
    assert of_two == [drawn(0, 1, batch) for batch in range(6)]
    assert len(set(of_two)) == 6
    logged = {}
    module.log = lambda name, _, **options: logged.update({name: options})
    crops = Crops(opencorpus.load(small_corpus, "ir", "train"), range(2))
    batch = [torch.from_numpy(np.stack(part)) for part in zip(*(crops[i] for i in range(2)))]
    module.training_step(batch, 0)
    module.validation_step(batch, 0)
    assert {name: of["sync_dist"] for name, of in logged.items()} == {
        "train_loss": True,
        "validation_loss": True,
    }


@pytest.mark.parametrize("content", ["", "{", "[]"])
def test_a_recipe_that_cannot_be_read_is_told(content, tmp_path):
    folder = tmp_path / STILL.name
    runs.claim(folder, STILL, {})
    (folder / "recipe.json").write_text(content)
    with pytest.raises(TrainingError, match=r"recipe\.json is no recipe of a run: .*another --out"):
        runs.claim(folder, STILL, {})


def test_a_run_that_tells_no_data_as_older_ones_goes_on(small_corpus, tmp_path):
    with stopped_in(1):
        run(STILL, small_corpus, tmp_path)
    told = tmp_path / STILL.name / "recipe.json"
    plain = json.loads(told.read_text(encoding="utf-8"))
    told.write_text(json.dumps({k: v for k, v in plain.items() if k != "data"}), encoding="utf-8")
    assert len(curves_of(run(STILL, small_corpus, tmp_path))) == 2


def test_a_state_that_cannot_be_read_is_named_and_without_it_training_begins_anew(
    small_corpus, tmp_path
):
    with interrupted(training, "_finish"):
        run(STILL, small_corpus, tmp_path)
    best, last = (tmp_path / STILL.name / name for name in ("best.ckpt", "last.ckpt"))
    for path in (best, last):
        whole = path.read_bytes()
        for damaged in (whole[:5000], b""):
            path.write_bytes(damaged)
            with pytest.raises(TrainingError, match=f"{path} cannot be read .*; delete {last}, an"):
                run(STILL, small_corpus, tmp_path)
    last.unlink()
    assert len(curves_of(run(STILL, small_corpus, tmp_path))) == 2


@pytest.mark.parametrize("workers", [0, 1])
def test_what_is_wrong_with_a_clip_is_told_in_its_own_sentence_by_workers_too(
    small_corpus, tmp_path, workers
):
    root = tmp_path / "open"
    shutil.copytree(small_corpus, root)
    for entry in opencorpus.load(root, "ir", "train")._entries:
        (root / entry.audio.path).write_bytes(b"none")
    with pytest.raises(DatasetError) as told:
        run(STILL, root, tmp_path / "runs", workers=workers)
    assert "\n" not in str(told.value)
    assert str(root) in str(told.value)


@pytest.mark.parametrize("options, message", [
    ({"workers": -1}, "workers must be 0 or more, not -1"),
    ({"max_time": timedelta(0)}, "more than no time, not 0:00:00; raise --max-minutes"),
    ({"max_time": timedelta(minutes=-1)}, "more than no time"),
])  # fmt: skip
def test_options_that_make_no_sense_are_refused_before_there_is_a_folder(
    small_corpus, tmp_path, options, message
):
    with pytest.raises(TrainingError, match=message):
        run(RECIPE, small_corpus, tmp_path, **options)
    assert not list(tmp_path.iterdir())


def test_an_epoch_that_does_not_fill_a_batch_is_refused(small_corpus, tmp_path):
    with pytest.raises(TrainingError, match="2 clips in an epoch do not fill a batch of 3; raise"):
        run(replace(RECIPE, epoch_clips=2), small_corpus, tmp_path)


@pytest.mark.parametrize("options, message", [
    ("--trials 0", "--trials must be 1 or more, not 0"),
    ("--max-minutes nan", "--max-minutes must be above 0 and finite, not nan"),
    ("--max-minutes inf", "--max-minutes must be above 0 and finite, not inf"),
    ("--max-minutes -1", "training takes more than no time"),
])  # fmt: skip
def test_the_command_line_refuses_numbers_that_make_no_sense(
    small_corpus, tmp_path, capsys, options, message
):
    command = f"train ir --data {small_corpus} --out {tmp_path} {options}"
    assert main(command.split()) == 2
    assert message in capsys.readouterr().err


def test_too_few_clips_for_a_batch_are_refused(small_corpus, tmp_path):
    with pytest.raises(TrainingError, match=r"clips to train on do not fill a batch of 1000"):
        run(replace(RECIPE, batch_size=1000), small_corpus, tmp_path)


def test_on_a_plateau_the_rate_is_cut_and_training_ends(small_corpus, tmp_path):
    still = replace(STILL, epochs=20, schedule="plateau", patience=8)  # from its first epoch on
    _, card = checkpoint.load_network(run(still, small_corpus, tmp_path))
    rates = [epoch["learning_rate"] / 1e-30 for epoch in card["curves"]]
    assert rates == pytest.approx([1, 1, 1, 0.3, 0.3, 0.09, 0.09, 0.027, 0.027])


def test_a_small_gain_is_no_plateau(small_corpus, tmp_path, monkeypatch):
    def gains(self, batch, _):
        loss = 1.0 - 5e-5 * self.current_epoch
        self.log("validation_loss", loss, batch_size=len(batch[0]))

    monkeypatch.setattr(training.TaskTraining, "validation_step", gains)
    gaining = replace(STILL, epochs=12, schedule="plateau", patience=8)
    _, card = checkpoint.load_network(run(gaining, small_corpus, tmp_path))
    assert len(card["curves"]) == 12
    assert len({epoch["learning_rate"] for epoch in card["curves"]}) == 1


def test_the_epoch_in_which_time_is_up_is_whole(small_corpus, tmp_path):
    in_time = run(replace(RECIPE, epochs=1), small_corpus, tmp_path / "in time")
    short = timedelta(microseconds=1)
    late = run(replace(RECIPE, epochs=3), small_corpus, tmp_path / "late", max_time=short)
    curves = [checkpoint.load_network(path)[1]["curves"] for path in (in_time, late)]
    assert curves[0] == curves[1]


@pytest.mark.parametrize("wrong", [{"precision": "nonsense"}, {"arguments": {"decoder": "x"}}])
def test_what_is_refused_leaves_no_folder_in_the_way(small_corpus, tmp_path, wrong):
    with pytest.raises((CheckpointError, TrainingError)):
        run(replace(RECIPE, **wrong), small_corpus, tmp_path)
    assert not list(tmp_path.rglob("recipe.json"))


@pytest.mark.parametrize(
    "change, message",
    [
        ({"schedule": "linear"}, "the schedule is constant or cosine or plateau, not 'linear'"),
        ({"fraction": 0.0}, "a fraction above 0 and up to 1"),
        ({"fraction": 1.5}, "a fraction above 0 and up to 1"),
        ({"epochs": 0}, "epochs must be 1 or more, not 0"),
        ({"trial": 0}, "trial must be 1 or more, not 0"),
        ({"epoch_clips": -2}, "epoch_clips must be 1 or more, not -2"),
        ({"batch_size": 1}, "batch_size must be 2 or more for vgg, which normalises"),
        ({"learning_rate": 0.0}, "learning_rate must be above 0 and finite, not 0"),
        ({"learning_rate": float("nan")}, "learning_rate must be above 0 and finite, not nan"),
        ({"learning_rate": float("inf")}, "learning_rate must be above 0 and finite, not inf"),
        ({"weight_decay": -1.0}, "weight_decay must be 0 or more and finite, not -1"),
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

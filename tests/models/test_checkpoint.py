"""Checkpoints: what comes back, and what is refused."""

from __future__ import annotations

import hashlib
import json
import math
from importlib import metadata

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

import reference_models  # noqa: E402
from pytest_nnrel import Corpus, MFCCEncoder, PinkNoise, within_consistency  # noqa: E402
from reference_models import checkpoint  # noqa: E402
from reference_models.errors import CheckpointError  # noqa: E402
from reference_models.task import ENCODERS, build, tasks  # noqa: E402

SMALL = {"channels": 2, "max_channels": 4, "embedding": 8}


def written(folder, task="at", encoder="vgg", precision="float32", **arguments):
    torch.manual_seed(1)
    arguments = (SMALL if encoder == "vgg" else {"channels": 2, "max_channels": 4}) | arguments
    network = build(task, encoder, **arguments).eval()
    path = checkpoint.save(
        network, folder / f"{task}-{encoder}", task=task, encoder=encoder, arguments=arguments,
        card={"scores": {"auc": 0.5}}, precision=precision,
    )  # fmt: skip
    return network, path


@pytest.mark.parametrize("task", tasks())
@pytest.mark.parametrize("encoder", ENCODERS)
def test_a_network_comes_back_as_it_was(tmp_path, task, encoder):
    network, path = written(tmp_path, task, encoder)
    again, card = checkpoint.load_network(path, task=task)
    assert not again.training
    audio = torch.from_numpy(Corpus.bundled().subset(2).windows())
    with torch.no_grad():
        assert torch.equal(again(audio), network(audio))
    assert card["scores"] == {"auc": 0.5}
    assert card["versions"]["torch"] == metadata.version("torch")
    assert sorted(p.suffix for p in tmp_path.iterdir()) == [".json", ".safetensors"]


def test_half_precision_is_half_the_size_and_nearly_the_same(tmp_path):
    network, path = written(tmp_path / "full", channels=8, max_channels=64)
    _, half = written(tmp_path / "half", precision="float16", channels=8, max_channels=64)
    assert half.stat().st_size < 0.55 * path.stat().st_size
    again, _ = checkpoint.load_network(half)
    audio = torch.from_numpy(Corpus.bundled().subset(2).windows())
    with torch.no_grad():
        np.testing.assert_allclose(again(audio), network(audio), atol=0.02)
    assert {p.dtype for p in again.parameters()} == {torch.float32}


def test_the_decoder_of_an_autoencoder_is_kept(tmp_path):
    _, path = written(tmp_path, "ae", decoder="upsampling")
    assert checkpoint.load_network(path)[0].kind == "upsampling"


def test_a_checkpoint_is_an_encoder(tmp_path):
    _, path = written(tmp_path)
    encoder = checkpoint.load(path)
    assert encoder.name == "at-vgg"
    corpus = Corpus.bundled().subset(4)
    assert within_consistency(encoder, PinkNoise(50), corpus=corpus).n == 4
    assert encoder.fingerprint == checkpoint.load(str(path)).fingerprint
    assert isinstance(checkpoint.load("mfcc"), MFCCEncoder)


def test_loading_is_the_packages_own_function():
    assert reference_models.load("mfcc").name == "mfcc"
    assert reference_models.__all__ == ["load"]
    with pytest.raises(AttributeError, match="no attribute 'lode'"):
        reference_models.lode  # noqa: B018


def test_an_unknown_name_is_told():
    with pytest.raises(CheckpointError, match=r"no reference encoder 'resnet'; there are mfcc"):
        checkpoint.load("resnet")


@pytest.mark.parametrize("name", [None, 5, ["at"], b"at"])
def test_what_is_no_name_is_told(name):
    with pytest.raises(CheckpointError, match=r"no reference encoder .*; there are mfcc"):
        reference_models.load(name)


@pytest.mark.parametrize("of_recipe, clips", [(None, 900), (400, 400)])
def test_clips_of_an_epoch_are_all_where_the_recipe_names_none(of_recipe, clips):
    card = {"recipe": {"epoch_clips": of_recipe}, "data": {"train": {"clips": 900}}}
    assert checkpoint.epoch_clips(card) == clips


def test_trials_that_cannot_be_read_are_told(tmp_path):
    assert checkpoint.trials_in(tmp_path) == {}
    for content in ("{", "[]"):
        (tmp_path / checkpoint.TRIALS).write_text(content)
        with pytest.raises(CheckpointError, match=r"trials\.json is no list of trials: .*restore"):
            checkpoint.trials_in(tmp_path)


def test_the_scores_beside_the_checkpoints_are_no_encoder():
    assert (checkpoint.BRIEF / "trials.json").exists()
    with pytest.raises(
        CheckpointError, match=r"no reference encoder 'trials'; .* mfcc-vs, vs, vs-long, and"
    ):
        checkpoint.load("trials")


def change(path, **values):
    card = path.with_suffix(".json")
    card.write_text(json.dumps(json.loads(card.read_text()) | values))


def of_junk(path, content):
    """Write what is no tensors, under its own checksum."""
    path.write_bytes(content)
    change(path, sha256=hashlib.sha256(content).hexdigest())


@pytest.mark.parametrize(
    "damage, problem",
    [
        (lambda path: path.unlink(), "cannot be read"),
        (lambda path: path.with_suffix(".json").unlink(), "there is no checkpoint"),
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), "checksum differs"),
        (lambda path: path.with_suffix(".json").write_text("{"), "is no card of a checkpoint"),
        (lambda path: change(path, format="other"), "format 'other'"),
        (lambda path: path.with_suffix(".json").write_text("[]"), "is no card of a checkpoint"),
        (lambda path: of_junk(path, b""), "does not fit its card"),
        (lambda path: of_junk(path, b"junk" * 99), "does not fit its card"),
        (lambda path: change(path, arguments=SMALL | {"embedding": 9}), "does not fit its card"),
        (
            lambda path: change(path, arguments={"layers": 3}),
            "unexpected keyword argument",
        ),
        (lambda path: change(path, task="ir"), "does not fit its card"),
        (lambda path: change(path, task="asr"), "there is no task 'asr'; there are at, ir, vs, ae"),
        (lambda path: change(path, task=["at"]), r"there is no task \['at'\]"),
        (lambda path: change(path, encoder="resnet"), "there is no encoder 'resnet'"),
    ],
)
def test_what_was_changed_is_refused(tmp_path, damage, problem):
    _, path = written(tmp_path)
    damage(path)
    with pytest.raises(CheckpointError, match=problem):
        checkpoint.load_network(path)


def test_a_checkpoint_of_another_task_is_refused(tmp_path):
    _, path = written(tmp_path)
    with pytest.raises(CheckpointError, match="is of task 'at', not 'vs'"):
        checkpoint.load_network(path, task="vs")


def test_what_half_precision_cannot_hold_is_not_written(tmp_path):
    network = build("at", **SMALL)
    with torch.no_grad():
        network.head.weight.fill_(1e6)
    with pytest.raises(CheckpointError, match=r"head\.weight has values that are not finite"):
        checkpoint.save(
            network, tmp_path / "at", task="at", encoder="vgg", arguments=SMALL, card={},
            precision="float16",
        )  # fmt: skip
    assert list(tmp_path.iterdir()) == []


def test_scores_that_are_not_finite_are_named_and_not_written(tmp_path):
    card = {"scores": {"test": {"value": math.nan}}, "curves": [{"loss": 1.0}, {"loss": math.inf}]}
    with pytest.raises(CheckpointError, match=r"no finite scores\.test\.value, curves\[1\]\.loss;"):
        checkpoint.save(
            build("at", **SMALL), tmp_path / "at", task="at", encoder="vgg", arguments=SMALL,
            card=card,
        )  # fmt: skip
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("options", [{"precision": "int8"}])
def test_other_precisions_are_refused(tmp_path, options):
    with pytest.raises(CheckpointError, match="precision must be one of float32, float16"):
        written(tmp_path, **options)

"""What holds of every task that there is, whoever wrote it: each test runs over all of them.

A task's own test, ``test_task_NAME.py``, has its twins, slow and obvious, of a network's outputs:
``expected_loss(network, audio, target)`` and ``expected_score(network, audio, true)``.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch
from small import SMALL, network

import reference_models
from pytest_nnrel import Identity, UndefinedMeasureError
from reference_models import checkpoint, evaluation
from reference_models import tasks as own
from reference_models.__main__ import main
from reference_models.clips import Crops
from reference_models.datasets import opencorpus
from reference_models.errors import TaskError
from reference_models.paper import drawing, results
from reference_models.task import ENCODERS, Task, build, task_named, tasks

ALL = tasks()

each = pytest.mark.parametrize("name", ALL)


def own_test(name):
    return import_module(f"test_task_{name}")


@each
def test_it_is_documented_and_lies_in_the_file_of_its_name(name):
    task = ALL[name]
    assert type(task).__module__ == f"{own.__name__}.{name}"
    assert task.name == name
    assert type(task).__doc__ != Task.__doc__
    assert type(task).__doc__.partition("\n")[0].endswith(".")


def test_no_two_have_one_place():
    places = [task.order for task in ALL.values()]
    assert places == sorted(set(places))


def test_they_are_told_apart_by_name_colour_and_mark():
    for looks in (drawing.COLOURS, drawing.COLOURS_ON_DARK):
        colours = [looks[name].lower() for name in ALL]
        assert len(set(colours)) == len(ALL)
        assert all(re.fullmatch("#[0-9a-f]{6}", colour) for colour in colours)
    assert len({drawing.MARKERS[name] for name in ALL}) == len(ALL)
    assert len({task.label for task in ALL.values()}) == len(ALL)


@each
def test_the_open_corpus_has_clips_of_its_labels(name, open_corpus):
    data = open_corpus(name, "test")
    assert len(data) > 1
    shapes = {data[i].target.shape for i in range(3)}
    assert len(shapes) == 1
    assert list(data.labels) == list(ALL[name].labels())


def heard_and_true(name, data, at):
    """Return windows of clips, and what is true of them."""
    return evaluation.windows(data, Identity(), at), ALL[name].true_of(data, Identity(), at)


@each
def test_loss_and_score_are_their_twins(name, open_corpus):
    data = open_corpus(name, "test")
    at = range(3)
    audio, true = heard_and_true(name, data, at)
    made = network(name, audio)
    crops = [Crops(data, at)[i] for i in at]
    batch = [torch.from_numpy(np.stack(part)) for part in zip(*crops, strict=True)]
    with torch.inference_mode():
        loss = ALL[name].loss(made, *batch)
        torch.testing.assert_close(loss, own_test(name).expected_loss(made, *batch))
        score = ALL[name].score(made, audio, true)
        expected = own_test(name).expected_score(made, audio, true)
    assert score.value == pytest.approx(expected, rel=1e-4)
    assert (score.measure, score.clips) == (ALL[name].measure, 3)
    without = ALL[name].score_without(made, audio, true)
    assert without is None or np.isfinite(without)


@each
def test_a_network_that_diverged_has_no_score(name, open_corpus):
    audio, true = heard_and_true(name, open_corpus(name, "test"), range(2))
    diverged = network(name, audio)
    with torch.no_grad():
        for weights in diverged.parameters():
            weights.fill_(torch.nan)
    with pytest.raises(UndefinedMeasureError, match="the network's output is"):
        ALL[name].score(diverged, audio, true)


def test_scores_on_a_test_set_are_plain_and_name_it(open_corpus, music):
    data = open_corpus("ir", "test")
    plain = evaluation.scores_on(network("ir", music), "ir", data)
    assert plain["dataset"] == data.fingerprint
    assert plain["clips"] == len(data)
    assert 0 <= plain["value"] <= 1
    assert plain["compared"] is None


@each
@pytest.mark.parametrize("encoder", ENCODERS)
def test_every_network_learns_what_it_is_shown_again_and_again(name, encoder, small_corpus):
    """Overfitting a batch is the least that a network and its loss must be able to do."""
    data = opencorpus.load(small_corpus, name, "train")
    crops = [Crops(data, range(2))[i] for i in range(2)]
    audio, target = (torch.from_numpy(np.stack(part)) for part in zip(*crops, strict=True))
    torch.manual_seed(0)
    made = build(name, encoder, **SMALL)
    made.fit_statistics([audio])
    for part in made.modules():
        if isinstance(part, torch.nn.Dropout):
            part.p = 0.0
    optimiser = torch.optim.Adam(made.parameters(), 3e-3)
    losses = []
    for _ in range(16):
        optimiser.zero_grad()
        loss = ALL[name].loss(made, audio, target)
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.9 * losses[0]


def test_what_the_package_ships_is_of_its_tasks():
    cards = [checkpoint.load_network(path)[1] for path in checkpoint.BRIEF.glob("*.safetensors")]
    assert {(card["task"], card["encoder"]) for card in cards} == {
        (task, encoder) for task in results.PAPER_TASKS for encoder in ENCODERS
    }
    assert all(card["data"]["labels"] == list(ALL[card["task"]].labels()) for card in cards)


def test_the_command_line_names_them(capsys):
    with pytest.raises(SystemExit):
        main(["train", "--help"])
    assert f"one of {', '.join(sorted(ALL))}" in " ".join(capsys.readouterr().out.split())


# One's own


SUNG = '''
"""Whether somebody sings."""

import numpy as np
from torch import nn
from torch.nn import functional

from reference_models.evaluation import Score, outputs
from reference_models.networks import TaskNetwork
from reference_models.task import Task


class Detector(TaskNetwork):
    def __init__(self, embedding):
        super().__init__(embedding)
        self.head = nn.Linear(self.embedding.width, 1)

    def forward(self, audio):
        return self.head(self.embedding.code(self.embedding(audio)))[:, 0]


class VoiceDetection(Task[Detector]):
    """Detection of the singing voice."""

    name, label, order = "vd", "VD", 50
    colour, colour_on_dark, marker = "#111111", "#eeeeee", "P"
    measure = axis = "agreement"
    truth = "voice"

    def network(self, embedding):
        return Detector(embedding)

    def loss(self, network, audio, target):
        return functional.binary_cross_entropy_with_logits(network(audio), target)

    def score(self, network, audio, of_audio):
        agree = (outputs(network, audio).numpy() > 0) == (of_audio.targets > 0.5)
        return Score(self.measure, float(agree.mean()), len(agree))

    def target(self, entry, read):
        return np.array(entry.voice is not None, dtype=np.float32)
'''


@pytest.mark.exhaustive
def test_a_file_is_enough(small_corpus, tmp_path):
    """A copy of the package, and a file: its task is trained, scored, kept and drawn."""
    package = tmp_path / "reference_models"
    ignored = shutil.ignore_patterns("*.flac", "__pycache__", "dist")
    shutil.copytree(Path(reference_models.__file__).parent, package, ignore=ignored)
    (package / "tasks" / "vd.py").write_text(SUNG)
    code = (
        "from reference_models.__main__ import main; import sys; status = main(sys.argv[1:]);"
        "from reference_models import task, tasks;"
        "from reference_models.paper.drawing import COLOURS;"
        "print(tasks.__path__[0], *task.tasks(), COLOURS['vd']); sys.exit(status)"
    )
    arguments = (
        f"train vd --encoder mfcc --data {small_corpus} --out {tmp_path} --epochs 1 --batch-size 4"
        " --epoch-clips 4 --workers 0 --accelerator cpu"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments.split()], cwd=tmp_path, capture_output=True,
        text=True, check=False, env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    trained, found = done.stdout.splitlines()[-2:]
    assert found.split() == [str(package / "tasks"), *ALL, "vd", "#111111"]
    card = Path(trained).with_suffix(".json").read_text()
    assert '"measure": "agreement"' in card


def declared(**changes):
    attributes = {
        **{name: getattr(ALL["at"], name) for name in (
            "label", "colour", "colour_on_dark", "marker", "measure", "axis", "truth",
        )},
        "name": "mine",
        **dict.fromkeys(("network", "loss", "score", "target"), lambda self, *parts: None),
    }  # fmt: skip
    return {k: v for k, v in (attributes | changes).items() if v is not None}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": None}, "a task declares name: what commands and cards name it by"),
        ({"colour": None}, "a task declares colour: of its curves, a text, not None"),
        ({"measure": 1}, "a task declares measure: what its score is called, a text, not 1"),
        ({"name": "a t"}, "name must be one word"),
        ({"name": "at"}, r"there is a task 'at' in reference_models\.tasks\.at, and names tell"),
        ({"order": None, "marker": ""}, "a task declares marker"),
        ({"order": "last"}, "order must be a number, not 'last'"),
    ],
)
def test_what_a_task_must_declare(changes, message):
    with pytest.raises(TaskError, match=message):
        type("Mine", (Task,), declared(**changes))
    assert list(tasks()) == list(ALL)


def test_what_is_shared_is_no_task():
    type("Shared", (Task,), declared(score=None))
    assert list(tasks()) == list(ALL)


def test_a_task_that_there_is_not_is_told():
    with pytest.raises(TaskError, match=f"no task 'asr'; there are {', '.join(ALL)}"):
        task_named("asr")

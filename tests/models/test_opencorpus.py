"""The open corpus: built, interrupted, damaged, and read as tasks see it."""

from __future__ import annotations

import hashlib
import json
import shutil
from contextlib import contextmanager
from dataclasses import asdict

import numpy as np
import pytest
import soundfile

from pytest_nnrel.corpus.audio import rms
from reference_models.__main__ import main
from reference_models.datasets import opencorpus, opencorpus_build, recorded
from reference_models.datasets.opencorpus import MANIFEST, PARTS, UNFINISHED
from reference_models.datasets.rendered import parts, voices
from reference_models.datasets.rendered.tags import TAGS
from reference_models.errors import DatasetError, TaskError

ALL_FONTS = (*parts.SOUNDFONTS, parts.HELD_OUT)
WHEELS = parts.find("wheels")
RATE = 22050
CLIPS = 8
#: Fewer of espeak-ng's voices and syllables, as all of them take long.
FEW = {"female": ("en+f3",), "male": ("en+m3",)}, ("la", "me")


def tree(folder):
    files = (path for path in folder.rglob("*") if path.is_file())
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }


@pytest.fixture(scope="module")
def collection(tmp_path_factory):
    """Return a collection of a track for each part; the middle of the first is silent."""
    root = tmp_path_factory.mktemp("collection")
    tracks = []
    for number, part in enumerate(("train", "validation", "test")):
        path = root / f"package-{number}" / "track.flac"
        path.parent.mkdir()
        samples = 0.2 * np.random.default_rng(number).normal(size=(24 * 8000, 2))
        if part == "train":
            samples[11 * 8000 : 17 * 8000] = 0
        soundfile.write(path, samples.clip(-1, 1), 8000)
        checksum = recorded.sha256(path)
        tracks.append(
            recorded.Track(
                f"package-{number}/track.flac", f"package-{number}", "1", "track.flac", part, 24.0,
                checksum, checksum,
            )
        )  # fmt: skip
    plain = {"format": recorded.FORMAT, "tracks": [asdict(track) for track in tracks]}
    (root / recorded.MANIFEST).write_text(json.dumps(plain))
    return root


@pytest.fixture(scope="module")
def made_with(tmp_path_factory, collection):
    """Return arguments of builds; the smallest SoundFont is in place of those that load slowly."""
    folder = tmp_path_factory.mktemp("soundfonts")
    for font in ALL_FONTS:
        (folder / font.file).symlink_to(WHEELS.soundfonts["timgm6mb"])
    return {"recorded": collection, "clips": CLIPS, "jobs": 1, "soundfonts": folder}


@pytest.fixture(scope="module")
def few_voices():
    spoken = voices.Voices.speak(WHEELS, *FEW)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(voices.Voices, "speak", lambda _parts: spoken)
        yield


@pytest.fixture(scope="module")
def corpus(tmp_path_factory, made_with, few_voices):
    root = tmp_path_factory.mktemp("corpus") / "open"
    opencorpus_build.build(root, **made_with)
    return root


@pytest.fixture
def copy(corpus, tmp_path):
    return shutil.copytree(corpus, tmp_path / "copy")


def test_tasks_see_what_serves_them(corpus):
    sizes = {
        (task, part): len(opencorpus.load(corpus, task, part, verify=True))
        for task in ("ae", "at", "ir", "vs")
        for part in PARTS
    }
    #                 rendered, sung, recorded: 3 clips of 24 s, one of the first is silent
    for part, counts in zip(PARTS, [(8, 2, 2), (1, 1, 3), (1, 1, 3), (1, 1, 0)]):
        rendered, sung, cut = counts
        assert sizes["ae", part] == rendered + cut
        assert sizes["at", part] == sizes["ir", part] == rendered
        assert sizes["vs", part] == sung


def test_examples_are_what_the_manifest_tells(corpus):
    told = {entry["id"]: entry for entry in json.loads((corpus / MANIFEST).read_text())["clips"]}
    tagging, leads, sung, coded = (
        opencorpus.load(corpus, task, "train") for task in ("at", "ir", "vs", "ae")
    )
    assert list(tagging.labels) == list(TAGS)
    for index, name in enumerate(tagging.ids):
        example = tagging[index]
        assert example.audio.dtype == example.target.dtype == np.float32
        assert example.audio.shape == (4 * RATE,)
        assert {t for t, has in zip(TAGS, example.target) if has} == set(told[name]["tags"])
        assert leads.labels[int(leads[index].target)] == told[name]["instrument"]
        assert leads[index].target.dtype == np.int64
    for index in range(len(sung)):
        example = sung[index]
        level = rms(example.target) / rms(example.audio - example.target)
        assert 0.3 < level < 3
    assert {coded[index].target.size for index in range(len(coded))} == {0}
    assert len(set(coded.ids)) == len(coded)
    assert len({*coded.groups}) == CLIPS + 1  # the track's clips are of one group


def test_parts_have_nothing_in_common(corpus):
    of_part = [opencorpus.load(corpus, "ae", part) for part in PARTS]
    for attribute in ("ids", "groups"):
        names = [name for data in of_part for name in set(getattr(data, attribute))]
        assert len(names) == len(set(names))
    assert len({data.fingerprint for data in of_part}) == len(PARTS)


@contextmanager
def damaged(path):
    whole = path.read_text()
    path.write_text(whole[:-20])
    yield
    path.write_text(whole)


def test_an_interrupted_build_goes_on_to_the_same_bytes(corpus, made_with, tmp_path, monkeypatch):
    out = tmp_path / "open"

    def interrupted(items, total, what):
        yield next(iter(items))
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(opencorpus_build, "progress", interrupted)
        with pytest.raises(KeyboardInterrupt):
            opencorpus_build.build(out, **made_with)
    assert list((out / UNFINISHED).glob("*-*.json"))
    with pytest.raises(DatasetError, match="holds an unfinished open corpus"):
        opencorpus.load(out, "ae", "train")
    with pytest.raises(DatasetError, match="other seed: 0, not 1"):
        opencorpus_build.build(out, **made_with, seed=1)
    record = next((out / UNFINISHED).glob("*-*.json"))
    for path, told in (
        (out / UNFINISHED / "settings.json", r"is no settings of a build: .*; delete .*/open and"),
        (record, r"tells of no clips .*; delete it and run"),
    ):
        with damaged(path), pytest.raises(DatasetError, match=rf"{path.name} {told}"):
            opencorpus_build.build(out, **made_with)
    opencorpus_build.build(out, **{**made_with, "jobs": 2})  # in other processes
    assert tree(out) == tree(corpus)


def test_what_is_missing_or_changed_is_told_and_made_again(corpus, made_with, copy):
    first, second = sorted(copy.glob("rendered/train/*.flac"))[1:3]
    first.unlink()
    second.write_bytes(second.read_bytes()[:-1])
    with pytest.raises(DatasetError, match=r"2 of \d+ files .* data build"):
        opencorpus.load(copy, "at", "train")
    assert len(opencorpus.load(copy, "at", "test")) == 1
    opencorpus_build.build(copy, **made_with)
    assert tree(copy) == tree(corpus)


def test_a_changed_file_of_the_same_size_is_found_when_verified(copy):
    path = copy / "rendered" / "test" / "000000.flac"
    content = bytearray(path.read_bytes())
    content[-10] ^= 1
    path.write_bytes(content)
    opencorpus.load(copy, "at", "test")
    with pytest.raises(DatasetError, match="missing or were changed"):
        opencorpus.load(copy, "at", "test", verify=True)
    path.write_bytes(bytes(len(content)))
    with pytest.raises(DatasetError, match=r"000000\.flac cannot be read"):
        opencorpus.load(copy, "at", "test")[0]


def test_a_corpus_that_is_whole_is_left_as_it_is(made_with, copy, monkeypatch):
    monkeypatch.setattr(voices.Voices, "speak", lambda _parts: pytest.fail("nothing is to be sung"))
    before = tree(copy)
    opencorpus_build.build(copy, **made_with)
    assert tree(copy) == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"clips": 9}, "other clips: 8, not 9"),
        ({"seed": 2}, "other seed: 0, not 2"),
        ({"recorded": None}, "other recorded music"),
    ],
)
def test_another_corpus_is_not_built_into(made_with, copy, arguments, message):
    before = tree(copy)
    with pytest.raises(DatasetError, match=message):
        opencorpus_build.build(copy, **{**made_with, **arguments})
    assert tree(copy) == before


def test_folders_of_something_else_are_refused(tmp_path, made_with):
    (tmp_path / "letter.txt").write_text("Dear")
    with pytest.raises(DatasetError, match="something else than an open corpus"):
        opencorpus_build.build(tmp_path, **made_with)
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


@pytest.mark.parametrize("arguments", [{"clips": 0}, {"seed": -1}])
def test_numbers_that_make_no_corpus_are_refused(tmp_path, arguments):
    with pytest.raises(DatasetError, match="must be"):
        opencorpus_build.build(tmp_path / "open", **arguments)


@pytest.mark.parametrize(
    ("task", "part", "message"),
    [
        ("ae", "training", "no part 'training'"),
        ("ae", "train", "data build --out"),
    ],
)
def test_what_is_not_there_is_told(tmp_path, task, part, message):
    with pytest.raises(DatasetError, match=message):
        opencorpus.load(tmp_path, task, part)


def test_a_task_that_there_is_not_is_told(tmp_path):
    with pytest.raises(TaskError, match="there is no task 'asr'"):
        opencorpus.load(tmp_path, "asr", "train")


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        '{"settings": {"format": "another"}, "clips": []}',
        '{"settings": {"format": "pytest-nnrel open corpus"}, "clips": []}',
    ],
)
def test_manifests_that_are_none_are_told(tmp_path, content):
    (tmp_path / MANIFEST).write_text(content)
    with pytest.raises(DatasetError, match="is no manifest of an open corpus"):
        opencorpus.load(tmp_path, "ae", "train")


def test_the_command_tells_what_to_install(tmp_path, capsys):
    (tmp_path / "fonts").mkdir()
    out = tmp_path / "open"
    arguments = ["data", "build", "--out", str(out), "--soundfonts", str(tmp_path / "fonts")]
    assert main(arguments) == 2
    assert "apt-get install fluid-soundfont-gm" in capsys.readouterr().err
    assert not out.exists()


def test_the_command_tells_what_was_built(copy, made_with, capsys):
    options = [part for name, value in made_with.items() for part in (f"--{name}", str(value))]
    assert main(["data", "build", "--out", str(copy), *options]) == 0
    assert "train: 8 rendered clips, 2 of them sung; 2 recorded clips" in capsys.readouterr().out


# -- rendered with what comes in wheels alone


@pytest.fixture(scope="module")
def of_wheels(tmp_path_factory, few_voices):
    root = tmp_path_factory.mktemp("wheels") / "open"
    opencorpus_build.build(root, clips=4, jobs=1)
    return root


def test_one_soundfont_leaves_none_to_hold_out(of_wheels, capsys):
    assert opencorpus.test_parts(of_wheels) == ("test",)
    assert not (of_wheels / "rendered" / "test-font").exists()
    with pytest.raises(DatasetError, match=r"made with one SoundFont.*--soundfonts"):
        opencorpus.load(of_wheels, "ir", "test-font")
    assert main(["data", "build", "--out", str(of_wheels), "--clips", "4"]) == 0
    told = capsys.readouterr().out
    assert "made with wheels: FluidSynth 2." in told
    assert "test-font: none" in told


def test_the_manifest_tells_what_it_was_made_with(of_wheels, corpus):
    made = opencorpus.made_with(of_wheels)
    assert made["parts"] == "wheels"
    assert made["soundfonts"]["timgm6mb"]["package"] == "pretty_midi"
    assert {"fluidsynth", "espeak-ng", "pygame-ce", "espeakng-loader"} <= set(made["versions"])
    assert opencorpus.test_parts(corpus) == ("test", "test-font")


@pytest.mark.parametrize(
    ("recorded_parts", "source"),
    [("wheels", "wheels"), ("debian", "debian"), (None, "debian")],  # None: there was no choice
)
def test_a_corpus_goes_on_with_the_parts_that_it_was_begun_with(
    tmp_path, of_wheels, monkeypatch, recorded_parts, source
):
    class AskedFor(Exception):  # noqa: N818
        pass

    def find(source, *, soundfonts):
        raise AskedFor(source)

    monkeypatch.setattr(parts, "find", find)
    plain = json.loads((of_wheels / MANIFEST).read_text())
    del plain["settings"]["parts"]
    if recorded_parts:
        plain["settings"]["parts"] = recorded_parts
    (tmp_path / MANIFEST).write_text(json.dumps(plain))
    with pytest.raises(AskedFor, match=source):
        opencorpus_build.build(tmp_path, clips=4)


def test_parts_of_another_source_are_not_mixed_in(of_wheels, made_with):
    before = tree(of_wheels)
    with pytest.raises(DatasetError, match="other soundfonts"):
        opencorpus_build.build(of_wheels, clips=4, soundfonts=made_with["soundfonts"])
    assert tree(of_wheels) == before


def test_a_network_trains_on_it_and_its_card_tells_what_it_is_made_with(of_wheels, tmp_path):
    out = tmp_path / "runs"
    recipe = ["--epochs", "1", "--batch-size", "2", "--workers", "0", "--accelerator", "cpu"]
    assert main(["train", "ir", "--data", str(of_wheels), "--out", str(out), *recipe]) == 0
    (card,) = out.rglob("checkpoint.json")
    plain = json.loads(card.read_text())
    assert plain["data"]["made with"] == opencorpus.made_with(of_wheels)
    assert list(plain["scores"]) == ["test"]

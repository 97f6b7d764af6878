"""The paper's experiment on a handful of clips: every row is what the plugin itself measures."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from pytest_nnrel import (
    Corpus,
    Identity,
    PitchShift,
    audio_consistency,
    between_consistency,
    within_consistency,
)
from reference_models import checkpoint, evaluation
from reference_models.__main__ import main
from reference_models.datasets import opencorpus
from reference_models.errors import DatasetError, ReproductionError
from reference_models.paper import reproduction
from reference_models.paper.corpus import consistency_corpus
from reference_models.paper.reproduction import EXCERPT, Scale, reproduce
from reference_models.paper.results import OriginalsRank, Performance, Results, load
from reference_models.task import build, task_named

SMALL = {"channels": 4, "max_channels": 16}
NETWORKS = [("at", "vgg", 1), ("at", "vgg", 2), ("vs", "vgg", 1), ("at", "mfcc", 1)]
CLIPS = 5
#: Distances, value, bounds and clips of a row.
RANK = ("dtw", "cosine", 0.5, 0.4, 0.6, 5)
PERFORMANCE = Performance("at", "vgg", 1, "PS", 2.0, 40, False, "AUC_C", 0.5, 4)
PLACES = ("consistency", "originals", "performance", "maps", "vocal_maps")


def write_checkpoint(folder, task, encoder, trial, **card):
    torch.manual_seed(trial)
    network = build(task, encoder, **SMALL)
    network.fit_statistics([torch.from_numpy(Corpus.bundled().subset(8).windows())])
    name = f"{task}-{encoder}-{trial}"
    return checkpoint.save(
        network.eval(), folder / name / "checkpoint", task=task, encoder=encoder,
        arguments=SMALL, card={"name": name, "recipe": {"trial": trial}, "scores": {}, **card},
    )  # fmt: skip


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkpoints")
    for network in NETWORKS:
        write_checkpoint(folder, *network)
    return folder


@pytest.fixture(scope="module")
def results(checkpoints):
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(reproduction.SCALES, "tiny", Scale("imperceptible", CLIPS, 4, 2))
        return reproduce("tiny", checkpoints=checkpoints)


def row(rows, **wanted):
    found = [r for r in rows if all(getattr(r, k) == v for k, v in wanted.items())]
    assert len(found) == 1
    return found[0]


def test_every_combination_is_measured_once(results):
    keys = [
        (r.encoder, r.trial, r.transformation, r.magnitude, r.measure, r.audio_distance,
         r.latent_distance)
        for r in results.consistency
    ]  # fmt: skip
    assert len(set(keys)) == len(keys)
    conditions = {(r.transformation, r.magnitude) for r in results.consistency}
    # Of each condition: two audio distances; of each encoder two C_W, four C_acc and four C_rho.
    assert len(keys) == len(conditions) * (2 + 4 * 10)
    assert {r.transformation for r in results.consistency} == {"PS", "TS", "PN", "EN", "MP"}
    assert all(r.smallest for r in results.consistency)
    assert {(r.encoder, r.trial) for r in results.consistency} == {
        ("", 0), ("mfcc", 0), ("at", 1), ("at", 2), ("vs", 1),
    }  # fmt: skip
    assert len(results.originals) == 4 * 4


def test_rows_are_what_the_plugin_measures(results, checkpoints):
    corpus = Corpus.bundled().subset(CLIPS)
    encoder = checkpoint.load(checkpoints / "at-vgg-2" / "checkpoint.safetensors")
    place = {"transformation": "PS", "magnitude": -0.25}
    shift = PitchShift(-0.25)
    within = within_consistency(encoder, shift, corpus=corpus, distance="cosine")
    found = row(
        results.consistency, encoder="at", trial=2, measure="within", latent_distance="cosine",
        **place,
    )  # fmt: skip
    assert (found.value, found.low, found.high, found.clips) == (
        within.value, *within.ci, CLIPS,
    )  # fmt: skip
    rank = between_consistency(
        encoder, shift, corpus=corpus, measure="rho", audio_distance="simple",
        latent_distance="euclidean",
    )  # fmt: skip
    found = row(
        results.consistency, encoder="at", trial=2, measure="rho", audio_distance="simple",
        latent_distance="euclidean", **place,
    )  # fmt: skip
    assert found.value == pytest.approx(rank.value)
    bound = audio_consistency(shift, corpus=corpus, distance="dtw")
    assert row(results.consistency, encoder="", audio_distance="dtw", **place).value == bound.value
    mfcc = between_consistency(
        checkpoint.load("mfcc"), Identity(), corpus=corpus, measure="rho", pairs="distinct",
        audio_distance="dtw", latent_distance="cosine",
    )  # fmt: skip
    found = row(results.originals, encoder="mfcc", audio_distance="dtw", latent_distance="cosine")
    assert found.value == pytest.approx(mfcc.value)


def test_performance_is_what_evaluation_scores(results, checkpoints):
    assert {(p.task, p.encoder, p.trial) for p in results.performance} == set(NETWORKS)
    conditions = {(r.transformation, r.magnitude) for r in results.consistency}
    assert len(results.performance) == len(NETWORKS) * (1 + len(conditions))
    network, _ = checkpoint.load_network(checkpoints / "at-mfcc-1" / "checkpoint.safetensors")
    data = opencorpus.load(EXCERPT, "at", "test")
    indices = np.linspace(0, len(data) - 1, 4).round().astype(int).tolist()
    for transform, name in ((Identity(), "OG"), (PitchShift(0.25), "PS")):
        audio = evaluation.windows(data, transform, indices)
        tagging = task_named("at")
        score = tagging.score(network, audio, tagging.true_of(data, transform, indices))
        found = row(
            results.performance, encoder="mfcc", transformation=name,
            magnitude=float(transform.magnitude),
        )  # fmt: skip
        assert found.value == pytest.approx(score.value)
        assert found.clips == score.clips


def test_maps_show_the_originals_and_their_smallest_transformations(results):
    shown = {(p.encoder, p.trial) for p in results.maps}
    assert shown == {("mfcc", 0), ("at", 1), ("vs", 1)}
    for encoder, _ in shown:
        points = [p for p in results.maps if p.encoder == encoder]
        originals = [p.clip for p in points if p.transformation == "OG"]
        assert originals == list(Corpus.bundled().subset(CLIPS).ids)
        assert np.isfinite([(p.x, p.y) for p in points]).all()
    sung = opencorpus.load(EXCERPT, "vs", "test")
    assert {p.clip for p in results.vocal_maps} <= set(sung.ids)
    assert len(results.vocal_maps) == min(CLIPS, len(sung))
    first = results.vocal_maps[0]
    place = sung.ids.index(first.clip)
    voice = task_named("vs").true_of(sung, Identity(), [place]).targets
    assert first.vocal_db == pytest.approx(10 * np.log10(np.mean(np.square(voice, dtype=float))))


def test_results_survive_their_file(results, tmp_path):
    results.save(tmp_path / "r.json")
    again = load(tmp_path / "r.json")
    assert isinstance(again, Results)
    assert again == results


def test_the_bundled_clips_come_first_then_recorded_test_clips_of_most_tracks(tmp_path):
    root = tmp_path / "open"
    shutil.copytree(EXCERPT, root)
    manifest = json.loads((root / opencorpus.MANIFEST).read_text())
    for place, clip in enumerate(manifest["clips"][:6]):  # as if they were cut from two tracks
        clip.update(instrument=None, voice=None, tags=[], group=f"track {place // 4}")
    (root / opencorpus.MANIFEST).write_text(json.dumps(manifest))
    bundled = Corpus.bundled()
    corpus = consistency_corpus(len(bundled) + 3, root)
    assert corpus.ids[: len(bundled)] == bundled.ids
    np.testing.assert_array_equal(corpus[3].samples, bundled[3].samples)
    names = [clip["id"] for clip in manifest["clips"]]
    assert list(corpus.ids[len(bundled) :]) == [names[0], names[1], names[4]]
    assert list(corpus.groups[len(bundled) :]) == ["track 0", "track 0", "track 1"]
    assert consistency_corpus(1000, root).ids[-1] == names[5]
    assert consistency_corpus(1000).fingerprint == bundled.fingerprint
    assert consistency_corpus(7, root).ids == bundled.subset(7).ids


def test_a_folder_without_checkpoints_is_told(tmp_path):
    with pytest.raises(ReproductionError, match="has no checkpoints; train some"):
        reproduce("ci", checkpoints=tmp_path)


def test_two_checkpoints_of_a_trial_are_told(tmp_path):
    first = write_checkpoint(tmp_path / "a", "at", "vgg", 1)
    write_checkpoint(tmp_path / "b", "at", "vgg", 1)
    with pytest.raises(ReproductionError, match="two checkpoints of at, vgg, trial 1"):
        reproduce("ci", checkpoints=first.parents[2])


def test_a_network_of_other_labels_is_told_before_anything_is_measured(tmp_path):
    tags = [f"tag {i}" for i in range(50)]
    folder = write_checkpoint(tmp_path, "at", "vgg", 1, data={"labels": tags}).parents[1]
    with pytest.raises(
        ReproductionError, match=r"at, vgg, trial 1 .* \(tag 0, tag 1, tag 2 and 47 more\) than"
    ):
        reproduce("ci", checkpoints=folder, parts=("performance",))


def test_another_scale_is_told():
    with pytest.raises(ReproductionError, match="the scale is ci, small, paper, not 'large'"):
        reproduce("large")


def test_another_part_is_told():
    with pytest.raises(ReproductionError, match="consistency, performance, maps, not map"):
        reproduce("ci", parts=("map",))


def test_a_card_without_a_trial_is_told(tmp_path):
    torch.manual_seed(0)
    network = build("at", **SMALL)
    path = checkpoint.save(
        network.eval(), tmp_path / "mine", task="at", encoder="vgg", arguments=SMALL, card={}
    )
    with pytest.raises(ReproductionError, match=f"{path}.* does not tell its trial"):
        reproduce("ci", checkpoints=tmp_path)


def test_maps_are_of_the_lowest_trial_that_there_is(tmp_path, monkeypatch):
    monkeypatch.setitem(reproduction.SCALES, "tiny", Scale("imperceptible", CLIPS, 4, 2))
    for network in (("at", "vgg", 2), ("at", "vgg", 3), ("vs", "vgg", 3)):
        write_checkpoint(tmp_path, *network)
    found = reproduce("tiny", checkpoints=tmp_path, parts=("maps",))
    assert {(p.encoder, p.trial) for p in found.maps} == {("mfcc", 0), ("at", 2), ("vs", 3)}
    assert {(p.encoder, p.trial) for p in found.vocal_maps} == {("vs", 3)}


def test_no_clips_are_refused():
    with pytest.raises(ReproductionError, match="consistency is measured on 1 clip or more, not 0"):
        reproduce("ci", clips=0)


def interrupt(*_arguments):
    raise KeyboardInterrupt


def test_results_are_kept_after_each_part(checkpoints, tmp_path, monkeypatch):
    monkeypatch.setitem(reproduction.SCALES, "tiny", Scale("imperceptible", 1, 4, 2))
    monkeypatch.setattr(reproduction, "_consistencies", lambda *_: [])
    monkeypatch.setattr(reproduction, "_originals", lambda *_: [OriginalsRank("at", 1, *RANK)])
    monkeypatch.setattr(reproduction, "_performances", interrupt)
    out = tmp_path / "new" / "folder"
    with pytest.raises(KeyboardInterrupt):
        reproduce("tiny", checkpoints=checkpoints, out=out)
    kept = load(out / "reproduction.json")
    assert kept.originals == [OriginalsRank("at", 1, *RANK)]
    assert kept.provenance["task data"] == "excerpt"


def test_other_parts_of_a_folder_stay(checkpoints, tmp_path, monkeypatch):
    monkeypatch.setitem(reproduction.SCALES, "tiny", Scale("imperceptible", 1, 4, 2))
    rank = OriginalsRank("at", 1, *RANK)
    monkeypatch.setattr(reproduction, "_consistencies", lambda *_: [])
    monkeypatch.setattr(reproduction, "_originals", lambda *_: [rank])
    monkeypatch.setattr(reproduction, "_performances", lambda *_: [PERFORMANCE])
    run = partial(reproduce, "tiny", checkpoints=checkpoints, out=tmp_path)
    run(parts=("performance",))
    found = run(parts=("consistency",))
    assert (found.originals, found.performance) == ([rank], [PERFORMANCE])
    assert load(tmp_path / "reproduction.json") == found
    monkeypatch.setattr(reproduction, "_performances", interrupt)
    with pytest.raises(KeyboardInterrupt):
        run(parts=("performance",))
    assert load(tmp_path / "reproduction.json") == found
    monkeypatch.setattr(reproduction, "_consistencies", interrupt)
    with pytest.raises(ReproductionError, match=r"scale is ci and tiny; .* into another folder"):
        reproduce("ci", checkpoints=checkpoints, out=tmp_path, parts=("consistency",))
    write_checkpoint(tmp_path / "other", "at", "vgg", 2, recipe={"trial": 1})
    with pytest.raises(ReproductionError, match="checkpoint at-vgg-1 is SHA-256"):
        run(checkpoints=tmp_path / "other", parts=("consistency",))


@pytest.mark.parametrize("part", ["performance", "maps"])
def test_data_that_are_not_there_are_told_before_anything_is_measured(
    checkpoints, tmp_path, monkeypatch, part
):
    monkeypatch.setattr(reproduction, "_consistencies", interrupt)
    with pytest.raises(DatasetError, match="holds no open corpus"):
        reproduce("ci", checkpoints=checkpoints, data=tmp_path, parts=("consistency", part))


def test_an_encoder_whose_rho_is_undefined_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(reproduction.SCALES, "tiny", Scale("imperceptible", 3, 4, 2))
    path = write_checkpoint(tmp_path, "at", "vgg", 2)
    network, card = checkpoint.load_network(path)
    for parameter in network.embedding.parameters():
        torch.nn.init.zeros_(parameter)  # a training that collapsed
    checkpoint.save(
        network, path, task="at", encoder="vgg", arguments=SMALL, card={"recipe": card["recipe"]}
    )
    with pytest.raises(ReproductionError, match=r"at, trial 2, under \w+.*: rho is undefined"):
        reproduce("tiny", checkpoints=tmp_path, parts=("consistency",))


@pytest.mark.exhaustive
def test_the_page_of_stored_parts_is_the_page_of_the_whole(results, tmp_path, capsys):
    results = replace(results, encoders={})  # whose cards here have no scores to show
    results.save(tmp_path / "whole.json")
    for name in ("consistency", "performance"):
        part = replace(results, **{n: [] for n in PLACES if n != name})
        part.save(tmp_path / f"{name}.json")
    files = [str(tmp_path / f"{name}.json") for name in ("consistency", "performance", "whole")]
    assert main(["page", *files, "--out", str(tmp_path / "joined")]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "joined" / "reproduction.html")
    assert load(tmp_path / "joined" / "reproduction.json") == results
    assert main(["page", str(tmp_path / "none.json"), "--out", str(tmp_path / "no")]) == 2
    assert "run python -m reference_models reproduce" in capsys.readouterr().err
    assert not (tmp_path / "no").exists()


@pytest.mark.parametrize("points", [0, 1])
def test_a_map_of_one_point_is_none(points):
    with pytest.raises(ReproductionError, match=f"near to what, and there is {points} clip to"):
        reproduction._embedded(np.zeros((points, 8), np.float32))

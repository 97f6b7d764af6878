"""Runs on a corpus and on a part of it: side by side where that is sound, and no test."""

from __future__ import annotations

import json

import pytest

from pytest_nnrel import Corpus, MFCCEncoder, PinkNoise, within_consistency
from pytest_nnrel.__main__ import main
from pytest_nnrel.baselines.sizes import among_alike
from pytest_nnrel.recording import sink
from pytest_nnrel.report.results import Collector

NOISE = PinkNoise(snr_db=12)


def results_of(corpus, **options):
    collector = Collector()
    with sink() as recorded:
        measured = within_consistency(MFCCEncoder(), NOISE, corpus=corpus, **options)
    collector.add("test", "call", "passed", recorded.as_dict())
    return collector.results({"settings": {}, "run": {}}), measured


def test_a_part_and_the_whole_are_told_among_as_many(tmp_path, capsys):
    corpus = Corpus.bundled().subset(24)
    (part, of_part), (whole, of_whole) = results_of(corpus.subset(8)), results_of(corpus)
    (line,) = among_alike(part, whole)
    for measured in (of_part, of_whole):
        among = measured.at(8)
        assert f"{among.value:.3f} [{among.ci[0]:.3f}, {among.ci[1]:.3f}]" in line
    assert of_part.value == of_part.at(8).value
    assert "among 8 clips" in line
    assert "then (8 measured)" in line
    assert "now (24 measured); no test" in line
    paths = [tmp_path / "old.json", tmp_path / "new.json"]
    for path, results in zip(paths, (part, whole)):
        path.write_text(json.dumps(results))
    assert main(["compare", *map(str, paths)]) == 2  # it is no verdict
    out = capsys.readouterr()
    assert f"note: {line}" in out.out
    assert "cannot be compared" in out.err


@pytest.mark.parametrize("options", [{"seed": 1}, {"distance": "cosine"}])
def test_other_conditions_are_not_put_side_by_side(options):
    corpus = Corpus.bundled().subset(24)
    part, _ = results_of(corpus.subset(8))
    assert not among_alike(part, results_of(corpus, **options)[0])


def test_other_music_is_not_put_side_by_side():
    music = Corpus.bundled()
    part, _ = results_of(music.subset(music.ids[:6]))
    assert not among_alike(part, results_of(music.subset(music.ids[4:20]))[0])
    assert not among_alike(part, part)

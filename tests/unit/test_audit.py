"""Audits: planted twins are found, other clips are not, and defects are named."""

from __future__ import annotations

import json

import numpy as np
import pytest
import soundfile

from pytest_nnrel import MP3, Corpus, audit_corpus
from pytest_nnrel.__main__ import main
from pytest_nnrel.audit import Audit, cut_off

RATE = 22_050
pytestmark = pytest.mark.usefixtures("stored")

TWINS = {
    "codec": lambda clip: MP3(96).apply(clip).samples,
    "level": lambda clip: clip.samples * 0.5,
    "edit": lambda clip: np.concatenate([clip.samples[441:], clip.samples[:441]]),
    "remaster": lambda clip: np.tanh(1.5 * clip.samples) / 1.5,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Twelve recordings, of which four are there twice."""
    folder = tmp_path_factory.mktemp("music")
    music = list(Corpus.bundled().subset(12))
    for clip in music:
        soundfile.write(folder / f"{clip.id}.flac", clip.samples, RATE)
    for clip, (name, make) in zip(music, TWINS.items()):
        soundfile.write(folder / f"{clip.id}-{name}.flac", make(clip), RATE)
    return folder


@pytest.fixture(scope="module")
def audited(folder):
    return audit_corpus(Corpus.from_directory(folder))


def test_planted_twins_are_found_and_nothing_else(audited):
    found = {(twins.first, twins.second) for twins in audited.near_twins}
    planted = {(f"{clip.id}-{name}.flac", f"{clip.id}.flac")
               for clip, name in zip(Corpus.bundled().subset(12), TWINS)}  # fmt: skip
    assert found == planted
    assert all(twins.distance <= twins.moved for twins in audited.near_twins)
    distances = [twins.distance for twins in audited.near_twins]
    assert distances == sorted(distances)


def test_twins_cost_consistency(audited):
    # Under noise a clip is about as near to its twin as to itself.
    assert audited.cost > 0.05
    assert audited.consistency < audited.without_twins <= 1.0


def test_relatives_of_a_group_are_no_twins(folder):
    grouped = Corpus.from_directory(folder, groups=r"^(\d+)_")
    assert len(set(grouped.groups)) == 12
    audited = audit_corpus(grouped)
    assert not audited.near_twins
    assert audited.cost == 0.0


def test_the_bundled_corpus_has_two_recordings_that_are_alike():
    audited = audit_corpus(Corpus.bundled().subset(["078_crystan-battlescape02",
                                                    "079_crystan-battlescape03",
                                                    "000_battle-theme"]))  # fmt: skip
    (twins,) = audited.near_twins
    assert (twins.first, twins.second) == (
        "078_crystan-battlescape02", "079_crystan-battlescape03",
    )  # fmt: skip


def test_defects_are_named():
    music = Corpus.bundled().subset(5)
    clips = [clip.samples[RATE : 3 * RATE].copy() for clip in music]
    clips[1][: len(clips[1]) // 2] = 0.0
    clips[2] = np.clip(20 * clips[2], -1, 1)
    clips[3] = clips[3] + 0.5 * np.float32(np.abs(clips[3]).max())
    ids = ["as it is", "silent", "clipped", "offset", "low"]
    clips[4] = MP3(32).apply(music[4]).samples[RATE : 3 * RATE]
    audited = audit_corpus(Corpus.from_arrays(np.stack(clips), sample_rate=RATE, ids=ids))
    assert list(audited.silent) == ["silent"]
    assert audited.silent["silent"] == pytest.approx(0.5, abs=0.05)
    assert list(audited.clipped) == ["clipped"]
    assert audited.offset["offset"] > 0.5
    assert "low" not in audited.offset
    assert list(audited.cut_off) == ["low"]
    assert 7500 < audited.cut_off["low"] < 8500
    text = str(audited)
    for line in ("leave one out: none", "silent: 50% of it", "clipped: 1\n", " Hz"):
        assert line in text


def test_at_rates_that_mp3_does_not_have_noise_alone_is_hardly_audible():
    clips = [clip.samples for clip in Corpus.bundled().subset(3)]
    audited = audit_corpus(Corpus.from_arrays(np.stack(clips), sample_rate=20_000))
    assert not audited.near_twins


@pytest.mark.parametrize("kbps, at", [(16, 5200), (32, 7950), (64, 9700)])
def test_codecs_are_known_by_where_the_spectrum_ends(kbps, at):
    found = [
        cut_off(MP3(kbps).apply(clip).window(2.0), RATE) for clip in Corpus.bundled().subset(9)
    ]
    assert np.median(found) == pytest.approx(at, rel=0.03)


@pytest.mark.parametrize("samples", [np.zeros(RATE), np.ones(RATE), np.zeros(3)])
def test_no_spectrum_has_no_edge(samples):
    assert cut_off(samples.astype(np.float32), RATE) == 0.0


def test_it_is_the_same_of_json(audited):
    again = Audit.from_dict(json.loads(json.dumps(audited.as_dict())))
    assert again == audited
    assert again.lines() == audited.lines()


def test_the_command_says_it(folder, audited, capsys):
    assert main(["audit", str(folder)]) == 0
    assert capsys.readouterr().out == f"{audited}\n"
    assert main(["audit", str(folder / "nowhere")]) == 2
    assert "nowhere" in capsys.readouterr().err

"""Audits: planted twins are found, other clips are not, and defects are named."""

from __future__ import annotations

import json
from dataclasses import replace

import naive
import numpy as np
import pytest
import soundfile

from pytest_nnrel import (
    MP3,
    Clip,
    Corpus,
    DynamicRange,
    LowPass,
    Opus,
    PinkNoise,
    Tilt,
    audit_corpus,
)
from pytest_nnrel.__main__ import main
from pytest_nnrel.audit import Audit
from pytest_nnrel.audit.defects import cut_off
from pytest_nnrel.audit.twins import Alike, NearTwins
from pytest_nnrel.experiment.stores import close_stores
from pytest_nnrel.runtime import settings

RATE = 22_050


def later(samples, by):
    return np.concatenate([np.zeros(by, np.float32), samples[:-by]])


TWINS = {
    # Decoders that do not know of the encoder's delay play what they decode so much later.
    "codec": lambda clip: later(MP3(96).apply(clip).samples, 1105),
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
    assert all(twins.same_recording for twins in audited.near_twins)
    distances = [twins.distance for twins in audited.near_twins]
    assert distances == sorted(distances)


COPIES = {
    "mp3": lambda clip: later(MP3(48).apply(clip).samples, 1105),
    "low bitrate": lambda clip: MP3(32).apply(clip).samples,
    "opus": lambda clip: Opus(48).apply(clip).samples,
    "noise": lambda clip: PinkNoise(30).apply(clip, seed=1).samples,
    "tilt": lambda clip: Tilt(3).apply(clip).samples,
    "dull": lambda clip: LowPass(8_000).apply(clip).samples,
    "compressed": lambda clip: DynamicRange(4).apply(clip).samples,
    "late": lambda clip: later(clip.samples, 2205),
    "upside down": lambda clip: -0.3 * clip.samples,
}


@pytest.mark.parametrize("copy", COPIES)
def test_copies_go_up_and_down_together_and_other_music_does_not(copy):
    music = list(Corpus.bundled().subset(15))
    copies = [Clip(clip.id, COPIES[copy](clip), RATE) for clip in music]
    windows = np.stack([clip.window(2.0) for clip in music + copies])
    alike = Alike(windows, RATE)
    found = np.stack([alike.of(row, np.arange(15, 30)) for row in range(15)])
    own = np.eye(15, dtype=bool)
    assert found[own].min() > 0.65
    assert found[~own].max() < 0.35
    assert np.allclose(alike.of(20, np.arange(15)), found[:, 5], atol=1e-5)


@pytest.mark.parametrize("samples, rate", [(60, 22_050), (61, 8_000), (48, 8_000), (9, 22_050)])
def test_correlation_equals_its_definition(samples, rate):
    rng = np.random.default_rng(samples)
    windows = rng.standard_normal((4, samples)).astype(np.float32)
    alike = Alike(windows, rate)
    for row in range(4):
        expected = [
            naive.whitened_correlation(windows[row], other, rate, band=5_500) for other in windows
        ]
        assert np.allclose(alike.of(row, np.arange(4)), expected, atol=1e-4)
        assert expected[row] == pytest.approx(1.0)


def test_silence_is_like_nothing():
    windows = np.stack([np.zeros(500), np.full(500, 0.5), np.sin(np.arange(500.0))])
    alike = Alike(windows.astype(np.float32), RATE)
    assert alike.of(0, np.arange(3)).tolist() == [0, 0, 0]
    assert alike.of(1, np.arange(3)).tolist() == [0, 0, 0]
    assert alike.of(2, np.arange(2)).tolist() == [0, 0]


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


def test_the_bundled_corpus_has_two_clips_that_sound_alike_and_no_copy():
    audited = audit_corpus(Corpus.bundled().subset(["078_crystan-battlescape02",
                                                    "079_crystan-battlescape03",
                                                    "000_battle-theme"]))  # fmt: skip
    (twins,) = audited.near_twins
    assert (twins.first, twins.second) == (
        "078_crystan-battlescape02", "079_crystan-battlescape03",
    )  # fmt: skip
    assert not twins.same_recording
    assert twins.distance <= twins.moved
    assert audited.cost == 0.0
    assert "the same recording twice" in str(audited)


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
    for line in (
        "leave one out: none",
        "moves either: none",
        "silent: 50% of it",
        "clipped: 1\n",
        " Hz",
    ):
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


@pytest.mark.parametrize("samples", [np.zeros(RATE), np.ones(RATE), np.zeros(3), np.ones(40)])
def test_no_spectrum_has_no_edge(samples):
    assert cut_off(samples.astype(np.float32), RATE) == 0.0


def test_results_of_a_version_that_did_not_look_at_waveforms_are_read():
    pair = NearTwins(first="a", second="b", distance=1.0, moved=2.0)
    assert str(pair) == "a and b: 1 apart, moved by 2"


def test_it_is_the_same_of_json(audited):
    again = Audit.from_dict(json.loads(json.dumps(audited.as_dict())))
    assert again == audited
    assert again.lines() == audited.lines()


def test_it_is_made_once_for_all_runs(folder, audited, monkeypatch):
    """Of the same clips under another name, too; of other groups it is made anew."""
    close_stores(settings.active())  # and with them what they keep in memory
    of_files = Corpus.from_directory(folder)
    arrays = np.stack([clip.samples for clip in of_files])
    with monkeypatch.context() as patch:
        patch.setattr("pytest_nnrel.audit.near_twins", None)
        again = audit_corpus(Corpus.from_directory(folder))
    assert again == audited
    named = [
        Corpus.from_arrays(arrays, sample_rate=RATE, ids=of_files.ids, groups=groups, name=name)
        for name, groups in (("one", None), ("other", None), ("one", ["all"] * len(of_files)))
    ]
    first, second, grouped = map(audit_corpus, named)
    assert (first.corpus, second.corpus) == ("one", "other")
    assert replace(second, corpus="one") == first
    assert first.near_twins
    assert not grouped.near_twins


def test_the_command_says_it(folder, audited, capsys):
    assert main(["audit", str(folder)]) == 0
    assert capsys.readouterr().out == f"{audited}\n"
    assert main(["audit", str(folder / "nowhere")]) == 2
    assert "nowhere" in capsys.readouterr().err

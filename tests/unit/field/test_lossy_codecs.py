"""Opus and AAC: lag, length, bitrate, and what they do not take."""

from __future__ import annotations

import builtins
import sys

import numpy as np
import pytest
from signals import RATE, decibels, lag_of, noise, tone, without_gain

from pytest_nnrel import AAC, Corpus, EngineError, MagnitudeError, Opus, TransformError
from pytest_nnrel import strategies as nn

#: Sample rates that AAC has, with the least and the most bitrate that can be had.
REACH = [(8_000, 8, 48), (16_000, 8, 96), (RATE, 12, 132), (44_100, 16, 256)]


@pytest.fixture(scope="module")
def music():
    pytest.importorskip("av")
    return list(Corpus.bundled().subset(6))


@pytest.mark.parametrize("transform", [Opus(6), Opus(9), Opus(10), Opus(64), AAC(12), AAC(64)])
def test_the_output_is_aligned_to_the_sample(music, transform):
    for clip in music:
        out = without_gain(transform, clip)
        assert len(out) == len(clip.samples)
        assert abs(lag_of(out, clip.samples)) <= (1 if transform.kbps < 10 else 0)


@pytest.mark.parametrize("kbps", Opus.ladder)
def test_opus_is_constant_at_its_bitrate(music, kbps):
    """Of 20-ms frames of whole bytes, of which half a one is 0.2 kb/s."""
    for clip in (music[0], noise(), tone(440)):
        assert Opus(kbps).apply_checked(clip).checks["kbps"] == pytest.approx(
            kbps, abs=0.2, rel=0.01
        )


@pytest.mark.parametrize("rate, least, most", REACH)
def test_aac_reaches_its_bitrate_on_what_is_hard_to_code(music, rate, least, most):
    clip = noise(rate=rate)
    for kbps in (least, 24, most / 2):
        reached = AAC(kbps).apply_checked(clip).checks["kbps"]
        assert reached == pytest.approx(kbps, rel=0.08)
    assert AAC(most).apply_checked(clip).checks["kbps"] <= most


@pytest.mark.parametrize("rate, least, most", REACH)
def test_bitrates_that_cannot_be_had_are_those_next_to_them(rate, least, most):
    assert AAC(8).condition(rate) == AAC(least)
    assert AAC(256).condition(rate) == AAC(most)
    assert AAC(32).condition(rate) == AAC(32)


@pytest.mark.parametrize("family", [Opus, AAC])
def test_more_bits_are_nearer(music, family):
    ratios = []
    for kbps in (16, 32, 64):
        error = [without_gain(family(kbps), clip) - clip.samples for clip in music]
        signal = [clip.samples.astype(np.float64) for clip in music]
        ratios.append(np.mean([decibels(s, e) for s, e in zip(signal, error)]))
    assert ratios[0] + 1 < ratios[1] < ratios[2] - 1


@pytest.mark.parametrize("call", [lambda: Opus(5.9), lambda: Opus(320), lambda: AAC(7)])
def test_bitrates_that_no_codec_has_are_refused(call):
    with pytest.raises(MagnitudeError, match=r"takes [68] to 256 kb/s"):
        call()


def test_aac_has_no_other_sample_rates(music):
    with pytest.raises(TransformError, match=r"AAC exists at .* not at 20,000 Hz"):
        AAC(64).apply(tone(440, rate=20_000))
    assert len(Opus(64).apply(tone(440, rate=20_000)).samples) == 80_000


def test_loud_clips_are_not_clipped(music):
    loud = music[0].with_samples(music[0].samples * np.float32(8))
    assert without_gain(Opus(96), loud) / 8 == pytest.approx(
        without_gain(Opus(96), music[0]), abs=0.05
    )


@pytest.mark.parametrize("transform", [Opus(64), AAC(64)])
def test_without_the_engine_the_extra_is_named(monkeypatch, transform):
    def without_av(name, *args, **options):
        if name == "av":
            raise ImportError(name)
        return imported(name, *args, **options)

    imported = builtins.__import__
    monkeypatch.delitem(sys.modules, "av", raising=False)
    monkeypatch.setattr(builtins, "__import__", without_av)
    with pytest.raises(EngineError, match=r'needs PyAV: pip install "pytest-nnrel\[formats\]"'):
        transform.apply(tone(440))
    assert f"{type(transform).__name__} between" not in repr(nn.transforms())

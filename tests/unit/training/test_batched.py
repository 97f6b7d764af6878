"""What torch makes of a batch is what `Transform.apply` makes of each clip."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from scipy.signal import welch  # noqa: E402
from signals import decibels  # noqa: E402

from pytest_nnrel import (  # noqa: E402
    Clip,
    Clipping,
    Corpus,
    Dropout,
    Gain,
    HighPass,
    LowPass,
    PinkNoise,
    Quantization,
    Tilt,
    TimeShift,
    WhiteNoise,
)
from pytest_nnrel.corpus import audio  # noqa: E402
from pytest_nnrel.training.batched import BATCHED  # noqa: E402
from pytest_nnrel.training.loudness import restore_loudness  # noqa: E402

RATE = 22_050
#: Largest deviation from `Transform.apply`, against the clip's peak, that float32 explains.
TOLERANCE = 2e-5
DETERMINISTIC = [
    *(Clipping(db) for db in (1, 12, 40)),
    *(Gain(db) for db in (-60, -3, 40)),
    *(HighPass(hz) for hz in (20, 320, 5120)),
    *(LowPass(hz) for hz in (156.2, 1250, 10000)),
    *(Quantization(bits) for bits in (1, 4, 15)),
    *(Tilt(slope) for slope in (-6, -0.25, 6)),
    *(TimeShift(ms) for ms in (-500, 5, 333)),
]


@pytest.fixture(scope="module")
def clips():
    return [*Corpus.bundled().subset(3)]


def batched(transforms, clips, seed=0):
    """Return what torch makes of clips, one transformation each, loudness restored."""
    (family,) = {type(transform) for transform in transforms}
    waveforms = torch.from_numpy(np.stack([clip.samples for clip in clips]))
    kept = waveforms.clone()
    generator = torch.Generator().manual_seed(seed)
    out = BATCHED[family](waveforms, transforms, clips[0].sample_rate, generator)
    assert torch.equal(waveforms, kept)  # one's own are left as they are
    if transforms[0].restores_loudness:
        out = restore_loudness(out, waveforms, clips[0].sample_rate)
    return out.numpy()


def deviation(out, clip, transform):
    expected = transform.apply(clip, seed=0).samples
    return np.abs(out - expected).max() / np.abs(expected).max()


@pytest.mark.parametrize("transform", DETERMINISTIC, ids=str)
def test_samples_are_those_of_the_family(transform, clips):
    outs = batched([transform] * len(clips), clips)
    assert [deviation(out, clip, transform) < TOLERANCE for out, clip in zip(outs, clips)] == [
        True, True, True,
    ]  # fmt: skip


@pytest.mark.parametrize(
    "family", sorted({type(t) for t in DETERMINISTIC}, key=lambda f: f.__name__)
)
def test_rows_have_their_own_magnitudes(family, clips):
    transforms = [t for t in DETERMINISTIC if type(t) is family]
    for out, clip, transform in zip(batched(transforms, clips), clips, transforms):
        assert deviation(out, clip, transform) < TOLERANCE


@pytest.mark.parametrize("rate", [4_000, 16_000, 44_100])
@pytest.mark.parametrize("samples", [20, 300, 5_001])
def test_other_rates_and_lengths_are_the_familys_too(rate, samples):
    noise = 0.1 * np.random.default_rng(0).standard_normal(samples).astype(np.float32)
    short = Clip("short", noise, rate)
    for transform in (LowPass(1250), HighPass(80), Tilt(-3), Clipping(10), TimeShift(-0.2)):
        (out,) = batched([transform], [short])
        assert deviation(out, short, transform) < TOLERANCE


def slope_of(noise):
    """Return the slope of a noise's spectrum, in dB an octave."""
    hertz, density = welch(noise, RATE, nperseg=4096)
    heard = (hertz > 100) & (hertz < 8000)
    return np.polyfit(np.log2(hertz[heard]), 10 * np.log10(density[heard]), 1)[0]


@pytest.mark.parametrize(
    "family, slope", [(WhiteNoise, 0), (PinkNoise, -10 * np.log10(2))], ids=["white", "pink"]
)
def test_noise_has_the_ratio_and_the_colour_of_its_family(family, slope, clips):
    ratios = [-30, 12.5, 59.5]
    waveforms = torch.from_numpy(np.stack([clip.samples for clip in clips]))
    generator = torch.Generator().manual_seed(0)
    out = BATCHED[family](waveforms, [family(r) for r in ratios], RATE, generator).numpy()
    added = [o.astype(np.float64) - clip.samples for o, clip in zip(out, clips)]
    reached = [decibels(clip.samples, noise) for clip, noise in zip(clips, added)]
    assert reached == pytest.approx(ratios, abs=0.01)
    assert slope_of(added[0]) == pytest.approx(slope, abs=0.2)
    assert slope_of(family(-30).apply(clips[0], seed=0).samples) == pytest.approx(slope, abs=0.2)
    correlations = np.corrcoef(added)[np.triu_indices(3, 1)]
    assert np.abs(correlations).max() < 0.3  # each row has its own


@pytest.mark.parametrize("family", [PinkNoise, WhiteNoise])
def test_loudness_under_noise_is_the_clips(family, clips):
    out = batched([family(3)] * len(clips), clips)
    for row, clip in zip(out, clips):
        assert audio.loudness(row, RATE) == pytest.approx(clip.loudness, abs=0.01)


def test_each_second_has_one_gap_of_the_familys_length():
    ones = Clip("ones", np.ones(round(3.5 * RATE), np.float32), RATE)
    transforms = [Dropout(ms) for ms in (10, 250, 500)]
    out = torch.ones(3, len(ones.samples))
    dropped = BATCHED[Dropout](out, transforms, RATE, torch.Generator().manual_seed(0)).numpy()
    for row, transform in zip(dropped, transforms):
        expected = transform.render(ones.samples.copy(), RATE, np.random.default_rng(0))
        for first in range(0, len(row), RATE):
            silent = np.flatnonzero(row[first : first + RATE] == 0)
            assert len(silent) == (expected[first : first + RATE] == 0).sum()
            assert silent[-1] - silent[0] == len(silent) - 1
    starts = {np.flatnonzero(dropped[0, s : s + RATE] == 0)[0] for s in range(0, 3 * RATE, RATE)}
    assert len(starts) == 3


def test_gaps_may_be_anywhere():
    """Of a second of four samples, half silent: at each of three places equally often."""
    waveforms = torch.ones(3000, 4)
    transforms = [Dropout(500)] * 3000
    out = BATCHED[Dropout](waveforms, transforms, 4, torch.Generator().manual_seed(0))
    starts = (out == 0).int().argmax(dim=1)
    assert torch.bincount(starts, minlength=3).tolist() == pytest.approx([1000] * 3, abs=120)


@pytest.mark.parametrize("family", sorted(BATCHED, key=lambda f: f.__name__))
def test_a_silent_row_stays_silent_among_others(family):
    transform = family.from_severity(len(family.ladder)) if family.ladder else family()
    heard = 0.1 * torch.randn(1, RATE, generator=torch.Generator().manual_seed(0))
    waveforms = torch.cat([heard, torch.zeros(1, RATE)])
    out = BATCHED[family](waveforms, [transform] * 2, RATE, torch.Generator().manual_seed(0))
    out = restore_loudness(out, waveforms, RATE)
    assert not out[1].any()
    assert torch.isfinite(out).all()


def test_what_becomes_silent_is_left_so():
    deep = torch.sin(2 * torch.pi * 30 * torch.arange(RATE) / RATE)[None]
    out = BATCHED[HighPass](deep, [HighPass(5120)], RATE, torch.Generator())
    assert torch.equal(restore_loudness(out, deep, RATE), out)

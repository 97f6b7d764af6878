"""Which views are drawn: of which transformations, at which severities, and by whom."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from pytest_nnrel import (  # noqa: E402
    MP3,
    Chain,
    Clipping,
    FunctionTransform,
    Gain,
    HighPass,
    Identity,
    LowPass,
    PinkNoise,
    PitchShift,
    TimeShift,
)
from pytest_nnrel.corpus import audio  # noqa: E402
from pytest_nnrel.errors import SettingError, TrainingError, TransformError  # noqa: E402
from pytest_nnrel.training import TransformedPool, TransformedViews  # noqa: E402
from pytest_nnrel.training.drawn import drawn_of  # noqa: E402

RATE = 8_000


def noise(rows, seconds=0.5, seed=0):
    rng = np.random.default_rng(seed)
    return torch.from_numpy(rng.normal(0, 0.1, (rows, round(seconds * RATE))).astype(np.float32))


def test_rungs_from_the_mildest_to_the_given_are_equally_likely():
    """The gain of a row says which rung it is."""
    views = TransformedViews([Gain(-3), Gain(2)], sample_rate=RATE)
    waveforms = noise(3000, 0.01)
    out = views(waveforms)
    gains = (20 * torch.log10(out.norm(dim=1) / waveforms.norm(dim=1))).round().int().tolist()
    counts = Counter(gains)
    assert sorted(counts) == [-3, -2, -1, 1, 2]
    assert [counts[g] for g in (-3, -2, -1)] == pytest.approx([500] * 3, abs=90)
    assert [counts[g] for g in (1, 2)] == pytest.approx([750] * 2, abs=110)


def rungs(transform, rate=22_050):
    (drawn,) = drawn_of([transform], rate)
    return drawn.rungs


def test_rungs_keep_options_and_direction_and_are_conditions():
    assert rungs(TimeShift(-10)) == (TimeShift(-5), TimeShift(-10))
    assert rungs(Gain(1.5)) == (Gain(1), Gain(1.5))  # between two rungs
    engine = PitchShift(0.1, engine="pyrubberband")
    assert rungs(engine) == (PitchShift(0.05, engine="pyrubberband"), engine)
    limits = [rung.hz for rung in rungs(LowPass(2500), RATE)]
    assert limits == [3968.5, 3149.8, 2500.0]  # what is above half of the rate changes nothing
    bitrates = [rung.kbps for rung in rungs(MP3(128))]
    assert bitrates == [160, 144, 128]  # 160 kb/s is the most that there is at 22,050 Hz
    assert rungs(Identity()) == (Identity(),)
    chain = Chain(Gain(1), Clipping(3))
    assert rungs(chain) == (chain,)


def test_views_are_the_same_for_one_seed_and_batch():
    waveforms = noise(4)
    some = [PinkNoise(0), Clipping(20), LowPass(300)]
    first = TransformedViews(some, sample_rate=RATE, seed=1)
    again = TransformedViews(some, sample_rate=RATE, seed=1)
    other = TransformedViews(some, sample_rate=RATE, seed=2)
    of_first = first(waveforms)
    assert torch.equal(again(waveforms), of_first)
    assert not torch.equal(other(waveforms), of_first)
    assert not torch.equal(first(waveforms), of_first)
    assert (first.drawn, again.drawn) == (2, 1)


def test_loudness_is_that_of_the_waveforms():
    waveforms = noise(8)
    out = TransformedViews([PinkNoise(0), HighPass(640)], sample_rate=RATE)(waveforms)
    for row, waveform in zip(out.numpy(), waveforms.numpy()):
        expected = audio.loudness(waveform, RATE)
        assert audio.loudness(row, RATE) == pytest.approx(expected, abs=0.01)


def test_what_is_slow_needs_a_pool():
    mine = FunctionTransform("mine", lambda samples, rate: samples)
    with pytest.raises(TrainingError, match=r"^PitchShift\(semitones=1\), .*TransformedPool") as e:
        TransformedViews([PinkNoise(3), PitchShift(1), mine], sample_rate=RATE)
    assert "PinkNoise" not in str(e.value)


@pytest.mark.parametrize(
    "transforms, said",
    [
        ([], "is empty"),
        (PinkNoise(12), r"are a list, such as .* not PinkNoise"),
        (None, r"are a list, such as .* not None"),
        ([Gain(1), Clipping(3), Gain(1)], r"holds Gain\(db=1\) twice"),
        ([LowPass(5000)], r"LowPass\(hz=5000\) changes nothing at 8,000 Hz"),
        ([Gain(0)], "changes nothing"),
    ],
)
def test_transformations_that_nothing_is_learnt_from(transforms, said):
    with pytest.raises(SettingError, match=said):
        TransformedViews(transforms, sample_rate=RATE)


@pytest.mark.parametrize("transform", [Gain(1), PitchShift(1)])
def test_what_is_no_pool_is_told(transform):
    with pytest.raises(SettingError, match="pool takes a TransformedPool of the clips, not list"):
        TransformedViews([transform], sample_rate=RATE, pool=[1])


def test_what_does_not_work_at_a_rate_is_told_at_once():
    with pytest.raises(TransformError, match="there is nothing above 5120 Hz"):
        TransformedViews([HighPass(5120)], sample_rate=RATE)


@pytest.mark.parametrize("transform", [TimeShift(500), TimeShift(-500)])
def test_the_gravest_of_a_family_can_be_trained_on(transform):
    views = TransformedViews([transform], sample_rate=RATE)
    assert views(noise(2, 2.0)).shape == (2, 2 * RATE)


@pytest.mark.parametrize("rate", [22.05, 0, "22050", None])
def test_rates_that_are_none(rate):
    with pytest.raises(SettingError, match="sample_rate takes whole Hz"):
        TransformedViews([Gain(1)], sample_rate=rate)


def test_fast_and_pooled_views_share_a_batch():
    waveforms = noise(40)
    reverse = FunctionTransform("reversed", lambda samples, rate: samples[::-1].copy())
    both = [Gain(1), reverse]
    pool = TransformedPool(waveforms, both, sample_rate=RATE, versions=1)
    views = TransformedViews(both, sample_rate=RATE, pool=pool)
    out = views(waveforms, torch.arange(40))
    louder = [torch.allclose(o, w * 10**0.05, atol=1e-6) for o, w in zip(out, waveforms)]
    turned = [np.corrcoef(o.numpy(), w.numpy()[::-1])[0, 1] > 0.999 for o, w in zip(out, waveforms)]
    assert [a != b for a, b in zip(louder, turned)] == [True] * 40
    assert 8 <= sum(louder) <= 32
    assert repr(views).splitlines()[1:] == [
        "  Gain(db=1), 1 rung, by torch",
        "  reversed, 1 rung, from the pool",
    ]


RANKED = """
import sys, torch
from pytest_nnrel import PinkNoise
from pytest_nnrel.training import TransformedViews
rank, store, out = int(sys.argv[1]), sys.argv[2], sys.argv[3]
torch.distributed.init_process_group("gloo", f"file://{store}", rank=rank, world_size=2)
views = TransformedViews([PinkNoise(0)], sample_rate=8_000)
torch.save(views(torch.ones(2, 800)), out)
torch.distributed.barrier()
torch.distributed.destroy_process_group()
"""


@pytest.mark.slow
def test_processes_that_train_together_draw_apart(tmp_path):
    outs = [tmp_path / f"{rank}.pt" for rank in range(2)]
    both = [
        subprocess.Popen([sys.executable, "-c", RANKED, str(rank), tmp_path / "store", outs[rank]])
        for rank in range(2)
    ]
    assert [process.wait() for process in both] == [0, 0]
    first, second = map(torch.load, outs)
    alone = TransformedViews([PinkNoise(0)], sample_rate=RATE)(torch.ones(2, 800))
    assert torch.equal(first, alone)
    assert not torch.equal(first, second)

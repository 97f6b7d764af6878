"""Transforms of audiomentations, one or a chain, as transformations.

Their random choices are drawn anew for each clip, the same in every run of one seed. Say `p=1.0`,
or some clips are left as they were. `as_transform` gives a name and a place on an axis.
"""

import pytest

from pytest_nnrel import Chain, MFCCEncoder, TempoShift, as_transform, assert_within_consistency

am = pytest.importorskip("audiomentations")

pytestmark = pytest.mark.nnrel(clips=10)


def test_a_transform():
    crushed = am.BitCrush(min_bit_depth=10, max_bit_depth=14, p=1.0)
    assert_within_consistency(MFCCEncoder(), crushed, min=0.9)


def test_a_chain():
    room = am.Compose(
        [
            am.AddGaussianSNR(min_snr_db=40, max_snr_db=60, p=1.0),
            am.SevenBandParametricEQ(min_gain_db=-2, max_gain_db=2, p=1.0),
        ]
    )
    assert_within_consistency(MFCCEncoder(), as_transform(room, name="Recorded"), min=0.8)


@pytest.mark.parametrize("bits", [12, 10])
def test_magnitudes_on_an_axis(bits):
    crushed = am.BitCrush(min_bit_depth=bits, max_bit_depth=bits, p=1.0)
    transform = as_transform(crushed, name=f"BitCrush({bits})", magnitude=bits, unit="bits")
    assert_within_consistency(MFCCEncoder(), transform, min=0.9)


def test_with_one_of_pytest_nnrels_own():
    inverted = as_transform(am.PolarityInversion(p=1.0))
    assert_within_consistency(MFCCEncoder(), Chain(TempoShift(1.1), inverted), min=0.9)

"""Effects of pedalboard, one or a board, and functions of one's own as transformations.

A board is reset before each clip. The loudness of the original is restored after every
transformation, so that a compressor is not found out by its gain.
"""

import numpy as np
import pedalboard as pb
import pytest

from pytest_nnrel import FunctionTransform, MFCCEncoder, as_transform, assert_within_consistency

pytestmark = pytest.mark.nnrel(clips=10)


def test_an_effect():
    compressor = pb.Compressor(threshold_db=-20, ratio=4)
    assert_within_consistency(MFCCEncoder(), compressor, min=0.9)


def test_a_board():
    board = pb.Pedalboard(
        [pb.HighpassFilter(60), pb.Compressor(-18, ratio=2), pb.Reverb(wet_level=0.1)]
    )
    assert_within_consistency(MFCCEncoder(), as_transform(board, name="Mastering"), min=0.8)


@pytest.mark.parametrize("hz", [9000, 7000])
def test_magnitudes_on_an_axis(hz):
    lowpass = as_transform(
        pb.LowpassFilter(cutoff_frequency_hz=hz), name=f"Lowpass({hz})", magnitude=hz, unit="Hz"
    )
    assert_within_consistency(MFCCEncoder(), lowpass, min=0.8)


def test_a_function():
    def fade_in(samples, sample_rate):
        return samples * np.minimum(np.arange(len(samples)) / sample_rate, 1.0)

    # Results are kept between runs under the version: change it with the function.
    fade = FunctionTransform("FadeIn", fade_in, unit="s", version="1")
    assert_within_consistency(MFCCEncoder(), fade, min=0.9)

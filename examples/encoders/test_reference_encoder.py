"""The paper's encoders come trained: here instrument recognition, tested like one's own.

A report of these tests has the curves of all five reference encoders behind this one's.
"""

import pytest

from pytest_nnrel import PitchShift, TempoShift, assert_encoder_sane, assert_within_consistency

pytest.importorskip("torch")
pytest.importorskip("safetensors")


@pytest.fixture(scope="module")
def instruments():
    import reference_models

    return reference_models.load("ir")


@pytest.mark.nnrel(clips=10)
def test_it_is_sane(instruments):
    assert_encoder_sane(instruments)


@pytest.mark.nnrel(clips=10)
@pytest.mark.parametrize("transform", [PitchShift(0.25), TempoShift(0.98)], ids=str)
def test_what_is_hardly_heard_leaves_clips_near(instruments, transform):
    assert_within_consistency(instruments, transform, min=0.9)

"""What the encoder has to survive, on music that it was not trained on."""

import pytest

from pytest_nnrel import EnvironmentalNoise, PinkNoise, assert_within_consistency

SURVIVED = [PinkNoise(15), EnvironmentalNoise(15)]

pytestmark = pytest.mark.nnrel(clips=40)


@pytest.mark.parametrize("transform", SURVIVED, ids=str)
def test_clips_are_found_again(encoder, transform):
    assert_within_consistency(encoder, transform, min=0.7)


def test_not_worse_than_last_release(encoder, nnrel_baseline):
    nnrel_baseline.check(encoder, SURVIVED)

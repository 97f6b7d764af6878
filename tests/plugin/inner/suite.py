"""A user's tests. With eight clips, two of which `lossy` loses, every outcome is known."""

import pytest
from encoders import Positions, Raising, spectrum

from pytest_nnrel import (
    MP3,
    PinkNoise,
    assert_between_consistency,
    assert_relative_nearest,
    assert_within_consistency,
    audio_consistency,
    between_consistency,
    within_consistency,
)

NOISE = PinkNoise(40)


@pytest.fixture(scope="session")
def faithful(nnrel_corpus):
    return Positions(nnrel_corpus, name="faithful")


@pytest.fixture(scope="session")
def lossy(nnrel_corpus):
    return Positions(nnrel_corpus, lost=(2, 5), name="lossy")


@pytest.fixture
def measured_before(faithful):
    return within_consistency(faithful, NOISE, distance="cityblock_of_a_line")


@pytest.fixture
def judged_before(lossy):
    assert_within_consistency(lossy, PinkNoise(30), min=1.0)


@pytest.fixture
def measured_after(faithful):
    yield
    within_consistency(faithful, PinkNoise(20))


@pytest.fixture(scope="session", autouse=True)
def _own_distance():
    from pytest_nnrel import register_distance

    register_distance("cityblock_of_a_line", lambda a, b: abs(a - b.T), space="latent", version="1")


def test_within_holds(faithful):
    assert_within_consistency(faithful, NOISE, min=1.0)


def test_within_fails(lossy):
    assert_within_consistency(lossy, NOISE, min=0.9)


def test_within_undecided(lossy):
    assert_within_consistency(lossy, NOISE, min=0.8, confident=True)


def test_within_fails_confidently(lossy):
    assert_within_consistency(lossy, NOISE, min=0.95, confident=True)


def test_accuracy_holds(faithful):
    assert_between_consistency(faithful, NOISE, min=1.0, measure="accuracy")


def test_accuracy_fails(lossy):
    assert_between_consistency(lossy, NOISE, min=0.9, measure="accuracy")


def test_rho_holds():
    assert_between_consistency(spectrum, NOISE, min=0.3)


def test_rho_fails(lossy):
    assert_between_consistency(lossy, NOISE, min=0.99)


def test_nearest_holds(lossy, nnrel_corpus):
    assert_relative_nearest(lossy, nnrel_corpus.ids[1], NOISE)


def test_nearest_fails(lossy, nnrel_corpus):
    assert_relative_nearest(lossy, nnrel_corpus[2], NOISE)


@pytest.mark.nnrel(grid=[PinkNoise(30), MP3(160), MP3(320)])
def test_grid(faithful, nnrel_transform):
    assert_within_consistency(faithful, nnrel_transform, min=1.0)


def test_cannot_be_measured():
    assert_within_consistency(Raising(), NOISE, min=0.5)


def test_measures_without_a_verdict(faithful):
    audio_consistency(NOISE, distance="simple")
    between_consistency(faithful, PinkNoise(30), measure="accuracy")


def test_measured_in_setup(measured_before):
    assert measured_before.n == 8


def test_judged_in_setup(judged_before):
    raise NotImplementedError("setup has failed")


def test_measured_in_teardown(measured_after):
    pass


def test_of_something_else():
    assert "".join(["a", "b"]) == "ab"

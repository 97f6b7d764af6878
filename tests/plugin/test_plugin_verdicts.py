"""Sanity, breaking magnitudes and monotonicity inside a user's tests, in each mode."""

from __future__ import annotations

import pytest

from pytest_nnrel.report.results import stable

_SUITE = """
    import numpy as np
    import pytest
    from encoders import Positions, Threshold, spectrum
    from pytest_nnrel import (
        PinkNoise, assert_encoder_sane, assert_monotone, assert_unbroken_until, breaking_magnitude,
    )

    @pytest.fixture(scope="session")
    def below_41(nnrel_corpus):
        return Threshold(nnrel_corpus, snr_db=40.75)

    def random_crop(batch):
        start = np.random.randint(100)
        return spectrum(batch[:, start:])

    def test_sane():
        assert_encoder_sane(spectrum, checks=["finite", "same_twice", "batch_size", "collapse"])

    def test_not_sane():
        assert_encoder_sane(random_crop, checks=["same_twice", "global_rng"])

    def test_unbroken(below_41):
        assert_unbroken_until(below_41, PinkNoise(43), min=1.0)

    def test_breaks(below_41):
        assert_unbroken_until(below_41, PinkNoise(20), min=1.0)

    def test_break_is_found(below_41):
        found = breaking_magnitude(below_41, PinkNoise, min=1.0)
        assert 40 <= found.magnitude <= 42

    def test_further():
        assert_monotone(spectrum, PinkNoise, steps=4)

    def test_not_further(nnrel_corpus):
        assert_monotone(Positions(nnrel_corpus), PinkNoise, steps=4)
"""


@pytest.fixture(scope="module")
def run_in(new_inner):
    runs = {}

    def run(mode):
        if mode not in runs:
            inner = new_inner()
            inner.write(test_verdicts=_SUITE)
            runs[mode] = inner.run(mode=mode)
        return runs[mode]

    return run


@pytest.fixture
def verdicts(run_in, mode):
    return run_in(mode)


def test_outcomes(verdicts):
    verdicts.result.assert_outcomes(passed=4, failed=3)
    outcomes = {name: t["verdicts"][0]["outcome"] for name, t in verdicts.tests().items()
                if t["verdicts"]}  # fmt: skip
    assert outcomes == {
        "test_sane": "holds",
        "test_not_sane": "fails",
        "test_unbroken": "holds",
        "test_breaks": "fails",
        "test_further": "holds",
        "test_not_further": "fails",
    }


def test_messages(verdicts):
    insane = verdicts.failure_of("test_not_sane")
    assert "random_crop: 2 of 2 sanity checks find something on clips (8 clips)" in insane
    assert "cause  usually a random crop, dither or dropout" in insane
    assert "redo:    pytest test_verdicts.py::test_not_sane" in insane
    broken = verdicts.failure_of("test_breaks")
    assert "threshold breaks before PinkNoise(snr_db=20)" in broken
    assert "breaks at PinkNoise(snr_db=4" in broken
    assert "graver is not further" in verdicts.failure_of("test_not_further")


def test_summary_and_page(verdicts):
    assert "spectrum: no finding in 4 sanity checks on clips (8 clips)" in verdicts.text
    assert "random_crop: 2 of 2 sanity checks find something" in verdicts.text
    assert "smallest drop it can show: 62.5% (5 clips)" in verdicts.text
    assert "random_crop: 2 of 2 sanity checks find something" in verdicts.page
    assert "breaks at PinkNoise(snr_db=4" in verdicts.page


def test_every_mode_finds_the_same(run_in):
    plain, *others = (stable(run_in(mode).results) for mode in ("plain", "n0", "n2"))
    assert plain["measurements"]
    for other in others:
        assert other == plain

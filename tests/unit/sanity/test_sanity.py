"""The sanity battery: which checks are made, on what, and what is said of it."""

import defective_encoders as zoo
import numpy as np
import pytest
from checked import IN_PROCESS

from pytest_nnrel import (
    EncoderError,
    SettingError,
    TooFewClipsError,
    as_encoder,
    assert_encoder_sane,
    check_encoder,
    export_windows,
    sanity_checks,
)
from pytest_nnrel.runtime import settings
from pytest_nnrel.runtime.settings import Settings
from pytest_nnrel.sanity.checks.trailing_silence import SILENCE_SECONDS


def test_the_mfcc_encoder_is_sane_on_the_runs_corpus(corpus):
    token = settings.activate(Settings(cache_dir=None, corpus=lambda: corpus))
    try:
        report = assert_encoder_sane(zoo.SOUND["mfcc"](), checks=IN_PROCESS)
    finally:
        settings.deactivate(token)
    made = tuple(name for name in IN_PROCESS if name != "ragged")  # of which it was told nothing
    assert (report.clips, report.passed, list(report.skipped)) == (8, made, ["ragged"])


# ---------------------------------------------------------------------------------------------
# What a finding says


def test_the_message_says_what_was_seen_how_large_and_why(corpus, recorded):
    with pytest.raises(AssertionError) as caught:
        assert_encoder_sane(zoo.batch_peak, corpus=corpus, checks=["batch_size", "gain", "int16"])
    message = str(caught.value)
    assert message.startswith(
        "batch_peak: 1 of 3 sanity checks find something on bundled (8 clips);"
        " 22,050 Hz, not stated by the encoder\n"
    )
    report = check_encoder(zoo.batch_peak, corpus=corpus, checks="batch_size")
    (finding,) = report.findings
    assert f"seen   {finding.seen}" in message
    assert "encoded alone instead of in batches of 8, 7 of 8 clips" in finding.seen
    assert f"size   {finding.size:.2g} of the spread" in message
    assert f"cause  usually {sanity_checks()['batch_size'].cause}" in message
    assert "the batch's own maximum" in finding.cause
    assert 'redo   assert_encoder_sane(encoder, checks=["batch_size"])' in message
    assert "explains those after it" not in message, "there is one finding"
    assert message.endswith("redo:    pytest test_encoder.py::test_sane")
    assert "a gain of 1 dB" not in message, "what passed is not listed"


def test_checks_of_which_none_can_be_made_do_not_hold(corpus):
    assert check_encoder(zoo.SOUND["mfcc"](), corpus=corpus, checks="ragged").skipped
    with pytest.raises(EncoderError, match=r"no sanity check could be made of .* \(ragged: "):
        assert_encoder_sane(zoo.SOUND["mfcc"](), corpus=corpus, checks="ragged")


def test_what_was_skipped_is_listed_with_its_reason(corpus):
    with pytest.raises(AssertionError) as caught:
        assert_encoder_sane(
            as_encoder(zoo.batch_peak, window_seconds=1.5),
            corpus=corpus,
            checks=["batch_size", "trailing_silence"],
        )
    assert "skipped:\n  trailing_silence: its window is fixed, 1.5 s" in str(caught.value)
    assert (
        "1 of 1 sanity checks find something on bundled (8 clips; skipped: trailing_silence)"
        in str(caught.value)
    )


# ---------------------------------------------------------------------------------------------
# Which checks are made


def test_an_unknown_check(short):
    with pytest.raises(SettingError, match=r"no sanity check is called 'loudness'.*same_twice"):
        assert_encoder_sane(zoo.log_bands, corpus=short, checks=["gain", "loudness"])


@pytest.mark.parametrize(
    "checks, said",
    [(5, "checks takes names of sanity checks, not 5"), ([["gain"]], r"is called \['gain'\]")],
)
def test_checks_that_are_no_names(checks, said, short):
    with pytest.raises(SettingError, match=said):
        assert_encoder_sane(zoo.log_bands, corpus=short, checks=checks)


def test_no_check(short):
    with pytest.raises(SettingError, match="no check is named; there are finite"):
        assert_encoder_sane(zoo.log_bands, corpus=short, checks=[])


def test_checks_are_made_in_their_order_and_once(short):
    report = check_encoder(zoo.log_bands, corpus=short, checks=["gain", "finite", "gain"])
    assert report.passed == ("finite", "gain")
    assert check_encoder(zoo.log_bands, corpus=short, checks="gain").passed == ("gain",)


@pytest.mark.parametrize(
    "options, check, reason",
    [
        ({"window_seconds": 0.25}, "trailing_silence", "its window is fixed, 0.25 s"),
        ({"batch_size": 1}, "batch_size", "its batch_size is 1"),
    ],
)
def test_checks_that_do_not_apply(options, check, reason, short):
    report = check_encoder(as_encoder(zoo.log_bands, **options), corpus=short, checks=check)
    assert reason in report.skipped[check]
    assert (report.passed, report.findings) == ((), ())


def test_a_table_is_checked_as_far_as_it_reaches(short, tmp_path):
    windows = np.load(export_windows(tmp_path, [], corpus=short))
    np.save(tmp_path / "table.npy", zoo.log_bands(windows))
    report = check_encoder(tmp_path / "table.npy", corpus=short, checks=IN_PROCESS)
    assert report.findings == ()
    assert {"same_twice", "batch_size", "batch_order", "collapse"} <= set(report.passed)
    assert {"int16", "gain", "sample_shift", "finite"} <= set(report.skipped)
    assert "has no embedding for 4 of 4 windows" in report.skipped["gain"]


# ---------------------------------------------------------------------------------------------
# What the encoder is given, and left with


@pytest.mark.parametrize("own, rate", [(None, 8000), (11_025, 11_025)])
def test_windows_come_at_the_encoders_rate(own, rate, short):
    given = set()

    def encode(batch, sample_rate):
        given.add((sample_rate, batch.shape[1]))
        return zoo.log_bands(batch)

    check_encoder(as_encoder(encode, sample_rate=own), corpus=short, checks=IN_PROCESS)
    silence = round(SILENCE_SECONDS * rate)
    assert given == {(rate, round(rate / 2)), (rate, round(rate / 2) + silence)}


def test_at_most_32_clips_are_encoded():
    sizes = []

    def encode(batch):
        sizes.append(len(batch))
        return zoo.log_bands(batch)

    report = check_encoder(as_encoder(encode, batch_size=100), checks="gain")
    assert sizes == [32, 32]
    assert report.clips == 32


# ---------------------------------------------------------------------------------------------
# Errors and verdicts


def test_an_encoder_that_always_raises(short, recorded):
    def encode(batch):
        raise KeyError("no such layer")

    with pytest.raises(EncoderError, match=r"'encode' raised KeyError .*no such layer"):
        assert_encoder_sane(encode, corpus=short)
    (verdict,) = recorded.verdicts
    assert (verdict["assertion"], verdict["outcome"]) == ("assert_encoder_sane", "error")
    assert "no such layer" in verdict["message"]


def test_what_is_no_embedding_matrix(short):
    with pytest.raises(EncoderError, match="pool over time first"):
        assert_encoder_sane(zoo.log_frames, corpus=short)


def test_a_window_longer_than_the_clips(short):
    with pytest.raises(ValueError, match="encoder 'log_bands' needs 3 s of every clip"):
        assert_encoder_sane(as_encoder(zoo.log_bands, window_seconds=3.0), corpus=short)


def test_verdicts_are_recorded(short, recorded):
    assert_encoder_sane(zoo.log_bands, corpus=short, checks="same_twice")
    with pytest.raises(AssertionError) as caught:
        assert_encoder_sane(zoo.squeezed, corpus=short, checks="batch_size")
    holds, fails = recorded.verdicts
    assert holds == {
        "assertion": "assert_encoder_sane",
        "outcome": "holds",
        "minimum": None,
        "measurement": None,
        "message": "",
        "redo": "",
        "subject": "log_bands",
        "headline": "log_bands: no finding in 1 sanity checks on arrays (4 clips);"
        " 8,000 Hz, not stated by the encoder",
        "covers": [],
    }
    assert fails["headline"] == str(caught.value).splitlines()[0]
    assert (fails["outcome"], fails["message"]) == ("fails", str(caught.value))


def test_two_clips_suffice_and_one_does_not(make_short):
    report = check_encoder(zoo.log_bands, corpus=make_short(2), checks=IN_PROCESS)
    assert report.findings == ()
    with pytest.raises(TooFewClipsError, match="has 1 clip; with fewer than 2"):
        check_encoder(zoo.log_bands, corpus=make_short(1))


def test_another_corpus_is_refused():
    with pytest.raises(SettingError, match="corpus must be a Corpus"):
        check_encoder(zoo.log_bands, corpus="bundled")

"""The sanity battery: defective encoders are caught by the right check, sound ones by none."""

import random
import subprocess
import sys
import textwrap
from functools import partial
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import defective_encoders as zoo  # noqa: E402

from pytest_nnrel import (  # noqa: E402
    Corpus,
    EncoderError,
    SettingError,
    TooFewClipsError,
    as_encoder,
    export_windows,
    sanity,
    settings,
)
from pytest_nnrel.experiment.stores import close_stores  # noqa: E402
from pytest_nnrel.recording import sink  # noqa: E402
from pytest_nnrel.sanity import CHECKS, assert_encoder_sane, check_encoder  # noqa: E402
from pytest_nnrel.settings import Settings  # noqa: E402

#: All but the one that starts a process.
IN_PROCESS = [name for name in CHECKS if name != "fresh_process"]


@pytest.fixture(autouse=True)
def recorded():
    """Keep verdicts from the session's report."""
    with sink("pytest test_encoder.py::test_sane") as opened:
        yield opened


@pytest.fixture(scope="module")
def corpus():
    return Corpus.bundled().subset(8)


@pytest.fixture(scope="module")
def short():
    """Four clips of half a second at 8 kHz: for what does not depend on the audio."""
    return make_short(4)


def make_short(clips):
    music = Corpus.bundled().subset(clips)
    return Corpus.from_arrays(
        np.stack([clip.window(0.5, sample_rate=8000) for clip in music]),
        sample_rate=8000,
        ids=music.ids,
        window_seconds=0.5,
    )


def found(report):
    return {finding.check for finding in report.findings}


# ---------------------------------------------------------------------------------------------
# The zoo


@pytest.mark.parametrize("name", zoo.SOUND)
def test_sound_encoders_raise_no_alarm(name, corpus):
    checks = IN_PROCESS if name.endswith(("1", "2")) else list(CHECKS)
    report = assert_encoder_sane(zoo.SOUND[name](), corpus=corpus, checks=checks)
    assert report.findings == ()
    of_torch = name.startswith(("cnn", "transformer"))
    assert set(report.skipped) == ({"float64"} if of_torch else set())
    assert {*report.passed, *report.skipped} == set(checks)


def test_the_mfcc_encoder_is_sane_on_the_runs_corpus(corpus):
    token = settings.activate(Settings(cache_dir=None, corpus=lambda: corpus))
    try:
        report = assert_encoder_sane(zoo.SOUND["mfcc"](), checks=IN_PROCESS)
    finally:
        settings.deactivate(token)
    assert (report.clips, report.passed, report.skipped) == (8, tuple(IN_PROCESS), {})


@pytest.mark.parametrize("name", zoo.DEFECTIVE)
def test_defective_encoders_are_caught_by_the_right_check(name, corpus):
    expected, make = zoo.DEFECTIVE[name]
    checks = [*IN_PROCESS, *({expected} - set(IN_PROCESS))]
    report = check_encoder(make(), corpus=corpus, checks=checks)
    assert expected in found(report), report
    assert found(check_encoder(make(), corpus=corpus, checks=expected)) == {expected}


def test_every_check_has_a_defect_that_it_catches():
    assert {expected for expected, _ in zoo.DEFECTIVE.values()} == set(CHECKS)
    assert len(zoo.DEFECTIVE) >= 15


@pytest.mark.parametrize("name", ["batch peak", "last frame", "log of zero", "hashed weights"])
def test_one_defect_is_one_finding(name, corpus):
    expected, make = zoo.DEFECTIVE[name]
    checks = [*IN_PROCESS, *({expected} - set(IN_PROCESS))]
    assert found(check_encoder(make(), corpus=corpus, checks=checks)) == {expected}


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
    assert f"cause  usually {CHECKS['batch_size'].cause}" in message
    assert "the batch's own maximum" in finding.cause
    assert 'redo   assert_encoder_sane(encoder, checks=["batch_size"])' in message
    assert "explains those after it" not in message, "there is one finding"
    assert message.endswith("redo:    pytest test_encoder.py::test_sane")
    assert "a gain of 1 dB" not in message, "what passed is not listed"


def test_the_size_is_relative_to_the_median_distance_between_clips(corpus):
    embeddings = zoo.log_bands(corpus.windows())
    pairs = [np.linalg.norm(a - b) for i, a in enumerate(embeddings) for b in embeddings[i + 1 :]]

    def moved(batch):
        step = 0.02 * np.median(pairs) if len(batch) == 1 else 0.0
        return np.concatenate([zoo.log_bands(batch), np.full((len(batch), 1), step)], axis=1)

    (finding,) = check_encoder(moved, corpus=corpus, checks="batch_size").findings
    assert finding.size == pytest.approx(0.02, rel=1e-3)
    for calls in (moved, zoo.log_bands):
        assert not check_encoder(calls, corpus=corpus, checks=["batch_order"]).findings


@pytest.mark.parametrize("share, caught", [(0.5, False), (2.0, True)])
def test_rounding_is_tolerated_and_no_more(share, caught, corpus):
    spread = sanity.spread_of(zoo.log_bands(corpus.windows()))

    def encode(batch):
        step = share * sanity.ROUNDING * spread if len(batch) == 1 else 0.0
        return np.concatenate([zoo.log_bands(batch), np.full((len(batch), 1), step)], axis=1)

    report = check_encoder(encode, corpus=corpus, checks="batch_size")
    assert bool(report.findings) is caught


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


def test_non_finite_clips_are_named_and_the_rest_is_checked(corpus):
    report = check_encoder(zoo.root_of_negative, corpus=corpus, checks=IN_PROCESS)
    first = report.findings[0]
    assert (first.check, first.size) == ("finite", None)
    assert "for 4 of 8 clips, '" in first.seen
    assert {"same_twice", "batch_size", "gain"} <= set(report.passed)


def test_nan_for_everything_is_one_finding(short):
    report = check_encoder(
        lambda batch: np.full((len(batch), 3), np.nan), corpus=short, checks=IN_PROCESS
    )
    assert found(report) == {"finite"}
    assert "4 of 4 clips" in report.findings[0].seen
    assert set(report.passed) == {"training_mode", "in_place", "global_rng"}
    assert report.skipped["gain"] == "fewer than two clips have finite embeddings"


def test_nan_after_a_small_change_is_a_finding_of_that_check(short):
    def encode(batch):
        peaks = [np.abs(window).max() for window in batch]
        embeddings = zoo.log_bands(batch)
        embeddings[np.array(peaks) > limit] = np.inf
        return embeddings

    limit = 1.05 * np.abs(short.windows()).max()
    report = check_encoder(encode, corpus=short, checks=["gain", "int16"])
    assert found(report) == {"gain"}
    assert "NaN or infinite values for 1 or more of 4 clips" in report.findings[0].seen


def test_a_second_run_that_fails_is_a_finding(short):
    calls = []

    def encode(batch):
        calls.append(1)
        if len(calls) == 2:
            raise RuntimeError("out of streams")
        return zoo.log_bands(batch)

    (finding,) = check_encoder(encode, corpus=short, checks="same_twice").findings
    assert "out of streams" in finding.seen
    assert finding.size is None


# ---------------------------------------------------------------------------------------------
# Which checks are made


def test_an_unknown_check(short):
    with pytest.raises(SettingError, match=r"no sanity check is called 'loudness'.*same_twice"):
        assert_encoder_sane(zoo.log_bands, corpus=short, checks=["gain", "loudness"])


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


def test_an_encoder_of_float32_only(short):
    report = check_encoder(zoo.LogMelCNN(0), corpus=short, checks="float64")
    assert report.skipped["float64"].startswith("it takes float32 only: ")


def test_an_encoder_of_one_length_only(short):
    def encode(batch):
        assert batch.shape[1] == 4000, "4000 samples"
        return zoo.log_bands(batch)

    report = check_encoder(encode, corpus=short, checks=["trailing_silence", "gain"])
    assert "refuses such input" in report.skipped["trailing_silence"]
    assert "4000 samples" in report.skipped["trailing_silence"]
    assert report.passed == ("gain",)


def test_a_table_is_checked_as_far_as_it_reaches(short, tmp_path):
    windows = np.load(export_windows(tmp_path, [], corpus=short))
    np.save(tmp_path / "table.npy", zoo.log_bands(windows))
    report = check_encoder(tmp_path / "table.npy", corpus=short, checks=IN_PROCESS)
    assert report.findings == ()
    assert {"same_twice", "batch_size", "batch_order", "collapse"} <= set(report.passed)
    assert {"int16", "gain", "sample_shift", "finite"} <= set(report.skipped)
    assert "has no embedding for 4 of 4 windows" in report.skipped["gain"]


def test_equal_embeddings_leave_nothing_to_compare_with(short):
    report = check_encoder(
        lambda batch: np.ones((len(batch), 3)), corpus=short, checks=["collapse", "gain"]
    )
    assert "all embeddings are equal" in report.findings[0].seen
    assert "no spread to compare with" in report.skipped["gain"]


def test_rank_and_dead_dimensions_are_told_apart(corpus):
    (line,) = check_encoder(zoo.only_level, corpus=corpus, checks="collapse").findings
    assert line.seen == "embeddings of 8 clips in 24 dimensions differ in 1 directions only"
    (dead,) = check_encoder(zoo.dead_units, corpus=corpus, checks="collapse").findings
    assert dead.seen == "496 of 512 dimensions are the same for all clips"


# ---------------------------------------------------------------------------------------------
# What the encoder is given, and left with


@pytest.mark.parametrize("own, rate", [(None, 8000), (11_025, 11_025)])
def test_windows_come_at_the_encoders_rate(own, rate, short):
    given = set()

    def encode(batch, sample_rate):
        given.add((sample_rate, batch.shape[1]))
        return zoo.log_bands(batch)

    check_encoder(as_encoder(encode, sample_rate=own), corpus=short, checks=IN_PROCESS)
    silence = round(sanity.SILENCE_SECONDS * rate)
    assert given == {(rate, round(rate / 2)), (rate, round(rate / 2) + silence)}


def test_at_most_32_clips_are_encoded():
    sizes = []

    def encode(batch):
        sizes.append(len(batch))
        return zoo.log_bands(batch)

    report = check_encoder(as_encoder(encode, batch_size=100), checks="gain")
    assert sizes == [32, 32]
    assert report.clips == 32


@pytest.mark.parametrize("seed", range(6))
def test_another_order_leaves_no_clip_in_its_place(seed, short):
    given = []

    def encode(batch):
        given.append(batch.copy())
        return zoo.log_bands(batch)

    for _ in range(2):
        check_encoder(encode, corpus=short, checks="batch_order", seed=seed)
    first, second, _, again = given
    assert not (first == second).all(axis=1).any()
    np.testing.assert_array_equal(np.sort(first, axis=0), np.sort(second, axis=0))
    np.testing.assert_array_equal(again, second)


def test_one_sample_is_one_sample(corpus):
    given = []

    def encode(batch):
        given.append(batch.copy())
        return zoo.log_bands(batch)

    check_encoder(encode, corpus=corpus, checks="sample_shift")
    np.testing.assert_array_equal(given[1][:, :-1], given[0][:, 1:])


def test_global_random_states_are_restored(short):
    before = random.getstate(), np.random.get_state()[1].tobytes(), torch.get_rng_state().numpy()

    def encode(batch):
        random.seed(1)
        torch.manual_seed(2)
        return zoo.numpy_dither(batch)

    report = check_encoder(encode, corpus=short, checks=IN_PROCESS)
    (finding,) = [finding for finding in report.findings if finding.check == "global_rng"]
    assert "random state of random, numpy.random, torch" in finding.seen
    assert random.getstate() == before[0]
    assert np.random.get_state()[1].tobytes() == before[1]
    np.testing.assert_array_equal(torch.get_rng_state().numpy(), before[2])


def test_what_is_found_in_a_random_encoder_is_the_same_each_time(short):
    found = []
    for seed in (1, 2):
        np.random.seed(seed)
        report = check_encoder(zoo.numpy_dither, corpus=short, checks="same_twice")
        found.append(report.findings)
    assert found[0] == found[1]
    assert found[0][0].size > 0


def test_random_states_are_restored_after_an_error(short):
    state = np.random.get_state()[1].tobytes()

    def encode(batch):
        np.random.rand(3)
        raise RuntimeError("always")

    with pytest.raises(EncoderError):
        check_encoder(encode, corpus=short)
    assert np.random.get_state()[1].tobytes() == state


def test_training_flags_are_restored(short):
    model = zoo.StaysInTraining(0)
    model.layers[1].eval()
    flags = {name: part.training for name, part in model.named_modules()}
    report = check_encoder(model, corpus=short, checks="training_mode")
    (finding,) = report.findings
    assert "5 modules run in training mode: BatchNorm2d, Dropout" in finding.seen
    assert finding.size > 0.0
    assert {name: part.training for name, part in model.named_modules()} == flags
    hooks = torch.nn.modules.module._global_forward_pre_hooks
    assert not hooks


@pytest.mark.parametrize("mode", ["eval", "unused", "p=0", "no running statistics"])
def test_modules_whose_mode_does_not_matter_are_no_finding(mode, short):
    norm = torch.nn.BatchNorm2d
    if mode == "no running statistics":
        norm = partial(norm, track_running_stats=False)
    model = zoo.LogMelCNN(0, norm)
    in_training = {
        "eval": (),
        "unused": (torch.nn.Module,),
        "p=0": (torch.nn.Dropout,),
        "no running statistics": (torch.nn.BatchNorm2d,),
    }[mode]
    for part in model.modules():
        part.training = isinstance(part, in_training)
        if isinstance(part, torch.nn.Dropout):
            part.p = 0.0 if mode == "p=0" else 0.2

    def encode(batch):
        with torch.no_grad():
            return zoo.log_bands(batch) if mode == "unused" else model(torch.from_numpy(batch))

    report = check_encoder(encode, corpus=short, checks="training_mode")
    assert report.passed == ("training_mode",)


@pytest.mark.parametrize("kind", ["attention", "recurrent"])
def test_dropout_inside_other_modules_is_a_finding(kind, short):
    torch.manual_seed(1)
    layers = {
        "attention": torch.nn.MultiheadAttention(16, 2, dropout=0.3, batch_first=True),
        "recurrent": torch.nn.GRU(16, 16, num_layers=2, dropout=0.3, batch_first=True),
    }
    layer = layers[kind].train()

    def encode(batch):
        frames = torch.from_numpy(zoo.log_frames(batch)).float()
        inputs = (frames, frames, frames) if kind == "attention" else (frames,)
        with torch.no_grad():
            return layer(*inputs)[0].mean(dim=1)

    (finding,) = check_encoder(encode, corpus=short, checks="training_mode").findings
    assert type(layer).__name__ in finding.seen


def test_windows_of_other_checks_do_not_suffer_from_changes_in_place(corpus):
    report = check_encoder(zoo.normalises_in_place, corpus=corpus, checks=IN_PROCESS)
    assert found(report) == {"in_place"}
    assert "8 of 8 windows are changed" in report.findings[0].seen


# ---------------------------------------------------------------------------------------------
# A fresh process


def test_what_cannot_be_pickled_is_skipped(short):
    class Locked:
        def __init__(self):
            self.generator = (i for i in range(3))

        def encode(self, batch):
            return zoo.log_bands(batch)

    report = check_encoder(Locked(), corpus=short, checks="fresh_process")
    assert "cannot be pickled for another process" in report.skipped["fresh_process"]


def test_what_cannot_be_imported_there_is_skipped_with_what_it_said(short, monkeypatch):
    module = type(sys)("nnrel_only_here")
    exec("def encode(batch): return batch[:, :5] * 2.0", vars(module))
    monkeypatch.setitem(sys.modules, "nnrel_only_here", module)
    report = check_encoder(module.encode, corpus=short, checks="fresh_process")
    assert "No module named 'nnrel_only_here'" in report.skipped["fresh_process"]


def test_a_process_that_takes_too_long_is_given_up(short, monkeypatch):
    monkeypatch.setattr(sanity, "PROCESS_SECONDS", 0.05)
    report = check_encoder(zoo.log_bands, corpus=short, checks="fresh_process")
    assert report.skipped == {"fresh_process": "a fresh process took over 0.05 s"}


def test_closures_travel(short):
    scale = np.arange(1.0, 6.0)
    report = check_encoder(lambda batch: batch[:, :5] * scale, corpus=short, checks="fresh_process")
    assert report.passed == ("fresh_process",)


def test_under_pytest_an_encoder_of_the_test_module_travels(tmp_path):
    (tmp_path / "test_user.py").write_text(
        textwrap.dedent(
            """
            import numpy as np
            from pytest_nnrel import Corpus
            from pytest_nnrel.sanity import assert_encoder_sane

            class Mine:
                def encode(self, batch):
                    order = np.array([hash(c) % 7 for c in "abcde"])
                    return batch[:, :5] * (order if self.hashed else 1.0)

            def mine(hashed):
                encoder = Mine()
                encoder.hashed = hashed
                return encoder

            def test_sound():
                assert_encoder_sane(mine(False), corpus=CORPUS, checks="fresh_process")

            def test_hashed():
                assert_encoder_sane(mine(True), corpus=CORPUS, checks="fresh_process")

            CORPUS = Corpus.bundled().subset(2)
            """
        )
    )
    done = subprocess.run(
        [sys.executable, "-mpytest", "-pno:cacheprovider", "-pno:hypothesispytest", "-q"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "1 failed, 1 passed" in done.stdout, done.stdout + done.stderr
    assert "fresh_process: the same result in a fresh process" in done.stdout


def test_no_files_are_left(short, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    run = Settings(cache_dir=None)
    token = settings.activate(run)
    try:
        check_encoder(zoo.log_bands, corpus=short, checks="fresh_process")
    finally:
        settings.deactivate(token)
        close_stores(run)
    assert [path for path in Path(tmp_path).rglob("*") if path.is_file()] == []


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
        "subject": "log_bands",
        "headline": "log_bands: no finding in 1 sanity checks on arrays (4 clips);"
        " 8,000 Hz, not stated by the encoder",
        "covers": [],
    }
    assert fails["headline"] == str(caught.value).splitlines()[0]
    assert (fails["outcome"], fails["message"]) == ("fails", str(caught.value))


def test_two_clips_suffice_and_one_does_not():
    report = check_encoder(zoo.log_bands, corpus=make_short(2), checks=IN_PROCESS)
    assert report.findings == ()
    with pytest.raises(TooFewClipsError, match="has 1 clip; with fewer than 2"):
        check_encoder(zoo.log_bands, corpus=make_short(1))


def test_another_corpus_is_refused():
    with pytest.raises(SettingError, match="corpus must be a Corpus"):
        check_encoder(zoo.log_bands, corpus="bundled")

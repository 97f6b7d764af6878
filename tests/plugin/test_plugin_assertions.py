"""Assertions inside a user's test run: verdicts, and the text that a failure leaves behind."""

from __future__ import annotations

import math
import re
import shlex

import numpy as np
import pytest
import soundfile
from inner.encoders import spectrum

from pytest_nnrel import Corpus, PinkNoise

#: What `inner/suite.py` measures at 6 of 8: the two lost clips first, each 1 away from its own
#: original and 0 from the next; then the others, in the corpus's order.
_LOST = (2, 5)
_WORST = (2, 5, 0, 1, 3)
_NEIGHBOURS = {2: 3, 5: 6, 0: 1, 1: 0, 3: 2}


def _wilson(right: int, n: int) -> tuple[float, float]:
    """Return the 95 % Wilson interval, as textbooks print it."""
    z, p = 1.959963984540054, right / n
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    reach = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return middle - reach, middle + reach


@pytest.fixture(scope="module")
def ids(clips):
    return [path.name for path in sorted(clips.iterdir())]


def test_outcomes_of_tests(suite):
    suite.result.assert_outcomes(passed=10, failed=7, errors=1, skipped=1)
    assert suite.ret == pytest.ExitCode.TESTS_FAILED


@pytest.mark.parametrize(
    "test, outcome, value",
    [
        ("test_within_holds", "holds", 1.0),
        ("test_within_fails", "fails", 0.75),
        ("test_within_undecided", "undecided", 0.75),
        ("test_within_fails_confidently", "fails", 0.75),
        ("test_accuracy_holds", "holds", 1.0),
        ("test_accuracy_fails", "fails", 0.75),
        ("test_nearest_holds", "holds", 1.0),
        ("test_nearest_fails", "fails", 0.0),
    ],
)
def test_verdict_and_value(suite, test, outcome, value):
    assert suite.verdict_of(test)["outcome"] == outcome
    assert suite.measurement_of(test)["value"] == value


def test_rank_agreement_is_judged_by_its_value(suite):
    for test, outcome in (("test_rho_holds", "holds"), ("test_rho_fails", "fails")):
        verdict, measured = suite.verdict_of(test), suite.measurement_of(test)
        assert verdict["outcome"] == outcome
        assert (measured["value"] >= verdict["minimum"]) == (outcome == "holds")


def test_headline_has_value_minimum_interval_and_clips(suite):
    low, high = _wilson(6, 8)
    assert (
        "E       AssertionError: lossy: C_W = 0.750 < 0.9 under PinkNoise(snr_db=40)"
        f" (95 % CI [{low:.3f}, {high:.3f}], n = 8)"
    ) in suite.failure_of("test_within_fails").splitlines()


def test_undecided_says_why_and_how_many_clips_would_decide(suite):
    low, high = _wilson(6, 8)
    text = suite.failure_of("test_within_undecided")
    found = re.search(
        r"AssertionError: lossy: C_W = 0\.750 under PinkNoise\(snr_db=40\), but 95 % CI"
        rf" \[{low:.3f}, {high:.3f}\] holds 0\.8: too few clips \(n = 8\) to tell;"
        r" about ([\d,]+) clips would decide",
        text,
    )
    assert found, text
    clips = int(found[1].replace(",", ""))
    # Three quarters right of as many clips, give or take the rounding of a count, do decide.
    assert _wilson(round(0.75 * clips), clips)[1] < 0.8 + 0.5 / clips
    assert _wilson(round(0.75 * clips * 0.9), round(clips * 0.9))[1] > 0.8


@pytest.mark.parametrize(
    "test, distances",
    [
        ("test_within_fails", "euclidean (latent space)"),
        ("test_accuracy_fails", "euclidean (latent space), dtw (audio space)"),
        ("test_rho_fails", "euclidean (latent space), dtw (audio space)"),
        ("test_nearest_fails", "euclidean (latent space)"),
    ],
)
def test_failure_names_distance_and_corpus(suite, test, distances):
    lines = suite.failure_of(test).splitlines()
    assert f"E         distance   {distances}" in lines
    assert "E         corpus     clips: 8 clips, chance 0.125" in lines


@pytest.mark.parametrize(
    "test, title",
    [
        ("test_within_fails", "2 of 8 left their original; worst:"),
        ("test_accuracy_fails", "the spaces disagree on 2 of 8 clips; latent space, worst:"),
        ("test_rho_fails", "latent space, worst clips:"),
    ],
)
def test_five_worst_clips_with_neighbour_and_both_distances(suite, ids, test, title):
    lines = suite.failure_of(test).splitlines()
    start = lines.index(f"E       {title}") + 2
    rows = [line.removeprefix("E").split() for line in lines[start : start + len(_WORST)]]
    expected = [
        [ids[i], *(("1", "0") if i in _LOST else ("0", "1")), ids[_NEIGHBOURS[i]]] for i in _WORST
    ]
    assert rows == expected
    assert lines[start + len(_WORST)].strip() == "E"


def test_relative_nearest_names_the_clip_and_its_neighbour(suite, ids):
    text = suite.failure_of("test_nearest_fails")
    assert (
        f"AssertionError: lossy: {ids[2]} under PinkNoise(snr_db=40) is not nearest to its own"
    ) in text
    rows = [line.removeprefix("E").split() for line in text.splitlines()]
    assert [ids[2], "1", "0", ids[3]] in rows


def test_between_failure_gives_both_spaces(suite):
    text = suite.failure_of("test_accuracy_fails")
    assert re.search(r"within +C_W audio 1\.000, latent 0\.750", text)


@pytest.mark.parametrize(
    "test", ["test_within_fails", "test_accuracy_fails", "test_rho_fails", "test_nearest_fails"]
)
def test_traceback_ends_at_the_users_assertion(suite, test):
    text = suite.failure_of(test)
    assert re.search(r"^>       assert_\w+\(", text, re.MULTILINE)
    assert "pytest_nnrel/" not in text.replace("\\", "/")
    assert "_judge" not in text
    (place,) = re.findall(r"^(\S+\.py):\d+: AssertionError$", text, re.MULTILINE)
    assert place == "test_suite.py"


def test_failure_in_setup_is_shown_as_fully(suite):
    text = suite.text.partition("ERROR at setup of test_judged_in_setup")[2]
    assert "AssertionError: lossy: C_W = 0.750 < 1 under PinkNoise(snr_db=30)" in text
    assert "redo:    pytest test_suite.py::test_judged_in_setup" in text


def test_encoder_that_raises_is_no_verdict_on_consistency(suite):
    text = suite.failure_of("test_cannot_be_measured")
    assert re.search(r"EncoderError: encoder 'raising' raised RuntimeError.*out of order", text)
    assert 'raise RuntimeError("out of order")' in text  # where the user's code went wrong
    verdict = suite.verdict_of("test_cannot_be_measured")
    assert verdict["outcome"] == "error"
    assert verdict["measurement"] is None


@pytest.mark.parametrize("minimum", ["1.5", "-0.1", "float('nan')", "True", "None", "'0.9'"])
def test_minimum_that_no_value_could_tell_from_another_is_refused(minimum):
    from pytest_nnrel import assert_within_consistency
    from pytest_nnrel.errors import SettingError

    value = eval(minimum, {"float": float})
    with pytest.raises(SettingError, match=r"min must lie between 0 and 1"):
        assert_within_consistency(lambda batch: batch, PinkNoise(40), min=value)


def test_listen_command_writes_original_transformed_and_neighbour(suite_in, inner, clips):
    command = suite_in("plain").command_of("test_within_fails", "listen")
    done = inner.execute(*command)
    assert done.returncode == 0, done.stderr
    files = sorted((inner.path / "nnrel-clips").iterdir())
    assert [file.name for file in files] == [
        "1-original.wav",
        "2-transformed.wav",
        "3-neighbour.wav",
    ]
    corpus = Corpus.from_directory(clips)
    originals = corpus.windows()
    transformed = PinkNoise(40).apply(corpus[2], seed=0).window(corpus.window_seconds)
    for file, expected in zip(files, (originals[2], transformed, originals[3])):
        heard, rate = soundfile.read(file, dtype="float32")
        assert rate == corpus.sample_rate
        np.testing.assert_array_equal(heard, expected)


_SEEDED = """
    import pytest
    from encoders import spectrum
    from pytest_nnrel import PinkNoise, assert_within_consistency

    @pytest.mark.parametrize("text", ["it's \\"one\\" of $2 & <3>"])
    def test_seeded(text):
        assert_within_consistency(spectrum, PinkNoise(12), min=1.0, confident=True)

    @pytest.mark.nnrel(seed=11)
    def test_marked():
        assert_within_consistency(spectrum, PinkNoise(12), min=1.0, confident=True)
"""


@pytest.mark.slow
def test_redo_command_gives_the_same_failure(inner, clips):
    inner.write(test_seeded=_SEEDED)
    first = inner.run("--nnrel-seed=7", "--nnrel-clips=6", "-k", "not marked")
    (name,) = first.tests()
    command = first.command_of(name, "redo")
    assert command[:2] == ["pytest", f"test_seeded.py::{name}"]
    assert not any(word.startswith("--nnrel-report") for word in command)
    again = inner.execute(*command)
    assert again.returncode == pytest.ExitCode.TESTS_FAILED
    assert "1 failed" in again.stdout
    message = [line for line in first.failure_of(name).splitlines() if line.startswith("E ")]
    assert message == [line for line in again.stdout.splitlines() if line.startswith("E ")]
    # What the message says is what these six clips and this seed give, and no others.
    worst = first.measurement_of(name)["worst"][0]
    assert f"{worst['own_distance']:.5g}" in "".join(message)
    corpus = Corpus.from_directory(clips).subset(6)
    clip = corpus[corpus.index(worst["id"])]
    windows = [
        PinkNoise(12).apply(clip, seed=seed).window(corpus.window_seconds) for seed in (7, 8)
    ]
    embeddings = spectrum(np.stack([clip.window(corpus.window_seconds), *windows]))
    own, other = np.linalg.norm(embeddings[1:] - embeddings[0], axis=1)
    assert worst["own_distance"] == pytest.approx(own, rel=1e-4)
    assert worst["own_distance"] != pytest.approx(other, rel=1e-4)


@pytest.mark.slow
def test_commands_work_where_pytest_was_run_below_its_root(inner, clips):
    """Node ids start at the root, --nnrel-corpus where pytest is run; the commands fit both."""
    inner.ini()
    inner.write(test_seeded=_SEEDED)
    below = inner.path / "below"
    below.mkdir()
    (below / "clips").symlink_to(clips, target_is_directory=True)
    for file in ("test_seeded.py", "encoders.py"):
        (inner.path / file).rename(below / file)
    arguments = ("--nnrel-corpus=clips", "test_seeded.py::test_marked")
    first = inner.execute("pytest", *arguments, cwd=below)
    commands = {
        purpose: shlex.split(text)
        for purpose, text in re.findall(r"^E +(listen|redo): +(.*)$", first.stdout, re.MULTILINE)
    }
    listened = inner.execute(*commands["listen"], cwd=below)
    assert listened.returncode == 0, listened.stderr
    heard, _ = soundfile.read(below / "nnrel-clips" / "2-transformed.wav", dtype="float32")
    corpus = Corpus.from_directory(clips)
    clip = corpus[corpus.index(commands["listen"][commands["listen"].index("show") + 1])]
    expected = PinkNoise(12).apply(clip, seed=11).window(corpus.window_seconds)  # the marker's seed
    np.testing.assert_array_equal(heard, expected)
    again = inner.execute(*commands["redo"], cwd=below)
    assert "1 failed" in again.stdout, again.stdout + again.stderr


_WIDTHS = """
    import numpy as np
    from pytest_nnrel import PinkNoise, assert_within_consistency

    calls = []

    def by_call(batch):
        calls.append(len(batch))
        return np.ones((len(batch), len(calls)), np.float32)

    def broken(batch):
        return undefined_name

    def test_widths():
        assert_within_consistency(by_call, PinkNoise(30), min=0.9)

    def test_broken():
        assert_within_consistency(broken, PinkNoise(30), min=0.9)
"""


def test_an_encoder_at_fault_is_shown_once_without_the_packages_frames(inner):
    inner.write(test_faults=_WIDTHS)
    run = inner.run(report=False)
    run.result.assert_outcomes(failed=2)
    assert "'by_call' returned 1 numbers for each original and 2 under PinkNoise" in run.text
    assert "whatever it hears" in run.text
    failure = run.text.partition("short test summary")[0]
    assert failure.count("EncoderError: encoder 'broken' raised NameError") == 1
    assert "(under Identity(), corpus 'clips')" in failure
    assert "return undefined_name" in failure  # what the user wrote, and what it calls
    assert "embedding.py" not in failure


def test_full_trace_shows_the_packages_frames(inner):
    inner.write(test_faults=_WIDTHS)
    assert "embedding.py" in inner.run("--full-trace", report=False).text

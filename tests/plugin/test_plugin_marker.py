"""``@pytest.mark.nnrel``: what a single test is measured with."""

from __future__ import annotations

import re

import pytest

_GOOD = """
    from pathlib import Path

    import pytest
    from encoders import spectrum
    from pytest_nnrel import Corpus, PinkNoise, assert_within_consistency

    HERE = Path(__file__).parent

    def check():
        assert_within_consistency(spectrum, PinkNoise(40), min=0.5)

    def test_unmarked(): check()

    @pytest.mark.nnrel
    def test_without_arguments(): check()

    @pytest.mark.nnrel(corpus=None, grid=None, seed=None, clips=None)
    def test_defaults_as_documented(): check()

    @pytest.mark.nnrel(seed=5)
    def test_seed(): check()

    @pytest.mark.nnrel(clips=3)
    def test_clips(): check()

    @pytest.mark.nnrel(clips=8)
    def test_more_clips_than_of_the_run(): check()

    @pytest.mark.nnrel(corpus=str(HERE / "all"))
    def test_larger_folder(): check()

    @pytest.mark.nnrel(corpus=HERE / "few")
    def test_folder(): check()

    @pytest.mark.nnrel(corpus=str(HERE / "few"), clips=2)
    def test_folder_and_clips(): check()

    @pytest.mark.nnrel(corpus=Corpus.from_directory(HERE / "few", name="object"))
    def test_object(): check()

    @pytest.mark.nnrel(seed=5, clips=4)
    class TestClass:
        def test_inherits(self): check()

        @pytest.mark.nnrel(seed=6)
        def test_overrides(self): check()
"""


@pytest.fixture(scope="module", params=["plain", "n2"])
def good(request, new_inner, clips):
    inner = new_inner()
    inner.write(test_good=_GOOD)
    for name, count in (("few", 4), ("all", 8)):
        (inner.path / name).mkdir()
        for clip in sorted(clips.iterdir())[:count]:
            (inner.path / name / f"{name}-{clip.name}").symlink_to(clip)
    return inner.run("--nnrel-seed=1", "--nnrel-clips=7", mode=request.param)


@pytest.mark.parametrize(
    "test, seed, corpus, count",
    [
        ("test_unmarked", 1, "clips", 7),
        ("test_without_arguments", 1, "clips", 7),
        ("test_defaults_as_documented", 1, "clips", 7),
        ("test_seed", 5, "clips", 7),
        ("test_clips", 1, "clips", 3),
        ("test_more_clips_than_of_the_run", 1, "clips", 8),
        ("test_larger_folder", 1, "all", 7),
        ("test_folder_and_clips", 1, "few", 2),
        ("test_object", 1, "object", 4),
        ("test_inherits", 5, "clips", 4),
        ("test_overrides", 6, "clips", 4),
    ],
)
def test_marker_sets_corpus_seed_and_clips(good, test, seed, corpus, count):
    details = good.measurement_of(test)["details"]
    assert details["identity"]["seed"] == seed
    assert details["corpus"]["name"] == corpus
    assert details["corpus"]["clips"] == count


def test_number_of_clips_of_the_run_does_not_break_a_smaller_corpus_of_a_marker(good):
    """--nnrel-clips is 7 clips at most; the marker's corpus has 4."""
    assert good.tests()["test_folder"]["outcome"] == "passed"


_BAD = {
    "positional": ("'quick'", "takes corpus=, grid=, seed=, clips= only, not 'quick'"),
    "unknown": ("corpora='x'", "takes corpus=, grid=, seed=, clips= only, not corpora"),
    "seed_text": ("seed='7'", "(seed=...) takes a whole number of 0 or more, not '7'"),
    "seed_negative": ("seed=-1", "(seed=...) takes a whole number of 0 or more, not -1"),
    "seed_bool": ("seed=True", "(seed=...) takes a whole number of 0 or more, not True"),
    "clips_one": ("clips=1", "(clips=...) takes a whole number of 2 or more, not 1"),
    "clips_float": ("clips=4.0", "(clips=...) takes a whole number of 2 or more, not 4.0"),
    "clips_many": ("clips=9", "9 clips asked of corpus 'clips', which holds 8"),
    "corpus_number": ("corpus=42", "corpus"),
    "corpus_number_clips": ("corpus=42, clips=4", "corpus"),
    "corpus_missing": ("corpus='no/such/folder'", "corpus folder no/such/folder does not exist"),
}
_BAD_GRIDS = {
    "grid_unknown": ("grid='foo'", "or a family with points, such as PinkNoise, not 'foo'"),
    "grid_number": ("grid=42", "42"),
    "grid_transform": ("grid=PinkNoise(40)", "PinkNoise"),
    "grid_empty": ("grid=[]", "list of transformations, not an empty one"),
    "grid_of_numbers": ("grid=[3]", "3 is no transformation"),
    "grid_of_texts": ("grid=['MP3(kbps=8)']", "'MP3(kbps=8)' is no transformation"),
}
_BAD_HEAD = """
import pytest
from encoders import spectrum
from pytest_nnrel import PinkNoise, assert_within_consistency

def test_neighbour(): pass
"""


@pytest.fixture(scope="module")
def bad(new_inner):
    inner = new_inner()
    tests = [
        f"@pytest.mark.nnrel({arguments})\ndef test_{name}():\n"
        "    assert_within_consistency(spectrum, PinkNoise(40), min=0.5)\n"
        for name, (arguments, _) in _BAD.items()
    ]
    inner.write(test_bad=_BAD_HEAD + "\n".join(tests))
    return inner.run()


def _message_of(run, test):
    part = run.text.partition(f"ERROR at setup of {test} _")[2]
    return part.partition("\n____")[0] if part else run.failure_of(test)


@pytest.mark.parametrize("name", list(_BAD))
def test_bad_argument_fails_the_test_and_says_what_is_expected(bad, name):
    _, expected = _BAD[name]
    message = _message_of(bad, f"test_{name}")
    assert expected in message
    assert "AttributeError" not in message
    assert "TypeError" not in message


def test_bad_arguments_fail_nothing_else(bad):
    outcomes = bad.result.parseoutcomes()
    assert outcomes["passed"] == 1
    assert outcomes.get("failed", 0) + outcomes.get("errors", 0) == len(_BAD)


@pytest.mark.parametrize("name", [name for name in _BAD if name.startswith(("seed", "clips_one"))])
def test_bad_argument_is_told_without_a_traceback(bad, name):
    assert "Traceback" not in _message_of(bad, f"test_{name}")
    assert ".py:" not in _message_of(bad, f"test_{name}")


@pytest.fixture(scope="module")
def bad_grids(new_inner):
    inner = new_inner()
    inner.write(
        **{
            f"test_{name}": _BAD_HEAD + f"@pytest.mark.nnrel({arguments})\n"
            f"def test_{name}(nnrel_transform): pass\n"
            for name, (arguments, _) in _BAD_GRIDS.items()
        }
    )
    return inner.run("--continue-on-collection-errors", report=False)


@pytest.mark.parametrize("name", list(_BAD_GRIDS))
def test_bad_grid_is_an_error_that_names_test_and_grid(bad_grids, name):
    _, expected = _BAD_GRIDS[name]
    lines = [line for line in bad_grids.text.splitlines() if line.startswith(f"test_{name}.py::")]
    assert len(lines) == 1, bad_grids.text
    assert expected in lines[0]
    assert "grid" in lines[0].replace(f"test_{name}", "")
    assert "is not iterable" not in lines[0]


def test_bad_grid_fails_its_own_test_and_no_other_of_the_module(bad_grids):
    assert bad_grids.result.parseoutcomes().get("passed") == len(_BAD_GRIDS)


def test_markers_lists_it_with_every_argument(inner):
    done = inner.execute("pytest", "--markers")
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("@pytest.mark.nnrel")]
    assert re.match(
        r"@pytest\.mark\.nnrel\(corpus=None, grid=None, seed=None, clips=None\): ", line
    )

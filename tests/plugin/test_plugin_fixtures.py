"""Fixtures that users' tests ask for: the run's corpus, and the transformations of its grid."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import pytest

from pytest_nnrel import imperceptible, paper_grid, quick_grid

_OVERRIDDEN = {
    "conftest": """
        import numpy as np
        import pytest
        from pytest_nnrel import Corpus

        def noise(name, seed):
            signals = np.random.default_rng(seed).normal(0, 0.1, (5, 44100))
            return Corpus.from_arrays(signals.astype(np.float32), sample_rate=22050, name=name)

        @pytest.fixture(scope="session")
        def nnrel_corpus():
            return noise("of the conftest", 1)
    """,
    "test_function": """
        from encoders import spectrum
        from pytest_nnrel import PinkNoise, assert_within_consistency, within_consistency

        def test_function():
            assert_within_consistency(spectrum, PinkNoise(40), min=1.0)

        def test_that_asks_for_it_too(nnrel_corpus):
            measured = within_consistency(spectrum, PinkNoise(40))
            assert measured.details["corpus"]["fingerprint"] == nnrel_corpus.fingerprint
    """,
    "test_unittest": """
        import unittest
        from encoders import spectrum
        from pytest_nnrel import PinkNoise, assert_within_consistency

        class TestCase(unittest.TestCase):
            def test_method(self):
                assert_within_consistency(spectrum, PinkNoise(40), min=1.0)
    """,
    "test_module": """
        import pytest
        from conftest import noise
        from encoders import spectrum
        from pytest_nnrel import Corpus, PinkNoise, assert_within_consistency

        @pytest.fixture(scope="session")
        def nnrel_corpus():
            return noise("of the module", 2)

        def test_in_module():
            assert_within_consistency(spectrum, PinkNoise(40), min=1.0)

        @pytest.mark.nnrel(clips=3)
        def test_part_of_it():
            assert_within_consistency(spectrum, PinkNoise(40), min=1.0)

        @pytest.mark.nnrel(corpus=noise("of the marker", 3))
        def test_marked():
            assert_within_consistency(spectrum, PinkNoise(40), min=1.0)
    """,
}


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["plain", "n2"])
def test_overridden_corpus_is_what_assertions_take(inner, mode):
    inner.write(**_OVERRIDDEN)
    run = inner.run(mode=mode, corpus="")
    run.result.assert_outcomes(passed=6)
    corpora = {
        test: run.measurement_of(test)["details"]["corpus"]
        for test in run.tests()
        if test != "test_that_asks_for_it_too"
    }
    assert {test: (corpus["name"], corpus["clips"]) for test, corpus in corpora.items()} == {
        "test_function": ("of the conftest", 5),
        "test_method": ("of the conftest", 5),
        "test_in_module": ("of the module", 5),
        "test_part_of_it": ("of the module", 3),
        "test_marked": ("of the marker", 5),
    }


def test_corpus_that_is_first_asked_for_in_teardown(inner):
    """A fixture measures once the test is over: no warning of pytest's, and the same corpus."""
    inner.write(
        conftest=_OVERRIDDEN["conftest"],
        test_late="""
            import pytest
            from encoders import spectrum
            from pytest_nnrel import PinkNoise, assert_within_consistency

            @pytest.fixture
            def measuring_at_the_end():
                yield
                assert_within_consistency(spectrum, PinkNoise(40), min=1.0)

            def test_late(measuring_at_the_end):
                pass
        """,
    )
    run = inner.run(corpus="")
    run.result.assert_outcomes(passed=1)
    assert run.measurement_of("test_late")["details"]["corpus"]["name"] == "of the conftest"


def _collected(inner, *args) -> list[str]:
    done = inner.execute("pytest", "--collect-only", "-q", *args)
    assert done.returncode == 0, done.stdout + done.stderr
    return [line for line in done.stdout.splitlines() if "::" in line]


_ASKING = """
    import pytest
    from pytest_nnrel import MP3, PinkNoise, PitchShift

    def test_asking(nnrel_transform):
        pass

    def test_not_asking():
        pass
"""


@pytest.mark.parametrize(
    "ini, args, grid",
    [
        ((), (), quick_grid),
        ((), ("--nnrel-grid=imperceptible",), imperceptible),
        (("nnrel_grid = paper",), (), paper_grid),
        (("nnrel_grid = paper",), ("--nnrel-grid=quick",), quick_grid),
    ],
    ids=["default", "option", "ini", "option over ini"],
)
def test_one_test_for_each_magnitude_of_the_grid(inner, ini, args, grid):
    inner.write(test_asking=_ASKING)
    inner.ini(*ini)
    expected = [f"test_asking.py::test_asking[{transform.name}]" for transform in grid()]
    assert _collected(inner, *args) == [*expected, "test_asking.py::test_not_asking"]


def test_grids_of_markers_the_closest_first(inner):
    inner.write(
        test_marked="""
            import pytest
            from pytest_nnrel import MP3, PinkNoise, PitchShift

            pytestmark = pytest.mark.nnrel(grid="imperceptible", seed=2)

            def test_of_the_module(nnrel_transform): pass

            @pytest.mark.nnrel(grid=[PitchShift(1), PinkNoise(30.0)])
            def test_own_list(nnrel_transform): pass

            @pytest.mark.nnrel(grid=(MP3(64),))
            class TestClass:
                def test_of_the_class(self, nnrel_transform): pass

                @pytest.mark.nnrel(grid=iter([MP3(8)]))
                def test_of_the_method(self, nnrel_transform): pass

                @pytest.mark.nnrel(seed=3)
                def test_other_argument(self, nnrel_transform): pass
        """
    )
    names = [transform.name for transform in imperceptible()]
    # Pytest brings tests with the same transformation together.
    assert sorted(_collected(inner, "--nnrel-grid=paper")) == sorted(
        [
            *(f"test_marked.py::test_of_the_module[{name}]" for name in names),
            "test_marked.py::test_own_list[PitchShift(semitones=1)]",
            "test_marked.py::test_own_list[PinkNoise(snr_db=30)]",
            "test_marked.py::TestClass::test_of_the_class[MP3(kbps=64)]",
            "test_marked.py::TestClass::test_of_the_method[MP3(kbps=8)]",
            "test_marked.py::TestClass::test_other_argument[MP3(kbps=64)]",
        ]
    )


def test_alias_is_skipped_with_its_reason(suite):
    cases = {
        case.get("name"): case for case in ET.parse(suite.folder / "junit.xml").iter("testcase")
    }
    assert cases["test_grid[MP3(kbps=160)]"].find("skipped") is None
    skipped = cases["test_grid[MP3(kbps=320)]"].find("skipped")
    reason = skipped.get("message")
    assert reason.startswith("MP3(kbps=320) is MP3(kbps=160) at 22,050 Hz")
    assert "test_grid[MP3(kbps=320)]" not in suite.tests()


_RATES = """
    import numpy as np
    import pytest
    from encoders import spectrum
    from pytest_nnrel import MP3, Corpus, assert_within_consistency

    def noise(rate):
        signals = np.random.default_rng(rate).normal(0, 0.1, (4, 2 * rate))
        return Corpus.from_arrays(signals.astype(np.float32), sample_rate=rate)

    @pytest.mark.nnrel(corpus=noise(44100), grid=[MP3(256), MP3(320)])
    def test_two_conditions_here(nnrel_transform):
        assert_within_consistency(spectrum, nnrel_transform, min=0.0)

    @pytest.mark.nnrel(corpus=noise(22050), grid=[MP3(256), MP3(320)])
    def test_one_condition_here(nnrel_transform):
        assert_within_consistency(spectrum, nnrel_transform, min=0.0)
"""


_OF_PARAMETERS = """
    import pytest
    from encoders import spectrum
    from pytest_nnrel import MP3, PinkNoise, within_consistency
    from test_rates import noise

    @pytest.fixture(scope="session", params=[22050, 44100])
    def nnrel_corpus(request):
        return noise(request.param)

    @pytest.mark.nnrel(grid=[MP3(256), MP3(320)])
    def test_conditions_of(nnrel_transform, nnrel_corpus):
        assert len(nnrel_corpus) == 3

    @pytest.mark.nnrel(clips=4)
    def test_clips_of_the_whole(nnrel_corpus):
        assert within_consistency(spectrum, PinkNoise(40)).n == 4

    @pytest.mark.parametrize(
        "late", [pytest.param(1, marks=pytest.mark.nnrel(grid=[MP3(8)]))]
    )
    @pytest.mark.nnrel(grid=[MP3(16)], corpus=noise(22050))
    def test_grid(late, nnrel_transform):
        pass
"""


def test_aliases_are_those_of_the_corpus_that_the_test_measures_on(inner):
    """Bitrates that are one at 22,050 Hz are two at 44,100 Hz: of a marker, or a parameter."""
    inner.write(test_rates=_RATES, test_of_parameters=_OF_PARAMETERS)
    run = inner.run("-v", "--nnrel-clips=3", report=False)
    outcomes = dict(re.findall(r"::(\S+\[.*\]) (PASSED|SKIPPED|ERROR)", run.text))
    reason = "@pytest.mark.nnrel(grid=...) of a pytest.param comes too late for nnrel_transform"
    assert f"\n{reason}; put grid= on the test\n" in run.text
    assert outcomes == {
        "test_conditions_of[22050-MP3(kbps=256)]": "PASSED",
        "test_conditions_of[22050-MP3(kbps=320)]": "SKIPPED",
        "test_conditions_of[44100-MP3(kbps=256)]": "PASSED",
        "test_conditions_of[44100-MP3(kbps=320)]": "PASSED",
        "test_clips_of_the_whole[22050]": "PASSED",
        "test_clips_of_the_whole[44100]": "PASSED",
        "test_grid[MP3(kbps=16)-1]": "ERROR",
        "test_one_condition_here[MP3(kbps=256)]": "PASSED",
        "test_one_condition_here[MP3(kbps=320)]": "SKIPPED",
        "test_two_conditions_here[MP3(kbps=256)]": "PASSED",
        "test_two_conditions_here[MP3(kbps=320)]": "PASSED",
    }


def test_fixtures_are_listed_with_their_texts(inner):
    done = inner.execute("pytest", "--fixtures")
    lines = done.stdout.splitlines()
    for name, text in (
        ("nnrel_corpus", "Corpus of the run"),
        ("nnrel_baseline", "Baseline of the run"),
        ("nnrel_transform", "Transformation of the run's grid"),
    ):
        (start,) = [i for i, line in enumerate(lines) if line.startswith(name)]
        assert lines[start].startswith(f"{name} [session scope] -- ")
        assert lines[start + 1].strip().startswith(text)


@pytest.mark.parametrize("mode", ["plain", "n2"])
def test_fixtures_and_given_go_together(inner, mode):
    inner.write(
        test_given="""
            from hypothesis import given, settings, strategies as st
            from pytest_nnrel import Corpus, PinkNoise, Transform
            import pytest

            @pytest.mark.nnrel(grid=[PinkNoise(40), PinkNoise(30)])
            @settings(max_examples=5, database=None)
            @given(number=st.integers(0, 3))
            def test_given(nnrel_corpus, nnrel_transform, number):
                assert isinstance(nnrel_corpus, Corpus)
                assert len(nnrel_corpus) == 8
                assert isinstance(nnrel_transform, Transform)
        """
    )
    run = inner.run(mode=mode, report=False, hypothesis=True)
    run.result.assert_outcomes(passed=2)

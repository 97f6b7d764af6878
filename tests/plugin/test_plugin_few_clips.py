"""Verdicts that hold on few clips: told and warned of, and held all the same."""

from __future__ import annotations

import pytest

ON_FEW = """
from pytest_nnrel import Identity, MFCCEncoder, assert_within_consistency, Corpus

def test_holds(nnrel_corpus):
    assert_within_consistency(MFCCEncoder(), Identity(), min=0.9)
"""


@pytest.mark.parametrize("clips, warned", [(9, True), (10, False)])
def test_fewer_than_ten_clips_hold_with_a_warning(pytester, clips, warned):
    pytester.makepyfile(ON_FEW)
    result = pytester.runpytest_inprocess(f"--nnrel-clips={clips}")
    result.assert_outcomes(passed=1)
    text = result.stdout.str()
    assert (
        "FewClipsWarning: fewer than 10 clips, or groups of them, show little:" in text
    ) == warned
    assert (
        "test_fewer_than_ten_clips_hold_with_a_warning.py::test_holds holds on" in text
    ) == warned
    assert ("1 warning" in text) == warned


def test_where_warnings_are_errors_it_is_told_and_fails_nothing(pytester):
    pytester.makepyfile(ON_FEW)
    result = pytester.runpytest_inprocess("--nnrel-clips=4", "-W", "error")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["fewer than 10 clips, or groups of them, show little:*"])


def test_the_report_has_no_plain_badge_for_it(pytester):
    pytester.makepyfile(ON_FEW)
    pytester.runpytest_inprocess("--nnrel-clips=4", "--nnrel-report=out").assert_outcomes(passed=1)
    page = (pytester.path / "out" / "index.html").read_text(encoding="utf-8")
    assert '<span class="badge few">holds on 4 clips</span>' in page
    assert "The one verdict holds, on fewer than 10 clips." in page
    assert 'class="masthead few"' in page
    assert '<h2 id="audit">' in page
    summary = (pytester.path / "out" / "summary.md").read_text(encoding="utf-8")
    assert "The one verdict holds, on fewer than 10 clips." in summary

"""Verdicts that hold on few clips: told and warned of, and held all the same."""

from __future__ import annotations

import pytest

_HOLDS = """
    from encoders import spectrum
    from pytest_nnrel import Identity, assert_within_consistency

    def test_holds():
        assert_within_consistency(spectrum, Identity(), min=0.9)
"""
_TEXT = "fewer than 10 clips, or groups of them, show little: test_few.py::test_holds holds on"


@pytest.mark.parametrize("count, warned", [(9, True), (10, False)])
def test_fewer_than_ten_clips_hold_with_a_warning(inner, count, warned):
    inner.write(test_few=_HOLDS)
    run = inner.run(f"--nnrel-clips={count}", corpus="bundled", report=False, strict=False)
    assert run.ret == 0
    assert (f"FewClipsWarning: {_TEXT}" in run.text) == warned
    assert ("1 passed, 1 warning in" in run.text) == warned


def test_in_any_mode_and_where_warnings_are_errors_it_fails_nothing(inner, mode):
    inner.write(test_few=_HOLDS)
    run = inner.run(mode=mode)
    assert run.ret == 0
    assert run.text.count(_TEXT) == 1
    assert '<span class="badge few">holds on 8 clips</span>' in run.page
    assert "The one verdict holds, on fewer than 10 clips." in run.page
    assert 'class="masthead few"' in run.page
    assert '<h2 id="audit">' in run.page
    assert list(run.results["audits"]) == list(run.results["corpora"])
    summary = (inner.report / "summary.md").read_text(encoding="utf-8")
    assert "The one verdict holds, on fewer than 10 clips." in summary

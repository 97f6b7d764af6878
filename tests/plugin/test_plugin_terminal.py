"""The summary at the end of a run, and the silence where nothing was measured."""

from __future__ import annotations

import re


def _section(text: str) -> list[str] | None:
    """Return the lines of the section that the plugin prints; None where there is none."""
    lines = text.splitlines()
    starts = [i for i, line in enumerate(lines) if re.fullmatch(r"=+ nnrel =+", line)]
    if not starts:
        return None
    assert len(starts) == 1
    rest = lines[starts[0] + 1 :]
    ends = [i for i, line in enumerate(rest) if line.startswith("=")]
    return rest[: ends[0]] if ends else rest


class _Tally(frozenset):
    """A tally such as ``3 fails, 1 undecided``, in whatever order."""

    def __new__(cls, text):
        return super().__new__(cls, text.split(", "))


def test_summary_says_what_was_measured_on_what(suite):
    first, *_ = _section(suite.text)
    assert first == (
        "corpus clips: 8 clips at 22,050 Hz, chance 0.125; conditions: 4; smallest drop it can"
        " show: 62.5% (5 clips)"
    )


def test_summary_has_a_line_for_each_encoder_and_measure(suite):
    lines = [re.split(r"  +", line.strip()) for line in _section(suite.text)]
    groups = {(row[0], row[1]): (_Tally(row[2]), row[3]) for row in lines if len(row) == 4}
    assert {group: tally for group, (tally, _) in groups.items()} == {
        ("faithful", "C_W euclidean"): _Tally("3 holds"),
        ("faithful", "C_acc dtw x euclidean"): _Tally("1 holds"),
        ("lossy", "1 - delta euclidean"): _Tally("1 holds, 1 fails"),
        ("lossy", "C_W euclidean"): _Tally("3 fails, 1 undecided"),
        ("lossy", "C_acc dtw x euclidean"): _Tally("1 fails"),
        ("lossy", "C_rho dtw x euclidean"): _Tally("1 fails"),
        ("spectrum", "C_rho dtw x euclidean"): _Tally("1 holds"),
    }


def test_summary_names_the_closest_call_of_each_group(suite):
    """Of the lossy encoder's, 0.75 against 1 is worst, though 0.9 fails as well."""
    (line,) = [row for row in _section(suite.text) if re.match(r"lossy +C_W", row)]
    assert line.endswith("worst: PinkNoise(snr_db=30) 0.750 [0.409, 0.929] against 1")


def test_summary_tells_errors_unjudged_measurements_and_the_report(suite):
    lines = _section(suite.text)
    assert "1 could not be measured" in lines
    # Four audio spaces beside within-space values, SiMPle's, the agreement, setup's, teardown's.
    assert "8 more measured without a verdict" in lines
    assert lines[-1].startswith("report: ")
    assert lines[-1].endswith("index.html")


def test_summary_is_the_same_under_xdist(suite_in):
    plain, workers = (_section(suite_in(mode).text)[:-1] for mode in ("plain", "n2"))
    assert workers == plain


def test_summary_is_printed_without_a_report_too(inner):
    inner.write(
        test_measuring="""
            from encoders import Positions
            from pytest_nnrel import PinkNoise, assert_within_consistency

            def test_measuring(nnrel_corpus):
                assert_within_consistency(Positions(nnrel_corpus), PinkNoise(40), min=1.0)
        """
    )
    run = inner.run(report=False)
    assert _section(run.text) == [
        "corpus clips: 8 clips at 22,050 Hz, chance 0.125; conditions: 1; smallest drop it can"
        " show: 62.5% (5 clips)",
        "positions: 22,050 Hz, not stated by the encoder",
        "positions  C_W euclidean  1 holds  closest: PinkNoise(snr_db=40) 1.000 [0.676, 1.000]"
        " against 1",
        "fewer than 10 clips, or groups of them, show little: test_measuring.py::test_measuring"
        " holds on so few; measure more",
    ]
    assert not list(inner.path.glob("**/results.json"))


def test_silence_where_nothing_was_measured(inner, mode):
    inner.write(test_trivial="def test_passes(): pass\ndef test_fails(): assert False\n")
    run = inner.run("-v", mode=mode, report=False)
    run.result.assert_outcomes(passed=1, failed=1)
    # Pytest's own header lists the plugin; nothing else is said of it.
    lines = [line for line in run.text.splitlines() if not line.startswith("plugins:")]
    assert not [line for line in lines if "nnrel" in line.replace(str(run.folder), "")]


def test_progress_is_not_drawn_where_output_is_no_terminal(suite):
    assert "block/s" not in suite.text + suite.result.stderr.str()
    assert "\r" not in suite.text

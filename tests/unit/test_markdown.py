"""``summary.md``, read back with GitHub's own renderer."""

from __future__ import annotations

from html.parser import HTMLParser

import cmarkgfm
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_nnrel.measurement import Measurement
from pytest_nnrel.recording import Verdict, measurement_key
from pytest_nnrel.report.findings import beside_verdicts, judgements, next_steps, rows_of
from pytest_nnrel.report.markdown import append_step_summary, code, summary_text
from pytest_nnrel.report.terminal import summary_lines


class Page(HTMLParser):
    """Texts of code spans, cells and blocks of a rendered page, and the elements that are in it."""

    def __init__(self, markdown):
        super().__init__(convert_charrefs=True)
        self.texts = {"code": [], "td": [], "p": [], "h3": [], "li": []}
        self.elements = set()
        self._open = []
        self.feed(cmarkgfm.github_flavored_markdown_to_html(markdown))

    def handle_starttag(self, tag, attrs):
        self.elements.add(tag)
        if tag in self.texts:
            self._open.append(tag)
            self.texts[tag].append("")

    def handle_endtag(self, tag):
        if tag in self.texts:
            self._open.remove(tag)

    def handle_data(self, data):
        for tag in self._open:
            self.texts[tag][-1] += data


NASTY = [
    "<b onclick=\"alert('1')\">&amp; 'quoted' \"twice\"</b>",
    "a|b||c",
    "a\\|b\\",
    "`", "``", "`a`", "a`b``c```d", "``` ```",
    "*bold* _em_ ~~gone~~ [link](http://x) ![](y)",
    "@user #1 :smile: www.example.com https://example.com",
    "🎻 é 日本",
    "$x_{1}$", "---", "# heading", "|", "&lt;", "-", "</td></table>",
]  # fmt: skip


@pytest.mark.parametrize("name", NASTY)
def test_a_name_in_a_text_is_read_as_it_is(name):
    page = Page(f"text {code(name)} text\n")
    assert page.texts["code"] == [name]
    assert page.elements == {"code", "p"}


@pytest.mark.parametrize("name", NASTY)
def test_names_in_tables_are_read_as_they_are(name):
    results = results_of(judged("fails", 0.5, encoder=name, transform=name))
    results["tests"][0]["test"] = name
    page = Page(summary_text(results))
    assert page.texts["td"][:3] == [name] * 3
    assert len(page.texts["td"]) == 5
    assert page.elements <= {
        "table", "thead", "tbody", "tr", "th", "td", "code", "p", "h2", "h3", "ul", "li",
    }  # fmt: skip


@given(st.text(st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp")), max_size=30))
def test_any_name_in_a_table_is_one_cell(name):
    page = Page(summary_text(results_of(judged("fails", 0.5, encoder=name))))
    assert page.texts["td"][1] == (" ".join(name.split()) or "–")
    assert len(page.texts["td"]) == 5


def test_line_breaks_and_control_characters_become_spaces():
    assert code("two\nlines\r\n\x00\x1b[31mred\u2028end") == "`two lines [31mred end`"


def test_the_middle_of_a_long_name_is_left_out():
    name = "start" + "x" * 300 + "end"
    shown = code(name).strip("`")
    assert shown.startswith("start")
    assert shown.endswith("end")
    assert len(shown) == 121
    assert "…" in shown


def measured(value, *, encoder="mine", transform="MP3(kbps=64)", clips=100, groups=100, seed=0):
    right = round(value * clips)
    return Measurement(
        "within",
        value,
        (value - 0.1, value + 0.1),
        clips,
        (True,) * right + (False,) * (clips - right),
        (),
        {
            "identity": {
                "corpus": f"corpus of {clips}", "transform": transform, "seed": seed,
                "latent_distance": "euclidean", "encoder": encoder, "named_only": False,
            },
            "corpus": {
                "name": "music", "fingerprint": f"corpus of {clips}", "clips": clips,
                "groups": groups, "sample_rate": 22050,
            },
            "transform": {
                "name": transform, "asked": transform, "family": "MP3", "checks": {},
            },
            "encoder": {"name": encoder, "fingerprint": "f00d"},
        },
    ).as_dict()  # fmt: skip


def results_of(*verdicts, crashed=()):
    """Return results of one test for each verdict."""
    plain = {measurement_key(v.measurement): v.measurement for v in verdicts if v.measurement}
    tests = [
        {
            "test": f"test_it.py::test_{i}",
            "outcome": "passed" if verdict.outcome == "holds" else "failed",
            "verdicts": [{**verdict.as_dict(), "redo": ""}],
        }
        for i, verdict in enumerate(verdicts)
    ]
    tests += [{"test": test, "outcome": "crashed", "verdicts": []} for test in crashed]
    run = {
        "command": "pytest -k it",
        "exit_status": int(any(t["outcome"] != "passed" for t in tests)),
    }
    return {"measurements": plain, "tests": tests, "run": run}


def judged(outcome, value, minimum=0.9, **kind):
    plain = measured(value, **kind)
    message = "" if outcome == "holds" else "a message"
    return Verdict("assert_within_consistency", outcome, minimum, plain, message)


def test_nothing_judged_is_said():
    page = Page(summary_text(results_of()))
    assert page.texts["p"][0] == "Nothing was judged in this run."
    assert not page.texts["h3"]
    assert page.texts["code"] == ["index.html", "pytest -k it"]


@pytest.mark.parametrize(
    "verdicts, sentence",
    [
        ((judged("holds", 0.95),), "The one verdict holds."),
        ((judged("holds", 0.95), judged("holds", 0.96, seed=1)), "All 2 verdicts hold."),
    ],
)
def test_verdicts_that_hold_are_a_sentence(verdicts, sentence):
    page = Page(summary_text(results_of(*verdicts)))
    assert page.texts["p"][0] == sentence
    assert page.texts["h3"] == ["What this run could see"]


@pytest.mark.parametrize(
    "status, failed, bad, sentence",
    [
        (2, 0, False, "The run itself failed (exit 2, interrupted); 1 of 1 verdicts hold."),
        (2, 1, False, "The run itself failed (exit 2, interrupted), 1 test failed without a"
                      " verdict; 1 of 1 verdicts hold."),
        (1, 2, False, "2 tests failed without a verdict; 1 of 1 verdicts hold."),
        (1, None, False, "The run itself failed (exit 1); 1 of 1 verdicts hold."),
        (1, 1, True, "1 failed; 1 of 2 verdicts hold."),
        (1, None, True, "1 failed; 1 of 2 verdicts hold."),
        (1, 3, True, "2 tests failed without a verdict, 1 failed; 1 of 2 verdicts hold."),
        (5, 0, False, "The one verdict holds."),
    ],
    ids=[
        "interrupted", "interrupted and untold", "untold", "unknown", "told", "told, unknown",
        "told and untold", "none collected",
    ],
)  # fmt: skip
def test_a_run_that_failed_otherwise_is_not_well(status, failed, bad, sentence):
    results = results_of(judged("holds", 0.95), *[judged("fails", 0.5, encoder="b")] * bad)
    results["run"]["exit_status"] = status
    if failed is not None:  # files of earlier versions do not have it
        results["run"]["failed"] = failed
    assert Page(summary_text(results)).texts["p"][0] == sentence
    rows = rows_of(results["tests"], results["measurements"])
    beside = beside_verdicts(results, rows)
    steps = next_steps(rows, [], heard="", beside=beside)
    assert bool(beside) is any("pytest's own output" in step.text for step in steps)
    assert any(step.text.startswith("Nothing") for step in steps) is (status == 5)


@pytest.mark.parametrize("outcome", ["passed", "xfailed"])
def test_what_does_not_hold_in_a_test_that_is_well_is_expected(outcome):
    results = results_of(judged("fails", 0.5), judged("holds", 0.95, seed=1))
    results["tests"][0]["outcome"] = outcome
    results["run"]["exit_status"] = 0
    page = Page(summary_text(results))
    assert page.texts["p"][0] == "1 expected not to hold; 1 of 2 verdicts hold."
    assert page.texts["h3"] == ["Expected not to hold", "What this run could see"]
    rows = rows_of(results["tests"], results["measurements"])
    (step,) = next_steps(rows, results["measurements"].values(), heard="", beside="")
    assert step.text.startswith("Nothing")
    assert [judgement.outcome for judgement in judgements(rows).values()] == ["expected", "holds"]
    (line,) = [line for line in summary_lines(results) if "C_W" in line and "closest" in line]
    assert "1 expected" in line
    assert "0.950" in line


def test_failures_come_by_how_far_they_are_below_the_minimum():
    verdicts = [
        judged("holds", 0.95),
        judged("fails", 0.8, encoder="a"),
        judged("fails", 0.5, encoder="b", minimum=0.55),
        judged("fails", 0.6, encoder="c"),
    ]
    page = Page(summary_text(results_of(*verdicts, crashed=["test_it.py::test_gone"])))
    assert page.texts["p"][0] == "1 crashed, 3 failed; 1 of 5 verdicts hold."
    assert page.texts["h3"] == ["Crashed", "Failed", "What this run could see"]
    crash, *rows = (page.texts["td"][i : i + 5] for i in range(0, 20, 5))
    assert [row[1] for row in rows] == ["c", "a", "b"]
    assert rows[0] == [
        "test_it.py::test_3", "c", "MP3(kbps=64)",
        "C_W euclidean 0.600 [0.500, 0.700], n = 100", "0.9",
    ]  # fmt: skip
    assert crash[0] == "test_it.py::test_gone"
    assert "died" in crash[3]


def test_what_is_too_close_to_call_says_how_many_clips_would_do():
    page = Page(summary_text(results_of(judged("undecided", 0.88))))
    assert page.texts["p"][0] == "1 too close to call; 0 of 1 verdicts hold."
    found = page.texts["td"][3]
    assert "too few clips (n = 100) to tell; about " in found
    assert "clips would decide" in found


def test_what_could_not_be_measured_says_why():
    error = "encoder 'x|y' raised: `boom`\nsecond line"
    verdict = Verdict("assert_within_consistency", "error", 0.9, None, error)
    page = Page(summary_text(results_of(verdict)))
    assert page.texts["h3"] == ["Not measured"]
    assert page.texts["td"][3] == "encoder 'x|y' raised: `boom`"


def test_baselines_are_blocks_of_text():
    lines = "mine is worse than its baseline ```\n  MP3 C_W <b>: 0.9 -> 0.8\n\nredo:    pytest x"
    verdict = Verdict("nnrel_baseline.check", "fails", None, None, lines, "mine", "mine is worse")
    same = Verdict("nnrel_baseline.check", "holds", None, None, "", "other", "other is no worse")
    page = Page(summary_text(results_of(verdict, same)))
    assert page.texts["h3"] == ["Failed", "Baseline"]
    assert page.texts["td"][1:4] == ["mine", "–", "see below"]
    assert [lines + "\n", "other is no worse\n"] == page.texts["code"][2:4]
    assert "b" not in page.elements


def test_the_smallest_drop_is_told_of_each_corpus():
    verdicts = [judged("holds", 0.95), judged("holds", 0.95, clips=20, groups=4)]
    page = Page(summary_text(results_of(*verdicts)))
    assert page.texts["li"] == [
        "music: 100 clips, 1 condition; smallest drop of C_W that it can show: 5.0% (5 clips)",
        "music: 20 clips, 1 condition; smallest drop of C_W that it can show: none (it takes 5)",
    ]


def test_a_thousand_failures_are_a_page():
    verdicts = [judged("fails", 0.5, encoder=f"encoder {i}" * 50, seed=i) for i in range(1000)]
    text = summary_text(results_of(*verdicts))
    assert "and 980 more" in text
    assert len(text.encode()) < 2**15  # GitHub takes 1 MiB a step


def test_the_summary_is_appended_to_what_other_steps_wrote(tmp_path):
    page = tmp_path / "step.md"
    page.write_text("# Mine", encoding="utf-8")
    append_step_summary(page, "## é \udce9\n")
    assert page.read_text(encoding="utf-8") == "# Mine\n## é \\udce9\n"

"""The page: what it shows is what ``results.json`` holds, whatever that holds."""

from __future__ import annotations

import copy
import json
import os
import re
import shutil
import subprocess
import time

import numpy as np
import pytest
import soundfile
from pages import Page
from patience import PATIENCE

from pytest_nnrel import (
    MP3,
    Corpus,
    FunctionTransform,
    Identity,
    MFCCEncoder,
    PinkNoise,
    PitchShift,
    TempoShift,
    as_encoder,
    audio_consistency,
    between_consistency,
    recording,
    within_consistency,
)
from pytest_nnrel.audit import Audit, NearTwins
from pytest_nnrel.errors import ResultsError
from pytest_nnrel.failures import failure_message
from pytest_nnrel.measurement import Measurement
from pytest_nnrel.recording import Verdict, record_verdict
from pytest_nnrel.report import (
    curves,
    findings,
    heatmap,
    html,
    listening,
    projection,
    references,
    write_report,
)
from pytest_nnrel.report.html import render_page
from pytest_nnrel.report.markdown import summary_text
from pytest_nnrel.report.results import Collector, load_results, told_apart
from pytest_nnrel.report.terminal import summary_lines
from pytest_nnrel.requirement import Requirement

_ABOUT = {
    "settings": {"corpus": "bundled", "clips": 8, "grid": "quick", "seed": 0},
    "run": {
        "command": "pytest", "started": "2026-01-01T00:00:00Z", "seconds": 1.0, "workers": 0,
        "exit_status": 1,
    },
}  # fmt: skip
_CONDITIONS = (
    PitchShift(-2), PitchShift(0.5), PitchShift(6), PinkNoise(30), PinkNoise(-10), MP3(8),
    TempoShift(0.7), Identity(),
)  # fmt: skip


def _judge(measurement, minimum, confident=False):
    required = Requirement(low=minimum)
    outcome = required.outcome(measurement, confident=confident)
    message = (
        failure_message(measurement, required, outcome, "pytest x") if outcome != "holds" else ""
    )
    record_verdict(Verdict("assert", outcome, minimum, measurement.as_dict(), message))


def _results_of(measure):
    """Return the results of a run of which each test is a call of `measure` in a sink."""
    collector = Collector()
    with recording.sink("pytest x") as sink:
        measure()
    collector.add("test_x.py::test_x", "setup", "passed", None)
    collector.add("test_x.py::test_x", "call", "failed", sink.as_dict())
    return json.loads(json.dumps(collector.results(_ABOUT)))


@pytest.fixture(scope="module")
def corpus():
    return Corpus.bundled().subset(8)


@pytest.fixture(scope="module")
def results(corpus):
    def measure():
        encoder = MFCCEncoder()
        for condition in _CONDITIONS:
            _judge(within_consistency(encoder, condition, corpus=corpus), 0.9)
            audio_consistency(condition, corpus=corpus)
        close = within_consistency(encoder, PinkNoise(20), corpus=corpus)
        _judge(close, close.value, confident=True)  # which its own interval never excludes
        for kind in ("rho", "accuracy"):
            _judge(between_consistency(encoder, PitchShift(6), corpus=corpus, measure=kind), 0.99)

    return _results_of(measure)


@pytest.fixture(scope="module")
def folder(results, tmp_path_factory):
    place = tmp_path_factory.mktemp("report")
    write_report(place, results)
    return place


@pytest.fixture(scope="module")
def page(folder):
    return Page((folder / "index.html").read_text(encoding="utf-8"))


def test_encoders_of_one_name_are_told_apart(results):
    both = copy.deepcopy(results)
    for key, measured in results["measurements"].items():
        if "encoder" in measured["details"]:
            other = copy.deepcopy(measured)
            other["details"]["encoder"]["fingerprint"] = "0123456789abcdef0123"
            both["measurements"][f"other {key}"] = other
    (own,) = {
        m["details"]["encoder"]["fingerprint"]
        for m in results["measurements"].values() if "encoder" in m["details"]
    }  # fmt: skip
    names = {f"mfcc ({own[:14]})", "mfcc (0123456789abcd)"}
    apart = told_apart(both)["measurements"]
    assert {s.encoder for s in curves.sections_of(apart, (), None)} == names
    shown = render_page(both)
    assert all(name in shown for name in names)
    assert f"mfcc ({own[:14]})" in "\n".join(summary_lines(both))
    assert f"mfcc ({own[:14]})" in summary_text(both)
    assert told_apart(results) is results  # one encoder of a name keeps it
    assert "mfcc (" not in render_page(results)


def _verdicts(results):
    return [verdict for test in results["tests"] for verdict in test["verdicts"]]


def _shown(measured):
    low, high = measured["ci"]
    return f"{measured['value']:.3f} [{low:.3f}, {high:.3f}]"


def test_numbers_of_the_table_are_those_of_the_results(results, page):
    rows = [row for row in page.find("tr") if "data-outcome" in row.attributes]
    shown = sorted((row.attributes["data-outcome"], row.text) for row in rows)
    assert len(shown) == len(_verdicts(results)) == len(_CONDITIONS) + 3
    for verdict in _verdicts(results):
        measured = results["measurements"][verdict["measurement"]]
        name = measured["details"]["transform"]["name"]
        assert any(
            outcome == verdict["outcome"] and name in text and _shown(measured) in text
            for outcome, text in shown
        )


def test_numbers_of_the_charts_are_those_of_the_results(results, page):
    labels = [e.attributes["aria-label"] for e in page.find("g", class_="point")]
    charted = [
        m
        for m in results["measurements"].values()
        if m["measure"] in curves.DRAWN and m["details"]["transform"]["family"] != "Identity"
    ]
    assert len(charted) == len(_CONDITIONS) + 2
    for measured in charted:
        start = f"{measured['details']['transform']['name']}: {_shown(measured)}"
        assert sum(label.startswith(start) for label in labels) >= 1
    audio = [m for m in results["measurements"].values() if m["measure"] == "audio"]
    cells = page.texts("td", class_="number")
    assert all(f"{m['value']:.3f}" in cells for m in audio)


def test_cells_of_the_heat_map_are_those_of_the_results(results, page):
    titles = {e.attributes["title"]: e for e in page.find("td", class_="cell")}
    for measured in results["measurements"].values():
        if measured["measure"] == "within":  # of the others there is one transformation only
            name = measured["details"]["transform"]["name"]
            (title,) = [t for t in titles if t.startswith(f"{name}: {_shown(measured)}")]
            cell = titles[title]
            assert float(cell.text) == pytest.approx(measured["value"], abs=0.006)
            loss = float(cell.attributes["style"].removeprefix("--loss: "))
            assert loss == pytest.approx(1.0 - max(measured["value"], 0.0), abs=1e-3)


def test_a_cell_of_two_encoders_that_nothing_tells_apart_is_of_neither(results):
    both = copy.deepcopy(results)
    measured = next(m for m in results["measurements"].values() if m["measure"] == "within")
    both["measurements"]["other"] = other = copy.deepcopy(measured)
    other["value"], other["outcomes"] = 0.0, "0" * measured["n"]
    shown = Page(render_page(both))
    cells = [e for e in shown.find("td", class_="cell") if e.text == "?"]
    name = measured["details"]["transform"]["name"]
    assert [e.attributes["title"] for e in cells] == [
        f"{name}: encoders called mfcc differ, name them apart"
    ]
    assert any("?: several encoders of one name" in text for text in shown.texts("caption"))


@pytest.mark.parametrize("turn", [1, -1])
def test_a_measurement_has_its_gravest_outcome_and_a_part_of_a_failure_has_none(turn):
    def verdict(assertion, outcome, minimum=None, measurement=None, covers=()):
        return {
            **Verdict(assertion, outcome, minimum, None).as_dict(),
            "measurement": measurement,
            "covers": list(covers),
        }

    verdicts = [
        verdict("all hold", "holds", covers=["a", "b"]),
        verdict("one fails", "fails", 0.9, "b"),
        verdict("some fail", "fails", covers=["a", "c"]),
        verdict("less asked", "holds", 0.1, "b"),
    ]
    rows = [findings.Row(v["assertion"], v["outcome"], verdict=v) for v in verdicts]
    rows = [*rows, findings.Row("crash", "crashed")][::turn]
    assert findings.judgements(rows) == {
        "a": ("holds", Requirement()),
        "b": ("fails", Requirement(low=0.9)),
    }


def test_top_says_what_failed_what_is_close_and_what_to_do(results, page):
    counts = findings.tally(findings.rows_of(results["tests"], results["measurements"]))
    assert counts["fails"] >= 3
    assert counts["undecided"] == 1
    (headline,) = page.texts("h1")
    assert headline.startswith(f"{counts['fails']} failed, 1 too close to call; ")
    assert {"What failed", "Too close to call", "What to do next"} <= set(page.texts("h2"))
    items = "\n".join(page.texts("li"))
    assert "MP3(kbps=8)" in items
    assert "too few clips (n = 8) to tell" in items
    assert "the audio itself, by DTW over MFCCs, does not reach" in items


def test_links_lead_somewhere_and_nothing_is_loaded_from_elsewhere(page):
    ids = [value for _, name, value in page.all_attributes() if name == "id"]
    assert len(ids) == len(set(ids))
    for link in page.links():
        if link.startswith("#"):
            assert link[1:] in ids
        else:
            assert link.startswith("data:")


def test_page_is_made_of_landmarks_headings_and_described_tables(page):
    counts = page.counts()
    assert counts["main"] == counts["nav"] == counts["h1"] == counts["header"] == 1
    assert len(page.find("caption")) == counts["table"]
    for head in page.find("th"):
        assert head.attributes.get("scope") in ("col", "row", "colgroup")
    for picture in page.find("img"):
        assert picture.attributes["alt"]
    for drawing in page.find("svg", class_="chart"):
        assert drawing.attributes["aria-label"]


# ---------------------------------------------------------------------------------------------
# Charts


def _panels(results, known=None):
    rows = findings.rows_of(results["tests"], results["measurements"])
    (section,) = curves.sections_of(results["measurements"], rows, known)
    return {
        (kind.split()[0], panel.title): panel
        for kind, panels in section.panels.items()
        for panel in panels
    }


def test_points_lie_where_their_values_say(results):
    panel = _panels(results)["C_W", "PitchShift"]
    assert [mark.sample.name for mark in panel.marks] == [
        "PitchShift(semitones=-2)", "Identity()", "PitchShift(semitones=0.5)",
        "PitchShift(semitones=6)",
    ]  # fmt: skip
    x = [mark.x for mark in panel.marks]
    assert (x[3] - x[1]) / (x[1] - x[0]) == pytest.approx(3.0, rel=0.01)
    assert panel.identity == pytest.approx(x[1], abs=0.06)
    base, top = curves.HEIGHT - curves.BOTTOM, curves.TOP
    for mark in panel.marks:
        assert mark.y == pytest.approx(base - mark.sample.value * (base - top), abs=0.06)
        assert mark.high <= mark.y <= mark.low
    assert panel.line.count("L") == len(panel.marks) - 1


def test_mildest_failure_of_each_direction_is_marked():
    def mark(x, outcome):
        sample = curves.Sample(x, 0.5, 0.4, 0.6, f"{x:g}", f"t({x})", outcome)
        return curves.Mark(x, 0, 0, 0, outcome, "", sample)

    marks = [mark(-4, "fails"), mark(-2, "fails"), mark(0, ""), mark(1, "holds"), mark(3, "fails"),
             mark(5, "fails")]  # fmt: skip
    assert [tick.label for tick in curves._breaks(marks)] == ["breaks at 3", "breaks at -2"]


def test_what_was_asked_for_is_drawn_where_it_is_one_value(results):
    panels = _panels(results)
    base, top = curves.HEIGHT - curves.BOTTOM, curves.TOP
    assert panels["C_W", "PitchShift"].bounds == pytest.approx([base - 0.9 * (base - top)])
    mixed = copy.deepcopy(results)
    _verdicts(mixed)[0]["minimum"] = 0.5
    assert _panels(mixed)["C_W", "PitchShift"].bounds == []
    assert _panels(mixed)["C_W", "PitchShift"].asked == ""
    for verdict in _verdicts(mixed):
        verdict |= {"minimum": 0.5, "maximum": 0.9}
    band = _panels(mixed)["C_W", "PitchShift"]
    assert band.bounds == pytest.approx([base - bound * (base - top) for bound in (0.5, 0.9)])
    assert band.asked == "0.5 to 0.9"


def test_axis_is_cut_where_the_identity_is_far_away(results):
    """As under noise, measured from 30 dB on, 60 rungs above none."""
    without = copy.deepcopy(results)
    for key, measured in results["measurements"].items():
        if measured["details"]["transform"]["family"] == "Identity":
            del without["measurements"][key]
    panel = _panels(without)["C_W", "PinkNoise"]
    assert panel.broken_axis
    assert curves.LEFT < panel.identity < panel.marks[0].x < curves.WIDTH / 2
    assert not _panels(without)["C_W", "PitchShift"].broken_axis


def test_family_without_a_ladder_is_drawn_over_its_magnitudes(corpus):
    def measure():
        for cut in (0.25, 0.5):
            half = FunctionTransform(f"f{cut}", lambda x, rate, cut=cut: x * cut, magnitude=cut)
            within_consistency(MFCCEncoder(), half, corpus=corpus)

    results = _results_of(measure)
    panel = _panels(results)["C_W", "FunctionTransform"]
    assert [mark.sample.x for mark in panel.marks] == [0.25, 0.5]
    assert panel.identity is None
    assert panel.line
    assert Page(render_page(results)).texts("figcaption") == ["FunctionTransform"]


def _reference_file(results, path, **changed):
    """Write a file of reference curves, of what was measured of the MFCC encoder."""
    points = []
    for measured in results["measurements"].values():
        transform = measured["details"]["transform"]
        if measured["measure"] == "within":
            low, high = measured["ci"]
            points.append({
                "family": transform["family"], "magnitude": transform["magnitude"],
                "severity": transform["severity"], "within": measured["value"], "low": low,
                "high": high,
                "ranks": references.written_ranks(measured["details"]["ranks"]),
            })  # fmt: skip
    corpus = next(iter(results["measurements"].values()))["details"]["corpus"]
    plain = {
        "corpus": {"name": "bundled", "n": corpus["clips"], "fingerprint": corpus["fingerprint"]},
        "encoders": {"mfcc": {"label": "MFCC (reference)", "points": points}},
    }
    path.write_text(json.dumps(plain | changed), encoding="utf-8")
    return path


def test_reference_encoders_lie_behind_on_their_own_corpus(results, tmp_path):
    known = references.load_references(_reference_file(results, tmp_path / "curves.json"))
    panel = _panels(results, known)["C_W", "PitchShift"]
    ((label, path),) = panel.references
    assert label == "MFCC (reference)"
    # The same encoder on the same clips: its line is that of the encoder but for the identity.
    own = [f"{mark.x:g} {mark.y:g}" for mark in panel.marks if mark.sample.name != "Identity()"]
    assert path == "M" + "L".join(own)
    assert not _panels(results, known)["C_rho", "PitchShift"].references


def test_reference_encoders_of_another_corpus_are_drawn_among_as_many_clips(
    results, corpus, tmp_path, monkeypatch
):
    larger = _results_of(
        lambda: [within_consistency(MFCCEncoder(), transform, corpus=Corpus.bundled().subset(30))
                 for transform in (PitchShift(6), PitchShift(9))]
    )  # fmt: skip
    file = _reference_file(larger, tmp_path / "curves.json")
    known = references.load_references(file)
    assert known.clips == 30
    n = len(corpus)
    ((_, points),) = known.of("PitchShift", n).items()
    found = [Measurement.from_dict(m).at(n) for m in larger["measurements"].values()
             if m["measure"] == "within"]  # fmt: skip
    expected = sorted((among.value, *among.ci) for among in found)
    assert np.array(sorted((p.value, p.low, p.high) for p in points)) == pytest.approx(
        np.array(expected)
    )
    assert [label for label, _ in _panels(results, known)["C_W", "PitchShift"].references] == [
        "MFCC (reference)"
    ]
    monkeypatch.setattr(references, "bundled_curves", lambda: file)
    text = " ".join(Page(render_page(results)).texts("p"))
    assert f"measured on 30 clips of bundled, and are drawn as they are among {n}" in text


def test_the_shipped_reference_encoders_are_drawn_among_40_clips():
    """Ranks of which the share of zeros is C_W, as it was measured on all 134 clips."""
    known = references.load_references(references.bundled_curves())
    for of_family in known.points.values():
        for point in (point for points in of_family.values() for point in points if point.ranks):
            assert sum(point.ranks.values()) == known.clips == 134
            assert point.value == pytest.approx(point.ranks.get(0, 0) / 134, abs=1e-6)
    among = known.of("PitchShift", 40)
    assert {"MFCC", "AT: auto-tagging", "IR: instrument recognition"} <= among.keys()
    for label, points in among.items():
        of_all = {point.magnitude: point for point in known.points["PitchShift"][label]}
        assert len(points) == 20
        for point in points:  # fewer clips are easier
            assert of_all[point.magnitude].value <= point.value
            assert point.low <= point.value <= point.high
    assert "drawn as they are among 40 of these" in known.note("another corpus", 40)


def test_reference_encoders_among_fewer_clips_than_here_say_so(results, corpus, tmp_path):
    other = {"name": "other", "n": len(corpus) - 1, "fingerprint": "0"}
    known = references.load_references(
        _reference_file(results, tmp_path / "curves.json", corpus=other)
    )
    assert f"among {len(corpus)} they would be lower" in known.note("here", len(corpus))
    (points,) = known.of("PitchShift", len(corpus)).values()
    assert all(point.value == point.low or point.low < point.value for point in points)


def test_reference_encoders_whose_ranks_are_not_known_are_not_drawn_among_others(
    results, corpus, tmp_path
):
    file = _reference_file(results, tmp_path / "curves.json")
    plain = json.loads(file.read_text())
    for point in plain["encoders"]["mfcc"]["points"]:
        del point["ranks"]
    file.write_text(json.dumps(plain))
    known = references.load_references(file)
    assert known.of("PitchShift", len(corpus))
    assert not known.of("PitchShift", len(corpus) - 1)
    assert "are not drawn" in known.note("another", len(corpus) - 1)
    assert not known.note(known.fingerprint, len(corpus))


@pytest.mark.parametrize("ranks", [[], [0, 0, 0], [0, 3, 0, 12, 3]])
def test_ranks_are_written_as_counts(ranks):
    counts = references.counts_of(references.written_ranks(ranks))
    assert sorted(rank for rank, n in counts.items() for _ in range(n)) == sorted(ranks)


@pytest.mark.parametrize("text", ["{", "[]", '{"corpus": {}}', '{"corpus": 1, "encoders": {}}'])
def test_damaged_reference_curves_are_told(tmp_path, text):
    file = tmp_path / "curves.json"
    file.write_text(text)
    with pytest.raises(ResultsError, match=r"curves\.json holds no curves .* install"):
        references.load_references(file)
    assert references.load_references(tmp_path / "none.json") is None


# ---------------------------------------------------------------------------------------------
# Clips to hear


def _cases(results):
    found = listening.cases_of(findings.rows_of(results["tests"], results["measurements"]))
    return [case for cases in found.values() for case in cases]


def test_audio_is_what_was_compared(results, corpus, folder):
    cases = _cases(results)
    assert 3 <= len(cases) <= listening.MAX_CASES
    assert len({case.key for case in cases}) == len(cases)
    case = next(c for c in cases if c.measured["details"]["transform"]["name"] == "MP3(kbps=8)")
    original = corpus[corpus.index(case.worst["id"])]
    expected = (
        original,
        MP3(8).apply(original, seed=0),
        corpus[corpus.index(case.worst["neighbour"])],
    )
    for recording_, clip in zip(case.recordings, expected):
        samples, rate = soundfile.read(folder / "audio" / recording_.file)
        assert rate == 22_050
        window = clip.window(2.0)
        window = window / max(1.0, np.abs(window).max())
        np.testing.assert_allclose(samples, window, atol=1.01 / 2**15)


def test_only_clips_that_left_their_original_are_heard(results):
    for case in _cases(results):
        assert case.worst["own_distance"] >= case.worst["neighbour_distance"]


def test_small_audio_is_in_the_page_and_large_audio_beside_it(results, folder, page, monkeypatch):
    assert page.find("audio")
    assert all(e.attributes["src"].startswith("data:audio/flac") for e in page.find("audio"))
    monkeypatch.setattr(listening, "INLINE_BYTES", 1000)
    beside = Page(render_page(results, folder))
    for player in beside.find("audio"):
        assert (folder / player.attributes["src"]).is_file()


def test_distances_are_shown_with_the_clips(results, page):
    numbers = page.texts("dd", class_="number")
    for case in _cases(results):
        assert f"{case.worst['own_distance']:.5g}" in numbers
        assert f"{case.worst['neighbour_distance']:.5g}" in numbers


def test_page_without_its_audio_says_so(results, tmp_path):
    for place in (None, tmp_path):
        silent = Page(render_page(results, place))
        assert not silent.find("audio")
        assert "not in audio" in " ".join(silent.texts("p"))


def test_audio_that_is_damaged_is_played_without_a_picture(results, folder, tmp_path):
    shutil.copytree(folder / "audio", tmp_path / "audio")
    broken = _cases(results)[0].recordings[0].file
    (tmp_path / "audio" / broken).write_bytes(b"no audio")
    damaged = Page(render_page(results, tmp_path))
    assert 0 < len(damaged.find("img")) < len(damaged.find("audio"))


def test_audio_of_an_earlier_report_leaves(results, folder, tmp_path):
    stale, foreign = tmp_path / "audio" / f"{1:032x}.flac", tmp_path / "audio" / "mine.flac"
    (tmp_path / "audio").mkdir()
    stale.touch()
    foreign.touch()
    listening.write_audio(tmp_path / "audio", [])
    assert not stale.exists()
    assert foreign.exists()


def _failing(corpus, transform):
    def measure():
        encoder = as_encoder(lambda batch: batch[:, :3], name="first samples")
        _judge(within_consistency(encoder, transform, corpus=corpus), 1.0)

    return _results_of(measure)


def test_what_was_made_in_python_cannot_be_heard_and_the_page_says_why(corpus, tmp_path):
    noise = np.random.default_rng(0).normal(scale=0.1, size=(4, 88_200)).astype(np.float32)
    made = Corpus.from_arrays(noise, sample_rate=22_050)
    write_report(tmp_path / "1", _failing(made, TempoShift(0.7)))
    shifted = FunctionTransform("shifted", lambda samples, rate: np.roll(samples, 999))
    write_report(tmp_path / "2", _failing(corpus, shifted))
    for name, reason in (("1", "the corpus was made in Python"), ("2", "not one of the package")):
        assert not (tmp_path / name / "audio").exists()
        text = " ".join(Page((tmp_path / name / "index.html").read_text("utf-8")).texts("p"))
        assert reason in text


# ---------------------------------------------------------------------------------------------
# Baselines and maps


def _change(transform, lost, won, **others):
    return {
        "transform": transform, "measure": "within", "distance": "euclidean", "before": 0.9,
        "after": 0.9 - (len(lost) - len(won)) / 8, "lost": lost, "won": won, "p": 0.01,
        "adjusted": 0.02, "allowed": None, "worse": False, **others,
    }  # fmt: skip


def test_flips_are_shown_by_condition_with_the_clips(results):
    compared = copy.deepcopy(results)
    verdict = {
        "assertion": "nnrel_baseline.check", "outcome": "fails", "minimum": None,
        "measurement": None, "message": "mfcc is worse", "subject": "mfcc",
        "headline": "mfcc is worse than its baseline", "covers": [],
        "comparison": {
            "corpus": "bundled", "clips": 8, "verdict": "worse", "headline": "mfcc is worse",
            "p_values": {"flips": 0.01}, "p_margins": 0.25,
            "changes": [
                _change("PinkNoise(snr_db=30)", [], ["<i>c</i>"], adjusted=1.0),
                _change("PitchShift(semitones=2)", ["a", "b"], [], worse=True),
            ],
        },
    }  # fmt: skip
    compared["tests"][0]["verdicts"].append(verdict)
    page = Page(render_page(compared))
    assert "Against the baseline" in page.texts("h2")
    text = " ".join(page.texts("table")).replace("\n", " ")
    assert text.index("PitchShift(semitones=2)worse".replace("w", " w", 1)) < text.rindex(
        "PinkNoise"
    )
    assert "Lost: a, b" in text
    assert "Won: <i>c</i>" in text
    assert [e.text for e in page.find("span", class_="lost")] == ["2", "0"]
    assert [e.text for e in page.find("span", class_="won")] == ["0", "1"]
    assert any("--nnrel-update-baseline" in command for command in page.texts("code"))


def _with_maps(results):
    mapped = copy.deepcopy(results)
    rng = np.random.default_rng(0)
    for measured in mapped["measurements"].values():
        if measured["measure"] == "within":
            clips = mapped["corpora"][measured["details"]["identity"]["corpus"]]["clips"]
            originals = rng.normal(size=(len(clips), 2))
            measured["details"]["map"] = {
                "clips": clips,
                "originals": originals.tolist(),
                "transformed": (originals + 0.1).tolist(),
                "explained": [0.5, 0.2],
            }
    return mapped


def test_maps_show_the_mildest_of_each_family(results):
    mapped = _with_maps(results)
    maps = projection.maps_of(mapped["measurements"], mapped["corpora"])
    assert [found.transform for found in maps] == [
        "MP3(kbps=8)", "PinkNoise(snr_db=30)", "PitchShift(semitones=0.5)", "TempoShift(rate=0.7)",
    ]  # fmt: skip
    for found in maps:
        (measured,) = [
            m
            for m in mapped["measurements"].values()
            if m["measure"] == "within" and m["details"]["transform"]["name"] == found.transform
        ]
        assert found.left == measured["outcomes"].count("0")
        assert all(0 <= place <= projection.SIZE for pair in found.pairs for place in pair[1:5])
    figures = Page(render_page(mapped)).find("figure", class_="map")
    assert len(figures) == len(maps)
    assert "70 % of the originals' variance" in figures[0].text


def test_what_is_odd_in_a_corpus_stands_on_the_page_to_the_letter(results):
    odd = Audit(
        "<mine>", 4, (NearTwins("a & b", "c", 1.5, 2.25, 0.75),), 0.75, 1.0,
        silent={"c": 0.5}, clipped={"a & b": 0.0125}, offset={"d": 0.25}, cut_off={"d": 8000.0},
    )  # fmt: skip
    page = Page(render_page({**results, "audits": {"cafe": odd.as_dict()}}))
    (shown,) = page.find("pre", role="group", **{"aria-label": "Audit"})
    assert shown.text == "\n".join(odd.lines())
    assert "a & b and c: 1.5 apart, moved by 2.25, correlation 0.75" in shown.text
    assert "they cost C_W of the audio 0.250" in shown.text
    assert "corpus <mine>: 4 clips" in shown.text
    for line in ("c: 50% of it", "a & b: 1.25% of samples", "d: 0.25 of the root", "d: 8,000 Hz"):
        assert line in shown.text


def test_a_large_corpus_that_was_not_looked_at_is_told(results):
    ids = [str(i) for i in range(2049)]
    corpora = {"cafe": {"name": "<large>", "clips": ids}}
    page = Page(render_page({**results, "audits": {}, "corpora": corpora}))
    (shown,) = page.find("pre", role="group", **{"aria-label": "Audit"})
    assert "corpus <large>, 2,049 clips: not looked at." in shown.text
    assert "python -m pytest_nnrel audit CORPUS" in shown.text
    ids.pop()
    page = Page(render_page({**results, "audits": {}, "corpora": corpora}))
    assert not page.find("h2", id="audit")


def test_a_page_without_an_audit_has_no_place_for_it(results):
    page = Page(render_page({**results, "audits": {}}))
    assert not page.find("h2", id="audit")


def test_collector_keeps_the_mildest_maps_only(results):
    collector = Collector()
    mapped = _with_maps(results)
    carried = {
        "measurements": mapped["measurements"],
        "corpora": mapped["corpora"],
        "audits": {},
        "verdicts": [],
    }
    collector.add("test_x", "call", "passed", carried)
    kept = {
        m["details"]["transform"]["name"]
        for m in collector.results(_ABOUT)["measurements"].values()
        if "map" in m["details"]
    }
    assert kept == {
        "MP3(kbps=8)", "PinkNoise(snr_db=30)", "PitchShift(semitones=0.5)", "TempoShift(rate=0.7)",
        "Identity()",
    }  # fmt: skip


def test_collector_keeps_what_subtests_carry():
    verdict = Verdict("assert", "fails", 0.9, None, "text").as_dict()
    carried = {**recording.Sink().as_dict(), "verdicts": [verdict]}
    collector = Collector()
    for phase, outcome, content in (
        ("setup", "passed", None), ("call", "failed", carried), ("call", "passed", None),
    ):  # fmt: skip
        collector.add("test_x", phase, outcome, content)
    (test,) = collector.results(_ABOUT)["tests"]
    assert test == {"test": "test_x", "outcome": "failed", "verdicts": [verdict]}


def test_of_namesakes_each_keeps_its_map(results):
    """Two encoders of one name, at other severities: they are told apart by their fingerprints."""
    mapped = _with_maps(results)["measurements"].values()
    names = ("PinkNoise(snr_db=30)", "PinkNoise(snr_db=-10)")
    mild, grave = (
        copy.deepcopy(next(m for m in mapped if m["details"]["transform"]["name"] == name))
        for name in names
    )
    grave["details"]["identity"]["encoder_fingerprint"] = "another"
    grave["details"]["map"] = mild["details"]["map"]
    carried = {
        "measurements": {"mild": mild, "grave": grave}, "corpora": {}, "audits": {}, "verdicts": [],
    }  # fmt: skip
    collector = Collector()
    collector.add("test_x", "call", "passed", carried)
    kept = collector.results(_ABOUT)["measurements"]
    assert all("map" in measured["details"] for measured in kept.values())


# ---------------------------------------------------------------------------------------------
# Whatever comes


_NASTY = '<script>alert("1")</script> & \'quoted\' "twice" 🎻 é ]]> {{ x }} '.ljust(300, "ß")


def _renamed(results, name):
    """Return results in which the encoder, the clips and the test are called `name`."""
    text = json.dumps(results)
    named = json.loads(text.replace('"mfcc"', json.dumps(name)))
    for measured in named["measurements"].values():
        for worst in measured["worst"]:
            worst["id"] = worst["neighbour"] = name
    for test in named["tests"]:
        test["test"] = name
    return named


def test_names_are_text_whatever_they_hold(results):
    page = Page(render_page(_renamed(results, _NASTY)))
    assert page.counts()["script"] == 1
    assert "alert" not in page.texts("script")[0]
    assert _NASTY in page.texts("td")
    assert _NASTY in page.texts("h3")
    assert f"{_NASTY} is nearer to {_NASTY}" in page.texts("h3")
    assert not [name for _, name, _ in page.all_attributes() if name.startswith("on")]


def _many(results, count):
    """Return results of `count` verdicts, each on a measurement of its own."""
    (key, first), *_ = [
        (key, m) for key, m in results["measurements"].items() if m["measure"] == "within"
    ]
    verdict = next(v for v in _verdicts(results) if v["outcome"] == "fails")
    found = {**results, "measurements": {}, "tests": []}
    for i in range(count):
        details = first["details"]
        rung = i // 100 - 50
        transform = details["transform"] | {
            "name": f"PitchShift(semitones={rung / 20:g})", "magnitude": rung / 20,
            "severity": float(rung), "family": "PitchShift",
        }  # fmt: skip
        encoder = {**details["encoder"], "name": f"encoder {i % 100}"}
        fails = i % 5 == 0
        found["measurements"][f"{key}{i}"] = first | {
            "value": 0.5 if fails else 1.0,
            "details": details | {"transform": transform, "encoder": encoder},
        }
        outcome = {"outcome": "fails"} if fails else {"outcome": "holds", "message": ""}
        found["tests"].append({
            "test": f"tests/test_encoders.py::test_all[encoder {i % 100}-{transform['name']}]",
            "outcome": "failed" if fails else "passed",
            "verdicts": [verdict | {"measurement": f"{key}{i}", **outcome}],
        })  # fmt: skip
    return found


def test_ten_thousand_results_are_a_page_that_can_be_used(results):
    many = _many(results, 10_000)
    started = time.process_time()
    text = render_page(many)
    assert time.process_time() - started < 20.0
    assert len(text.encode()) < 5_000_000
    page = Page(text)
    assert page.texts("h1") == [
        "2,000 failed; 8,000 of 10,000 verdicts hold, 8,000 of them on fewer than 10 clips."
    ]
    rows = [row for row in page.find("tr") if "data-outcome" in row.attributes]
    assert len(rows) == html.MAX_ROWS
    assert {row.attributes["data-outcome"] for row in rows} == {"fails"}
    notes = " ".join(page.texts("p", class_="note"))
    assert f"{10_000 - html.MAX_ROWS:,} more are in results.json" in notes
    assert f"{2000 - html.MAX_BROKEN:,} more did not hold" in notes
    assert f"{100 - html.MAX_SECTIONS} more encoders" in notes
    assert len(page.find("td", class_="cell")) <= heatmap.MAX_ROWS * heatmap.MAX_COLUMNS


def test_no_results_are_a_page_that_says_so():
    results = _results_of(lambda: None)
    results["run"]["exit_status"] = 0
    page = Page(render_page(results))
    assert page.texts("h1") == ["Nothing was judged in this run."]
    assert not page.find("table")
    assert "pytest" in page.texts("code")


def test_crash_and_error_come_first_and_say_what_to_do(results):
    worse = copy.deepcopy(results)
    worse["tests"].append({"test": "test_y.py::test_died", "outcome": "crashed", "verdicts": []})
    error = {
        "assertion": "assert_x", "outcome": "error", "minimum": 0.9, "measurement": None,
        "message": "encoder 'x' returned NaN\nfor 2 clips", "subject": "", "headline": "",
    }  # fmt: skip
    worse["tests"][0]["verdicts"].append(error)
    page = Page(render_page(worse))
    assert page.texts("h1")[0].startswith("1 crashed, 1 could not be measured, ")
    summaries = page.texts("summary")
    assert "crashed" in summaries[0]
    assert "encoder 'x' returned NaN" in summaries[1]
    assert "pytest test_y.py::test_died" in page.texts("code")


def test_long_messages_are_cut_and_say_so(results):
    long = copy.deepcopy(results)
    verdict = next(v for v in _verdicts(long) if v["outcome"] == "fails")
    verdict["message"] = "x" * (html.MAX_MESSAGE + 1234)
    assert any(
        "1,234 more characters in results.json" in e for e in Page(render_page(long)).texts("pre")
    )


def test_results_of_a_newer_schema_are_refused(results, tmp_path):
    file = tmp_path / "results.json"
    file.write_text(json.dumps(results | {"schema_version": 99}))
    with pytest.raises(ResultsError, match="schema version 99, and this pytest-nnrel"):
        load_results(file)


@pytest.mark.parametrize(
    "change", [{"measurements": None}, {"measurements": []}, {"run": None}, {"environment": None}]
)
def test_results_without_a_part_are_refused(results, tmp_path, change):
    (part,) = change
    file = tmp_path / "results.json"
    kept = {name: value for name, value in {**results, **change}.items() if value is not None}
    file.write_text(json.dumps(kept))
    with pytest.raises(ResultsError, match=f"incomplete or was changed: '{part}' missing"):
        load_results(file)


def test_results_that_begin_with_a_byte_order_mark_are_read(results, tmp_path):
    file = tmp_path / "results.json"
    file.write_text(json.dumps(results), encoding="utf-8-sig")
    assert load_results(file) == results


def test_page_made_anew_from_the_written_results_is_the_same(results, folder):
    again = render_page(load_results(folder / "results.json"), folder)
    assert again == (folder / "index.html").read_text(encoding="utf-8")


# ---------------------------------------------------------------------------------------------
# In a browser


@pytest.fixture(scope="module")
def browser():
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), None)
    if found is None:
        pytest.skip("there is no Chromium, and no wheel brings one")
    return found


def test_browser_runs_the_page_without_errors(folder, browser, tmp_path):
    options = ("--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr",
               "--virtual-time-budget=2000", f"--user-data-dir={tmp_path}")  # fmt: skip
    done = subprocess.run(
        [browser, *options, "--dump-dom", (folder / "index.html").as_uri()],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
        env={**os.environ, "HOME": str(tmp_path)},
    )
    assert not re.findall(r"CONSOLE.*", done.stderr)
    assert '<html lang="en" class="js">' in done.stdout
    rows = done.stdout.count("data-outcome=")
    assert f"{rows} of {rows} shown" in done.stdout

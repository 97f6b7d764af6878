"""``--nnrel-report``: all of what was measured, the same however the tests were run."""

from __future__ import annotations

import json
import os
import re
import xml.etree.ElementTree as ET
from collections import Counter

import jsonschema
import pytest
from pages import Page

from pytest_nnrel.report.results import schema, stable

#: All that `inner/suite.py` measures: measure, encoder, transformation, distances.
_MEASURED = {
    ("within", "faithful", "PinkNoise(snr_db=40)", "euclidean"),
    ("within", "faithful", "PinkNoise(snr_db=40)", "cityblock_of_a_line"),
    ("within", "faithful", "PinkNoise(snr_db=30)", "euclidean"),
    ("within", "faithful", "PinkNoise(snr_db=20)", "euclidean"),
    ("within", "faithful", "MP3(kbps=160)", "euclidean"),
    ("within", "lossy", "PinkNoise(snr_db=40)", "euclidean"),
    ("within", "lossy", "PinkNoise(snr_db=30)", "euclidean"),
    ("accuracy", "faithful", "PinkNoise(snr_db=40)", "dtw x euclidean"),
    ("accuracy", "faithful", "PinkNoise(snr_db=30)", "dtw x euclidean"),
    ("accuracy", "lossy", "PinkNoise(snr_db=40)", "dtw x euclidean"),
    ("rho", "spectrum", "PinkNoise(snr_db=40)", "dtw x euclidean"),
    ("rho", "lossy", "PinkNoise(snr_db=40)", "dtw x euclidean"),
    ("exemplar of 020_hr-savino-palace.ogg", "lossy", "PinkNoise(snr_db=40)", "euclidean"),
    ("exemplar of 040_09-wings-of-cruelty.ogg", "lossy", "PinkNoise(snr_db=40)", "euclidean"),
    ("audio", None, "PinkNoise(snr_db=40)", "simple"),
    # The audio space beside each within-space measurement.
    ("audio", None, "PinkNoise(snr_db=40)", "dtw"),
    ("audio", None, "PinkNoise(snr_db=30)", "dtw"),
    ("audio", None, "PinkNoise(snr_db=20)", "dtw"),
    ("audio", None, "MP3(kbps=160)", "dtw"),
}
_TESTS = {
    "test_within_holds": ("passed", ["holds"]),
    "test_within_fails": ("failed", ["fails"]),
    "test_within_undecided": ("failed", ["undecided"]),
    "test_within_fails_confidently": ("failed", ["fails"]),
    "test_accuracy_holds": ("passed", ["holds"]),
    "test_accuracy_fails": ("failed", ["fails"]),
    "test_rho_holds": ("passed", ["holds"]),
    "test_rho_fails": ("failed", ["fails"]),
    "test_nearest_holds": ("passed", ["holds"]),
    "test_nearest_fails": ("failed", ["fails"]),
    "test_grid[PinkNoise(snr_db=30)]": ("passed", ["holds"]),
    "test_grid[MP3(kbps=160)]": ("passed", ["holds"]),
    "test_cannot_be_measured": ("failed", ["error"]),
    "test_measures_without_a_verdict": ("passed", []),
    "test_measured_in_setup": ("passed", []),
    "test_judged_in_setup": ("failed", ["fails"]),
    "test_measured_in_teardown": ("passed", []),
}


def _validate(results):
    jsonschema.Draft202012Validator(schema(), format_checker=jsonschema.FormatChecker()).validate(
        results
    )


def test_schema_is_one():
    jsonschema.Draft202012Validator.check_schema(schema())


def test_results_follow_the_schema(suite):
    _validate(suite.results)


def test_all_that_was_measured_is_in(suite):
    found = Counter()
    for measured in suite.results["measurements"].values():
        identity = measured["details"]["identity"]
        clip = f" of {identity['clip']}" if "clip" in identity else ""
        distances = [identity.get("audio_distance"), identity.get("latent_distance")]
        found[
            measured["measure"] + clip,
            identity.get("encoder"),
            identity["transform"],
            " x ".join(filter(None, distances)),
        ] += 1
    assert found == Counter(dict.fromkeys(_MEASURED, 1))


def test_all_tests_that_measured_are_in_with_their_outcomes_and_verdicts(suite):
    found = {
        name: (test["outcome"], [verdict["outcome"] for verdict in test["verdicts"]])
        for name, test in suite.tests().items()
    }
    assert found == _TESTS


def test_measured_in_setup_and_teardown_is_kept(suite):
    measured = [m["details"]["identity"] for m in suite.results["measurements"].values()]
    assert any(identity.get("latent_distance") == "cityblock_of_a_line" for identity in measured)
    assert any(identity["transform"] == "PinkNoise(snr_db=20)" for identity in measured)
    assert suite.measurement_of("test_judged_in_setup")["value"] == 0.75


def test_messages_of_verdicts_are_what_pytest_printed(suite):
    for name, test in suite.tests().items():
        for verdict in test["verdicts"]:
            assert bool(verdict["message"]) == (verdict["outcome"] != "holds")
            if verdict["message"] and "setup" not in name:
                printed = suite.failure_of(name)
                assert all(line in printed for line in verdict["message"].splitlines())


def test_exit_status_and_workers_are_told(suite, mode):
    assert suite.results["run"]["exit_status"] == suite.ret == pytest.ExitCode.TESTS_FAILED
    assert suite.results["run"]["workers"] == (2 if mode == "n2" else 0)


def test_measurements_of_a_whole_corpus_tell_damage_and_the_run_its_commit(suite):
    for measured in suite.results["measurements"].values():
        damage = measured["details"].get("damage", {})
        assert list(damage) == ([] if measured["measure"] == "exemplar" else ["audio"])
        assert all(len(of["per_clip"]) == measured["n"] for of in damage.values())
    assert suite.results["run"]["commit"] == ""  # the folder is in no repository


def _floats(value):
    if isinstance(value, float):
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _floats(item)


def test_stable_results_have_six_digits_and_nothing_of_the_clock(suite):
    kept = stable(suite.results)
    numbers = list(_floats(kept))
    assert len(numbers) > 100
    assert all(number == float(f"{number:.6g}") for number in numbers)
    assert "run" not in kept
    assert all("timings" not in measured for measured in kept["measurements"].values())
    assert kept["measurements"].keys() == suite.results["measurements"].keys()


@pytest.mark.parametrize("other", ["n0", "n2"])
def test_stable_results_are_the_same_in_every_mode(suite_in, other):
    assert stable(suite_in(other).results) == stable(suite_in("plain").results)


@pytest.mark.slow
def test_stable_results_are_the_same_in_reverse_order_and_from_a_cold_cache(suite_in, new_inner):
    plain = suite_in("plain")
    names = [case.get("name") for case in ET.parse(plain.folder / "junit.xml").iter("testcase")]
    names = list(dict.fromkeys(names))
    inner = new_inner()
    inner.write(test_suite=(plain.folder / "test_suite.py").read_text(encoding="utf-8"))
    node_ids = [f"test_suite.py::{name}" for name in reversed(names)]
    cold = inner.run("--nnrel-cache=cold", "--junit-xml=junit.xml", *node_ids)
    order = [case.get("name") for case in ET.parse(cold.folder / "junit.xml").iter("testcase")]
    assert list(dict.fromkeys(order)) == names[::-1]
    assert list((inner.path / "cold").rglob("*.arrays"))
    assert stable(cold.results) == stable(plain.results)


def test_junit_xml_has_a_property_for_each_measurement(suite):
    cases = {c.get("name"): c for c in ET.parse(suite.folder / "junit.xml").iter("testcase")}

    def lines(name):
        found = cases[name].iter("property")
        return [node.get("value") for node in found if node.get("name") == "nnrel"]

    assert (
        "lossy: C_W euclidean PinkNoise(snr_db=40) = 0.750 [0.409, 0.929] n=8 min=0.9 fails"
    ) in lines("test_within_fails")
    assert any(line.endswith("min=1 holds") for line in lines("test_grid[MP3(kbps=160)]"))
    assert any("cityblock_of_a_line" in line for line in lines("test_measured_in_setup"))
    assert any("PinkNoise(snr_db=20)" in line for line in lines("test_measured_in_teardown"))
    assert not lines("test_of_something_else")


def test_page_shows_every_verdict_and_message(suite):
    page = Page(suite.page)
    cells = page.texts("td")
    for name, (_, verdicts) in _TESTS.items():
        assert cells.count(f"test_suite.py::{name}") == len(verdicts)
    shown = "\n".join(page.texts("pre"))
    for test in suite.tests().values():
        for verdict in test["verdicts"]:
            assert verdict["message"] in shown
    assert len(page.find("svg", class_="chart")) >= 3


def test_page_loads_nothing_from_elsewhere(suite):
    for link in Page(suite.page).links():
        assert link.startswith(("#", "data:")) or re.fullmatch(r"audio/[0-9a-f]+\.flac", link), link
    assert "@import" not in suite.page
    assert not re.search(r"url\((?!#)", suite.page)


_NASTY = "<b onclick=\"alert('1')\">&amp; 'quoted' \"twice\" 🎻 é</b>"
_NAMES = [_NASTY, "_hidden", "cost $5 and $x_{", "</svg></pre><script>x</script>", "two\nlines"]


@pytest.mark.parametrize("mode, strict", [("plain", True), ("n2", False)])
def test_names_are_escaped_on_the_page(inner, mode, strict):
    inner.write(
        test_names=f"""
            import pytest
            from encoders import Positions
            from pytest_nnrel import PinkNoise, assert_within_consistency

            NAMES = {_NAMES!r}

            @pytest.mark.parametrize("name", NAMES, ids=[repr(name) for name in NAMES])
            def test_named(nnrel_corpus, name):
                lossy = Positions(nnrel_corpus, lost=(0,), name=name)
                assert_within_consistency(lossy, PinkNoise(40), min=1.0)
        """
    )
    inner.ini("disable_test_id_escaping_and_forfeit_all_rights_to_community_support = true")
    run = inner.run(mode=mode, strict=strict)
    assert run.ret == pytest.ExitCode.TESTS_FAILED, run.result.stderr.str()
    _validate(run.results)
    encoders = {
        m["details"]["encoder"]["name"]
        for m in run.results["measurements"].values()
        if m["measure"] == "within"
    }
    assert encoders == set(_NAMES)
    page = Page(run.page)
    cells = page.texts("td")
    charted = [" ".join(text.split()) for text in page.texts("h3")]
    for name in _NAMES:
        assert name in cells
        assert f"test_names.py::test_named[{name!r}]" in cells
        assert any(text.startswith(f"{name}: C_W = 0.875") for text in page.texts("pre"))
        assert " ".join(name.split()) in charted
    assert page.counts()["script"] == 1
    assert "alert" not in page.texts("script")[0]
    assert {element.text for element in page.find("b")}.isdisjoint({"&amp; 'quoted'"})
    assert not [name for _, name, _ in page.all_attributes() if name.startswith("on")]


_CRASHING = """
    import os
    import pytest
    from encoders import Positions
    from pytest_nnrel import PinkNoise, assert_within_consistency, within_consistency

    @pytest.fixture
    def measured(nnrel_corpus):
        within_consistency(Positions(nnrel_corpus), PinkNoise(30))

    @pytest.mark.parametrize("number", range(6))
    def test_sound(nnrel_corpus, number):
        encoder = Positions(nnrel_corpus, name=f"encoder {number}")
        assert_within_consistency(encoder, PinkNoise(40), min=1.0)

    def test_crashing(nnrel_corpus, measured):
        os._exit(1)
"""


def test_crashed_worker_is_told_and_all_else_is_complete(inner):
    inner.write(test_crashing=_CRASHING)
    run = inner.run(mode="n2", strict=False)
    assert run.ret == pytest.ExitCode.TESTS_FAILED
    _validate(run.results)
    outcomes = {name: test["outcome"] for name, test in run.tests().items()}
    assert outcomes == {
        "test_crashing": "crashed",
        **{f"test_sound[{number}]": "passed" for number in range(6)},
    }
    for number in range(6):
        measured = run.measurement_of(f"test_sound[{number}]")
        assert measured["details"]["encoder"]["name"] == f"encoder {number}"
    assert "crashed: test_crashing.py::test_crashing" in run.text
    page = Page(run.page)
    assert "test_crashing.py::test_crashing" in page.texts("td")
    assert "crashed" in page.texts("td")
    assert page.texts("h1") == [
        "1 crashed; 6 of 7 verdicts hold, 6 of them on fewer than 10 clips."
    ]


_FLAKY = """
    from pathlib import Path
    import pytest
    from encoders import Positions
    from pytest_nnrel import PinkNoise, assert_within_consistency

    @pytest.fixture
    def flaky(nnrel_corpus):
        runs = Path(__file__).with_name("runs.txt")
        runs.write_text("x" + (runs.read_text() if runs.exists() else ""))
        first = len(runs.read_text()) == 1
        return Positions(nnrel_corpus, lost=(0, 1) if first else ())

    def test_flaky(flaky):
        assert_within_consistency(flaky, PinkNoise(40), min=1.0)

    def test_always_failing(nnrel_corpus):
        lossy = Positions(nnrel_corpus, lost=(0,), name="lossy")
        assert_within_consistency(lossy, PinkNoise(40), min=1.0)
"""


@pytest.mark.parametrize("mode", ["plain", "n2"])
def test_rerun_replaces_the_run_before(inner, mode):
    inner.write(test_flaky=_FLAKY)
    run = inner.run("--reruns=1", mode=mode, strict=False)
    outcomes = run.result.parseoutcomes()
    outcomes.pop("warnings", None)  # that verdicts are on few clips
    outcomes.pop("warning", None)
    assert outcomes == {"passed": 1, "failed": 1, "rerun": 2}
    assert run.tests()["test_flaky"]["outcome"] == "passed"
    assert run.verdict_of("test_flaky")["outcome"] == "holds"
    assert run.measurement_of("test_flaky")["value"] == 1.0
    assert run.tests()["test_always_failing"]["outcome"] == "failed"
    assert run.verdict_of("test_always_failing")["outcome"] == "fails"
    values = [m["value"] for m in run.results["measurements"].values() if m["measure"] == "within"]
    assert sorted(values) == [0.875, 1.0]


_WELL_OR_NOT = """
    import pytest
    from encoders import Positions
    from pytest_nnrel import PinkNoise, assert_within_consistency

    NOISE = PinkNoise(40)
    runs = []

    @pytest.fixture(scope="module")
    def lossy(nnrel_corpus):
        return Positions(nnrel_corpus, lost=(0,), name="lossy")

    @pytest.fixture(scope="module")
    def once(nnrel_corpus, nnrel_baseline):
        sound = Positions(nnrel_corpus, name="sound")
        assert_within_consistency(sound, NOISE, min=1.0)
        with pytest.raises(AssertionError, match="has no baseline"):
            nnrel_baseline.check(sound, [NOISE])

    @pytest.fixture
    def each_time(nnrel_corpus):
        runs.append(1)
        flaky = Positions(nnrel_corpus, lost=(0,) * (len(runs) < 2), name="flaky")
        assert_within_consistency(flaky, NOISE, min=1.0)

    @pytest.mark.flaky(reruns=1)
    def test_again(once, each_time):
        pass

    @pytest.mark.xfail
    def test_known(lossy):
        assert_within_consistency(lossy, NOISE, min=1.0)

    def test_raises(lossy):
        with pytest.raises(AssertionError):
            assert_within_consistency(lossy, NOISE, min=1.0)

    @pytest.mark.xfail(strict=True)
    def test_mended(lossy):
        assert_within_consistency(lossy, NOISE, min=0.5)

    def test_without_us():
        assert not runs

    @pytest.fixture
    def broken():
        raise FileNotFoundError("model.pt")

    def test_broken(broken):
        pass
"""


def test_what_lasts_what_is_expected_and_what_failed_without_a_verdict(inner):
    inner.write(test_it=_WELL_OR_NOT)
    run = inner.run("--nnrel-baseline=base.json", strict=False)
    jsonschema.validate(run.results, schema())
    # A rerun sets up again what is the test's own, and nothing else.
    again = run.tests()["test_again"]
    assert again["outcome"] == "passed"
    assert [(verdict["assertion"], verdict["outcome"]) for verdict in again["verdicts"]] == [
        ("assert_within_consistency", "holds"),
        ("nnrel_baseline.check", "fails"),
        ("assert_within_consistency", "holds"),
    ]
    assert again["verdicts"][1]["redo"].endswith(" --nnrel-baseline=base.json")
    assert (inner.path / "base.json").exists()
    # What fails no test is expected.
    outcomes = {name: test["outcome"] for name, test in run.tests().items()}
    assert outcomes == {
        "test_again": "passed", "test_known": "xfailed", "test_raises": "passed",
        "test_mended": "failed",
    }  # fmt: skip
    assert re.search(
        r"lossy +C_W euclidean +2 expected, 1 holds +closest: .* against 0.5", run.text
    )
    # And tests that failed otherwise are told.
    assert run.results["run"]["failed"] == 3
    page = Page(run.page)
    assert page.texts("h1") == [
        "3 tests failed without a verdict, 3 expected not to hold; 3 of 6 verdicts hold, 3 of them"
        " on fewer than 10 clips."
    ]
    assert page.find("header", class_="fails")
    assert "What failed" not in page.texts("h2")
    assert "What did not hold" not in page.texts("h2")


_IN_ORDER = """
    from encoders import Positions
    from pytest_nnrel import PinkNoise, assert_within_consistency

    def test_1(nnrel_corpus):
        assert_within_consistency(Positions(nnrel_corpus), PinkNoise(40), min=1.0)

    def test_2(nnrel_corpus):
        lossy = Positions(nnrel_corpus, lost=(0,), name="lossy")
        assert_within_consistency(lossy, PinkNoise(40), min=1.0)

    def test_3(nnrel_corpus):
        {third}
"""


@pytest.mark.parametrize(
    "args, mode, third, status, tests",
    [
        (("-x",), "plain", "pass", 1, {"test_1", "test_2"}),
        (("-x", "-n1"), "plain", "pass", 2, {"test_1", "test_2"}),
        ((), "plain", "raise KeyboardInterrupt", 2, {"test_1", "test_2"}),
        (("-k", "test_1"), "plain", "pass", 0, {"test_1"}),
    ],
    ids=["stopped", "stopped under xdist", "interrupted", "passed"],
)
def test_run_that_ends_early_reports_what_it_has(inner, args, mode, third, status, tests):
    inner.write(test_in_order=_IN_ORDER.format(third=third))
    run = inner.run(*args, mode=mode)
    assert run.ret == status
    assert run.results["run"]["exit_status"] == status
    assert set(run.tests()) == tests
    _validate(run.results)


def test_run_that_measures_nothing_writes_an_empty_report(inner, mode):
    inner.write(test_trivial="def test_trivial(): pass\n")
    run = inner.run(mode=mode)
    assert run.ret == 0
    _validate(run.results)
    assert run.results["measurements"] == {}
    assert run.results["tests"] == []
    assert Page(run.page).texts("h1") == ["Nothing was judged in this run."]


@pytest.fixture
def earlier_report(inner, suite_in):
    """Return a folder with the report of another run."""
    folder = inner.path / "kept"
    folder.mkdir()
    results = json.dumps(suite_in("plain").results)
    (folder / "results.json").write_text(results, encoding="utf-8")
    (folder / "index.html").write_text(suite_in("plain").page, encoding="utf-8")
    (folder / "audio").mkdir()
    (folder / "audio" / f"{0:032x}.flac").write_bytes(b"of another run")
    return folder


def test_failing_clips_can_be_heard(suite):
    """Their corpus is a folder, and their transformation one of the package's own."""
    page = Page(suite.page)
    players = page.find("audio")
    assert len(players) >= 3
    assert len(page.find("img")) == len(players)
    assert all(player.attributes["aria-label"] for player in players)


def test_report_of_an_earlier_run_is_replaced(inner, earlier_report):
    inner.write(test_in_order=_IN_ORDER.format(third="pass"))
    inner.run(f"--nnrel-report={earlier_report}", "-k", "test_1", report=False)
    results = json.loads((earlier_report / "results.json").read_text(encoding="utf-8"))
    assert [entry["test"] for entry in results["tests"]] == ["test_in_order.py::test_1"]
    page = (earlier_report / "index.html").read_text(encoding="utf-8")
    assert Page(page).texts("h1") == ["The one verdict holds, on fewer than 10 clips."]
    left = {file.name for file in earlier_report.iterdir()}
    assert left == {"index.html", "results.json", "summary.md"}


def test_collecting_only_leaves_the_report_as_it_is(inner, earlier_report):
    """Nothing is run, so there is nothing to report: an editor that lists tests must not erase."""
    inner.write(test_in_order=_IN_ORDER.format(third="pass"))
    before = (earlier_report / "results.json").read_text(encoding="utf-8")
    done = inner.execute("pytest", "--collect-only", f"--nnrel-report={earlier_report}")
    assert done.returncode == 0
    assert (earlier_report / "results.json").read_text(encoding="utf-8") == before


@pytest.mark.parametrize("mode, passing", [("plain", False), ("n2", True)])
def test_report_that_cannot_be_written_fails_the_run(inner, mode, passing):
    inner.write(test_trivial=f"def test_trivial(): assert {passing}\n")
    run = inner.run("--nnrel-report=test_trivial.py/below", mode=mode, report=False)
    assert run.ret not in (0, pytest.ExitCode.NO_TESTS_COLLECTED)
    lines = [line for line in run.text.splitlines() if "report could not be written" in line]
    assert len(lines) == 1
    assert "test_trivial.py" in lines[0]
    assert "Traceback" not in run.text + run.result.stderr.str()
    assert run.result.parseoutcomes() == {"passed" if passing else "failed": 1}


_NAMESAKES = """
    import numpy as np
    import pytest
    from encoders import spectrum
    from pytest_nnrel import PinkNoise, as_encoder, assert_within_consistency

    NOISE = PinkNoise(40)

    def scaled(factor):
        def encode(batch):
            return spectrum(batch) * np.float32(factor)
        return encode

    # Two functions of one name, without a fingerprint.
    def test_function_1(): assert_within_consistency(scaled(1), NOISE, min=1.0)
    def test_function_2(): assert_within_consistency(scaled(2), NOISE, min=1.0)

    # One encoder that is given windows of two lengths.
    @pytest.mark.parametrize("seconds", [1.0, 2.0])
    def test_window(seconds):
        encoder = as_encoder(spectrum, window_seconds=seconds, fingerprint="v1")
        assert_within_consistency(encoder, NOISE, min=1.0)

    # Two distances of one name.
    @pytest.mark.parametrize("order", [1, 2])
    def test_distance(order):
        def norm(a, b):
            return np.linalg.norm(a[:, None] - b[None], ord=order, axis=2)
        encoder = as_encoder(spectrum, fingerprint="v1")
        assert_within_consistency(encoder, NOISE, min=1.0, distance=norm)
"""


@pytest.mark.parametrize("kind", ["function", "window", "distance"])
def test_measurements_of_namesakes_are_kept_apart(namesakes, kind):
    """All are 1.0, but not of the same thing: margins differ, and each verdict has its own."""
    names = {
        "function": ("test_function_1", "test_function_2"),
        "window": ("test_window[1.0]", "test_window[2.0]"),
        "distance": ("test_distance[1]", "test_distance[2]"),
    }[kind]
    first, second = (namesakes.measurement_of(name)["details"]["margins"] for name in names)
    assert first != pytest.approx(second, rel=1e-3)


@pytest.fixture(scope="module")
def namesakes(new_inner):
    inner = new_inner()
    inner.write(test_namesakes=_NAMESAKES)
    run = inner.run("--nnrel-clips=4")
    run.result.assert_outcomes(passed=6)
    return run


_NUMPY = """
    import numpy as np
    from encoders import Positions
    from pytest_nnrel import FunctionTransform, PinkNoise, assert_within_consistency

    def test_minimum(nnrel_corpus):
        assert_within_consistency(Positions(nnrel_corpus), PinkNoise(40), min=np.float32(0.5))

    def test_minimum_64(nnrel_corpus):
        assert_within_consistency(Positions(nnrel_corpus), PinkNoise(40), min=np.float64(0.5))

    def test_seed(nnrel_corpus):
        encoder = Positions(nnrel_corpus)
        assert_within_consistency(encoder, PinkNoise(40), min=0.5, seed=np.int64(3))

    def test_magnitude(nnrel_corpus):
        half = FunctionTransform("half", lambda x, rate: x / 2, magnitude=np.float32(0.5))
        assert_within_consistency(Positions(nnrel_corpus), half, min=0.5)

    def test_infinite_magnitude(nnrel_corpus):
        half = FunctionTransform("all", lambda x, rate: x / 2, magnitude=float("inf"))
        assert_within_consistency(Positions(nnrel_corpus), half, min=0.5)
"""


@pytest.mark.parametrize("mode", ["plain", "n2"])
def test_numbers_of_numpy_reach_the_report(inner, mode):
    inner.write(test_numpy=_NUMPY)
    run = inner.run(mode=mode)
    run.result.assert_outcomes(passed=5)
    _validate(run.results)
    assert run.verdict_of("test_minimum")["minimum"] == 0.5
    assert run.measurement_of("test_seed")["details"]["identity"]["seed"] == 3
    assert run.measurement_of("test_magnitude")["details"]["transform"]["magnitude"] == 0.5


def test_encoder_named_after_a_file_whose_name_is_no_text_reaches_the_report(inner):
    """Latin-1 names of old archives: Python reads such bytes as lone surrogates."""
    inner.write(
        test_named="""
            import os
            from encoders import Positions
            from pytest_nnrel import PinkNoise, assert_within_consistency

            def test_named(nnrel_corpus):
                encoder = Positions(nnrel_corpus, name=os.fsdecode(b"d\\xe9j\\xe0.pt"))
                assert_within_consistency(encoder, PinkNoise(40), min=1.0)
        """
    )
    run = inner.run()
    assert run.ret == 0, run.result.stderr.str()
    _validate(run.results)
    name = run.measurement_of("test_named")["details"]["encoder"]["name"]
    assert name.startswith("d")
    assert name.endswith(".pt")


def test_audio_file_whose_name_is_no_text_is_used_or_named_in_an_error(inner, clips):
    folder = inner.path / "audio"
    folder.mkdir()
    files = sorted(clips.iterdir())[:3]
    try:
        for file, name in zip(files, (b"d\xe9j\xe0.ogg", b"two.ogg", b"three.ogg")):
            (folder / os.fsdecode(name)).symlink_to(file)
    except OSError:
        pytest.skip("the file system takes UTF-8 names only")
    inner.write(test_in_order=_IN_ORDER.format(third="pass"))
    run = inner.run("-k", "test_1", corpus=folder)
    assert "UnicodeEncodeError" not in run.text + run.result.stderr.str()
    assert run.ret == 0 or "CorpusError" in run.text
    _validate(run.results)

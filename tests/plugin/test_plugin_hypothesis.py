"""Strategies: what they draw, what they refuse, and where shrinking ends."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import jsonschema
import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st
from hypothesis.errors import InvalidArgument

from pytest_nnrel import (
    MP3,
    Corpus,
    EnvironmentalNoise,
    Identity,
    PinkNoise,
    PitchShift,
    TempoShift,
    Transform,
)
from pytest_nnrel import strategies as nn
from pytest_nnrel.report.results import schema

_FAMILIES = [PitchShift, TempoShift, PinkNoise, EnvironmentalNoise, MP3]
_QUICK = settings(
    database=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow], deadline=None
)

_THRESHOLD = """
    import json
    from pathlib import Path
    import pytest
    from encoders import Threshold
    from hypothesis import given, settings
    from pytest_nnrel import Corpus, PinkNoise, assert_within_consistency, strategies as nn

    @pytest.fixture(scope="session")
    def nnrel_corpus():
        # Source and window are one, so that the window has the noise's ratio to the hundredth.
        clips = Corpus.bundled().subset(3)
        return Corpus.from_arrays(clips.windows(), sample_rate=clips.sample_rate)

    class Counting(Threshold):
        rows = 0

        def encode(self, batch):
            self.rows += len(batch)
            return super().encode(batch)

    @pytest.fixture(scope="session")
    def breaking_below_41(nnrel_corpus):
        return Counting(nnrel_corpus, snr_db=40.75)

    tried = []

    @settings(derandomize=True, max_examples=10)
    # @example
    @given(transform=nn.pink_noises())
    def test_breaking(breaking_below_41, transform):
        tried.append(transform.severity)
        try:
            assert_within_consistency(breaking_below_41, transform, min=1.0)
        finally:
            record = {"severities": tried, "rows": breaking_below_41.rows}
            Path(__file__).with_name("tried.json").write_text(json.dumps(record))

    @settings(derandomize=True, max_examples=5)
    @given(transform=nn.pink_noises(min_snr_db=41))
    def test_holding(breaking_below_41, transform):
        assert_within_consistency(breaking_below_41, transform, min=1.0)
"""
_PROFILE = """
    from hypothesis import settings
    settings.load_profile("nnrel")
"""


@pytest.fixture(scope="module")
def shrunk(new_inner):
    inner = new_inner()
    inner.write(conftest=_PROFILE, test_threshold=_THRESHOLD)
    run = inner.run("--nnrel-cache=off", corpus="", report=False, hypothesis=True)
    run.result.assert_outcomes(passed=1, failed=1)
    return run


@pytest.mark.slow
def test_failure_shrinks_to_the_smallest_breaking_rung(shrunk):
    """Rungs of 0.5 dB, and an encoder that breaks between 41 and 40.5 dB: not at a round 40."""
    message = "C_W = 0.000 < 1 under PinkNoise(snr_db=40.5)"
    assert message in shrunk.failure_of("test_breaking")
    # The rung below it was tried, and held.
    tried = json.loads((shrunk.folder / "tried.json").read_text())["severities"]
    assert {38, 39} <= set(tried)


@pytest.mark.slow
def test_originals_are_encoded_once_and_each_rung_once(shrunk):
    """Three clips: once as they are, once at each distinct rung however often it was tried.

    Two originals more for each measurement: they bear witness that the encoder is what it was.
    """
    record = json.loads((shrunk.folder / "tried.json").read_text())
    tried, rows = record["severities"], record["rows"]
    assert len(tried) > len(set(tried))
    rungs = len(set(tried) - {0})
    witnesses = 2 * (len(tried) - 1)
    assert rows == 3 + 3 * rungs + witnesses


_LINE = "@example(transform=PinkNoise(snr_db=40.5))"


@pytest.mark.slow
def test_failure_says_how_to_keep_it_and_the_report_holds_the_smallest(new_inner, mode):
    inner = new_inner()
    inner.write(conftest=_PROFILE, test_threshold=_THRESHOLD)
    run = inner.run("-k", "breaking", corpus="", mode=mode, hypothesis=True)
    run.result.assert_outcomes(failed=1)
    printed = re.findall(r"^E +keep it:  (.*)$", run.failure_of("test_breaking"), re.MULTILINE)
    assert printed == [_LINE]
    jsonschema.validate(run.results, schema())
    entry = run.tests()["test_breaking"]
    assert entry["examples"] == [_LINE]
    (failing,) = (verdict for verdict in entry["verdicts"] if verdict["outcome"] == "fails")
    measured = run.results["measurements"]
    assert measured[failing["measurement"]]["details"]["transform"]["name"] == (
        "PinkNoise(snr_db=40.5)"
    )
    # All that was tried is told, and what it measured is there.
    tried = json.loads((inner.path / "tried.json").read_text())["severities"]
    assert len(entry["verdicts"]) + len(entry["passed_over"]) == len(tried)
    assert entry["passed_over"]
    assert set(entry["passed_over"]) <= set(measured)
    judged = {verdict["measurement"] for verdict in entry["verdicts"]} | {*entry["passed_over"]}
    assert f"{len(measured) - len(judged)} more measured without a verdict" in run.text
    (shown,) = re.findall(r'<pre [^>]*aria-label="Message">(.*?)</pre>', run.page, re.DOTALL)
    assert f"keep it:  {_LINE}" in shown
    assert f"tried:    {len(tried)} verdicts; {len(entry['passed_over'])} more" in shown


@pytest.mark.slow
def test_line_fails_at_once_where_it_is_pasted(inner):
    pasted = _THRESHOLD.replace("# @example", _LINE).replace(
        "import given, settings", "import Phase, example, given, settings"
    )
    explicit = pasted.replace("max_examples=10", "phases=[Phase.explicit]")
    inner.write(conftest=_PROFILE, test_threshold=explicit)
    run = inner.run("-kbreaking", "--nnrel-cache=off", corpus="", report=False, hypothesis=True)
    run.result.assert_outcomes(failed=1)
    assert "C_W = 0.000 < 1 under PinkNoise(snr_db=40.5)" in run.failure_of("test_breaking")
    record = json.loads((inner.path / "tried.json").read_text())
    assert record == {"severities": [39], "rows": 6}


@pytest.mark.slow
def test_clip_of_the_runs_corpus_can_be_kept(inner):
    """What pytest prints gives the clip again, in a test of one's own, without its audio."""
    inner.write(
        conftest=_PROFILE,
        test_clips="""
            from encoders import spectrum
            from hypothesis import given, settings
            from pytest_nnrel import Identity, assert_relative_nearest, strategies as nn

            @settings(derandomize=True)
            @given(clip=nn.clips())
            def test_clip(clip):
                assert_relative_nearest(spectrum, clip, Identity())
                assert clip.id < "02"

            @settings(derandomize=True, max_examples=5)
            @given(clip=nn.clips(), unused=nn.chains())
            def test_holding(clip, unused):
                assert_relative_nearest(spectrum, clip, Identity())
        """,
    )
    run = inner.run(hypothesis=True)
    run.result.assert_outcomes(failed=1, passed=1)
    (line,) = run.tests()["test_clip"]["examples"]
    assert f"keep it:  {line}" in run.text
    assert "array(" not in run.text
    again = eval(f"dict{line.removeprefix('@example')}", {"Corpus": Corpus})["clip"]
    assert again.id.startswith("020_")
    # A test that holds, or fails at what it does not measure, keeps its verdicts.
    assert "examples" not in run.tests()["test_holding"]
    assert "passed_over" not in run.tests()["test_clip"]


@pytest.mark.slow
def test_tests_that_measure_nothing_are_left_alone(inner):
    inner.write(
        conftest="",
        test_numbers="""
            from hypothesis import given, strategies as st

            @given(number=st.integers())
            def test_number(number):
                assert number < 10
        """,
    )
    run = inner.run(hypothesis=True, report=False)
    run.result.assert_outcomes(failed=1)
    assert "number=10" in run.text
    assert "keep it" not in run.text


@pytest.mark.slow
def test_given_with_the_profile_of_the_plugin(inner):
    """The README's example: small pitch shifts, no deadline, no complaint about slow data."""
    inner.write(
        conftest=_PROFILE,
        test_shifts="""
            import json
            from pathlib import Path
            from encoders import spectrum
            from hypothesis import given, settings
            from pytest_nnrel import assert_within_consistency, strategies as nn
            import pytest

            @pytest.fixture(scope="session")
            def encoder():
                return spectrum

            @pytest.mark.nnrel(clips=2)
            @settings(max_examples=6)
            @given(nn.pitch_shifts(max_semitones=0.25))
            def test_any_small_shift(encoder, transform):
                assert settings().deadline is None
                assert_within_consistency(encoder, transform, min=0.0)
        """,
    )
    run = inner.run(hypothesis=True)
    run.result.assert_outcomes(passed=1)
    measured = [m for m in run.results["measurements"].values() if m["measure"] == "within"]
    assert measured
    for measurement in measured:
        transform = measurement["details"]["transform"]
        assert transform["family"] in ("PitchShift", "Identity")
        assert abs(transform["magnitude"]) <= 0.25
        assert transform["severity"] == round(transform["magnitude"] / 0.05)


def test_a_profile_that_was_forgotten_is_told_before_anything_is_measured(inner):
    """Fails at the first draw; a deadline that was chosen stays, be it Hypothesis's own."""
    inner.write(
        conftest="""
            from hypothesis import settings
            settings.load_profile("default")  # in CI, Hypothesis loads one without a deadline
        """,
        test_deadlines="""
            from hypothesis import find, given, settings, strategies as st
            from pytest_nnrel import PinkNoise, strategies as nn

            @given(nn.pitch_shifts())
            def test_forgotten(transform): raise KeyError
            @settings(max_examples=5)
            @given(nn.chains())
            def test_forgotten_chain(chain): raise KeyError
            @given(st.data())
            def test_forgotten_data(data): data.draw(nn.clips())
            @given(...)
            def test_forgotten_type(transform: PinkNoise): raise KeyError

            @settings(deadline=200, max_examples=5)
            @given(nn.pitch_shifts())
            def test_chosen(transform): pass
            @settings(deadline=None, max_examples=5)
            @given(nn.pitch_shifts())
            def test_none(transform): pass
            def test_find(): find(nn.pitch_shifts(), bool)
            @given(st.integers())
            def test_of_others(number): pass
        """,
    )
    done = inner.execute("pytest", "-pno:cacheprovider", "test_deadlines.py")
    assert "4 failed, 4 passed" in done.stdout, done.stdout
    words = 'load_profile("nnrel"), or set @settings(deadline=None) on the test'
    assert len(re.findall(f"E .*FailedHealthCheck: .*{re.escape(words)}", done.stdout)) == 4
    assert "KeyError" not in done.stdout.replace("raise KeyError", "")


@pytest.mark.parametrize(
    "strategy, breaks, expected",
    [
        (nn.pitch_shifts(), lambda t: t.severity >= 37, PitchShift(1.85)),
        (nn.pitch_shifts(), lambda t: t.severity <= -37, PitchShift(-1.85)),
        (nn.pitch_shifts(min_semitones=1), lambda t: True, PitchShift(1)),
        (nn.tempo_shifts(), lambda t: t.severity >= 7, TempoShift(1.07)),
        (nn.tempo_shifts(), lambda t: t.severity <= -7, TempoShift(0.93)),
        (nn.pink_noises(), lambda t: t.severity >= 51, PinkNoise(34.5)),
        (nn.environmental_noises(max_snr_db=20), lambda t: True, EnvironmentalNoise(20)),
        (nn.mp3s(), lambda t: t.severity >= 1 and t.kbps < 100, MP3(96)),
        (nn.mp3s(max_kbps=64), lambda t: True, MP3(64)),
        (nn.mp3s(), lambda t: True, Identity()),
        (nn.pink_noises(), lambda t: True, Identity()),
    ],
)
def test_shrinking_ends_at_the_mildest_that_breaks(strategy, breaks, expected):
    assert find(strategy, breaks, settings=_QUICK) == expected


@pytest.mark.parametrize(
    "strategy, family, low, high",
    [
        (nn.pitch_shifts(max_semitones=0.3), PitchShift, -6, 6),
        (nn.pitch_shifts(min_semitones=0.29, max_semitones=0.41), PitchShift, 6, 8),
        (nn.tempo_shifts(min_rate=0.95, max_rate=1.1), TempoShift, -5, 10),
        (nn.pink_noises(min_snr_db=50, max_snr_db=58), PinkNoise, 4, 20),
        (nn.environmental_noises(min_snr_db=59), EnvironmentalNoise, 0, 2),
        (nn.mp3s(min_kbps=192, max_kbps=320), MP3, 1, 4),
    ],
)
def test_bounds_are_met_and_not_passed(strategy, family, low, high):
    drawn = set()

    @settings(_QUICK, max_examples=200, phases=[Phase.generate])
    @given(strategy)
    def draw(transform):
        assert isinstance(transform, (family, Identity))
        drawn.add(int(transform.severity))

    draw()
    assert drawn == set(range(low, high + 1))


@pytest.mark.parametrize(
    "strategy, arguments",
    [
        (nn.pitch_shifts, {"max_semitones": -1}),
        (nn.pitch_shifts, {"min_semitones": 2, "max_semitones": 1}),
        (nn.pitch_shifts, {"min_semitones": 0.01, "max_semitones": 0.04}),
        (nn.pitch_shifts, {"max_semitones": 1000}),
        (nn.pitch_shifts, {"max_semitones": float("nan")}),
        (nn.pitch_shifts, {"max_semitones": float("inf")}),
        (nn.pitch_shifts, {"max_semitones": "2"}),
        (nn.pitch_shifts, {"max_semitones": None}),
        (nn.tempo_shifts, {"min_rate": 1.2, "max_rate": 1.1}),
        (nn.tempo_shifts, {"min_rate": 0}),
        (nn.tempo_shifts, {"max_rate": 50}),
        (nn.tempo_shifts, {"max_rate": "fast"}),
        (nn.pink_noises, {"min_snr_db": 30, "max_snr_db": 20}),
        (nn.pink_noises, {"min_snr_db": -100}),
        (nn.pink_noises, {"max_snr_db": 61}),
        (nn.pink_noises, {"min_snr_db": float("nan")}),
        (nn.pink_noises, {"min_snr_db": "loud"}),
        (nn.environmental_noises, {"min_snr_db": 30, "max_snr_db": 20}),
        (nn.environmental_noises, {"max_snr_db": 100}),
        (nn.mp3s, {"min_kbps": 7}),
        (nn.mp3s, {"min_kbps": 128, "max_kbps": 64}),
        (nn.mp3s, {"max_kbps": 1000}),
        (nn.mp3s, {"min_kbps": "64"}),
        (nn.mp3s, {"min_kbps": None}),
    ],
    ids=lambda value: getattr(value, "__name__", None) or str(value),
)
def test_bad_bounds_are_invalid_arguments_at_once(strategy, arguments):
    with pytest.raises(InvalidArgument):
        strategy(**arguments)


@pytest.mark.parametrize("family", _FAMILIES)
def test_types_of_families_are_known_to_hypothesis(family):
    drawn = []

    @settings(_QUICK, max_examples=20)
    @given(st.from_type(family))
    def draw(transform):
        drawn.append(transform)

    draw()
    assert {type(transform) for transform in drawn} == {family}
    assert len(set(drawn)) > 1


def test_type_of_all_transformations_is_known_to_hypothesis():
    for family in _FAMILIES:
        assert isinstance(
            find(st.from_type(Transform), lambda t, f=family: isinstance(t, f), settings=_QUICK),
            family,
        )


@pytest.mark.parametrize(
    "first",
    [
        "import hypothesis",
        "from hypothesis import strategies as st",
        "import pytest_nnrel.strategies",
        "from pytest_nnrel import strategies",
        "import pytest_nnrel.plugin, hypothesis",
    ],
)
def test_order_of_imports_does_not_matter(first):
    """Hypothesis imports the strategies through the entry point, the strategies Hypothesis."""
    code = f"""
{first}
import json
from hypothesis import settings, strategies as st, find
from pytest_nnrel import PitchShift, strategies as nn
print(json.dumps([
    str(settings.get_profile("nnrel").deadline),
    find(st.from_type(PitchShift), lambda t: True).name,
    find(nn.pitch_shifts(min_semitones=1), lambda t: True).name,
]))
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    shrunk, bounded = json.loads(done.stdout)[1:]
    assert json.loads(done.stdout)[0] == "None"
    assert shrunk in ("PitchShift(semitones=0.05)", "PitchShift(semitones=-0.05)")
    assert bounded == "PitchShift(semitones=1)"
    assert done.stderr == ""

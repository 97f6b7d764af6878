"""Measurements and verdicts as plain values, their keys, and the sink that collects them."""

import contextvars
import copy
import json
import math
import os
import subprocess
import sys
import threading
from dataclasses import replace

import numpy as np
import pytest

from pytest_nnrel import (
    Corpus,
    EncoderError,
    FunctionTransform,
    MFCCEncoder,
    PinkNoise,
    SettingError,
    as_encoder,
    assert_within_consistency,
    audio_consistency,
    between_consistency,
    within_consistency,
)
from pytest_nnrel.experiment import stores
from pytest_nnrel.measurement import Measurement
from pytest_nnrel.recording import (
    Sink,
    Verdict,
    measurement_key,
    record_baseline,
    record_corpus,
    record_measurement,
    record_verdict,
    reproduction,
    sink,
)
from pytest_nnrel.runtime import handover, settings
from pytest_nnrel.runtime.settings import Settings

NOISE = PinkNoise(snr_db=0)
NOTHING = {"measurements": {}, "verdicts": [], "corpora": {}, "audits": {}, "baselines": []}


def bands(batch):
    """Encode as the energies of 12 bands."""
    spectra = np.abs(np.fft.rfft(batch))
    return np.stack([part.mean(axis=1) for part in np.array_split(spectra, 12, axis=1)], axis=1)


def _half(samples, sample_rate):
    return samples[: len(samples) // 2]


def _quarter(samples, sample_rate):
    return samples[: len(samples) // 4]


def _first_frames(queries, candidates):
    return np.array([[np.abs(q[0] - c[0]).sum() for c in candidates] for q in queries])


def octaves(batch):
    """Encode as the energies of bands of another kind."""
    spectra = np.abs(np.fft.rfft(batch))
    return np.stack([spectra[:, 2**i : 2 ** (i + 1)].mean(axis=1) for i in range(12)], axis=1)


@pytest.fixture(autouse=True)
def unreported():
    """Keep what these tests record from the report of the session that they run in."""
    with sink():
        yield


@pytest.fixture(scope="module", autouse=True)
def run(tmp_path_factory):
    active = Settings(cache_dir=tmp_path_factory.mktemp("cache"), jobs=1)
    token = settings.activate(active)
    yield active
    settings.deactivate(token)
    stores.close_stores(active)


def excerpts(clips, **options):
    """Return a corpus of one-second excerpts of music, of which the centre half is compared."""
    music = Corpus.bundled().subset(clips)
    return Corpus.from_arrays(
        np.stack([clip.window(1.0) for clip in music]),
        sample_rate=22_050,
        **{"ids": music.ids, "window_seconds": 0.5, **options},
    )


@pytest.fixture(scope="module")
def corpus():
    return excerpts(6)


def made(**changes):
    """Return a small measurement made by hand."""
    fields = {
        "measure": "within",
        "value": 0.5,
        "ci": (0.25, 0.75),
        "n": 4,
        "outcomes": (True, False, False, True),
        "worst": ({"id": "b", "own_distance": 2.0},),
        "details": {
            "identity": {
                "corpus": "c",
                "transform": "MP3(kbps=64)",
                "seed": 0,
                "latent_distance": "euclidean",
                "encoder": "mine",
                "encoder_fingerprint": "f",
                "named_only": False,
            },
            "margins": [1.0, -1.0, math.nan, math.inf],
            "nested": {"low": -math.inf, "items": (1, math.nan)},
        },
        "timings": {"embedding": 0.25},
    }
    return Measurement(**{**fields, **changes})


def with_identity(**changes):
    measurement = made()
    measurement.details["identity"].update(changes)
    return measurement


# ---------------------------------------------------------------------------------------------
# Plain values


def test_a_measurement_as_plain_values():
    assert made().as_dict() == {
        "measure": "within",
        "value": 0.5,
        "ci": [0.25, 0.75],
        "n": 4,
        "outcomes": "1001",
        "worst": [{"id": "b", "own_distance": 2.0}],
        "details": {
            "identity": made().details["identity"],
            "margins": [1.0, -1.0, None, None],
            "nested": {"low": None, "items": [1, None]},
        },
        "timings": {"embedding": 0.25},
    }


def test_a_measurement_comes_back_from_json():
    measurement = made()
    text = json.dumps(measurement.as_dict(), allow_nan=False)
    again = Measurement.from_dict(json.loads(text))
    assert again.as_dict() == measurement.as_dict()
    assert again.outcomes == measurement.outcomes
    assert again.ci == measurement.ci
    assert again.worst == measurement.worst
    assert measurement_key(again.as_dict()) == measurement_key(measurement.as_dict())


def test_plain_values_are_the_callers_own():
    measurement = made()
    content = measurement.as_dict()
    content["details"]["identity"]["encoder"] = "another"
    content["timings"]["embedding"] = 9.0
    content["worst"].clear()
    assert measurement.as_dict() == made().as_dict()


def builtins_only(value):
    if isinstance(value, dict):
        return all(type(k) is str and builtins_only(v) for k, v in value.items())
    if isinstance(value, list):
        return all(builtins_only(item) for item in value)
    return value is None or type(value) in (bool, int, float, str)


@pytest.mark.parametrize(
    "measure",
    [
        lambda c: within_consistency(bands, NOISE, corpus=c),
        lambda c: within_consistency(MFCCEncoder(), FunctionTransform("x", _half), corpus=c),
        lambda c: audio_consistency(NOISE, corpus=c),
        lambda c: between_consistency(bands, NOISE, corpus=c),
        lambda c: between_consistency(bands, NOISE, corpus=c, measure="accuracy"),
    ],
    ids=["within", "function", "audio", "rho", "accuracy"],
)
def test_what_is_measured_holds_builtins_only(corpus, measure):
    # NumPy's numbers do not travel between the processes of pytest-xdist.
    assert builtins_only(measure(corpus).as_dict())


def test_a_verdict_as_plain_values():
    plain = made().as_dict()
    verdict = Verdict("assert_within_consistency", "fails", 0.9, plain, "too low")
    assert verdict.as_dict() == {
        "assertion": "assert_within_consistency",
        "outcome": "fails",
        "minimum": 0.9,
        "measurement": measurement_key(plain),
        "message": "too low",
        "subject": "",
        "headline": "",
        "covers": [],
    }
    several = Verdict("check", "holds", None, None, headline="the same", covers=(plain, plain))
    assert several.as_dict()["covers"] == [measurement_key(plain)] * 2
    assert Verdict("a", "error", None, None).as_dict()["measurement"] is None


# ---------------------------------------------------------------------------------------------
# Keys


def key(measurement):
    return measurement_key(measurement.as_dict())


SAME = {
    "twin": made(),
    "timings": made(timings={"embedding": 9.0, "distances": 1.0}),
    "value": made(value=0.5 + 1e-9),
    "bounds": made(ci=(0.0, 1.0)),
    "checks": made(details={**made().details, "margins": []}),
}
OTHER = {
    "measure": made(measure="accuracy"),
    "corpus": with_identity(corpus="d"),
    "transformation": with_identity(transform="MP3(kbps=32)"),
    "seed": with_identity(seed=1),
    "distance": with_identity(latent_distance="cosine"),
    "audio distance": with_identity(audio_distance="dtw"),
    "pairs": with_identity(pairs="own"),
    "clip": with_identity(clip="a"),
    "encoder": with_identity(encoder="yours"),
    "fingerprint": with_identity(encoder_fingerprint="g"),
    "no fingerprint": with_identity(encoder_fingerprint=None),
    "name only": with_identity(named_only=True),
}


@pytest.mark.parametrize("twin", SAME.values(), ids=SAME.keys())
def test_what_is_the_same_has_the_same_key(twin):
    assert key(twin) == key(made())


def test_what_is_different_has_another_key():
    keys = {key(made()): "the first"}
    for name, other in OTHER.items():
        assert keys.setdefault(key(other), name) == name


def test_what_has_only_a_name_is_told_apart_by_what_was_measured():
    def namesake(value=0.5, own_distance=2.0):
        measurement = with_identity(named_only=True)
        worst = ({"id": "b", "own_distance": own_distance},)
        return key(replace(measurement, value=value, worst=worst))

    assert namesake() == namesake()
    assert namesake() == namesake(0.5 * (1 + 1e-9), 2.0 * (1 + 1e-9))  # another machine's rounding
    assert namesake() != namesake(value=0.6)
    assert namesake() != namesake(own_distance=2.1)
    assert namesake(0.0) != namesake(1.0)
    assert namesake() != key(made())


def test_what_has_more_than_a_name_is_known_by_it():
    assert key(made(value=0.6)) == key(made(value=0.5))
    assert key(made(worst=())) == key(made())


def test_the_order_of_an_identity_does_not_matter():
    plain = made().as_dict()
    shuffled = copy.deepcopy(plain)
    shuffled["details"]["identity"] = dict(reversed(plain["details"]["identity"].items()))
    assert measurement_key(shuffled) == measurement_key(plain)


def test_a_key_is_the_same_in_every_process():
    code = (
        "import json, sys\n"
        "from pytest_nnrel.recording import measurement_key\n"
        "print(measurement_key(json.load(sys.stdin)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=json.dumps(made().as_dict()),
        env={**os.environ, "PYTHONHASHSEED": "7"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == key(made())


MEASURED = {
    "within": lambda c: within_consistency(MFCCEncoder(), NOISE, corpus=c),
    "cosine": lambda c: within_consistency(MFCCEncoder(), NOISE, corpus=c, distance="cosine"),
    "seed": lambda c: within_consistency(MFCCEncoder(), NOISE, corpus=c, seed=1),
    "magnitude": lambda c: within_consistency(MFCCEncoder(), PinkNoise(snr_db=3), corpus=c),
    "clips": lambda c: within_consistency(MFCCEncoder(), NOISE, corpus=c.subset(5)),
    "window": lambda c: within_consistency(
        MFCCEncoder(), NOISE, corpus=excerpts(6, window_seconds=0.6)
    ),
    "groups": lambda c: within_consistency(
        MFCCEncoder(), NOISE, corpus=excerpts(6, groups="aabbcc")
    ),
    "bands": lambda c: within_consistency(as_encoder(bands, fingerprint="1"), NOISE, corpus=c),
    "bands v2": lambda c: within_consistency(as_encoder(bands, fingerprint="2"), NOISE, corpus=c),
    "bands at 16 kHz": lambda c: within_consistency(
        as_encoder(bands, fingerprint="1", sample_rate=16_000), NOISE, corpus=c
    ),
    "bands over 0.7 s": lambda c: within_consistency(
        as_encoder(bands, fingerprint="1", window_seconds=0.7), NOISE, corpus=c
    ),
    "anonymous": lambda c: within_consistency(as_encoder(octaves, name="bands"), NOISE, corpus=c),
    "function": lambda c: within_consistency(
        MFCCEncoder(), FunctionTransform("cut", _half), corpus=c
    ),
    "namesake": lambda c: within_consistency(
        MFCCEncoder(), FunctionTransform("cut", _quarter), corpus=c
    ),
    "own distance": lambda c: audio_consistency(NOISE, corpus=c, distance=_first_frames),
    "audio": lambda c: audio_consistency(NOISE, corpus=c),
    "rho": lambda c: between_consistency(MFCCEncoder(), NOISE, corpus=c),
    "own": lambda c: between_consistency(MFCCEncoder(), NOISE, corpus=c, pairs="own"),
    "accuracy": lambda c: between_consistency(MFCCEncoder(), NOISE, corpus=c, measure="accuracy"),
}


def test_different_measurements_have_different_keys(corpus):
    keys = {}
    for name, measure in MEASURED.items():
        twin = keys.setdefault(key(measure(corpus)), name)
        assert twin == name, f"{name} has the key of {twin}"


@pytest.mark.parametrize("name", ["within", "anonymous", "audio", "rho", "accuracy"])
def test_a_measurement_made_again_has_its_key(corpus, name, tmp_path):
    first = key(MEASURED[name](corpus))
    assert key(MEASURED[name](corpus)) == first  # from the cache
    elsewhere = Settings(cache_dir=tmp_path / "another cache", jobs=2)
    token = settings.activate(elsewhere)
    try:
        assert key(MEASURED[name](excerpts(6))) == first
    finally:
        settings.deactivate(token)
        stores.close_stores(elsewhere)


# ---------------------------------------------------------------------------------------------
# The sink


def test_a_sink_keeps_what_is_recorded_while_it_is_open():
    with sink("pytest test_x.py") as opened:
        record_measurement(made())
        record_verdict(Verdict("a", "holds", 0.4, made().as_dict()))
        assert reproduction() == "pytest test_x.py"
    record_measurement(made(measure="rho"))
    record_verdict(Verdict("b", "holds", 0.4, None))
    assert reproduction() == ""
    assert opened.measurements == {key(made()): made().as_dict()}
    assert [verdict["assertion"] for verdict in opened.verdicts] == ["a"]


def test_without_a_sink_nothing_is_kept():
    nowhere = contextvars.Context()
    nowhere.run(record_measurement, made())
    nowhere.run(record_verdict, Verdict("a", "holds", 0.4, None))
    assert nowhere.run(reproduction) == ""


def test_a_measurement_made_twice_is_kept_once():
    with sink() as opened:
        record_measurement(made())
        record_measurement(made(timings={"embedding": 7.0}))
        record_measurement(made(measure="rho"))
    assert len(opened.measurements) == 2


def test_verdicts_are_kept_in_their_order():
    with sink() as opened:
        for name in ("c", "a", "c", "b"):
            record_verdict(Verdict(name, "holds", 0.5, None))
    assert [verdict["assertion"] for verdict in opened.verdicts] == ["c", "a", "c", "b"]


def test_the_innermost_sink_collects():
    with sink("outer") as outer:
        with sink("inner") as inner:
            record_measurement(made())
            assert reproduction() == "inner"
        assert reproduction() == "outer"
        record_measurement(made(measure="rho"))
    assert [m["measure"] for m in inner.measurements.values()] == ["within"]
    assert [m["measure"] for m in outer.measurements.values()] == ["rho"]


def record_and_raise(error):
    with sink() as opened:
        try:
            record_measurement(made())
            raise error
        finally:
            assert len(opened.measurements) == 1


def test_a_sink_closes_after_an_error():
    with sink() as outer:
        with pytest.raises(ZeroDivisionError):
            record_and_raise(ZeroDivisionError())
        record_measurement(made(measure="rho"))
    assert [m["measure"] for m in outer.measurements.values()] == ["rho"]


def test_a_sink_takes_what_threads_record():
    with sink() as opened:
        thread = threading.Thread(target=record_measurement, args=(made(),))
        thread.start()
        thread.join()
    assert [m["measure"] for m in opened.measurements.values()] == ["within"]


def test_a_sink_takes_no_more_when_it_is_closed():
    with sink() as outer:
        with sink() as inner:
            late = contextvars.copy_context()
        late.run(record_measurement, made())
    assert (len(inner.measurements), len(outer.measurements)) == (0, 1)


def test_without_a_sink_nobody_takes_a_baseline():
    code = (
        "from pytest_nnrel.recording import record_baseline\n"
        "assert not record_baseline('file.json', {'entries': []})"
    )
    outside = {name: v for name, v in os.environ.items() if name != handover.VARIABLE}
    subprocess.run([sys.executable, "-c", code], env=outside, check=True)


def test_taking_empties_a_sink():
    filled = Sink("x")
    with sink() as opened:
        record_measurement(made())
        record_corpus("cafe", {"clips": ["a"]})
        assert record_baseline("file.json", {"entries": []})
        record_verdict(Verdict("a", "holds", 0.4, None))
    content = opened.as_dict()
    assert opened.take() == content
    assert opened.as_dict() == filled.as_dict() == NOTHING
    assert content["measurements"] == {key(made()): made().as_dict()}


def test_measuring_records(corpus):
    with sink() as opened:
        measured = [MEASURED[name](corpus) for name in ("within", "cosine", "audio", "rho")]
    assert list(opened.measurements) == [key(m) for m in measured]
    assert list(opened.measurements.values()) == [m.as_dict() for m in measured]
    assert opened.verdicts == []
    assert opened.corpora == {
        corpus.fingerprint: {
            "name": corpus.name,
            "clips": list(corpus.ids),
            "groups": list(corpus.groups),
        }
    }
    assert json.loads(json.dumps(opened.as_dict(), allow_nan=False)) == opened.as_dict()


@pytest.mark.parametrize(
    "minimum, outcome, raised", [(0.0, "holds", None), (1.0, "fails", AssertionError)]
)
def test_asserting_records_a_verdict_with_its_measurement(corpus, minimum, outcome, raised):
    message = ""
    with sink() as opened:
        try:
            assert_within_consistency(bands, NOISE, min=minimum, corpus=corpus)
        except AssertionError as error:
            message = str(error)
    assert (message != "") == (raised is AssertionError)
    (verdict,) = opened.verdicts
    assert verdict == {
        "assertion": "assert_within_consistency",
        "outcome": outcome,
        "minimum": minimum,
        "measurement": next(iter(opened.measurements)),
        "message": message,
        "redo": "",
        "subject": "",
        "headline": "",
        "covers": [],
    }


def test_an_error_is_a_verdict_without_measurement(corpus):
    with sink() as opened, pytest.raises(SettingError):
        assert_within_consistency(bands, NOISE, min=2.0, corpus=corpus)
    (verdict,) = opened.verdicts
    assert (verdict["outcome"], verdict["minimum"]) == ("error", None)
    assert opened.measurements == {}
    with sink() as opened, pytest.raises(EncoderError, match="not None"):
        assert_within_consistency(lambda batch: None, NOISE, min=0.5, corpus=corpus)
    (verdict,) = opened.verdicts
    assert (verdict["outcome"], verdict["measurement"]) == ("error", None)


def test_the_audio_bound_comes_along_where_it_is_asked_for(corpus, run):
    token = settings.activate(replace(run, audio_bound=True))
    try:
        with sink() as opened:
            within_consistency(bands, NOISE, corpus=corpus)
    finally:
        settings.deactivate(token)
    assert [m["measure"] for m in opened.measurements.values()] == ["within", "audio"]


def test_of_many_clips_all_pairs_are_compared_only_where_it_is_asked_for(corpus, run, monkeypatch):
    monkeypatch.setattr(settings, "ALL_PAIRS_UNASKED", len(corpus) - 1)
    token = settings.activate(replace(run, audio_bound=True))
    try:
        with sink() as opened:
            within_consistency(bands, NOISE, corpus=corpus)
            audio_consistency(NOISE, corpus=corpus)
    finally:
        settings.deactivate(token)
    assert [m["measure"] for m in opened.measurements.values()] == ["within", "audio"]
    assert "map" in next(iter(opened.measurements.values()))["details"]
    assert opened.audits == {}


def test_the_audio_bound_is_of_the_same_transformed_clips(corpus, run):
    calls = []

    def counted(samples, sample_rate):
        calls.append(len(samples))  # so that it is another function each time it is looked at
        return samples[::-1].copy()

    token = settings.activate(replace(run, audio_bound=True))
    try:
        with sink() as opened:
            within_consistency(bands, FunctionTransform("reversed", counted), corpus=corpus)
    finally:
        settings.deactivate(token)
    assert [m["measure"] for m in opened.measurements.values()] == ["within", "audio"]
    assert len(calls) == len(corpus)
    seconds = [m["timings"].keys() for m in opened.measurements.values()]
    assert "embedding" in seconds[0]
    assert "embedding" not in seconds[1]

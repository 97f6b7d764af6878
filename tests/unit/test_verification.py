"""Results that are measured again: the same, altered, of others, and what cannot be had."""

from __future__ import annotations

import copy
import json
import shutil

import numpy as np
import pytest

from pytest_nnrel import (
    Corpus,
    PinkNoise,
    ResultsError,
    audio_consistency,
    between_consistency,
    equivariance,
    interchangeability,
    profile,
    sensitivity,
    within_consistency,
)
from pytest_nnrel.__main__ import main
from pytest_nnrel.monotonicity import monotonicity
from pytest_nnrel.recording import sink
from pytest_nnrel.report.results import Collector
from pytest_nnrel.verification import Verifier

NOISE = PinkNoise(20)


class Bands:
    def __init__(self, name="bands", factor=1.0):
        self.name = name
        self.fingerprint = f"{name} {factor}"
        self._factor = factor

    def encode(self, batch):
        bands = np.abs(np.fft.rfft(batch, axis=1))[:, :4000].reshape(len(batch), 40, 100)
        return (self._factor * np.log(bands.mean(axis=2) + 1e-3)).astype(np.float32)


@pytest.fixture(scope="module")
def folder(clips, tmp_path_factory):
    """Four short files."""
    place = tmp_path_factory.mktemp("few") / "clips"
    place.mkdir()
    for file in sorted(clips.iterdir())[:4]:
        shutil.copy(file, place)
    return place


@pytest.fixture(scope="module")
def results(folder):
    corpus = Corpus.from_directory(folder, groups=None)
    bands, other = Bands(), Bands("other", 1.1)
    with sink() as opened:
        within_consistency(bands, NOISE, corpus=corpus, distance="cosine", seed=5)
        audio_consistency(NOISE, corpus=corpus)
        between_consistency(bands, NOISE, corpus=corpus, pairs="distinct")
        between_consistency(bands, NOISE, corpus=corpus, measure="accuracy")
        monotonicity(bands, NOISE, corpus=corpus, steps=2)
        sensitivity(bands, NOISE, corpus=corpus, steps=2)
        equivariance(bands, NOISE, corpus=corpus, steps=2)
        interchangeability(bands, other, transform=NOISE, corpus=corpus, queries="new")
    collector = Collector()
    collector.add("test_x.py::test_x", "setup", "passed", None)
    collector.add("test_x.py::test_x", "call", "passed", opened.take())
    about = {"corpus": "x", "clips": None, "grid": "quick", "seed": 0}
    return collector.results({"settings": about, "run": {}})


def test_directions_of_a_profile_are_measured_again(folder):
    corpus = Corpus.from_directory(folder, groups=None)
    with sink() as opened:
        profile(Bands(), (PinkNoise(40), NOISE, PinkNoise(5)), corpus=corpus)
    collector = Collector()
    collector.add("test_x.py::test_x", "setup", "passed", None)
    collector.add("test_x.py::test_x", "call", "passed", opened.take())
    about = {"corpus": "x", "clips": None, "grid": "quick", "seed": 0}
    found = collector.results({"settings": about, "run": {}})
    found["measurements"] = {
        key: one for key, one in found["measurements"].items() if one["measure"] == "directions"
    }
    (checked,) = Verifier(found, {"bands": Bands()}).verify()
    assert checked.outcome == "same", checked


ENCODERS = {"bands": Bands(), "other": Bands("other", 1.1)}


def outcomes(results, **options):
    return {
        (checked.stated["measure"], checked.outcome)
        for checked in Verifier(results, **{"encoders": ENCODERS, **options}).verify()
    }


def test_each_measure_is_measured_again_and_is_the_same(results):
    verifier = Verifier(results, ENCODERS)
    checked = list(verifier.verify())
    assert {one.stated["measure"] for one in checked} == {
        "within", "audio", "rho", "accuracy", "monotone", "sensitivity", "equivariance", "across",
    }  # fmt: skip
    assert [str(one) for one in checked if one.outcome != "same" or one.found] == []
    assert verifier.notes() == []
    assert len(list(verifier.verify(3))) == 3
    told = [str(one) for one in checked]
    backwards = dict(reversed(results["measurements"].items()))
    again = Verifier({**results, "measurements": backwards}, ENCODERS).verify()
    assert [str(one) for one in again] == told


def test_what_was_altered_is_told(results):
    altered = copy.deepcopy(results)
    (key,) = (k for k, m in altered["measurements"].items() if m["measure"] == "audio")
    stated = altered["measurements"][key]
    stated["outcomes"] = "".join("10"[int(kept)] for kept in stated["outcomes"])
    stated["value"] += 0.25
    (differs,) = (c for c in Verifier(altered, ENCODERS).verify() if c.outcome == "differs")
    assert "measured" in str(differs)
    assert "4 clips fare otherwise (" in str(differs)
    altered["environment"]["numpy"] = "0.1"
    assert any(n.startswith("numpy: 0.1 then, ") for n in Verifier(altered, ENCODERS).notes())


@pytest.mark.parametrize(
    "forge, said",
    [
        (lambda stated: stated.update(value=float("nan")), "measured"),
        (lambda stated: stated.update(n=100_000), "of 4 clips"),
        (lambda stated: stated.update(ci=[0.99, 1.0]), "with the interval"),
        (lambda stated: stated["details"].update(ranks=[1] * 4), "with other ranks"),
    ],
    ids=["value", "clips", "interval", "ranks"],
)
def test_what_was_forged_is_told(results, forge, said):
    forged = copy.deepcopy(results)
    within = {k: m for k, m in forged["measurements"].items() if m["measure"] == "within"}
    forged["measurements"] = within
    stated = next(iter(within.values()))
    forge(stated)
    (checked,) = (one for one in Verifier(forged, ENCODERS).verify() if one.outcome == "differs")
    assert said in checked.found


def test_another_encoder_is_another_fingerprint(results):
    retrained = Bands()
    retrained.fingerprint = "retrained"
    found = [str(c) for c in Verifier(results, {**ENCODERS, "bands": retrained}).verify()]
    assert any("another fingerprint" in line for line in found)
    assert any("another fingerprint of the index" in line for line in found)


def test_what_cannot_be_had_is_not_checked(results, folder, tmp_path):
    assert {
        outcome for measure, outcome in outcomes(results, encoders={}) if measure != "audio"
    } == {"not checked"}
    fewer = Corpus.from_directory(folder).subset(3)
    assert {outcome for _, outcome in outcomes(results, corpus=fewer)} == {"not checked"}
    made = copy.deepcopy(results)
    for measured in made["measurements"].values():
        measured["details"]["corpus"]["origin"] = None
    found = list(Verifier(made, ENCODERS).verify())
    assert all("was made in Python" in one.found for one in found)
    broken = copy.deepcopy(results)
    for measured in broken["measurements"].values():
        del measured["details"]["identity"]["seed"]
    with pytest.raises(ResultsError, match="incomplete or were changed: KeyError 'seed'"):
        list(Verifier(broken, ENCODERS).verify())


def test_the_command_and_its_exit_codes(results, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    audio = {k: m for k, m in results["measurements"].items() if m["measure"] == "audio"}
    file = tmp_path / "results.json"

    def verify(measurements, *options):
        file.write_text(json.dumps({**results, "measurements": measurements}))
        code = main(["verify", "results.json", *options])
        return code, capsys.readouterr()

    code, printed = verify(audio)
    assert code == 0
    assert printed.out.endswith("1 same, 0 differs, 0 not checked\n")
    code, printed = verify(results["measurements"])
    assert code == 2
    assert "8 of 9 measurements of results.json were not checked" in printed.err
    assert "encoder 'bands' is not to be had: --encoder=bands=MODULE:OBJECT" in printed.out
    assert verify(results["measurements"], "--partial")[0] == 0
    altered = copy.deepcopy(audio)
    next(iter(altered.values()))["value"] = 0.123
    assert verify(altered)[0] == 1
    for wrong in (["--encoder=bands"], ["--encoder=bands=nowhere:x"], ["--sample=0"]):
        code, printed = verify(audio, *wrong)
        assert code == 2
        assert printed.err.startswith("error: ")
    for odd in ("nan", "inf", "-1"):
        code, printed = verify(altered, f"--tolerance={odd}")
        assert code == 2
        assert f"--tolerance takes a number of 0 or more, not {odd}" in printed.err
    assert verify(audio, "--tolerance=0.5")[0] == 0
    file.write_text(json.dumps({**results, "schema_version": 99}))
    assert main(["verify", "results.json"]) == 2
    assert "schema version 99" in capsys.readouterr().err

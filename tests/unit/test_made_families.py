"""Families in one line, and the adapters that they are made of: latency, loudness, recipes."""

from __future__ import annotations

import json
import os
import pickle
import re
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pedalboard
import pytest
import soundfile
from hypothesis import find
from hypothesis import settings as hypothesis_settings
from signals import RATE, decibels, lag_of, noise, without_gain

from pytest_nnrel import (
    Chain,
    Identity,
    MFCCEncoder,
    PinkNoise,
    as_transform,
    assert_monotone,
    breaking_magnitude,
    check_family,
    family,
    within_consistency,
)
from pytest_nnrel import strategies as nn
from pytest_nnrel.errors import CacheWarning, FamilyError, MagnitudeError, TransformError
from pytest_nnrel.report.curves import sections_of
from pytest_nnrel.transforms import families, grid, parse_transform, registry

_QUICK = hypothesis_settings(database=None, derandomize=True, deadline=None)


def bitcrush(**options):
    declared = {"ladder": [16, 12, 8, 6, 4], "unit": "bits", **options}
    return family("Bitcrush", lambda bits: pedalboard.Bitcrush(bits), **declared)


def overdriven(samples, sample_rate, drive):
    return np.tanh(samples * drive)


Overdrive = family("Overdrive", overdriven, ladder=range(2, 20, 2), unit="times")


def late(samples, sample_rate, percent):
    """Delay by 10 ms what is distorted by so much, and pad the end, as codecs do."""
    gap = np.zeros(sample_rate // 100, np.float32)
    return np.concatenate([gap, np.tanh(samples * (1 + percent / 10)), gap])


# What a line gives


def test_a_line_gives_all_that_a_family_has(corpus, run):
    made = bitcrush(points=[12, 8, 4])
    assert made(8).name == "Bitcrush(bits=8)"
    assert (made(8).severity, made(10).severity, made.bounds) == (3, 2.5, (4, 16))
    assert families()["Bitcrush"] is made
    assert parse_transform("Bitcrush(bits=8)") == made(8)
    assert grid("Bitcrush") == (made(12), made(8), made(4))
    strategy = nn.magnitudes(made)
    assert find(strategy, lambda t: True, settings=_QUICK) == Identity()
    assert find(strategy, lambda t: t.severity > 2, settings=_QUICK) == made(8)
    check_family(made, clips=list(corpus)[:2])
    found = breaking_magnitude(MFCCEncoder(), made, min=0.9, corpus=corpus)
    assert found.nearest.rungs[-1] == made(4)
    assert_monotone(MFCCEncoder(), made, min=0.8, corpus=corpus)
    measured = {str(i): m.as_dict() for i, m in found.nearest.measured.items()}
    (section,) = sections_of(measured, [], None)
    ((panel,),) = section.panels.values()
    assert panel.axis == "Bitcrush (bits)"
    with pytest.raises(MagnitudeError, match=r"Bitcrush\(bits=...\) takes 4 to 16 bits, not 3"):
        made(3)


def test_an_effect_does_what_it_does_outside(corpus):
    clip = corpus[0]
    out = without_gain(bitcrush()(6), clip)
    expected = pedalboard.Bitcrush(6)(clip.samples, clip.sample_rate)
    np.testing.assert_allclose(out, expected, rtol=1e-5, atol=1e-6)


def test_a_ladder_that_grows_comes_from_below(corpus, run):
    assert Overdrive.identity == -np.inf
    assert Overdrive(2).severity == 1
    check_family(Overdrive, clips=list(corpus)[:2])
    measured = within_consistency(MFCCEncoder(), Overdrive(18), corpus=corpus)
    assert json.loads(json.dumps(measured.as_dict()))
    assert pickle.loads(pickle.dumps(Overdrive(4))) == Overdrive(4)
    (section,) = sections_of({"one": measured.as_dict()}, [], None)
    assert section.panels


def makers():
    audiomentations = pytest.importorskip("audiomentations")
    return {
        "board": lambda db: pedalboard.Pedalboard([pedalboard.Gain(db), pedalboard.Clipping(-20)]),
        "effect": pedalboard.Distortion,
        "augmentation": lambda db: audiomentations.Gain(min_gain_db=db, max_gain_db=db, p=1.0),
        "function": lambda db: lambda samples, rate: np.tanh(samples * 10 ** (db / 20)),
        "function of all": lambda samples, rate, db: np.tanh(samples * 10 ** (db / 20)),
    }


@pytest.mark.parametrize("kind", ["board", "effect", "augmentation", "function", "function of all"])
def test_whatever_transforms_audio_makes_a_family(kind, corpus):
    made = family("Made", makers()[kind], ladder=[6, 12.5, 24], unit="dB", restores_loudness=False)
    outs = [made(db).apply(corpus[0]).samples for db in made.ladder]
    assert len({out.tobytes() for out in outs}) == 3
    assert made(24).apply(corpus[0]).samples.tobytes() == outs[2].tobytes()
    assert made(12.5).recipe() is not None


def test_magnitudes_are_whole_where_those_of_the_ladder_are():
    seen = []

    def make(steps):
        seen.append(steps)
        return lambda samples, rate: samples

    for ladder in ([1, 2, 3], np.arange(1, 4), [1.0, 2.0, 3.5]):
        made = family("Stairs", make, ladder=ladder, unit="steps", identity=0)
        made(2).render(noise().samples, RATE, np.random.default_rng())
    made(0.5).render(noise().samples, RATE, np.random.default_rng())
    assert [type(n) for n in seen] == [int, int, float, float]
    assert made(2).name == "Stairs(steps=2)"


@pytest.mark.parametrize(
    "make, name",
    [
        (lambda ladder: None, "magnitude"),
        (lambda _amount: None, "magnitude"),
        (lambda *amounts: None, "magnitude"),
        (lambda name: None, "magnitude"),
        (lambda severity: None, "magnitude"),
        (lambda unit: None, "magnitude"),
        (pedalboard.Bitcrush, "magnitude"),
        (lambda amount, q=1.0: None, "amount"),
        (lambda samples, rate, amount, q=1.0: None, "amount"),
    ],
)
def test_the_magnitude_has_the_name_of_its_parameter_where_that_is_free(make, name):
    made = family("Named", make, ladder=[1, 2], unit="")
    assert list(made.__dataclass_fields__) == [name]
    assert made(2).magnitude == 2.0
    assert made(2).name == f"Named({name}=2)"
    assert made(2).severity == 2


def test_an_effect_that_is_set_anew_is_not_mixed_up(corpus):
    shared = pedalboard.Bitcrush()

    def make(bits):
        shared.bit_depth = bits
        return shared

    made = family("Shared", make, ladder=[16, 12, 8, 6, 4], unit="bits")
    alone = {bits: bitcrush()(bits).apply(corpus[0]).samples for bits in made.ladder}
    order = [*made.ladder] * 8
    with ThreadPoolExecutor(8) as pool:
        outs = list(pool.map(lambda bits: made(bits).apply(corpus[0]).samples, order))
    assert all(np.array_equal(out, alone[bits]) for bits, out in zip(order, outs))


# Latency and length


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_codecs_latency_is_measured_told_and_taken_out():
    audiomentations = pytest.importorskip("audiomentations")

    def mp3(kbps):
        return audiomentations.Mp3Compression(
            kbps, kbps, backend="lameenc", preserve_delay=True, p=1.0
        )

    made = family("Mp3", mp3, ladder=[64, 32, 8], unit="kb/s")
    for kbps, latency in ((64, 1105), (8, 1105 * RATE / 8000)):
        transformed = made(kbps).apply_checked(noise())
        assert transformed.checks["latency"] == pytest.approx(latency, abs=2)
        assert len(transformed.clip.samples) == len(noise().samples)
        assert abs(lag_of(transformed.clip.samples, noise().samples)) <= (kbps == 8)
    loose = family(
        "Loose", mp3, ladder=[64, 32], unit="kb/s", correct_latency=False, keeps_length=False
    )
    assert lag_of(loose(64).apply(noise()).samples[: 4 * RATE], noise().samples) == 1105


@pytest.mark.parametrize("correct, lag", [(None, 220), (True, 0), (False, 220)])
def test_a_functions_delay_is_its_own_unless_it_is_said_to_be_latency(correct, lag):
    made = family(
        "Late", late, ladder=[1, 50], unit="%", correct_latency=correct, keeps_length=False
    )
    out = made(1).apply(noise()).samples
    assert lag_of(out[: 4 * RATE], noise().samples) == lag
    if correct:
        assert len(out) == 4 * RATE
        check_family(made, clips=[noise(seed=1)])


@pytest.mark.parametrize("correct, lag", [(None, 0), (True, 0), (False, 1102)])
def test_an_effects_delay_may_be_what_is_tested(correct, lag):
    delay = pedalboard.Delay(0.05, mix=1.0)
    out = as_transform(delay, correct_latency=correct).apply(noise()).samples
    assert lag_of(out, noise().samples) == lag


def test_what_is_early_is_brought_back_as_well():
    early = as_transform(lambda samples, rate: np.roll(samples, -300), correct_latency=True)
    transformed = early.apply_checked(noise())
    assert transformed.checks["latency"] == -300
    np.testing.assert_allclose(transformed.clip.samples, noise().samples, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    "effect",
    [
        pedalboard.LowpassFilter(800),
        pedalboard.PitchShift(2),
        pedalboard.Reverb(),
        pedalboard.Delay(0.3, mix=1.0),
        pedalboard.Gain(3),
    ],
    ids=lambda effect: type(effect).__name__,
)
def test_filters_shifters_rooms_and_long_delays_have_no_latency(effect):
    clip = noise()
    transformed = as_transform(effect).apply_checked(clip)
    assert transformed.checks["latency"] == 0
    expected = effect(clip.samples, RATE)
    np.testing.assert_allclose(
        without_gain(as_transform(effect), clip), expected, rtol=1e-4, atol=1e-6
    )


def test_a_random_shift_is_no_latency():
    audiomentations = pytest.importorskip("audiomentations")
    shift = audiomentations.Shift(0.001, 0.05, p=1.0)
    assert as_transform(shift).apply_checked(noise()).checks["latency"] == 0


def test_another_length_is_an_error_unless_it_is_said():
    def half(samples, rate, times):
        return samples[: len(samples) // times]

    strict = family("Half", half, ladder=[2, 3], unit="times")
    with pytest.raises(TransformError, match=r"44100 samples instead of 88200"):
        strict(2).apply(noise())
    loose = family("Half", half, ladder=[2, 3], unit="times", keeps_length=False)
    assert len(loose(2).apply(noise()).samples) == 44_100


# Loudness


def gains():
    audiomentations = pytest.importorskip("audiomentations")
    return [
        pedalboard.Gain(-12),
        audiomentations.Gain(min_gain_db=-12, max_gain_db=-12, p=1.0),
        lambda samples, rate: samples * 10 ** (-12 / 20),
    ]


@pytest.mark.parametrize("index", range(3))
def test_a_gain_can_be_tested(index):
    kept = as_transform(gains()[index], restores_loudness=False).apply(noise()).samples
    restored = as_transform(gains()[index]).apply(noise()).samples
    assert decibels(kept, noise().samples) == pytest.approx(-12, abs=0.01)
    assert decibels(restored, noise().samples) == pytest.approx(0, abs=0.01)
    made = family(
        "Softer", lambda db: gains()[index], ladder=[12, 24], unit="dB", restores_loudness=False
    )
    assert decibels(made(12).apply(noise()).samples, noise().samples) == pytest.approx(
        -12, abs=0.01
    )


def test_whether_loudness_is_restored_is_part_of_the_recipe():
    recipes = [
        as_transform(pedalboard.Gain(3), restores_loudness=kept).recipe() for kept in (True, False)
    ]
    assert recipes[0] != recipes[1]


# Results that last


def test_settings_of_effects_are_told_whole(tmp_path):
    quality = pedalboard.Resample.Quality
    different = [
        pedalboard.Resample(8000, quality.Linear),
        pedalboard.Resample(8000, quality.ZeroOrderHold),
        pedalboard.Convolution(np.ones(3, np.float32), sample_rate=RATE),
        pedalboard.Convolution(np.zeros(3, np.float32), sample_rate=RATE),
        pedalboard.Pedalboard([pedalboard.Gain(1), pedalboard.Gain(2)]),
        pedalboard.Pedalboard([pedalboard.Gain(2), pedalboard.Gain(1)]),
        pedalboard.Mix([pedalboard.Gain(1), pedalboard.Gain(2)]),
    ]
    recipes = [json.dumps(as_transform(effect, name="same").recipe()) for effect in different]
    assert len(set(recipes)) == len(recipes)
    assert "null" not in recipes
    # What a file held when the effect was made cannot be told any more.
    room = tmp_path / "room.wav"
    soundfile.write(room, np.array([1, 0, 0.5]), RATE)
    assert as_transform(pedalboard.Convolution(str(room))).recipe() is None


def test_settings_of_augmentations_are_told_whole(tmp_path):
    audiomentations = pytest.importorskip("audiomentations")
    first, second = tmp_path / "a.wav", tmp_path / "b.wav"
    for seed, path in enumerate((first, second)):
        soundfile.write(path, noise(seed=seed).samples, RATE)
    different = [
        audiomentations.BitCrush(5, 5, p=1.0),
        audiomentations.BitCrush(6, 6, p=1.0),
        audiomentations.Compose([audiomentations.BitCrush(5, 5, p=1.0)]),
        audiomentations.OneOf([audiomentations.BitCrush(5, 5, p=1.0)], p=1.0),
        audiomentations.AddBackgroundNoise(str(first), p=1.0),
        audiomentations.AddBackgroundNoise(str(second), p=1.0),
    ]
    recipes = [json.dumps(as_transform(one, name="same").recipe()) for one in different]
    assert len(set(recipes)) == len(recipes)
    transform = as_transform(audiomentations.AddGaussianNoise(p=1.0))
    before = transform.recipe()
    assert before is not None
    transform.apply(noise())
    assert transform.recipe() == before


def test_what_cannot_be_told_is_kept_for_the_run_only(monkeypatch):
    audiomentations = pytest.importorskip("audiomentations")
    monkeypatch.setattr(registry, "_told", set())

    class Foreign(pedalboard.Gain):
        pass

    assert as_transform(Foreign()).recipe() is None
    assert (
        as_transform(audiomentations.Lambda(lambda samples, rate: samples, p=1.0)).recipe() is None
    )
    made = family("Foreigner", lambda db: Foreign(), ladder=[1, 2], unit="dB")
    with pytest.warns(CacheWarning, match=r"Foreigner of .* declares no version.*family\(\.\.\.\)"):
        assert made(1).recipe() is None
    lasting = family("Foreigner", lambda db: Foreign(), ladder=[1, 2], unit="dB", version="1")
    assert lasting(1).recipe()["version"] == "1"


_SCRIPT = """
from pathlib import Path

import numpy as np
from pytest_nnrel import Corpus, MFCCEncoder, family, within_consistency
from pytest_nnrel.runtime import settings
from pytest_nnrel.runtime.settings import Settings

kernel = np.array({kernel})
rendered = []

def smoothed(samples, sample_rate, times):
    for _ in range(times):
        samples = np.convolve(samples, kernel, "same"){edit}
    return samples

Smooth = family("Smooth", smoothed, ladder=[1, 2, 4], unit="times")
settings.activate(Settings(cache_dir=Path({cache!r}), jobs=1))
measured = within_consistency(MFCCEncoder(), Smooth(2), corpus=Corpus.bundled().subset(4))
print(Smooth(2).recipe()["code"], measured.details["identity"]["named_only"])
print(*measured.details["margins"])
"""


@pytest.mark.exhaustive
def test_a_functions_results_last_while_its_code_and_what_it_holds_do(tmp_path):
    def told(kernel="[0.5, 0.5]", edit=""):
        (tmp_path / "one.py").write_text(
            textwrap.dedent(_SCRIPT.format(kernel=kernel, edit=edit, cache=str(tmp_path / "c")))
        )
        done = subprocess.run(
            [sys.executable, "one.py"], cwd=tmp_path, capture_output=True, text=True, check=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )  # fmt: skip
        return done.stdout.splitlines()

    first, again, other, edited = (
        told(), told(), told(kernel="[0.2, 0.6, 0.2]"), told(edit="[::-1]"),
    )  # fmt: skip
    assert first == again
    assert first[0].endswith(" False")
    assert len({first[0], other[0], edited[0]}) == 3
    assert len({first[1], other[1], edited[1]}) == 3


# What is wrong


@pytest.mark.parametrize(
    "changes, match",
    [
        ({"ladder": []}, "Bitcrush: ladder is empty"),
        ({"ladder": [16, 8, 12]}, "Bitcrush: ladder must lead away from the identity, inf"),
        ({"ladder": [16, 8, 8]}, "8 follows 8"),
        ({"ladder": [16, 12], "identity": 16}, "Bitcrush: ladder holds 16, the identity"),
        ({"ladder": [12, 16], "identity": 24}, "lead away from the identity, 24"),
        ({"ladder": 8}, "Bitcrush: ladder must be magnitudes, not 8"),
        ({"ladder": ["a", "b"]}, "ladder must be a tuple of finite magnitudes"),
        ({"ladder": ["a", 1]}, "ladder must be a tuple of finite magnitudes"),
        ({"ladder": [np.nan]}, "ladder must be a tuple of finite magnitudes"),
        ({"negative_ladder": [20, 24]}, r"of two directions needs identity=\.\.\."),
        ({"negative_ladder": [4, 2], "identity": 18}, "different sides of the identity"),
        ({"points": [2]}, "points must be magnitudes from 4 to 16"),
        ({"points": "ab"}, "points must be magnitudes from 4 to 16 .*, not 'a'"),
        ({"unit": None}, "unit must be a text"),
        ({"version": 1}, "version must be a text"),
    ],
)
def test_a_wrong_ladder_is_told_at_once(changes, match):
    with pytest.raises(FamilyError, match=match):
        bitcrush(**changes)
    assert "Bitcrush" not in families()


@pytest.mark.parametrize("name", ["two words", "", "1st", 3, None])
def test_a_name_that_cannot_be_called_is_refused(name):
    with pytest.raises(FamilyError, match="a family's name is one of Python's"):
        family(name, pedalboard.Bitcrush, ladder=[8], unit="bits")


def test_a_name_that_is_taken_is_refused():
    with pytest.raises(FamilyError, match="PitchShift: there is a family of this name"):
        family("PitchShift", pedalboard.PitchShift, ladder=[1], unit="semitones")


@pytest.mark.parametrize(
    "make, match",
    [
        (pedalboard.Bitcrush(8), r"Wrong: make is <pedalboard.Bitcrush .* itself; pass what makes"),
        (lambda: None, r"Wrong: make takes \(\), but must take the magnitude"),
        (lambda samples, rate: samples, r"Wrong: make takes \(samples, rate\), but"),
        ("Bitcrush", "Wrong: make must be a function of the magnitude, not 'Bitcrush'"),
    ],
)
def test_what_makes_nothing_of_a_magnitude_is_refused(make, match):
    with pytest.raises(FamilyError, match=match):
        family("Wrong", make, ladder=[8, 4], unit="bits")


@pytest.mark.parametrize(
    "make, match",
    [
        (lambda bits: None, "None is no transformation"),
        (lambda bits: 1 / 0, "it raised ZeroDivisionError"),
        (lambda bits: PinkNoise(bits), "which is a transformation already"),
        (lambda bits: Chain(PinkNoise(bits)), "which is a transformation already"),
    ],
)
def test_what_makes_no_effect_is_told_with_magnitude_and_clip(make, match):
    made = family("Wrong", make, ladder=[8, 4], unit="bits", version="1")
    with pytest.raises(TransformError, match=rf"^Wrong\(\w+=8\) on clip 'noise 0': .*{match}"):
        made(8).apply(noise())


def test_an_augmentation_that_may_do_nothing_is_refused():
    audiomentations = pytest.importorskip("audiomentations")
    made = family("Perhaps", lambda n: audiomentations.BitCrush(n, n), ladder=[8, 4], unit="bits")
    with pytest.raises(TransformError, match=r"BitCrush\(p=0\.5\) leaves clips unchanged"):
        made(8).apply(noise())


@pytest.mark.parametrize("number", [(0, None), (0, 2), 0])
def test_a_choice_of_some_that_may_be_none_is_refused(number):
    audiomentations = pytest.importorskip("audiomentations")
    steps = [audiomentations.BitCrush(4, 8, p=1.0), audiomentations.Reverse(p=1.0)]
    some = audiomentations.SomeOf
    told = re.escape(f"SomeOf({number}) leaves clips unchanged at random")
    with pytest.raises(TransformError, match=told):
        as_transform(audiomentations.Compose([some(number, steps)], p=1.0))
    as_transform(some((1, 2), steps)).apply(noise())


@pytest.mark.parametrize("effect", [pedalboard.Bitcrush(8), lambda samples, rate: samples])
def test_a_single_point_has_no_ladder_and_is_told_of_families(effect, corpus):
    point = as_transform(effect, name="crushed")
    with pytest.raises(
        MagnitudeError, match=r"^crushed has no ladder .*pytest_nnrel\.family makes"
    ):
        breaking_magnitude(MFCCEncoder(), point, min=0.9, corpus=corpus)

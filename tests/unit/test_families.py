"""Families of one's own: to define one is to have it everywhere, and a wrong one is told."""

from __future__ import annotations

import math
import subprocess
import sys
import textwrap
import warnings
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import find
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.errors import InvalidArgument, NoSuchExample

from pytest_nnrel import (
    Corpus,
    MFCCEncoder,
    assert_monotone,
    assert_unbroken_until,
    assert_within_consistency,
    breaking_magnitude,
    check_family,
    within_consistency,
)
from pytest_nnrel import strategies as nn
from pytest_nnrel.__main__ import main
from pytest_nnrel.errors import (
    CacheWarning,
    CorpusError,
    FamilyError,
    MagnitudeError,
    SettingError,
    TransformError,
)
from pytest_nnrel.report.curves import sections_of
from pytest_nnrel.runtime import settings
from pytest_nnrel.runtime.settings import Settings
from pytest_nnrel.transforms import (
    Chain,
    Identity,
    PinkNoise,
    PitchShift,
    TempoShift,
    Transform,
    even_steps,
    families,
    grid,
    ladder,
    paper_grid,
    parse_transform,
    registry,
)
from pytest_nnrel.transforms.grids import PAPER_FAMILIES

RATE = 22_050
_QUICK = hypothesis_settings(max_examples=500, database=None, derandomize=True, deadline=None)


def hum_family(**changes):
    """Define the family of a hum under the music, with other declarations where asked."""

    def render(self, samples, sample_rate, rng):
        time = np.arange(len(samples)) / sample_rate
        level = np.sqrt(np.mean(samples**2)) * 10 ** (-self.snr_db / 20)
        hum = np.sqrt(2) * np.sin(2 * np.pi * self.hz * time + rng.uniform(0, 2 * np.pi))
        return samples + level * hum

    declared = {
        "__annotations__": {"snr_db": "float", "hz": "float"},
        "hz": 50.0,
        "unit": "dB SNR",
        "identity": math.inf,
        "ladder": even_steps(40, -20, -2),
        "points": (30, 10, -10),
        "version": "1",
        "render": render,
        "__module__": __name__,
        **changes,
    }
    kept = {name: value for name, value in declared.items() if value is not ...}
    return dataclass(frozen=True)(type("Hum", (Transform,), kept))


@pytest.fixture
def hum():
    return hum_family()


def test_what_is_declared_gives_the_rest(hum):
    assert hum(12).name == "Hum(snr_db=12)"
    assert hum(12, hz=60.0).name == "Hum(snr_db=12, hz=60)"
    assert hum(12).magnitude == 12.0
    assert hum.bounds == (-20.0, 40.0)
    assert hum.severities() == range(32)
    assert [hum(snr).severity for snr in (40, 38, 37, -20)] == [1, 2, 2.5, 31]
    assert hum.from_severity(0) == Identity()
    assert hum.from_severity(3) == hum(36)
    assert hum(12, hz=60.0).on_rung(1) == hum(40, hz=60.0)
    assert hum.symbol == "Hum"


@pytest.mark.parametrize("snr_db", [41, -21, math.nan, "loud", None, True])
def test_magnitudes_out_of_bounds_are_refused(hum, snr_db):
    with pytest.raises(MagnitudeError, match=r"Hum\(snr_db=...\) takes -20 to 40 dB SNR"):
        hum(snr_db)


def test_ladders_of_two_directions_have_the_identity_between_them():
    family = hum_family(identity=0.0, ladder=(1.0, 3.0), negative_ladder=(-2.0,), points=...)
    assert family.bounds == (-2.0, 3.0)
    assert [family(m).severity for m in (-2, -1, 0, 0.5, 1, 2, 3)] == [-1, -0.5, 0, 0.5, 1, 1.5, 2]
    assert family(0).condition(RATE) == Identity()
    assert {d: rungs[-1] for d, rungs in ladder(family, RATE).items()} == {
        1: family(3),
        -1: family(-2),
    }


def test_a_family_is_known_by_its_name(hum):
    assert families()["Hum"] is hum
    assert parse_transform("Hum(12, hz=60)") == hum(12, hz=60)
    chain = Chain(hum(12), PinkNoise(20))
    assert parse_transform(chain.name) == chain
    assert grid("Hum") == (hum(30), hum(10), hum(-10))


def test_a_family_without_points_is_no_grid():
    hum_family(points=())
    with pytest.raises(SettingError, match="Hum is no grid: the family declares no points"):
        grid("Hum")


@pytest.mark.parametrize("family", PAPER_FAMILIES)
def test_the_papers_families_have_its_magnitudes_as_points(family):
    points = grid(family.__name__)
    assert points == tuple(point for point in paper_grid() if type(point) is family)
    assert len(points) >= 16


def test_a_family_is_drawn(hum):
    assert find(nn.magnitudes(hum), lambda t: True, settings=_QUICK) == Identity()
    assert find(nn.magnitudes(hum), lambda t: t.severity > 7, settings=_QUICK) == hum(26)
    bounded = nn.magnitudes(hum, min=0, max=20, hz=60.0)
    assert find(bounded, lambda t: True, settings=_QUICK) == hum(20, hz=60.0)
    assert find(bounded, lambda t: t.severity >= 21, settings=_QUICK) == hum(0, hz=60.0)
    assert find(nn.transforms(), lambda t: isinstance(t, hum), settings=_QUICK) == hum(40)
    mild = nn.transforms(hum, PinkNoise, min_snr_db=30)
    assert find(mild, lambda t: t.severity >= 6, settings=_QUICK) == hum(30)
    assert find(st.from_type(hum), lambda t: True, settings=_QUICK) == hum(40)
    both = find(nn.chains(hum, PitchShift), lambda t: isinstance(t, Chain), settings=_QUICK)
    assert {type(step) for step in both.steps} == {hum, PitchShift}


def test_the_papers_families_are_drawn_as_far_as_the_paper_goes():
    assert find(nn.magnitudes(TempoShift), lambda t: t.severity >= 50, settings=_QUICK)
    with pytest.raises(NoSuchExample):
        find(nn.magnitudes(TempoShift), lambda t: t.severity > 50, settings=_QUICK)
    lower = nn.magnitudes(PitchShift, min=-3, max=-1)
    assert find(lower, lambda t: True, settings=_QUICK) == PitchShift(-1)


@pytest.mark.parametrize(
    "arguments, match",
    [
        ({"min": 20, "max": 10}, "out of order"),
        ({"min": -30}, "min=-30: Hum has -20 to 40 dB SNR"),
        ({"max": "loud"}, "max='loud' is no number"),
        ({"min": math.nan}, "Hum has -20 to 40"),
        ({"colour": "pink"}, "Hum: .*colour"),
    ],
)
def test_bad_bounds_of_magnitudes_are_invalid_at_once(hum, arguments, match):
    with pytest.raises(InvalidArgument, match=match):
        nn.magnitudes(hum, **arguments)


@pytest.mark.parametrize("family", [Identity, Chain, Transform, 3, "Hum"])
def test_magnitudes_of_what_is_no_family_are_invalid(family):
    with pytest.raises(InvalidArgument, match="is no family: pass some of PitchShift"):
        nn.magnitudes(family)


def test_a_family_is_searched_measured_and_drawn_as_a_curve(hum, corpus, run):
    encoder = MFCCEncoder()
    found = breaking_magnitude(encoder, hum, min=0.9, corpus=corpus, steps=4)
    assert found.magnitude is not None
    assert found.nearest.rungs[-1] == hum(-20)
    assert_unbroken_until(encoder, hum(36), min=0.9, corpus=corpus)
    assert_monotone(encoder, hum, min=0.8, corpus=corpus, steps=4)
    measured = {str(i): m.as_dict() for i, m in found.nearest.measured.items()}
    (section,) = sections_of(measured, [], None)
    ((panel,),) = section.panels.values()
    assert panel.axis == "Hum (dB SNR)"
    assert len(panel.marks) == len(measured)
    assert panel.identity is not None


def test_chance_comes_from_the_seed_alone(hum, corpus):
    clip = corpus[0]
    one, same, other = (hum(10).apply(clip, seed=seed).samples for seed in (0, 0, 1))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


def test_loudness_may_be_the_change(corpus):
    clip = corpus[0]
    family = hum_family(
        restores_loudness=False, render=lambda self, samples, rate, rng: samples / 2
    )
    assert family(10).apply(clip).samples == pytest.approx(clip.samples / 2)


@pytest.mark.parametrize(
    "render, match",
    [
        (lambda self, samples, rate, rng: samples[:-1], "samples instead of"),
        (lambda self, samples, rate, rng: samples[None], r"shape \(n,\), not float32"),
        (lambda self, samples, rate, rng: None, r"shape \(n,\), not object"),
        (lambda self, samples, rate, rng: (samples, samples), r"shape \(n,\), not"),
        (lambda self, samples, rate, rng: samples * np.nan, "NaN or infinite"),
        (lambda self, samples, rate, rng: samples / [0, 1], "it raised ValueError"),
    ],
)
def test_bad_output_is_told_with_name_and_clip(corpus, render, match):
    with pytest.raises(TransformError, match=rf"^Hum\(snr_db=10\) on clip '{corpus[0].id}': .*"):
        hum_family(render=render)(10).apply(corpus[0])
    with pytest.raises(TransformError, match=match):
        hum_family(render=render)(10).apply(corpus[0])


def test_what_was_verified_is_told(corpus):
    family = hum_family(render=lambda self, samples, rate, rng: (samples, {"hum": 1.5}))
    assert family(10).apply_checked(corpus[0]).checks["hum"] == 1.5


# Results


def test_a_version_makes_results_last(hum, corpus, tmp_path):
    rendered = []

    def counted(self, samples, rate, rng):
        return -samples

    family = hum_family(render=counted)
    assert family(10).recipe() == {"transform": "Hum(snr_db=10)", "version": "1"}
    for active in (Settings(cache_dir=tmp_path, jobs=1), Settings(cache_dir=tmp_path, jobs=1)):
        token = settings.activate(active)
        measured = within_consistency(MFCCEncoder(), family(10), corpus=corpus)
        settings.deactivate(token)
        rendered.append(measured.details["identity"]["named_only"])
    assert rendered == [False, False]
    assert family(10).recipe() != hum_family(render=counted, version="2")(10).recipe()


def test_a_family_without_a_version_is_kept_for_the_run_only_which_is_said_once(monkeypatch):
    monkeypatch.setattr(registry, "_told", set())
    family = hum_family(version=...)
    with pytest.warns(CacheWarning, match=r"Hum of .*test_families declares no version"):
        assert family(10).recipe() is None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert family(12).recipe() is None


# What is declared wrongly


@pytest.mark.parametrize(
    "changes, match",
    [
        ({"unit": ...}, "a family declares unit"),
        ({"identity": ...}, "a family declares identity"),
        ({"ladder": ...}, "a family declares ladder"),
        ({"unit": 3}, "unit must be a text"),
        ({"identity": math.nan}, "identity must be the magnitude that changes nothing"),
        ({"identity": "none"}, "identity must be the magnitude that changes nothing"),
        ({"ladder": [30, 20]}, "ladder must be a tuple"),
        ({"ladder": (30, math.inf)}, "ladder must be a tuple of finite"),
        ({"ladder": (30, 20, 25)}, "25 follows 20"),
        ({"ladder": (30, 30)}, "30 follows 30"),
        ({"identity": 0.0, "ladder": (0.0, 1.0)}, "ladder holds 0, the identity"),
        ({"identity": 0.0, "ladder": (2.0, 1.0)}, "1 follows 2"),
        ({"ladder": (10, 0), "negative_ladder": (30, 20)}, "different sides of the identity"),
        ({"points": (50,)}, "points must be magnitudes from -20 to 40"),
        ({"points": (math.nan,)}, "points must be magnitudes"),
        ({"points": "ab"}, "points must be magnitudes .*, not 'a'"),
        ({"version": 1}, "version must be a text"),
    ],
)
def test_a_wrong_declaration_is_told_when_the_class_is_made(changes, match):
    with pytest.raises(FamilyError, match=rf"^Hum: .*{match}"):
        hum_family(**changes)


def test_two_families_cannot_have_one_name(hum):
    with pytest.raises(FamilyError, match=r"name in .*test_families.*that of elsewhere another"):
        hum_family(__module__="elsewhere")
    again = hum_family()  # defined once more, as in a notebook
    assert families()["Hum"] is again is not hum


@pytest.mark.parametrize("name", ["Chain", "Identity", "PitchShift"])
def test_names_of_ours_are_taken(name):
    declared = {"unit": "", "identity": 0.0, "ladder": (1.0,), "render": lambda *_: None}
    with pytest.raises(FamilyError, match=f"^{name}: there is a family of this name"):
        type(name, (Transform,), declared)


def test_a_family_is_a_frozen_dataclass():
    class Bare(Transform):
        unit: ClassVar[str] = "times"
        identity: ClassVar[float] = 0.0
        ladder: ClassVar[tuple[float, ...]] = (1.0,)

        def render(self, samples, sample_rate, rng):
            return samples

    with pytest.raises(FamilyError, match=r"decorated with @dataclass\(frozen=True\)"):
        _ = Bare().name
    with pytest.raises(FamilyError, match=r"Bare must be a dataclass"):
        Bare.from_severity(1)

    @dataclass
    class Thawed(Bare):
        times: float

    with pytest.raises(FamilyError, match=r"Thawed must be a dataclass"):
        Thawed(1.0)


def test_what_is_shared_is_no_family():
    class Shared(Transform):
        unit: ClassVar[str] = "times"

    assert "Shared" not in families()


# Installed packages

_MODULE = """
from dataclasses import dataclass
from typing import ClassVar
from pytest_nnrel import Transform

@dataclass(frozen=True)
class Upside(Transform):
    times: float
    unit: ClassVar[str] = "times"
    identity: ClassVar[float] = 0.0
    ladder: ClassVar[tuple[float, ...]] = (1.0, 2.0)
    points: ClassVar[tuple[float, ...]] = (1.0,)

    def render(self, samples, sample_rate, rng):
        return -samples
"""


def installed(folder, module):
    """Install a package with a family, as pip would lay it out."""
    (folder / "updown.py").write_text(module)
    metadata = folder / "updown-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: updown\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[pytest_nnrel.families]\nall = updown\n")


def run_beside(folder, code):
    script = f"import sys; sys.path.insert(0, {str(folder)!r})\n{textwrap.dedent(code)}"
    return subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )


def test_families_of_installed_packages_are_loaded_when_they_are_asked_for(tmp_path):
    installed(tmp_path, _MODULE)
    done = run_beside(
        tmp_path,
        """
        from pytest_nnrel.transforms import families, grid, parse_transform
        parse_transform("PitchShift(1)")
        print("updown" in sys.modules, parse_transform("Upside(2)"), *grid("Upside"))
        print(*families())
        """,
    )
    first, second = done.stdout.splitlines()
    assert first == "False Upside(times=2) Upside(times=1)"
    assert "Upside" in second.split()


def test_an_installed_package_that_cannot_be_loaded_is_named(tmp_path):
    installed(tmp_path, "import no_such_engine")
    done = run_beside(
        tmp_path,
        """
        from pytest_nnrel.errors import FamilyError
        from pytest_nnrel.transforms import families
        try: families()
        except FamilyError as error: print(error)
        """,
    )
    assert done.stdout.startswith("updown declares families in updown, which cannot be loaded")
    assert "no_such_engine" in done.stdout


def test_a_clip_is_heard_under_a_family_whose_module_is_named(tmp_path, capsys, monkeypatch):
    (tmp_path / "upsides.py").write_text(_MODULE)
    monkeypatch.chdir(tmp_path)
    show = ["show", "000_battle-theme", "--transform", "Upside(2)", "--against", "001_boss-theme"]
    assert main(show) == 2
    assert "'Upside(2)' is no transformation" in capsys.readouterr().err
    assert main([*show, "--import", "upside"]) == 2
    assert "--import=upside cannot be imported" in capsys.readouterr().err
    assert main([*show, "--import", "upsides"]) == 0
    assert len(list(tmp_path.glob("nnrel-clips/*.wav"))) == 3
    monkeypatch.delitem(sys.modules, "upsides")


def test_a_failure_says_which_module_to_import_to_hear_it(hum, run):
    chain = Chain(hum(-20), PinkNoise(0))
    with pytest.raises(AssertionError, match=rf"listen: .* --import {__name__} --against"):
        assert_within_consistency(MFCCEncoder(), chain, min=1, corpus=Corpus.bundled().subset(5))


# The trial


class Wrong:
    """Renderings that break a promise each, with what they are told."""

    def unsteady(self, samples, rate, rng):
        return samples + np.random.standard_normal(len(samples)) / self.snr_db

    def short(self, samples, rate, rng):
        return samples[10:]

    def infinite(self, samples, rate, rng):
        return samples / 0.0

    def idle(self, samples, rate, rng):
        return samples

    def backward(self, samples, rate, rng):
        return samples + np.abs(samples).max() * 10 ** (self.snr_db / 20 - 2) * rng.uniform(
            -1, 1, len(samples)
        )


@pytest.mark.parametrize(
    "changes, match",
    [
        ({"render": Wrong.unsteady}, "is not deterministic"),
        ({"render": Wrong.short}, "samples instead of"),
        ({"render": Wrong.infinite}, "NaN or infinite|silent"),
        ({"render": Wrong.idle}, r"Hum\(snr_db=40\) changes nothing"),
        ({"render": Wrong.backward}, "graver is not further"),
        ({"__post_init__": lambda self: None}, "it takes -21, out of its bounds, -20 to 40"),
        ({"name": property(lambda self: "Drone()")}, "its name does not make it again"),
        ({"name": property(lambda self: "Hum(12)")}, r"the name Hum\(12\) makes"),
        ({"severity": property(lambda self: 2.0)}, "made for severity 1, has severity 2"),
        ({"hz": ...}, "hz"),
    ],
)
@pytest.mark.filterwarnings("ignore:divide by zero", "ignore:invalid value")
def test_the_trial_tells_what_is_wrong(corpus, changes, match):
    with pytest.raises(FamilyError, match=rf"Hum is not what a family promises:(.|\n)*{match}"):
        check_family(hum_family(**changes), clips=list(corpus)[:2])


def test_a_family_that_keeps_its_promises_passes(hum, corpus):
    check_family(hum, clips=list(corpus)[:2])


@pytest.mark.parametrize("what", [Identity, Chain, 3, PinkNoise(12)])
def test_the_trial_is_for_families(what):
    with pytest.raises(FamilyError, match="is no family: pass a class"):
        check_family(what)


@pytest.mark.parametrize(
    "clips, said",
    [
        ([], r"check_family tries a family on .* one at least, not on \[\]"),
        (5, "check_family tries a family on a list of clips, .* not on 5"),
        ([np.zeros(9)], "check_family takes a Clip, such as .*, not ndarray"),
    ],
)
def test_a_trial_on_no_clips_is_refused(clips, said):
    with pytest.raises(CorpusError, match=said):
        check_family(hum_family(), clips=clips)

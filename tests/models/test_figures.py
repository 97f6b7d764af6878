"""Figures show the rows that they are drawn from, whatever part of the experiment was run."""

from __future__ import annotations

import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest
from quick_results import quick

pytest.importorskip("statsmodels", reason="needs statsmodels")

from reference_models.paper import drawing, figures
from reference_models.paper.drawing import Point
from reference_models.paper.figures import curves, maps, values
from reference_models.paper.results import ENCODERS, ORIGINAL, Results

NUMBERS = ["4", "5", "6", "7", "8", "9", "10", "10", "11", "12", "13", "14"]
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def world():
    return quick(trials=2)


@pytest.fixture(scope="module")
def drawn(world):
    return {f"{f.number}{'+' * f.folded}": f for f in figures.draw(world)}


def parsed(figure):
    return ElementTree.fromstring(figure.svg)


def texts(figure):
    return [element.text for element in parsed(figure).iter(f"{SVG}text")]


def alone(number, results):
    """Return one figure, drawn without the others."""
    recipe = next(r for r in figures._RECIPES if r.number == number)
    return figures._draw(recipe, results)


def test_every_figure_is_drawn_in_order(drawn):
    assert [figure.number for figure in drawn.values()] == NUMBERS
    for figure in drawn.values():
        assert parsed(figure).tag == f"{SVG}svg"
        assert figure.caption
        assert "Fig" in figure.paper or "paper" in figure.paper


def test_figures_load_nothing_and_take_the_ink_of_the_page(drawn):
    for figure in drawn.values():
        assert drawing.INK not in figure.svg
        assert "currentColor" in figure.svg
        loaded = re.findall(r'(?:href|src)="([^"]+)"|url\(([^)]+)\)', figure.svg)
        for href, url in loaded:
            assert (href or url).startswith(("#", "data:")), (href, url)


def test_no_id_is_in_two_figures(drawn):
    ids = [i for figure in drawn.values() for i in re.findall(r'\bid="([^"]+)"', figure.svg)]
    assert len(ids) == len(set(ids))


def test_what_a_figure_refers_to_is_in_it(drawn):
    for figure in drawn.values():
        ids = set(re.findall(r'\bid="([^"]+)"', figure.svg))
        referred = set(re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', figure.svg))
        assert {href or url for href, url in referred} <= ids


@pytest.mark.parametrize("number", ["7", "10", "10+"])
def test_axes_have_units_and_encoders_one_name(drawn, number):
    found = texts(drawn[number])
    assert {
        "pitch shift (semitones)", "tempo shift (rate)", "pink noise (SNR, dB)",
        "environmental noise (SNR, dB)", "MP3 (kb/s)",
    } <= set(found)  # fmt: skip
    for name in ENCODERS:
        assert found.count(name.upper()) == 1
    assert found.count("original →") == 3  # no SNR and no bitrate is the identity


def test_a_curve_is_the_mean_over_trials():
    trials = {
        1: [Point(2.0, 0.2, 0.1, 0.3), Point(1.0, 0.8, 0.7, 0.9)],
        2: [Point(1.0, 0.6, 0.5, 0.7)],
    }
    assert drawing.mean_over_trials(trials) == [
        Point(1.0, pytest.approx(0.7), pytest.approx(0.6), pytest.approx(0.8)),
        Point(2.0, 0.2, 0.1, 0.3),
    ]


def test_curves_have_the_values_of_their_rows(world):
    with drawing.style():
        drawn, _ = curves.latent_consistency(world)
    rows = [
        r
        for r in world.consistency
        if (r.encoder, r.transformation, r.latent_distance, r.audio_distance)
        == ("vs", "PS", "cosine", "")
    ]
    axes = next(a for a in drawn.axes[5:] if a.get_xlabel().startswith("pitch"))
    drawn_curves = {
        tuple(line.get_xdata()): tuple(line.get_ydata())
        for line in axes.lines
        if line.get_color() == drawing.COLOURS["vs"] and line.get_marker() == drawing.MARKERS["vs"]
    }
    magnitudes = sorted({r.magnitude for r in rows})
    means = [
        sum(r.value for r in rows if r.magnitude == m) / sum(r.magnitude == m for r in rows)
        for m in magnitudes
    ]
    assert drawn_curves == {tuple(magnitudes): pytest.approx(tuple(means))}
    thin = [line for line in axes.lines if line.get_color() == drawing.COLOURS["vs"]]
    assert len(thin) == 1 + 2  # the mean, and two trainings


def test_how_trainings_are_drawn_is_said(drawn):
    assert drawn["7"].caption.startswith("Thick: mean over 2 trainings of each network;")
    assert alone("7", quick(trials=1)).caption.startswith("One training of each network.")


def test_the_papers_means_are_beside_ours(world):
    with drawing.style():
        drawn, _ = values.within_means(world)
    euclidean, cosine = drawn.axes
    hollow = [
        line.get_ydata()[0] for line in euclidean.lines if line.get_markerfacecolor() == "none"
    ]
    assert hollow == [0.741, 0.671, 0.539, 0.331, 0.170]  # paper, section 5.2
    assert not [line for line in cosine.lines if line.get_markerfacecolor() == "none"]


def test_a_map_has_a_dot_for_each_clip(world):
    with drawing.style():
        drawn, _ = maps.transformed_map(world)
    originals, transformed = drawn.axes[0].patches
    expected = [
        (p.x, p.y) for p in world.maps if (p.encoder, p.transformation) == ("mfcc", ORIGINAL)
    ]
    assert [tuple(v) for v in originals.get_path().vertices[::2]] == expected
    assert len(transformed.get_path().vertices) == len(originals.get_path().vertices)


def test_a_map_of_many_clips_stays_small():
    made = quick(trials=1)
    points = [replace(p, clip=f"{p.clip}-{i}", x=p.x + i) for i in range(5) for p in made.maps]
    figure = alone("9", replace(made, maps=points))
    assert len(figure.svg) < 45 * len(points) * 5 / 3  # bytes for each dot, 10 of 6 x 5 drawn


def test_a_voice_of_unknown_level_is_left_out(world):
    points = [replace(p, vocal_db=None) if i < 7 else p for i, p in enumerate(world.vocal_maps)]
    with drawing.style():
        drawn, _ = maps.vocal_map(replace(world, vocal_maps=points))
    axes = drawn.axes[0]
    assert len(axes.collections[0].get_offsets()) == len(points) - 7


@pytest.mark.parametrize(
    "lost, gone",
    [
        ("performance", {"4", "5"}),
        ("consistency", {"6", "7", "8", "10", "10+", "11", "12"}),
        ("originals", {"13"}),
        ("maps", {"9"}),
        ("vocal_maps", {"14"}),
    ],
)
def test_a_figure_without_its_rows_says_what_is_missing(world, lost, gone):
    without = replace(world, **{lost: []})
    for recipe in figures._RECIPES:
        name = f"{recipe.number}{'+' * recipe.folded}"
        if name in gone:
            figure = figures._draw(recipe, without)
            assert figure.svg == ""
            assert figure.caption.startswith("Not drawn: ")


def test_nothing_measured_draws_nothing():
    assert not any(
        figure.svg for figure in figures.draw(Results("ci", {"clips": 0, "name": "none"}))
    )


def test_a_grid_without_the_smallest_magnitudes_has_no_figure_12(world):
    graver = [replace(row, smallest=False) for row in world.consistency]
    assert "smallest magnitudes" in alone("12", replace(world, consistency=graver)).caption


def test_one_magnitude_of_a_family_is_a_point_with_its_interval(world):
    one = [r for r in world.consistency if r.transformation == "PN" and r.smallest]
    figure = alone("6", replace(world, consistency=one))
    assert figure.svg
    assert [text for text in texts(figure) if text == "pink noise (SNR, dB)"]
    assert "pitch shift (semitones)" not in texts(figure)


def test_the_same_results_give_the_same_figure(world):
    assert alone("8", world) == alone("8", world)

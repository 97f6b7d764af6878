"""The page of a reproduction: what it says is what the results say, and nothing else runs in it."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
from pages import Page
from quick_results import quick

pytest.importorskip("statsmodels", reason="needs statsmodels")

from reference_models.errors import ReproductionError
from reference_models.paper import analysis, page, results
from reference_models.paper.claims import CLAIMS
from reference_models.paper.results import ENCODERS, Results

CARD = {
    "task": "at",
    "encoder": "vgg",
    "recipe": {"dataset": "open", "trial": 1, "weight_decay": 1e-7},
    "data": {"train": {"fingerprint": "f00", "clips": 5600}, "labels": ["drums", "minor"]},
    "curves": [{"epoch": 0, "loss": 0.51234}, {"epoch": 1, "loss": 0.4}],
    "scores": {"test": {"measure": "AUC_C", "value": 0.912, "clips": 1000, "compared": None}},
    "sha256": "ab" * 32,
}
#: Drawing all of them takes seconds, and is tested with the figures.
FIGURES = tuple(
    replace(recipe, folded=recipe.number == "8")
    for recipe in page.figures._RECIPES
    if recipe.number in ("6", "8", "9", "13")
)
HOSTILE = "<script>alert('x')</script> & \"quoted\" \U0001f3bb " + "long" * 70


def complete():
    made = quick(trials=2)
    made.encoders = {"at-vgg-1": CARD, "ae-mfcc-1": {**CARD, "task": "ae", "encoder": "mfcc"}}
    made.provenance = {"command": "reproduce --scale small", "seed": 0, "versions": {"torch": "2"}}
    return made


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    made = complete()
    out = tmp_path_factory.mktemp("reproduction") / "new" / "folder"
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(page.figures, "_RECIPES", FIGURES)
        return made, page.write(made, out)


@pytest.fixture(scope="module")
def outcomes(written):
    return [claim(written[0]) for claim in CLAIMS]


@pytest.fixture(scope="module")
def shown(written):
    return Page(written[1].read_text(encoding="utf-8"))


@pytest.fixture
def without_figures(monkeypatch):
    """Leave the figures out: they are tested by themselves, and take seconds."""
    monkeypatch.setattr(page.figures, "_RECIPES", ())


def test_three_files_are_written_and_none_is_left_over(written):
    made, path = written
    assert path.name == "reproduction.html"
    assert sorted(file.name for file in path.parent.iterdir()) == [
        "analysis.json", "reproduction.html", "reproduction.json",
    ]  # fmt: skip
    assert results.load(path.parent / "reproduction.json") == made


def test_the_analysis_has_outcomes_and_tables(written, outcomes):
    made, path = written
    plain = json.loads((path.parent / "analysis.json").read_text(encoding="utf-8"))
    assert (plain["format"], plain["version"]) == (page.FORMAT, page.VERSION)
    for outcome, entry in zip(outcomes, plain["claims"], strict=True):
        assert entry["outcome"] == ("holds" if outcome.holds else "does not hold")
        assert entry["explanation"] == outcome.explanation
        assert entry["statistic"] == json.loads(json.dumps(outcome.statistic))
    assert [table["title"] for table in plain["tables"]] == [
        table.title for table in analysis.tables(made)
    ]


def test_the_page_has_every_claim_with_its_outcome(shown, outcomes):
    told = shown.texts("p", class_="outcome")
    for claim, outcome, said in zip(CLAIMS, outcomes, told, strict=True):
        word = "holds" if outcome.holds else "does not hold"
        assert said == f"{claim.number} · {word} {claim.place}"
        assert outcome.explanation in shown.texts("p")
    held = sum(outcome.holds for outcome in outcomes)
    assert held > 1
    assert shown.texts("h1") == [f"{held} of the paper's 9 claims hold here"]


def test_the_page_has_every_cell_of_every_table(written, shown):
    made, _ = written
    cells = [page._cell(c) for t in analysis.tables(made) for row in t.rows for c in row]
    assert shown.texts("td")[: len(cells)] == cells
    assert "0.741 0.014" in " ".join(cells)  # the paper's C_W of MFCC, section 5.2


def test_the_page_has_every_figure(shown):
    titles = [text for text in shown.texts("h3") if text.startswith("Figure ")]
    assert titles == [f"Figure {recipe.number}: {recipe.title}" for recipe in FIGURES]
    assert shown.counts()["svg"] == len(titles)
    (folded,) = [text for text in shown.texts("summary") if text.startswith("Figure ")]
    assert folded.startswith("Figure 8:")


def test_the_page_needs_no_network_and_runs_nothing(shown):
    assert shown.counts()["script"] == 0
    assert not [name for _, name, _ in shown.all_attributes() if name.startswith("on")]
    outside = [link for link in shown.links() if not link.startswith(("#", "data:"))]
    assert outside == ["https://doi.org/10.3389/fams.2019.00053"]


def test_ids_are_unique_and_links_lead_somewhere(shown):
    ids = [value for _, name, value in shown.all_attributes() if name == "id"]
    assert len(ids) == len(set(ids))
    assert {link[1:] for link in shown.links() if link.startswith("#")} <= set(ids)


def test_a_card_tells_data_epochs_and_scores(shown):
    row = shown.texts("td")[-7:]
    assert row == [
        "at-vgg-1", "at", "vgg", "open", "5,600", "2", "test: AUC_C 0.912 on 1000 clips",
    ]  # fmt: skip
    assert "1e-07" in shown.texts("dd")  # whole, not rounded away


def test_hostile_names_are_text(without_figures, tmp_path):
    made = complete()
    made.corpus["name"] = HOSTILE
    made.encoders[HOSTILE] = {**CARD, HOSTILE: [HOSTILE]}
    made.provenance[HOSTILE] = HOSTILE
    text = page.write(made, tmp_path).read_text(encoding="utf-8")
    assert Page(text).counts()["script"] == 0
    assert HOSTILE in Page(text).texts("dt")


@pytest.mark.parametrize("lacking", ["task", "recipe", "data", "curves", "scores"])
def test_a_card_of_something_else_is_told_and_results_are_kept(lacking, without_figures, tmp_path):
    made = Results("ci", {"name": "none", "clips": 0})
    made.encoders = {"at-vgg-1": {key: value for key, value in CARD.items() if key != lacking}}
    with pytest.raises(ReproductionError, match=f"card of at-vgg-1 lacks .*{lacking}"):
        page.write(made, tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["reproduction.json"]


def test_what_was_not_measured_is_said_and_the_rest_is_there(without_figures, tmp_path):
    made = replace(complete(), performance=[], maps=[], vocal_maps=[], encoders={})
    shown = Page(page.write(made, tmp_path).read_text(encoding="utf-8"))
    outcomes = [text.split(" · ")[1] for text in shown.texts("p", class_="outcome")]
    assert [i for i, text in enumerate(outcomes, 1) if text.startswith("not judged")] == [7, 8, 9]
    assert any("Not judged, for lack of data: claims 7, 8 and 9." in p for p in shown.texts("p"))


def test_nothing_measured_is_a_page_too(tmp_path):
    nothing = Results("ci", {"name": "none", "clips": 0})
    shown = Page(page.write(nothing, tmp_path).read_text(encoding="utf-8"))
    assert shown.texts("h1") == ["None of the paper's 9 claims could be judged"]
    assert shown.counts()["svg"] == 0
    assert len([text for text in shown.texts("li") if "Not drawn" in text]) == 12


def test_a_claim_that_fails_is_named(without_figures, tmp_path):
    made = complete()
    worst = [
        replace(row, value=0.0) if row.encoder == "mfcc" and row.measure == "within" else row
        for row in made.consistency
    ]
    worst = [replace(r, value=r.value + r.severity * 1e-6) for r in worst]
    path = page.write(replace(made, consistency=worst), tmp_path)
    verdict = Page(path.read_text(encoding="utf-8")).texts("p")[0]
    failed = re.search(r"Not as in the paper: claims? ([^.]+)\.", verdict)
    assert failed is not None
    assert "2" in failed[1]


def test_a_page_that_cannot_be_written_leaves_no_part_of_it(without_figures, tmp_path):
    made = complete()
    made.provenance["minutes"] = float("nan")
    with pytest.raises(ValueError, match="JSON"):
        page.write(made, tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.parametrize(
    "value, said",
    [
        (None, "–"), (0.7411, "0.741"), (-0.52, "-0.520"), (12898.4, "12,898"), (12898, "12,898"),
        (1e-9, "< 0.001"), (0.0, "0.000"), (-1e-9, "0.000"), ("text", "text"), (True, "True"),
    ],
)  # fmt: skip
def test_numbers_are_written_as_in_a_paper(value, said):
    assert page._cell(value) == said


def test_all_encoders_are_told_apart_by_colour_and_marker():
    from reference_models.paper.drawing import COLOURS, MARKERS

    assert len({COLOURS[name] for name in ENCODERS}) == len(ENCODERS)
    assert len({MARKERS[name] for name in ENCODERS}) == len(ENCODERS)

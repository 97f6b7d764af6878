"""The documentation: its examples run and print what it shows, and it names all that there is."""

from __future__ import annotations

import json
import re
import sys
import tomllib
from pathlib import Path

import pytest
from markdown_examples import Page, blocks

import pytest_nnrel
from pytest_nnrel import strategies
from pytest_nnrel.transforms import field

DOCS = Path(__file__).parents[1] / "docs"
PAGES = [page for page in sorted(DOCS.rglob("*.md")) if page.parent.name != "reference"]
#: Pages whose examples take longest.
DEAR = (
    "howto/baselines.md",
    "howto/breaking.md",
    "howto/ci.md",
    "howto/families.md",
    "howto/sensitive.md",
)


@pytest.fixture
def examples(tmp_path, capsys, monkeypatch):
    """Run the blocks of a page in a folder of its own, as a user at a terminal would."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("COLUMNS", "88")
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # a page may write a file twice a second
    page = Page(tmp_path, capsys)
    yield page
    page.forget()


@pytest.mark.slow
@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, id=name, marks=[pytest.mark.exhaustive] if name in DEAR else [])
        for page in PAGES
        for name in [page.relative_to(DOCS).as_posix()]
    ],
)
def test_examples_do_what_the_page_says(page, examples):
    for block in blocks(page.read_text(encoding="utf-8")):
        examples.run(block)


def documented():
    """Return the names that the reference takes from docstrings."""
    text = "\n".join(page.read_text(encoding="utf-8") for page in (DOCS / "reference").glob("*.md"))
    names = re.findall(r"^::: pytest_nnrel\.(\S+)$", text, re.MULTILINE)
    return names + field.__all__ * text.count("{{ fields() }}")


def test_the_reference_has_every_public_name_once():
    names = documented()
    assert len(names) == len(set(names))
    public = set(pytest_nnrel.__all__) - {"__version__", "strategies"}
    assert public <= set(names)
    assert {f"strategies.{name}" for name in strategies.__all__} <= set(names)


def pages_of(entry):
    """Yield the pages of a part of the navigation."""
    if isinstance(entry, str):
        yield entry
    else:
        for part in entry.values() if isinstance(entry, dict) else entry:
            yield from pages_of(part)


def test_the_navigation_has_every_page_once():
    """Zensical passes over pages that are in no navigation, and entries that are no page."""
    site = tomllib.loads((DOCS.parent / "zensical.toml").read_text(encoding="utf-8"))["project"]
    named = list(pages_of(site["nav"]))
    assert sorted(named) == sorted(p.relative_to(DOCS).as_posix() for p in DOCS.rglob("*.md"))


def test_files_that_the_site_loads_are_there():
    """Zensical checks links, but neither images nor the paths of its own settings."""
    site = tomllib.loads((DOCS.parent / "zensical.toml").read_text(encoding="utf-8"))["project"]
    assert [
        p for p in site["extra_css"] + site["extra"]["polyfills"] if not (DOCS / p).exists()
    ] == []
    for page in DOCS.rglob("*.md"):
        shown = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", page.read_text(encoding="utf-8"))
        assert [image for image in shown if not (page.parent / image).is_file()] == []


def test_studies_are_told_as_they_are_stored(monkeypatch):
    monkeypatch.syspath_prepend(DOCS.parent)
    from docs import studies

    stored = json.loads((studies.BENCHMARKS / "worst_case.json").read_text(encoding="utf-8"))
    heads, _, *rows = studies.worst_case_table().splitlines()
    assert len(rows) == len(stored["encoders"])
    for row, of in zip(rows, stored["encoders"].values()):
        for head, cell in zip(heads.split("|")[2:-1], row.split("|")[2:-1]):
            found = of[head.strip().removesuffix(" dB")]
            told = [f"{found[kind][0]:.2f}" for kind in ("attacked", "noise")]
            assert cell.strip() == "{} ({})".format(*told)
    assert studies.worst_case_curves().count("<svg") == len(rows)
    named = re.compile(r"([a-z]+(?:-long)?)-([a-z]+)(?:-\d+)?")
    stems = [path.stem for path in (studies.BENCHMARKS / "cure").glob("*.json")]
    trained = [named.fullmatch(stem).groups() for stem in stems]
    page = (DOCS / "explanation" / "worst_case.md").read_text(encoding="utf-8")
    for encoder in {encoder for encoder, arm in trained if arm != "shipped"}:
        arms = [arm for of, arm in trained if of == encoder]
        rows = studies.cure_table(encoder).splitlines()[2:]
        for row in rows:
            arm, seeds, *_ = (cell.strip() for cell in row.split("|")[1:-1])
            assert seeds == (str(arms.count(arm)) if arm != "shipped" else "")
        assert {row.split("|")[1].strip() for row in rows} == {*arms}
        assert f'cure_table("{encoder}")' in page


def test_longer_training_is_told_as_it_is_stored(monkeypatch):
    monkeypatch.syspath_prepend(DOCS.parent)
    from docs import studies
    from reference_models import checkpoint

    longer = sorted(path.stem for path in checkpoint.LONG.glob("*.safetensors"))
    assert longer
    heads, _, *rows = studies.trained_table().splitlines()
    cells = {row.split("|")[1].strip(): row.split("|")[2:-1] for row in rows}
    for encoder in longer:
        stored = json.loads((studies.BENCHMARKS / "cure" / f"{encoder}-shipped.json").read_text())
        name = encoder.partition("-")[0].upper()
        place = [head.strip() for head in heads.split("|")[2:-1]].index(name)
        told = {what: cell[place].partition(" → ")[2].strip() for what, cell in cells.items()}
        for condition, value in stored["within"].items():
            family, magnitude = re.match(r"(\w+)\(\w+=(.*)\)", condition).groups()
            assert told[f"`{family}({magnitude})`"] == f"{value:.3f}"
        card = json.loads((checkpoint.LONG / f"{encoder}.json").read_text())
        score = card["scores"]["test"]["value"]
        assert told["score of the task"] == f"{score:.3f}"
        assert stored["score"] == pytest.approx(score, abs=1e-3)  # of rounded weights
    assert studies.trained_curves().count("<svg") == len(longer)


def test_music_that_none_has_heard_is_told_as_it_is_stored(monkeypatch):
    monkeypatch.syspath_prepend(DOCS.parent)
    from docs import studies

    stored = json.loads((studies.BENCHMARKS / "other_music.json").read_text(encoding="utf-8"))
    heads, _, _, row = (line.split("|")[2:-1] for line in studies.other_music_table().splitlines())
    names = [head.strip().lower() for head in heads]
    assert {*names} | {f"{name}-long" for name in names[1:]} == {*stored["encoders"]}
    for name, cell in zip(names, row):
        for value, of in zip(cell.split("→"), (name, f"{name}-long")):
            within = stored["encoders"][of]["within"].values()
            assert value.strip() == f"{sum(within) / len(within):.3f}"

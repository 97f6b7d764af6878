"""``render``, ``audit``, ``cache`` and ``schema``: reports, corpora and what is kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_nnrel.commands.options import add, add_geometry, geometry_of
from pytest_nnrel.errors import SettingError
from pytest_nnrel.runtime import settings

if TYPE_CHECKING:
    import argparse

    from pytest_nnrel.commands.options import Commands


def add_render(commands: Commands) -> None:
    """Add the command."""
    render = add(commands, "render", _render, "make index.html and summary.md from a results.json")
    render.add_argument("results", type=Path, help="results.json of a report")
    render.add_argument("--out", type=Path, metavar="DIR", help="folder to write to (default: its)")


def add_audit(commands: Commands) -> None:
    """Add the command."""
    audit = add(commands, "audit", _audit, "tell what is odd in a corpus: near-twins, silence,"
                 " clipping, offsets, cut-off frequencies")  # fmt: skip
    audit.add_argument("corpus", help="as --nnrel-corpus")
    add_geometry(audit)


def add_cache(commands: Commands) -> None:
    """Add the command."""
    cache = add(commands, "cache", _cache, "tell or clear what is kept between runs")
    cache.add_argument("--dir", type=Path, help="as --nnrel-cache (default: the user's)")
    cache.add_argument("--clear", action="store_true", help="delete all of it")


def add_schema(commands: Commands) -> None:
    """Add the command."""
    add(commands, "schema", _schema, "print the JSON Schema of results.json")


def _render(chosen: argparse.Namespace) -> None:
    from pytest_nnrel.report import PAGE
    from pytest_nnrel.report.html import render_page
    from pytest_nnrel.report.markdown import SUMMARY, summary_text
    from pytest_nnrel.report.reading import as_written
    from pytest_nnrel.report.results import load_results
    from pytest_nnrel.runtime.files import replace_text

    results = load_results(chosen.results)
    folder = chosen.out or chosen.results.parent
    with as_written(chosen.results):
        views = {PAGE: render_page(results, folder), SUMMARY: summary_text(results)}
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in views.items():
        replace_text(folder / name, text)
        print(folder / name)


def _audit(chosen: argparse.Namespace) -> None:
    from pytest_nnrel.corpus import open_corpus
    from pytest_nnrel.measures import audit_corpus

    print(audit_corpus(open_corpus(chosen.corpus, **geometry_of(chosen))))


def _cache(chosen: argparse.Namespace) -> None:
    from pytest_nnrel.runtime.store import Store

    folder = chosen.dir or settings.default_cache_dir()
    if folder.exists() and not folder.is_dir():
        raise SettingError(f"{folder} is a file, not a folder; name the cache's folder with --dir")
    store = Store(folder)
    if chosen.clear:
        store.clear()
    entries, size = store.size()
    print(f"{store.root}: {entries:,} entries, {size / 2**20:,.1f} MiB")


def _schema(chosen: argparse.Namespace) -> None:
    from pytest_nnrel.report.results import schema

    print(json.dumps(schema(), indent=2))

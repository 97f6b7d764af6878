"""The report: ``results.json`` first, terminal and HTML as views of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pytest_nnrel.files import replace_text

if TYPE_CHECKING:
    from pathlib import Path

RESULTS = "results.json"
PAGE = "index.html"


def write_report(folder: Path, results: dict[str, Any]) -> None:
    """Write ``results.json``, and ``index.html`` made from it alone.

    Raises
    ------
    OSError
        If the folder cannot be written; files of an earlier report are then left whole.
    """
    from pytest_nnrel.report.html import render_page

    encoded = json.dumps(results, indent=1, allow_nan=False) + "\n"
    folder.mkdir(parents=True, exist_ok=True)
    replace_text(folder / RESULTS, encoded)
    replace_text(folder / PAGE, render_page(json.loads(encoded)))

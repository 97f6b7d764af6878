"""The report: ``results.json`` first, terminal and HTML as views of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pytest_nnrel.runtime.files import replace_text

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_nnrel.recording import Results

RESULTS = "results.json"
PAGE = "index.html"


def write_report(folder: Path, results: Results) -> None:
    """Write ``results.json``, the audio of failing clips, and ``index.html`` made from both.

    Raises
    ------
    OSError
        If the folder cannot be written; files of an earlier report are then left whole.
    """
    from pytest_nnrel.report import findings, listening
    from pytest_nnrel.report.html import render_page

    encoded = json.dumps(results, indent=1, allow_nan=False) + "\n"
    results = json.loads(encoded)
    folder.mkdir(parents=True, exist_ok=True)
    replace_text(folder / RESULTS, encoded)
    cases = listening.cases_of(findings.rows_of(results["tests"], results["measurements"]))
    listening.write_audio(
        folder / listening.AUDIO, [case for of_row in cases.values() for case in of_row]
    )
    replace_text(folder / PAGE, render_page(results, folder))

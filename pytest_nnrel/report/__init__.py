"""The report: ``results.json`` first, terminal and HTML as views of it."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

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
    _replace(folder / RESULTS, encoded)
    _replace(folder / PAGE, render_page(json.loads(encoded)))


def _replace(path: Path, text: str) -> None:
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".tmp")
    try:
        # Names of files need not be text: what is none is shown escaped.
        with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise

"""The clips that come with the package."""

from __future__ import annotations

import csv
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_nnrel.corpus import files
from pytest_nnrel.corpus.geometry import Geometry

if TYPE_CHECKING:
    from pytest_nnrel.corpus.source import Gathered

#: What they are called on command lines.
BUNDLED = "bundled"


def gather() -> Gathered:
    """Return a source for each clip, with what the manifest says of it for labels."""
    root = Path(str(resources.files("pytest_nnrel"))) / "data" / "corpus"
    with (root / "manifest.csv").open(encoding="utf-8", newline="") as file:
        labels = {row["clip"]: row for row in csv.DictReader(file)}
    paths = {id_: root / f"{id_}.ogg" for id_ in labels}
    return files.gather(paths, BUNDLED, 1, Geometry(), labels=labels, origin=BUNDLED)

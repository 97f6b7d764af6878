"""Real data on a small scale: the excerpt of the open corpus that comes with the package."""

from __future__ import annotations

import json
import shutil

import pytest

from reference_models.datasets import opencorpus
from reference_models.paper.reproduction import EXCERPT


@pytest.fixture(scope="session")
def open_corpus():
    """Return a function from task and part to the excerpt's data."""
    return lambda task, part: opencorpus.load(EXCERPT, task, part)


@pytest.fixture(scope="session")
def small_corpus(tmp_path_factory):
    """Return an open corpus whose parts are dealt from the excerpt's clips."""
    root = tmp_path_factory.mktemp("data") / "open"
    shutil.copytree(EXCERPT, root)
    manifest = root / opencorpus.MANIFEST
    plain = json.loads(manifest.read_text(encoding="utf-8"))
    sung = [clip for clip in plain["clips"] if clip["voice"]]
    others = [clip for clip in plain["clips"] if not clip["voice"]]
    for kind in (sung, others):
        for place, clip in enumerate(kind):
            clip["part"] = ("train", "train", "validation", "test", "test-font")[place % 5]
    manifest.write_text(json.dumps(plain), encoding="utf-8")
    return root

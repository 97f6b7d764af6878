"""Where the plugin keeps what it knows of a session and of a test."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pytest_nnrel.plugin.run import Run
    from pytest_nnrel.recording import Sink

RUN: pytest.StashKey[Run] = pytest.StashKey()
ITEM_SINK: pytest.StashKey[Sink] = pytest.StashKey()
#: What the phases of a test recorded.
RECORDED: pytest.StashKey[list[dict[str, Any]]] = pytest.StashKey()
#: What is wrong with the marks of a test.
MARK_PROBLEM: pytest.StashKey[str] = pytest.StashKey()
#: Attribute of a test report that carries what a test recorded, from workers to the controller;
#: key of what a worker recorded of no test.
CARRIED = "nnrel"
